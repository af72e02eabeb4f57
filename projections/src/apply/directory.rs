//! Events about everything that is not an object or upload: buckets, users, keys, tenants, tasks, the clock.

use schemas::event::{
    AccessKeyCreated, AccessKeyRevoked, AccessKeyRotated, AccessKeyStatusSet, AdminTokenCreated, AdminTokenRevoked,
    ApiKeyCreated, ApiKeyRotated, BucketCreated, BucketDeleted, BucketObjectLockSet, BucketOwnershipSet, ClockTicked,
    Event, InstallationCreated, ObjectOwnership, Setting, TaskFinished, TaskProgressed, TaskStarted, TenantCreated,
    TenantDeleted, UserCreated, UserDeleted, VersioningSet,
};
use schemas::{AccessKeyId, BucketId, TenantId, Time};

use super::Fold;
use crate::row::{
    AccessKey, AccessKeyStatus, AccessKeyTenant, AdminToken, AdminTokenByHash, Bucket, BucketByName, Clock,
    DeletedBucket, EndedTask, FormerBucket, Installation, OrphanedBucket, RowError, Task, Tenant, TenantByName, User,
};

impl Fold<'_> {
    pub(super) fn bucket_created(&mut self, event: &BucketCreated) -> Result<(), RowError> {
        self.bucket = event.bucket;
        let bucket = Bucket {
            name: event.name.clone(),
            created: self.header.time,
            region: event.region.clone(),
            owner: event.owner.clone(),
            key: event.key,
            ownership: event.ownership,
            versioning: event.versioning,
            object_lock: event.object_lock,
            without_ownership_controls: event.without_ownership_controls,
            created_by: self.header.id(),
            default_retention: None,
            window: None,
            base: event.base,
            settings: event.acl.iter().map(|_| (Setting::Acl, self.header.id())).collect(),
        };
        self.put(Bucket::key(self.tenant, event.bucket), &bucket);
        self.put(BucketByName::key(self.tenant, &event.name), &BucketByName(event.bucket));
        self.delta.buckets += 1;
        if let Some(base) = event.base {
            self.derive(event.bucket, base);
        }
        Ok(())
    }

    pub(super) fn bucket_deleted(&mut self, event: &BucketDeleted) -> Result<(), RowError> {
        self.bucket = event.bucket;
        let key = Bucket::key(self.tenant, event.bucket);
        let Some(row) = self.get::<Bucket>(&key)? else { return Ok(()) };
        self.underive(event.bucket, &row);
        self.put_former_bucket(event.bucket, row);
        self.remove::<Bucket>(key);
        self.remove::<BucketByName>(BucketByName::key(self.tenant, &event.name));
        // What is told of it later still has its name.
        self.put(DeletedBucket::key(self.tenant, event.bucket), &DeletedBucket(event.name.clone()));
        self.put_quota(event.bucket, schemas::event::Quota::default())?;
        self.delta.buckets -= 1;
        // There may be more open uploads than a unit can hold: one row says where to look for them. They are counted
        // until each of them has ended.
        if self.usage()?.uploads > 0 {
            let orphan = OrphanedBucket { deleted: self.header.time };
            self.put(OrphanedBucket::key(self.tenant, event.bucket), &orphan);
        }
        Ok(())
    }

    pub(super) fn versioning_set(&mut self, event: &VersioningSet) -> Result<(), RowError> {
        let versioning = event.versioning;
        self.change_bucket(event.bucket, |row| Bucket { versioning, ..row })
    }

    pub(super) fn bucket_object_lock_set(&mut self, event: &BucketObjectLockSet) -> Result<(), RowError> {
        let set_by = self.header.id();
        self.change_bucket(event.bucket, |mut row| {
            row.settings.insert(Setting::ObjectLock, set_by);
            Bucket { object_lock: true, default_retention: event.default, ..row }
        })
    }

    pub(super) fn bucket_ownership_set(&mut self, event: &BucketOwnershipSet) -> Result<(), RowError> {
        let ownership = event.ownership.unwrap_or(ObjectOwnership::ObjectWriter);
        let without_ownership_controls = event.ownership.is_none();
        self.change_bucket(event.bucket, |row| Bucket { ownership, without_ownership_controls, ..row })
    }

    /// Notes where the words of a setting stand.
    pub(super) fn bucket_setting_set(&mut self, event: &Event) -> Result<(), RowError> {
        let Some((bucket, setting, present)) = event.bucket_setting() else { return Ok(()) };
        let set_by = self.header.id();
        self.change_bucket(bucket, |mut row| {
            if present {
                row.settings.insert(setting, set_by);
            } else {
                row.settings.remove(&setting);
            }
            row
        })
    }

    /// Changes a bucket that is there, and notes what it was.
    pub(super) fn change_bucket(
        &mut self,
        bucket: BucketId,
        change: impl FnOnce(Bucket) -> Bucket,
    ) -> Result<(), RowError> {
        let key = Bucket::key(self.tenant, bucket);
        if let Some(row) = self.get::<Bucket>(&key)? {
            self.put(key, &change(row.clone()));
            self.put_former_bucket(bucket, row);
        }
        Ok(())
    }

    fn put_former_bucket(&mut self, bucket: BucketId, row: Bucket) {
        self.put(FormerBucket::key(self.tenant, bucket, self.header.position), &FormerBucket(row));
    }

    pub(super) fn user_created(&mut self, event: &UserCreated) -> Result<(), RowError> {
        let user = User {
            display_name: event.display_name.clone(),
            email: event.email.clone(),
            created: self.header.time,
            created_by: self.header.id(),
            deleted: None,
        };
        self.put(User::key(self.tenant, &event.user), &user);
        Ok(())
    }

    pub(super) fn user_deleted(&mut self, event: &UserDeleted) -> Result<(), RowError> {
        // The keys' rows stay too: they work for a user that is not deleted.
        let key = User::key(self.tenant, &event.user);
        if let Some(user) = self.get::<User>(&key)? {
            self.put(key, &User { deleted: user.deleted.or(Some(self.header.time)), ..user });
        }
        Ok(())
    }

    pub(super) fn access_key_created(&mut self, event: &AccessKeyCreated) -> Result<(), RowError> {
        let row = AccessKey {
            user: event.user.clone(),
            user_created_by: None,
            sealed_secret: event.sealed_secret.clone(),
            scopes: event.scopes.clone(),
            name: event.name.clone(),
            status: AccessKeyStatus::Active,
            created: self.header.time,
            expires: event.expires,
            api_sha256: None,
            rotated: None,
        };
        self.new_key(&event.access_key, row)
    }

    pub(super) fn api_key_created(&mut self, event: &ApiKeyCreated) -> Result<(), RowError> {
        let row = AccessKey {
            user: event.user.clone(),
            user_created_by: None,
            sealed_secret: Vec::new(),
            scopes: event.scopes.clone(),
            name: event.name.clone(),
            status: AccessKeyStatus::Active,
            created: self.header.time,
            expires: event.expires,
            api_sha256: Some(event.sha256.clone().into()),
            rotated: None,
        };
        self.new_key(&event.access_key, row)
    }

    fn new_key(&mut self, access_key: &AccessKeyId, row: AccessKey) -> Result<(), RowError> {
        let user = self.get::<User>(&User::key(self.tenant, &row.user))?;
        let row = AccessKey { user_created_by: user.map(|user| user.created_by), ..row };
        self.put(AccessKey::key(self.tenant, access_key), &row);
        self.put(AccessKeyTenant::key(access_key), &AccessKeyTenant(self.tenant));
        Ok(())
    }

    pub(super) fn access_key_rotated(&mut self, event: &AccessKeyRotated) -> Result<(), RowError> {
        let secret = event.sealed_secret.clone();
        self.change_key(&event.access_key, |row, now| AccessKey { sealed_secret: secret, rotated: Some(now), ..row })
    }

    pub(super) fn api_key_rotated(&mut self, event: &ApiKeyRotated) -> Result<(), RowError> {
        let sha256 = event.sha256.clone();
        self.change_key(&event.access_key, |row, now| AccessKey {
            api_sha256: Some(sha256.into()),
            rotated: Some(now),
            ..row
        })
    }

    pub(super) fn access_key_revoked(&mut self, event: &AccessKeyRevoked) -> Result<(), RowError> {
        self.set_access_key(&event.access_key, AccessKeyStatus::Revoked)
    }

    pub(super) fn access_key_status_set(&mut self, event: &AccessKeyStatusSet) -> Result<(), RowError> {
        let status = if event.enabled { AccessKeyStatus::Active } else { AccessKeyStatus::Disabled };
        self.set_access_key(&event.access_key, status)
    }

    fn set_access_key(&mut self, access_key: &AccessKeyId, status: AccessKeyStatus) -> Result<(), RowError> {
        self.change_key(access_key, |row, _| AccessKey { status, ..row })
    }

    /// Revoked is for good, whatever comes later.
    fn change_key(
        &mut self,
        access_key: &AccessKeyId,
        change: impl FnOnce(AccessKey, Time) -> AccessKey,
    ) -> Result<(), RowError> {
        let key = AccessKey::key(self.tenant, access_key);
        if let Some(row) = self.get::<AccessKey>(&key)?
            && row.status != AccessKeyStatus::Revoked
        {
            self.put(key, &change(row, self.header.time));
        }
        Ok(())
    }

    pub(super) fn tenant_created(&mut self, event: &TenantCreated) -> Result<(), RowError> {
        let tenant = Tenant {
            name: event.name.clone(),
            key: event.key,
            created: self.header.time,
            created_by: self.header.id(),
            disabled: None,
        };
        self.put(Tenant::key(event.tenant), &tenant);
        self.put(TenantByName::key(&event.name), &TenantByName(event.tenant));
        Ok(())
    }

    pub(super) fn tenant_disabled(&mut self, tenant: TenantId, reason: Option<&str>) -> Result<(), RowError> {
        let key = Tenant::key(tenant);
        if let Some(row) = self.get::<Tenant>(&key)? {
            self.put(key, &Tenant { disabled: reason.map(str::to_owned), ..row });
        }
        Ok(())
    }

    pub(super) fn tenant_deleted(&mut self, event: &TenantDeleted) -> Result<(), RowError> {
        let key = Tenant::key(event.tenant);
        if let Some(row) = self.get::<Tenant>(&key)? {
            self.remove::<TenantByName>(TenantByName::key(&row.name));
            self.remove::<Tenant>(key);
        }
        Ok(())
    }

    pub(super) fn admin_token_created(&mut self, event: &AdminTokenCreated) -> Result<(), RowError> {
        let token = AdminToken {
            sha256: event.sha256.clone(),
            role: event.role,
            name: event.name.clone(),
            tenant: event.tenant,
            created: self.header.time,
            expires: event.expires,
            revoked: None,
        };
        self.put(AdminToken::key(&event.id), &token);
        self.put(AdminTokenByHash::key(&event.sha256), &AdminTokenByHash(event.id.clone()));
        Ok(())
    }

    pub(super) fn admin_token_revoked(&mut self, event: &AdminTokenRevoked) -> Result<(), RowError> {
        let key = AdminToken::key(&event.id);
        if let Some(token) = self.get::<AdminToken>(&key)? {
            self.remove::<AdminTokenByHash>(AdminTokenByHash::key(&token.sha256));
            self.put(key, &AdminToken { revoked: Some(self.header.time), ..token });
        }
        Ok(())
    }

    pub(super) fn installation_created(&mut self, event: &InstallationCreated) -> Result<(), RowError> {
        let row = Installation { installation: event.installation.clone(), created: self.header.time };
        self.put(Installation::key(), &row);
        Ok(())
    }

    pub(super) fn clock_ticked(&mut self, event: &ClockTicked) -> Result<(), RowError> {
        let clock = Clock { time: self.header.time, wall: event.wall, acknowledged: event.acknowledged };
        self.put(Clock::key(), &clock);
        Ok(())
    }

    pub(super) fn task_started(&mut self, event: &TaskStarted) -> Result<(), RowError> {
        let task = Task {
            kind: event.kind.clone(),
            arguments: event.arguments.clone(),
            cursor: None,
            done: 0,
            started: self.header.time,
            progressed: self.header.time,
        };
        self.put(Task::key(self.tenant, &event.task), &task);
        Ok(())
    }

    pub(super) fn task_progressed(&mut self, event: &TaskProgressed) -> Result<(), RowError> {
        let key = Task::key(self.tenant, &event.task);
        if let Some(task) = self.get::<Task>(&key)? {
            let cursor = Some(event.cursor.clone());
            self.put(key, &Task { cursor, done: event.done, progressed: self.header.time, ..task });
        }
        Ok(())
    }

    pub(super) fn task_finished(&mut self, event: &TaskFinished) -> Result<(), RowError> {
        let key = Task::key(self.tenant, &event.task);
        if let Some(task) = self.get::<Task>(&key)? {
            let ended = self.header.time;
            let error = event.error.clone();
            let Task { kind, arguments, cursor, done, started, .. } = task;
            let row = EndedTask { kind, done, started, ended, error, arguments, cursor };
            self.put(EndedTask::key(self.tenant, &event.task), &row);
            self.remove::<Task>(key);
        }
        Ok(())
    }
}
