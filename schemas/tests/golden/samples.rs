//! One or more fixed values of every event: what golden files hold as bytes. Never change a value of a shape that has
//! shipped; a new version gets values of its own.

use std::collections::BTreeMap;

use schemas::acl::{Acl, Grant, Grantee, Permission, PublicAccessBlock};
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag, Root};
use schemas::event::*;
use schemas::lifecycle::{Conditions, Expiration, NoncurrentExpiration, Rule, Scope};
use schemas::record::{Actor, Body, Context, Header};
use schemas::subscription::{
    DeliveryMode, EventFilter, PayloadFormat, PreviousSecret, RuleWebhook, SigningSecrets, SubscriptionStatus, Webhook,
};
use schemas::{
    AccessKeyId, BlobId, BucketId, BucketName, CommandId, Epoch, EventId, KeyId, LeafHash, ObjectKey, Position,
    RequestId, SnapshotName, SubscriptionId, TenantId, TenantName, Time, UploadId, UserId, VersionId,
};

fn event_id(position: u64) -> EventId {
    EventId { epoch: Epoch(2), position: Position(position) }
}

fn leaf(byte: u8) -> LeafHash {
    LeafHash([byte; 32])
}

fn blob(byte: u8) -> BlobId {
    BlobId([byte; 16])
}

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a user id")
}

fn access_key() -> AccessKeyId {
    AccessKeyId::parse("AKEXAMPLE1").expect("an access key id")
}

fn bucket_name() -> BucketName {
    BucketName::parse("photos").expect("a bucket name")
}

fn key() -> ObjectKey {
    ObjectKey::parse("2024/sommer/möwe.jpg").expect("a key")
}

fn text(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn metadata() -> Metadata {
    let headers = Headers {
        content_type: Some("image/jpeg".to_owned()),
        cache_control: Some("no-cache".to_owned()),
        content_disposition: Some("attachment".to_owned()),
        content_encoding: Some("gzip".to_owned()),
        content_language: Some("de".to_owned()),
        expires: Some("never".to_owned()),
        website_redirect: Some("/elsewhere".to_owned()),
    };
    Metadata { headers, user: text(&[("camera", "box"), ("licence", "CC0")]) }
}

/// Every algorithm, every cover that it may have.
fn checksums() -> Vec<Checksum> {
    let checksum = |(algorithm, covers, parts): (ChecksumAlgorithm, ChecksumType, u32)| {
        let digest = (1..).take(algorithm.digest_bytes()).collect();
        Checksum { algorithm, covers, digest, parts }
    };
    [
        (ChecksumAlgorithm::Crc32, ChecksumType::Composite, 2),
        (ChecksumAlgorithm::Crc32c, ChecksumType::FullObject, 0),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject, 0),
        (ChecksumAlgorithm::Sha1, ChecksumType::Composite, 2),
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite, 10_000),
    ]
    .map(checksum)
    .into()
}

fn log() -> Vec<Event> {
    let head = |bucket| BucketHead { bucket: BucketId(bucket), seq: 11, head: leaf(4) };
    vec![
        LogReopened {
            from: Some(event_id(41)),
            head: leaf(1),
            lost: Some(LostRange { first: Position(42), last: Position(43) }),
            reason: "tail loss accepted".to_owned(),
        }
        .into(),
        LogReopened { from: None, head: leaf(0), lost: None, reason: "restore".to_owned() }.into(),
        LogSealed {
            upto: Position(65_535),
            part: 1,
            parts: 2,
            changed: vec![head(5), head(u64::MAX)],
            buckets: leaf(2),
            projections: vec![("current".to_owned(), leaf(3))],
            clock: Time(1_700_000_000_000_000),
        }
        .into(),
        LogSealed {
            upto: Position(0),
            part: 0,
            parts: 1,
            changed: vec![],
            buckets: leaf(2),
            projections: vec![],
            clock: Time(0),
        }
        .into(),
        CheckpointPublished {
            size: 20_852_163,
            root: leaf(4),
            origin: "00112233445566778899aabbccddeeff/t/7/e/2".to_owned(),
        }
        .into(),
        CheckpointPublished { size: u64::MAX, root: leaf(0), origin: String::new() }.into(),
        ClockTicked { wall: Time(1_700_000_000_000_000), acknowledged: true }.into(),
        ClockTicked { wall: Time(u64::MAX), acknowledged: false }.into(),
        InstallationCreated { installation: "00112233445566778899aabbccddeeff".to_owned() }.into(),
        KeyDestroyed {
            scope: ErasureScope::Bucket { bucket: BucketId(5), name: bucket_name() },
            keys: vec![KeyId(3), KeyId(u64::MAX)],
            reason: "asked for by the person concerned".to_owned(),
            buckets: None,
        }
        .into(),
        KeyDestroyed {
            scope: ErasureScope::Tenant { tenant: TenantId(7), name: TenantName::parse("acme").expect("a name") },
            keys: vec![KeyId(9)],
            reason: "the contract ended".to_owned(),
            buckets: Some(2),
        }
        .into(),
        ErasureCompleted {
            scope: ErasureScope::Bucket { bucket: BucketId(5), name: bucket_name() },
            reason: "asked for by the person concerned".to_owned(),
            asked: Time(1_700_000_000_000_000),
            rows: 1_000,
            wraps: 300,
            blobs: 250,
            entries: 40,
            scanned_bytes: 1 << 40,
            markers: 70,
            findings: 0,
            last_copy_lapses: None,
        }
        .into(),
        ErasureCompleted {
            scope: ErasureScope::Tenant { tenant: TenantId(7), name: TenantName::parse("acme").expect("a name") },
            reason: "the contract ended".to_owned(),
            asked: Time(0),
            rows: u64::MAX,
            wraps: 0,
            blobs: 0,
            entries: 0,
            scanned_bytes: 0,
            markers: 0,
            findings: 3,
            last_copy_lapses: Some(Time(1_800_000_000_000_000)),
        }
        .into(),
        TaskStarted {
            task: "ffeeddccbbaa99887766554433221100".to_owned(),
            kind: "delete-prefix".to_owned(),
            arguments: "{\"prefix\":\"a/\"}".to_owned(),
        }
        .into(),
        TaskProgressed {
            task: "ffeeddccbbaa99887766554433221100".to_owned(),
            cursor: "{\"after\":\"a/b\"}".to_owned(),
            done: 300,
        }
        .into(),
        TaskFinished { task: "ffeeddccbbaa99887766554433221100".to_owned(), error: None }.into(),
        TaskFinished {
            task: "ffeeddccbbaa99887766554433221100".to_owned(),
            error: Some("the bucket is gone".to_owned()),
        }
        .into(),
    ]
}

fn tenants() -> Vec<Event> {
    let token = |role, tenant, expires| AdminTokenCreated {
        id: "0123456789abcdef".to_owned(),
        sha256: vec![0xab; 32],
        role,
        name: "ci".to_owned(),
        tenant,
        expires,
    };
    let name = TenantName::parse("acme").expect("a tenant name");
    vec![
        TenantCreated { tenant: TenantId(7), name, key: KeyId(70) }.into(),
        TenantDisabled { tenant: TenantId(7), reason: "unpaid".to_owned() }.into(),
        TenantEnabled { tenant: TenantId(7) }.into(),
        TenantDeleted { tenant: TenantId(7), reason: "gone".to_owned() }.into(),
        token(AdminRole::Viewer, Some(TenantId(7)), Some(Time(1_800_000_000_000_000))).into(),
        token(AdminRole::Operator, None, None).into(),
        token(AdminRole::Owner, None, None).into(),
        AdminTokenRevoked { id: "0123456789abcdef".to_owned() }.into(),
    ]
}

fn users() -> Vec<Event> {
    let access_key_created = |name: Option<&str>, expires| AccessKeyCreated {
        access_key: access_key(),
        user: user("ann"),
        sealed_secret: vec![1, 2, 3, 255],
        scopes: "op=read:bucket=photos:prefix=2024/".to_owned(),
        name: name.map(str::to_owned),
        expires,
    };
    let api_key_created = |name: Option<&str>, expires| ApiKeyCreated {
        access_key: access_key(),
        user: user("ann"),
        sha256: vec![0xab; 32],
        scopes: "op=read:bucket=photos:prefix=2024/".to_owned(),
        name: name.map(str::to_owned),
        expires,
    };
    let email = Some("ann@example.org".to_owned());
    vec![
        UserCreated { user: user("ann"), display_name: "Ann Ä.".to_owned(), email }.into(),
        UserCreated { user: user("bob@x,y+z=1_2.3-4"), display_name: String::new(), email: None }.into(),
        UserDeleted { user: user("ann") }.into(),
        access_key_created(Some("laptop"), Some(Time(1_800_000_000_000_000))).into(),
        access_key_created(None, None).into(),
        AccessKeyRevoked { access_key: access_key(), reason: Some("lost".to_owned()) }.into(),
        AccessKeyRevoked { access_key: access_key(), reason: None }.into(),
        AccessKeyStatusSet { access_key: access_key(), enabled: true }.into(),
        AccessKeyStatusSet { access_key: access_key(), enabled: false }.into(),
        AccessKeyRotated { access_key: access_key(), sealed_secret: vec![4, 5, 6] }.into(),
        api_key_created(Some("ci"), Some(Time(1_800_000_000_000_000))).into(),
        api_key_created(None, None).into(),
        ApiKeyRotated { access_key: access_key(), sha256: vec![0xcd; 32] }.into(),
    ]
}

fn quotas() -> Vec<Event> {
    let set = |bucket: Option<u64>, bytes, objects| QuotaSet {
        bucket: bucket.map(BucketId),
        quota: Quota { bytes, objects },
    };
    let reached = |bucket: Option<u64>, dimension, percent| QuotaThresholdReached {
        bucket: bucket.map(BucketId),
        dimension,
        percent,
        limit: 1_000,
        held: 950,
    };
    vec![
        set(None, Some(1 << 40), None).into(),
        set(Some(5), None, Some(100)).into(),
        set(Some(5), None, None).into(),
        reached(None, QuotaDimension::Bytes, 90).into(),
        reached(Some(5), QuotaDimension::Objects, 80).into(),
    ]
}

fn signed_urls() -> Vec<Event> {
    let id = "00112233445566778899aabbccddeeff";
    let signed = |method: &str, count| UrlSigned {
        id: id.to_owned(),
        user: user("ann"),
        access_key: access_key(),
        method: method.to_owned(),
        bucket: bucket_name(),
        key: key().to_string(),
        count,
        expires: Time(1_800_000_000_000_000),
    };
    vec![
        signed("GET", 1).into(),
        signed("PUT", 10_000).into(),
        SignedUrlRevoked { id: id.to_owned(), expires: Time(1_800_000_000_000_000), erased: false }.into(),
        SignedUrlRevoked { id: id.to_owned(), expires: Time(0), erased: true }.into(),
        WebhookDeleted { id: SubscriptionId([7; 16]) }.into(),
    ]
}

fn lock_set(default: Option<(RetentionMode, RetentionPeriod)>) -> Event {
    let default = default.map(|(mode, period)| DefaultRetention { mode, period });
    BucketObjectLockSet { bucket: BucketId(5), default }.into()
}

/// Every grantee and every permission.
fn acl() -> Acl {
    let grant = |grantee, permission| Grant { grantee, permission };
    Acl {
        grants: vec![
            grant(Grantee::User(user("bob")), Permission::FullControl),
            grant(Grantee::AllUsers, Permission::Read),
            grant(Grantee::AuthenticatedUsers, Permission::Write),
            grant(Grantee::LogDelivery, Permission::ReadAcp),
            grant(Grantee::LogDelivery, Permission::WriteAcp),
        ],
    }
}

fn buckets() -> Vec<Event> {
    let owned = |ownership| BucketOwnershipSet { bucket: BucketId(5), ownership };
    let created = |ownership, versioning, object_lock| BucketCreated {
        bucket: BucketId(5),
        name: bucket_name(),
        region: "eu-central-1".to_owned(),
        owner: user("ann"),
        key: KeyId(50),
        ownership,
        versioning,
        object_lock,
        without_ownership_controls: false,
        acl: None,
        base: None,
    };
    vec![
        created(ObjectOwnership::BucketOwnerEnforced, Versioning::Unversioned, false).into(),
        created(ObjectOwnership::BucketOwnerPreferred, Versioning::Suspended, false).into(),
        created(ObjectOwnership::ObjectWriter, Versioning::Enabled, true).into(),
        BucketDeleted { bucket: BucketId(5), name: bucket_name() }.into(),
        VersioningSet { bucket: BucketId(5), versioning: Versioning::Unversioned }.into(),
        VersioningSet { bucket: BucketId(5), versioning: Versioning::Enabled }.into(),
        VersioningSet { bucket: BucketId(5), versioning: Versioning::Suspended }.into(),
        BucketTaggingSet { bucket: BucketId(5), tags: Some(text(&[("team", "rot"), ("empty", "")])) }.into(),
        BucketTaggingSet { bucket: BucketId(5), tags: None }.into(),
        BucketPolicySet { bucket: BucketId(5), policy: Some(r#"{"Statement":[]}"#.to_owned()), binds_owner: true }
            .into(),
        BucketPolicySet { bucket: BucketId(5), policy: None, binds_owner: false }.into(),
        BucketPublicAccessBlockSet { bucket: BucketId(5), block: Some(PublicAccessBlock::ALL) }.into(),
        BucketPublicAccessBlockSet { bucket: BucketId(5), block: None }.into(),
        BucketLifecycleSet { bucket: BucketId(5), rules: Some(lifecycle_rules()) }.into(),
        BucketLifecycleSet { bucket: BucketId(5), rules: None }.into(),
        lock_set(Some((RetentionMode::Governance, RetentionPeriod::Days(1)))),
        lock_set(Some((RetentionMode::Compliance, RetentionPeriod::Years(100)))),
        lock_set(Some((RetentionMode::AuditTrail, RetentionPeriod::Years(6)))),
        lock_set(None),
        encrypted(Some(BucketEncryption::Managed)).into(),
        encrypted(Some(BucketEncryption::Kms { key: Some("key-1".to_owned()), bucket_key: true })).into(),
        encrypted(Some(BucketEncryption::Kms { key: None, bucket_key: false })).into(),
        encrypted(None).into(),
        BucketCreated {
            without_ownership_controls: true,
            acl: Some(acl()),
            ..created(ObjectOwnership::ObjectWriter, Versioning::Unversioned, false)
        }
        .into(),
        BucketCreated {
            base: Some(Base { bucket: BucketId(4), at: event_id(40), writable: false }),
            ..created(ObjectOwnership::BucketOwnerEnforced, Versioning::Unversioned, false)
        }
        .into(),
        BucketCreated {
            base: Some(Base { bucket: BucketId(4), at: event_id(40), writable: true }),
            ..created(ObjectOwnership::BucketOwnerEnforced, Versioning::Unversioned, false)
        }
        .into(),
        BucketAclSet { bucket: BucketId(5), acl: Some(acl()) }.into(),
        BucketAclSet { bucket: BucketId(5), acl: None }.into(),
        owned(Some(ObjectOwnership::BucketOwnerEnforced)).into(),
        owned(Some(ObjectOwnership::BucketOwnerPreferred)).into(),
        owned(Some(ObjectOwnership::ObjectWriter)).into(),
        owned(None).into(),
    ]
}

/// Every form that a rule can have.
fn lifecycle_rules() -> Vec<Rule> {
    let rule = |id: &str, scope, expiration| Rule {
        id: id.to_owned(),
        disabled: false,
        scope,
        expiration,
        noncurrent: None,
        abort_incomplete_days: None,
    };
    let logs = Conditions { prefix: Some("logs/".to_owned()), ..Conditions::default() };
    let all = Conditions {
        prefix: Some("logs/ä".to_owned()),
        tags: text(&[("keep", "no"), ("team", "rot")]),
        size_greater_than: Some(0),
        size_less_than: Some(5 << 40),
    };
    let noncurrent = |newer_versions| Some(NoncurrentExpiration { days: 7, newer_versions });
    let none = Conditions::default;
    vec![
        Rule {
            disabled: true,
            noncurrent: noncurrent(None),
            abort_incomplete_days: Some(u32::MAX),
            ..rule("old", Scope::Prefix("tmp/".to_owned()), Some(Expiration::Days(30)))
        },
        Rule {
            noncurrent: noncurrent(Some(100)),
            ..rule("all", Scope::Filter { direct: none(), and: none() }, Some(Expiration::DeleteMarker))
        },
        rule("both", Scope::Filter { direct: logs, and: all }, Some(Expiration::Date(Time(1_893_456_000_000_000)))),
    ]
}

fn cors() -> Vec<Event> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let least = CorsRule {
        id: None,
        origins: texts(&["*"]),
        methods: vec![CorsMethod::Get],
        headers: vec![],
        exposed: vec![],
        max_age_s: None,
    };
    let most = CorsRule {
        id: Some("pages".to_owned()),
        origins: texts(&["https://*.example.com", "null"]),
        methods: CorsMethod::ALL.to_vec(),
        headers: texts(&["x-amz-*", "Content-Type"]),
        exposed: texts(&["ETag"]),
        max_age_s: Some(3_000),
    };
    let set = |rules| BucketCorsSet { bucket: BucketId(5), rules }.into();
    vec![set(Some(vec![least, most])), set(None)]
}

fn notifications() -> Vec<Event> {
    let rule = |destination, name: &str, prefix: Option<&str>| NotificationRule {
        id: name.to_owned(),
        destination,
        arn: format!("arn:aws:{name}:eu-central-1:1:x"),
        events: vec!["s3:ObjectCreated:*".to_owned(), "s3:ObjectRemoved:Delete".to_owned()],
        prefix: prefix.map(str::to_owned),
        suffix: prefix.map(|_| ".jpg".to_owned()),
        webhook: None,
    };
    let rules = vec![
        rule(DestinationKind::Queue, "sqs", Some("in/")),
        rule(DestinationKind::Topic, "sns", None),
        rule(DestinationKind::Function, "lambda", None),
    ];
    let set = |configuration| BucketNotificationSet { bucket: BucketId(5), configuration }.into();
    let bus_alone = NotificationConfiguration { rules: vec![], event_bus: true };
    let told = |status, start, previous| {
        let subscription = SubscriptionId([7; 16]);
        let secrets = secrets(previous);
        let (format, mode) = (PayloadFormat::S3, DeliveryMode::Key);
        let webhook = RuleWebhook { subscription, format, mode, status, secrets, start };
        let arn = "arn:holdfast:webhook:::https://a.example/hook".to_owned();
        let rule = NotificationRule { arn, webhook: Some(webhook), ..rule(DestinationKind::Queue, "hook", None) };
        set(Some(NotificationConfiguration { rules: vec![rule], event_bus: false }))
    };
    vec![
        set(Some(NotificationConfiguration { rules, event_bus: false })),
        set(Some(bus_alone)),
        set(None),
        told(SubscriptionStatus::Active, None, false),
        told(SubscriptionStatus::Disabled { reason: "gone".to_owned() }, Some(Position(9)), true),
    ]
}

fn secrets(previous: bool) -> SigningSecrets {
    let previous = previous.then(|| PreviousSecret { sealed: vec![2; 80], until: Time(1_800_000_000_000_000) });
    SigningSecrets { current: vec![1; 80], since: Time(1_700_000_000_000_000), previous }
}

fn webhooks() -> Vec<Event> {
    let filter = EventFilter {
        events: vec!["s3:ObjectCreated:*".to_owned(), "holdfast:Bucket:Created".to_owned()],
        buckets: vec![bucket_name()],
        prefix: Some("in/".to_owned()),
        suffix: Some(".jpg".to_owned()),
        size_bytes_min: Some(1),
        size_bytes_max: Some(1 << 40),
    };
    let whole = Webhook {
        url: "https://a.example/hook?x=1".to_owned(),
        name: Some("ledger".to_owned()),
        format: PayloadFormat::CloudEvents,
        mode: DeliveryMode::Strict,
        filter,
        status: SubscriptionStatus::Paused { reason: "retries ran out".to_owned() },
        secrets: secrets(true),
    };
    let least = Webhook {
        url: "http://a.example/".to_owned(),
        name: None,
        format: PayloadFormat::Native,
        mode: DeliveryMode::Unordered,
        filter: EventFilter { events: vec!["*".to_owned()], ..EventFilter::default() },
        status: SubscriptionStatus::Active,
        secrets: secrets(false),
    };
    let id = SubscriptionId([7; 16]);
    let set = |change, webhook, start| WebhookSet { id, change, webhook, start }.into();
    vec![
        set(WebhookChange::Created, least.clone(), None),
        set(WebhookChange::Created, Webhook { mode: DeliveryMode::Bucket, ..whole.clone() }, Some(Position(9))),
        set(WebhookChange::Updated, whole.clone(), None),
        set(WebhookChange::SecretRotated, least, None),
        set(WebhookChange::Stopped, whole, None),
    ]
}

fn history() -> Vec<Event> {
    let name = || SnapshotName::parse("before-the-flood").expect("a name");
    let bucket = BucketId(5);
    let window = |window| BucketHistorySet { bucket, window }.into();
    vec![
        window(Some(HistoryWindow::Forever)),
        window(Some(HistoryWindow::Seconds(604_800))),
        window(None),
        SnapshotCreated { bucket, name: name(), at: event_id(40) }.into(),
        SnapshotDeleted { bucket, name: name() }.into(),
        KeyInherited { made_by: event_id(39) }.into(),
    ]
}

fn logging() -> Vec<Event> {
    let set = |logging| BucketLoggingSet { bucket: BucketId(5), logging }.into();
    let to =
        |prefix: &str, key_format| set(Some(Logging { target: bucket_name(), prefix: prefix.to_owned(), key_format }));
    vec![
        to("", LogKeyFormat::Simple),
        to("log/", LogKeyFormat::PartitionedByEventTime),
        to("log/", LogKeyFormat::PartitionedByDeliveryTime),
        set(None),
    ]
}

fn encrypted(encryption: Option<BucketEncryption>) -> BucketEncryptionSet {
    BucketEncryptionSet { bucket: BucketId(5), encryption }
}

/// As little as a version can say.
fn least() -> VersionCommitted {
    VersionCommitted {
        null: true,
        content: Content { size_bytes: 0, root: Root::Empty },
        etag: ETag { md5: [0xd4; 16], parts: 0 },
        checksums: vec![],
        chosen_checksum: None,
        metadata: Metadata::default(),
        owner: user("ann"),
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        cause: Cause::Put,
        upload: None,
        parts: vec![],
        source: None,
        tags: BTreeMap::new(),
        retention: None,
        legal_hold: false,
        acl: None,
    }
}

/// As much as a version can say: more than any single request makes it say.
fn most() -> VersionCommitted {
    let part = |number, digest: &[u8]| CommittedPart { number, size_bytes: 5 << 20, digest: digest.to_vec() };
    VersionCommitted {
        null: false,
        content: Content { size_bytes: 10 << 20, root: Root::Manifest(blob(9)) },
        etag: ETag { md5: [0xe5; 16], parts: 2 },
        checksums: checksums(),
        chosen_checksum: Some(4),
        metadata: metadata(),
        owner: user("bob"),
        storage_class: StorageClass::ReducedRedundancy,
        encryption: Encryption::kms("key-1"),
        cause: Cause::CompleteMultipartUpload,
        upload: Some(UploadId([6; 16])),
        parts: vec![part(1, &[1, 2, 3, 4]), part(10_000, &[])],
        source: Some(CopySource { bucket: BucketId(4), key: key(), version: event_id(40) }),
        tags: text(&[("project", "gull"), ("team", "blue")]),
        retention: None,
        legal_hold: false,
        acl: None,
    }
}

fn retention(mode: RetentionMode) -> Retention {
    Retention { mode, until: Time(1_800_000_000_000_000) }
}

fn retention_set(retention: Option<Retention>, bypass: bool) -> RetentionSet {
    RetentionSet { version: VersionId::Event(event_id(40)), made_by: event_id(40), retention, bypass }
}

fn locked(mode: RetentionMode, legal_hold: bool) -> VersionCommitted {
    VersionCommitted { retention: Some(retention(mode)), legal_hold, ..least() }
}

fn objects() -> Vec<Event> {
    let posted = VersionCommitted {
        content: Content { size_bytes: 3, root: Root::Blob(blob(8)) },
        storage_class: StorageClass::StandardIa,
        encryption: Encryption::Customer { key_check: vec![0xcc; 20] },
        cause: Cause::Post,
        ..least()
    };
    let copied = VersionCommitted {
        storage_class: StorageClass::OnezoneIa,
        cause: Cause::Copy,
        source: Some(CopySource { bucket: BucketId(4), key: key(), version: event_id(40) }),
        ..least()
    };
    let intelligent = VersionCommitted { storage_class: StorageClass::IntelligentTiering, ..least() };
    let context = Some("eyJhIjoiYiJ9".to_owned());
    let in_context = Encryption::Kms { key: "key-1".to_owned(), context, bucket_key: true };
    let released = |referrer| Released { blob: blob(8), referrer };
    vec![
        least().into(),
        most().into(),
        posted.into(),
        copied.into(),
        intelligent.into(),
        locked(RetentionMode::Governance, true).into(),
        locked(RetentionMode::Compliance, false).into(),
        locked(RetentionMode::AuditTrail, false).into(),
        VersionCommitted { encryption: in_context, ..least() }.into(),
        VersionCommitted { acl: Some(acl()), ..least() }.into(),
        VersionCommitted { cause: Cause::Restore, ..least() }.into(),
        DeleteMarkerCreated { null: true, owner: user("ann") }.into(),
        DeleteMarkerCreated { null: false, owner: user("ann") }.into(),
        VersionRemoved { version: VersionId::Null, made_by: event_id(40), was_marker: false, size_bytes: 1 << 40 }
            .into(),
        VersionRemoved {
            version: VersionId::Event(event_id(40)),
            made_by: event_id(40),
            was_marker: true,
            size_bytes: 0,
        }
        .into(),
        ContentReleased {
            released: vec![released(Referrer::Version(event_id(40))), released(Referrer::Part(event_id(41)))],
        }
        .into(),
        ContentReleased { released: vec![] }.into(),
        ObjectTagsSet { version: VersionId::Null, made_by: event_id(40), tags: text(&[("team", "rot")]) }.into(),
        ObjectTagsSet { version: VersionId::Event(event_id(40)), made_by: event_id(40), tags: BTreeMap::new() }.into(),
        ObjectAclSet { version: VersionId::Null, made_by: event_id(40), acl: Some(Acl::default()) }.into(),
        ObjectAclSet { version: VersionId::Event(event_id(40)), made_by: event_id(40), acl: None }.into(),
        retention_set(Some(retention(RetentionMode::Governance)), true).into(),
        retention_set(Some(retention(RetentionMode::Compliance)), false).into(),
        retention_set(Some(retention(RetentionMode::AuditTrail)), false).into(),
        retention_set(None, true).into(),
        LegalHoldSet { version: VersionId::Event(event_id(40)), made_by: event_id(40), on: true }.into(),
        LegalHoldSet { version: VersionId::Event(event_id(40)), made_by: event_id(40), on: false }.into(),
    ]
}

fn uploads() -> Vec<Event> {
    let created = UploadCreated {
        upload: UploadId([6; 16]),
        initiator: user("ann"),
        owner: user("bob"),
        metadata: metadata(),
        storage_class: StorageClass::Standard,
        encryption: Encryption::kms("key-1"),
        checksum: Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite)),
        tags: text(&[("project", "gull")]),
        retention: None,
        legal_hold: false,
        acl: None,
    };
    let plain = UploadCreated {
        metadata: Metadata::default(),
        encryption: Encryption::Managed,
        checksum: None,
        tags: BTreeMap::new(),
        ..created.clone()
    };
    let etag = ETag { md5: [0xe5; 16], parts: 0 };
    let staged =
        |content, checksums| PartStaged { upload: UploadId([6; 16]), number: 10_000, content, etag, checksums };
    vec![
        created.into(),
        plain.clone().into(),
        UploadCreated { acl: Some(acl()), ..plain }.into(),
        staged(Content { size_bytes: 5 << 20, root: Root::Manifest(blob(9)) }, checksums()).into(),
        staged(Content { size_bytes: 0, root: Root::Empty }, vec![]).into(),
        UploadAborted { upload: UploadId([6; 16]) }.into(),
        PartsCleared { upload: UploadId([6; 16]), numbers: vec![1, 200, 10_000], last: true }.into(),
        PartsCleared { upload: UploadId([6; 16]), numbers: vec![], last: false }.into(),
    ]
}

/// Every event in its newest version, most with their options both ways.
pub(crate) fn events() -> Vec<Event> {
    [
        log(),
        tenants(),
        users(),
        buckets(),
        objects(),
        uploads(),
        cors(),
        notifications(),
        webhooks(),
        logging(),
        history(),
        quotas(),
        signed_urls(),
    ]
    .concat()
}

/// Whole records as they stand before sealing: headers and bodies.
pub(crate) fn records() -> Vec<(Header, Body)> {
    let header = |event: &Event| Header {
        tenant: TenantId(7),
        epoch: Epoch(2),
        position: Position(0x0102_0304_0506_0708),
        time: Time(1_700_000_000_000_000),
        prev: leaf(0x11),
        bucket: BucketId(5),
        bucket_seq: 11,
        bucket_prev: leaf(0x22),
        event_type: event.type_code(),
        schema_version: event.schema_version(),
        key: KeyId(70),
        unit_length: 256,
        unit_index: 255,
    };
    let request = || RequestId("01HF7YAT00000000000000000A".to_owned());
    let full = Context {
        actor: Actor::User { user: user("ann"), access_key: access_key() },
        source: Some("192.0.2.7".to_owned()),
        request: request(),
        correlation: Some("task ffee".to_owned()),
        causation: Some(event_id(40)),
        command: Some(CommandId([5; 16])),
    };
    let lean =
        |actor| Context { actor, source: None, request: request(), correlation: None, causation: None, command: None };
    let marker = Event::from(DeleteMarkerCreated { null: false, owner: user("ann") });
    let enabled = Event::from(TenantEnabled { tenant: TenantId(7) });
    let without_bucket = Header {
        bucket: BucketId::NONE,
        bucket_seq: 0,
        bucket_prev: leaf(0),
        unit_length: 1,
        unit_index: 0,
        ..header(&enabled)
    };
    vec![
        (header(&marker), Body::new(full, Some(key()), &marker)),
        (header(&marker), Body::new(lean(Actor::Anonymous), Some(key()), &marker)),
        (without_bucket, Body::new(lean(Actor::Admin("0123456789abcdef".to_owned())), None, &enabled)),
        (without_bucket, Body::new(lean(Actor::System("janitor".to_owned())), None, &enabled)),
    ]
}
