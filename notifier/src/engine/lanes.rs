//! Which event is next: in order within a lane, lanes beside each other.
//!
//! Owns: events that match and are not delivered; which of them wait behind which; the positions behind the cursor that are
//! done. Pure: time comes in.
//! Does not own: reading the log, sending, when to try again.
//! Invariants: of a lane at most one event is under way, the one with the lowest position. An event is done once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use schemas::Position;

/// What must be delivered one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// Events of one object. Two objects with one hash wait for each other, which is harmless.
    Object(u64),
    /// Events of one bucket, or of none.
    Bucket(u64),
    /// Everything.
    All,
    /// The event alone.
    One(Position),
}

/// Positions that are kept of a subscription at most: those that wait, and those that are done behind one that waits.
pub(crate) const KEPT_MAX: usize = 10_000;
/// Events that wait for nothing but their turn: more are not read ahead.
const RUNNABLE_MAX: usize = 256;

#[derive(Debug)]
pub(crate) struct Item<E> {
    pub(crate) event: E,
    /// Position of the event that was told before it.
    pub(crate) prev: Option<Position>,
    /// Attempts that failed.
    pub(crate) failed: u32,
    /// Monotonic clock of the first of them.
    pub(crate) failed_us: u64,
    lane: Lane,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Behind another of its lane.
    Behind,
    Ready,
    /// Not before this time.
    Later(u64),
    Flying,
}

/// The events of one subscription.
#[derive(Debug)]
pub(crate) struct Lanes<E> {
    items: BTreeMap<Position, Item<E>>,
    lanes: HashMap<Lane, VecDeque<Position>>,
    ready: BTreeSet<Position>,
    later: BTreeSet<(u64, Position)>,
    flying: usize,
    done: BTreeSet<Position>,
}

impl<E> Lanes<E> {
    /// With the positions that are done already.
    pub(crate) fn new(done: BTreeSet<Position>) -> Self {
        let (items, lanes, ready, later) = (BTreeMap::new(), HashMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { items, lanes, ready, later, flying: 0, done }
    }

    /// Whether another event may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.items.len() + self.done.len() < KEPT_MAX && self.ready.len() < RUNNABLE_MAX
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn flying(&self) -> usize {
        self.flying
    }

    /// Adds the next event. One that is done already is passed over.
    pub(crate) fn push(&mut self, position: Position, event: E, prev: Option<Position>, lane: Lane) {
        if self.done.contains(&position) || self.items.contains_key(&position) {
            return;
        }
        let queue = self.lanes.entry(lane).or_default();
        let state = if queue.is_empty() { State::Ready } else { State::Behind };
        queue.push_back(position);
        if state == State::Ready {
            self.ready.insert(position);
        }
        self.items.insert(position, Item { event, prev, failed: 0, failed_us: 0, lane, state });
    }

    pub(crate) fn item(&self, position: Position) -> Option<&Item<E>> {
        self.items.get(&position)
    }

    /// The next event whose time has come, in the order of positions. It is under way until something is said of it.
    pub(crate) fn take(&mut self, now_us: u64) -> Option<Position> {
        while let Some(&(due, position)) = self.later.first()
            && due <= now_us
        {
            self.later.pop_first();
            self.set(position, State::Ready);
        }
        let position = self.ready.pop_first()?;
        self.fly(position);
        Some(position)
    }

    /// The first event of all that are not under way, whether its time has come or not.
    pub(crate) fn take_first(&mut self) -> Option<Position> {
        let ready = self.ready.first().copied();
        let later = self.later.iter().map(|(_, position)| *position).min();
        let position = ready.into_iter().chain(later).min()?;
        self.unlist(position);
        self.fly(position);
        Some(position)
    }

    fn fly(&mut self, position: Position) {
        if let Some(item) = self.items.get_mut(&position) {
            item.state = State::Flying;
            self.flying += 1;
        }
    }

    fn set(&mut self, position: Position, state: State) {
        let Some(item) = self.items.get_mut(&position) else { return };
        item.state = state;
        match state {
            State::Ready => {
                self.ready.insert(position);
            }
            State::Later(due) => {
                self.later.insert((due, position));
            }
            State::Behind | State::Flying => {}
        }
    }

    fn unlist(&mut self, position: Position) {
        match self.items.get(&position).map(|item| item.state) {
            Some(State::Ready) => {
                self.ready.remove(&position);
            }
            Some(State::Later(due)) => {
                self.later.remove(&(due, position));
            }
            Some(State::Behind | State::Flying) | None => {}
        }
    }

    /// It was delivered, or set aside: the next of its lane may go.
    pub(crate) fn finished(&mut self, position: Position) {
        self.unlist(position);
        let Some(item) = self.items.remove(&position) else { return };
        if item.state == State::Flying {
            self.flying -= 1;
        }
        self.done.insert(position);
        let Some(queue) = self.lanes.get_mut(&item.lane) else { return };
        queue.retain(|other| *other != position);
        match queue.front().copied() {
            None => {
                self.lanes.remove(&item.lane);
            }
            Some(next) if self.items.get(&next).is_some_and(|item| item.state == State::Behind) => {
                self.set(next, State::Ready);
            }
            Some(_) => {}
        }
    }

    /// It failed, and is tried again at this time.
    pub(crate) fn failed(&mut self, position: Position, now_us: u64, due_us: u64) {
        let Some(item) = self.items.get_mut(&position) else { return };
        if item.failed == 0 {
            item.failed_us = now_us;
        }
        item.failed = item.failed.saturating_add(1);
        if item.state == State::Flying {
            self.flying -= 1;
        }
        self.set(position, State::Later(due_us));
    }

    /// Everything that waits for its time is due.
    pub(crate) fn hurry(&mut self) {
        for (_, position) in std::mem::take(&mut self.later) {
            self.set(position, State::Ready);
        }
    }

    /// When the next event is due: none when there is none, or some are already.
    pub(crate) fn due_us(&self) -> Option<u64> {
        self.later.first().map(|(due, _)| *due)
    }

    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// The position that everything before is done, given that everything before `next` was added or does not match. What is
    /// done before it is forgotten.
    pub(crate) fn cursor(&mut self, next: Position) -> Position {
        let cursor = self.items.first_key_value().map_or(next, |(position, _)| (*position).min(next));
        self.done = self.done.split_off(&cursor);
        cursor
    }

    /// Positions behind the cursor that are done.
    pub(crate) fn done(&self) -> &BTreeSet<Position> {
        &self.done
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lanes(lanes_of: &[u64]) -> Lanes<u64> {
        let mut lanes = Lanes::new(BTreeSet::new());
        for (position, lane) in (0..).zip(lanes_of) {
            lanes.push(Position(position), position, None, Lane::Object(*lane));
        }
        lanes
    }

    #[test]
    fn another_key_flows_past_one_that_waits() {
        let mut lanes = lanes(&[1, 1, 2]);
        assert_eq!(lanes.take(0), Some(Position(0)));
        assert_eq!(lanes.take(0), Some(Position(2)));
        assert_eq!(lanes.take(0), None);
        lanes.failed(Position(0), 0, 10);
        lanes.finished(Position(2));
        assert_eq!((lanes.take(9), lanes.due_us()), (None, Some(10)));
        assert_eq!(lanes.cursor(Position(3)), Position(0));
        assert_eq!(lanes.done().iter().copied().collect::<Vec<_>>(), [Position(2)]);
        assert_eq!(lanes.take(10), Some(Position(0)));
        lanes.finished(Position(0));
        assert_eq!(lanes.cursor(Position(3)), Position(1));
        assert_eq!(lanes.take(10), Some(Position(1)));
        lanes.finished(Position(1));
        assert_eq!((lanes.cursor(Position(3)), lanes.done().len()), (Position(3), 0));
    }

    #[test]
    fn a_probe_is_the_first_event_whenever_it_is_due() {
        let mut lanes = lanes(&[1, 2]);
        lanes.take(0);
        lanes.failed(Position(0), 0, 1_000);
        assert_eq!(lanes.take_first(), Some(Position(0)));
        lanes.failed(Position(0), 0, 1_000);
        lanes.hurry();
        assert_eq!(lanes.take(0), Some(Position(0)));
    }

    #[test]
    fn what_is_done_is_not_done_again() {
        let mut lanes = Lanes::new(BTreeSet::from([Position(1)]));
        for position in 0..3 {
            lanes.push(Position(position), position, None, Lane::One(Position(position)));
        }
        assert_eq!((lanes.take(0), lanes.take(0), lanes.take(0)), (Some(Position(0)), Some(Position(2)), None));
    }

    proptest! {
        /// Whatever fails and whenever, each event is done once, and those of a lane in order.
        #[test]
        fn every_event_is_done_once_and_in_order(of in prop::collection::vec(0..5_u64, 1..60), chance in prop::collection::vec(0..6_u8, 0..200)) {
            let mut lanes = lanes(&of);
            let (mut flying, mut done, mut now) = (Vec::new(), Vec::new(), 0);
            let mut chance = chance.into_iter().chain(std::iter::repeat(5));
            let next = Position(of.len() as u64);
            while lanes.cursor(next) != next {
                now += 1;
                while let Some(position) = lanes.take(now) {
                    let lane = of[position.0 as usize];
                    prop_assert!(!flying.iter().any(|other: &Position| of[other.0 as usize] == lane));
                    flying.push(position);
                }
                prop_assert_eq!(lanes.flying(), flying.len());
                let Some(position) = flying.pop() else { continue };
                if chance.next() == Some(0) {
                    lanes.failed(position, now, now + 2);
                } else {
                    lanes.finished(position);
                    done.push(position);
                }
                let cursor = lanes.cursor(next);
                prop_assert!((0..cursor.0).all(|position| done.contains(&Position(position))));
            }
            prop_assert_eq!(done.len(), of.len());
            for lane in 0..5 {
                let of_lane: Vec<_> = done.iter().filter(|position| of[position.0 as usize] == lane).collect();
                prop_assert!(of_lane.is_sorted());
            }
        }
    }
}
