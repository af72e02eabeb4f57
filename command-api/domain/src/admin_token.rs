//! Admin tokens: made once, revoked for good. Their events stand in the system log.
//!
//! Owns: uniqueness of ids, the end. Does not own: the token's text, which is shown once and kept as a digest only.

use schemas::event::{AdminRole, AdminTokenCreated, AdminTokenRevoked, Event};
use schemas::{TenantId, Time};

use crate::{Refusal, validate};

/// What a decision about one admin token needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no such token.
    Absent,
    /// It works, unless it has expired.
    Live {
        /// Its id.
        id: String,
    },
    /// It stopped working. Its id is not used again: the log keeps naming it as an actor.
    Revoked,
}

/// What may be asked of an admin token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make it.
    Create {
        /// 16 hex digits.
        id: String,
        /// SHA-256 of the token.
        sha256: [u8; 32],
        /// What it may do.
        role: AdminRole,
        /// For people.
        name: String,
        /// The one tenant it may see, if limited.
        tenant: Option<TenantId>,
        /// When it ends, if it does.
        expires: Option<Time>,
    },
    /// End it. Nothing happens when it has ended.
    Revoke,
}

/// # Errors
/// [`Refusal::AdminTokenExists`], [`Refusal::NoSuchAdminToken`].
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (State::Absent, Command::Create { id, sha256, role, name, tenant, expires }) => {
            validate::label(&name)?;
            Ok(vec![AdminTokenCreated { id, sha256: sha256.to_vec(), role, name, tenant, expires }.into()])
        }
        (State::Live { .. } | State::Revoked, Command::Create { .. }) => Err(Refusal::AdminTokenExists),
        (State::Absent, Command::Revoke) => Err(Refusal::NoSuchAdminToken),
        (State::Live { id }, Command::Revoke) => Ok(vec![AdminTokenRevoked { id: id.clone() }.into()]),
        (State::Revoked, Command::Revoke) => Ok(vec![]),
    }
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (State::Absent, Event::AdminTokenCreated(created)) => State::Live { id: created.id.clone() },
        (State::Live { id }, Event::AdminTokenRevoked(revoked)) if revoked.id == id => State::Revoked,
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

    fn create() -> Command {
        Command::Create {
            id: "00ff".to_owned(),
            sha256: [7; 32],
            role: AdminRole::Operator,
            name: "ci".to_owned(),
            tenant: Some(TenantId(9)),
            expires: Some(Time(5)),
        }
    }

    fn created() -> Event {
        AdminTokenCreated {
            id: "00ff".to_owned(),
            sha256: vec![7; 32],
            role: AdminRole::Operator,
            name: "ci".to_owned(),
            tenant: Some(TenantId(9)),
            expires: Some(Time(5)),
        }
        .into()
    }

    fn revoked(id: &str) -> Event {
        AdminTokenRevoked { id: id.to_owned() }.into()
    }

    #[test]
    fn a_token_is_created_and_revoked() {
        given([]).when(create()).then([created()]);
        given([created()]).when(Command::Revoke).then([revoked("00ff")]);
    }

    #[test]
    fn an_id_is_used_once_even_after_its_end() {
        given([created()]).when(create()).then_refused(Refusal::AdminTokenExists);
        given([created(), revoked("00ff")]).when(create()).then_refused(Refusal::AdminTokenExists);
    }

    #[test]
    fn revoking_twice_is_revoking_once() {
        given([created(), revoked("00ff")]).when(Command::Revoke).then_nothing();
    }

    #[test]
    fn what_is_not_there_cannot_be_revoked() {
        given([]).when(Command::Revoke).then_refused(Refusal::NoSuchAdminToken);
    }

    #[test]
    fn another_tokens_end_changes_nothing() {
        given([created(), revoked("other")]).when(Command::Revoke).then([revoked("00ff")]);
    }
}
