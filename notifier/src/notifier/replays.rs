//! Replays: past events told again, beside the live cursor.
//!
//! Owns: beginning, showing and cancelling them. Does not own: the task of one ([`crate::engine`]), its end.
//! Invariant: a replay that was answered is on the disk, and goes on after a restart.

use schemas::delivery::{NewReplay, Replay, ReplayEnd};
use schemas::{SubscriptionId, TenantId};

use super::{Notifier, NotifierError, unreadable};
use crate::state::{KeptEnd, KeptReplay, Place};

/// Replays of a subscription that are under way at most.
const REPLAYS_MAX: usize = 8;

impl Notifier {
    /// Begins a replay. Blocks, on a thread of the runtime that may.
    ///
    /// # Errors
    /// [`NotifierError`].
    pub fn replay(&self, tenant: TenantId, id: SubscriptionId, new: NewReplay) -> Result<Replay, NotifierError> {
        // The subscription may have been made or changed a moment ago.
        tokio::runtime::Handle::current().block_on(self.refresh(tenant))?;
        let (shared, place) = (&self.0.shared, Place::of(tenant, id));
        let running = shared.journal.replays(place).map_err(|error| unreadable(&error))?;
        if running.iter().filter(|(_, kept)| kept.ended.is_none()).count() >= REPLAYS_MAX {
            return Err(NotifierError::Replays);
        }
        let head = shared.history.head(tenant).map_err(|error| unreadable(&error))?;
        let mut replay = [0; 16];
        replay[..8].copy_from_slice(&shared.clock.chance().to_be_bytes());
        replay[8..].copy_from_slice(&shared.clock.chance().to_be_bytes());
        let to = new.to.unwrap_or(head).min(head);
        let kept = KeptReplay {
            created: shared.clock.wall(),
            from: new.from,
            to,
            url: new.url,
            filter: new.filter,
            per_second: new.per_second,
            ended: None,
        };
        {
            let mut offices = self.0.offices.lock();
            let office = offices.get_mut(&tenant).ok_or(NotifierError::Unknown)?;
            let desk = office.desk.clone();
            let known = office.known.get_mut(&id).ok_or(NotifierError::Unknown)?;
            shared.journal.replay(place, replay, &kept);
            self.run(tenant, known, &desk, Some((replay, kept.clone())), 0);
        }
        // It goes on after a restart, once it is on the disk.
        shared.journal.flush();
        Ok(self.shown_replay(tenant, id, replay, kept))
    }

    fn shown_replay(&self, tenant: TenantId, id: SubscriptionId, replay: [u8; 16], kept: KeptReplay) -> Replay {
        let place = Place { tenant, id: replay };
        let found = self.0.shared.journal.find_now(place).ok().flatten().map(|found| found.state).unwrap_or_default();
        let live = self.told(tenant, place, id).map(|told| told.shown.lock().position);
        Replay {
            id: hex::encode(replay),
            created: kept.created,
            from: kept.from,
            to: kept.to,
            position: live.unwrap_or(found.next).max(kept.from),
            url: kept.url,
            per_second: kept.per_second,
            delivered: found.delivered,
            ended: kept.ended.map(|end| match end {
                KeptEnd::Done => ReplayEnd::Done,
                KeptEnd::Cancelled => ReplayEnd::Cancelled,
                KeptEnd::Failed(reason) => ReplayEnd::Failed { reason },
            }),
        }
    }

    /// Replays of a subscription, the newest first.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn replays(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Replay>, NotifierError> {
        let mut kept = self.0.shared.journal.replays(Place::of(tenant, id)).map_err(|error| unreadable(&error))?;
        kept.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.created));
        Ok(kept.into_iter().map(|(replay, kept)| self.shown_replay(tenant, id, replay, kept)).collect())
    }

    /// Ends a replay. Whether it was there.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn cancel_replay(&self, tenant: TenantId, id: SubscriptionId, replay: &str) -> Result<bool, NotifierError> {
        let mut bytes = [0; 16];
        if hex::decode_to_slice(replay, &mut bytes).is_err() {
            return Ok(false);
        }
        let place = Place::of(tenant, id);
        let all = self.0.shared.journal.replays(place).map_err(|error| unreadable(&error))?;
        let Some((_, mut kept)) = all.into_iter().find(|(other, _)| *other == bytes) else { return Ok(false) };
        if kept.ended.is_none() {
            kept.ended = Some(KeptEnd::Cancelled);
            self.0.shared.journal.replay(place, bytes, &kept);
        }
        if let Some(told) = self.told(tenant, Place { tenant, id: bytes }, id) {
            told.stop.send_replace(true);
        }
        Ok(true)
    }
}
