//! What operators do: tenants, users, admin tokens, usage. (Access keys: [`super::keys`]; quotas: [`super::quota`].)

use domain::Refusal;
use domain::policy::{Grant, authorise_admin};
use event_log::{Changes, Rows};
use projections::query;
use projections::row::{self, Tenant, User};
use schemas::event::{AdminRole, Event};
use schemas::{BucketId, TenantId, TenantName, UserId};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Inner, Request, Store, internal, rows_error, situation};
use crate::api::{AdminCaller, AdminTokenInfo, NewAdminToken, PhysicalUsage, StoreError, TenantInfo, Usage, UserInfo};
use crate::sequencer::{Decide, Outcome, Planned, Unit};
use crate::tables::{BlobRow, PHYSICAL, blobs_prefix};

/// What the text of an admin token begins with.
const ADMIN_TOKEN_PREFIX: &str = "lwadm_";

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

    /// Deletes a tenant that has no buckets: its keys stop working for good and its name is free. Its log stays.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_tenant(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        reason: String,
    ) -> Result<(), StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Owner, tenant)?;
        let name = tenant.clone();
        self.system(admin, move |rows| {
            let state = situation::tenant(rows, id, &name)?;
            Ok(domain::tenant::decide(&state, domain::tenant::Command::Delete { reason: reason.clone() })?)
        })
        .await
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

    /// Deletes a user: its keys stop working. What it owns keeps naming it; its id is not given again.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_user(&self, admin: &AdminCaller, tenant: &TenantName, user: &UserId) -> Result<(), StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Operator, tenant)?;
        let delete = user.clone();
        self.tenant_command(admin, id, move |rows| {
            Ok(domain::user::decide(&situation::user(rows, id, &delete)?, domain::user::Command::Delete)?)
        })
        .await
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

    /// What a tenant's content takes on disk. Looks at every blob of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn physical_usage(&self, admin: &AdminCaller, tenant: &TenantName) -> Result<PhysicalUsage, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Viewer, tenant)?;
        let inner = self.inner.clone();
        let counted = tokio::task::spawn_blocking(move || {
            let snapshot = inner.log.snapshot();
            let mut sum = PhysicalUsage::default();
            for row in event_log::prefix(snapshot.as_ref(), PHYSICAL, &blobs_prefix(id)) {
                let (_, value) = row.map_err(|error| internal(&error))?;
                let malformed = || StoreError::Corrupt { what: format!("a blob's row of tenant {id}") };
                let blob = BlobRow::decode(&value).ok_or_else(malformed)?;
                sum.stored_bytes += u64::from(blob.stored_bytes);
                if !blob.manifest {
                    sum.plain_bytes += u64::from(blob.size_bytes);
                }
            }
            Ok(sum)
        });
        counted.await.map_err(|error| internal(&error))?
    }

    /// Makes an admin token. Its text is returned once.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn make_admin_token(
        &self,
        admin: &AdminCaller,
        new: NewAdminToken,
    ) -> Result<(AdminTokenInfo, SecretString), StoreError> {
        let engine = &base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let text = format!("{ADMIN_TOKEN_PREFIX}{}", base64::Engine::encode(engine, self.inner.ids.bytes::<32>()));
        let text = SecretString::from(text);
        let id = self.create_admin_token(admin, &text, new).await?;
        let found = self.list_admin_tokens(admin).await?.into_iter().find(|token| token.id == id);
        Ok((found.ok_or(Refusal::NoSuchAdminToken)?, text))
    }

    /// Admin tokens by id, those that have ended included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_admin_tokens(&self, admin: &AdminCaller) -> Result<Vec<AdminTokenInfo>, StoreError> {
        grant(admin, AdminRole::Owner, None)?;
        let (snapshot, now) = (self.inner.log.snapshot(), self.inner.clock.wall());
        let tokens = query::admin_tokens(snapshot.as_ref()).map_err(rows_error)?;
        let shown = |(id, row): (String, row::AdminToken)| {
            let tenant = match row.tenant {
                Some(tenant) => query::tenant(snapshot.as_ref(), tenant).map_err(rows_error)?,
                None => None,
            };
            Ok(AdminTokenInfo {
                id,
                role: row.role,
                name: row.name,
                tenant: tenant.map(|tenant| tenant.name),
                created: row.created,
                expires: row.expires,
                expired: row.expires.is_some_and(|expires| expires <= now),
                revoked: row.revoked.is_some(),
            })
        };
        tokens.into_iter().map(shown).collect()
    }

    /// Ends an admin token for good.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn revoke_admin_token(&self, admin: &AdminCaller, token: &str) -> Result<(), StoreError> {
        grant(admin, AdminRole::Owner, None)?;
        let id = token.to_owned();
        self.system(admin, move |rows| {
            let state = situation::admin_token(rows, &id)?;
            Ok(domain::admin_token::decide(&state, domain::admin_token::Command::Revoke)?)
        })
        .await
    }

    /// Registers an admin token by its digest. The text stays with whoever made it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_admin_token(
        &self,
        admin: &AdminCaller,
        token: &SecretString,
        new: NewAdminToken,
    ) -> Result<String, StoreError> {
        grant(admin, AdminRole::Owner, None)?;
        let NewAdminToken { role, name, tenant, expires } = new;
        let tenant = match tenant {
            Some(name) => Some(self.inner.tenant_by_name(&name)?.ok_or(Refusal::NoSuchTenant)?.0),
            None => None,
        };
        let id = hex::encode(self.inner.ids.bytes::<8>());
        let create = domain::admin_token::Command::Create {
            id: id.clone(),
            sha256: Sha256::digest(token.expose_secret().as_bytes()).into(),
            role,
            name,
            tenant,
            expires,
        };
        let token_id = id.clone();
        self.system(admin, move |rows| {
            let state = situation::admin_token(rows, &token_id)?;
            Ok(domain::admin_token::decide(&state, create.clone())?)
        })
        .await?;
        Ok(id)
    }

    /// A command in the system log.
    async fn system(
        &self,
        admin: &AdminCaller,
        decide: impl FnMut(&dyn Rows) -> Result<Vec<Event>, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.tenant_command(admin, TenantId::SYSTEM, decide).await
    }

    async fn tenant_command(
        &self,
        admin: &AdminCaller,
        tenant: TenantId,
        decide: impl FnMut(&dyn Rows) -> Result<Vec<Event>, StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.inner.tenant_command(Request::admin(admin, tenant), decide).await?;
        Ok(())
    }
}

impl Inner {
    /// A command in a tenant's log that concerns no bucket.
    pub(super) async fn tenant_command(
        &self,
        request: Request,
        mut decide: impl FnMut(&dyn Rows) -> Result<Vec<Event>, StoreError> + Send + 'static,
    ) -> Result<Outcome, StoreError> {
        let key = self.tenant_key(request.tenant)?;
        let decide: Decide = Box::new(move |rows, _| {
            let plan = |event| Planned { bucket: BucketId::NONE, key, object: None, event };
            Ok(Unit { events: decide(rows)?.into_iter().map(plan).collect(), changes: Changes::default() })
        });
        self.run(request, decide).await
    }
}

impl Inner {
    pub(crate) fn tenant_by_name(&self, name: &TenantName) -> Result<Option<(TenantId, Tenant)>, StoreError> {
        let snapshot = self.log.snapshot();
        query::tenant_by_name(snapshot.as_ref(), name).map_err(rows_error)
    }

    /// The tenant that an admin names, if the token may do this there.
    pub(super) fn admin_tenant(
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
}

/// Whether a token may do this, in this tenant or, without one, in the installation.
pub(super) fn grant(admin: &AdminCaller, needs: AdminRole, tenant: Option<TenantId>) -> Result<(), Refusal> {
    authorise_admin(Grant { role: admin.role, tenant: admin.tenant }, needs, tenant)
}

fn tenant_info(id: TenantId, row: Tenant) -> TenantInfo {
    TenantInfo { id, name: row.name, disabled: row.disabled.is_some(), created: row.created }
}

fn user_info(id: UserId, row: User) -> UserInfo {
    UserInfo { id, display_name: row.display_name, email: row.email, created: row.created }
}
