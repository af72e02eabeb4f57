//! Access keys: made for a user, switched off and on, revoked for good.
//!
//! Owns: the life of a key. Does not own: its secret (sealed by the caller), expiry (judged when a credential is used).

use schemas::event::{
    AccessKeyCreated, AccessKeyRevoked, AccessKeyRotated, AccessKeyStatusSet, ApiKeyCreated, ApiKeyRotated, Event,
};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, Time, UserId};

use crate::{Refusal, validate};

/// Most bytes of scopes as text: they stand in the key's row, which is short.
const SCOPES_BYTES_MAX: usize = 2_000;

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
        /// Whether it is an API key.
        api: bool,
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
    /// Give it another secret, of the kind that it has.
    Rotate(Secret),
}

/// How the secret of a key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// It signs requests: sealed under the tenant's key, for it must be read again.
    Sealed(Vec<u8>),
    /// It is sent with requests (an API key): SHA-256 of it.
    Sha256([u8; 32]),
}

/// A new access key, and what the caller has looked up about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its id.
    pub access_key: AccessKeyId,
    /// Whose.
    pub user: UserId,
    /// The secret.
    pub secret: Secret,
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
/// [`Refusal::NoSuchUser`], [`Refusal::AccessKeyExists`], [`Refusal::NoSuchAccessKey`], [`Refusal::AccessKeyRevoked`],
/// [`Refusal::InvalidRequest`] for a secret of the other kind.
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (_, Command::Create(create)) => self::create(state, create),
        (State::Absent, Command::Revoke { .. } | Command::SetEnabled(_) | Command::Rotate(_)) => {
            Err(Refusal::NoSuchAccessKey)
        }
        (State::Live { access_key, .. }, Command::Revoke { reason }) => {
            Ok(vec![AccessKeyRevoked { access_key: access_key.clone(), reason }.into()])
        }
        (State::Revoked, Command::Revoke { .. }) => Ok(vec![]),
        (State::Live { enabled, .. }, Command::SetEnabled(asked)) if *enabled == asked => Ok(vec![]),
        (State::Live { access_key, .. }, Command::SetEnabled(enabled)) => {
            Ok(vec![AccessKeyStatusSet { access_key: access_key.clone(), enabled }.into()])
        }
        (State::Live { access_key, api, .. }, Command::Rotate(secret)) => rotate(access_key.clone(), *api, secret),
        (State::Revoked, Command::SetEnabled(_) | Command::Rotate(_)) => Err(Refusal::AccessKeyRevoked),
    }
}

fn create(state: &State, create: Create) -> Result<Vec<Event>, Refusal> {
    if !create.user_exists {
        return Err(Refusal::NoSuchUser);
    }
    if create.id_taken_anywhere || *state != State::Absent {
        return Err(Refusal::AccessKeyExists);
    }
    let Create { access_key, user, secret, scopes, name, expires, .. } = create;
    let scopes = scopes.to_string();
    if scopes.len() > SCOPES_BYTES_MAX {
        return Err(Refusal::InvalidArgument { name: "scopes", reason: "scopes may have 2000 bytes at most" });
    }
    validate::label(name.as_deref().unwrap_or_default())?;
    Ok(vec![match secret {
        Secret::Sealed(sealed_secret) => {
            AccessKeyCreated { access_key, user, sealed_secret, scopes, name, expires }.into()
        }
        Secret::Sha256(sha256) => {
            ApiKeyCreated { access_key, user, sha256: sha256.to_vec(), scopes, name, expires }.into()
        }
    }])
}

fn rotate(access_key: AccessKeyId, api: bool, secret: Secret) -> Result<Vec<Event>, Refusal> {
    match secret {
        Secret::Sealed(sealed_secret) if !api => Ok(vec![AccessKeyRotated { access_key, sealed_secret }.into()]),
        Secret::Sha256(sha256) if api => Ok(vec![ApiKeyRotated { access_key, sha256: sha256.to_vec() }.into()]),
        Secret::Sealed(_) | Secret::Sha256(_) => {
            Err(Refusal::InvalidRequest { reason: "the key has a secret of another kind" })
        }
    }
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (State::Absent, Event::AccessKeyCreated(created)) => {
            State::Live { access_key: created.access_key.clone(), enabled: true, api: false }
        }
        (State::Absent, Event::ApiKeyCreated(created)) => {
            State::Live { access_key: created.access_key.clone(), enabled: true, api: true }
        }
        (State::Live { access_key, api, .. }, Event::AccessKeyStatusSet(set)) if set.access_key == access_key => {
            State::Live { access_key, enabled: set.enabled, api }
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
            secret: Secret::Sealed(vec![1, 2]),
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

    fn new_api_key() -> Create {
        Create { secret: Secret::Sha256([7; 32]), ..new_key() }
    }

    fn api_created() -> Event {
        ApiKeyCreated {
            access_key: id("AK1"),
            user: UserId::parse("ann").unwrap(),
            sha256: vec![7; 32],
            scopes: "op=read:bucket=data".to_owned(),
            name: Some("laptop".to_owned()),
            expires: Some(Time(9)),
        }
        .into()
    }

    #[test]
    fn an_api_key_is_a_key_of_which_a_digest_is_kept() {
        given([]).when(Command::Create(new_api_key())).then([api_created()]);
        given([api_created()]).when(Command::Create(new_key())).then_refused(Refusal::AccessKeyExists);
        given([api_created()]).when(revoke()).then([revoked()]);
    }

    #[test]
    fn a_key_gets_another_secret_of_its_kind() {
        let sealed = || Command::Rotate(Secret::Sealed(vec![3]));
        let digest = || Command::Rotate(Secret::Sha256([8; 32]));
        let rotated = AccessKeyRotated { access_key: id("AK1"), sealed_secret: vec![3] };
        given([created()]).when(sealed()).then([rotated.into()]);
        given([api_created()])
            .when(digest())
            .then([ApiKeyRotated { access_key: id("AK1"), sha256: vec![8; 32] }.into()]);
        let other = Refusal::InvalidRequest { reason: "the key has a secret of another kind" };
        given([created()]).when(digest()).then_refused(other.clone());
        given([api_created()]).when(sealed()).then_refused(other);
        given([created(), revoked()]).when(sealed()).then_refused(Refusal::AccessKeyRevoked);
        given([]).when(sealed()).then_refused(Refusal::NoSuchAccessKey);
    }

    #[test]
    fn an_absent_key_cannot_be_changed() {
        given([]).when(revoke()).then_refused(Refusal::NoSuchAccessKey);
        given([]).when(Command::SetEnabled(false)).then_refused(Refusal::NoSuchAccessKey);
    }
}
