//! Where the program's parts are bound to each other. Everything that names a constructor of another crate is here.
//!
//! Owns: opening the store from the settings, the doors' options, time and chance for both.
//! Does not own: when any of it happens ([`crate::serve`]).

use std::sync::Arc;

use anyhow::{Context, bail};
use axum::Router;
use domain::Refusal;
use http::StatusCode;
use pipeline::{AdminCaller, Caller, CreateAccessKey, CreateBucket, Store, StoreError};
use schemas::event::AdminRole;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, RequestId, TenantName, UserId};
use secrecy::SecretString;

use crate::config::Settings;
use crate::first_run::Installer;
use crate::routes::Ready;

/// Opens the store. Blocks: reads journals, may take seconds after a crash.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<Store> {
    // To be bound, from: storage.{data, cache_mib, segment_mib, compression, reserve_mib}, server.region,
    // s3.default_object_ownership, security.{root_key_file, root_key_env}, history.window.
    let _ = settings;
    bail!("store not wired yet")
}

/// Ends the store cleanly: after it a start finds nothing to repair.
pub(crate) async fn close(_store: Store) {
    // To be bound: the store's own close.
}

/// The S3 door.
pub(crate) fn s3_router(_store: &Store, _settings: &Settings) -> Router {
    Router::new().fallback(|| async { StatusCode::NOT_IMPLEMENTED })
}

/// The admin API.
pub(crate) fn admin_router(store: &Store) -> Router {
    door_http::admin_router(store.clone(), http_options())
}

/// The native API.
pub(crate) fn native_router() -> Router {
    door_http::native_router(http_options())
}

fn http_options() -> door_http::Options {
    door_http::Options { ids: Arc::new(request_id), clock: Arc::new(now_us) }
}

/// Asks the store whether it can take a write.
pub(crate) fn ready(store: &Store) -> Ready {
    let store = store.clone();
    Arc::new(move || {
        let store = store.clone();
        Box::pin(async move { store.ready().await })
    })
}

/// Wall clock of request ids and signatures. What is retained is judged by the log's own clock, never by this one.
#[expect(clippy::disallowed_methods, reason = "the one place where the doors' wall clock is bound")]
fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A ULID. Unique enough without chance, too: names in log lines are no secret.
fn request_id() -> RequestId {
    let mut random = [0; 16];
    let _ = getrandom::fill(&mut random);
    RequestId(ulid::Ulid::from_parts(now_us() / 1000, u128::from_be_bytes(random)).to_string())
}

/// Randomness for the secrets of the first start.
pub(crate) fn entropy(bytes: &mut [u8]) -> anyhow::Result<()> {
    getrandom::fill(bytes).context("the system gives no randomness")
}

/// The first start over the store's own commands.
pub(crate) struct StoreInstaller {
    store: Store,
    admin: AdminCaller,
}

impl StoreInstaller {
    pub(crate) fn new(store: Store) -> Self {
        let request = request_id();
        let admin = AdminCaller {
            token: "first-start".to_owned(),
            role: AdminRole::Owner,
            tenant: None,
            source: None,
            request,
        };
        Self { store, admin }
    }
}

/// Made now, or by an earlier start that was cut off.
fn made<T>(result: Result<T, StoreError>, before: &Refusal) -> anyhow::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(StoreError::Refused(refusal)) if refusal == *before => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Installer for StoreInstaller {
    async fn is_empty(&self) -> anyhow::Result<bool> {
        Ok(self.store.list_tenants(&self.admin).await?.is_empty())
    }

    async fn tenant(&self, tenant: &TenantName) -> anyhow::Result<()> {
        made(self.store.create_tenant(&self.admin, tenant.clone()).await, &Refusal::TenantExists)
    }

    async fn user(&self, tenant: &TenantName, user: &UserId) -> anyhow::Result<()> {
        let created = self.store.create_user(&self.admin, tenant, user.clone(), user.to_string(), None).await;
        made(created, &Refusal::UserExists)
    }

    async fn access_key(
        &self,
        tenant: &TenantName,
        user: &UserId,
        id: &AccessKeyId,
        secret: &SecretString,
    ) -> anyhow::Result<()> {
        let pair = Some((id.clone(), secret.clone()));
        let request = CreateAccessKey { user: user.clone(), pair, scopes: Scopes::full(), expires: None };
        made(self.store.create_access_key(&self.admin, tenant, request).await, &Refusal::AccessKeyExists)
    }

    async fn admin_token(&self, token: &SecretString) -> anyhow::Result<()> {
        // The store has no command for it yet.
        let _ = token;
        bail!("store not wired yet")
    }

    async fn bucket(
        &self,
        tenant: &TenantName,
        user: &UserId,
        access_key: &AccessKeyId,
        bucket: &BucketName,
    ) -> anyhow::Result<()> {
        let caller = Caller {
            tenant: self.store.get_tenant(&self.admin, tenant).await?.id,
            user: user.clone(),
            display_name: user.to_string(),
            access_key: access_key.clone(),
            scopes: Scopes::full(),
            source: None,
            request: self.admin.request.clone(),
        };
        let request = CreateBucket { name: bucket.clone(), region: None, object_lock: false, ownership: None };
        made(self.store.create_bucket(&caller, request).await, &Refusal::BucketAlreadyOwnedByYou)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_ulids_and_differ() {
        let (first, second) = (request_id(), request_id());
        assert_eq!(first.0.len(), 26);
        assert_ne!(first, second);
    }
}
