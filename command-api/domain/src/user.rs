//! Users of a tenant.
//!
//! Owns: uniqueness of ids over time. Does not own: their access keys, which stop working with them.

use schemas::UserId;
use schemas::event::{Event, UserCreated, UserDeleted};

use crate::{Refusal, validate};

/// What a decision about one user needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There never was such a user.
    Absent,
    /// There is one.
    Live {
        /// Its id.
        user: UserId,
    },
    /// There was one. The id is not given again: buckets and objects keep naming their owner, and a namesake would
    /// inherit them.
    Deleted,
}

/// What may be asked of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create it.
    Create {
        /// Its id.
        user: UserId,
        /// For people.
        display_name: String,
        /// Where mail goes, if given.
        email: Option<String>,
    },
    /// Delete it. Its keys stop working with it.
    Delete,
}

/// # Errors
/// [`Refusal::UserExists`], [`Refusal::NoSuchUser`].
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        // It owns what requests without a credential write.
        (State::Absent, Command::Create { user, .. }) if user == UserId::anonymous() => Err(Refusal::UserExists),
        (State::Absent, Command::Create { user, display_name, email }) => {
            validate::label(&display_name)?;
            validate::label(email.as_deref().unwrap_or_default())?;
            Ok(vec![UserCreated { user, display_name, email }.into()])
        }
        (State::Live { .. } | State::Deleted, Command::Create { .. }) => Err(Refusal::UserExists),
        (State::Live { user }, Command::Delete) => Ok(vec![UserDeleted { user: user.clone() }.into()]),
        (State::Absent | State::Deleted, Command::Delete) => Err(Refusal::NoSuchUser),
    }
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (State::Absent, Event::UserCreated(created)) => State::Live { user: created.user.clone() },
        (State::Live { user }, Event::UserDeleted(deleted)) if deleted.user == user => State::Deleted,
        (state, _) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn given(events: impl IntoIterator<Item = Event>) -> Scenario<State, Command> {
        Scenario::new(State::Absent, decide, evolve).given(events)
    }

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn create() -> Command {
        let email = Some("ann@example.org".to_owned());
        Command::Create { user: user("ann"), display_name: "Ann".to_owned(), email }
    }

    fn created() -> Event {
        let email = Some("ann@example.org".to_owned());
        UserCreated { user: user("ann"), display_name: "Ann".to_owned(), email }.into()
    }

    fn deleted(id: &str) -> Event {
        UserDeleted { user: user(id) }.into()
    }

    #[test]
    fn a_user_is_created_and_deleted() {
        given([]).when(create()).then([created()]);
        given([created()]).when(Command::Delete).then([deleted("ann")]);
    }

    #[test]
    fn an_id_is_given_once() {
        given([created()]).when(create()).then_refused(Refusal::UserExists);
        given([created(), deleted("ann")]).when(create()).then_refused(Refusal::UserExists);
    }

    #[test]
    fn who_is_not_there_cannot_be_deleted() {
        given([]).when(Command::Delete).then_refused(Refusal::NoSuchUser);
        given([created(), deleted("ann")]).when(Command::Delete).then_refused(Refusal::NoSuchUser);
    }

    #[test]
    fn another_users_end_changes_nothing() {
        given([created(), deleted("bob")]).when(Command::Delete).then([deleted("ann")]);
    }
}
