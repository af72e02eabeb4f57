//! The store: what every door holds. (Signatures first; each body arrives with its slice.)

use schemas::event::{AdminRole, Versioning};
use schemas::{AccessKeyId, BucketName, ObjectKey, Position, TenantId, TenantName, UploadId, UserId, VersionId};
use secrecy::SecretString;

use crate::api::*;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// The working credential of an access key: none when it is unknown, revoked, disabled or expired, or its user or tenant is gone. Effective at the next call.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn credential(&self, access_key: &AccessKeyId) -> Result<Option<Credential>, StoreError> {
        let _ = (access_key,);
        Err(StoreError::Unavailable)
    }

    /// Creates a bucket.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_bucket(&self, caller: &Caller, request: CreateBucket) -> Result<BucketInfo, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// What is known of a bucket.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head_bucket(&self, caller: &Caller, bucket: &BucketName) -> Result<BucketInfo, StoreError> {
        let _ = (caller, bucket);
        Err(StoreError::Unavailable)
    }

    /// Deletes an empty bucket.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_bucket(&self, caller: &Caller, bucket: &BucketName) -> Result<Position, StoreError> {
        let _ = (caller, bucket);
        Err(StoreError::Unavailable)
    }

    /// Buckets that the caller may see, by name, and whether more follow.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_buckets(
        &self,
        caller: &Caller,
        prefix: &str,
        after: Option<&str>,
        max: usize,
    ) -> Result<(Vec<BucketInfo>, bool), StoreError> {
        let _ = (caller, prefix, after, max);
        Err(StoreError::Unavailable)
    }

    /// Enables or suspends versioning.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_versioning(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        versioning: Versioning,
    ) -> Result<Position, StoreError> {
        let _ = (caller, bucket, versioning);
        Err(StoreError::Unavailable)
    }

    /// Stores an object.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_object(
        &self,
        caller: &Caller,
        request: PutObject,
        body: ByteStream,
    ) -> Result<Written, StoreError> {
        let _ = (caller, request, body);
        Err(StoreError::Unavailable)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_object(&self, caller: &Caller, request: GetObject) -> Result<ObjectRead, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// The same without bytes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head_object(&self, caller: &Caller, request: GetObject) -> Result<ObjectHead, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// Deletes an object or version. An absent key is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_object(&self, caller: &Caller, request: DeleteObject) -> Result<Deleted, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// Deletes many; answers in the order asked. Each is authorised and decided on its own.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_objects(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        keys: Vec<(ObjectKey, Option<VersionId>, WriteConditions)>,
    ) -> Result<Vec<Result<Deleted, StoreError>>, StoreError> {
        let _ = (caller, bucket, keys);
        Err(StoreError::Unavailable)
    }

    /// Copies an object within the tenant, sharing its content.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn copy_object(&self, caller: &Caller, request: CopyObject) -> Result<Copied, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// A page of current objects.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_objects(
        &self,
        caller: &Caller,
        request: ListObjects,
    ) -> Result<ListPage<ListedObject>, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// A page of versions and delete markers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_versions(
        &self,
        caller: &Caller,
        request: ListVersions,
    ) -> Result<ListPage<ListedVersion>, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// Begins a multipart upload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_upload(&self, caller: &Caller, request: CreateUpload) -> Result<UploadStarted, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// Stores a part.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upload_part(
        &self,
        caller: &Caller,
        request: UploadPart,
        body: ByteStream,
    ) -> Result<PartWritten, StoreError> {
        let _ = (caller, request, body);
        Err(StoreError::Unavailable)
    }

    /// Makes a part of a range of another object.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upload_part_copy(&self, caller: &Caller, request: UploadPartCopy) -> Result<PartWritten, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// Makes an object of parts. Repeating a completion that succeeded answers the same.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn complete_upload(&self, caller: &Caller, request: CompleteUpload) -> Result<Written, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn abort_upload(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Position, StoreError> {
        let _ = (caller, bucket, key, upload);
        Err(StoreError::Unavailable)
    }

    /// Parts of an upload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_parts(&self, caller: &Caller, request: ListParts) -> Result<PartsPage, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// Uploads in progress.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_uploads(&self, caller: &Caller, request: ListUploads) -> Result<UploadsPage, StoreError> {
        let _ = (caller, request);
        Err(StoreError::Unavailable)
    }

    /// The working admin token of this text: its id, role and tenant limit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn admin_credential(&self, token: &str) -> Result<Option<(String, AdminRole, Option<TenantId>)>, StoreError> {
        let _ = (token,);
        Err(StoreError::Unavailable)
    }

    /// Creates a tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_tenant(&self, admin: &AdminCaller, name: TenantName) -> Result<TenantInfo, StoreError> {
        let _ = (admin, name);
        Err(StoreError::Unavailable)
    }

    /// Tenants by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_tenants(&self, admin: &AdminCaller) -> Result<Vec<TenantInfo>, StoreError> {
        let _ = (admin,);
        Err(StoreError::Unavailable)
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_tenant(&self, admin: &AdminCaller, tenant: &TenantName) -> Result<TenantInfo, StoreError> {
        let _ = (admin, tenant);
        Err(StoreError::Unavailable)
    }

    /// Stops a tenant's keys, or lets them work again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_tenant_disabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        disabled: bool,
        reason: String,
    ) -> Result<TenantInfo, StoreError> {
        let _ = (admin, tenant, disabled, reason);
        Err(StoreError::Unavailable)
    }

    /// Creates a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_user(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        user: UserId,
        display_name: String,
        email: Option<String>,
    ) -> Result<UserInfo, StoreError> {
        let _ = (admin, tenant, user, display_name, email);
        Err(StoreError::Unavailable)
    }

    /// Users by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_users(&self, admin: &AdminCaller, tenant: &TenantName) -> Result<Vec<UserInfo>, StoreError> {
        let _ = (admin, tenant);
        Err(StoreError::Unavailable)
    }

    /// Makes an access key. The secret is returned once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        request: CreateAccessKey,
    ) -> Result<(AccessKeyInfo, SecretString), StoreError> {
        let _ = (admin, tenant, request);
        Err(StoreError::Unavailable)
    }

    /// Access keys by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_access_keys(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
    ) -> Result<Vec<AccessKeyInfo>, StoreError> {
        let _ = (admin, tenant);
        Err(StoreError::Unavailable)
    }

    /// Disables or enables an access key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_access_key_enabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        enabled: bool,
    ) -> Result<AccessKeyInfo, StoreError> {
        let _ = (admin, tenant, access_key, enabled);
        Err(StoreError::Unavailable)
    }

    /// Ends an access key for good.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn revoke_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        reason: Option<String>,
    ) -> Result<AccessKeyInfo, StoreError> {
        let _ = (admin, tenant, access_key, reason);
        Err(StoreError::Unavailable)
    }

    /// What a tenant holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(&self, admin: &AdminCaller, tenant: &TenantName) -> Result<Usage, StoreError> {
        let _ = (admin, tenant);
        Err(StoreError::Unavailable)
    }

    /// State of the store's parts: whether each can take a write now.
    pub async fn ready(&self) -> Vec<Component> {
        vec![Component { name: "database", ok: false }, Component { name: "storage", ok: false }]
    }
}
