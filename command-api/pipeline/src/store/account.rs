//! What a user may know of the account that a request is for: whose it is, what is held, what bounds there are.
//!
//! Owns: gathering it. Does not own: quotas ([`super::quota`]), keys ([`super::keys`]), signed URLs ([`super::bearer`]).

use domain::Refusal;
use domain::upload::{Limits, PART_BYTES_MAX, PART_NUMBER_MAX};
use projections::query;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, TenantName, UserId};

use super::{PUT_BYTES_MAX, Store, rows_error};
use crate::api::{Caller, QuotaInfo, StoreError, Usage, Who};

/// Signed URLs that are counted at most: beyond it their number is only known to be at least as large.
const SIGNED_URLS_COUNTED_MAX: usize = 10_000;

/// The account of a caller.
#[derive(Debug, Clone)]
pub struct Account {
    /// The tenant's name.
    pub tenant: TenantName,
    /// The user.
    pub user: UserId,
    /// The user's name for people.
    pub display_name: String,
    /// The credential.
    pub access_key: AccessKeyId,
    /// What it may do, now.
    pub scopes: Scopes,
    /// The tenant's quota, and what is held under it.
    pub quota: QuotaInfo,
    /// What the tenant holds.
    pub usage: Usage,
    /// Open uploads.
    pub uploads: u64,
    /// Signed URLs that work and that the caller sees.
    pub signed_urls: u64,
    /// Whether they were all counted.
    pub signed_urls_exact: bool,
}

/// Bounds of requests that this store was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most bytes of an object that is stored in one request.
    pub put_bytes_max: u64,
    /// Most bytes of an object that is uploaded in parts.
    pub object_bytes_max: u64,
    /// Fewest bytes of a part that is not the last one.
    pub part_bytes_min: u64,
    /// Most bytes of a part.
    pub part_bytes_max: u64,
    /// Most parts of an upload.
    pub parts_max: u16,
}

impl Store {
    /// Who the caller is, what its tenant holds and may hold.
    ///
    /// # Errors
    /// [`Refusal::AccessDenied`] for nobody known, [`StoreError`].
    pub async fn account(&self, caller: &Caller) -> Result<Account, StoreError> {
        let Who::User { user, display_name, access_key, scopes } = &caller.who else {
            return Err(Refusal::AccessDenied.into());
        };
        let quota = self.account_quota(caller).await?;
        let (urls, more) = self.list_signed_urls(caller, None, SIGNED_URLS_COUNTED_MAX).await?;
        let snapshot = self.inner.log.snapshot();
        let row = query::tenant(snapshot.as_ref(), caller.tenant).map_err(rows_error)?;
        let held = query::tenant_usage(snapshot.as_ref(), caller.tenant).map_err(rows_error)?;
        Ok(Account {
            tenant: row.ok_or(Refusal::NoSuchTenant)?.name,
            user: user.clone(),
            display_name: display_name.clone(),
            access_key: access_key.clone(),
            scopes: scopes.clone(),
            quota,
            usage: Usage {
                objects: held.objects,
                versions: held.versions,
                logical_bytes: held.logical_bytes,
                multipart_bytes: held.multipart_bytes,
                buckets: held.buckets,
            },
            uploads: held.uploads,
            signed_urls: urls.iter().map(|url| u64::from(url.count)).sum(),
            signed_urls_exact: !more,
        })
    }

    /// What bounds requests.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            put_bytes_max: PUT_BYTES_MAX,
            object_bytes_max: Limits::S3.object_bytes_max,
            part_bytes_min: self.inner.settings.part_bytes_min,
            part_bytes_max: PART_BYTES_MAX,
            parts_max: PART_NUMBER_MAX,
        }
    }
}
