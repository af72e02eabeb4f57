//! A store with a tenant whose log has a bit of everything.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::StreamExt;
use pipeline::{
    AdminCaller, AskedEncryption, AskedExport, Caller, Circumstances, CreateAccessKey, CreateBucket, DeleteObject,
    Digests, LockAsked, NewKey, ObjectVersion, OpenOptions, Point, PutObject, Store, Who, WriteConditions,
};
use schemas::event::{AdminRole, Cause, Metadata, Retention, RetentionMode, StorageClass, Versioning};
use schemas::scope::Scopes;
use schemas::{BucketName, ObjectKey, Position, RequestId, TenantName, Time, UserId, VersionId};

/// Far away.
const LATER: Time = Time(4_000_000_000_000_000);

pub(super) struct House {
    store: Store,
    admin: AdminCaller,
    _directory: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.store.close();
    }
}

fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("a name")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("a key")
}

fn tenant() -> TenantName {
    TenantName::parse("acme").expect("a name")
}

impl House {
    pub(super) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut options = OpenOptions::new(directory.path().join("data"));
        std::fs::create_dir(&options.data).expect("a directory");
        options.cache_bytes = 16 << 20;
        options.segment_bytes = 8 << 20;
        options.reserve_bytes = 0;
        // Opening blocks, which a thread that drives tasks must not.
        let store = tokio::task::spawn_blocking(move || Store::open(options)).await.expect("no panic");
        let (store, _) = store.expect("opens");
        let request = RequestId("test".to_owned());
        let admin =
            AdminCaller { token: "test".to_owned(), role: AdminRole::Owner, tenant: None, source: None, request };
        let house = Self { store, admin, _directory: directory };
        house.live().await;
        house
    }

    /// What happens in the log.
    async fn live(&self) {
        let caller = self.caller().await;
        self.bucket(&caller, "other", false).await;
        self.bucket(&caller, "data", true).await;
        let retention = |mode| LockAsked { retention: Some(Retention { mode, until: LATER }), legal_hold: None };
        let compliance = retention(RetentionMode::Compliance);
        self.put(&caller, "data", "kept", compliance).await;
        let governed = self.put(&caller, "data", "governed", retention(RetentionMode::Governance)).await;
        for round in 0..4 {
            self.put(&caller, "other", &format!("other-{round}"), LockAsked::default()).await;
            let version = self.put(&caller, "data", "a \"key\"\n", LockAsked::default()).await;
            if round % 2 == 0 {
                self.delete(&caller, "data", "a \"key\"\n", version, false).await;
            }
        }
        self.delete(&caller, "data", "a \"key\"\n", None, false).await;
        self.delete(&caller, "data", "governed", governed, true).await;
        let held = self.put(&caller, "data", "held", LockAsked { retention: None, legal_hold: Some(true) }).await;
        let request = ObjectVersion { bucket: bucket("data"), key: key("held"), version: held };
        self.store.set_object_legal_hold(&caller, request, false).await.expect("taken off");
        self.delete(&caller, "data", "held", held, false).await;
        self.put(&caller, "other", "last", LockAsked::default()).await;
    }

    async fn caller(&self) -> Caller {
        let user = UserId::parse("user").expect("a name");
        self.store.create_tenant(&self.admin, tenant()).await.expect("a tenant");
        let made = self.store.create_user(&self.admin, &tenant(), user.clone(), "User".to_owned(), None).await;
        made.expect("a user");
        let request = CreateAccessKey {
            user: user.clone(),
            key: NewKey::Made,
            name: None,
            scopes: Scopes::full(),
            expires: None,
        };
        let (made, _) = self.store.create_access_key(&self.admin, &tenant(), request).await.expect("a key");
        let credential = self.store.credential(&made.id).expect("reads").expect("it works");
        Caller {
            tenant: credential.tenant,
            who: Who::User {
                user,
                display_name: credential.display_name,
                access_key: made.id,
                scopes: credential.scopes,
            },
            source: Some("10.0.0.1".parse().expect("an address")),
            request: RequestId("request".to_owned()),
            circumstances: Circumstances::default(),
        }
    }

    async fn bucket(&self, caller: &Caller, name: &str, object_lock: bool) {
        let versioning = Some(if object_lock { Versioning::Enabled } else { Versioning::Unversioned });
        let name = bucket(name);
        let request =
            CreateBucket { name, region: None, versioning, object_lock, ownership: None, acl: None, base: None };
        self.store.create_bucket(caller, request).await.expect("a bucket");
    }

    async fn put(&self, caller: &Caller, bucket_name: &str, name: &str, lock: LockAsked) -> Option<VersionId> {
        let request = PutObject {
            bucket: bucket(bucket_name),
            key: key(name),
            metadata: Metadata::default(),
            storage_class: StorageClass::Standard,
            tags: BTreeMap::from([("tag".to_owned(), "é".to_owned())]),
            lock,
            acl: None,
            conditions: WriteConditions::default(),
            digests: Digests::default(),
            size_bytes: None,
            cause: Cause::Put,
            command: None,
            encryption: AskedEncryption::Nothing,
        };
        let body = futures_util::stream::iter([Ok(Bytes::from_static(b"content"))]);
        self.store.put_object(caller, request, Box::pin(body)).await.expect("put").version
    }

    async fn delete(&self, caller: &Caller, bucket_name: &str, name: &str, version: Option<VersionId>, bypass: bool) {
        let request = DeleteObject {
            bucket: bucket(bucket_name),
            key: key(name),
            version,
            conditions: WriteConditions::default(),
            bypass_governance: bypass,
        };
        self.store.delete_object(caller, request).await.expect("deleted");
    }

    pub(super) async fn export(&self, of: Option<&str>, from: Option<u64>, to: Option<u64>) -> Vec<u8> {
        let point = |position: Option<u64>| position.map(|position| Point::Position(Position(position)));
        let asked = AskedExport { bucket: of.map(bucket), from: point(from), to: point(to) };
        let mut stream = self.store.export(&self.admin, &tenant(), asked).await.expect("an export");
        let mut file = Vec::new();
        while let Some(piece) = stream.next().await {
            file.extend(piece.expect("whole"));
        }
        file
    }
}
