//! A store in this process, with a tenant and a bucket, and the smallest way to put an object into it.

use std::path::Path;

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use pipeline::{
    AdminCaller, ByteStream, Caller, Circumstances, CreateBucket, DeleteObject, Digests, OpenOptions, PutObject, Store,
    Who, WriteConditions,
};
use schemas::event::{AdminRole, Cause, Metadata, StorageClass, Versioning};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, ObjectKey, RequestId, TenantName, UserId};

/// On a thread of its own: opening blocks.
async fn open(data: &Path) -> Result<Store> {
    std::fs::create_dir_all(data)?;
    let options = OpenOptions::new(data.to_owned());
    Ok(tokio::task::spawn_blocking(move || Store::open(options)).await??.0)
}

/// Who puts, and where.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) store: Store,
    caller: Caller,
    bucket: BucketName,
}

impl Client {
    /// Opens or makes a store with a tenant, a user and a bucket.
    pub(crate) async fn open(data: &Path) -> Result<Self> {
        let store = open(data).await?;
        let request = RequestId("bench".to_owned());
        let admin = AdminCaller {
            token: "bench".to_owned(),
            role: AdminRole::Owner,
            tenant: None,
            source: None,
            request: request.clone(),
        };
        let (name, user) = (TenantName::parse("bench")?, UserId::parse("bench")?);
        store.create_tenant(&admin, name.clone()).await?;
        store.create_user(&admin, &name, user.clone(), "Bench".to_owned(), None).await?;
        Self::enter(store, &admin, &name, user, "bench", true).await
    }

    /// Opens the store of a server that was started and stopped once.
    pub(crate) async fn open_as_first_user(data: &Path, bucket: &str) -> Result<Self> {
        Self::opened(data, bucket, true).await
    }

    async fn opened(data: &Path, bucket: &str, is_new: bool) -> Result<Self> {
        let store = open(data).await?;
        let request = RequestId("bench".to_owned());
        let admin =
            AdminCaller { token: "bench".to_owned(), role: AdminRole::Owner, tenant: None, source: None, request };
        let tenant = TenantName::parse("default")?;
        let users = store.list_users(&admin, &tenant).await?;
        let user = users.first().map(|user| user.id.clone()).ok_or_else(|| anyhow::anyhow!("no user"))?;
        Self::enter(store, &admin, &tenant, user, bucket, is_new).await
    }

    /// Opens the store of a server that was started and stopped once, and has the bucket.
    pub(crate) async fn again(data: &Path, bucket: &str) -> Result<Self> {
        Self::opened(data, bucket, false).await
    }

    async fn enter(
        store: Store,
        admin: &AdminCaller,
        tenant: &TenantName,
        user: UserId,
        bucket: &str,
        is_new: bool,
    ) -> Result<Self> {
        let caller = Caller {
            tenant: store.get_tenant(admin, tenant).await?.id,
            who: Who::User {
                user,
                display_name: "Bench".to_owned(),
                access_key: AccessKeyId::parse("AKBENCHBENCHBENCH")?,
                scopes: Scopes::full(),
            },
            source: None,
            request: admin.request.clone(),
            circumstances: Circumstances::default(),
        };
        let bucket = BucketName::parse(bucket)?;
        let request = CreateBucket {
            name: bucket.clone(),
            region: None,
            versioning: None,
            object_lock: false,
            ownership: None,
            acl: None,
            base: None,
        };
        if is_new {
            store.create_bucket(&caller, request).await?;
        }
        Ok(Self { store, caller, bucket })
    }

    /// Makes the bucket keep every version.
    pub(crate) async fn version(&self) -> Result<()> {
        self.store.set_versioning(&self.caller, &self.bucket, Versioning::Enabled).await?;
        Ok(())
    }

    /// DeleteObject: durable when it returns.
    pub(crate) async fn delete(&self, key: String) -> Result<()> {
        let (bucket, key) = (self.bucket.clone(), ObjectKey::parse(&key)?);
        let conditions = WriteConditions::default();
        let request = DeleteObject { bucket, key, version: None, conditions, bypass_governance: false };
        self.store.delete_object(&self.caller, request).await?;
        Ok(())
    }

    /// PutObject: durable when it returns.
    pub(crate) async fn put(&self, key: String, body: Bytes) -> Result<()> {
        let request = PutObject {
            bucket: self.bucket.clone(),
            key: ObjectKey::parse(&key)?,
            metadata: Metadata::default(),
            storage_class: StorageClass::Standard,
            tags: std::collections::BTreeMap::new(),
            lock: pipeline::LockAsked::default(),
            acl: None,
            conditions: WriteConditions::default(),
            digests: Digests::default(),
            size_bytes: Some(body.len() as u64),
            cause: Cause::Put,
            command: None,
            encryption: pipeline::AskedEncryption::Nothing,
        };
        let stream: ByteStream =
            if body.is_empty() { Box::pin(stream::empty()) } else { Box::pin(stream::iter([Ok(body)])) };
        self.store.put_object(&self.caller, request, stream).await?;
        Ok(())
    }
}
