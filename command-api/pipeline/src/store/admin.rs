//! What operators do: tenants, users, access keys, admin tokens, usage.

use domain::Refusal;
use domain::policy::{Grant, authorise_admin};
use event_log::{Changes, Rows};
use projections::query;
use projections::row::{self, Tenant, User};
use schemas::event::{AdminRole, Event};
use schemas::{AccessKeyId, BucketId, TenantId, TenantName, UserId};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::identity::SECRET_PURPOSE;
use super::{Inner, Request, Store, internal, rows_error, situation};
use crate::api::{
    AccessKeyInfo, AccessKeyStatus, AdminCaller, CreateAccessKey, StoreError, TenantInfo, Usage, UserInfo,
};
use crate::sequencer::{Decide, Planned, Unit};

/// Letters of generated access keys: no 0, 1, 8 or 9, which are mistaken for letters.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Store {
    /// Creates a tenant.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_tenant(&self, admin: &AdminCaller, name: TenantName) -> Result<TenantInfo, StoreError> {
        grant(admin, AdminRole::Operator, None)?;
        if self.inner.tenant_by_name(&name)?.is_some() {
            return Err(Refusal::TenantExists.into());
        }
        let id = self.inner.ids.tenant();
        let vault = self.inner.contents.vault.clone();
        let made = tokio::task::spawn_blocking(move || vault.create_tenant_key(id)).await;
        let key = made.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
        let create = name.clone();
        self.system(admin, move |rows| {
            let state = situation::tenant(rows, id, &create)?;
            Ok(domain::tenant::decide(
                &state,
                domain::tenant::Command::Create { tenant: id, name: create.clone(), key },
            )?)
        })
        .await?;
        self.get_tenant(admin, &name).await
    }

    /// Tenants by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_tenants(&self, admin: &AdminCaller) -> Result<Vec<TenantInfo>, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let tenants = projections::query::tenants(snapshot.as_ref()).map_err(rows_error)?;
        let seen = tenants.into_iter().filter(|(id, _)| admin.tenant.is_none_or(|only| only == *id));
        Ok(seen.map(|(id, row)| tenant_info(id, row)).collect())
    }

    /// One tenant.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_tenant(&self, admin: &AdminCaller, tenant: &TenantName) -> Result<TenantInfo, StoreError> {
        let (id, row) = self.inner.admin_tenant(admin, AdminRole::Viewer, tenant)?;
        Ok(tenant_info(id, row))
    }

    /// Stops a tenant's keys, or lets them work again.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_tenant_disabled(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        disabled: bool,
        reason: String,
    ) -> Result<TenantInfo, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Owner, tenant)?;
        let name = tenant.clone();
        self.system(admin, move |rows| {
            let state = situation::tenant(rows, id, &name)?;
            let command = if disabled {
                domain::tenant::Command::Disable { reason: reason.clone() }
            } else {
                domain::tenant::Command::Enable
            };
            Ok(domain::tenant::decide(&state, command)?)
        })
        .await?;
        self.get_tenant(admin, tenant).await
    }

    /// Creates a user.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_user(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        user: UserId,
        display_name: String,
        email: Option<String>,
    ) -> Result<UserInfo, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        let create = user.clone();
        self.tenant_command(admin, id, move |rows| {
            let state = situation::user(rows, id, &create)?;
            let (user, display_name, email) = (create.clone(), display_name.clone(), email.clone());
            Ok(domain::user::decide(&state, domain::user::Command::Create { user, display_name, email })?)
        })
        .await?;
        let snapshot = self.inner.log.snapshot();
        let row = query::user(snapshot.as_ref(), id, &user).map_err(rows_error)?;
        Ok(user_info(user, row.ok_or(Refusal::NoSuchUser)?))
    }

    /// Users by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_users(&self, admin: &AdminCaller, tenant: &TenantName) -> Result<Vec<UserInfo>, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Viewer, tenant)?;
        let users = projections::query::users(self.inner.log.snapshot().as_ref(), id).map_err(rows_error)?;
        Ok(users.into_iter().map(|(user, row)| user_info(user, row)).collect())
    }

    /// Makes an access key. The secret is returned once.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        request: CreateAccessKey,
    ) -> Result<(AccessKeyInfo, SecretString), StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        let (access_key, secret) = match request.pair {
            Some(pair) => pair,
            None => self.inner.new_pair(),
        };
        let plaintext = secret.expose_secret().as_bytes();
        let context = access_key.as_str().as_bytes();
        let sealed = self.inner.contents.vault.seal_secret(id, SECRET_PURPOSE, context, plaintext);
        let sealed_secret = sealed.map_err(|error| internal(&error))?;
        let create = domain::access_key::Create {
            access_key: access_key.clone(),
            user: request.user,
            sealed_secret,
            scopes: request.scopes,
            name: None,
            expires: request.expires,
            user_exists: false,
            id_taken_anywhere: true,
        };
        self.tenant_command(admin, id, move |rows| {
            let state = situation::access_key(rows, id, &create.access_key)?;
            let create = domain::access_key::Create {
                user_exists: situation::user(rows, id, &create.user)? != domain::user::State::Absent,
                id_taken_anywhere: situation::access_key_taken(rows, &create.access_key)?,
                ..create.clone()
            };
            Ok(domain::access_key::decide(&state, domain::access_key::Command::Create(create))?)
        })
        .await?;
        Ok((self.inner.access_key_info(id, &access_key)?, secret))
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
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Viewer, tenant)?;
        let keys = projections::query::access_keys(self.inner.log.snapshot().as_ref(), id).map_err(rows_error)?;
        keys.into_iter().map(|(key, row)| key_info(key, row)).collect()
    }

    /// Disables or enables an access key.
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
        let command = domain::access_key::Command::SetEnabled(enabled);
        self.change_access_key(admin, tenant, access_key, command).await
    }

    /// Ends an access key for good.
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
        let command = domain::access_key::Command::Revoke { reason };
        self.change_access_key(admin, tenant, access_key, command).await
    }

    /// What a tenant holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(&self, admin: &AdminCaller, tenant: &TenantName) -> Result<Usage, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Viewer, tenant)?;
        let usage = query::tenant_usage(self.inner.log.snapshot().as_ref(), id).map_err(rows_error)?;
        Ok(Usage {
            objects: usage.objects,
            versions: usage.versions,
            logical_bytes: usage.logical_bytes,
            multipart_bytes: usage.multipart_bytes,
            buckets: usage.buckets,
        })
    }

    /// Registers an admin token by its digest. The text stays with whoever made it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_admin_token(
        &self,
        admin: &AdminCaller,
        token: &SecretString,
        role: AdminRole,
        name: String,
    ) -> Result<String, StoreError> {
        grant(admin, AdminRole::Owner, None)?;
        let id = hex::encode(self.inner.ids.bytes::<8>());
        let create = domain::admin_token::Command::Create {
            id: id.clone(),
            sha256: Sha256::digest(token.expose_secret().as_bytes()).into(),
            role,
            name,
            tenant: None,
            expires: None,
        };
        let token_id = id.clone();
        self.system(admin, move |rows| {
            let state = situation::admin_token(rows, &token_id)?;
            Ok(domain::admin_token::decide(&state, create.clone())?)
        })
        .await?;
        Ok(id)
    }

    async fn change_access_key(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        command: domain::access_key::Command,
    ) -> Result<AccessKeyInfo, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        let key = access_key.clone();
        self.tenant_command(admin, id, move |rows| {
            let state = situation::access_key(rows, id, &key)?;
            Ok(domain::access_key::decide(&state, command.clone())?)
        })
        .await?;
        self.inner.access_key_info(id, access_key)
    }

    /// A command in the system log.
    async fn system(
        &self,
        admin: &AdminCaller,
        decide: impl FnMut(&dyn Rows) -> Result<Vec<Event>, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.tenant_command(admin, TenantId::SYSTEM, decide).await
    }

    /// A command in a tenant's log that concerns no bucket.
    async fn tenant_command(
        &self,
        admin: &AdminCaller,
        tenant: TenantId,
        mut decide: impl FnMut(&dyn Rows) -> Result<Vec<Event>, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let key = self.inner.tenant_key(tenant)?;
        let decide: Decide = Box::new(move |rows, _| {
            let plan = |event| Planned { bucket: BucketId::NONE, key, object: None, event };
            Ok(Unit { events: decide(rows)?.into_iter().map(plan).collect(), changes: Changes::default() })
        });
        self.inner.run(Request::admin(admin, tenant), decide).await?;
        Ok(())
    }
}

impl Inner {
    pub(crate) fn tenant_by_name(&self, name: &TenantName) -> Result<Option<(TenantId, Tenant)>, StoreError> {
        let snapshot = self.log.snapshot();
        query::tenant_by_name(snapshot.as_ref(), name).map_err(rows_error)
    }

    /// The tenant that an admin names, if the token may do this there.
    fn admin_tenant(
        &self,
        admin: &AdminCaller,
        role: AdminRole,
        name: &TenantName,
    ) -> Result<(TenantId, Tenant), StoreError> {
        let found = self.tenant_by_name(name)?;
        // A token limited to one tenant learns nothing of others: 403, whether they exist or not.
        grant(admin, role, found.as_ref().map(|(id, _)| *id))?;
        Ok(found.ok_or(Refusal::NoSuchTenant)?)
    }

    fn access_key_info(&self, tenant: TenantId, key: &AccessKeyId) -> Result<AccessKeyInfo, StoreError> {
        let snapshot = self.log.snapshot();
        let row = query::access_key(snapshot.as_ref(), tenant, key);
        key_info(key.clone(), row.map_err(rows_error)?.ok_or(Refusal::NoSuchAccessKey)?)
    }

    /// A key pair: `HF` and 18 letters (90 bits), a secret of 40 characters (240 bits).
    fn new_pair(&self) -> (AccessKeyId, SecretString) {
        let letters =
            |bytes: &[u8]| -> String { bytes.iter().map(|byte| char::from(BASE32[usize::from(byte % 32)])).collect() };
        let id = format!("HF{}", letters(&self.ids.bytes::<18>()));
        let secret = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, self.ids.bytes::<30>());
        (AccessKeyId::parse(&id).expect("letters and digits make an access key id"), SecretString::from(secret))
    }
}

/// Whether a token may do this, in this tenant or, without one, in the installation.
fn grant(admin: &AdminCaller, needs: AdminRole, tenant: Option<TenantId>) -> Result<(), Refusal> {
    authorise_admin(Grant { role: admin.role, tenant: admin.tenant }, needs, tenant)
}

fn tenant_info(id: TenantId, row: Tenant) -> TenantInfo {
    TenantInfo { id, name: row.name, disabled: row.disabled.is_some(), created: row.created }
}

fn user_info(id: UserId, row: User) -> UserInfo {
    UserInfo { id, display_name: row.display_name, email: row.email, created: row.created }
}

fn key_info(id: AccessKeyId, row: row::AccessKey) -> Result<AccessKeyInfo, StoreError> {
    Ok(AccessKeyInfo {
        id,
        user: row.user,
        scopes: row.scopes.parse().map_err(|error| internal(&error))?,
        status: match row.status {
            row::AccessKeyStatus::Active => AccessKeyStatus::Active,
            row::AccessKeyStatus::Disabled => AccessKeyStatus::Disabled,
            row::AccessKeyStatus::Revoked => AccessKeyStatus::Revoked,
        },
        created: row.created,
        expires: row.expires,
    })
}
