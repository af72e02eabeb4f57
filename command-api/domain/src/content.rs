//! Content: giving up references that nothing can show any more.
//!
//! Owns: that a reference is given up once, and the bound on one event.
//! Does not own: which references nothing can show (history windows, snapshots, holds, grace), sweeping the bytes.

use std::collections::BTreeSet;

use schemas::BlobId;
use schemas::event::{ContentReleased, Event, Referrer, Released};

use crate::Refusal;

/// Most references in one event. Part of the format of [`ContentReleased`].
pub const RELEASED_MAX: usize = 100;

/// What a decision about content needs to know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Of the references asked about, those that exist.
    pub held: BTreeSet<(BlobId, Referrer)>,
}

/// What may be asked of content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Give references up. Those that are gone already, or named twice, are given up once.
    Release(Vec<Released>),
}

/// # Errors
/// None today; the type is that of every decision.
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    let Command::Release(asked) = command;
    let mut seen = BTreeSet::new();
    let released: Vec<Released> = asked
        .into_iter()
        .filter(|reference| {
            let reference = (reference.blob, reference.referrer);
            state.held.contains(&reference) && seen.insert(reference)
        })
        .collect();
    Ok(released.chunks(RELEASED_MAX).map(|chunk| ContentReleased { released: chunk.to_vec() }.into()).collect())
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(mut state: State, event: &Event) -> State {
    if let Event::ContentReleased(released) = event {
        for reference in &released.released {
            state.held.remove(&(reference.blob, reference.referrer));
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use schemas::{Epoch, EventId, Position};

    use super::*;
    use crate::scenario::Scenario;

    fn reference(position: u64) -> Released {
        let made_by = EventId { epoch: Epoch(0), position: Position(position) };
        Released { blob: BlobId([9; 16]), referrer: Referrer::Version(made_by) }
    }

    fn references(positions: std::ops::Range<u64>) -> Vec<Released> {
        positions.map(reference).collect()
    }

    fn given_held(positions: std::ops::Range<u64>) -> Scenario<State, Command> {
        let held = references(positions).into_iter().map(|released| (released.blob, released.referrer)).collect();
        Scenario::new(State { held }, decide, evolve)
    }

    fn released(positions: std::ops::Range<u64>) -> Event {
        ContentReleased { released: references(positions) }.into()
    }

    #[test]
    fn references_are_given_up_a_hundred_an_event() {
        given_held(0..250).when(Command::Release(references(0..250))).then([
            released(0..100),
            released(100..200),
            released(200..250),
        ]);
        given_held(0..100).when(Command::Release(references(0..100))).then([released(0..100)]);
    }

    #[test]
    fn a_reference_is_given_up_once() {
        given_held(0..2).when(Command::Release(vec![reference(0), reference(0)])).then([released(0..1)]);
        given_held(0..2).given([released(0..1)]).when(Command::Release(references(0..2))).then([released(1..2)]);
    }

    #[test]
    fn what_is_not_held_is_not_given_up() {
        given_held(0..1).when(Command::Release(references(5..9))).then_nothing();
        let part =
            Released { referrer: Referrer::Part(EventId { epoch: Epoch(0), position: Position(0) }), ..reference(0) };
        given_held(0..1).when(Command::Release(vec![part])).then_nothing();
    }
}
