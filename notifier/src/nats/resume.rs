//! Where a publisher goes on: behind the newest event that the stream holds and the log has.
//!
//! The stream is asked first, because only it knows what it took. Its messages are read from the newest back, past what others
//! wrote and past events of ours that the log does not have (any more): a tail that was lost before the log was reopened, or
//! what a process with another copy of the log published meanwhile. All before the event that is found was published, because
//! events are published in order. All behind it was not, or is of a later epoch: no position comes twice in one epoch.
//!
//! Where the stream has no such event, it is new, or they aged out. Then two others know how far it had come: the cursor that
//! is kept here, and an event of a lost tail, which came after all that the log still has of its epoch.

use event_log::{Cursor, CursorState};
use schemas::Position;

use super::source::Source;
use super::stream::{Kept, Last, Tail, Trouble};

/// How often the last message of a stream must be found missing before it counts as deleted. A server that is not yet, or no
/// longer, the stream's leader may not have it.
const DELETED_AFTER: u32 = 5;

/// Where a publisher goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resumption {
    /// The next record to look at.
    pub(super) from: Position,
    /// The event before it, if the stream holds it.
    pub(super) at: Option<Cursor>,
    /// What the stream's end is expected to be.
    pub(super) last: Last,
}

/// Remembers how often the end of a stream was missing.
#[derive(Debug, Default)]
pub(super) struct Missing {
    last: Option<Last>,
    times: u32,
}

impl Missing {
    fn deleted(&mut self, last: Last) -> bool {
        self.times = if self.last == Some(last) { self.times + 1 } else { 1 };
        self.last = Some(last);
        self.times >= DELETED_AFTER
    }
}

/// Finds the place. `cursor` is the one kept here.
pub(super) async fn resume(
    tail: &Tail<'_>,
    log: &Source,
    cursor: Option<Cursor>,
    missing: &mut Missing,
) -> Result<Resumption, Trouble> {
    let (state, last) = (tail.state(), tail.last());
    let mut lost = None;
    if state.messages > 0 {
        let mut sequence = state.last_sequence;
        let mut kept = tail.at(sequence).await?;
        if kept == Kept::Nothing {
            if !missing.deleted(last) {
                return Err(tail.end_unread());
            }
            kept = tail.newest().await?;
        }
        loop {
            match kept {
                Kept::Nothing => {}
                Kept::Other { sequence: found } => sequence = found,
                Kept::Ours { sequence: found, id } => {
                    sequence = found;
                    if let Some(leaf) = log.leaf(id).await? {
                        return Ok(Resumption { from: id.position.next(), at: Some(Cursor { at: id, leaf }), last });
                    }
                    lost = lost.or(Some(id));
                }
            }
            if sequence <= state.first_sequence {
                break;
            }
            sequence -= 1;
            kept = tail.at(sequence).await?;
        }
    }
    let mut from = Position(0);
    if let Some(cursor) = cursor {
        match log.check(cursor).await? {
            CursorState::Valid => from = cursor.at.position.next(),
            CursorState::Diverged { common } => from = common.map_or(from, Position::next),
        }
    }
    if let Some(lost) = lost {
        from = log.kept_of(lost).await?.map_or(from, |kept| from.max(kept.next()));
    }
    Ok(Resumption { from, at: None, last })
}
