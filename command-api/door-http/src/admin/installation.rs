//! What the admin API needs of a store: the part of [`Store`] that administrators see.
//!
//! A trait because there are two: the store, and the memory that this door's own tests run against.

use std::future::Future;

use pipeline::{
    AccessKeyInfo, AdminCaller, CreateAccessKey, LifecycleReport, RebuildReport, Store, StoreError, SweepReport,
    TenantInfo, Usage, UserInfo,
};
use schemas::event::AdminRole;
use schemas::{AccessKeyId, TenantId, TenantName, UserId};
use secrecy::SecretString;

pub(crate) type Answer<T> = Result<T, StoreError>;

pub(crate) trait Installation: Send + Sync + 'static {
    fn rebuild(&self, admin: &AdminCaller) -> impl Future<Output = Answer<RebuildReport>> + Send;

    fn sweep(&self, admin: &AdminCaller) -> impl Future<Output = Answer<SweepReport>> + Send;

    fn lifecycle(&self, admin: &AdminCaller) -> impl Future<Output = Answer<LifecycleReport>> + Send;

    fn credential(&self, token: &str) -> Answer<Option<(String, AdminRole, Option<TenantId>)>>;

    fn create_tenant(&self, admin: &AdminCaller, name: TenantName) -> impl Future<Output = Answer<TenantInfo>> + Send;

    fn list_tenants(&self, admin: &AdminCaller) -> impl Future<Output = Answer<Vec<TenantInfo>>> + Send;

    fn get_tenant(&self, admin: &AdminCaller, tenant: &TenantName) -> impl Future<Output = Answer<TenantInfo>> + Send;

    fn set_tenant_disabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        disabled: bool,
        reason: String,
    ) -> impl Future<Output = Answer<TenantInfo>> + Send;

    fn create_user(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        user: UserId,
        display_name: String,
        email: Option<String>,
    ) -> impl Future<Output = Answer<UserInfo>> + Send;

    fn list_users(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
    ) -> impl Future<Output = Answer<Vec<UserInfo>>> + Send;

    fn create_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        request: CreateAccessKey,
    ) -> impl Future<Output = Answer<(AccessKeyInfo, SecretString)>> + Send;

    fn list_access_keys(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
    ) -> impl Future<Output = Answer<Vec<AccessKeyInfo>>> + Send;

    fn set_access_key_enabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        enabled: bool,
    ) -> impl Future<Output = Answer<AccessKeyInfo>> + Send;

    fn revoke_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        reason: Option<String>,
    ) -> impl Future<Output = Answer<AccessKeyInfo>> + Send;

    fn usage(&self, admin: &AdminCaller, tenant: &TenantName) -> impl Future<Output = Answer<Usage>> + Send;
}

impl Installation for Store {
    async fn rebuild(&self, admin: &AdminCaller) -> Answer<RebuildReport> {
        self.admin_rebuild(admin).await
    }

    async fn sweep(&self, admin: &AdminCaller) -> Answer<SweepReport> {
        self.admin_sweep(admin).await
    }

    async fn lifecycle(&self, admin: &AdminCaller) -> Answer<LifecycleReport> {
        self.admin_lifecycle(admin).await
    }

    fn credential(&self, token: &str) -> Answer<Option<(String, AdminRole, Option<TenantId>)>> {
        self.admin_credential(token)
    }

    async fn create_tenant(&self, admin: &AdminCaller, name: TenantName) -> Answer<TenantInfo> {
        Store::create_tenant(self, admin, name).await
    }

    async fn list_tenants(&self, admin: &AdminCaller) -> Answer<Vec<TenantInfo>> {
        Store::list_tenants(self, admin).await
    }

    async fn get_tenant(&self, admin: &AdminCaller, tenant: &TenantName) -> Answer<TenantInfo> {
        Store::get_tenant(self, admin, tenant).await
    }

    async fn set_tenant_disabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        disabled: bool,
        reason: String,
    ) -> Answer<TenantInfo> {
        Store::set_tenant_disabled(self, admin, tenant, disabled, reason).await
    }

    async fn create_user(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        user: UserId,
        display_name: String,
        email: Option<String>,
    ) -> Answer<UserInfo> {
        Store::create_user(self, admin, tenant, user, display_name, email).await
    }

    async fn list_users(&self, admin: &AdminCaller, tenant: &TenantName) -> Answer<Vec<UserInfo>> {
        Store::list_users(self, admin, tenant).await
    }

    async fn create_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        request: CreateAccessKey,
    ) -> Answer<(AccessKeyInfo, SecretString)> {
        Store::create_access_key(self, admin, tenant, request).await
    }

    async fn list_access_keys(&self, admin: &AdminCaller, tenant: &TenantName) -> Answer<Vec<AccessKeyInfo>> {
        Store::list_access_keys(self, admin, tenant).await
    }

    async fn set_access_key_enabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        enabled: bool,
    ) -> Answer<AccessKeyInfo> {
        Store::set_access_key_enabled(self, admin, tenant, access_key, enabled).await
    }

    async fn revoke_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        reason: Option<String>,
    ) -> Answer<AccessKeyInfo> {
        Store::revoke_access_key(self, admin, tenant, access_key, reason).await
    }

    async fn usage(&self, admin: &AdminCaller, tenant: &TenantName) -> Answer<Usage> {
        Store::usage(self, admin, tenant).await
    }
}
