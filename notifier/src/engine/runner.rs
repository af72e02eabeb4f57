//! The task of one subscription: takes events from the desk or the log, keeps as many under way as the receiver takes, and
//! tries again what failed.
//!
//! Owns: the cursor, pace, retries, setting aside, ending.
//! Invariants: the cursor passes a position when it was delivered, set aside or does not match, and not before. Of a receiver
//! that takes nothing one request is under way.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use event_log::CursorState;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use schemas::announcement::LOG_REOPENED;
use schemas::subscription::{DeliveryMode, SubscriptionStatus};
use schemas::{EventId, Position, Time};

use super::lanes::Lanes;
use super::{Desk, Told};
use crate::announcement::Announcement;
use crate::bell::raised;
use crate::clock::Clock;
use crate::fair::Fair;
use crate::figures::Figures;
use crate::history::{History, HistoryError};
use crate::retry::{Breaker, RetryPolicy};
use crate::sender::{Outcome, Outgoing, Sender};
use crate::state::{Found, Journal, KeptAttempt, KeptEnd, KeptParked, State};
use crate::subscription::Directory;

/// Requests under way to one receiver at most.
const WINDOW_MAX: usize = 64;
/// A permit to make requests is given back after this, whether the receiver has answered or not.
const PERMIT_MAX: Duration = Duration::from_millis(10);
/// How often it is written how a subscription stands.
const NOTED_EVERY_US: u64 = 200_000;
/// How often it is of one that nothing matches, so that a restart does not read everything again.
const PASSED_EVERY_US: u64 = 10_000_000;
/// How long requests under way may take when the subscription stops.
const ENDING: Duration = Duration::from_secs(2);
/// How long to wait when the log could not be read.
const AGAIN: Duration = Duration::from_secs(5);

/// What all subscriptions share.
pub(crate) struct Shared {
    pub(crate) history: Arc<History>,
    pub(crate) journal: Journal,
    pub(crate) sender: Sender,
    pub(crate) fair: Fair,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) policy: RetryPolicy,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) figures: Figures,
}

/// A request that has ended: of an event of the log, or of a parked one.
struct Ended {
    event: Arc<Announcement>,
    attempt: u32,
    outcome: Outcome,
    parked: bool,
}

/// Why a subscription is told nothing any more.
enum End {
    /// Somebody stopped it: it goes on later, here or after a restart.
    Stopped,
    /// It is to be paused or disabled.
    Status(SubscriptionStatus),
    /// A replay has told everything.
    Done,
}

struct Runner {
    told: Arc<Told>,
    desk: Arc<Desk>,
    shared: Arc<Shared>,
    lanes: Lanes<Arc<Announcement>>,
    /// Matching events that were read and are in no lane yet.
    ahead: VecDeque<Arc<Announcement>>,
    /// Everything before it was read.
    next: Position,
    live: bool,
    state: State,
    /// Position of the last event that was put into a lane.
    prev: Option<Position>,
    flying: FuturesUnordered<BoxFuture<'static, Ended>>,
    breaker: Breaker,
    window: usize,
    /// Successes since the window grew last.
    grown: usize,
    succeeded_us: u64,
    /// Nothing begins before this: the receiver asked for it, or the rate does.
    rest_us: u64,
    noted_us: u64,
    noted: (State, BTreeSet<Position>),
    changed: bool,
}

/// Tells a subscription until it is stopped, or stops by itself.
pub(crate) async fn run(told: Arc<Told>, desk: Arc<Desk>, shared: Arc<Shared>) {
    let mut stop = told.stop.subscribe();
    let mut runner = loop {
        match Runner::new(told.clone(), desk.clone(), shared.clone()).await {
            Ok(runner) => break runner,
            Err(error) => {
                tracing::error!(tenant = %told.tenant, subscription = %told.id, %error, "a subscription cannot begin");
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = raised(&mut stop) => return,
                }
            }
        }
    };
    let end = runner.run(stop).await;
    desk.leave(&told);
    runner.wind_down().await;
    runner.note(true);
    let (tenant, id) = (told.tenant, told.id);
    match (end, &told.replay) {
        (End::Stopped, _) => {}
        (End::Status(SubscriptionStatus::Paused { reason } | SubscriptionStatus::Disabled { reason }), Some(_)) => {
            runner.end_replay(KeptEnd::Failed(reason));
        }
        (End::Done | End::Status(_), Some(_)) => runner.end_replay(KeptEnd::Done),
        (End::Status(status), None) => {
            tracing::warn!(%tenant, subscription = %id, ?status, "a subscription is told nothing any more");
            shared.figures.stopped.inc();
            while let Err(error) = shared.directory.stop(tenant, id, status.clone()).await {
                tracing::error!(%tenant, subscription = %id, %error, "it could not be recorded that a subscription stops");
                let mut stop = told.stop.subscribe();
                tokio::select! {
                    () = tokio::time::sleep(AGAIN) => {}
                    () = raised(&mut stop) => return,
                }
            }
        }
        (End::Done, None) => {}
    }
}

impl Runner {
    async fn new(told: Arc<Told>, desk: Arc<Desk>, shared: Arc<Shared>) -> Result<Self, HistoryError> {
        let (journal, history, place, start) =
            (shared.journal.clone(), shared.history.clone(), told.place(), told.start);
        let tenant = told.tenant;
        let read = move || {
            let found = journal.find(place).unwrap_or_else(|error| {
                tracing::error!(%tenant, %error, "a subscription begins anew");
                None
            });
            let Some(Found { mut state, cursor, mut done }) = found else {
                let state = State { next: start, ..State::default() };
                return Ok((state, BTreeSet::new()));
            };
            let snapshot = history.log().snapshot();
            // Without a record before it, it stands at the beginning.
            let verdict = cursor.map_or(Ok(CursorState::Valid), |cursor| snapshot.check(tenant, cursor))?;
            if let CursorState::Diverged { common } = verdict {
                let next = common.map_or(Position(0), Position::next);
                tracing::warn!(%tenant, from = %state.next, to = %next, "the log was reopened: a subscription goes back");
                // What was sent of the epoch that is gone is known to the receiver by other ids.
                done.clear();
                state.prev = state.prev.filter(|prev| *prev < next);
                state.next = next;
            }
            Ok::<_, HistoryError>((state, done))
        };
        let (state, done) = tokio::task::spawn_blocking(read).await.map_err(|_| HistoryError::CutOff)??;
        let now_us = shared.clock.monotonic_us();
        Ok(Self {
            lanes: Lanes::new(done.clone()),
            ahead: VecDeque::new(),
            next: state.next,
            live: false,
            prev: state.prev,
            noted: (state.clone(), done),
            state,
            flying: FuturesUnordered::new(),
            breaker: Breaker::default(),
            window: 1,
            grown: 0,
            succeeded_us: now_us,
            rest_us: 0,
            noted_us: now_us,
            changed: false,
            told,
            desk,
            shared,
        })
    }

    async fn run(&mut self, mut stop: tokio::sync::watch::Receiver<bool>) -> End {
        loop {
            if *stop.borrow() {
                return End::Stopped;
            }
            self.take_in();
            if self.wants_to_read()
                && let Err(error) = self.read().await
            {
                tracing::error!(tenant = %self.told.tenant, %error, "the log cannot be read for a subscriber");
                self.rest_us = self.shared.clock.monotonic_us() + u64::try_from(AGAIN.as_micros()).unwrap_or(u64::MAX);
            }
            self.take_in();
            self.try_parked().await;
            self.begin();
            if self.is_done() {
                return End::Done;
            }
            self.show();
            self.note(false);
            let told = self.told.clone();
            // What can be read now is read, once those under way have had their turn.
            let more = self.wants_to_read();
            let sleep = if more { Some(Duration::ZERO) } else { self.sleep() };
            tokio::select! {
                biased;
                () = raised(&mut stop) => return End::Stopped,
                Some(ended) = self.flying.next() => {
                    if let Some(end) = self.settle(ended) {
                        return end;
                    }
                }
                () = told.wake.notified() => {}
                () = tokio::time::sleep(sleep.unwrap_or(Duration::from_secs(3_600))), if sleep.is_some() => {}
            }
        }
    }

    /// Puts what was read into lanes, as far as there is room.
    fn take_in(&mut self) {
        if self.live {
            match self.desk.collect(&self.told, &mut self.ahead) {
                Ok(next) => self.next = next,
                Err(resume) => {
                    self.live = false;
                    self.next = resume;
                }
            }
        }
        while self.lanes.has_room() {
            let Some(event) = self.ahead.front() else { return };
            // The log's new epoch is told alone: behind everything before it, before everything behind it.
            let is_barrier = event.event_type.name == LOG_REOPENED;
            let behind_barrier = self.lanes.len() == 1
                && self
                    .prev
                    .and_then(|prev| self.lanes.item(prev))
                    .is_some_and(|it| it.event.event_type.name == LOG_REOPENED);
            if behind_barrier || (is_barrier && !self.lanes.is_empty()) {
                return;
            }
            let Some(event) = self.ahead.pop_front() else { return };
            let (position, lane) = (event.id.position, self.told.lane(&event));
            self.lanes.push(position, event, self.prev, lane);
            self.prev = Some(position);
        }
    }

    /// Whether it should read the log itself: nothing is left, and the receiver takes what there is.
    fn wants_to_read(&self) -> bool {
        !self.live
            && self.ahead.is_empty()
            && self.lanes.has_room()
            && (!self.breaker.is_open() || self.lanes.is_empty())
            && self.rest_us <= self.shared.clock.monotonic_us()
            && self.told.replay.as_ref().is_none_or(|replay| self.next < replay.to)
    }

    async fn read(&mut self) -> Result<(), HistoryError> {
        if self.told.replay.is_none() && self.desk.join(&self.told, self.next) {
            self.live = true;
            self.told.wake.notify_one();
            return Ok(());
        }
        let page = self.shared.history.page(self.told.tenant, self.next).await?;
        // Behind the desk's position others may be told, or otherwise.
        let end = self.told.replay.as_ref().map_or_else(|| self.desk.next(), |replay| replay.to);
        let wanted = |event: &&Arc<Announcement>| {
            let position = event.id.position;
            position >= self.next && position < end && self.told.matcher.matches(event)
        };
        self.ahead.extend(page.events.iter().filter(wanted).cloned());
        self.next = page.next.min(end).max(self.next);
        if page.next < end && page.next == page.head && self.told.replay.is_some() {
            // A replay of what is not there any more: the log was reopened before its end.
            self.next = end;
        }
        Ok(())
    }

    fn window(&self) -> usize {
        if self.told.mode == DeliveryMode::Strict { 1 } else { self.window }
    }

    /// Begins what may begin.
    fn begin(&mut self) {
        let now_us = self.shared.clock.monotonic_us();
        while self.lanes.flying() < self.window() && self.rest_us <= now_us {
            let position = match self.breaker.probe_due_us() {
                None => self.lanes.take(now_us),
                Some(due) if due <= now_us && self.lanes.flying() == 0 => self.lanes.take_first(),
                Some(_) => None,
            };
            let Some(position) = position else { return };
            let Some(item) = self.lanes.item(position) else { return };
            let (event, prev, attempt) = (item.event.clone(), item.prev, item.failed + 1);
            if let Some(per_second) = self.told.replay.as_ref().and_then(|replay| replay.per_second) {
                self.rest_us =
                    self.rest_us.max(now_us.saturating_sub(100_000)) + 1_000_000 / u64::from(per_second.max(1));
            }
            self.fly(event, prev, attempt, false);
        }
    }

    fn fly(&self, event: Arc<Announcement>, prev: Option<Position>, attempt: u32, parked: bool) {
        let (told, shared) = (self.told.clone(), self.shared.clone());
        self.flying.push(Box::pin(async move {
            let permit = shared.fair.permit(told.tenant).await;
            let outgoing = Outgoing {
                url: told.url.clone(),
                id: event.webhook_id(),
                event_type: event.event_type.name.to_owned(),
                format: told.format,
                body: event.body(told.format, told.rule.as_deref()),
                attempt,
                position: Some(event.id.position),
                prev,
                replay: told.replay_text(),
            };
            let mut sending = std::pin::pin!(shared.sender.send(&told.signer, outgoing));
            let outcome = match tokio::time::timeout(PERMIT_MAX, &mut sending).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    drop(permit);
                    sending.await
                }
            };
            Ended { event, attempt, outcome, parked }
        }));
    }

    /// Tries parked events again, as somebody asked.
    async fn try_parked(&mut self) {
        loop {
            let Some(position) = self.told.again.lock().pop_front() else { return };
            let (history, tenant) = (self.shared.history.clone(), self.told.tenant);
            let read = tokio::task::spawn_blocking(move || history.event(tenant, position));
            if let Ok(Ok(Some(event))) = read.await {
                self.fly(event, None, self.shared.policy.park_after + 1, true);
            }
        }
    }

    /// Deals with a request that has ended. Whether the subscription ends with it.
    fn settle(&mut self, ended: Ended) -> Option<End> {
        let Ended { event, attempt, outcome, parked } = ended;
        let (now_us, id) = (self.shared.clock.monotonic_us(), event.id);
        self.keep_attempt(&event, attempt, &outcome);
        if parked {
            self.settle_parked(&event, attempt, &outcome);
            return None;
        }
        self.changed = true;
        if outcome.is_success() {
            self.succeeded(id, &outcome, now_us);
            return None;
        }
        if outcome.is_gone() {
            self.lanes.failed(id.position, now_us, now_us);
            let reason = "the receiver answered 410".to_owned();
            return Some(End::Status(SubscriptionStatus::Disabled { reason }));
        }
        self.failed(&event, &outcome, now_us)
    }

    fn succeeded(&mut self, id: EventId, outcome: &Outcome, now_us: u64) {
        self.lanes.finished(id.position);
        if self.breaker.succeeded() {
            self.lanes.hurry();
        }
        self.succeeded_us = now_us;
        self.state.failing_since = None;
        self.state.delivered_at = Some(outcome.at);
        self.state.delivered += 1;
        self.grown += 1;
        if self.grown >= self.window && self.window < WINDOW_MAX {
            self.window = (self.window * 2).min(WINDOW_MAX);
            self.grown = 0;
        }
    }

    fn failed(&mut self, event: &Arc<Announcement>, outcome: &Outcome, now_us: u64) -> Option<End> {
        let (policy, chance) = (&self.shared.policy, self.shared.clock.chance());
        let position = event.id.position;
        self.window = if outcome.status.is_some() { (self.window / 2).max(1) } else { 1 };
        self.grown = 0;
        self.breaker.failed(outcome.status.is_some(), policy, now_us, chance);
        let attempts = self.lanes.item(position).map_or(0, |item| item.failed) + 1;
        let wait_us = outcome.retry_after.map_or_else(
            || policy.wait_us(attempts, chance),
            |wait| {
                let wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
                self.rest_us = self.rest_us.max(now_us.saturating_add(wait_us));
                wait_us
            },
        );
        let since = *self.state.failing_since.get_or_insert(outcome.at);
        self.lanes.failed(position, now_us, now_us.saturating_add(wait_us));
        let first_us = self.lanes.item(position).map_or(now_us, |item| item.failed_us);
        let others_succeed = self.succeeded_us > first_us;
        let error = outcome.error.clone().unwrap_or_default();
        let attempts_max = policy.park_after.min(u32::try_from(policy.schedule.len()).unwrap_or(u32::MAX));
        if others_succeed && attempts >= attempts_max {
            self.park(event, outcome.at, attempts, error);
            return None;
        }
        if outcome.at.0.saturating_sub(since.0) > policy.span_us() {
            let reason = format!("retries ran out: {error}");
            return Some(End::Status(SubscriptionStatus::Paused { reason }));
        }
        None
    }

    fn park(&mut self, event: &Announcement, at: Time, attempts: u32, error: String) {
        tracing::warn!(tenant = %self.told.tenant, subscription = %self.told.id, position = %event.id.position, attempts, "an event was set aside");
        let kept = KeptParked { event: event.id, event_type: event.event_type.name.to_owned(), at, attempts, error };
        self.shared.journal.park(self.told.parent(), &kept);
        self.shared.figures.parked.inc();
        self.told.shown.lock().parked += 1;
        self.lanes.finished(event.id.position);
    }

    fn settle_parked(&mut self, event: &Announcement, attempts: u32, outcome: &Outcome) {
        let (place, position) = (self.told.parent(), event.id.position);
        match &outcome.error {
            None => {
                self.shared.journal.unpark(place, position);
                let mut shown = self.told.shown.lock();
                shown.parked = shown.parked.saturating_sub(1);
            }
            Some(error) => {
                let (event_type, error) = (event.event_type.name.to_owned(), error.clone());
                let kept = KeptParked { event: event.id, event_type, at: outcome.at, attempts, error };
                self.shared.journal.park(place, &kept);
            }
        }
    }

    fn keep_attempt(&mut self, event: &Announcement, attempt: u32, outcome: &Outcome) {
        let failed = usize::from(!outcome.is_success());
        let number = self.state.attempts[failed];
        self.state.attempts[failed] += 1;
        self.told.shown.lock().last_error.clone_from(&outcome.error);
        self.shared.figures.attempt(outcome);
        let kept = KeptAttempt {
            number,
            event: Some(event.id),
            event_type: event.event_type.name.to_owned(),
            attempt,
            at: outcome.at,
            latency_us: outcome.latency_us,
            status: outcome.status,
            error: outcome.error.clone(),
            replay: self.told.replay_text(),
        };
        self.shared.journal.attempt(self.told.place(), &kept);
    }

    /// A replay is, when everything up to its end was told.
    fn is_done(&self) -> bool {
        let Some(replay) = &self.told.replay else { return false };
        self.next >= replay.to && self.ahead.is_empty() && self.lanes.is_empty() && self.flying.is_empty()
    }

    /// How long until something is due by itself; none when only others can wake it.
    fn sleep(&self) -> Option<Duration> {
        let now_us = self.shared.clock.monotonic_us();
        let has_work = !self.lanes.is_empty() && self.lanes.flying() < self.window();
        let due = match self.breaker.probe_due_us() {
            Some(due) if has_work && self.lanes.flying() == 0 => Some(due),
            Some(_) => None,
            None if has_work && self.lanes.has_ready() => Some(now_us),
            None if has_work => self.lanes.due_us(),
            None => None,
        };
        let due = due.map(|due| due.max(self.rest_us));
        // One that rests reads on afterwards.
        let rest = (self.rest_us > now_us).then_some(self.rest_us);
        let note = self.changed.then_some(self.noted_us + NOTED_EVERY_US);
        let pass = (self.live && !self.changed).then_some(self.noted_us + PASSED_EVERY_US);
        let soonest = [due, rest, note, pass].into_iter().flatten().min()?;
        Some(Duration::from_micros(soonest.saturating_sub(now_us)))
    }

    /// Says what waits and what is under way, to whoever asks.
    fn show(&self) {
        let mut shown = self.told.shown.lock();
        shown.pending = (self.lanes.len() + self.ahead.len()) as u64;
        shown.in_flight = self.flying.len() as u64;
    }

    /// Says how far the subscription is: to whoever asks, and now and then to the disk.
    fn note(&mut self, now: bool) {
        let now_us = self.shared.clock.monotonic_us();
        let pace = if self.changed { NOTED_EVERY_US } else { PASSED_EVERY_US };
        if !now && now_us < self.noted_us + pace {
            return;
        }
        let read = self.ahead.front().map_or(self.next, |event| event.id.position.min(self.next));
        let cursor = self.lanes.cursor(read);
        self.state.next = cursor;
        // What was told last before the cursor: what stands at it says, else what was read last.
        self.state.prev = self.lanes.item(cursor).map_or(self.prev, |item| item.prev);
        {
            let mut shown = self.told.shown.lock();
            shown.position = cursor;
            shown.failing_since = self.state.failing_since;
            shown.delivered_at = self.state.delivered_at;
        }
        let (noted, done) = (&self.noted.0, self.lanes.done());
        if *noted != self.state || self.noted.1 != *done {
            self.shared.journal.state(self.told.place(), self.state.clone(), done, &self.noted.1);
            self.noted = (self.state.clone(), done.clone());
        }
        self.noted_us = now_us;
        self.changed = false;
    }

    /// Lets requests under way end, for a moment.
    async fn wind_down(&mut self) {
        let waiting = async {
            while let Some(ended) = self.flying.next().await {
                // Whatever it says, the subscription ends already.
                let _ = self.settle(ended);
            }
        };
        // Those that do not end are made again.
        let _ = tokio::time::timeout(ENDING, waiting).await;
    }

    fn end_replay(&self, end: KeptEnd) {
        let Some(replay) = &self.told.replay else { return };
        let (place, id) = (self.told.parent(), replay.id);
        match self.shared.journal.replays(place) {
            Ok(all) => {
                if let Some((_, mut kept)) = all.into_iter().find(|(other, _)| *other == id) {
                    kept.ended = kept.ended.or(Some(end));
                    self.shared.journal.replay(place, id, &kept);
                }
            }
            Err(error) => tracing::error!(%error, "the end of a replay could not be noted"),
        }
    }
}
