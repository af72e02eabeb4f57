use proptest::prelude::*;
use schemas::content::Root;
use schemas::event::{Cause, CommittedPart, Retention, RetentionMode, VersionCommitted, Versioning};
use schemas::{BlobId, Epoch, EventId, Position};

use super::*;
use crate::scenario::Scenario;
use crate::{Conditions, ETagCondition, object};

const ID: UploadId = UploadId([7; 16]);
const MIB: u64 = 1 << 20;

fn given(events: impl IntoIterator<Item = Event>) -> Scenario<State, Command> {
    Scenario::new(State::Absent, decide, evolve).given(events)
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn metadata() -> Metadata {
    Metadata { user: BTreeMap::from([("colour".to_owned(), "red".to_owned())]), ..Metadata::default() }
}

fn tags() -> BTreeMap<String, String> {
    BTreeMap::from([("team".to_owned(), "blue".to_owned())])
}

fn new_upload() -> Create {
    Create {
        upload: ID,
        initiator: user("ann"),
        owner: user("bob"),
        metadata: metadata(),
        storage_class: StorageClass::StandardIa,
        encryption: Encryption::Managed,
        checksum: None,
        tags: tags(),
        bucket_exists: true,
        lock: lock::Asked::default(),
        bucket_lock: BucketLock::Off,
        now: Time(7),
        acl: None,
    }
}

fn create(create: Create) -> Command {
    Command::Create(Box::new(create))
}

fn created_with(checksum: Option<(ChecksumAlgorithm, ChecksumType)>) -> Event {
    UploadCreated {
        upload: ID,
        initiator: user("ann"),
        owner: user("bob"),
        metadata: metadata(),
        storage_class: StorageClass::StandardIa,
        encryption: Encryption::Managed,
        checksum,
        tags: tags(),
        retention: None,
        legal_hold: false,
        acl: None,
    }
    .into()
}

fn created() -> Event {
    created_with(None)
}

fn aborted() -> Event {
    UploadAborted { upload: ID }.into()
}

fn cleared(numbers: impl IntoIterator<Item = u16>, last: bool) -> Event {
    PartsCleared { upload: ID, numbers: numbers.into_iter().collect(), last }.into()
}

fn clear(numbers: impl IntoIterator<Item = u16>, last: bool) -> Command {
    Command::ClearParts { numbers: numbers.into_iter().collect(), last }
}

/// Every part's tag and digests are made of its number.
fn etag(number: u16) -> ETag {
    ETag { md5: [u8::try_from(number % 251).unwrap(); 16], parts: 0 }
}

fn digest(algorithm: ChecksumAlgorithm, number: u16) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); algorithm.digest_bytes()]
}

fn checksum(algorithm: ChecksumAlgorithm, number: u16) -> Checksum {
    Checksum { algorithm, covers: ChecksumType::FullObject, digest: digest(algorithm, number), parts: 0 }
}

fn content(size_bytes: u64) -> Content {
    Content { size_bytes, root: Root::Blob(BlobId([1; 16])) }
}

fn part(number: u16) -> StagePart {
    let checksums = vec![checksum(ChecksumAlgorithm::Crc64Nvme, number)];
    StagePart { number, content: content(6 * MIB), etag: etag(number), checksums, sent: None }
}

fn staged_event(number: u16) -> Event {
    let StagePart { number, content, etag, checksums, .. } = part(number);
    PartStaged { upload: ID, number, content, etag, checksums }.into()
}

fn committed(upload: Option<UploadId>) -> Event {
    VersionCommitted {
        null: false,
        content: content(1),
        etag: etag(1),
        checksums: vec![],
        chosen_checksum: None,
        metadata: Metadata::default(),
        owner: user("bob"),
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        cause: Cause::CompleteMultipartUpload,
        upload,
        parts: vec![],
        source: None,
        tags: BTreeMap::new(),
        retention: None,
        legal_hold: false,
        acl: None,
    }
    .into()
}

fn invalid(reason: &'static str) -> Refusal {
    Refusal::InvalidRequest { reason }
}

// The life of an upload.

#[test]
fn an_upload_begins() {
    given([]).when(create(new_upload())).then([created()]);
}

#[test]
fn an_upload_needs_its_bucket() {
    let create = create(Create { bucket_exists: false, ..new_upload() });
    given([]).when(create).then_refused(Refusal::NoSuchBucket);
}

#[test]
fn an_upload_id_is_used_once() {
    given([created()]).when(create(new_upload())).then_refused(invalid("the upload id is taken"));
    given([created(), aborted()]).when(create(new_upload())).then_refused(invalid("the upload id is taken"));
}

#[test]
fn bounds_of_metadata_and_tags_hold_from_the_beginning() {
    let mut large = new_upload();
    large.metadata.user.insert("x".to_owned(), "y".repeat(2048));
    given([]).when(create(large)).then_refused(Refusal::MetadataTooLarge { size_bytes: 2058, bound_bytes: 2048 });
    let mut odd = new_upload();
    odd.tags.insert("aws:x".to_owned(), String::new());
    given([])
        .when(create(odd))
        .then_refused(Refusal::InvalidTag { reason: "keys of tags that begin with aws: are reserved" });
}

#[test]
fn a_checksum_has_a_type_that_suits_it() {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    use ChecksumType::{Composite, FullObject};
    for (algorithm, named, agreed) in [
        (Crc32, None, Some(Composite)),
        (Crc32, Some(Composite), Some(Composite)),
        (Crc32, Some(FullObject), Some(FullObject)),
        (Crc32c, None, Some(Composite)),
        (Crc32c, Some(FullObject), Some(FullObject)),
        (Crc64Nvme, None, Some(FullObject)),
        (Crc64Nvme, Some(FullObject), Some(FullObject)),
        (Crc64Nvme, Some(Composite), None),
        (Sha1, None, Some(Composite)),
        (Sha1, Some(Composite), Some(Composite)),
        (Sha1, Some(FullObject), None),
        (Sha256, None, Some(Composite)),
        (Sha256, Some(FullObject), None),
    ] {
        let command = create(Create { checksum: Some((algorithm, named)), ..new_upload() });
        let outcome = given([]).when(command);
        match agreed {
            Some(covers) => outcome.then([created_with(Some((algorithm, covers)))]),
            None if algorithm == Crc64Nvme => {
                outcome.then_refused(invalid("the COMPOSITE checksum type cannot be used with CRC64NVME"));
            }
            None => {
                outcome.then_refused(invalid("the FULL_OBJECT checksum type cannot be used with SHA1 or SHA256"));
            }
        }
    }
}

#[test]
fn parts_are_staged_and_staged_again() {
    given([created()]).when(Command::StagePart(part(1))).then([staged_event(1)]);
    given([created(), staged_event(1)]).when(Command::StagePart(part(1))).then([staged_event(1)]);
    given([created()]).when(Command::StagePart(part(10_000))).then([staged_event(10_000)]);
}

#[test]
fn part_numbers_and_sizes_have_bounds() {
    for number in [0, 10_001, u16::MAX] {
        let part = StagePart { number, ..part(1) };
        given([created()])
            .when(Command::StagePart(part))
            .then_refused(invalid("a part number is an integer from 1 to 10000"));
    }
    let largest = StagePart { content: content(5 << 30), ..part(1) };
    assert!(decide(given([created()]).state(), Command::StagePart(largest)).is_ok());
    let larger = StagePart { content: content((5 << 30) + 1), ..part(1) };
    let refusal = Refusal::EntityTooLarge { size_bytes: (5 << 30) + 1, bound_bytes: 5 << 30 };
    given([created()]).when(Command::StagePart(larger)).then_refused(refusal);
}

#[test]
fn a_part_carries_the_checksum_that_was_agreed() {
    use ChecksumAlgorithm::{Crc32, Crc64Nvme, Sha256};
    let upload = given([created_with(Some((Sha256, ChecksumType::Composite)))]);
    let with = |algorithm, sent| {
        let checksums = vec![checksum(Crc64Nvme, 1), checksum(algorithm, 1)];
        Command::StagePart(StagePart { checksums, sent, ..part(1) })
    };
    assert!(decide(upload.state(), with(Sha256, Some(Sha256))).is_ok());
    assert!(decide(upload.state(), with(Sha256, None)).is_ok(), "the server computes it");
    upload
        .when(with(Sha256, Some(Crc32)))
        .then_refused(invalid("the part's checksum is not of the upload's algorithm"));
    upload.when(with(Crc32, None)).then_refused(invalid("the part has no checksum of the upload's algorithm"));
    assert!(decide(given([created()]).state(), with(Crc32, Some(Crc32))).is_ok(), "nothing was agreed");
}

#[test]
fn an_upload_is_given_up_once() {
    given([created()]).when(Command::Abort).then([aborted()]);
    given([created(), aborted()]).when(Command::Abort).then_refused(Refusal::NoSuchUpload);
    given([]).when(Command::Abort).then_refused(Refusal::NoSuchUpload);
}

#[test]
fn an_upload_that_ended_takes_no_part() {
    for end in [aborted(), committed(Some(ID))] {
        given([created(), end]).when(Command::StagePart(part(1))).then_refused(Refusal::NoSuchUpload);
    }
    given([]).when(Command::StagePart(part(1))).then_refused(Refusal::NoSuchUpload);
}

#[test]
fn only_its_own_completion_and_abort_end_an_upload() {
    let other = UploadId([8; 16]);
    for event in [committed(None), committed(Some(other)), UploadAborted { upload: other }.into()] {
        given([created(), event]).when(Command::Abort).then([aborted()]);
    }
}

#[test]
fn parts_of_an_upload_that_ended_are_cleared_a_hundred_an_event() {
    let ended = given([created(), aborted()]);
    ended.when(clear(1..=250, true)).then([
        cleared(1..=100, false),
        cleared(101..=200, false),
        cleared(201..=250, true),
    ]);
    ended.when(clear(1..=100, false)).then([cleared(1..=100, false)]);
    ended.when(clear([], true)).then([cleared([], true)]);
    ended.when(clear([], false)).then_nothing();
}

#[test]
fn parts_of_an_open_upload_are_its_clients() {
    given([created()]).when(clear(1..=3, true)).then_nothing();
}

#[test]
fn an_upload_is_forgotten_with_its_last_part() {
    given([created(), aborted(), cleared([1], false)]).when(clear([2], true)).then([cleared([2], true)]);
    given([created(), aborted(), cleared([1], true)]).when(clear([2], true)).then_nothing();
    let other = PartsCleared { upload: UploadId([8; 16]), numbers: vec![], last: true }.into();
    given([created(), aborted(), other]).when(clear([2], true)).then([cleared([2], true)]);
}

// Completion.

fn open(checksum: Option<(ChecksumAlgorithm, ChecksumType)>) -> State {
    given([created_with(checksum)]).state().clone()
}

fn staged(number: u16, size_bytes: u64) -> StagedPart {
    let checksums = ChecksumAlgorithm::ALL.into_iter().filter(|&algorithm| algorithm != ChecksumAlgorithm::Sha1);
    StagedPart {
        number,
        staged_by: EventId { epoch: Epoch(0), position: Position(u64::from(number)) },
        content: content(size_bytes),
        etag: etag(number),
        checksums: checksums.map(|algorithm| checksum(algorithm, number)).collect(),
    }
}

/// Parts 1, 3 and 7; the last one small.
fn three() -> Vec<StagedPart> {
    vec![staged(1, 5 * MIB), staged(3, 6 * MIB), staged(7, 1)]
}

fn named(number: u16) -> NamedPart {
    NamedPart { number, etag: format!("\"{}\"", etag(number)), checksum: None }
}

fn completion(numbers: impl IntoIterator<Item = u16>) -> Completion {
    let parts = numbers.into_iter().map(named).collect();
    Completion { parts, checksum: None, checksum_type: None, size_bytes: None, limits: Limits::S3 }
}

fn check(state: &State, completion: &Completion, expected: Result<Vec<u16>, Refusal>) {
    let numbers = assemble(state, &three(), completion)
        .map(|assembly| assembly.parts.iter().map(|part| part.number).collect::<Vec<_>>());
    assert_eq!(numbers, expected);
}

#[test]
fn a_completion_takes_the_parts_that_it_names() {
    check(&open(None), &completion([1, 3, 7]), Ok(vec![1, 3, 7]));
    check(&open(None), &completion([1, 7]), Ok(vec![1, 7]));
    check(&open(None), &completion([3]), Ok(vec![3]));
}

#[test]
fn a_completion_gives_the_pipeline_what_it_digests() {
    let assembly = assemble(&open(None), &three(), &completion([1, 3, 7])).unwrap();
    assert_eq!(assembly.size_bytes, 11 * MIB + 1);
    assert_eq!(assembly.parts_count(), 3);
    assert_eq!(assembly.md5s().copied().collect::<Vec<_>>(), [etag(1).md5, etag(3).md5, etag(7).md5]);
    assert_eq!(assembly.checksum, (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));
    let digests = assembly.digests(ChecksumAlgorithm::Crc64Nvme).expect("every part has it");
    let expected = [(1, 5 * MIB), (3, 6 * MIB), (7, 1)];
    for (found, (number, size_bytes)) in digests.iter().zip(expected) {
        let digest = digest(ChecksumAlgorithm::Crc64Nvme, number);
        assert_eq!(*found, PartDigest { digest: &digest, size_bytes });
    }
    assert_eq!(assembly.digests(ChecksumAlgorithm::Sha1), None);
}

#[test]
fn parts_rise() {
    for numbers in [vec![3, 1], vec![1, 1], vec![1, 7, 3], vec![9, 9]] {
        check(&open(None), &completion(numbers), Err(Refusal::InvalidPartOrder));
    }
}

#[test]
fn a_completion_names_a_part() {
    check(&open(None), &completion([]), Err(invalid("a completion names at least one part")));
}

#[test]
fn a_part_that_was_not_staged_is_invalid() {
    for number in [0, 2, 9_999, u16::MAX] {
        check(&open(None), &completion([number]), Err(Refusal::InvalidPart { number }));
    }
}

#[test]
fn a_part_of_another_tag_is_invalid() {
    for tag in [etag(2).to_string(), "ffffffffffffffffffffffffffffffff".to_owned(), "bad".to_owned(), String::new()] {
        let parts = vec![named(1), NamedPart { etag: tag, ..named(3) }];
        check(&open(None), &Completion { parts, ..completion([]) }, Err(Refusal::InvalidPart { number: 3 }));
    }
    let parts = vec![NamedPart { etag: etag(3).to_string(), ..named(3) }];
    check(&open(None), &Completion { parts, ..completion([]) }, Ok(vec![3]));
}

#[test]
fn a_checksum_that_the_client_repeats_is_the_parts_own() {
    let with = |algorithm, digest| {
        let parts = vec![NamedPart { checksum: Some((algorithm, digest)), ..named(3) }];
        Completion { parts, ..completion([]) }
    };
    let sha256 = ChecksumAlgorithm::Sha256;
    let sha1 = ChecksumAlgorithm::Sha1;
    check(&open(None), &with(sha256, digest(sha256, 3)), Ok(vec![3]));
    check(&open(None), &with(sha256, digest(sha256, 4)), Err(Refusal::InvalidPart { number: 3 }));
    check(&open(None), &with(sha256, vec![3]), Err(Refusal::InvalidPart { number: 3 }));
    check(&open(None), &with(sha1, digest(sha1, 3)), Err(Refusal::InvalidPart { number: 3 }));
}

#[test]
fn every_part_but_the_last_has_5_mib() {
    let state = open(None);
    let parts = [staged(1, 5 * MIB), staged(2, 5 * MIB - 1), staged(3, 0)];
    let size_bytes = 5 * MIB - 1;
    let refusal = Refusal::EntityTooSmall { number: 2, size_bytes, bound_bytes: 5 * MIB };
    assert_eq!(assemble(&state, &parts, &completion([1, 2, 3])), Err(refusal));
    assert!(assemble(&state, &parts, &completion([1, 2])).is_ok());
    assert!(assemble(&state, &parts, &completion([1, 3])).is_ok());
    let limits = Limits { part_bytes_min: 0, ..Limits::S3 };
    assert!(assemble(&state, &parts, &Completion { limits, ..completion([1, 2, 3]) }).is_ok());
}

#[test]
fn an_object_has_at_most_5_tib() {
    let parts: Vec<_> = (1..=1025).map(|number| staged(number, 5 << 30)).collect();
    assert!(assemble(&open(None), &parts, &completion(1..=1024)).is_ok());
    let refusal = Refusal::EntityTooLarge { size_bytes: 1025 * (5 << 30), bound_bytes: 5 << 40 };
    assert_eq!(assemble(&open(None), &parts, &completion(1..=1025)), Err(refusal));
    let parts = [staged(1, u64::MAX), staged(2, u64::MAX)];
    assert!(assemble(&open(None), &parts, &completion([1, 2])).is_err(), "sizes do not overflow");
}

#[test]
fn an_announced_size_is_the_sum() {
    let with = |size_bytes| Completion { size_bytes: Some(size_bytes), ..completion([1, 7]) };
    check(&open(None), &with(5 * MIB + 1), Ok(vec![1, 7]));
    let refusal = invalid("the parts do not have the size that was announced");
    check(&open(None), &with(5 * MIB), Err(refusal));
}

#[test]
fn a_checksum_of_the_object_is_of_the_agreed_algorithm_and_type() {
    use ChecksumAlgorithm::{Crc64Nvme, Sha256};
    use ChecksumType::{Composite, FullObject};
    let other_algorithm = invalid("the checksum is not of the upload's algorithm");
    let other_type = invalid("the checksum type is not the upload's");
    let agreed = Some((Sha256, Composite));
    for (agreed, sent, sent_type, expected) in [
        (agreed, Some(Sha256), None, Ok(vec![3])),
        (agreed, Some(Sha256), Some(Composite), Ok(vec![3])),
        (agreed, None, Some(Composite), Ok(vec![3])),
        (agreed, Some(Crc64Nvme), None, Err(other_algorithm.clone())),
        (agreed, Some(Sha256), Some(FullObject), Err(other_type.clone())),
        (None, Some(Crc64Nvme), Some(FullObject), Ok(vec![3])),
        (None, Some(Sha256), None, Err(other_algorithm)),
        (None, None, Some(Composite), Err(other_type)),
    ] {
        let checksum = sent.map(|algorithm| ObjectChecksum { algorithm, digest: vec![1], parts: None });
        check(&open(agreed), &Completion { checksum, checksum_type: sent_type, ..completion([3]) }, expected);
    }
}

#[test]
fn the_objects_checksum_is_the_one_that_was_sent() {
    let algorithm = ChecksumAlgorithm::Sha256;
    let agreed = Some((algorithm, ChecksumType::Composite));
    let assembly = assemble(&open(agreed), &three(), &completion([1, 3])).unwrap();
    let computed = Checksum { covers: ChecksumType::Composite, parts: 2, ..checksum(algorithm, 9) };
    let sent = |digest, parts| ObjectChecksum { algorithm, digest, parts };
    let same = digest(algorithm, 9);
    let mismatch = Err(Refusal::ChecksumMismatch { algorithm: "SHA256" });
    assert_eq!(assembly.verify(None, &computed), Ok(()));
    assert_eq!(assembly.verify(Some(&sent(same.clone(), None)), &computed), Ok(()));
    assert_eq!(assembly.verify(Some(&sent(same.clone(), Some(2))), &computed), Ok(()));
    assert_eq!(assembly.verify(Some(&sent(same, Some(3))), &computed), mismatch);
    assert_eq!(assembly.verify(Some(&sent(digest(algorithm, 8), None)), &computed), mismatch);
    assert_eq!(assembly.verify(Some(&sent(vec![109, 167], None)), &computed), mismatch);
}

#[test]
fn an_upload_that_is_not_open_is_not_completed() {
    for state in [State::Absent, State::Ended { upload: ID }] {
        check(&state, &completion([1]), Err(Refusal::NoSuchUpload));
    }
}

#[test]
fn parts_are_kept_with_the_version_when_they_fit() {
    let parts: Vec<_> = (1..=1000).map(|number| staged(number, 5 * MIB)).collect();
    for agreed in [
        None,
        Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)),
        Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite)),
    ] {
        let kept = |count| assemble(&open(agreed), &parts, &completion(1..=count)).unwrap().committed_parts();
        let most = (1..=1000).rev().map(kept).find(|parts| !parts.is_empty()).expect("some fit");
        assert!(most.len() > 400, "{}", most.len());
        let algorithm = agreed.map(|(algorithm, _)| algorithm);
        let digest = algorithm.map_or(vec![], |algorithm| digest(algorithm, 1));
        assert_eq!(most[0], CommittedPart { number: 1, size_bytes: 5 * MIB, digest });
        let Event::VersionCommitted(mut version) = committed(Some(ID)) else { unreachable!() };
        let alone = Event::from(version.clone()).encode().len();
        version.parts = most;
        assert!(Event::from(version).encode().len() - alone <= 36 << 10);
    }
}

#[test]
fn a_completion_is_decided_with_the_objects_conditions_and_ends_the_upload() {
    use ChecksumAlgorithm::{Crc32, Crc64Nvme};
    let agreed = Some((Crc32, ChecksumType::FullObject));
    let upload = given([created_with(agreed)]);
    let State::Open(open) = upload.state() else { panic!("open") };
    let assembly = assemble(upload.state(), &three(), &completion([1, 3])).unwrap();
    let assembled = Assembled {
        content: content(assembly.size_bytes),
        etag: ETag { parts: 2, ..etag(9) },
        checksums: vec![checksum(Crc64Nvme, 9), checksum(Crc32, 9)],
    };
    let create_only = Conditions { if_none_match: Some(ETagCondition::Any), ..Conditions::default() };
    let commit = assembly.commit(open, assembled.clone(), create_only);
    assert_eq!(commit.chosen_checksum, Some(1));
    assert_eq!((&commit.metadata, &commit.tags), (&metadata(), &tags()));
    assert_eq!((&commit.owner, commit.storage_class), (&user("bob"), StorageClass::StandardIa));
    assert_eq!(commit.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 3]);

    let bucket = object::Bucket::Live { versioning: Versioning::Enabled, lock: BucketLock::Off };
    let committing = |version| object::Command::Commit { version, now: Time(9) };
    let absent = object::State { bucket, current: None, older: vec![] };
    let events = object::decide(&absent, committing(commit.clone())).unwrap();
    let [Event::VersionCommitted(event)] = events.as_slice() else { panic!("one commit") };
    assert_eq!((event.upload, event.cause), (Some(ID), Cause::CompleteMultipartUpload));
    assert_eq!((event.etag, &event.checksums), (assembled.etag, &assembled.checksums));
    assert_eq!(*upload.given(events.clone()).state(), State::Ended { upload: ID });

    let made = object::Made { by: EventId { epoch: Epoch(0), position: Position(1) }, at: schemas::Time(1) };
    let there = object::evolve(absent, made, &events[0]);
    let refusal = Refusal::PreconditionFailed { condition: "If-None-Match" };
    assert_eq!(object::decide(&there, committing(commit)), Err(refusal));
}

#[test]
fn without_an_agreed_checksum_the_client_chose_none() {
    let State::Open(open) = open(None) else { panic!("open") };
    let assembly = assemble(&State::Open(open.clone()), &three(), &completion([1])).unwrap();
    let checksums = vec![checksum(ChecksumAlgorithm::Crc64Nvme, 9)];
    let assembled = Assembled { content: content(1), etag: etag(9), checksums };
    let commit = assembly.commit(&open, assembled, Conditions::default());
    assert_eq!(commit.chosen_checksum, None);
    assert_eq!(commit.parts[0].digest, Vec::<u8>::new());
}

// Any history.

fn any_event() -> impl Strategy<Value = Event> {
    let upload = prop::sample::select(vec![ID, UploadId([8; 16])]);
    prop_oneof![
        Just(created()),
        (1_u16..9).prop_map(staged_event),
        upload.clone().prop_map(|upload| UploadAborted { upload }.into()),
        prop::option::of(upload.clone()).prop_map(committed),
        (upload, any::<bool>()).prop_map(|(upload, last)| PartsCleared { upload, numbers: vec![1], last }.into()),
    ]
}

proptest! {
    #[test]
    fn whatever_happened_a_part_is_taken_by_an_open_upload_only(events in prop::collection::vec(any_event(), 0..40)) {
        let upload = given(events);
        let taken = decide(upload.state(), Command::StagePart(part(1))).is_ok();
        prop_assert_eq!(taken, matches!(upload.state(), State::Open(_)));
        prop_assert_eq!(taken, assemble(upload.state(), &three(), &completion([1])).is_ok());
    }

    #[test]
    fn no_completion_panics_and_what_it_gives_was_named_and_staged(
        numbers in prop::collection::vec(0_u16..8, 0..6),
        sizes in prop::collection::vec(any::<u64>(), 0..8),
    ) {
        let parts: Vec<_> = (1..).zip(sizes).map(|(number, size)| staged(number, size)).collect();
        if let Ok(assembly) = assemble(&open(None), &parts, &completion(numbers.clone())) {
            prop_assert_eq!(assembly.parts.iter().map(|part| part.number).collect::<Vec<_>>(), numbers);
            let sum: u128 = assembly.parts.iter().map(|part| u128::from(part.content.size_bytes)).sum();
            prop_assert_eq!(u128::from(assembly.size_bytes), sum);
        }
    }
}

#[test]
fn what_locks_the_object_is_said_when_the_upload_begins_and_holds_when_it_ends() {
    let on = BucketLock::On { default: None };
    let retention = Retention { mode: RetentionMode::Compliance, until: Time(8) };
    let lock = lock::Asked { retention: Some(retention), legal_hold: Some(true) };
    let begin = |bucket_lock, now| create(Create { lock, bucket_lock, now, ..new_upload() });
    given([]).when(begin(BucketLock::Off, Time(7))).then_refused(Refusal::LockNotEnabled);
    assert!(matches!(decide(&State::Absent, begin(on, Time(8))), Err(Refusal::InvalidArgument { .. })));
    let events = decide(&State::Absent, begin(on, Time(7))).unwrap();
    let State::Open(open) = evolve(State::Absent, &events[0]) else { panic!("open") };
    assert_eq!((open.retention, open.legal_hold), (Some(retention), true));

    let assembly = assemble(&State::Open(open.clone()), &three(), &completion([1])).unwrap();
    let assembled = Assembled { content: content(1), etag: etag(9), checksums: vec![] };
    let version = assembly.commit(&open, assembled, Conditions::default());
    assert_eq!(version.lock, lock);
    // Its parts took so long that the retention has ended: it is completed all the same.
    let bucket = object::Bucket::Live { versioning: Versioning::Enabled, lock: on };
    let absent = object::State { bucket, current: None, older: vec![] };
    let events = object::decide(&absent, object::Command::Commit { version, now: Time(9) }).unwrap();
    let [Event::VersionCommitted(event)] = events.as_slice() else { panic!("one commit") };
    assert_eq!((event.retention, event.legal_hold), (Some(retention), true));
}
