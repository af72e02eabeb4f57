//! Which keys are put back, and to before which event.
//!
//! Owns: finding them by what changed. Does not own: what becomes of a key ([`super::key`]).
//! Invariant: keys come in order, so that a task which was cut off goes on behind the last one; it costs what changed, not what
//! there is.

use std::collections::{BTreeMap, VecDeque};

use event_log::Snapshot;
use projections::query;
use schemas::record::{Actor, Body};
use schemas::{BucketId, ObjectKey, Position, TenantId};

use super::super::{Inner, log_error, rows_error};
use super::words::{Aim, Cause};
use crate::api::StoreError;

/// Changes looked at under one snapshot.
const STEP: usize = 2_000;
/// Keys held at once. If there are more, all changes are looked through again for those behind them.
const KEYS_MAX: usize = 50_000;

/// A key that is to be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) key: ObjectKey,
    /// The last event of the point.
    pub(crate) at: Position,
    /// The events that are undone, in order; none of a restore.
    pub(crate) undone: Vec<Position>,
}

/// The next keys.
#[derive(Debug, Default)]
pub(crate) struct Goals {
    pub(crate) keys: VecDeque<Goal>,
    /// Whether there are none behind them.
    pub(crate) is_all: bool,
}

/// The smallest keys that are found, and what is undone of each.
struct Smallest {
    found: BTreeMap<ObjectKey, Vec<Position>>,
    /// From this one on they are left to later.
    cut: Option<ObjectKey>,
}

impl Smallest {
    fn is_wanted(&self, key: &ObjectKey) -> bool {
        self.cut.as_ref().is_none_or(|cut| key < cut)
    }

    fn add(&mut self, key: ObjectKey, at: Option<Position>) {
        if !self.is_wanted(&key) {
            return;
        }
        self.found.entry(key).or_default().extend(at);
        if self.found.len() > KEYS_MAX {
            self.cut = self.found.pop_last().map(|(key, _)| key);
        }
    }
}

impl Inner {
    /// The next keys that an aim is about, of events up to `head`. `pause` is asked between snapshots and may end it.
    pub(crate) fn goals(
        &self,
        (tenant, bucket): (TenantId, BucketId),
        aim: &Aim,
        head: Position,
        after: Option<&str>,
        pause: &mut dyn FnMut() -> Result<(), StoreError>,
    ) -> Result<Goals, StoreError> {
        let from = match aim {
            Aim::Restore { at, .. } => at.next(),
            Aim::Undo { cause: Cause::Request { from, .. } | Cause::Actor { from, .. }, .. } => *from,
            Aim::Undo { cause: Cause::Positions(positions), .. } => positions.first().copied().unwrap_or_default(),
        };
        let (mut from, mut smallest) = (from, Smallest { found: BTreeMap::new(), cut: None });
        while from <= head {
            let snapshot = self.log.snapshot();
            let some = query::changes(snapshot.as_ref(), tenant, bucket, from, head.next(), STEP);
            let mut some = some.map_err(rows_error)?;
            let is_last = some.len() < STEP;
            if let Some((at, _)) = some.last() {
                from = at.next();
            }
            some.retain(|(_, key)| {
                let key_text = key.as_str();
                key_text.starts_with(aim.prefix())
                    && after.is_none_or(|after| key_text > after)
                    && smallest.is_wanted(key)
            });
            for (at, key) in caused(snapshot.as_ref(), tenant, aim, some)? {
                smallest.add(key, matches!(aim, Aim::Undo { .. }).then_some(at));
            }
            if is_last {
                break;
            }
            pause()?;
        }
        let goal = |(key, undone): (ObjectKey, Vec<Position>)| {
            let before = undone.first().map(|first| Position(first.0.saturating_sub(1)));
            let at = match aim {
                Aim::Restore { at, .. } => *at,
                Aim::Undo { .. } => before.unwrap_or_default(),
            };
            Goal { key, at, undone }
        };
        Ok(Goals { keys: smallest.found.into_iter().map(goal).collect(), is_all: smallest.cut.is_none() })
    }
}

/// Those changes that the aim is about.
fn caused(
    snapshot: &dyn Snapshot,
    tenant: TenantId,
    aim: &Aim,
    mut changes: Vec<(Position, ObjectKey)>,
) -> Result<Vec<(Position, ObjectKey)>, StoreError> {
    let is_so = |body: &Body| match aim {
        Aim::Restore { .. } | Aim::Undo { cause: Cause::Positions(_), .. } => true,
        Aim::Undo { cause: Cause::Request { id, .. }, .. } => body.context.request == *id,
        Aim::Undo { cause: Cause::Actor { id, .. }, .. } => is_by(&body.context.actor, id),
    };
    match aim {
        Aim::Restore { .. } => return Ok(changes),
        Aim::Undo { cause: Cause::Positions(positions), .. } => {
            changes.retain(|(at, _)| positions.binary_search(at).is_ok());
            return Ok(changes);
        }
        Aim::Undo { .. } => {}
    }
    let (Some((first, _)), Some((last, _))) = (changes.first(), changes.last()) else { return Ok(changes) };
    let (first, span) = (*first, usize::try_from(last.0 - first.0 + 1).unwrap_or(usize::MAX));
    // Records that stand together are read together.
    if span <= changes.len() * 2 {
        let records = snapshot.records(tenant, first, span).map_err(log_error)?;
        let is_theirs = |at: Position| {
            let index = usize::try_from(at.0 - first.0).unwrap_or(usize::MAX);
            records.get(index).and_then(|record| record.body.as_ref()).is_some_and(&is_so)
        };
        changes.retain(|(at, _)| is_theirs(*at));
        return Ok(changes);
    }
    let mut found = Vec::new();
    for (at, key) in changes {
        let record = snapshot.record(tenant, at).map_err(log_error)?;
        if record.and_then(|record| record.body).as_ref().is_some_and(&is_so) {
            found.push((at, key));
        }
    }
    Ok(found)
}

fn is_by(actor: &Actor, id: &str) -> bool {
    match actor {
        Actor::User { user, access_key } => user.as_str() == id || access_key.as_str() == id,
        Actor::Anonymous => schemas::UserId::anonymous().as_str() == id,
        Actor::System(_) | Actor::Admin(_) => false,
    }
}
