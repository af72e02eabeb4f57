//! Who a credential is. Cached until anything about tenants, users or keys changes: a revoked key fails at its next request.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use event_log::Recorded;
use lru::LruCache;
use parking_lot::Mutex;
use projections::query;
use projections::row::AdminToken;
use schemas::event::AdminRole;
use schemas::{AccessKeyId, TenantId, TenantName};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::{Inner, Store, internal, rows_error};
use crate::api::{Credential, StoreError};

/// Purpose of sealed access key secrets in the vault. Part of the format.
pub(crate) const SECRET_PURPOSE: &str = "access-key-secret";

const CACHED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// A credential, when it expires, and the generation it was read at.
type Known = (u64, Credential, Option<schemas::Time>);

/// What is remembered of credentials, and the generation it is true for.
pub(crate) struct Identity {
    /// Rises with every commit that concerns tenants, users, keys or tokens.
    generation: AtomicU64,
    credentials: Mutex<LruCache<AccessKeyId, Known>>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { generation: AtomicU64::new(0), credentials: Mutex::new(LruCache::new(CACHED_MAX)) }
    }
}

/// Type codes 10 to 29 are tenants, admin tokens, users and access keys.
const IDENTITY_EVENTS: std::ops::Range<u16> = 10..30;

impl Identity {
    /// Told of every commit before its replies go out.
    pub(crate) fn committed(&self, events: &[Recorded]) {
        if events.iter().any(|event| IDENTITY_EVENTS.contains(&event.header.event_type)) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Store {
    /// The tenant that requests without a credential are for: none when there is none of this name, or it is disabled.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn anonymous_tenant(&self, tenant: &TenantName) -> Result<Option<TenantId>, StoreError> {
        let found = query::tenant_by_name(self.inner.log.snapshot().as_ref(), tenant).map_err(rows_error)?;
        Ok(found.filter(|(_, row)| row.disabled.is_none()).map(|(id, _)| id))
    }

    /// The working credential of an access key: none when it is unknown, revoked, disabled or expired, or its user or tenant
    /// is gone. Effective at the next call.
    ///
    /// # Errors
    /// [`StoreError`] when the rows or the secret cannot be read.
    pub fn credential(&self, access_key: &AccessKeyId) -> Result<Option<Credential>, StoreError> {
        let inner = &self.inner;
        // Read before the snapshot: a change in between makes the entry stale, never wrong.
        let generation = inner.identity.generation.load(Ordering::Acquire);
        let now = inner.clock.wall();
        let known = inner.identity.credentials.lock().get(access_key).cloned();
        if let Some((of, credential, expires)) = known
            && of == generation
        {
            return Ok(Some(credential).filter(|_| expires.is_none_or(|expires| now < expires)));
        }
        let Some((credential, expires)) = inner.read_credential(access_key)? else { return Ok(None) };
        let entry = (generation, credential.clone(), expires);
        inner.identity.credentials.lock().put(access_key.clone(), entry);
        Ok(Some(credential).filter(|_| expires.is_none_or(|expires| now < expires)))
    }

    /// The working admin token of this text: its id, role and tenant limit.
    ///
    /// # Errors
    /// [`StoreError`] when the rows cannot be read.
    pub fn admin_credential(&self, token: &str) -> Result<Option<(String, AdminRole, Option<TenantId>)>, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let rows = snapshot.as_ref();
        // A token is 256 random bits: looking its digest up tells nothing that timing could give away.
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = self.inner.clock.wall();
        let found = query::admin_token_by_sha256(rows, &digest).map_err(rows_error)?;
        let works = |token: &AdminToken| token.revoked.is_none() && token.expires.is_none_or(|expires| now < expires);
        let found = found.filter(|(_, token)| works(token));
        Ok(found.map(|(id, token)| (id, token.role, token.tenant)))
    }
}

impl Inner {
    fn read_credential(
        &self,
        access_key: &AccessKeyId,
    ) -> Result<Option<(Credential, Option<schemas::Time>)>, StoreError> {
        let snapshot = self.log.snapshot();
        // An expiry is judged at every use, beside the cache; here only what changes by events.
        let found = query::credential(snapshot.as_ref(), access_key, schemas::Time(0)).map_err(rows_error)?;
        let Some(query::Credential { tenant, user, access_key: key }) = found else { return Ok(None) };
        let context = access_key.as_str().as_bytes();
        let secret = self
            .contents
            .vault
            .open_secret(tenant, SECRET_PURPOSE, context, &key.sealed_secret)
            .map_err(|error| internal(&error))?;
        let secret = std::str::from_utf8(&secret).map_err(|error| internal(&error))?.to_owned();
        let scopes = key.scopes.parse().map_err(|error| internal(&error))?;
        let credential = Credential {
            tenant,
            user: key.user,
            display_name: user.display_name,
            scopes,
            secret: SecretString::from(secret),
        };
        Ok(Some((credential, key.expires)))
    }
}
