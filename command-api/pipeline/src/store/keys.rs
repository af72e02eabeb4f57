//! Access keys and API keys: made, changed and ended, by operators for a tenant and by users for themselves.
//!
//! Owns: who may manage which key, making ids and secrets.
//! Does not own: what a key's life allows (domain), who a request is from ([`super::identity`]).
//! Invariants: a secret leaves once, in the answer that makes it. Nobody makes, sees or changes a key by which more can be
//! done than by their own, or for longer; nor by a request that outlives its key.

use domain::Refusal;
use domain::access_key::{Command, Create, Secret};
use domain::policy::{Resource, authorise};
use projections::query;
use projections::row;
use schemas::action::Action;
use schemas::event::AdminRole;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, TenantId, TenantName, Time, UserId};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::identity::{API_KEY_PREFIX, SECRET_PURPOSE};
use super::{Inner, Request, Store, internal, rows_error, situation};
use crate::api::{AccessKeyInfo, AccessKeyStatus, AdminCaller, Caller, CreateAccessKey, NewKey, NewSecret, StoreError};

/// Letters of generated ids: no 0, 1, 8 or 9, which are mistaken for letters.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Store {
    /// Makes a key. The secret is returned once.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        request: CreateAccessKey,
    ) -> Result<NewSecret, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        self.inner.create_key(Request::admin(admin, id), request, None).await
    }

    /// A tenant's keys by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_access_keys(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
    ) -> Result<Vec<AccessKeyInfo>, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Viewer, tenant)?;
        self.inner.keys(id)
    }

    /// Disables or enables a key.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_access_key_enabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        enabled: bool,
    ) -> Result<AccessKeyInfo, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        self.inner.change_key(Request::admin(admin, id), access_key, Command::SetEnabled(enabled), None).await
    }

    /// Ends a key for good.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn revoke_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        reason: Option<String>,
    ) -> Result<AccessKeyInfo, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        self.inner.change_key(Request::admin(admin, id), access_key, Command::Revoke { reason }, None).await
    }

    /// Gives a key another secret, returned once. The old one, and what was issued with it, stop working.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn rotate_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
    ) -> Result<NewSecret, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        self.inner.rotate_key(Request::admin(admin, id), access_key, None).await
    }

    /// The keys of the caller's user by which no more can be done than by the caller's own.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_own_keys(&self, caller: &Caller) -> Result<Vec<AccessKeyInfo>, StoreError> {
        let scopes = managing(caller)?;
        let user = caller.user();
        let mut keys = self.inner.keys(caller.tenant)?;
        keys.retain(|key| key.user == user && key.scopes.within(scopes));
        Ok(keys)
    }

    /// A key of the caller's user by which no more can be done than by the caller's own.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn own_key(&self, caller: &Caller, access_key: &AccessKeyId) -> Result<AccessKeyInfo, StoreError> {
        self.inner.check_own(caller, access_key)?;
        self.inner.key(caller.tenant, access_key)
    }

    /// Makes a key of the caller's user. The secret is returned once.
    ///
    /// # Errors
    /// [`StoreError`], [`Refusal::AccessDenied`] for more than the caller's key may do; nothing has changed then.
    pub async fn create_own_key(&self, caller: &Caller, request: CreateAccessKey) -> Result<NewSecret, StoreError> {
        let scopes = managing(caller)?;
        if request.user != caller.user() || !request.scopes.within(scopes) {
            return Err(Refusal::AccessDenied.into());
        }
        // A key that ends makes none that outlives it.
        let ends = caller.circumstances.key.expires;
        let expires = request.expires.or(ends);
        if !ends_within(expires, ends) {
            return Err(Refusal::AccessDenied.into());
        }
        let request = CreateAccessKey { expires, ..request };
        self.inner.create_key(Request::of(caller), request, Some(caller)).await
    }

    /// Ends a key of the caller's user for good.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn revoke_own_key(
        &self,
        caller: &Caller,
        access_key: &AccessKeyId,
        reason: Option<String>,
    ) -> Result<AccessKeyInfo, StoreError> {
        self.inner.check_own(caller, access_key)?;
        self.inner.change_key(Request::of(caller), access_key, Command::Revoke { reason }, Some(caller)).await
    }

    /// Gives a key of the caller's user another secret, returned once.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn rotate_own_key(&self, caller: &Caller, access_key: &AccessKeyId) -> Result<NewSecret, StoreError> {
        self.inner.check_own(caller, access_key)?;
        self.inner.rotate_key(Request::of(caller), access_key, Some(caller)).await
    }
}

/// Whether an end is not behind another; no end is behind all.
fn ends_within(end: Option<Time>, bound: Option<Time>) -> bool {
    bound.is_none_or(|bound| end.is_some_and(|end| end <= bound))
}

/// What the caller may do, if managing keys is part of it.
fn managing(caller: &Caller) -> Result<&Scopes, Refusal> {
    let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
    // With any administration: how much of it bounds the keys that can be managed.
    authorise(scopes, Action::ManageKeys, Resource::Tenant)?;
    Ok(scopes)
}

impl Inner {
    /// Refuses a key that is not one of the caller's user's, or by which more can be done than by the caller's.
    fn check_own(&self, caller: &Caller, access_key: &AccessKeyId) -> Result<(), StoreError> {
        let scopes = managing(caller)?;
        let info = self.key(caller.tenant, access_key)?;
        // Another's key is no key to the caller.
        if info.user != caller.user() {
            return Err(Refusal::NoSuchAccessKey.into());
        }
        let ends = caller.circumstances.key.expires;
        let less = info.scopes.within(scopes) && ends_within(info.expires, ends);
        if less { Ok(()) } else { Err(Refusal::AccessDenied.into()) }
    }

    fn keys(&self, tenant: TenantId) -> Result<Vec<AccessKeyInfo>, StoreError> {
        let keys = query::access_keys(self.log.snapshot().as_ref(), tenant).map_err(rows_error)?;
        keys.into_iter().map(|(key, row)| info(key, row)).collect()
    }

    fn key(&self, tenant: TenantId, key: &AccessKeyId) -> Result<AccessKeyInfo, StoreError> {
        let row = query::access_key(self.log.snapshot().as_ref(), tenant, key).map_err(rows_error)?;
        info(key.clone(), row.ok_or(Refusal::NoSuchAccessKey)?)
    }

    async fn create_key(
        &self,
        request: Request,
        asked: CreateAccessKey,
        by: Option<&Caller>,
    ) -> Result<NewSecret, StoreError> {
        let tenant = request.tenant;
        let CreateAccessKey { user, key, name, scopes, expires } = asked;
        let (access_key, text, api) = match key {
            NewKey::Chosen(access_key, secret) => (access_key, secret, false),
            NewKey::Made => (self.new_id("HF"), self.new_secret(), false),
            NewKey::Api => (self.new_id("HK"), self.new_secret(), true),
        };
        let secret = self.kept(tenant, &access_key, &text, api)?;
        let create = Create {
            access_key: access_key.clone(),
            user,
            secret,
            scopes,
            name,
            expires,
            user_exists: false,
            id_taken_anywhere: true,
        };
        let by = by.cloned();
        self.tenant_command(request, move |rows| {
            by.as_ref().map_or(Ok(()), |by| situation::still_works(rows, by))?;
            let state = situation::access_key(rows, tenant, &create.access_key)?;
            let live = matches!(situation::user(rows, tenant, &create.user)?, domain::user::State::Live { .. });
            let id_taken_anywhere = situation::access_key_taken(rows, &create.access_key)?;
            let create = Create { user_exists: live, id_taken_anywhere, ..create.clone() };
            Ok(domain::access_key::decide(&state, Command::Create(create))?)
        })
        .await?;
        let info = self.key(tenant, &access_key)?;
        Ok((info, shown(&access_key, text, api)))
    }

    async fn rotate_key(
        &self,
        request: Request,
        access_key: &AccessKeyId,
        by: Option<&Caller>,
    ) -> Result<NewSecret, StoreError> {
        let tenant = request.tenant;
        let api = self.key(tenant, access_key)?.api;
        let text = self.new_secret();
        let secret = self.kept(tenant, access_key, &text, api)?;
        let info = self.change_key(request, access_key, Command::Rotate(secret), by).await?;
        Ok((info, shown(access_key, text, api)))
    }

    async fn change_key(
        &self,
        request: Request,
        access_key: &AccessKeyId,
        command: Command,
        by: Option<&Caller>,
    ) -> Result<AccessKeyInfo, StoreError> {
        let (tenant, key, by) = (request.tenant, access_key.clone(), by.cloned());
        self.tenant_command(request, move |rows| {
            by.as_ref().map_or(Ok(()), |by| situation::still_works(rows, by))?;
            let state = situation::access_key(rows, tenant, &key)?;
            Ok(domain::access_key::decide(&state, command.clone())?)
        })
        .await?;
        self.key(tenant, access_key)
    }

    /// A secret as it is kept: sealed where it must be read again to check signatures, else its digest. It has at least 240
    /// random bits where it is made here, so that a plain digest gives nothing away.
    fn kept(
        &self,
        tenant: TenantId,
        access_key: &AccessKeyId,
        text: &SecretString,
        api: bool,
    ) -> Result<Secret, StoreError> {
        let plaintext = text.expose_secret().as_bytes();
        if api {
            return Ok(Secret::Sha256(Sha256::digest(plaintext).into()));
        }
        let context = access_key.as_str().as_bytes();
        let sealed = self.contents.vault.seal_secret(tenant, SECRET_PURPOSE, context, plaintext);
        Ok(Secret::Sealed(sealed.map_err(|error| internal(&error))?))
    }

    /// An id: two letters that say of what kind, and 18 (90 bits).
    fn new_id(&self, kind: &str) -> AccessKeyId {
        let letter = |byte: &u8| char::from(BASE32[usize::from(byte % 32)]);
        let id: String = kind.chars().chain(self.ids.bytes::<18>().iter().map(letter)).collect();
        AccessKeyId::parse(&id).expect("letters and digits make an access key id")
    }

    /// A secret of 40 characters (240 bits).
    fn new_secret(&self) -> SecretString {
        let engine = &base64::engine::general_purpose::URL_SAFE_NO_PAD;
        SecretString::from(base64::Engine::encode(engine, self.ids.bytes::<30>()))
    }
}

/// A secret as it is handed out: of an API key with its id, so that it is found by its text.
fn shown(access_key: &AccessKeyId, text: SecretString, api: bool) -> SecretString {
    if api { SecretString::from(format!("{API_KEY_PREFIX}{access_key}_{}", text.expose_secret())) } else { text }
}

fn info(id: AccessKeyId, row: row::AccessKey) -> Result<AccessKeyInfo, StoreError> {
    let user: UserId = row.user;
    Ok(AccessKeyInfo {
        id,
        user,
        scopes: row.scopes.parse().map_err(|error| internal(&error))?,
        name: row.name,
        api: row.api_sha256.is_some(),
        status: match row.status {
            row::AccessKeyStatus::Active => AccessKeyStatus::Active,
            row::AccessKeyStatus::Disabled => AccessKeyStatus::Disabled,
            row::AccessKeyStatus::Revoked => AccessKeyStatus::Revoked,
        },
        created: row.created,
        expires: row.expires,
        rotated: row.rotated,
    })
}
