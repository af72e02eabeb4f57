//! Buckets, tenants, users, keys, tokens, tasks, counters.

use std::ops::Bound;

use event_log::{Rows, prefix, prefix_end};
use schemas::event::Quota;
use schemas::{AccessKeyId, BucketId, BucketName, SubscriptionId, TenantId, TenantName, Time, UserId};

use crate::row::{
    self, AccessKey, AccessKeyStatus, AccessKeyTenant, AdminToken, AdminTokenByHash, Bucket, BucketByName, Clock,
    DeletedBucket, EndedTask, Installation, Row, RowError, SignedUrl, Task, Tenant, TenantByName, Usage, User, Webhook,
};
use crate::tables::KIND_BYTES;

/// A bucket.
///
/// # Errors
/// [`RowError`].
pub fn bucket(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<Option<Bucket>, RowError> {
    row::get(rows, &Bucket::key(tenant, bucket))
}

/// The name of a bucket that is there or was.
///
/// # Errors
/// [`RowError`].
pub fn bucket_name(rows: &dyn Rows, tenant: TenantId, id: BucketId) -> Result<Option<BucketName>, RowError> {
    if let Some(row) = bucket(rows, tenant, id)? {
        return Ok(Some(row.name));
    }
    let deleted: Option<DeletedBucket> = row::get(rows, &DeletedBucket::key(tenant, id))?;
    Ok(deleted.map(|DeletedBucket(name)| name))
}

/// A webhook.
///
/// # Errors
/// [`RowError`].
pub fn webhook(rows: &dyn Rows, tenant: TenantId, id: SubscriptionId) -> Result<Option<Webhook>, RowError> {
    row::get(rows, &Webhook::key(tenant, id))
}

/// All webhooks of a tenant, by id.
///
/// # Errors
/// [`RowError`].
pub fn webhooks(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(SubscriptionId, Webhook)>, RowError> {
    all(rows, &Webhook::prefix(tenant), Webhook::parse_key)
}

/// The bucket of a name.
///
/// # Errors
/// [`RowError`].
pub fn bucket_by_name(
    rows: &dyn Rows,
    tenant: TenantId,
    name: &BucketName,
) -> Result<Option<(BucketId, Bucket)>, RowError> {
    let Some(BucketByName(id)) = row::get(rows, &BucketByName::key(tenant, name))? else { return Ok(None) };
    Ok(bucket(rows, tenant, id)?.map(|bucket| (id, bucket)))
}

/// Buckets by name: those whose name begins with `name_prefix` and is greater than `after`, at most `max`; and whether more
/// follow.
///
/// # Errors
/// [`RowError`].
pub fn list_buckets(
    rows: &dyn Rows,
    tenant: TenantId,
    name_prefix: &str,
    after: Option<&str>,
    max: usize,
) -> Result<(Vec<(BucketId, Bucket)>, bool), RowError> {
    let beginning = BucketByName::beginning(tenant, name_prefix);
    let to = prefix_end(&beginning).map_or(Bound::Unbounded, Bound::Excluded);
    let after = after.map(|after| BucketByName::beginning(tenant, after));
    let from = match after {
        Some(after) if after >= beginning => Bound::Excluded(after),
        _ => Bound::Included(beginning),
    };
    let mut buckets = Vec::new();
    if max == 0 {
        return Ok((buckets, false));
    }
    for row in rows.range(BucketByName::TABLE, from, to) {
        if buckets.len() == max {
            return Ok((buckets, true));
        }
        let BucketByName(id) = row::decode(&row?.1)?;
        // Both rows are written in one batch.
        let found = bucket(rows, tenant, id)?.ok_or(RowError::malformed::<BucketByName>())?;
        buckets.push((id, found));
    }
    Ok((buckets, false))
}

/// What a bucket holds.
///
/// # Errors
/// [`RowError`].
pub fn usage(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<Usage, RowError> {
    Ok(row::get(rows, &Usage::key(tenant, bucket))?.unwrap_or_default())
}

/// What a tenant holds.
///
/// # Errors
/// [`RowError`].
pub fn tenant_usage(rows: &dyn Rows, tenant: TenantId) -> Result<Usage, RowError> {
    usage(rows, tenant, BucketId::NONE)
}

/// A tenant.
///
/// # Errors
/// [`RowError`].
pub fn tenant(rows: &dyn Rows, tenant: TenantId) -> Result<Option<Tenant>, RowError> {
    row::get(rows, &Tenant::key(tenant))
}

/// The tenant of a name.
///
/// # Errors
/// [`RowError`].
pub fn tenant_by_name(rows: &dyn Rows, name: &TenantName) -> Result<Option<(TenantId, Tenant)>, RowError> {
    let Some(TenantByName(id)) = row::get(rows, &TenantByName::key(name))? else { return Ok(None) };
    Ok(tenant(rows, id)?.map(|tenant| (id, tenant)))
}

/// All tenants, by name.
///
/// # Errors
/// [`RowError`].
pub fn tenants(rows: &dyn Rows) -> Result<Vec<(TenantId, Tenant)>, RowError> {
    let names = all::<TenantByName, _>(rows, &TenantByName::prefix(), TenantByName::parse_key)?;
    let with_row = |(_, TenantByName(id)): (TenantName, TenantByName)| {
        let found = tenant(rows, id)?.ok_or(RowError::malformed::<TenantByName>())?;
        Ok((id, found))
    };
    names.into_iter().map(with_row).collect()
}

/// A user that exists.
///
/// # Errors
/// [`RowError`].
pub fn user(rows: &dyn Rows, tenant: TenantId, user: &UserId) -> Result<Option<User>, RowError> {
    Ok(user_ever(rows, tenant, user)?.filter(|row| row.deleted.is_none()))
}

/// A user that exists or existed.
///
/// # Errors
/// [`RowError`].
pub fn user_ever(rows: &dyn Rows, tenant: TenantId, user: &UserId) -> Result<Option<User>, RowError> {
    row::get(rows, &User::key(tenant, user))
}

/// A tenant's users, by id.
///
/// # Errors
/// [`RowError`].
pub fn users(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(UserId, User)>, RowError> {
    let mut users = all(rows, &User::prefix(tenant), User::parse_key)?;
    users.retain(|(_, user): &(UserId, User)| user.deleted.is_none());
    Ok(users)
}

/// The quota of a bucket; of the tenant under [`BucketId::NONE`]. One without bounds bounds nothing.
///
/// # Errors
/// [`RowError`].
pub fn quota(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<Quota, RowError> {
    Ok(row::get::<row::Quota>(rows, &row::Quota::key(tenant, bucket))?.map_or_else(Quota::default, |row| row.0))
}

/// Addresses that were signed in one call, by their end and id.
///
/// # Errors
/// [`RowError`].
pub fn signed_url(rows: &dyn Rows, tenant: TenantId, expires: Time, id: &str) -> Result<Option<SignedUrl>, RowError> {
    row::get(rows, &SignedUrl::key(tenant, expires, id))
}

/// Signed addresses that end later than `now`, revoked ones included, by their end: those behind `after`, at most `max`.
///
/// # Errors
/// [`RowError`].
pub fn signed_urls(
    rows: &dyn Rows,
    tenant: TenantId,
    now: Time,
    after: Option<(Time, &str)>,
    max: usize,
) -> Result<Vec<(Time, String, SignedUrl)>, RowError> {
    let beginning = SignedUrl::ending(tenant, Time(now.0.saturating_add(1)));
    let from = match after.map(|(expires, id)| SignedUrl::key(tenant, expires, id)) {
        Some(after) if after >= beginning => Bound::Excluded(after),
        _ => Bound::Included(beginning),
    };
    let end = prefix_end(&SignedUrl::ending(tenant, Time(0))[..KIND_BYTES]).map_or(Bound::Unbounded, Bound::Excluded);
    let parse = |row: Result<(Vec<u8>, Vec<u8>), event_log::ReadError>| {
        let (key, value) = row?;
        let (expires, id) = SignedUrl::parse_key(&key).ok_or(RowError::malformed::<SignedUrl>())?;
        Ok((expires, id, row::decode(&value)?))
    };
    rows.range(SignedUrl::TABLE, from, end).take(max).map(parse).collect()
}

/// An access key of a tenant, working or not.
///
/// # Errors
/// [`RowError`].
pub fn access_key(rows: &dyn Rows, tenant: TenantId, id: &AccessKeyId) -> Result<Option<AccessKey>, RowError> {
    row::get(rows, &AccessKey::key(tenant, id))
}

/// A tenant's access keys, by id.
///
/// # Errors
/// [`RowError`].
pub fn access_keys(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(AccessKeyId, AccessKey)>, RowError> {
    all(rows, &AccessKey::prefix(tenant), AccessKey::parse_key)
}

/// The tenant that has an access key, working or not: ids are taken for good.
///
/// # Errors
/// [`RowError`].
pub fn tenant_of_access_key(rows: &dyn Rows, id: &AccessKeyId) -> Result<Option<TenantId>, RowError> {
    Ok(row::get(rows, &AccessKeyTenant::key(id))?.map(|AccessKeyTenant(tenant)| tenant))
}

/// An access key that works, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Tenant.
    pub tenant: TenantId,
    /// User, by the id in `access_key`.
    pub user: User,
    /// The key.
    pub access_key: AccessKey,
}

/// An access key, if it works at `now`: active, not expired, made for the user who has this id now, in a tenant that is not
/// disabled.
///
/// # Errors
/// [`RowError`].
pub fn credential(rows: &dyn Rows, id: &AccessKeyId, now: Time) -> Result<Option<Credential>, RowError> {
    let Some(tenant_id) = tenant_of_access_key(rows, id)? else { return Ok(None) };
    if tenant(rows, tenant_id)?.is_none_or(|tenant| tenant.disabled.is_some()) {
        return Ok(None);
    }
    let works =
        |key: &AccessKey| key.status == AccessKeyStatus::Active && key.expires.is_none_or(|expires| now < expires);
    let Some(access_key) = access_key(rows, tenant_id, id)?.filter(works) else { return Ok(None) };
    let user = user(rows, tenant_id, &access_key.user)?;
    let user = user.filter(|user| access_key.user_created_by == Some(user.created_by));
    Ok(user.map(|user| Credential { tenant: tenant_id, user, access_key }))
}

/// An admin token, working or not.
///
/// # Errors
/// [`RowError`].
pub fn admin_token(rows: &dyn Rows, id: &str) -> Result<Option<AdminToken>, RowError> {
    row::get(rows, &AdminToken::key(id))
}

/// The admin token of a hash, if it was not revoked. Whether it has expired is the caller's to see.
///
/// # Errors
/// [`RowError`].
pub fn admin_token_by_sha256(rows: &dyn Rows, sha256: &[u8; 32]) -> Result<Option<(String, AdminToken)>, RowError> {
    let Some(AdminTokenByHash(id)) = row::get(rows, &AdminTokenByHash::key(sha256))? else { return Ok(None) };
    Ok(admin_token(rows, &id)?.map(|token| (id, token)))
}

/// All admin tokens, by id.
///
/// # Errors
/// [`RowError`].
pub fn admin_tokens(rows: &dyn Rows) -> Result<Vec<(String, AdminToken)>, RowError> {
    all(rows, &AdminToken::prefix(), AdminToken::parse_key)
}

/// The installation; none before its first event.
///
/// # Errors
/// [`RowError`].
pub fn installation(rows: &dyn Rows) -> Result<Option<Installation>, RowError> {
    row::get(rows, &Installation::key())
}

/// The last tick of the clock.
///
/// # Errors
/// [`RowError`].
pub fn clock(rows: &dyn Rows) -> Result<Option<Clock>, RowError> {
    row::get(rows, &Clock::key())
}

/// A task that is not finished.
///
/// # Errors
/// [`RowError`].
pub fn task(rows: &dyn Rows, tenant: TenantId, id: &str) -> Result<Option<Task>, RowError> {
    row::get(rows, &Task::key(tenant, id))
}

/// A tenant's tasks that are not finished, by id.
///
/// # Errors
/// [`RowError`].
pub fn tasks(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(String, Task)>, RowError> {
    all(rows, &Task::prefix(tenant), Task::parse_key)
}

/// Tasks that are finished, by id: those behind `after`, at most `max`.
///
/// # Errors
/// [`RowError`].
pub fn ended_tasks(
    rows: &dyn Rows,
    tenant: TenantId,
    after: Option<&str>,
    max: usize,
) -> Result<Vec<(String, EndedTask)>, RowError> {
    let beginning = EndedTask::prefix(tenant);
    let to = prefix_end(&beginning).map_or(Bound::Unbounded, Bound::Excluded);
    let from = match after {
        Some(after) => Bound::Excluded(EndedTask::key(tenant, after)),
        None => Bound::Included(beginning),
    };
    let parse = |row: Result<(Vec<u8>, Vec<u8>), event_log::ReadError>| {
        let (key, value) = row?;
        Ok((EndedTask::parse_key(&key).ok_or(RowError::malformed::<EndedTask>())?, row::decode(&value)?))
    };
    rows.range(EndedTask::TABLE, from, to).take(max).map(parse).collect()
}

/// What became of a task.
///
/// # Errors
/// [`RowError`].
pub fn ended_task(rows: &dyn Rows, tenant: TenantId, id: &str) -> Result<Option<EndedTask>, RowError> {
    row::get(rows, &EndedTask::key(tenant, id))
}

/// All rows of a kind. For kinds that an operator makes, few by nature.
fn all<R: Row, K>(
    rows: &dyn Rows,
    beginning: &[u8],
    parse: impl Fn(&[u8]) -> Option<K>,
) -> Result<Vec<(K, R)>, RowError> {
    prefix(rows, R::TABLE, beginning)
        .map(|row| {
            let (key, value) = row?;
            Ok((parse(&key).ok_or(RowError::malformed::<R>())?, row::decode(&value)?))
        })
        .collect()
}
