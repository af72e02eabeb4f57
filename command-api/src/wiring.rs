//! Where the program's parts are bound to each other. Everything that names a constructor of another crate is here.
//!
//! Owns: opening the store from the settings, the doors' options, time and chance for both.
//! Does not own: when any of it happens ([`crate::serve`]).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use domain::Refusal;
use notifier::{Bell, Notifier, RetryPolicy};
use pipeline::backup::{Restore, RestoreReport, VerifyReport};
use pipeline::limits::LimitSettings;
use pipeline::{
    AdminCaller, Caller, Circumstances, Clock, CreateAccessKey, CreateBucket, Ids, NewAdminToken, NewKey, OnCommit,
    OpenError, OpenOptions, RebuildReport, Store, StoreError, SystemClock, Who,
};
use schemas::event::AdminRole;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, RequestId, TenantName, UserId};
use secrecy::{ExposeSecret, SecretString};
use vault::RootKeySource;

use crate::announcing::{self, Now, Subscribers};
use crate::config::{Limits, Nats, Settings, Window};
use crate::first_run::Installer;
use crate::metrics::Metrics;
use crate::patience::Patience;
use crate::routes::Ready;

/// Opens the store. Blocks: reads journals, may take seconds after a crash.
pub(crate) fn open(settings: &Settings, accept_lost_tail: bool, bell: &Bell) -> anyhow::Result<Store> {
    let bell = bell.clone();
    let on_commit: OnCommit = Arc::new(move |events| bell.committed(events));
    let options = OpenOptions { accept_lost_tail, on_commit, ..options(settings) };
    match Store::open(options) {
        Ok((store, _)) => Ok(store),
        Err(error @ OpenError::Log(event_log::OpenError::TailLost { .. })) => Err(anyhow::Error::from(error).context(
            "acknowledged writes are missing: restore a copy that has them, or give them up with --accept-lost-tail",
        )),
        Err(error) => Err(error.into()),
    }
}

/// Builds every projection anew from the log. Blocks for as long as that takes.
pub(crate) fn rebuild(settings: &Settings, damaged: bool) -> anyhow::Result<RebuildReport> {
    Ok(Store::rebuild_offline(&options(settings), damaged)?)
}

/// Makes a store of a backup. Blocks for as long as that takes.
pub(crate) fn restore(settings: &Settings, restore: &Restore) -> anyhow::Result<RestoreReport> {
    Ok(Store::restore(&options(settings), restore)?)
}

/// Compares a backup with its digests. Blocks for as long as that takes.
pub(crate) fn verify_backup(folder: &std::path::Path) -> anyhow::Result<VerifyReport> {
    Ok(Store::verify_backup(folder, &[notifier::TABLE])?)
}

/// The log of a server that does not run, to be read.
pub(crate) fn log_offline(settings: &Settings) -> anyhow::Result<Arc<dyn event_log::EventLog>> {
    Ok(Store::log_offline(&options(settings))?)
}

/// What time it is, for points such as `-2h`.
pub(crate) fn now() -> schemas::Time {
    SystemClock::default().wall()
}

fn options(settings: &Settings) -> OpenOptions {
    let Settings { server, storage, s3, security, history, lifecycle, audit, limits, .. } = settings;
    let mut options = OpenOptions::new(storage.data.clone());
    match (&security.root_key_env, &security.root_key_file) {
        (Some(variable), _) => options.root_key = RootKeySource::Environment(variable.clone()),
        (None, Some(file)) => options.root_key = RootKeySource::File(file.clone()),
        (None, None) => {}
    }
    options.region.clone_from(&server.region);
    options.default_ownership = s3.default_object_ownership;
    // Where nobody comes without a credential, buckets are closed to the public until somebody opens them. Whoever lets
    // such requests in has buckets for them.
    if security.allow_anonymous {
        options.default_public_access_block = None;
    }
    options.access_log_flush_s = s3.access_log_flush_s;
    options.audit_days = audit.retention_days;
    options.audit_bytes_max = audit.max_mib << 20;
    options.usage_days = audit.usage_retention_days;
    let Limits { requests_per_second_per_key, requests_per_second_per_source, burst, .. } = *limits;
    options.limits = LimitSettings { requests_per_second_per_key, requests_per_second_per_source, burst };
    options.history_window_s = match history.window {
        Window::Seconds(seconds) => Some(seconds),
        Window::Forever => None,
    };
    options.cache_bytes = storage.cache_mib << 20;
    options.memtable_bytes = storage.memtable_kib << 10;
    options.segment_bytes = storage.segment_mib << 20;
    options.compression = storage.compression;
    options.reserve_bytes = storage.reserve_mib << 20;
    options.sweep_grace_s = storage.sweep_grace_s;
    options.checkpoint_event_s = history.checkpoint_event_s;
    options.lifecycle_day_s = lifecycle.day_seconds;
    options.following = vec![notifier::TABLE];
    options.kms_keys.clone_from(&security.kms_keys);
    options.kms_default_key.clone_from(&security.kms_default_key);
    options
}

/// Begins to tell subscribers, and lets doors ask about it.
pub(crate) fn notifier(store: &Store, settings: &Settings, bell: Bell) -> anyhow::Result<Notifier> {
    let chosen = &settings.notifier;
    let options = notifier::Options {
        clock: Arc::new(Now::default()),
        policy: RetryPolicy {
            schedule: chosen.retry_schedule.iter().map(|wait| Duration::from_secs(wait.seconds)).collect(),
            probe_max: Duration::from_secs(chosen.probe_interval_max_s),
            park_after: chosen.park_after_attempts,
        },
        timeout: Duration::from_secs(chosen.timeout_s),
        allowed_networks: chosen.allowed_networks.clone(),
        dns_servers: chosen.dns_servers.clone(),
        nats: nats_options(&settings.nats),
    };
    let (log, views) = store.followed();
    let region = Arc::from(settings.server.region.as_str());
    let directory = Arc::new(Subscribers { store: store.clone(), region });
    let notifier = Notifier::start(options, bell, log, views, directory).context("starting the notifier")?;
    announcing::bind(store, &notifier);
    Ok(notifier)
}

/// How NATS is reached, if it is.
fn nats_options(chosen: &Nats) -> Option<notifier::nats::Options> {
    if chosen.url.is_empty() {
        return None;
    }
    let tls = notifier::nats::Tls {
        ca_file: chosen.tls_ca_file.clone(),
        cert_file: chosen.tls_cert_file.clone(),
        key_file: chosen.tls_key_file.clone(),
        required: chosen.tls_required,
    };
    Some(notifier::nats::Options {
        urls: chosen.url.clone(),
        credentials_file: chosen.credentials_file.clone(),
        tls,
        replicas: chosen.replicas,
        max_age: match chosen.max_age {
            Window::Seconds(seconds) => Duration::from_secs(seconds),
            Window::Forever => Duration::ZERO,
        },
        stream_prefix: chosen.stream_prefix.clone(),
    })
}

/// Ends the store cleanly: after it a start finds nothing to repair.
pub(crate) async fn close(store: Store) {
    // The writer is waited for, which blocks; the log closes with the last clone of the store.
    let closed = tokio::task::spawn_blocking(move || {
        store.close();
        drop(store);
    });
    if closed.await.is_err() {
        tracing::error!("closing the store failed");
    }
}

/// The S3 door.
pub(crate) fn s3_router(store: &Store, settings: &Settings) -> Router {
    let Settings { server, security, .. } = settings;
    // The default region names new buckets and binds nobody: any client's region is taken unless an operator chose one.
    let chosen = server.region != crate::config::Server::default().region;
    let options = door_s3::Options {
        region: chosen.then(|| server.region.clone()),
        default_region: server.region.clone(),
        hosts: server.hosts.clone(),
        public_url: server.public_url.clone(),
        allow_anonymous: security.allow_anonymous,
        anonymous_tenant: security.anonymous_tenant.clone(),
        tenant_hosts: tenant_hosts(settings),
        allow_sigv2: security.allow_sigv2,
        host_id: "holdfast".to_owned(),
        ids: Arc::new(request_id),
        clock: Arc::new(now_us),
    };
    door_s3::router(store.clone(), options)
}

/// The admin API.
pub(crate) fn admin_router(store: &Store, settings: &Settings) -> Router {
    door_http::admin_router(store.clone(), http_options(settings))
}

/// The native API.
pub(crate) fn native_router(store: &Store, settings: &Settings) -> Router {
    door_http::native_router(store.clone(), http_options(settings))
}

/// How long clients are waited for.
pub(crate) fn patience(settings: &Settings) -> Patience {
    let Limits { body_idle_s, answer_idle_s, .. } = settings.limits;
    Patience { body_idle: Duration::from_secs(body_idle_s), answer_idle: Duration::from_secs(answer_idle_s) }
}

fn http_options(settings: &Settings) -> door_http::Options {
    let Settings { server, security, .. } = settings;
    door_http::Options {
        ids: Arc::new(request_id),
        clock: Arc::new(now_us),
        public_url: server.public_url.clone(),
        token_ttl_s: security.native_api_token_ttl.seconds,
        signed_url_ttl_max_s: security.max_presign_ttl.seconds,
        tenant_hosts: tenant_hosts(settings),
        anonymous_tenant: security.anonymous_tenant.clone(),
    }
}

/// Names of hosts mean the same in upper and lower case.
fn tenant_hosts(settings: &Settings) -> BTreeMap<String, TenantName> {
    settings.server.tenant_hosts.iter().map(|(host, name)| (host.to_ascii_lowercase(), name.clone())).collect()
}

/// Figures of the program and of the store behind it.
pub(crate) fn metrics(store: &Store, notifier: &Notifier) -> Metrics {
    let (store, notifier) = (store.clone(), notifier.clone());
    let clock = store.clone();
    Metrics::new(move || store.lifecycle_totals(), move || notifier.figures(), move || clock.clock_figures())
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
fn now_us() -> u64 {
    SystemClock::default().wall().0
}

/// What time it is on this machine, RFC 3339.
pub(crate) fn now_text() -> String {
    let now = i64::try_from(now_us()).ok().and_then(|now| jiff::Timestamp::from_microsecond(now).ok());
    now.unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn request_id() -> RequestId {
    Ids.request(SystemClock::default().wall())
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
        let key = NewKey::Chosen(id.clone(), secret.clone());
        let request = CreateAccessKey { user: user.clone(), key, name: None, scopes: Scopes::full(), expires: None };
        made(self.store.create_access_key(&self.admin, tenant, request).await, &Refusal::AccessKeyExists)
    }

    async fn admin_token(&self, token: &SecretString) -> anyhow::Result<()> {
        if self.store.admin_credential(token.expose_secret())?.is_some() {
            return Ok(());
        }
        let name = "first start".to_owned();
        let new = NewAdminToken { role: AdminRole::Owner, name, tenant: None, expires: None };
        self.store.create_admin_token(&self.admin, token, new).await?;
        Ok(())
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
            who: Who::User {
                user: user.clone(),
                display_name: user.to_string(),
                access_key: access_key.clone(),
                scopes: Scopes::full(),
            },
            source: None,
            request: self.admin.request.clone(),
            circumstances: Circumstances::default(),
        };
        let request = CreateBucket {
            name: bucket.clone(),
            region: None,
            versioning: None,
            object_lock: false,
            ownership: None,
            acl: None,
            base: None,
        };
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
