//! A subscription, or a replay of one, while it is being told.
//!
//! Owns: what its task and whoever reads the log share.
//! Invariant: a subscription that is live has every matching event before the desk's position in its inbox, or has taken it out.

use std::collections::VecDeque;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::Url;
use schemas::delivery::DeliveryState;
use schemas::subscription::{DeliveryMode, PayloadFormat};
use schemas::{Position, SubscriptionId, TenantId};
use tokio::sync::{Notify, watch};

use super::lanes::Lane;
use crate::announcement::Announcement;
use crate::filter::Matcher;
use crate::signature::Signer;
use crate::state::Place;

/// Events that wait in an inbox at most. Beyond it its owner reads the log itself.
const INBOX_MAX: usize = 512;

/// What a replay is beside a subscription.
#[derive(Debug, Clone)]
pub(crate) struct ReplayOf {
    /// Its id.
    pub(crate) id: [u8; 16],
    /// Position behind its last event.
    pub(crate) to: Position,
    /// Most events a second.
    pub(crate) per_second: Option<u32>,
}

/// Somebody who is told.
pub(crate) struct Told {
    pub(crate) tenant: TenantId,
    pub(crate) id: SubscriptionId,
    pub(crate) replay: Option<ReplayOf>,
    pub(crate) url: Arc<Url>,
    pub(crate) format: PayloadFormat,
    pub(crate) mode: DeliveryMode,
    pub(crate) matcher: Matcher,
    pub(crate) signer: Signer,
    /// The rule of a bucket's configuration that it is.
    pub(crate) rule: Option<String>,
    /// First position that it is told of.
    pub(crate) start: Position,
    pub(crate) inbox: Mutex<Inbox>,
    pub(crate) wake: Notify,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) shown: Mutex<DeliveryState>,
    /// Parked events that somebody wants tried again.
    pub(crate) again: Mutex<VecDeque<Position>>,
}

/// What the desk hands over.
#[derive(Default)]
pub(crate) struct Inbox {
    pub(crate) events: VecDeque<Arc<Announcement>>,
    /// Whether the desk hands events over. Changed under the desk's lock alone.
    pub(crate) live: bool,
    /// Where its owner goes on when the desk hands nothing over any more.
    pub(crate) resume: Position,
}

impl Told {
    /// Where its rows stand.
    pub(crate) fn place(&self) -> Place {
        match &self.replay {
            Some(replay) => Place { tenant: self.tenant, id: replay.id },
            None => Place::of(self.tenant, self.id),
        }
    }

    /// Where the rows of the subscription stand.
    pub(crate) fn parent(&self) -> Place {
        Place::of(self.tenant, self.id)
    }

    pub(crate) fn replay_text(&self) -> Option<String> {
        self.replay.as_ref().map(|replay| hex::encode(replay.id))
    }

    /// Hands over an event that matches. False when there is no room: then it is not handed over.
    pub(crate) fn hand_over(&self, event: &Arc<Announcement>) -> bool {
        let mut inbox = self.inbox.lock();
        if inbox.events.len() >= INBOX_MAX {
            inbox.live = false;
            inbox.resume = event.id.position;
            drop(inbox);
            self.wake.notify_one();
            return false;
        }
        inbox.events.push_back(event.clone());
        drop(inbox);
        self.wake.notify_one();
        true
    }

    /// What an event must be told behind.
    pub(crate) fn lane(&self, event: &Announcement) -> Lane {
        match (self.mode, &event.key) {
            (DeliveryMode::Strict, _) => Lane::All,
            (DeliveryMode::Unordered, _) => Lane::One(event.id.position),
            (DeliveryMode::Key, Some(key)) => {
                let hasher = BuildHasherDefault::<DefaultHasher>::default();
                Lane::Object(hasher.hash_one((event.bucket, key.as_str())))
            }
            (DeliveryMode::Key, None) | (DeliveryMode::Bucket, _) => Lane::Bucket(event.bucket.0),
        }
    }
}
