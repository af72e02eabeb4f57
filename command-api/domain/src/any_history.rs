//! Histories of random commands and events, for every aggregate alike.

use proptest::prelude::*;
use schemas::event::*;
use schemas::{AccessKeyId, BucketId, BucketName, KeyId, TenantId, TenantName, UserId};

use crate::{Refusal, access_key, admin_token, bucket, tenant, user};

/// One of two of everything, so that events meet their aggregate about half the time.
fn name(second: bool) -> String {
    if second { "two".to_owned() } else { "one".to_owned() }
}

fn any_event() -> impl Strategy<Value = Event> {
    (0..18, any::<bool>(), any::<bool>()).prop_map(|(kind, second, flag)| {
        let tenant = TenantId(u64::from(second));
        let bucket = BucketId(u64::from(second));
        let user = UserId::parse(&name(second)).unwrap();
        let access_key = AccessKeyId::parse(&name(second)).unwrap();
        let bucket_name = BucketName::parse(&name(second)).unwrap();
        match kind {
            0 => TenantCreated { tenant, name: TenantName::parse(&name(second)).unwrap(), key: KeyId(1) }.into(),
            1 => TenantDisabled { tenant, reason: String::new() }.into(),
            2 => TenantEnabled { tenant }.into(),
            3 => AdminTokenCreated {
                id: name(second),
                sha256: vec![],
                role: AdminRole::Viewer,
                name: String::new(),
                tenant: None,
                expires: None,
            }
            .into(),
            4 => AdminTokenRevoked { id: name(second) }.into(),
            5 => UserCreated { user, display_name: String::new(), email: None }.into(),
            6 => UserDeleted { user }.into(),
            7 => AccessKeyCreated {
                access_key,
                user,
                sealed_secret: vec![],
                scopes: "*".to_owned(),
                name: None,
                expires: None,
            }
            .into(),
            8 => AccessKeyRevoked { access_key, reason: None }.into(),
            9 => AccessKeyStatusSet { access_key, enabled: flag }.into(),
            10 => BucketCreated {
                bucket,
                name: bucket_name,
                region: String::new(),
                owner: user,
                key: KeyId(1),
                ownership: ObjectOwnership::ObjectWriter,
                versioning: if flag { Versioning::Enabled } else { Versioning::Unversioned },
                object_lock: flag,
                without_ownership_controls: false,
                acl: None,
                base: None,
            }
            .into(),
            11 => BucketDeleted { bucket, name: bucket_name }.into(),
            12 => VersioningSet { bucket, versioning: if flag { Versioning::Enabled } else { Versioning::Suspended } }
                .into(),
            13 => TenantDeleted { tenant, reason: String::new() }.into(),
            14 => AccessKeyRotated { access_key, sealed_secret: vec![] }.into(),
            15 => ApiKeyRotated { access_key, sha256: vec![] }.into(),
            16 => ApiKeyCreated { access_key, user, sha256: vec![], scopes: "*".to_owned(), name: None, expires: None }
                .into(),
            _ => DeleteMarkerCreated { null: flag, owner: user }.into(),
        }
    })
}

/// Applies what is decided, and what would be decided next: a command whose effect is there already has none again.
fn settles<S, C: Clone>(
    state: S,
    command: &C,
    decide: fn(&S, C) -> Result<Vec<Event>, Refusal>,
    evolve: fn(S, &Event) -> S,
) -> bool {
    let Ok(events) = decide(&state, command.clone()) else { return true };
    let state = events.iter().fold(state, evolve);
    decide(&state, command.clone()).is_ok_and(|again| again.is_empty())
}

fn after<S>(state: S, events: &[Event], evolve: fn(S, &Event) -> S) -> S {
    events.iter().fold(state, evolve)
}

proptest! {
    #[test]
    fn a_switch_that_was_thrown_stays_thrown(events in prop::collection::vec(any_event(), 0..40)) {
        let tenant = || after(tenant::State::Absent { name_taken: false }, &events, tenant::evolve);
        let disable = tenant::Command::Disable { reason: String::new() };
        prop_assert!(settles(tenant(), &disable, tenant::decide, tenant::evolve));
        prop_assert!(settles(tenant(), &tenant::Command::Enable, tenant::decide, tenant::evolve));

        let key = || after(access_key::State::Absent, &events, access_key::evolve);
        for enabled in [true, false] {
            let set = access_key::Command::SetEnabled(enabled);
            prop_assert!(settles(key(), &set, access_key::decide, access_key::evolve));
        }

        let start = bucket::State { bucket: bucket::Bucket::Absent, buckets: 0, buckets_max: 1 };
        let bucket = || after(start.clone(), &events, bucket::evolve);
        for versioning in [Versioning::Enabled, Versioning::Suspended] {
            let set = bucket::Command::SetVersioning(versioning);
            prop_assert!(settles(bucket(), &set, bucket::decide, bucket::evolve));
        }
    }

    #[test]
    fn what_ended_for_good_stays_ended(
        before in prop::collection::vec(any_event(), 0..40),
        behind in prop::collection::vec(any_event(), 0..40),
    ) {
        let key = after(access_key::State::Absent, &before, access_key::evolve);
        let revoke = access_key::Command::Revoke { reason: None };
        prop_assert!(settles(key.clone(), &revoke, access_key::decide, access_key::evolve));
        if let Ok(events) = access_key::decide(&key, revoke) {
            let key = after(after(key, &events, access_key::evolve), &behind, access_key::evolve);
            prop_assert_eq!(key, access_key::State::Revoked);
        }

        let token = after(admin_token::State::Absent, &before, admin_token::evolve);
        prop_assert!(settles(token.clone(), &admin_token::Command::Revoke, admin_token::decide, admin_token::evolve));
        if let Ok(events) = admin_token::decide(&token, admin_token::Command::Revoke) {
            let token = after(after(token, &events, admin_token::evolve), &behind, admin_token::evolve);
            prop_assert_eq!(token, admin_token::State::Revoked);
        }

        let user = after(user::State::Absent, &before, user::evolve);
        if let Ok(events) = user::decide(&user, user::Command::Delete) {
            let user = after(after(user, &events, user::evolve), &behind, user::evolve);
            prop_assert_eq!(user, user::State::Deleted);
        }
    }

    #[test]
    fn buckets_are_counted_and_locked_ones_stay_versioned(events in prop::collection::vec(any_event(), 0..40)) {
        let start = bucket::State { bucket: bucket::Bucket::Absent, buckets: 0, buckets_max: 1 };
        let state = after(start, &events, bucket::evolve);
        prop_assert_eq!(state.buckets, u64::from(state.bucket != bucket::Bucket::Absent));
        if let bucket::Bucket::Live { object_lock: true, .. } = state.bucket {
            let suspend = bucket::Command::SetVersioning(Versioning::Suspended);
            // Events are random here: one may have suspended what no decision would.
            let decided = bucket::decide(&state, suspend);
            prop_assert!(decided == Err(Refusal::VersioningLocked) || decided == Ok(vec![]));
        }
    }
}
