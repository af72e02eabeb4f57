//! Webhooks of a tenant: made, changed, stopped, deleted.
//!
//! Owns: the life of a webhook, what one may say, how much of it fits a row.
//! Does not own: its id, making and sealing its secrets (pipeline), delivery (notifier), rules of buckets
//! ([`crate::notification`]).

use schemas::announcement::is_announced;
use schemas::event::{Event, WebhookChange, WebhookDeleted, WebhookSet};
use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SigningSecrets, SubscriptionStatus, Webhook};
use schemas::{BucketName, Position, SubscriptionId, Time};

use crate::Refusal;
use crate::subscription::{at_their_longest, bounded, rotated, stops, wrong_with_url};

/// Most webhooks of a tenant.
pub const WEBHOOKS_MAX: usize = 1_000;
/// Most characters of a name.
const NAME_CHARS_MAX: usize = 128;
/// Most patterns of types.
const EVENTS_MAX: usize = 50;
/// Most names of buckets.
const BUCKETS_MAX: usize = 50;
/// Most bytes of a prefix or suffix: no key is longer.
const AFFIX_BYTES_MAX: usize = 1_024;
/// Most bytes of the event that sets it: a row holds as much beside its key.
const WEBHOOK_BYTES_MAX: usize = 2_600;
/// Why somebody's own pause is one.
const PAUSED: &str = "paused by request";

/// What a decision about one webhook needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The tenant has no such webhook.
    Absent {
        /// How many others it has.
        webhooks: usize,
    },
    /// It has.
    Live(Box<Webhook>),
}

/// What may be asked of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make it.
    Create(Box<Create>),
    /// Change what of it is said. Nothing happens when it is so already.
    Update(Box<Update>),
    /// Give it another secret.
    Rotate {
        /// The secret, sealed.
        sealed: Vec<u8>,
        /// When.
        now: Time,
        /// How long the old one signs too, microseconds.
        overlap_us: u64,
    },
    /// Tell it nothing more. Nothing happens when it is told nothing already, or is gone.
    Stop(SubscriptionStatus),
    /// Delete it.
    Delete,
}

/// A new webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Where events are posted.
    pub url: String,
    /// What people call it.
    pub name: Option<String>,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
    /// Which events.
    pub filter: EventFilter,
    /// Whether it begins paused.
    pub paused: bool,
    /// Its secret, sealed.
    pub secret: Vec<u8>,
    /// When it is made.
    pub now: Time,
    /// First position that it is told of; none for the one behind the event that makes it.
    pub start: Option<Position>,
}

/// What is to become of a webhook. What is none stays; `Some(None)` takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Where events are posted.
    pub url: Option<String>,
    /// What people call it.
    pub name: Option<Option<String>>,
    /// In which shape.
    pub format: Option<PayloadFormat>,
    /// In which order.
    pub mode: Option<DeliveryMode>,
    /// Types.
    pub events: Option<Vec<String>>,
    /// Buckets; none at all are all.
    pub buckets: Option<Vec<BucketName>>,
    /// Only keys that begin with it.
    pub prefix: Option<Option<String>>,
    /// Only keys that end with it.
    pub suffix: Option<Option<String>>,
    /// Only objects of at least so many bytes.
    pub size_bytes_min: Option<Option<u64>>,
    /// Only objects of at most so many bytes.
    pub size_bytes_max: Option<Option<u64>>,
    /// Whether it is to be paused, or to go on where it stopped.
    pub paused: Option<bool>,
}

impl Update {
    fn applied_to(self, mut webhook: Webhook) -> Webhook {
        fn put<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        put(&mut webhook.url, self.url);
        put(&mut webhook.name, self.name);
        put(&mut webhook.format, self.format);
        put(&mut webhook.mode, self.mode);
        let filter = &mut webhook.filter;
        put(&mut filter.events, self.events);
        put(&mut filter.buckets, self.buckets);
        put(&mut filter.prefix, self.prefix);
        put(&mut filter.suffix, self.suffix);
        put(&mut filter.size_bytes_min, self.size_bytes_min);
        put(&mut filter.size_bytes_max, self.size_bytes_max);
        match self.paused {
            // Whoever pauses what is stopped learns nothing new, and its reason would be lost.
            Some(true) if webhook.status == SubscriptionStatus::Active => webhook.status = paused(),
            Some(false) => webhook.status = SubscriptionStatus::Active,
            Some(true) | None => {}
        }
        webhook
    }
}

fn paused() -> SubscriptionStatus {
    SubscriptionStatus::Paused { reason: PAUSED.to_owned() }
}

/// Whether a filter is one.
///
/// # Errors
/// [`Refusal::InvalidArgument`] with the reason.
pub fn check_filter(filter: &EventFilter) -> Result<(), Refusal> {
    if filter.events.is_empty() || filter.events.len() > EVENTS_MAX {
        return refuse("events", "`events` has 1 to 50 types of events.");
    }
    if !filter.events.iter().all(|event| is_announced(event)) {
        return refuse("events", "`events` has a type that no event is announced by.");
    }
    if filter.buckets.len() > BUCKETS_MAX {
        return refuse("buckets", "`buckets` has at most 50 names.");
    }
    let long = |affix: &Option<String>| affix.as_ref().is_some_and(|affix| affix.len() > AFFIX_BYTES_MAX);
    if long(&filter.prefix) || long(&filter.suffix) {
        return refuse("prefix", "`prefix` and `suffix` have at most 1024 bytes.");
    }
    match (filter.size_bytes_min, filter.size_bytes_max) {
        (Some(min), Some(max)) if min > max => refuse("minSizeBytes", "`minSizeBytes` is more than `maxSizeBytes`."),
        _ => Ok(()),
    }
}

fn refuse(name: &'static str, reason: &'static str) -> Result<(), Refusal> {
    Err(Refusal::InvalidArgument { name, reason })
}

/// Whether an address is one that events may be posted to, as far as its text tells.
///
/// # Errors
/// [`Refusal::InvalidArgument`] with the reason.
pub fn check_url(url: &str) -> Result<(), Refusal> {
    wrong_with_url(url).map_or(Ok(()), |reason| refuse("url", reason))
}

fn check(id: SubscriptionId, webhook: &Webhook) -> Result<(), Refusal> {
    check_url(&webhook.url)?;
    let is_name = |name: &String| {
        let chars = name.chars().count();
        (1..=NAME_CHARS_MAX).contains(&chars) && !name.chars().any(char::is_control)
    };
    if !webhook.name.as_ref().is_none_or(is_name) {
        return refuse("name", "`name` has 1 to 128 characters.");
    }
    check_filter(&webhook.filter)?;
    let (secrets, status) = at_their_longest(&webhook.secrets);
    let longest = set(id, WebhookChange::SecretRotated, Webhook { secrets, status, ..webhook.clone() });
    if longest.encode().len() > WEBHOOK_BYTES_MAX {
        return Err(Refusal::InvalidRequest { reason: "the webhook is too large: shorten its filter" });
    }
    Ok(())
}

fn set(id: SubscriptionId, change: WebhookChange, webhook: Webhook) -> Event {
    WebhookSet { id, change, webhook, start: None }.into()
}

/// # Errors
/// [`Refusal::NoSuchWebhook`], [`Refusal::TooMany`], [`Refusal::InvalidArgument`] for what no webhook can say,
/// [`Refusal::InvalidRequest`] for one that is too long in all.
pub fn decide(id: SubscriptionId, state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (State::Absent { webhooks }, Command::Create(create)) => {
            if *webhooks >= WEBHOOKS_MAX {
                return Err(Refusal::TooMany { what: "webhooks" });
            }
            let Create { url, name, format, mode, filter, paused: begins_paused, secret, now, start } = *create;
            let status = if begins_paused { paused() } else { SubscriptionStatus::Active };
            let secrets = SigningSecrets { current: secret, since: now, previous: None };
            let webhook = Webhook { url, name, format, mode, filter, status, secrets };
            check(id, &webhook)?;
            Ok(vec![WebhookSet { id, change: WebhookChange::Created, webhook, start }.into()])
        }
        // Ids are drawn at random and given once.
        (State::Live(_), Command::Create(_)) => Err(Refusal::InvalidRequest { reason: "the webhook exists" }),
        (State::Absent { .. }, Command::Stop(_)) => Ok(vec![]),
        (State::Absent { .. }, Command::Update(_) | Command::Rotate { .. } | Command::Delete) => {
            Err(Refusal::NoSuchWebhook)
        }
        (State::Live(webhook), Command::Update(update)) => {
            let changed = update.applied_to(webhook.as_ref().clone());
            check(id, &changed)?;
            Ok(if changed == **webhook { vec![] } else { vec![set(id, WebhookChange::Updated, changed)] })
        }
        (State::Live(webhook), Command::Rotate { sealed, now, overlap_us }) => {
            let secrets = rotated(&webhook.secrets, sealed, now, overlap_us);
            Ok(vec![set(id, WebhookChange::SecretRotated, Webhook { secrets, ..webhook.as_ref().clone() })])
        }
        (State::Live(webhook), Command::Stop(status)) => {
            if !stops(&webhook.status, &status) {
                return Ok(vec![]);
            }
            let status = bounded(status);
            Ok(vec![set(id, WebhookChange::Stopped, Webhook { status, ..webhook.as_ref().clone() })])
        }
        (State::Live(_), Command::Delete) => Ok(vec![WebhookDeleted { id }.into()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    const ID: SubscriptionId = SubscriptionId([7; 16]);

    fn evolve(state: State, event: &Event) -> State {
        match event {
            Event::WebhookSet(set) => State::Live(Box::new(set.webhook.clone())),
            Event::WebhookDeleted(_) => State::Absent { webhooks: 0 },
            _ => state,
        }
    }

    fn given(events: impl IntoIterator<Item = Event>) -> Scenario<State, Command> {
        Scenario::new(State::Absent { webhooks: 0 }, |state, command| decide(ID, state, command), evolve).given(events)
    }

    fn new() -> Create {
        Create {
            url: "https://a.example/hook".to_owned(),
            name: Some("orders".to_owned()),
            format: PayloadFormat::CloudEvents,
            mode: DeliveryMode::Key,
            filter: EventFilter { events: vec!["*".to_owned()], ..EventFilter::default() },
            paused: false,
            // As long as the vault makes it.
            secret: vec![1; 140],
            now: Time(5),
            start: Some(Position(3)),
        }
    }

    fn webhook() -> Webhook {
        let Create { url, name, format, mode, filter, secret, now, .. } = new();
        let secrets = SigningSecrets { current: secret, since: now, previous: None };
        Webhook { url, name, format, mode, filter, status: SubscriptionStatus::Active, secrets }
    }

    fn created() -> Event {
        WebhookSet { id: ID, change: WebhookChange::Created, webhook: webhook(), start: Some(Position(3)) }.into()
    }

    fn create(create: Create) -> Command {
        Command::Create(Box::new(create))
    }

    fn update(update: Update) -> Command {
        Command::Update(Box::new(update))
    }

    fn stopped(reason: &str) -> SubscriptionStatus {
        SubscriptionStatus::Paused { reason: reason.to_owned() }
    }

    #[test]
    fn a_webhook_is_made_once_and_deleted_once() {
        given([]).when(create(new())).then([created()]);
        given([created()]).when(Command::Delete).then([WebhookDeleted { id: ID }.into()]);
        given([]).when(Command::Delete).then_refused(Refusal::NoSuchWebhook);
        let deleted = [created(), WebhookDeleted { id: ID }.into()];
        given(deleted.clone()).when(update(Update::default())).then_refused(Refusal::NoSuchWebhook);
        given(deleted).when(Command::Stop(stopped("x"))).then_nothing();
    }

    #[test]
    fn a_tenant_has_so_many_and_no_more() {
        let full = |webhooks| decide(ID, &State::Absent { webhooks }, create(new()));
        assert!(full(WEBHOOKS_MAX - 1).is_ok());
        assert_eq!(full(WEBHOOKS_MAX), Err(Refusal::TooMany { what: "webhooks" }));
    }

    #[test]
    fn a_change_says_what_changes_and_no_more() {
        given([created()]).when(update(Update::default())).then_nothing();
        let change = Update {
            name: Some(None),
            prefix: Some(Some("in/".to_owned())),
            mode: Some(DeliveryMode::Strict),
            ..Update::default()
        };
        let filter = EventFilter { prefix: Some("in/".to_owned()), ..webhook().filter };
        let changed = Webhook { name: None, mode: DeliveryMode::Strict, filter, ..webhook() };
        given([created()]).when(update(change)).then([set(ID, WebhookChange::Updated, changed)]);
        let bad = Update { events: Some(vec!["s3:Nothing:*".to_owned()]), ..Update::default() };
        given([created()])
            .when(update(bad))
            .then_refused(refuse("events", "`events` has a type that no event is announced by.").unwrap_err());
    }

    #[test]
    fn a_webhook_is_paused_stopped_and_resumed() {
        let with = |change, status| set(ID, change, Webhook { status, ..webhook() });
        let pause = || update(Update { paused: Some(true), ..Update::default() });
        let resume = || update(Update { paused: Some(false), ..Update::default() });
        let by_request = with(WebhookChange::Updated, paused());
        given([created()]).when(pause()).then([by_request.clone()]);
        given([created()]).when(resume()).then_nothing();
        given([created(), by_request.clone()])
            .when(resume())
            .then([with(WebhookChange::Updated, SubscriptionStatus::Active)]);
        let gave_up = with(WebhookChange::Stopped, stopped("retries ran out"));
        given([created()]).when(Command::Stop(stopped("retries ran out"))).then([gave_up.clone()]);
        given([created(), gave_up.clone()]).when(Command::Stop(stopped("again"))).then_nothing();
        // Its reason stays.
        given([created(), gave_up.clone()]).when(pause()).then_nothing();
        let gone = || SubscriptionStatus::Disabled { reason: "410".to_owned() };
        let disabled = with(WebhookChange::Stopped, gone());
        given([created(), gave_up]).when(Command::Stop(gone())).then([disabled.clone()]);
        given([created(), disabled]).when(Command::Stop(stopped("late"))).then_nothing();
        given([created()]).when(Command::Stop(SubscriptionStatus::Active)).then_nothing();
        given([]).when(create(Create { paused: true, start: None, ..new() })).then([WebhookSet {
            id: ID,
            change: WebhookChange::Created,
            webhook: Webhook { status: paused(), ..webhook() },
            start: None,
        }
        .into()]);
    }

    #[test]
    fn another_secret_leaves_the_old_one_for_a_while() {
        let rotate = Command::Rotate { sealed: vec![2], now: Time(9), overlap_us: 10 };
        let secrets = rotated(&webhook().secrets, vec![2], Time(9), 10);
        let event = set(ID, WebhookChange::SecretRotated, Webhook { secrets, ..webhook() });
        given([created()]).when(rotate.clone()).then([event]);
        given([]).when(rotate).then_refused(Refusal::NoSuchWebhook);
    }

    #[test]
    fn what_no_webhook_can_say() {
        let filter = || new().filter;
        let many = |count, text: &str| vec![text.to_owned(); count];
        let bucket = BucketName::parse("bucket").unwrap();
        let affix = |bytes| Some("x".repeat(bytes));
        for (what, create, good) in [
            ("url", Create { url: "ftp://a.example".to_owned(), ..new() }, false),
            ("empty name", Create { name: Some(String::new()), ..new() }, false),
            ("name", Create { name: Some("é".repeat(128)), ..new() }, true),
            ("long name", Create { name: Some("é".repeat(129)), ..new() }, false),
            ("control", Create { name: Some("a\nb".to_owned()), ..new() }, false),
            ("no events", Create { filter: EventFilter { events: vec![], ..filter() }, ..new() }, false),
            ("50 events", Create { filter: EventFilter { events: many(50, "s3:*"), ..filter() }, ..new() }, true),
            ("51 events", Create { filter: EventFilter { events: many(51, "s3:*"), ..filter() }, ..new() }, false),
            (
                "kept",
                Create { filter: EventFilter { events: many(1, "holdfast:Tenant:*"), ..filter() }, ..new() },
                false,
            ),
            (
                "50 buckets",
                Create { filter: EventFilter { buckets: vec![bucket.clone(); 50], ..filter() }, ..new() },
                true,
            ),
            ("51 buckets", Create { filter: EventFilter { buckets: vec![bucket; 51], ..filter() }, ..new() }, false),
            ("prefix", Create { filter: EventFilter { prefix: affix(1_024), ..filter() }, ..new() }, true),
            ("long prefix", Create { filter: EventFilter { prefix: affix(1_025), ..filter() }, ..new() }, false),
            ("long suffix", Create { filter: EventFilter { suffix: affix(1_025), ..filter() }, ..new() }, false),
            (
                "both",
                Create { filter: EventFilter { prefix: affix(1_024), suffix: affix(1_024), ..filter() }, ..new() },
                false,
            ),
            (
                "sizes",
                Create {
                    filter: EventFilter { size_bytes_min: Some(2), size_bytes_max: Some(1), ..filter() },
                    ..new()
                },
                false,
            ),
        ] {
            let decided = decide(ID, &State::Absent { webhooks: 0 }, self::create(create));
            assert_eq!(decided.is_ok(), good, "{what}: {decided:?}");
        }
    }

    #[test]
    fn what_fits_still_fits_after_a_rotation_and_a_stop() {
        let prefix = |bytes| Some("x".repeat(bytes));
        let long = Create { url: format!("https://a.example/{}", "x".repeat(500)), ..new() };
        let fits = (0..=1_024)
            .rev()
            .find_map(|bytes| {
                let filter = EventFilter { prefix: prefix(bytes), ..new().filter };
                decide(ID, &State::Absent { webhooks: 0 }, create(Create { filter, ..long.clone() })).ok()
            })
            .unwrap();
        let mut state = evolve(State::Absent { webhooks: 0 }, &fits[0]);
        let rotate = Command::Rotate { sealed: vec![255; 140], now: Time(u64::MAX / 2), overlap_us: 1 << 40 };
        let stop = Command::Stop(SubscriptionStatus::Disabled { reason: "x".repeat(1_000) });
        for command in [rotate.clone(), stop, rotate, update(Update { name: Some(None), ..Update::default() })] {
            let events = decide(ID, &state, command).unwrap();
            assert!(events[0].encode().len() <= WEBHOOK_BYTES_MAX);
            state = evolve(state, &events[0]);
        }
    }
}
