//! A store in this process, with a tenant and a bucket, and the smallest ways to fill it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bytes::Bytes;
use futures_util::stream;
use pipeline::{
    AdminCaller, ByteStream, Caller, Circumstances, CreateBucket, CreateUpload, DeleteObject, Digests, OpenOptions,
    PutObject, Store, UploadPart, Who, WriteConditions,
};
use schemas::event::{AdminRole, Cause, Metadata, StorageClass, Versioning};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, ObjectKey, RequestId, TenantName, UploadId, UserId};

/// Enough that a batch is never waited for by few.
const WORKERS: usize = 256;

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
        let admin = admin();
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
        let admin = admin();
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
        let client = Self { store, caller, bucket: BucketName::parse(bucket)? };
        if is_new {
            client.create_bucket(bucket).await?;
        }
        Ok(client)
    }

    pub(crate) async fn create_bucket(&self, name: &str) -> Result<()> {
        let request = CreateBucket {
            name: BucketName::parse(name)?,
            region: None,
            versioning: None,
            object_lock: false,
            ownership: None,
            acl: None,
            base: None,
        };
        self.store.create_bucket(&self.caller, request).await?;
        Ok(())
    }

    pub(crate) async fn create_tenant(&self, name: &str) -> Result<()> {
        self.store.create_tenant(&admin(), TenantName::parse(name)?).await?;
        Ok(())
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
        self.store.put_object(&self.caller, request, in_one(body)).await?;
        Ok(())
    }

    /// CreateMultipartUpload.
    pub(crate) async fn create_upload(&self, key: String) -> Result<UploadId> {
        let request = CreateUpload {
            bucket: self.bucket.clone(),
            key: ObjectKey::parse(&key)?,
            metadata: Metadata::default(),
            storage_class: StorageClass::Standard,
            tags: std::collections::BTreeMap::new(),
            lock: pipeline::LockAsked::default(),
            acl: None,
            checksum: None,
            encryption: pipeline::AskedEncryption::Nothing,
        };
        Ok(self.store.create_upload(&self.caller, request).await?.upload)
    }

    /// UploadPart.
    pub(crate) async fn put_part(&self, key: String, upload: UploadId, number: u16, body: Bytes) -> Result<()> {
        let request = UploadPart {
            bucket: self.bucket.clone(),
            key: ObjectKey::parse(&key)?,
            upload,
            number,
            digests: Digests::default(),
            size_bytes: Some(body.len() as u64),
            customer_key: None,
        };
        self.store.upload_part(&self.caller, request, in_one(body)).await?;
        Ok(())
    }

    /// Does something with each number of a range, many at once.
    pub(crate) async fn each<F>(&self, range: Range<u64>, one: impl Fn(Self, u64) -> F) -> Result<()>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let next = Arc::new(AtomicU64::new(range.start));
        let one = &one;
        let workers = (0..WORKERS).map(|_| {
            let next = next.clone();
            async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= range.end {
                        return Ok::<_, anyhow::Error>(());
                    }
                    tokio::spawn(one(self.clone(), number)).await??;
                }
            }
        });
        futures_util::future::try_join_all(workers).await?;
        Ok(())
    }

    /// So that a server may open it.
    pub(crate) async fn close(self) -> Result<()> {
        let store = self.store.clone();
        drop(self);
        tokio::task::spawn_blocking(move || store.close()).await?;
        Ok(())
    }
}

fn in_one(body: Bytes) -> ByteStream {
    if body.is_empty() { Box::pin(stream::empty()) } else { Box::pin(stream::iter([Ok(body)])) }
}

fn admin() -> AdminCaller {
    let request = RequestId("bench".to_owned());
    AdminCaller { token: "bench".to_owned(), role: AdminRole::Owner, tenant: None, source: None, request }
}
