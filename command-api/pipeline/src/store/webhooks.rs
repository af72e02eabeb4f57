//! Webhooks of a tenant: made, shown, changed, deleted.
//!
//! Owns: who may, ids and secrets of webhooks, the facts of their decision.
//! Does not own: what a webhook may say (domain), rules of buckets ([`super::notifications`]), deliveries
//! ([`super::deliveries`]).
//! Invariant: a secret leaves once, in the answer that makes it, and toward whoever signs with it
//! ([`super::subscriptions`]).

use domain::Refusal;
use domain::policy::authorise_everywhere;
use domain::subscription::overlap_us;
use domain::webhook::{self, Command, Create, State, Update};
use event_log::{Changes, Rows};
use projections::{query, row};
use schemas::action::Action;
use schemas::subscription::{SigningSecrets, Webhook};
use schemas::{BucketId, Position, SubscriptionId, TenantId, Time};
use secrecy::{ExposeSecret, SecretString};

use super::deliveries::announce_error;
use super::{Inner, Request, Store, internal, rows_error, situation};
use crate::api::{Caller, CreateWebhook, NewSigningSecret, Point, StoreError, WebhookInfo};
use crate::sequencer::{Decide, Outcome, Planned, Unit};

/// What secrets of subscriptions are sealed for, each with its subscription's id as context.
const SECRET_PURPOSE: &str = "webhook";
/// What they begin with, as Standard Webhooks has it.
const SECRET_PREFIX: &str = "whsec_";

impl Store {
    /// The tenant's webhooks by id, each with how its deliveries stand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_webhooks(&self, caller: &Caller) -> Result<Vec<WebhookInfo>, StoreError> {
        managing(caller)?;
        let rows = query::webhooks(self.inner.log.snapshot().as_ref(), caller.tenant).map_err(rows_error)?;
        let now = self.inner.judged_now();
        let webhooks = rows.into_iter().map(|(id, row)| info(id, row, now)).collect();
        self.inner.with_delivery(caller.tenant, webhooks).await
    }

    /// A webhook, with how its deliveries stand.
    ///
    /// # Errors
    /// [`Refusal::NoSuchWebhook`].
    pub async fn webhook(&self, caller: &Caller, id: SubscriptionId) -> Result<WebhookInfo, StoreError> {
        managing(caller)?;
        let found = self.inner.webhook(caller.tenant, id)?;
        let with_delivery = self.inner.with_delivery(caller.tenant, vec![found]).await?;
        with_delivery.into_iter().next().ok_or_else(|| Refusal::NoSuchWebhook.into())
    }

    /// Makes a webhook. Its secret is returned once, with the position of the event.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        asked: CreateWebhook,
    ) -> Result<(WebhookInfo, NewSigningSecret), StoreError> {
        managing(caller)?;
        webhook::check_url(&asked.url)?;
        webhook::check_filter(&asked.filter)?;
        self.inner.check_destinations([asked.url.as_str()]).await?;
        let (inner, tenant) = (&self.inner, caller.tenant);
        let start = match asked.start {
            // Behind the event that makes it, which nobody knows the place of yet.
            Point::Head => None,
            point => Some(inner.position_of(inner.log.snapshot().as_ref(), tenant, point)?),
        };
        let id = SubscriptionId(inner.ids.bytes());
        let (secret, sealed) = inner.new_signing_secret(tenant, id)?;
        let CreateWebhook { url, name, format, mode, filter, paused, start: _ } = asked;
        let create = Create { url, name, format, mode, filter, paused, secret: sealed, now: Time(0), start };
        let command = move |now| Command::Create(Box::new(Create { now, ..create.clone() }));
        let outcome = inner.change_webhook(Request::of(caller), Some(caller), id, command).await?;
        let position = inner.position(tenant, &outcome)?;
        let secret = NewSigningSecret { secret, previous_until: None, position };
        Ok((inner.webhook(tenant, id)?, secret))
    }

    /// Changes what of a webhook is said.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn update_webhook(
        &self,
        caller: &Caller,
        id: SubscriptionId,
        update: Update,
    ) -> Result<(WebhookInfo, Position), StoreError> {
        managing(caller)?;
        let tenant = caller.tenant;
        let before = self.inner.webhook(tenant, id)?;
        if let Some(url) = update.url.as_deref().filter(|url| *url != before.url) {
            webhook::check_url(url)?;
            self.inner.check_destinations([url]).await?;
        }
        let command = move |_| Command::Update(Box::new(update.clone()));
        let outcome = self.inner.change_webhook(Request::of(caller), Some(caller), id, command).await?;
        Ok((self.inner.webhook(tenant, id)?, self.inner.position(tenant, &outcome)?))
    }

    /// Deletes a webhook: it is told nothing more.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_webhook(&self, caller: &Caller, id: SubscriptionId) -> Result<Position, StoreError> {
        managing(caller)?;
        let outcome = self.inner.change_webhook(Request::of(caller), Some(caller), id, |_| Command::Delete).await?;
        self.inner.position(caller.tenant, &outcome)
    }

    /// Gives a webhook another secret, returned once. The old one signs too for `overlap_s` seconds.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn rotate_webhook_secret(
        &self,
        caller: &Caller,
        id: SubscriptionId,
        overlap_s: u64,
    ) -> Result<NewSigningSecret, StoreError> {
        managing(caller)?;
        let (tenant, overlap_us) = (caller.tenant, overlap_us(overlap_s)?);
        let (secret, sealed) = self.inner.new_signing_secret(tenant, id)?;
        let command = move |now| Command::Rotate { sealed: sealed.clone(), now, overlap_us };
        let outcome = self.inner.change_webhook(Request::of(caller), Some(caller), id, command).await?;
        let position = self.inner.position(tenant, &outcome)?;
        let rotated = self.inner.webhook(tenant, id)?;
        Ok(NewSigningSecret { secret, previous_until: rotated.previous_until, position })
    }
}

/// Whether the caller may look after webhooks. They are told of everything in the tenant: a key for some buckets may not.
///
/// # Errors
/// [`Refusal::AccessDenied`].
pub(super) fn managing(caller: &Caller) -> Result<(), Refusal> {
    authorise_everywhere(caller.scopes().ok_or(Refusal::AccessDenied)?, Action::ManageWebhooks)
}

fn state(rows: &dyn Rows, tenant: TenantId, id: SubscriptionId) -> Result<State, StoreError> {
    if let Some(row) = query::webhook(rows, tenant, id).map_err(rows_error)? {
        return Ok(State::Live(Box::new(row.webhook)));
    }
    let webhooks = query::webhooks(rows, tenant).map_err(rows_error)?.len();
    Ok(State::Absent { webhooks })
}

impl Inner {
    fn webhook(&self, tenant: TenantId, id: SubscriptionId) -> Result<WebhookInfo, StoreError> {
        let row = query::webhook(self.log.snapshot().as_ref(), tenant, id).map_err(rows_error)?;
        Ok(info(id, row.ok_or(Refusal::NoSuchWebhook)?, self.judged_now()))
    }

    /// Decides about a webhook over the rows as they are then, for a caller whose key must still work then.
    pub(super) async fn change_webhook(
        &self,
        request: Request,
        by: Option<&Caller>,
        id: SubscriptionId,
        mut command: impl FnMut(Time) -> Command + Send + 'static,
    ) -> Result<Outcome, StoreError> {
        let (tenant, by) = (request.tenant, by.cloned());
        let key = self.tenant_key(tenant)?;
        let decide: Decide = Box::new(move |rows, now| {
            by.as_ref().map_or(Ok(()), |by| situation::still_works(rows, by))?;
            let events = webhook::decide(id, &state(rows, tenant, id)?, command(now))?;
            let plan = |event| Planned { bucket: BucketId::NONE, key, object: None, event };
            Ok(Unit { events: events.into_iter().map(plan).collect(), changes: Changes::default() })
        });
        self.run(request, decide).await
    }

    /// Refuses addresses that nothing may be sent to.
    ///
    /// # Errors
    /// [`Refusal::NotSupported`] where nobody delivers, [`Refusal::DestinationNotAllowed`].
    pub(super) async fn check_destinations(
        &self,
        urls: impl IntoIterator<Item = &str> + Send,
    ) -> Result<(), StoreError> {
        let announcements = self.announcements.get()?;
        // A name may have to be looked up: all at a time.
        let checks: Vec<_> = urls.into_iter().map(|url| announcements.check_url(url.to_owned())).collect();
        let checked = futures_util::future::try_join_all(checks).await;
        checked.map(|_| ()).map_err(announce_error)
    }

    async fn with_delivery(
        &self,
        tenant: TenantId,
        mut webhooks: Vec<WebhookInfo>,
    ) -> Result<Vec<WebhookInfo>, StoreError> {
        // What webhooks are can be told where nobody delivers, too.
        let Ok(announcements) = self.announcements.get() else { return Ok(webhooks) };
        let looking = tokio::task::spawn_blocking(move || {
            for webhook in &mut webhooks {
                webhook.delivery = announcements.state(tenant, webhook.id);
            }
            webhooks
        });
        looking.await.map_err(|error| internal(&error))
    }

    /// A new secret: as it is shown once, and sealed for its subscription.
    pub(super) fn new_signing_secret(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<(SecretString, Vec<u8>), StoreError> {
        let engine = &base64::engine::general_purpose::STANDARD;
        let random = base64::Engine::encode(engine, self.ids.bytes::<32>());
        let text = SecretString::from(format!("{SECRET_PREFIX}{random}"));
        let sealed = self.contents.vault.seal_secret(tenant, SECRET_PURPOSE, &id.0, text.expose_secret().as_bytes());
        Ok((text, sealed.map_err(|error| internal(&error))?))
    }

    /// The secrets that sign now, the newest first, each with its end.
    pub(super) fn signing_secrets(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        secrets: &SigningSecrets,
        now: Time,
    ) -> Result<Vec<(SecretString, Option<Time>)>, StoreError> {
        let previous = secrets.previous.as_ref().filter(|previous| previous.until > now);
        let previous = previous.map(|previous| (&previous.sealed, Some(previous.until)));
        let open = |(sealed, until): (&Vec<u8>, Option<Time>)| {
            let opened = self.contents.vault.open_secret(tenant, SECRET_PURPOSE, &id.0, sealed);
            let opened = opened.map_err(|error| internal(&error))?;
            let text = std::str::from_utf8(&opened).map_err(|_| StoreError::Corrupt {
                what: format!("the secret of subscription {id} of tenant {tenant} is not text"),
            })?;
            Ok((SecretString::from(text), until))
        };
        std::iter::once((&secrets.current, None)).chain(previous).map(open).collect()
    }
}

fn info(id: SubscriptionId, row: row::Webhook, now: Time) -> WebhookInfo {
    let row::Webhook { webhook, start, created, updated } = row;
    let Webhook { url, name, format, mode, filter, status, secrets } = webhook;
    let previous_until = secrets.previous.map(|previous| previous.until).filter(|until| *until > now);
    WebhookInfo {
        id,
        url,
        name,
        format,
        mode,
        filter,
        status,
        created,
        updated,
        start,
        secret_since: secrets.since,
        previous_until,
        delivery: None,
    }
}
