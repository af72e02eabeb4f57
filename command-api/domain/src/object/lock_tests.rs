//! Locks of versions, whatever is asked of their key.

use proptest::prelude::*;
use schemas::content::Root;
use schemas::event::{
    BucketObjectLockSet, DefaultRetention, LegalHoldSet, ObjectTagsSet, Retention, RetentionMode, RetentionPeriod,
    RetentionSet, VersioningSet,
};
use schemas::{BlobId, BucketId, Epoch, Position};

use super::*;

const NOW: Time = Time(1_000);

fn made(position: u64) -> Made {
    Made { by: EventId { epoch: Epoch(1), position: Position(position) }, at: Time(position) }
}

fn user() -> UserId {
    UserId::parse("ann").unwrap()
}

fn until(mode: RetentionMode, until: u64) -> Option<Retention> {
    Some(Retention { mode, until: Time(until) })
}

fn governance(end: u64) -> lock::Asked {
    lock::Asked { retention: until(RetentionMode::Governance, end), legal_hold: None }
}

fn compliance(end: u64) -> lock::Asked {
    lock::Asked { retention: until(RetentionMode::Compliance, end), legal_hold: None }
}

fn audit_trail(end: u64) -> lock::Asked {
    lock::Asked { retention: until(RetentionMode::AuditTrail, end), legal_hold: None }
}

fn hold() -> lock::Asked {
    lock::Asked { retention: None, legal_hold: Some(true) }
}

fn commit(lock: lock::Asked, now: Time) -> Command {
    let version = Commit {
        conditions: Conditions::default(),
        content: Content { size_bytes: 10, root: Root::Blob(BlobId([3; 16])) },
        etag: ETag { md5: [1; 16], parts: 0 },
        checksums: vec![],
        chosen_checksum: None,
        metadata: Metadata::default(),
        owner: user(),
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        cause: Cause::Put,
        upload: None,
        parts: vec![],
        source: None,
        tags: BTreeMap::new(),
        lock,
        acl: None,
    };
    Command::Commit { version, now }
}

fn delete(now: Time) -> Command {
    Command::Delete { conditions: Conditions::default(), owner: user(), now }
}

fn remove(target: Option<Version>, bypass_governance: bool, now: Time) -> Command {
    Command::DeleteVersion { target, conditions: Conditions::default(), bypass_governance, now }
}

fn amend(target: Option<Version>, change: Amendment, now: Time) -> Command {
    let target = target.map_or(Target::Current, |version| Target::Named(Some(version)));
    Command::Amend { target, change, now }
}

/// A key in a bucket of these, and how many events made it.
#[derive(Debug, Clone)]
struct Key(State, u64);

impl Key {
    fn in_bucket(versioning: Versioning, lock: BucketLock) -> Self {
        Self(State { bucket: Bucket::Live { versioning, lock }, current: None, older: vec![] }, 0)
    }

    fn locking() -> Self {
        Self::in_bucket(Versioning::Enabled, BucketLock::On { default: None })
    }

    fn happens(&mut self, event: &Event) {
        self.0 = evolve(self.0.clone(), made(self.1), event);
        self.1 += 1;
    }

    /// Decides, and lets happen what was decided.
    fn does(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.0, command)?;
        events.iter().for_each(|event| self.happens(event));
        Ok(events)
    }

    /// With a version that is locked so.
    fn with(mut self, lock: lock::Asked) -> Self {
        self.does(commit(lock, NOW)).unwrap();
        self
    }

    fn versions(&self) -> Vec<Version> {
        self.0.current.iter().chain(&self.0.older).copied().collect()
    }

    fn current(&self) -> Version {
        self.0.current.unwrap()
    }
}

const LOCKED: Result<Vec<Event>, Refusal> = Err(Refusal::ObjectLocked);

#[test]
fn a_locked_version_is_not_removed_until_its_time_comes_or_its_hold_goes() {
    for (asked, bypassed, later) in
        [(governance(2_000), true, true), (compliance(2_000), false, true), (hold(), false, false)]
    {
        let mut key = Key::locking().with(asked);
        let locked = Some(key.current());
        assert_eq!(key.clone().does(remove(locked, false, NOW)), LOCKED);
        assert_eq!(key.clone().does(remove(locked, true, NOW)).is_ok(), bypassed, "{asked:?}");
        assert_eq!(key.clone().does(remove(locked, false, Time(1_999))), LOCKED);
        assert_eq!(key.does(remove(locked, false, Time(2_000))).is_ok(), later, "{asked:?}");
    }
}

#[test]
fn under_an_audit_trail_keys_are_overwritten_and_versions_removed_as_ever() {
    let mut key = Key::locking().with(audit_trail(2_000));
    let first = key.current();
    key.does(commit(audit_trail(2_000), NOW)).unwrap();
    key.does(delete(NOW)).unwrap();
    let removed = VersionRemoved {
        version: first.id(),
        made_by: first.made_by,
        was_marker: false,
        size_bytes: first.size_bytes(),
    };
    assert_eq!(key.does(remove(Some(first), false, NOW)), Ok(vec![removed.into()]));
    let held = lock::Asked { legal_hold: Some(true), ..audit_trail(2_000) };
    let held = Key::locking().with(held);
    assert_eq!(held.clone().does(remove(Some(held.current()), true, NOW)), LOCKED, "a hold holds");
}

#[test]
fn an_audit_trail_is_prolonged_and_never_shortened_taken_off_or_made_another_mode() {
    let key = Key::locking().with(audit_trail(2_000));
    let retain = |retention, bypass_governance| {
        key.clone().does(amend(None, Amendment::Retention { retention, bypass_governance }, NOW))
    };
    for bypass in [false, true] {
        for weaker in [
            None,
            until(RetentionMode::AuditTrail, 1_999),
            until(RetentionMode::Governance, 3_000),
            until(RetentionMode::Compliance, 3_000),
        ] {
            assert_eq!(retain(weaker, bypass), LOCKED, "{weaker:?}");
        }
        let longer = until(RetentionMode::AuditTrail, 3_000);
        let Version { made_by, .. } = key.current();
        let set = RetentionSet { version: key.current().id(), made_by, retention: longer, bypass: false };
        assert_eq!(retain(longer, bypass), Ok(vec![set.into()]));
    }
}

#[test]
fn a_null_version_under_an_audit_trail_is_replaced() {
    let mut key = Key::in_bucket(Versioning::Unversioned, BucketLock::Off);
    key.does(commit(lock::Asked::default(), NOW)).unwrap();
    key.happens(&BucketObjectLockSet { bucket: BucketId(1), default: None }.into());
    let retention = until(RetentionMode::AuditTrail, 2_000);
    key.does(amend(None, Amendment::Retention { retention, bypass_governance: false }, NOW)).unwrap();
    let null = key.current();
    key.does(commit(lock::Asked::default(), NOW)).unwrap();
    assert!(null.null && key.current().null && key.current().made_by != null.made_by);
    assert_eq!(key.versions().len(), 1);
}

#[test]
fn a_marker_may_hide_a_locked_version_and_be_removed_again() {
    let mut key = Key::locking().with(compliance(2_000));
    let locked = key.current();
    key.does(delete(NOW)).unwrap();
    let marker = key.current();
    assert_eq!(marker.kind, Kind::Marker);
    assert_eq!(key.clone().does(remove(Some(locked), true, NOW)), LOCKED);
    key.does(remove(Some(marker), false, NOW)).unwrap();
    assert_eq!(key.current(), locked);
}

#[test]
fn conditions_of_a_delete_are_asked_before_its_lock() {
    let mut key = Key::locking().with(hold());
    let conditions = Conditions { if_match_size: Some(11), ..Conditions::default() };
    let target = Some(key.current());
    let refused = key.does(Command::DeleteVersion { target, conditions, bypass_governance: true, now: NOW });
    assert!(matches!(refused, Err(Refusal::PreconditionFailed { .. })));
}

#[test]
fn a_new_version_has_the_buckets_retention_unless_it_says_another() {
    let default = Some(DefaultRetention { mode: RetentionMode::Compliance, period: RetentionPeriod::Days(1) });
    let mut key = Key::locking();
    key.happens(&BucketObjectLockSet { bucket: BucketId(1), default }.into());
    key.does(commit(lock::Asked::default(), NOW)).unwrap();
    assert_eq!(key.current().lock.retention, until(RetentionMode::Compliance, 86_400_001_000));
    key.does(commit(governance(2_000), NOW)).unwrap();
    assert_eq!(key.current().lock.retention, governance(2_000).retention);
    key.happens(&BucketObjectLockSet { bucket: BucketId(1), default: None }.into());
    key.does(commit(lock::Asked::default(), NOW)).unwrap();
    assert_eq!(key.current().lock, Lock::default());
}

#[test]
fn where_versions_cannot_be_locked_nothing_of_it_is_accepted() {
    let mut key = Key::in_bucket(Versioning::Enabled, BucketLock::Off);
    let missing = |outcome| assert_eq!(outcome, Err(Refusal::LockNotEnabled));
    for asked in [governance(2_000), hold(), lock::Asked { legal_hold: Some(false), ..lock::Asked::default() }] {
        missing(key.does(commit(asked, NOW)));
    }
    key.does(commit(lock::Asked::default(), NOW)).unwrap();
    missing(key.does(amend(None, Amendment::LegalHold(true), NOW)));
    let retention = Amendment::Retention { retention: None, bypass_governance: true };
    missing(key.does(amend(None, retention, NOW)));
    assert_eq!(key.versions().len(), 1);
}

#[test]
fn a_locked_null_version_is_never_replaced() {
    // A null version from before the bucket was versioned, locked afterwards. Its versioning can be suspended by no
    // decision: should it be so all the same, nothing takes its place.
    for versioning in [Versioning::Suspended, Versioning::Unversioned] {
        for hidden in [false, true] {
            let mut key = Key::in_bucket(Versioning::Unversioned, BucketLock::Off);
            key.does(commit(lock::Asked::default(), NOW)).unwrap();
            key.happens(&VersioningSet { bucket: BucketId(1), versioning: Versioning::Enabled }.into());
            key.happens(&BucketObjectLockSet { bucket: BucketId(1), default: None }.into());
            let null = key.current();
            assert!(null.null);
            let retention = until(RetentionMode::Governance, 2_000);
            key.does(amend(None, Amendment::Retention { retention, bypass_governance: false }, NOW)).unwrap();
            if hidden {
                key.does(commit(lock::Asked::default(), NOW)).unwrap();
            }
            key.happens(&VersioningSet { bucket: BucketId(1), versioning }.into());
            assert_eq!(key.clone().does(commit(lock::Asked::default(), NOW)), LOCKED);
            assert_eq!(key.clone().does(delete(NOW)), LOCKED);
            key.does(commit(lock::Asked::default(), Time(2_000))).unwrap();
            assert!(!key.versions().iter().any(|version| version.made_by == null.made_by));
        }
    }
}

#[test]
fn an_amendment_is_one_event_or_none() {
    let mut key = Key::locking().with(lock::Asked::default());
    let Version { made_by, .. } = key.current();
    let version = VersionId::Event(made_by);
    let tags = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    let tagged = ObjectTagsSet { version, made_by, tags: tags.clone() };
    assert_eq!(key.does(amend(None, Amendment::Tags(tags), NOW)), Ok(vec![tagged.into()]));
    for (on, events) in [(false, vec![]), (true, vec![LegalHoldSet { version, made_by, on: true }.into()])] {
        assert_eq!(key.does(amend(None, Amendment::LegalHold(on), NOW)), Ok(events));
    }
    let set = |retention, bypass_governance| Amendment::Retention { retention, bypass_governance };
    let event = |retention, bypass| Event::from(RetentionSet { version, made_by, retention, bypass });
    let (short, long) = (until(RetentionMode::Governance, 2_000), until(RetentionMode::Governance, 3_000));
    assert_eq!(key.does(amend(None, set(long, true), NOW)), Ok(vec![event(long, false)]), "nothing to bypass");
    assert_eq!(key.does(amend(None, set(long, false), NOW)), Ok(vec![]));
    assert_eq!(key.does(amend(None, set(short, false), NOW)), LOCKED);
    assert_eq!(key.does(amend(None, set(short, true), NOW)), Ok(vec![event(short, true)]));
    assert_eq!(key.does(amend(None, set(None, true), NOW)), Ok(vec![event(None, true)]));
    assert_eq!(key.current().lock, Lock { retention: None, legal_hold: true });
}

#[test]
fn an_amendment_is_of_a_version_that_is_there() {
    let mut key = Key::locking();
    let tags = || Amendment::Tags(BTreeMap::new());
    let named = |found| Command::Amend { target: Target::Named(found), change: tags(), now: NOW };
    assert_eq!(key.does(amend(None, tags(), NOW)), Err(Refusal::NoSuchKey { marker: None }));
    assert_eq!(key.does(named(None)), Err(Refusal::NoSuchVersion));
    let mut key = key.with(lock::Asked::default());
    let object = key.current();
    key.does(delete(NOW)).unwrap();
    let marker = key.current();
    assert_eq!(key.does(amend(None, tags(), NOW)), Err(Refusal::NoSuchKey { marker: Some(marker.id()) }));
    let refusal = Refusal::IsDeleteMarker { version: marker.id(), modified: marker.modified };
    assert_eq!(key.does(named(Some(marker))), Err(refusal));
    assert_eq!(key.does(named(Some(object))).map(|events| events.len()), Ok(1));
    let many = Amendment::Tags((0..11).map(|number| (number.to_string(), String::new())).collect());
    assert!(matches!(key.does(amend(Some(object), many, NOW)), Err(Refusal::InvalidTag { .. })));
}

// Any history.

#[derive(Debug, Clone)]
enum Step {
    Commit(lock::Asked),
    Delete,
    Remove {
        version: usize,
        bypass: bool,
    },
    Retain {
        version: usize,
        retention: Option<Retention>,
        bypass: bool,
    },
    Hold {
        version: usize,
        on: bool,
    },
    Default(Option<DefaultRetention>),
    /// By an event that no decision would have made.
    SetVersioning(Versioning),
}

fn any_retention() -> impl Strategy<Value = Option<Retention>> {
    let mode = prop::sample::select(RetentionMode::ALL.as_slice());
    prop::option::of((mode, 0..60u64).prop_map(|(mode, until)| Retention { mode, until: Time(until) }))
}

fn any_step() -> impl Strategy<Value = Step> {
    let versioning = vec![Versioning::Unversioned, Versioning::Enabled, Versioning::Enabled, Versioning::Suspended];
    let default = |mode| DefaultRetention { mode, period: RetentionPeriod::Days(1) };
    let version = || 0..5usize;
    prop_oneof![
        4 => (any_retention(), prop::option::of(any::<bool>()))
            .prop_map(|(retention, legal_hold)| Step::Commit(lock::Asked { retention, legal_hold })),
        2 => Just(Step::Delete),
        4 => (version(), any::<bool>()).prop_map(|(version, bypass)| Step::Remove { version, bypass }),
        3 => (version(), any_retention(), any::<bool>())
            .prop_map(|(version, retention, bypass)| Step::Retain { version, retention, bypass }),
        1 => (version(), any::<bool>()).prop_map(|(version, on)| Step::Hold { version, on }),
        1 => prop::option::of(prop::sample::select(RetentionMode::ALL.as_slice()))
            .prop_map(move |mode| Step::Default(mode.map(default))),
        2 => prop::sample::select(versioning).prop_map(Step::SetVersioning),
    ]
}

proptest! {
    #[test]
    fn nobody_removes_or_shortens_what_is_locked(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut key = Key::in_bucket(Versioning::Unversioned, BucketLock::On { default: None });
        for (clock, step) in steps.into_iter().enumerate() {
            let now = Time(clock as u64);
            let before = key.versions();
            let at = |version: usize| before.get(version % before.len().max(1)).copied();
            let asked_bypass = matches!(step, Step::Remove { bypass: true, .. } | Step::Retain { bypass: true, .. });
            let command = match step {
                Step::Commit(asked) => commit(asked, now),
                Step::Delete => delete(now),
                Step::Remove { version, bypass } => remove(at(version), bypass, now),
                Step::Retain { version, retention, bypass } => {
                    amend(at(version), Amendment::Retention { retention, bypass_governance: bypass }, now)
                }
                Step::Hold { version, on } => amend(at(version), Amendment::LegalHold(on), now),
                Step::Default(default) => {
                    key.happens(&BucketObjectLockSet { bucket: BucketId(1), default }.into());
                    continue;
                }
                Step::SetVersioning(versioning) => {
                    key.happens(&VersioningSet { bucket: BucketId(1), versioning }.into());
                    continue;
                }
            };
            let _ = key.does(command);
            let after = key.versions();
            for was in before {
                let is = after.iter().find(|version| version.made_by == was.made_by);
                prop_assert!(is.is_some() || !was.lock.legal_hold, "{was:?} was held");
                let Some(retention) = was.lock.retention.filter(|it| now < it.until) else { continue };
                let bypassed = retention.mode == RetentionMode::Governance && asked_bypass;
                let kept = is.and_then(|is| is.lock.retention);
                let holds = kept.is_some_and(|it| it.mode == retention.mode && it.until >= retention.until);
                // An audit trail outlives its version: what was removed can be shown until then.
                let removed = is.is_none() && retention.keeps_content_until() == Some(retention.until);
                prop_assert!(holds || bypassed || removed, "{was:?} became {is:?}");
            }
        }
    }
}
