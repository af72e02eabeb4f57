//! Finds a blob's key and place for the blob store, from one snapshot.

use std::error::Error;
use std::sync::Arc;

use blob_store::Place;
use blob_store::content::{Directory, Found};
use event_log::{Rows, Snapshot};
use schemas::{BlobId, TenantId};
use vault::{BlobKey, CustomerKey, NamedKey, Vault, VaultError};

use super::{Mode, Scope};
use crate::tables::{
    BlobRow, Located, PHYSICAL, TRUTH, blob_key, customer_wrap_key, decode_named_wrap, decode_wrap, inline_key,
    named_wraps_prefix, wrap_key, wrapped_by,
};

/// The blobs that one bucket, and the mode of one object in it, can open.
pub(crate) struct BlobDirectory {
    pub(crate) snapshot: Arc<dyn Snapshot>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) scope: Scope,
}

/// A row of ours that we did not write.
#[derive(Debug, thiserror::Error)]
#[error("malformed row of blob {0}")]
pub(crate) struct MalformedRow(pub(crate) BlobId);

/// The row of a blob, if there is one.
pub(crate) fn blob_row(
    rows: &dyn Rows,
    tenant: TenantId,
    blob: BlobId,
) -> Result<Option<BlobRow>, Box<dyn Error + Send + Sync>> {
    let Some(value) = rows.get(PHYSICAL, &blob_key(tenant, blob))? else { return Ok(None) };
    Ok(Some(BlobRow::decode(&value).ok_or(MalformedRow(blob))?))
}

/// Where a blob is, with inline bytes read.
pub(crate) fn place(
    rows: &dyn Rows,
    tenant: TenantId,
    blob: BlobId,
    row: &BlobRow,
) -> Result<Option<Place>, Box<dyn Error + Send + Sync>> {
    Ok(match row.located {
        Located::Segment { segment, offset, length } => Some(Place::Segment { segment, offset, length }),
        Located::Inline => rows.get(TRUTH, &inline_key(tenant, blob))?.map(|bytes| Place::Inline(bytes.into())),
    })
}

/// What looking a blob up may end with.
pub(super) type Finding = Result<Option<Found>, Box<dyn Error + Send + Sync>>;

/// What looking a key up may end with.
type Unwrapped = Result<Option<BlobKey>, Box<dyn Error + Send + Sync>>;

/// The key of a blob that is under a named key; none if it is not, or not under one that lives.
pub(crate) fn under_name(rows: &dyn Rows, vault: &Vault, tenant: TenantId, name: NamedKey, blob: BlobId) -> Unwrapped {
    let mut destroyed = None;
    for row in event_log::prefix(rows, TRUTH, &named_wraps_prefix(tenant, blob)) {
        let (key, value) = row?;
        let (of, wrapped) = decode_named_wrap(&value).ok_or(MalformedRow(blob))?;
        let id = wrapped_by(&key).ok_or(MalformedRow(blob))?;
        if of != name {
            continue;
        }
        match vault.unwrap_under_name(tenant, name, id, blob, wrapped) {
            Ok(key) => return Ok(Some(key)),
            // Another wrap may be under a key that lives.
            Err(error @ VaultError::Destroyed { .. }) => destroyed = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    destroyed.map_or(Ok(None), |error| Err(error.into()))
}

impl BlobDirectory {
    /// The value of a blob's wrap under the bucket's key.
    pub(super) fn bucket_wrap(&self, blob: BlobId) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        Ok(self.snapshot.get(TRUTH, &wrap_key(self.scope.tenant, blob, self.scope.key))?)
    }

    fn under_bucket(&self, blob: BlobId) -> Unwrapped {
        self.bucket_wrap(blob)?.map(|wrap| self.unwrap(blob, &wrap)).transpose()
    }

    fn unwrap(&self, blob: BlobId, wrap: &[u8]) -> Result<BlobKey, Box<dyn Error + Send + Sync>> {
        let (_, wrapped) = decode_wrap(wrap).ok_or(MalformedRow(blob))?;
        Ok(self.vault.unwrap_blob_key(self.scope.wrap(), blob, wrapped)?)
    }

    /// A blob by its row and its wrap under the bucket's key.
    pub(super) fn found(&self, blob: BlobId, row: &BlobRow, wrap: &[u8]) -> Finding {
        self.opened_by(self.unwrap(blob, wrap)?, blob, row)
    }

    fn opened_by(&self, key: BlobKey, blob: BlobId, row: &BlobRow) -> Finding {
        let place = place(self.snapshot.as_ref(), self.scope.tenant, blob, row)?;
        Ok(place.map(|place| Found { key, place, size_bytes: row.size_bytes }))
    }

    fn under_customer(&self, blob: BlobId, key: &CustomerKey) -> Unwrapped {
        let Some(wrap) = self.snapshot.get(TRUTH, &customer_wrap_key(self.scope.tenant, blob))? else {
            return Ok(None);
        };
        let (_, wrapped) = decode_wrap(&wrap).ok_or(MalformedRow(blob))?;
        Ok(Some(key.unwrap_blob_key(self.scope.blob(), blob, wrapped)?))
    }
}

impl Directory for BlobDirectory {
    fn find(&self, tenant: TenantId, blob: BlobId) -> Finding {
        let rows: &dyn Rows = self.snapshot.as_ref();
        let Some(row) = blob_row(rows, tenant, blob)? else { return Ok(None) };
        let key = match &self.scope.mode {
            _ if row.manifest => self.under_bucket(blob)?,
            Mode::Managed => self.under_bucket(blob)?,
            Mode::Named(name) => under_name(rows, &self.vault, tenant, *name, blob)?,
            Mode::Customer(key) => self.under_customer(blob, key)?,
        };
        key.map_or(Ok(None), |key| self.opened_by(key, blob, &row))
    }
}
