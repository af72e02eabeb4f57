//! What events about tenants, users, keys, quotas and signed addresses say.

use schemas::event::{self, AdminRole, QuotaDimension};
use schemas::{AccessKeyId, TenantId};

use crate::translation::shape::shapes;
use crate::translation::text::{Moment, Text};

shapes! {
    /// A new tenant.
    struct TenantCreated<'a> {
        /// Its number, as text: it has more digits than a double holds.
        tenant: Text<TenantId>,
        /// Its name.
        name: &'a str,
    }

    /// A tenant that was disabled or deleted.
    struct TenantEnded<'a> {
        /// Its number, as text.
        tenant: Text<TenantId>,
        /// Why, in the operator's words.
        reason: &'a str,
    }

    /// A tenant that was enabled.
    struct TenantEnabled {
        /// Its number, as text.
        tenant: Text<TenantId>,
    }

    /// A new admin token.
    struct AdminTokenCreated<'a> {
        /// The id that it is shown and revoked by.
        token: &'a str,
        /// `viewer`, `operator` or `owner`.
        role: &'static str,
        /// What people call it.
        name: &'a str,
        /// The one tenant that it may see, as a number in text, if it is limited.
        tenant: Option<Text<TenantId>>,
        /// When it ends, if it does.
        expires_at: Option<Moment>,
    }

    /// An admin token that was revoked.
    struct AdminTokenRevoked<'a> {
        /// The id that it was shown by.
        token: &'a str,
    }

    /// A new user.
    struct UserCreated<'a> {
        /// Unique in the tenant.
        user: &'a str,
        /// What people call it.
        display_name: &'a str,
        /// Where mail goes.
        email: Option<&'a str>,
    }

    /// A user that was deleted.
    struct UserDeleted<'a> {
        /// Which.
        user: &'a str,
    }

    /// A new access key or API key.
    struct KeyCreated<'a> {
        /// The id that it is shown and revoked by.
        access_key: &'a str,
        /// Whose.
        user: &'a str,
        /// What it may do.
        scopes: &'a str,
        /// What people call it.
        name: Option<&'a str>,
        /// When it ends, if it does.
        expires_at: Option<Moment>,
    }

    /// An access key that was revoked.
    struct KeyRevoked<'a> {
        /// Which.
        access_key: &'a str,
        /// Why, if somebody said.
        reason: Option<&'a str>,
    }

    /// An access key that was disabled or enabled.
    struct KeyStatusSet<'a> {
        /// Which.
        access_key: &'a str,
        /// Whether it works.
        enabled: bool,
    }

    /// An access key or API key that got another secret.
    struct KeyRotated<'a> {
        /// Which.
        access_key: &'a str,
    }

    /// A quota. One without bounds was removed.
    struct QuotaSet {
        /// `tenant` or `bucket`.
        scope: &'static str,
        /// Most bytes that may be held.
        bytes: Option<u64>,
        /// Most current objects.
        objects: Option<u64>,
    }

    /// A share of a quota that is reached.
    struct ThresholdReached {
        /// `tenant` or `bucket`: whose quota it is.
        scope: &'static str,
        /// `bytes` or `objects`.
        dimension: &'static str,
        /// 80, 90 or 100: the highest that the write reached.
        percent: u8,
        /// The bound.
        limit: u64,
        /// What is held with the write.
        held: u64,
    }

    /// Addresses that were signed. They stop working together.
    struct UrlSigned<'a> {
        /// What they are shown and revoked by. It opens nothing.
        id: &'a str,
        /// Who asked.
        user: &'a str,
        /// The key that they stand for.
        access_key: &'a str,
        /// The method that they are for.
        method: &'a str,
        /// The bucket that they are for.
        bucket: &'a str,
        /// The object key that they are for; of several the first.
        key: &'a str,
        /// How many they are.
        count: u32,
        /// When the last of them ends.
        expires_at: Moment,
    }

    /// Signed addresses that stopped working.
    struct SignedUrlRevoked<'a> {
        /// What they were shown by.
        id: &'a str,
        /// When they would have ended.
        expires_at: Moment,
    }
}

impl<'a> TenantCreated<'a> {
    pub(super) fn of(created: &'a event::TenantCreated) -> Self {
        Self { tenant: Text(created.tenant), name: created.name.as_str() }
    }
}

impl<'a> TenantEnded<'a> {
    pub(super) fn of(tenant: TenantId, reason: &'a str) -> Self {
        Self { tenant: Text(tenant), reason }
    }
}

impl TenantEnabled {
    pub(super) fn of(enabled: &event::TenantEnabled) -> Self {
        Self { tenant: Text(enabled.tenant) }
    }
}

impl<'a> AdminTokenCreated<'a> {
    pub(super) fn of(created: &'a event::AdminTokenCreated) -> Self {
        Self {
            token: &created.id,
            role: match created.role {
                AdminRole::Viewer => "viewer",
                AdminRole::Operator => "operator",
                AdminRole::Owner => "owner",
            },
            name: &created.name,
            tenant: created.tenant.map(Text),
            expires_at: created.expires.map(Moment),
        }
    }
}

impl<'a> AdminTokenRevoked<'a> {
    pub(super) fn of(revoked: &'a event::AdminTokenRevoked) -> Self {
        Self { token: &revoked.id }
    }
}

impl<'a> UserCreated<'a> {
    pub(super) fn of(created: &'a event::UserCreated) -> Self {
        Self { user: created.user.as_str(), display_name: &created.display_name, email: created.email.as_deref() }
    }
}

impl<'a> UserDeleted<'a> {
    pub(super) fn of(deleted: &'a event::UserDeleted) -> Self {
        Self { user: deleted.user.as_str() }
    }
}

impl<'a> KeyCreated<'a> {
    pub(super) fn of_access_key(created: &'a event::AccessKeyCreated) -> Self {
        Self {
            access_key: created.access_key.as_str(),
            user: created.user.as_str(),
            scopes: &created.scopes,
            name: created.name.as_deref(),
            expires_at: created.expires.map(Moment),
        }
    }

    pub(super) fn of_api_key(created: &'a event::ApiKeyCreated) -> Self {
        Self {
            access_key: created.access_key.as_str(),
            user: created.user.as_str(),
            scopes: &created.scopes,
            name: created.name.as_deref(),
            expires_at: created.expires.map(Moment),
        }
    }
}

impl<'a> KeyRevoked<'a> {
    pub(super) fn of(revoked: &'a event::AccessKeyRevoked) -> Self {
        Self { access_key: revoked.access_key.as_str(), reason: revoked.reason.as_deref() }
    }
}

impl<'a> KeyStatusSet<'a> {
    pub(super) fn of(set: &'a event::AccessKeyStatusSet) -> Self {
        Self { access_key: set.access_key.as_str(), enabled: set.enabled }
    }
}

impl<'a> KeyRotated<'a> {
    pub(super) fn of(access_key: &'a AccessKeyId) -> Self {
        Self { access_key: access_key.as_str() }
    }
}

impl QuotaSet {
    pub(super) fn of(set: &event::QuotaSet) -> Self {
        Self { scope: scope(set.bucket.is_some()), bytes: set.quota.bytes, objects: set.quota.objects }
    }
}

impl ThresholdReached {
    pub(super) fn of(reached: &event::QuotaThresholdReached) -> Self {
        Self {
            scope: scope(reached.bucket.is_some()),
            dimension: match reached.dimension {
                QuotaDimension::Bytes => "bytes",
                QuotaDimension::Objects => "objects",
            },
            percent: reached.percent,
            limit: reached.limit,
            held: reached.held,
        }
    }
}

fn scope(is_bucket: bool) -> &'static str {
    if is_bucket { "bucket" } else { "tenant" }
}

impl<'a> UrlSigned<'a> {
    pub(super) fn of(signed: &'a event::UrlSigned) -> Self {
        Self {
            id: &signed.id,
            user: signed.user.as_str(),
            access_key: signed.access_key.as_str(),
            method: &signed.method,
            bucket: signed.bucket.as_str(),
            key: &signed.key,
            count: signed.count,
            expires_at: Moment(signed.expires),
        }
    }
}

impl<'a> SignedUrlRevoked<'a> {
    pub(super) fn of(revoked: &'a event::SignedUrlRevoked) -> Self {
        Self { id: &revoked.id, expires_at: Moment(revoked.expires) }
    }
}
