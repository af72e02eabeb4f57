//! Buckets: a name in a tenant, with an owner, a versioning and an ownership of uploads.
//!
//! Owns: who may take a name, when a bucket counts as empty, which versioning may follow which, when ACLs can be off.
//! Does not own: the objects in it, its key on disk, whether the caller's scopes grant anything.

use schemas::acl::Acl;
use schemas::event::{
    Base, BucketAclSet, BucketCreated, BucketDeleted, BucketOwnershipSet, Event, ObjectOwnership, Versioning,
    VersioningSet,
};
use schemas::{BucketId, BucketName, KeyId, SnapshotName, UserId};

use crate::Refusal;
use crate::bucket_setting::{Configuration, EVENT_BYTES_MAX};

/// What a decision about one bucket name needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The bucket of that name.
    pub bucket: Bucket,
    /// Buckets that the tenant has.
    pub buckets: u64,
    /// Buckets that the tenant may have.
    pub buckets_max: u64,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bucket {
    /// Nothing: the name is free.
    Absent,
    /// A bucket.
    Live {
        /// Its id.
        id: BucketId,
        /// Its name.
        name: BucketName,
        /// Whose.
        owner: UserId,
        /// Its versioning.
        versioning: Versioning,
        /// Whether versions can be locked.
        object_lock: bool,
        /// Whether ACLs are on, and whose uploads are.
        ownership: ObjectOwnership,
        /// Whether it has a list of its own: without one only its owner may do anything.
        has_acl: bool,
        /// Versions and delete markers in it: the exact counter. Events about objects do not come through [`evolve`];
        /// whoever builds the state takes the counter from its row.
        versions: u64,
        /// What it shows of another bucket, if it does.
        base: Option<Base>,
        /// What keeps it: snapshots of it, and views and forks that show it. As `versions`, whoever builds the state looks.
        kept_by: Vec<Keeper>,
    },
}

/// What a bucket cannot be deleted under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// A snapshot of it.
    Snapshot(SnapshotName),
    /// A view or fork of it.
    Bucket(BucketName),
}

impl std::fmt::Display for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Snapshot(name) => write!(f, "snapshot {name}"),
            Self::Bucket(name) => write!(f, "bucket {name}"),
        }
    }
}

/// What may be asked of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create it.
    Create(Create),
    /// Delete it. Only versions and delete markers keep it, as in S3; uploads in progress become unreachable and are
    /// cleared behind it.
    Delete,
    /// Enable or suspend versioning. Nothing happens when it is so already.
    SetVersioning(Versioning),
    /// Set or remove one of its configurations.
    Configure(Configuration),
    /// Replace its list; none leaves it to its owner alone. Nothing happens when that is so already.
    SetAcl(Option<Acl>),
    /// Set or remove its ownership controls.
    SetOwnership {
        /// From now on; none when they are removed.
        ownership: Option<ObjectOwnership>,
        /// Whether its list, if it has one, grants anything to others than its owner.
        acl_grants_others: bool,
    },
}

/// A new bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its id: random, never used before.
    pub bucket: BucketId,
    /// Its name.
    pub name: BucketName,
    /// Region as the client asked or the server is configured.
    pub region: String,
    /// Whose it will be.
    pub owner: UserId,
    /// The key file that is durable already.
    pub key: KeyId,
    /// Who owns uploads; none when nobody chose: whoever uploads then, and there are no ownership controls to show.
    pub ownership: Option<ObjectOwnership>,
    /// Versioning from the start.
    pub versioning: Versioning,
    /// Whether versions can be locked. Implies versioning.
    pub object_lock: bool,
    /// Its list; none when only its owner may do anything.
    pub acl: Option<Acl>,
    /// What it shows of another bucket of the tenant, if it does.
    pub base: Option<Base>,
}

/// # Errors
/// [`Refusal::BucketAlreadyOwnedByYou`], [`Refusal::BucketAlreadyExists`], [`Refusal::TooManyBuckets`],
/// [`Refusal::NoSuchBucket`], [`Refusal::BucketNotEmpty`], [`Refusal::VersioningLocked`], [`Refusal::InvalidRequest`],
/// [`Refusal::LockNeedsVersioning`], [`Refusal::AclNotSupported`], [`Refusal::AclGrantsOthers`], or that of the configuration.
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (&state.bucket, command) {
        (_, Command::Create(create)) => self::create(state, create),
        (Bucket::Absent, _) => Err(Refusal::NoSuchBucket),
        (Bucket::Live { versions: 1.., .. }, Command::Delete) => Err(Refusal::BucketNotEmpty),
        (Bucket::Live { kept_by, .. }, Command::Delete) if !kept_by.is_empty() => {
            let by = kept_by.iter().map(Keeper::to_string).collect::<Vec<_>>().join(", ");
            Err(Refusal::BucketIsKept { by })
        }
        (Bucket::Live { base: Some(Base { writable: false, .. }), .. }, Command::SetVersioning(_)) => {
            Err(Refusal::ReadOnlyBucket)
        }
        (Bucket::Live { id, name, .. }, Command::Delete) => {
            Ok(vec![BucketDeleted { bucket: *id, name: name.clone() }.into()])
        }
        (Bucket::Live { id, name, versioning, .. }, Command::Configure(configuration)) => {
            configuration.check(name)?;
            if matches!(configuration, Configuration::ObjectLock(_)) && *versioning != Versioning::Enabled {
                return Err(Refusal::LockNeedsVersioning);
            }
            let event = configuration.set(*id);
            if event.encode().len() > EVENT_BYTES_MAX {
                return Err(Refusal::InvalidRequest { reason: "the configuration is too large" });
            }
            Ok(vec![event])
        }
        (Bucket::Live { ownership: ObjectOwnership::BucketOwnerEnforced, .. }, Command::SetAcl(_)) => {
            Err(Refusal::AclNotSupported)
        }
        (Bucket::Live { has_acl: false, .. }, Command::SetAcl(None)) => Ok(vec![]),
        (Bucket::Live { id, .. }, Command::SetAcl(acl)) => Ok(vec![BucketAclSet { bucket: *id, acl }.into()]),
        (Bucket::Live { id, has_acl, .. }, Command::SetOwnership { ownership, acl_grants_others }) => {
            if ownership == Some(ObjectOwnership::BucketOwnerEnforced) && *has_acl && acl_grants_others {
                return Err(Refusal::AclGrantsOthers);
            }
            Ok(vec![BucketOwnershipSet { bucket: *id, ownership }.into()])
        }
        (Bucket::Live { id, versioning, object_lock, .. }, Command::SetVersioning(asked)) => match asked {
            _ if asked == *versioning => Ok(vec![]),
            Versioning::Unversioned => {
                Err(Refusal::InvalidRequest { reason: "versioning can be suspended, not undone" })
            }
            Versioning::Suspended if *object_lock => Err(Refusal::VersioningLocked),
            Versioning::Enabled | Versioning::Suspended => {
                Ok(vec![VersioningSet { bucket: *id, versioning: asked }.into()])
            }
        },
    }
}

fn create(state: &State, create: Create) -> Result<Vec<Event>, Refusal> {
    match &state.bucket {
        // Asking for the same again finds it done; asking for another list does not.
        Bucket::Live { owner, has_acl, .. } if *owner == create.owner && *has_acl == create.acl.is_some() => {
            return Err(Refusal::BucketAlreadyOwnedByYou);
        }
        Bucket::Live { .. } => return Err(Refusal::BucketAlreadyExists),
        Bucket::Absent if state.buckets >= state.buckets_max => return Err(Refusal::TooManyBuckets),
        Bucket::Absent => {}
    }
    let Create { bucket, name, region, owner, key, ownership, versioning, object_lock, acl, base } = create;
    let without_ownership_controls = ownership.is_none();
    let ownership = ownership.unwrap_or(ObjectOwnership::ObjectWriter);
    let versioning = if object_lock { Versioning::Enabled } else { versioning };
    let created = BucketCreated {
        bucket,
        name,
        region,
        owner,
        key,
        ownership,
        versioning,
        object_lock,
        without_ownership_controls,
        acl,
        base,
    };
    Ok(vec![created.into()])
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(mut state: State, event: &Event) -> State {
    match (&mut state.bucket, event) {
        (Bucket::Absent, Event::BucketCreated(created)) => {
            state.buckets = state.buckets.saturating_add(1);
            state.bucket = Bucket::Live {
                id: created.bucket,
                name: created.name.clone(),
                owner: created.owner.clone(),
                versioning: created.versioning,
                object_lock: created.object_lock,
                ownership: created.ownership,
                has_acl: created.acl.is_some(),
                versions: 0,
                base: created.base,
                kept_by: Vec::new(),
            };
        }
        (Bucket::Live { id, .. }, Event::BucketDeleted(deleted)) if deleted.bucket == *id => {
            state.buckets = state.buckets.saturating_sub(1);
            state.bucket = Bucket::Absent;
        }
        (Bucket::Live { id, versioning, .. }, Event::VersioningSet(set)) if set.bucket == *id => {
            *versioning = set.versioning;
        }
        (Bucket::Live { id, object_lock, .. }, Event::BucketObjectLockSet(set)) if set.bucket == *id => {
            *object_lock = true;
        }
        (Bucket::Live { id, has_acl, .. }, Event::BucketAclSet(set)) if set.bucket == *id => {
            *has_acl = set.acl.is_some();
        }
        (Bucket::Live { id, ownership, .. }, Event::BucketOwnershipSet(set)) if set.bucket == *id => {
            *ownership = set.ownership.unwrap_or(ObjectOwnership::ObjectWriter);
        }
        _ => {}
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    fn given(events: impl IntoIterator<Item = Event>) -> Scenario<State, Command> {
        Scenario::new(State { bucket: Bucket::Absent, buckets: 2, buckets_max: 3 }, decide, evolve).given(events)
    }

    /// A bucket of Ann's that holds so many versions and markers.
    fn given_holding(versions: u64) -> Scenario<State, Command> {
        let mut state = given([created()]).state().clone();
        if let Bucket::Live { versions: holds, .. } = &mut state.bucket {
            *holds = versions;
        }
        Scenario::new(state, decide, evolve)
    }

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn new_bucket() -> Create {
        Create {
            bucket: BucketId(5),
            name: BucketName::parse("data").unwrap(),
            region: "us-east-1".to_owned(),
            owner: user("ann"),
            key: KeyId(4),
            ownership: Some(ObjectOwnership::BucketOwnerEnforced),
            versioning: Versioning::Unversioned,
            object_lock: false,
            acl: None,
            base: None,
        }
    }

    fn created_with(versioning: Versioning, object_lock: bool) -> Event {
        BucketCreated {
            bucket: BucketId(5),
            name: BucketName::parse("data").unwrap(),
            region: "us-east-1".to_owned(),
            owner: user("ann"),
            key: KeyId(4),
            ownership: ObjectOwnership::BucketOwnerEnforced,
            versioning,
            object_lock,
            without_ownership_controls: false,
            acl: None,
            base: None,
        }
        .into()
    }

    fn created() -> Event {
        created_with(Versioning::Unversioned, false)
    }

    fn deleted() -> Event {
        BucketDeleted { bucket: BucketId(5), name: BucketName::parse("data").unwrap() }.into()
    }

    fn set(versioning: Versioning) -> Event {
        VersioningSet { bucket: BucketId(5), versioning }.into()
    }

    #[test]
    fn a_bucket_is_created_unversioned() {
        given([]).when(Command::Create(new_bucket())).then([created()]);
    }

    #[test]
    fn object_lock_brings_versioning() {
        let create = Create { object_lock: true, ..new_bucket() };
        given([]).when(Command::Create(create)).then([created_with(Versioning::Enabled, true)]);
    }

    #[test]
    fn it_may_be_versioned_from_the_start() {
        for versioning in [Versioning::Enabled, Versioning::Suspended] {
            let create = Create { versioning, ..new_bucket() };
            given([]).when(Command::Create(create)).then([created_with(versioning, false)]);
        }
    }

    #[test]
    fn its_owner_hears_that_it_is_theirs_and_anyone_else_that_it_exists() {
        given([created()]).when(Command::Create(new_bucket())).then_refused(Refusal::BucketAlreadyOwnedByYou);
        let create = Create { owner: user("bob"), ..new_bucket() };
        given([created()]).when(Command::Create(create)).then_refused(Refusal::BucketAlreadyExists);
    }

    #[test]
    fn a_tenant_has_a_bounded_number_of_buckets() {
        Scenario::new(State { bucket: Bucket::Absent, buckets: 3, buckets_max: 3 }, decide, evolve)
            .when(Command::Create(new_bucket()))
            .then_refused(Refusal::TooManyBuckets);
    }

    #[test]
    fn creating_and_deleting_count() {
        assert_eq!(given([created()]).state().buckets, 3);
        assert_eq!(given([created(), deleted()]).state().buckets, 2);
    }

    #[test]
    fn an_empty_bucket_is_deleted_and_its_name_free_again() {
        given([created()]).when(Command::Delete).then([deleted()]);
        given([created(), deleted()]).when(Command::Create(new_bucket())).then([created()]);
    }

    #[test]
    fn a_version_or_marker_keeps_its_bucket() {
        given_holding(1).when(Command::Delete).then_refused(Refusal::BucketNotEmpty);
        given_holding(u64::MAX).when(Command::Delete).then_refused(Refusal::BucketNotEmpty);
    }

    #[test]
    fn an_absent_bucket_is_refused() {
        given([]).when(Command::Delete).then_refused(Refusal::NoSuchBucket);
        given([]).when(Command::SetVersioning(Versioning::Enabled)).then_refused(Refusal::NoSuchBucket);
        given([created(), deleted()]).when(Command::Delete).then_refused(Refusal::NoSuchBucket);
    }

    #[test]
    fn versioning_is_enabled_and_suspended() {
        use Versioning::{Enabled, Suspended};
        given([created()]).when(Command::SetVersioning(Enabled)).then([set(Enabled)]);
        given([created()]).when(Command::SetVersioning(Suspended)).then([set(Suspended)]);
        given([created(), set(Enabled)]).when(Command::SetVersioning(Suspended)).then([set(Suspended)]);
        given([created(), set(Suspended)]).when(Command::SetVersioning(Enabled)).then([set(Enabled)]);
    }

    #[test]
    fn versioning_that_is_so_already_is_no_event() {
        for versioning in [Versioning::Enabled, Versioning::Suspended] {
            given([created(), set(versioning)]).when(Command::SetVersioning(versioning)).then_nothing();
        }
        given([created()]).when(Command::SetVersioning(Versioning::Unversioned)).then_nothing();
    }

    #[test]
    fn versioning_is_never_undone() {
        given([created(), set(Versioning::Enabled)])
            .when(Command::SetVersioning(Versioning::Unversioned))
            .then_refused(Refusal::InvalidRequest { reason: "versioning can be suspended, not undone" });
    }

    #[test]
    fn a_bucket_with_object_lock_keeps_its_versioning() {
        let locked = created_with(Versioning::Enabled, true);
        given([locked.clone()])
            .when(Command::SetVersioning(Versioning::Suspended))
            .then_refused(Refusal::VersioningLocked);
        given([locked]).when(Command::SetVersioning(Versioning::Enabled)).then_nothing();
    }

    fn public() -> Option<Acl> {
        Some(crate::acl::CannedAcl::PublicRead.of_bucket(&user("ann")))
    }

    fn acl_set(acl: Option<Acl>) -> Event {
        BucketAclSet { bucket: BucketId(5), acl }.into()
    }

    fn own(ownership: Option<ObjectOwnership>) -> Command {
        Command::SetOwnership { ownership, acl_grants_others: true }
    }

    fn owned(ownership: Option<ObjectOwnership>) -> Event {
        BucketOwnershipSet { bucket: BucketId(5), ownership }.into()
    }

    #[test]
    fn a_bucket_is_created_with_a_list_and_without_ownership_controls() {
        let create = Create { ownership: None, acl: public(), ..new_bucket() };
        let Event::BucketCreated(plain) = created() else { panic!("a creation") };
        let ownership = ObjectOwnership::ObjectWriter;
        let expected = BucketCreated { ownership, without_ownership_controls: true, acl: public(), ..plain };
        given([]).when(Command::Create(create)).then([expected.into()]);
    }

    #[test]
    fn creating_ones_bucket_again_with_another_list_is_no_repetition() {
        let with_list = Command::Create(Create { acl: public(), ..new_bucket() });
        given([created()]).when(with_list.clone()).then_refused(Refusal::BucketAlreadyExists);
        let listed = [created(), acl_set(public())];
        given(listed.clone()).when(Command::Create(new_bucket())).then_refused(Refusal::BucketAlreadyExists);
        given(listed).when(with_list).then_refused(Refusal::BucketAlreadyOwnedByYou);
    }

    #[test]
    fn a_list_is_set_where_acls_are_on() {
        let on = [created(), owned(None)];
        given(on.clone()).when(Command::SetAcl(public())).then([acl_set(public())]);
        given(on.clone()).when(Command::SetAcl(None)).then_nothing();
        given(on).given([acl_set(public())]).when(Command::SetAcl(None)).then([acl_set(None)]);
        for acl in [None, public()] {
            given([created()]).when(Command::SetAcl(acl.clone())).then_refused(Refusal::AclNotSupported);
            given([]).when(Command::SetAcl(acl)).then_refused(Refusal::NoSuchBucket);
        }
    }

    #[test]
    fn acls_are_turned_off_only_while_the_list_grants_nothing_to_others() {
        use ObjectOwnership::{BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter};
        for ownership in [Some(BucketOwnerEnforced), Some(BucketOwnerPreferred), Some(ObjectWriter), None] {
            given([created(), owned(None)]).when(own(ownership)).then([owned(ownership)]);
        }
        let listed = given([created(), owned(None), acl_set(public())]);
        listed.when(own(Some(BucketOwnerEnforced))).then_refused(Refusal::AclGrantsOthers);
        listed.when(own(Some(BucketOwnerPreferred))).then([owned(Some(BucketOwnerPreferred))]);
        let harmless = Command::SetOwnership { ownership: Some(BucketOwnerEnforced), acl_grants_others: false };
        listed.when(harmless).then([owned(Some(BucketOwnerEnforced))]);
    }

    #[test]
    fn versions_of_a_versioned_bucket_can_be_locked_for_ever() {
        use schemas::event::{BucketObjectLockSet, DefaultRetention, RetentionMode, RetentionPeriod};
        let lock = |default| Command::Configure(Configuration::ObjectLock(default));
        let locked = |default| -> Event { BucketObjectLockSet { bucket: BucketId(5), default }.into() };
        let of = |days| DefaultRetention { mode: RetentionMode::Governance, period: RetentionPeriod::Days(days) };
        for events in [vec![created()], vec![created(), set(Versioning::Enabled), set(Versioning::Suspended)]] {
            given(events).when(lock(None)).then_refused(Refusal::LockNeedsVersioning);
        }
        let versioned = [created(), set(Versioning::Enabled)];
        given(versioned.clone()).when(lock(Some(of(1)))).then([locked(Some(of(1)))]);
        given(versioned.clone())
            .given([locked(None)])
            .when(Command::SetVersioning(Versioning::Suspended))
            .then_refused(Refusal::VersioningLocked);
        given([created_with(Versioning::Enabled, true)]).when(lock(None)).then([locked(None)]);
        let period =
            Refusal::InvalidRetentionPeriod { reason: "Default retention period must be a positive integer value" };
        given(versioned).when(lock(Some(of(0)))).then_refused(period);
        given([]).when(lock(None)).then_refused(Refusal::NoSuchBucket);
    }

    #[test]
    fn a_configuration_is_set_and_removed_whole() {
        let tags: std::collections::BTreeMap<_, _> = [("team".to_owned(), "red".to_owned())].into();
        let event = |tags| -> Event { schemas::event::BucketTaggingSet { bucket: BucketId(5), tags }.into() };
        let tag = |tags| Command::Configure(Configuration::Tagging(tags));
        given([created()]).when(tag(Some(tags.clone()))).then([event(Some(tags.clone()))]);
        given([created(), event(Some(tags.clone()))]).when(tag(None)).then([event(None)]);
        given([created()]).when(tag(Some([].into()))).then([event(None)]);
        given([]).when(tag(Some(tags))).then_refused(Refusal::NoSuchBucket);
        let too_many = (0..51).map(|number| (number.to_string(), String::new())).collect();
        given([created()])
            .when(tag(Some(too_many)))
            .then_refused(Refusal::InvalidTag { reason: "a bucket has at most 50 tags" });
    }

    #[test]
    fn a_policy_is_kept_as_it_was_written_and_only_if_it_is_one_of_the_bucket() {
        use crate::bucket_setting::BucketPolicy;
        use schemas::event::BucketPolicySet;
        let text = |bucket: &str| {
            format!(
                "{{ \"Statement\": {{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":\"arn:aws:s3:::{bucket}\"}} }}"
            )
        };
        let set =
            |text: String| Command::Configure(Configuration::Policy(Some(BucketPolicy { text, binds_owner: false })));
        let event = |policy| -> Event { BucketPolicySet { bucket: BucketId(5), policy, binds_owner: false }.into() };
        given([created()]).when(set(text("data"))).then([event(Some(text("data")))]);
        let reason = "Policy has invalid resource: arn:aws:s3:::other".to_owned();
        given([created()]).when(set(text("other"))).then_refused(Refusal::MalformedPolicy { reason });
        given([created()]).when(Command::Configure(Configuration::Policy(None))).then([event(None)]);
    }

    #[test]
    fn what_is_blocked_of_public_access_is_set_and_removed_whole() {
        use schemas::acl::PublicAccessBlock;
        use schemas::event::BucketPublicAccessBlockSet;
        for block in [Some(PublicAccessBlock::ALL), Some(PublicAccessBlock::default()), None] {
            given([created()])
                .when(Command::Configure(Configuration::PublicAccessBlock(block)))
                .then([BucketPublicAccessBlockSet { bucket: BucketId(5), block }.into()]);
        }
    }

    #[test]
    fn a_configuration_fits_a_record() {
        let rule = |bytes: usize| schemas::event::CorsRule {
            id: None,
            origins: vec!["o".repeat(bytes)],
            methods: vec![schemas::event::CorsMethod::Get],
            headers: vec![],
            exposed: vec![],
            max_age_s: None,
        };
        let cors = |bytes| Command::Configure(Configuration::Cors(Some(vec![rule(bytes)])));
        let event = schemas::event::BucketCorsSet { bucket: BucketId(5), rules: Some(vec![rule(59_000)]) };
        given([created()]).when(cors(59_000)).then([event.into()]);
        let reason = "the configuration is too large";
        given([created()]).when(cors(60_000)).then_refused(Refusal::InvalidRequest { reason });
    }

    #[test]
    fn another_buckets_events_change_nothing() {
        let other = VersioningSet { bucket: BucketId(6), versioning: Versioning::Enabled }.into();
        given([created(), other]).when(Command::SetVersioning(Versioning::Enabled)).then([set(Versioning::Enabled)]);
    }
}
