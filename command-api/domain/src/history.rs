//! What of a bucket's past is kept: its window, its snapshots.
//!
//! Owns: which names and windows there may be. Does not own: which position a point is, what content is there (pipeline).

use schemas::event::{Base, BucketHistorySet, Event, HistoryWindow, SnapshotCreated, SnapshotDeleted};
use schemas::{BucketId, EventId, SnapshotName};

use crate::Refusal;

/// Snapshots that a bucket may have.
pub const SNAPSHOTS_MAX: usize = 1_000;

/// What a decision about a bucket's past needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The bucket.
    pub bucket: BucketId,
    /// What it shows of another, if it does.
    pub base: Option<Base>,
    /// Its window now.
    pub window: Option<HistoryWindow>,
    /// What the snapshot of the name that is asked about shows, if there is one.
    pub named: Option<EventId>,
    /// How many snapshots it has.
    pub snapshots: usize,
}

/// What may be asked of a bucket's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Keep content so long; none for the installation's default.
    SetWindow(Option<HistoryWindow>),
    /// Give a point a name. Nothing happens when it has it already.
    CreateSnapshot {
        /// The name.
        name: SnapshotName,
        /// The last event that it shows.
        at: EventId,
    },
    /// Take a name away.
    DeleteSnapshot(SnapshotName),
}

/// # Errors
/// [`Refusal::SnapshotExists`], [`Refusal::NoSuchSnapshot`], [`Refusal::TooMany`], [`Refusal::ReadOnlyBucket`] for a view, whose
/// past is another bucket's.
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    let bucket = state.bucket;
    if matches!(state.base, Some(Base { writable: false, .. })) {
        return Err(Refusal::ReadOnlyBucket);
    }
    match command {
        Command::SetWindow(window) if window == state.window => Ok(vec![]),
        Command::SetWindow(window) => Ok(vec![BucketHistorySet { bucket, window }.into()]),
        Command::CreateSnapshot { name, at } => match state.named {
            Some(known) if known == at => Ok(vec![]),
            Some(_) => Err(Refusal::SnapshotExists),
            None if state.snapshots >= SNAPSHOTS_MAX => Err(Refusal::TooMany { what: "snapshots" }),
            None => Ok(vec![SnapshotCreated { bucket, name, at }.into()]),
        },
        Command::DeleteSnapshot(_) if state.named.is_none() => Err(Refusal::NoSuchSnapshot),
        Command::DeleteSnapshot(name) => Ok(vec![SnapshotDeleted { bucket, name }.into()]),
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Epoch, Position};

    use super::*;

    const BUCKET: BucketId = BucketId(5);

    fn at(position: u64) -> EventId {
        EventId { epoch: Epoch(1), position: Position(position) }
    }

    fn name() -> SnapshotName {
        SnapshotName::parse("before-the-flood").expect("a name")
    }

    fn state(named: Option<u64>) -> State {
        State {
            bucket: BUCKET,
            base: None,
            window: None,
            named: named.map(at),
            snapshots: usize::from(named.is_some()),
        }
    }

    fn create(position: u64) -> Command {
        Command::CreateSnapshot { name: name(), at: at(position) }
    }

    #[test]
    fn a_point_gets_a_name_once() {
        let created = SnapshotCreated { bucket: BUCKET, name: name(), at: at(7) };
        assert_eq!(decide(&state(None), create(7)), Ok(vec![created.into()]));
        assert_eq!(decide(&state(Some(7)), create(7)), Ok(vec![]));
        assert_eq!(decide(&state(Some(7)), create(8)), Err(Refusal::SnapshotExists));
        let full = State { snapshots: SNAPSHOTS_MAX, ..state(None) };
        assert_eq!(decide(&full, create(7)), Err(Refusal::TooMany { what: "snapshots" }));
    }

    #[test]
    fn a_name_is_taken_away_once() {
        let deleted = SnapshotDeleted { bucket: BUCKET, name: name() };
        assert_eq!(decide(&state(Some(7)), Command::DeleteSnapshot(name())), Ok(vec![deleted.into()]));
        assert_eq!(decide(&state(None), Command::DeleteSnapshot(name())), Err(Refusal::NoSuchSnapshot));
    }

    #[test]
    fn a_window_is_set_when_it_changes() {
        let window = Some(HistoryWindow::Seconds(60));
        let set = BucketHistorySet { bucket: BUCKET, window };
        assert_eq!(decide(&state(None), Command::SetWindow(window)), Ok(vec![set.into()]));
        assert_eq!(decide(&State { window, ..state(None) }, Command::SetWindow(window)), Ok(vec![]));
    }

    #[test]
    fn a_view_has_no_past_of_its_own() {
        let base = Some(Base { bucket: BucketId(1), at: at(1), writable: false });
        let view = State { base, ..state(None) };
        for command in [create(7), Command::SetWindow(None), Command::DeleteSnapshot(name())] {
            assert_eq!(decide(&view, command), Err(Refusal::ReadOnlyBucket));
        }
        let fork = State { base: base.map(|base| Base { writable: true, ..base }), ..state(None) };
        assert!(decide(&fork, create(7)).is_ok());
    }
}
