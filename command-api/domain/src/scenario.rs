//! Given events, when a command, then events or a refusal: how tests of decisions read.

use std::fmt::Debug;

use schemas::event::Event;

use crate::Refusal;

type Decide<S, C> = fn(&S, C) -> Result<Vec<Event>, Refusal>;

/// One aggregate's history so far.
pub(crate) struct Scenario<S, C> {
    state: S,
    decide: Decide<S, C>,
    evolve: fn(S, &Event) -> S,
}

/// What a command led to.
#[must_use]
pub(crate) struct Outcome(Result<Vec<Event>, Refusal>);

impl<S: Clone + Debug, C> Scenario<S, C> {
    pub(crate) fn new(state: S, decide: Decide<S, C>, evolve: fn(S, &Event) -> S) -> Self {
        Self { state, decide, evolve }
    }

    pub(crate) fn given(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        for event in events {
            self.state = (self.evolve)(self.state, &event);
        }
        self
    }

    pub(crate) fn when(&self, command: C) -> Outcome {
        Outcome((self.decide)(&self.state, command))
    }

    pub(crate) fn state(&self) -> &S {
        &self.state
    }
}

impl Outcome {
    #[track_caller]
    pub(crate) fn then(self, events: impl IntoIterator<Item = Event>) {
        assert_eq!(self.0, Ok(events.into_iter().collect()));
    }

    #[track_caller]
    pub(crate) fn then_nothing(self) {
        self.then([]);
    }

    #[track_caller]
    pub(crate) fn then_refused(self, refusal: Refusal) {
        assert_eq!(self.0, Err(refusal));
    }
}
