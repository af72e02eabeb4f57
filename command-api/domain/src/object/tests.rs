use proptest::prelude::*;
use schemas::acl::{Grant, Grantee, Permission};
use schemas::content::Root;
use schemas::event::{BucketCreated, BucketDeleted, ObjectOwnership, VersioningSet};
use schemas::{BlobId, BucketId, BucketName, Epoch, KeyId, Position};

use super::*;
use crate::ETagCondition;
use crate::scenario::Scenario;

/// By the retention clock, while nothing is locked.
const NOW: Time = Time(77);

/// A key's state and how many events made it: the n-th stands at position n, and is n seconds old.
#[derive(Debug, Clone)]
struct History {
    state: State,
    events: u64,
}

fn made(position: u64) -> Made {
    let by = EventId { epoch: Epoch(1), position: Position(position) };
    Made { by, at: Time(position * 1_000_000 + 999) }
}

fn decide_in(history: &History, command: Command) -> Result<Vec<Event>, Refusal> {
    decide(&history.state, command)
}

fn evolve_in(history: History, event: &Event) -> History {
    let state = evolve(history.state, made(history.events), event);
    History { state, events: history.events + 1 }
}

fn absent(versioning: Versioning) -> State {
    State { bucket: Bucket::Live { versioning, lock: BucketLock::Off }, current: None, older: vec![] }
}

fn given(versioning: Versioning, events: impl IntoIterator<Item = Event>) -> Scenario<History, Command> {
    let history = History { state: absent(versioning), events: 0 };
    Scenario::new(history, decide_in, evolve_in).given(events)
}

fn user() -> UserId {
    UserId::parse("ann").unwrap()
}

/// Every letter has a tag of its own.
fn etag(letter: &str) -> ETag {
    ETag { md5: [letter.as_bytes()[0]; 16], parts: 0 }
}

fn new_version(letter: &str) -> Commit {
    let mut metadata = Metadata::default();
    metadata.user.insert("colour".to_owned(), "red".to_owned());
    Commit {
        conditions: Conditions::default(),
        content: Content { size_bytes: 10, root: Root::Blob(BlobId([3; 16])) },
        etag: etag(letter),
        checksums: vec![],
        chosen_checksum: None,
        metadata,
        owner: user(),
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        cause: Cause::Put,
        upload: None,
        parts: vec![],
        source: None,
        tags: BTreeMap::from([("team".to_owned(), "blue".to_owned())]),
        lock: lock::Asked::default(),
        acl: None,
    }
}

fn committing(version: Commit) -> Command {
    Command::Commit { version, now: NOW }
}

fn commit(letter: &str) -> Command {
    committing(new_version(letter))
}

fn commit_if(letter: &str, conditions: Conditions) -> Command {
    committing(Commit { conditions, ..new_version(letter) })
}

fn delete() -> Command {
    delete_if(Conditions::default())
}

fn delete_if(conditions: Conditions) -> Command {
    Command::Delete { conditions, owner: user(), now: NOW }
}

fn remove(target: Option<Version>) -> Command {
    remove_if(target, Conditions::default())
}

fn remove_if(target: Option<Version>, conditions: Conditions) -> Command {
    Command::DeleteVersion { target, conditions, bypass_governance: false, now: NOW }
}

fn if_match(condition: ETagCondition) -> Conditions {
    Conditions { if_match: Some(condition), ..Conditions::default() }
}

fn if_none_match(condition: ETagCondition) -> Conditions {
    Conditions { if_none_match: Some(condition), ..Conditions::default() }
}

fn tag(letter: &str) -> ETagCondition {
    ETagCondition::OneOf(vec![format!("\"{}\"", etag(letter))])
}

fn committed_as(letter: &str, null: bool) -> Event {
    let Commit { content, etag, metadata, owner, tags, .. } = new_version(letter);
    VersionCommitted {
        null,
        content,
        etag,
        checksums: vec![],
        chosen_checksum: None,
        metadata,
        owner,
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        cause: Cause::Put,
        upload: None,
        parts: vec![],
        source: None,
        tags,
        retention: None,
        legal_hold: false,
        acl: None,
    }
    .into()
}

fn committed(letter: &str) -> Event {
    committed_as(letter, false)
}

fn committed_null(letter: &str) -> Event {
    committed_as(letter, true)
}

fn marker() -> Event {
    DeleteMarkerCreated { null: false, owner: user() }.into()
}

fn null_marker() -> Event {
    DeleteMarkerCreated { null: true, owner: user() }.into()
}

/// The removal of what the event at `position` made.
fn removed(position: u64, null: bool) -> Event {
    let made_by = made(position).by;
    let version = if null { VersionId::Null } else { VersionId::Event(made_by) };
    VersionRemoved { version, made_by, was_marker: false, size_bytes: 10 }.into()
}

fn object(position: u64, letter: &str, null: bool) -> Version {
    let Made { by, at } = made(position);
    let lock = Lock::default();
    Version { made_by: by, null, modified: at, lock, kind: Kind::Object { etag: etag(letter), size_bytes: 10 } }
}

fn marker_at(position: u64) -> Version {
    Version { kind: Kind::Marker, ..object(position, "-", false) }
}

fn suspend() -> Event {
    VersioningSet { bucket: BucketId(1), versioning: Versioning::Suspended }.into()
}

fn failed(condition: &'static str) -> Refusal {
    Refusal::PreconditionFailed { condition }
}

const ALL: [Versioning; 3] = [Versioning::Unversioned, Versioning::Enabled, Versioning::Suspended];

// Commits.

#[test]
fn a_version_is_null_unless_versioning_is_enabled() {
    given(Versioning::Unversioned, []).when(commit("a")).then([committed_null("a")]);
    given(Versioning::Enabled, []).when(commit("a")).then([committed("a")]);
    given(Versioning::Suspended, []).when(commit("a")).then([committed_null("a")]);
}

#[test]
fn a_commit_carries_everything_that_was_said() {
    let source =
        CopySource { bucket: BucketId(2), key: schemas::ObjectKey::parse("from").unwrap(), version: made(9).by };
    let upload = Some(UploadId([4; 16]));
    let asked = Commit {
        chosen_checksum: Some(0),
        cause: Cause::Copy,
        upload,
        source: Some(source.clone()),
        storage_class: StorageClass::OnezoneIa,
        encryption: Encryption::kms("k1"),
        parts: vec![CommittedPart { number: 1, size_bytes: 10, digest: vec![1] }],
        ..new_version("a")
    };
    let events = decide(&absent(Versioning::Enabled), committing(asked.clone())).unwrap();
    let [Event::VersionCommitted(event)] = events.as_slice() else { panic!("one commit") };
    let Event::VersionCommitted(plain) = committed("a") else { unreachable!() };
    let expected = VersionCommitted {
        chosen_checksum: Some(0),
        cause: Cause::Copy,
        upload,
        source: Some(source),
        storage_class: StorageClass::OnezoneIa,
        encryption: Encryption::kms("k1"),
        parts: asked.parts,
        ..plain
    };
    assert_eq!(*event, expected);
}

#[test]
fn if_none_match_any_creates_only() {
    for versioning in ALL {
        let create = || commit_if("b", if_none_match(ETagCondition::Any));
        let null = versioning != Versioning::Enabled;
        given(versioning, []).when(create()).then([committed_as("b", null)]);
        given(versioning, [committed_as("a", null)]).when(create()).then_refused(failed("If-None-Match"));
    }
}

#[test]
fn a_delete_marker_makes_the_key_absent_again() {
    given(Versioning::Enabled, [committed("a"), marker()])
        .when(commit_if("b", if_none_match(ETagCondition::Any)))
        .then([committed("b")]);
}

#[test]
fn if_none_match_of_a_tag_holds_against_other_tags() {
    let history = [committed("a")];
    given(Versioning::Enabled, history.clone())
        .when(commit_if("b", if_none_match(tag("a"))))
        .then_refused(failed("If-None-Match"));
    given(Versioning::Enabled, history).when(commit_if("b", if_none_match(tag("c")))).then([committed("b")]);
    given(Versioning::Enabled, []).when(commit_if("b", if_none_match(tag("a")))).then([committed("b")]);
}

#[test]
fn if_match_overwrites_what_the_client_knows() {
    let history = [committed("a"), committed("b")];
    for (condition, holds) in [(ETagCondition::Any, true), (tag("b"), true), (tag("a"), false)] {
        let outcome = given(Versioning::Enabled, history.clone()).when(commit_if("c", if_match(condition)));
        if holds { outcome.then([committed("c")]) } else { outcome.then_refused(failed("If-Match")) }
    }
}

#[test]
fn if_match_on_an_absent_key_is_no_such_key() {
    for condition in [ETagCondition::Any, tag("a")] {
        given(Versioning::Enabled, [])
            .when(commit_if("b", if_match(condition.clone())))
            .then_refused(Refusal::NothingToMatch { marker: None });
        given(Versioning::Enabled, [committed("a"), marker()])
            .when(commit_if("b", if_match(condition)))
            .then_refused(Refusal::NothingToMatch { marker: Some(VersionId::Event(made(1).by)) });
    }
}

#[test]
fn both_conditions_must_hold() {
    let both = |known: &str, unwanted: &str| Conditions {
        if_match: Some(tag(known)),
        if_none_match: Some(tag(unwanted)),
        ..Conditions::default()
    };
    let key = given(Versioning::Enabled, [committed("a")]);
    key.when(commit_if("b", both("a", "c"))).then([committed("b")]);
    key.when(commit_if("b", both("a", "a"))).then_refused(failed("If-None-Match"));
    key.when(commit_if("b", both("c", "c"))).then_refused(failed("If-Match"));
}

#[test]
fn a_bucket_that_was_deleted_on_the_way_takes_nothing() {
    let deleted = || BucketDeleted { bucket: BucketId(1), name: BucketName::parse("data").unwrap() }.into();
    for command in [commit("a"), delete(), remove(None)] {
        given(Versioning::Enabled, [deleted()]).when(command).then_refused(Refusal::NoSuchBucket);
    }
}

/// A version that says as much as a request may.
fn longest_version() -> Commit {
    let mut longest = new_version("a");
    // Names of two characters, of which there are enough: the most pairs, and so the most bytes around them.
    let characters = || "abcdefghijklmnopqrstuvwxyz0123456789".chars();
    let names = characters().flat_map(|first| characters().map(move |second| format!("{first}{second}")));
    longest.metadata.user = names.take(1024).map(|name| (name, String::new())).collect();
    longest.metadata.headers.content_disposition = Some("d".repeat(validate::HEADERS_BYTES_MAX));
    let wide = |index: usize, characters: usize| format!("{index}{}", "\u{10400}".repeat(characters - 1));
    longest.tags = (0..10).map(|index| (wide(index, 128), wide(index, 256))).collect();
    let context = Some("c".repeat(4096));
    longest.encryption = Encryption::Kms { key: "k".repeat(1024), context, bucket_key: true };
    let grantee = |index| Grantee::User(UserId::parse(&format!("{index:0>128}")).unwrap());
    let grant = |index| Grant { grantee: grantee(index), permission: Permission::FullControl };
    longest.acl = Some(Acl { grants: (0..crate::acl::GRANTS_MAX).map(grant).collect() });
    longest.owner = UserId::parse(&"o".repeat(128)).unwrap();
    let key = schemas::ObjectKey::parse(&"k".repeat(1024)).unwrap();
    longest.source = Some(CopySource { bucket: BucketId(1), key, version: made(1).by });
    let checksum = |_| Checksum {
        algorithm: schemas::content::ChecksumAlgorithm::Sha256,
        covers: schemas::content::ChecksumType::FullObject,
        digest: vec![9; 32],
        parts: 9,
    };
    longest.checksums = (0..5).map(checksum).collect();
    longest
}

fn committed_by(commit: Commit) -> VersionCommitted {
    let events = decide(&absent(Versioning::Enabled), committing(commit)).expect("is committed");
    let [Event::VersionCommitted(committed)] = &events[..] else { panic!("{events:?}") };
    committed.clone()
}

#[test]
fn whatever_a_request_may_say_fits_a_record_and_a_list_of_parts_goes_where_it_does_not() {
    let longest = longest_version();
    let event = Event::from(committed_by(longest.clone()));
    assert!(event.encode().len() <= EVENT_BYTES_MAX, "{}", event.encode().len());
    let part = |number| CommittedPart { number, size_bytes: 5 << 30, digest: vec![9; 32] };
    let parts: Vec<_> = (1..=450).map(part).collect();
    let with_parts = |commit: Commit| committed_by(Commit { parts: parts.clone(), ..commit });
    assert_eq!(with_parts(new_version("a")).parts, parts);
    for cause in [Cause::CompleteMultipartUpload, Cause::Copy] {
        let without = with_parts(Commit { cause, ..longest.clone() });
        assert_eq!(without, VersionCommitted { cause, ..committed_by(longest.clone()) });
    }
}

#[test]
fn what_was_accepted_when_an_upload_began_is_not_refused_when_it_is_completed() {
    let mut large = new_version("a");
    large.metadata.headers.content_type = Some("t".repeat(validate::HEADERS_BYTES_MAX + 1));
    let refusal = Refusal::MetadataTooLarge { size_bytes: 8193, bound_bytes: 8192 };
    given(Versioning::Enabled, []).when(committing(large.clone())).then_refused(refusal);
    large.upload = Some(UploadId([1; 16]));
    assert_eq!(committed_by(large.clone()).metadata, large.metadata);
}

#[test]
fn bounds_of_metadata_and_tags_hold_inside_the_commit() {
    let mut large = new_version("a");
    large.metadata.user.insert("x".to_owned(), "y".repeat(2048));
    given(Versioning::Enabled, [])
        .when(committing(large))
        .then_refused(Refusal::MetadataTooLarge { size_bytes: 2058, bound_bytes: 2048 });
    let mut odd = new_version("a");
    odd.tags.insert(String::new(), String::new());
    given(Versioning::Enabled, [])
        .when(committing(odd))
        .then_refused(Refusal::InvalidTag { reason: "the key of a tag has 1 to 128 characters" });
}

// Deletes without a version.

#[test]
fn deleting_in_an_unversioned_bucket_removes() {
    given(Versioning::Unversioned, [committed_null("a")]).when(delete()).then([removed(0, true)]);
    given(Versioning::Unversioned, []).when(delete()).then_nothing();
}

#[test]
fn deleting_in_a_versioned_bucket_always_makes_a_marker() {
    for history in [vec![], vec![committed("a")], vec![committed("a"), marker()]] {
        given(Versioning::Enabled, history).when(delete()).then([marker()]);
    }
}

#[test]
fn deleting_while_versioning_is_suspended_makes_a_null_marker() {
    for history in [vec![], vec![committed("a")], vec![committed_null("a")], vec![null_marker()]] {
        given(Versioning::Suspended, history).when(delete()).then([null_marker()]);
    }
}

#[test]
fn a_delete_with_conditions_leaves_an_absent_key_as_it_is() {
    for versioning in ALL {
        for condition in [ETagCondition::Any, tag("a")] {
            given(versioning, []).when(delete_if(if_match(condition))).then_nothing();
        }
    }
}

/// Conditions of deletes, and which of them fails against an object "a" of 10 bytes made in second 0.
fn delete_conditions() -> Vec<(Conditions, Option<&'static str>)> {
    let size = |size| Conditions { if_match_size: Some(size), ..Conditions::default() };
    let second = |second| Conditions { if_match_last_modified_s: Some(second), ..Conditions::default() };
    vec![
        (if_match(ETagCondition::Any), None),
        (if_match(tag("a")), None),
        (if_match(tag("b")), Some("If-Match")),
        (if_none_match(tag("b")), None),
        (if_none_match(tag("a")), Some("If-None-Match")),
        (if_none_match(ETagCondition::Any), Some("If-None-Match")),
        (size(10), None),
        (size(11), Some("x-amz-if-match-size")),
        (second(0), None),
        (second(1), Some("x-amz-if-match-last-modified-time")),
        (Conditions { if_match: Some(tag("a")), ..size(11) }, Some("x-amz-if-match-size")),
    ]
}

#[test]
fn conditions_of_a_delete_hold_against_the_current_version() {
    for (conditions, fails) in delete_conditions() {
        let outcome = given(Versioning::Enabled, [committed("a")]).when(delete_if(conditions.clone()));
        match fails {
            None => outcome.then([marker()]),
            Some(condition) => outcome.then_refused(failed(condition)),
        }
        let outcome = given(Versioning::Unversioned, [committed_null("a")]).when(delete_if(conditions));
        match fails {
            None => outcome.then([removed(0, true)]),
            Some(condition) => outcome.then_refused(failed(condition)),
        }
    }
}

#[test]
fn a_delete_marker_is_there_but_has_no_tag_and_no_bytes() {
    let key = given(Versioning::Enabled, [committed("a"), marker()]);
    let size = |size| Conditions { if_match_size: Some(size), ..Conditions::default() };
    let second = |second| Conditions { if_match_last_modified_s: Some(second), ..Conditions::default() };
    key.when(delete_if(if_match(ETagCondition::Any))).then([marker()]);
    key.when(delete_if(if_match(tag("a")))).then_refused(failed("If-Match"));
    key.when(delete_if(size(10))).then_refused(failed("x-amz-if-match-size"));
    key.when(delete_if(second(0))).then_refused(failed("x-amz-if-match-last-modified-time"));
    key.when(delete_if(second(1))).then([marker()]);
    key.when(delete_if(if_none_match(ETagCondition::Any))).then([marker()]);
}

// Deletes of a version.

#[test]
fn a_list_is_set_on_a_version_that_is_there() {
    use schemas::event::ObjectAclSet;
    let acl = Some(schemas::acl::Acl::default());
    let set = |target| Command::Amend { target, change: Amendment::Acl(acl.clone()), now: NOW };
    let event = |position| -> Event {
        let made_by = made(position).by;
        ObjectAclSet { version: VersionId::Event(made_by), made_by, acl: acl.clone() }.into()
    };
    let key = given(Versioning::Enabled, [committed("a"), committed("b")]);
    key.when(set(Target::Current)).then([event(1)]);
    key.when(set(Target::Named(Some(object(0, "a", false))))).then([event(0)]);
    key.when(set(Target::Named(None))).then_refused(Refusal::NoSuchVersion);
    let deleted = given(Versioning::Enabled, [committed("a"), marker()]);
    let marker = VersionId::Event(made(1).by);
    deleted.when(set(Target::Current)).then_refused(Refusal::NoSuchKey { marker: Some(marker) });
    let modified = made(1).at;
    deleted
        .when(set(Target::Named(Some(marker_at(1)))))
        .then_refused(Refusal::IsDeleteMarker { version: marker, modified });
    given(Versioning::Enabled, []).when(set(Target::Current)).then_refused(Refusal::NoSuchKey { marker: None });
}

#[test]
fn a_version_is_removed_for_good() {
    let key = given(Versioning::Enabled, [committed("a"), committed("b")]);
    key.when(remove(Some(object(0, "a", false)))).then([removed(0, false)]);
    key.when(remove(Some(object(1, "b", false)))).then([removed(1, false)]);
    given(Versioning::Enabled, [committed_null("a")]).when(remove(Some(object(0, "a", true)))).then([removed(0, true)]);
}

#[test]
fn a_delete_marker_is_removed_like_a_version() {
    let made_by = made(1).by;
    let version = VersionId::Event(made_by);
    given(Versioning::Enabled, [committed("a"), marker()]).when(remove(Some(marker_at(1)))).then([VersionRemoved {
        version,
        made_by,
        was_marker: true,
        size_bytes: 0,
    }
    .into()]);
}

#[test]
fn removing_a_version_that_is_not_there_is_no_error_whatever_the_conditions() {
    for (conditions, _) in delete_conditions() {
        given(Versioning::Enabled, [committed("a")]).when(remove_if(None, conditions)).then_nothing();
    }
}

#[test]
fn conditions_hold_against_the_named_version_not_the_current_one() {
    for (conditions, fails) in delete_conditions() {
        let outcome = given(Versioning::Enabled, [committed("a"), committed("z")])
            .when(remove_if(Some(object(0, "a", false)), conditions));
        match fails {
            None => outcome.then([removed(0, false)]),
            Some(condition) => outcome.then_refused(failed(condition)),
        }
    }
}

// What events make of a key.

#[test]
fn versions_stack_and_uncover() {
    let key = given(Versioning::Enabled, [committed("a"), committed("b"), marker()]);
    assert_eq!(key.state().state.current, Some(marker_at(2)));
    assert_eq!(key.state().state.older, [object(1, "b", false), object(0, "a", false)]);

    let undeleted = key.given([VersionRemoved {
        version: VersionId::Event(made(2).by),
        made_by: made(2).by,
        was_marker: true,
        size_bytes: 0,
    }
    .into()]);
    assert_eq!(undeleted.state().state.current, Some(object(1, "b", false)));

    let without_oldest = undeleted.given([removed(0, false)]);
    assert_eq!(without_oldest.state().state.current, Some(object(1, "b", false)));
    assert_eq!(without_oldest.state().state.older, []);

    let empty = without_oldest.given([removed(1, false)]);
    assert_eq!(empty.state().state.current, None);
}

#[test]
fn a_null_version_replaces_the_one_before_wherever_it_lies() {
    let enabled = VersioningSet { bucket: BucketId(1), versioning: Versioning::Enabled }.into();
    let key = given(Versioning::Unversioned, [committed_null("a"), enabled, committed("b"), suspend()]);
    assert_eq!(key.state().state.older, [object(0, "a", true)]);

    let overwritten = key.given([committed_null("c")]);
    assert_eq!(overwritten.state().state.current, Some(object(4, "c", true)));
    assert_eq!(overwritten.state().state.older, [object(2, "b", false)]);

    let hidden = overwritten.given([null_marker()]);
    assert_eq!(hidden.state().state.current, Some(Version { null: true, ..marker_at(5) }));
    assert_eq!(hidden.state().state.older, [object(2, "b", false)]);
}

#[test]
fn a_bucket_made_again_has_nothing_of_the_one_before() {
    let name = || BucketName::parse("data").unwrap();
    let created = BucketCreated {
        bucket: BucketId(2),
        name: name(),
        region: String::new(),
        owner: user(),
        key: KeyId(1),
        ownership: ObjectOwnership::ObjectWriter,
        versioning: Versioning::Enabled,
        object_lock: true,
        without_ownership_controls: false,
        acl: None,
        base: None,
    };
    let deleted = BucketDeleted { bucket: BucketId(1), name: name() };
    let key = given(Versioning::Unversioned, [committed_null("a"), deleted.into(), created.into()]);
    let bucket = Bucket::Live { versioning: Versioning::Enabled, lock: BucketLock::On { default: None } };
    assert_eq!(key.state().state, State { bucket, ..absent(Versioning::Enabled) });
}

// Any history.

#[derive(Debug, Clone)]
enum Step {
    Commit(u8, Conditions),
    Delete(Conditions),
    /// Removes the n-th version from the top, or one that is not there.
    DeleteVersion(usize),
    SetVersioning(bool),
}

fn any_condition() -> impl Strategy<Value = Option<ETagCondition>> {
    let letter = prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![4 => Just(None), 1 => Just(Some(ETagCondition::Any)), 2 => letter.prop_map(|letter| Some(tag(letter)))]
}

fn any_conditions() -> impl Strategy<Value = Conditions> {
    (any_condition(), any_condition()).prop_map(|(if_match, if_none_match)| Conditions {
        if_match,
        if_none_match,
        ..Conditions::default()
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (b'a'..=b'c', any_conditions()).prop_map(|(letter, conditions)| Step::Commit(letter, conditions)),
        2 => any_conditions().prop_map(Step::Delete),
        2 => (0_usize..6).prop_map(Step::DeleteVersion),
        1 => any::<bool>().prop_map(Step::SetVersioning),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (b'a'..=b'c', any::<bool>()).prop_map(|(letter, null)| committed_as(&char::from(letter).to_string(), null)),
        any::<bool>().prop_map(|null| DeleteMarkerCreated { null, owner: user() }.into()),
        (0_u64..12, any::<bool>()).prop_map(|(position, null)| removed(position, null)),
        prop::sample::select(ALL.to_vec())
            .prop_map(|versioning| VersioningSet { bucket: BucketId(1), versioning }.into()),
        Just(BucketDeleted { bucket: BucketId(1), name: BucketName::parse("data").unwrap() }.into()),
    ]
}

fn versions(state: &State) -> Vec<Version> {
    state.current.iter().chain(&state.older).copied().collect()
}

fn assert_sound(state: &State) {
    let versions = versions(state);
    assert!(versions.iter().filter(|version| version.null).count() <= 1, "two null versions: {state:?}");
    assert!(state.current.is_some() || state.older.is_empty(), "nothing current above {state:?}");
    assert!(versions.is_sorted_by(|a, b| a.made_by > b.made_by), "not newest first: {state:?}");
}

proptest! {
    #[test]
    fn no_events_make_a_key_unsound(events in prop::collection::vec(any_event(), 0..40)) {
        let mut history = History { state: absent(Versioning::Unversioned), events: 0 };
        for event in &events {
            history = evolve_in(history, event);
            assert_sound(&history.state);
        }
    }

    #[test]
    fn what_was_decided_is_what_is_there(steps in prop::collection::vec(any_step(), 0..40)) {
        let mut history = History { state: absent(Versioning::Unversioned), events: 0 };
        for step in steps {
            let before = history.clone();
            let decided = match &step {
                Step::Commit(letter, conditions) => {
                    decide_in(&history, commit_if(&char::from(*letter).to_string(), conditions.clone()))
                }
                Step::Delete(conditions) => decide_in(&history, delete_if(conditions.clone())),
                Step::DeleteVersion(index) => {
                    let target = versions(&history.state).get(*index).copied();
                    decide_in(&history, remove(target))
                }
                Step::SetVersioning(enabled) => {
                    let versioning = if *enabled { Versioning::Enabled } else { Versioning::Suspended };
                    Ok(vec![VersioningSet { bucket: BucketId(1), versioning }.into()])
                }
            };
            let refused = decided.is_err();
            for event in decided.into_iter().flatten() {
                history = evolve_in(history, &event);
            }
            assert_sound(&history.state);
            let after = &history.state;
            match step {
                _ if refused => prop_assert_eq!(after, &before.state),
                Step::Commit(letter, conditions) => {
                    let current = after.current.expect("a commit is current");
                    let letter = char::from(letter).to_string();
                    prop_assert_eq!(current.etag(), Some(&etag(&letter)));
                    // What a retry of the same create would hear.
                    if conditions.if_none_match == Some(ETagCondition::Any) {
                        prop_assert!(decide(after, commit_if(&letter, conditions)).is_err());
                    }
                    // Nothing but the null version before it is gone.
                    let gone = before.state.current.iter().chain(&before.state.older).filter(|version| {
                        !versions(after).contains(version)
                    });
                    prop_assert!(gone.into_iter().all(|version| version.null && current.null));
                }
                Step::Delete(conditions) => {
                    let live = after.current.as_ref().and_then(Version::etag);
                    prop_assert!(live.is_none(), "{conditions:?} left {after:?}");
                }
                Step::DeleteVersion(index) => {
                    let mut expected = versions(&before.state);
                    if index < expected.len() {
                        expected.remove(index);
                    }
                    prop_assert_eq!(versions(after), expected);
                }
                Step::SetVersioning(_) => prop_assert_eq!(versions(after), versions(&before.state)),
            }
        }
    }
}
