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
use subtle::ConstantTimeEq;

use super::{Inner, Store, internal, rows_error};
use crate::api::{Credential, Holder, StoreError};

/// Purpose of sealed access key secrets in the vault. Part of the format.
pub(crate) const SECRET_PURPOSE: &str = "access-key-secret";

/// What the text of an API key begins with. Part of the format: `hfsk_`, the key's id, `_`, its secret.
pub(crate) const API_KEY_PREFIX: &str = "hfsk_";

const CACHED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

/// A key that worked when it was read, and how to tell that it is who it says.
#[derive(Clone)]
struct Known {
    holder: Holder,
    secret: Kept,
    expires: Option<schemas::Time>,
}

/// What is kept of a key's secret.
#[derive(Clone)]
enum Kept {
    /// It signs.
    Secret(SecretString),
    /// It is an API key: SHA-256.
    Sha256([u8; 32]),
}

/// What is remembered of keys, and the generation it is true for.
pub(crate) struct Identity {
    /// Rises with every commit that concerns tenants, users, keys or tokens.
    generation: AtomicU64,
    known: Mutex<LruCache<AccessKeyId, (u64, Known)>>,
}

impl Default for Identity {
    fn default() -> Self {
        Self { generation: AtomicU64::new(0), known: Mutex::new(LruCache::new(CACHED_MAX)) }
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
    /// is gone, or it is an API key, which signs nothing. Effective at the next call.
    ///
    /// # Errors
    /// [`StoreError`] when the rows or the secret cannot be read.
    pub fn credential(&self, access_key: &AccessKeyId) -> Result<Option<Credential>, StoreError> {
        let Some(Known { holder, secret: Kept::Secret(secret), .. }) = self.inner.known(access_key)? else {
            return Ok(None);
        };
        let Holder { tenant, user, display_name, scopes, rotated, .. } = holder;
        Ok(Some(Credential { tenant, user, display_name, scopes, secret, rotated }))
    }

    /// Who a key is, signing or API key, as long as it works. What it may do is what it may do now.
    ///
    /// # Errors
    /// [`StoreError`] when the rows or the secret cannot be read.
    pub fn holder(&self, access_key: &AccessKeyId) -> Result<Option<Holder>, StoreError> {
        self.inner.holder(access_key)
    }

    /// Who an API key's text (`hfsk_...`) is of, if it works.
    ///
    /// # Errors
    /// [`StoreError`] when the rows cannot be read.
    pub fn api_key(&self, text: &str) -> Result<Option<(AccessKeyId, Holder)>, StoreError> {
        let parts = text.strip_prefix(API_KEY_PREFIX).and_then(|rest| rest.split_once('_'));
        let Some((id, secret)) = parts else { return Ok(None) };
        let Ok(id) = AccessKeyId::parse(id) else { return Ok(None) };
        let Some(Known { holder, secret: Kept::Sha256(sha256), .. }) = self.inner.known(&id)? else { return Ok(None) };
        let sent: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        Ok(bool::from(sent.ct_eq(&sha256)).then_some((id, holder)))
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
    /// Who a key is, as long as it works.
    pub(crate) fn holder(&self, access_key: &AccessKeyId) -> Result<Option<Holder>, StoreError> {
        Ok(self.known(access_key)?.map(|known| known.holder))
    }

    fn known(&self, access_key: &AccessKeyId) -> Result<Option<Known>, StoreError> {
        // Read before the snapshot: a change in between makes the entry stale, never wrong.
        let generation = self.identity.generation.load(Ordering::Acquire);
        let now = self.clock.wall();
        let works = |known: &Known| known.expires.is_none_or(|expires| now < expires);
        let cached = self.identity.known.lock().get(access_key).cloned();
        if let Some((of, known)) = cached
            && of == generation
        {
            return Ok(Some(known).filter(works));
        }
        let Some(known) = self.read_known(access_key)? else { return Ok(None) };
        self.identity.known.lock().put(access_key.clone(), (generation, known.clone()));
        Ok(Some(known).filter(works))
    }

    fn read_known(&self, access_key: &AccessKeyId) -> Result<Option<Known>, StoreError> {
        let snapshot = self.log.snapshot();
        // An expiry is judged at every use, beside the cache; here only what changes by events.
        let found = query::credential(snapshot.as_ref(), access_key, schemas::Time(0)).map_err(rows_error)?;
        let Some(query::Credential { tenant, user, access_key: key }) = found else { return Ok(None) };
        let secret = match &key.api_sha256 {
            Some(sha256) => {
                let sha256 = <[u8; 32]>::try_from(sha256.as_slice());
                Kept::Sha256(sha256.map_err(|error| internal(&error))?)
            }
            None => {
                let context = access_key.as_str().as_bytes();
                let opened = self.contents.vault.open_secret(tenant, SECRET_PURPOSE, context, &key.sealed_secret);
                let opened = opened.map_err(|error| internal(&error))?;
                let secret = std::str::from_utf8(&opened).map_err(|error| internal(&error))?;
                Kept::Secret(SecretString::from(secret.to_owned()))
            }
        };
        let holder = Holder {
            tenant,
            user: key.user,
            display_name: user.display_name,
            scopes: key.scopes.parse().map_err(|error| internal(&error))?,
            rotated: key.rotated,
            expires: key.expires,
        };
        Ok(Some(Known { holder, secret, expires: key.expires }))
    }
}
