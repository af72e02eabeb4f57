//! A tenant's desk: reads its log as it grows, once, and hands each event to those whom it concerns.
//!
//! Owns: how far the log has been handed over, and to whom it is.
//! Does not own: reading what is long past: a subscription that is behind reads for itself until it has caught up here.
//! Invariants: everything before `next` was handed to everybody who is live. Nothing behind a change of subscriptions is handed
//! over, or read by anybody who is behind, before the change holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use schemas::announcement::LOG_REOPENED;
use schemas::event::Event;
use schemas::{BucketName, Position, TenantId};
use tokio::sync::{Notify, watch};

use super::Told;
use crate::announcement::Announcement;
use crate::bell::raised;
use crate::history::{History, HistoryError, PAGE};
use crate::state::Place;

/// How long to wait when the log could not be read.
const AGAIN: Duration = Duration::from_secs(5);

/// Brings those who are told in line with the subscriptions that there are.
pub(crate) type Refresh = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

pub(crate) struct Desk {
    tenant: TenantId,
    tail: Mutex<Tail>,
    pub(crate) wake: Arc<Notify>,
}

struct Tail {
    next: Position,
    /// Those who hear of some buckets alone, by bucket, and all others.
    of_bucket: HashMap<BucketName, HashMap<Place, Arc<Told>>>,
    of_all: HashMap<Place, Arc<Told>>,
}

impl Tail {
    fn add(&mut self, told: &Arc<Told>) {
        let place = told.place();
        let buckets = told.matcher.buckets();
        if buckets.is_empty() {
            self.of_all.insert(place, told.clone());
        }
        for bucket in buckets {
            self.of_bucket.entry(bucket.clone()).or_default().insert(place, told.clone());
        }
    }

    fn remove(&mut self, told: &Told) {
        let place = told.place();
        self.of_all.remove(&place);
        for bucket in told.matcher.buckets() {
            if let Some(of_bucket) = self.of_bucket.get_mut(bucket) {
                of_bucket.remove(&place);
                if of_bucket.is_empty() {
                    self.of_bucket.remove(bucket);
                }
            }
        }
    }

    /// Those whom an event concerns.
    fn concerned(&self, event: &Announcement) -> Vec<Arc<Told>> {
        let everybody = event.event_type.name == LOG_REOPENED;
        let mut found: Vec<Arc<Told>> = Vec::new();
        let mut of_bucket: Vec<&HashMap<Place, Arc<Told>>> = Vec::new();
        if everybody {
            of_bucket.extend(self.of_bucket.values());
        } else if let Some(bucket) = &event.bucket_name {
            of_bucket.extend(self.of_bucket.get(bucket));
        }
        for told in self.of_all.values().chain(of_bucket.into_iter().flat_map(HashMap::values)) {
            // One that hears of several buckets stands under each of them.
            let seen = everybody && found.iter().any(|other| Arc::ptr_eq(other, told));
            if !seen && told.matcher.matches(event) {
                found.push(told.clone());
            }
        }
        found
    }
}

impl Desk {
    pub(crate) fn new(tenant: TenantId, head: Position) -> Self {
        let tail = Tail { next: head, of_bucket: HashMap::new(), of_all: HashMap::new() };
        Self { tenant, tail: Mutex::new(tail), wake: Arc::new(Notify::new()) }
    }

    /// Position up to which everything was handed over.
    pub(crate) fn next(&self) -> Position {
        self.tail.lock().next
    }

    /// Begins handing events over to somebody who has read everything before `at`. False when that is not all that was handed
    /// over to others: then there is more to read.
    pub(crate) fn join(&self, told: &Arc<Told>, at: Position) -> bool {
        let mut tail = self.tail.lock();
        if at < tail.next {
            return false;
        }
        tail.add(told);
        let mut inbox = told.inbox.lock();
        inbox.live = true;
        // It may have read further than the desk: what comes before is not told again.
        inbox.resume = at;
        true
    }

    /// Takes out what was handed over, and how far that is everything; or where to read on when nothing is handed over any
    /// more.
    pub(crate) fn collect(&self, told: &Told, into: &mut impl Extend<Arc<Announcement>>) -> Result<Position, Position> {
        let tail = self.tail.lock();
        let mut inbox = told.inbox.lock();
        let from = inbox.resume;
        into.extend(inbox.events.drain(..).filter(|event| event.id.position >= from));
        if inbox.live { Ok(tail.next.max(from)) } else { Err(inbox.resume) }
    }

    /// Hands nothing over any more.
    pub(crate) fn leave(&self, told: &Told) {
        let mut tail = self.tail.lock();
        tail.remove(told);
        told.inbox.lock().live = false;
    }

    /// Reads the log as it grows, until told to stop.
    pub(crate) async fn run(self: Arc<Self>, history: Arc<History>, refresh: Refresh, mut stop: watch::Receiver<bool>) {
        loop {
            let advanced = tokio::select! {
                biased;
                () = raised(&mut stop) => return,
                advanced = self.advance(&history, &refresh) => advanced,
            };
            match advanced {
                Ok(true) => {}
                Ok(false) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = raised(&mut stop) => return,
                },
                Err(error) => {
                    tracing::error!(tenant = %self.tenant, %error, "the log cannot be read for its subscribers");
                    tokio::select! {
                        () = tokio::time::sleep(AGAIN) => {}
                        () = raised(&mut stop) => return,
                    }
                }
            }
        }
    }

    /// Hands over what is new, up to where subscriptions change. Whether there was anything.
    async fn advance(&self, history: &Arc<History>, refresh: &Refresh) -> Result<bool, HistoryError> {
        let (tenant, from, reading) = (self.tenant, self.next(), history.clone());
        let read = tokio::task::spawn_blocking(move || reading.read(tenant, from, PAGE));
        let page = read.await.map_err(|_| HistoryError::CutOff)??;
        if page.next == from {
            return Ok(false);
        }
        let change = page.events.iter().find(|event| changes_subscriptions(&event.event));
        let next = change.map_or(page.next, |change| change.id.position.next());
        self.hand_over(page.events.iter().filter(|event| event.id.position < next), next);
        if change.is_some() {
            refresh().await;
        }
        Ok(true)
    }

    fn hand_over<'a>(&self, events: impl Iterator<Item = &'a Arc<Announcement>>, next: Position) {
        let mut tail = self.tail.lock();
        for event in events {
            for told in tail.concerned(event) {
                if !told.hand_over(event) {
                    tail.remove(&told);
                }
            }
        }
        tail.next = next;
    }
}

/// Whether what comes behind an event may be told to others, or otherwise.
fn changes_subscriptions(event: &Event) -> bool {
    matches!(
        event,
        Event::WebhookSet(_) | Event::WebhookDeleted(_) | Event::BucketNotificationSet(_) | Event::BucketDeleted(_)
    )
}
