//! Events about signed addresses.

use std::ops::Bound;

use schemas::Time;
use schemas::event::{SignedUrlRevoked, UrlSigned};

use super::Fold;
use crate::row::{Row, RowError, SignedUrl};

/// Rows of ended addresses that go with each new one: more than come, so that they cannot pile up.
const FORGOTTEN: usize = 4;

impl Fold<'_> {
    pub(super) fn url_signed(&mut self, event: &UrlSigned) -> Result<(), RowError> {
        let row = SignedUrl {
            user: event.user.clone(),
            access_key: event.access_key.clone(),
            method: event.method.clone(),
            bucket: event.bucket.clone(),
            key: event.key.clone(),
            count: event.count,
            created: self.header.time,
            revoked: None,
        };
        self.forget_ended()?;
        self.put(SignedUrl::key(self.tenant, event.expires, &event.id), &row);
        Ok(())
    }

    pub(super) fn signed_url_revoked(&mut self, event: &SignedUrlRevoked) -> Result<(), RowError> {
        let key = SignedUrl::key(self.tenant, event.expires, &event.id);
        if let Some(row) = self.get::<SignedUrl>(&key)? {
            if event.erased {
                self.remove::<SignedUrl>(key);
                return Ok(());
            }
            self.put(key, &SignedUrl { revoked: row.revoked.or(Some(self.header.time)), ..row });
        }
        Ok(())
    }

    fn forget_ended(&mut self) -> Result<(), RowError> {
        let from = Bound::Included(SignedUrl::ending(self.tenant, Time(0)));
        let to = Bound::Excluded(SignedUrl::ending(self.tenant, self.header.time));
        let ended: Vec<_> = self.rows.range(SignedUrl::TABLE, from, to).take(FORGOTTEN).collect();
        for row in ended {
            self.remove::<SignedUrl>(row?.0);
        }
        Ok(())
    }
}
