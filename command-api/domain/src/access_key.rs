//! Access keys: made for a user, switched off and on, revoked for good.
//!
//! Owns: the life of a key. Does not own: its secret (sealed by the caller), expiry (judged when a credential is used).

use schemas::event::{AccessKeyCreated, AccessKeyRevoked, AccessKeyStatusSet, Event};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, Time, UserId};

use crate::Refusal;

/// What a decision about one access key needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The tenant has no such key.
    Absent,
    /// It has.
    Live {
        /// Its id.
        access_key: AccessKeyId,
        /// Whether it works.
        enabled: bool,
    },
    /// It had; it never works again.
    Revoked,
}

/// What may be asked of an access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make it.
    Create(Create),
    /// End it. Nothing happens when it has ended: the first reason stays.
    Revoke {
        /// Why, if somebody said.
        reason: Option<String>,
    },
    /// Switch it off or on. Nothing happens when it is so already.
    SetEnabled(bool),
}

/// A new access key, and what the caller has looked up about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its id.
    pub access_key: AccessKeyId,
    /// Whose.
    pub user: UserId,
    /// The secret, sealed under the tenant's key.
    pub sealed_secret: Vec<u8>,
    /// What it may do.
    pub scopes: Scopes,
    /// For people.
    pub name: Option<String>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
    /// Whether the tenant has the user.
    pub user_exists: bool,
    /// Whether any tenant has, or had, a key of this id.
    pub id_taken_anywhere: bool,
}

/// # Errors
/// [`Refusal::NoSuchUser`], [`Refusal::AccessKeyExists`], [`Refusal::NoSuchAccessKey`], [`Refusal::AccessKeyRevoked`].
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (_, Command::Create(create)) => self::create(state, create),
        (State::Absent, Command::Revoke { .. } | Command::SetEnabled(_)) => Err(Refusal::NoSuchAccessKey),
        (State::Live { access_key, .. }, Command::Revoke { reason }) => {
            Ok(vec![AccessKeyRevoked { access_key: access_key.clone(), reason }.into()])
        }
        (State::Revoked, Command::Revoke { .. }) => Ok(vec![]),
        (State::Live { enabled, .. }, Command::SetEnabled(asked)) if *enabled == asked => Ok(vec![]),
        (State::Live { access_key, .. }, Command::SetEnabled(enabled)) => {
            Ok(vec![AccessKeyStatusSet { access_key: access_key.clone(), enabled }.into()])
        }
        (State::Revoked, Command::SetEnabled(_)) => Err(Refusal::AccessKeyRevoked),
    }
}

fn create(state: &State, create: Create) -> Result<Vec<Event>, Refusal> {
    if !create.user_exists {
        return Err(Refusal::NoSuchUser);
    }
    if create.id_taken_anywhere || *state != State::Absent {
        return Err(Refusal::AccessKeyExists);
    }
    let Create { access_key, user, sealed_secret, scopes, name, expires, .. } = create;
    Ok(vec![AccessKeyCreated { access_key, user, sealed_secret, scopes: scopes.to_string(), name, expires }.into()])
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (State::Absent, Event::AccessKeyCreated(created)) => {
            State::Live { access_key: created.access_key.clone(), enabled: true }
        }
        (State::Live { access_key, .. }, Event::AccessKeyStatusSet(set)) if set.access_key == access_key => {
            State::Live { access_key, enabled: set.enabled }
        }
        (State::Live { access_key, .. }, Event::AccessKeyRevoked(revoked)) if revoked.access_key == access_key => {
            State::Revoked
        }
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

    fn id(text: &str) -> AccessKeyId {
        AccessKeyId::parse(text).unwrap()
    }

    fn new_key() -> Create {
        Create {
            access_key: id("AK1"),
            user: UserId::parse("ann").unwrap(),
            sealed_secret: vec![1, 2],
            scopes: "op=read:bucket=data".parse().unwrap(),
            name: Some("laptop".to_owned()),
            expires: Some(Time(9)),
            user_exists: true,
            id_taken_anywhere: false,
        }
    }

    fn created() -> Event {
        AccessKeyCreated {
            access_key: id("AK1"),
            user: UserId::parse("ann").unwrap(),
            sealed_secret: vec![1, 2],
            scopes: "op=read:bucket=data".to_owned(),
            name: Some("laptop".to_owned()),
            expires: Some(Time(9)),
        }
        .into()
    }

    fn set(enabled: bool) -> Event {
        AccessKeyStatusSet { access_key: id("AK1"), enabled }.into()
    }

    fn revoke() -> Command {
        Command::Revoke { reason: Some("lost".to_owned()) }
    }

    fn revoked() -> Event {
        AccessKeyRevoked { access_key: id("AK1"), reason: Some("lost".to_owned()) }.into()
    }

    #[test]
    fn a_key_is_made_for_a_user() {
        given([]).when(Command::Create(new_key())).then([created()]);
    }

    #[test]
    fn a_key_needs_its_user() {
        let create = Create { user_exists: false, ..new_key() };
        given([]).when(Command::Create(create)).then_refused(Refusal::NoSuchUser);
    }

    #[test]
    fn an_id_is_unique_in_the_installation() {
        let create = Create { id_taken_anywhere: true, ..new_key() };
        given([]).when(Command::Create(create)).then_refused(Refusal::AccessKeyExists);
        given([created()]).when(Command::Create(new_key())).then_refused(Refusal::AccessKeyExists);
        given([created(), revoked()]).when(Command::Create(new_key())).then_refused(Refusal::AccessKeyExists);
    }

    #[test]
    fn a_key_is_switched_off_and_on() {
        given([created()]).when(Command::SetEnabled(false)).then([set(false)]);
        given([created(), set(false)]).when(Command::SetEnabled(true)).then([set(true)]);
        given([created()]).when(Command::SetEnabled(true)).then_nothing();
        given([created(), set(false)]).when(Command::SetEnabled(false)).then_nothing();
    }

    #[test]
    fn a_revoked_key_stays_revoked() {
        given([created()]).when(revoke()).then([revoked()]);
        given([created(), set(false)]).when(revoke()).then([revoked()]);
        given([created(), revoked()]).when(revoke()).then_nothing();
        given([created(), revoked()]).when(Command::SetEnabled(true)).then_refused(Refusal::AccessKeyRevoked);
        given([created(), revoked(), set(true)])
            .when(Command::SetEnabled(true))
            .then_refused(Refusal::AccessKeyRevoked);
    }

    #[test]
    fn an_absent_key_cannot_be_changed() {
        given([]).when(revoke()).then_refused(Refusal::NoSuchAccessKey);
        given([]).when(Command::SetEnabled(false)).then_refused(Refusal::NoSuchAccessKey);
    }
}
