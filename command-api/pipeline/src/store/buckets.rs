//! Buckets: create, head, delete, list, versioning.

use std::collections::BTreeMap;

use domain::policy::{Resource, authorise};
use domain::{Refusal, access};
use event_log::{Changes, Rows};
use projections::query;
use projections::row::Bucket;
use schemas::action::Action;
use schemas::event::{ObjectOwnership, Versioning};
use schemas::{BucketName, ObjectKey, Position, TenantId, UserId};

use super::{Found, Inner, Request, Store, bases, log_error, planned, rows_error, situation};
use crate::api::{BucketInfo, Caller, CreateBucket, StoreError};
use crate::sequencer::{Decide, Outcome, Planned, Unit};

/// Buckets read at a time: those that the caller may not see are passed over.
const LIST_STEP: usize = 1_000;

impl Store {
    /// Creates a bucket. With it comes the position of its event.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_bucket(
        &self,
        caller: &Caller,
        request: CreateBucket,
    ) -> Result<(BucketInfo, Position), StoreError> {
        let inner = &self.inner;
        authorise(
            caller.scopes().ok_or(Refusal::AccessDenied)?,
            Action::CreateBucket,
            Resource::Bucket(&request.name),
        )?;
        let tenant = caller.tenant;
        let id = inner.ids.bucket();
        let (owner, asked_acl) = (caller.user(), request.acl);
        // The old ways have no ownership controls: ACLs are on and nobody chose so.
        let of_default = Some(inner.settings.default_ownership).filter(|it| *it != ObjectOwnership::ObjectWriter);
        let ownership = request.ownership.or(of_default);
        let acl = {
            let block = inner.settings.default_public_access_block.unwrap_or_default();
            let in_effect = ownership.unwrap_or(ObjectOwnership::ObjectWriter);
            let rules = domain::acl::Rules { owner: &owner, ownership: in_effect, block };
            inner.new_bucket_acl(inner.log.snapshot().as_ref(), tenant, &rules, asked_acl)?
        };
        let shown = request.base.as_ref().map(|asked| inner.base(caller, asked)).transpose()?;
        let base = shown.as_ref().map(|shown| shown.base);
        let versioning = match &shown {
            // What is shown is shown as it is versioned.
            Some(shown) if !shown.base.writable => shown.versioning,
            Some(shown) => request.versioning.unwrap_or(shown.versioning),
            None => request.versioning.unwrap_or(Versioning::Unversioned),
        };
        // Decided once before a key file is made for nothing, and again in the commit.
        let create = domain::bucket::Create {
            bucket: id,
            name: request.name.clone(),
            region: request.region.unwrap_or_else(|| inner.settings.region.clone()),
            owner,
            key: schemas::KeyId::default(),
            ownership,
            versioning,
            object_lock: request.object_lock,
            acl,
            base,
        };
        let state = situation::bucket(inner.log.snapshot().as_ref(), tenant, &request.name)?;
        domain::bucket::decide(&state, domain::bucket::Command::Create(create.clone()))?;
        // The key file is durable before the event that names it; without the event it is an unused file.
        let vault = inner.contents.vault.clone();
        let made = tokio::task::spawn_blocking(move || vault.create_bucket_key(tenant, id)).await;
        let key = made.map_err(|error| super::internal(&error))?.map_err(|error| super::internal(&error))?;
        let create = domain::bucket::Create { key, ..create };
        let name = request.name.clone();
        let decide: Decide = Box::new(move |rows, _| {
            // Deleted since the credential was looked up: only a tenant without buckets is.
            if query::tenant(rows, tenant).map_err(rows_error)?.is_none() {
                return Err(Refusal::NoSuchTenant.into());
            }
            if let Some(base) = base {
                bases::still_there(rows, tenant, base)?;
            }
            let state = situation::bucket(rows, tenant, &name)?;
            let events = domain::bucket::decide(&state, domain::bucket::Command::Create(create.clone()))?;
            let plan = |event| Planned { bucket: id, key, object: None, event };
            Ok(Unit { events: events.into_iter().map(plan).collect(), changes: Changes::default() })
        });
        let recorded = inner.run(Request::of(caller), decide).await?;
        let position = inner.position(tenant, &recorded)?;
        let snapshot = inner.log.snapshot();
        let bucket = inner.bucket(snapshot.as_ref(), tenant, &request.name)?;
        Ok((inner.bucket_info(snapshot.as_ref(), tenant, bucket)?, position))
    }

    /// What is known of a bucket.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head_bucket(&self, caller: &Caller, bucket: &BucketName) -> Result<BucketInfo, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let bucket = self.inner.enter_head(snapshot.as_ref(), caller, bucket)?;
        self.inner.bucket_info(snapshot.as_ref(), caller.tenant, bucket)
    }

    /// The same, for one who may do something to it as a whole, or to a key in it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_bucket(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: Option<&ObjectKey>,
        action: Action,
    ) -> Result<BucketInfo, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let bucket = self.inner.enter(snapshot.as_ref(), caller, action, bucket, key)?;
        self.inner.bucket_info(snapshot.as_ref(), caller.tenant, bucket)
    }

    /// Whether a bucket belongs to the user that the client expects it to belong to. One that is not there belongs to nobody
    /// else.
    ///
    /// # Errors
    /// [`Refusal::AccessDenied`] when it belongs to another.
    pub async fn expect_bucket_owner(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        expected: &str,
    ) -> Result<(), StoreError> {
        let snapshot = self.inner.log.snapshot();
        let found = query::bucket_by_name(snapshot.as_ref(), caller.tenant, bucket).map_err(rows_error)?;
        match found {
            Some((_, row)) if row.owner.as_str() != expected => Err(Refusal::AccessDenied.into()),
            _ => Ok(()),
        }
    }

    /// What users of the caller's tenant are called; one that is gone has its id for a name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn display_names<'a>(
        &self,
        caller: &Caller,
        users: impl IntoIterator<Item = &'a UserId>,
    ) -> Result<BTreeMap<UserId, String>, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let mut names = BTreeMap::new();
        for user in users {
            if !names.contains_key(user) {
                names.insert(user.clone(), display_name(snapshot.as_ref(), caller.tenant, user)?);
            }
        }
        Ok(names)
    }

    /// Deletes an empty bucket.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_bucket(&self, caller: &Caller, bucket: &BucketName) -> Result<Position, StoreError> {
        self.change_bucket(caller, bucket, Action::DeleteBucket, domain::bucket::Command::Delete).await
    }

    /// Enables or suspends versioning.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_versioning(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        versioning: Versioning,
    ) -> Result<Position, StoreError> {
        let command = domain::bucket::Command::SetVersioning(versioning);
        self.change_bucket(caller, bucket, Action::PutBucketVersioning, command).await
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
        // Nobody known owns nothing, which is no secret.
        let Some(scopes) = caller.scopes() else { return Ok((Vec::new(), false)) };
        authorise(scopes, Action::ListAllMyBuckets, Resource::Tenant)?;
        let user = caller.user();
        let snapshot = self.inner.log.snapshot();
        let rows = snapshot.as_ref();
        let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
        loop {
            let page = query::list_buckets(rows, caller.tenant, prefix, after.as_deref(), LIST_STEP);
            let (buckets, more) = page.map_err(rows_error)?;
            after = buckets.last().map(|(_, row)| row.name.to_string());
            let seen = |row: &Bucket| scopes.mention(&row.name) && access::is_own(row.ownership, &row.owner, &user);
            for (id, row) in buckets.into_iter().filter(|(_, row)| seen(row)) {
                if found.len() == max {
                    return Ok((found, true));
                }
                found.push(self.inner.bucket_info(rows, caller.tenant, Found::now(id, row))?);
            }
            if !more {
                return Ok((found, false));
            }
        }
    }

    pub(super) async fn change_bucket(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        action: Action,
        command: domain::bucket::Command,
    ) -> Result<Position, StoreError> {
        let found = self.inner.enter(self.inner.log.snapshot().as_ref(), caller, action, bucket, None)?;
        let tenant = caller.tenant;
        let decide: Decide = Box::new(move |rows, _| {
            let state = situation::bucket(rows, tenant, &found.row.name)?;
            // Deleted and made again since the request came: that is another bucket.
            if !matches!(&state.bucket, domain::bucket::Bucket::Live { id, .. } if *id == found.id) {
                return Err(Refusal::NoSuchBucket.into());
            }
            let events = domain::bucket::decide(&state, command.clone())?;
            Ok(Unit { events: planned(&found, None, events), changes: Changes::default() })
        });
        let recorded = self.inner.run(Request::of(caller), decide).await?;
        self.inner.position(tenant, &recorded)
    }
}

impl Inner {
    fn bucket_info(
        &self,
        rows: &dyn event_log::Snapshot,
        tenant: TenantId,
        bucket: Found,
    ) -> Result<BucketInfo, StoreError> {
        let base = self.base_info(rows, tenant, &bucket)?;
        let display_name = display_name(rows, tenant, &bucket.row.owner)?;
        Ok(BucketInfo {
            id: bucket.id,
            name: bucket.row.name,
            created: bucket.row.created,
            region: bucket.row.region,
            owner_display_name: display_name,
            owner: bucket.row.owner,
            versioning: bucket.row.versioning,
            object_lock: bucket.row.object_lock,
            default_retention: bucket.row.default_retention,
            ownership: bucket.row.ownership,
            has_ownership_controls: !bucket.row.without_ownership_controls,
            base,
        })
    }

    /// Position of the last event of an outcome, or of the log's last one when nothing needed to change.
    pub(crate) fn position(&self, tenant: TenantId, recorded: &Outcome) -> Result<Position, StoreError> {
        if let Some(last) = recorded.last() {
            return Ok(last.header.position);
        }
        let head = self.log.snapshot().log_head(tenant).map_err(log_error)?;
        Ok(Position(head.map_or(0, |head| head.next.0.saturating_sub(1))))
    }
}

/// A user's name for people; the id when the user is gone.
pub(crate) fn display_name(rows: &dyn Rows, tenant: TenantId, user: &UserId) -> Result<String, StoreError> {
    let row = query::user(rows, tenant, user).map_err(rows_error)?;
    Ok(row.map_or_else(|| user.to_string(), |row| row.display_name))
}
