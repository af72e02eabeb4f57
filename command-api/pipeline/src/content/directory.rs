//! Finds a blob's key and place for the blob store, from one snapshot.

use std::error::Error;
use std::sync::Arc;

use blob_store::Place;
use blob_store::content::{Directory, Found};
use event_log::{Rows, Snapshot};
use schemas::{BlobId, TenantId};
use vault::Vault;

use super::Scope;
use crate::tables::{BlobRow, Located, PHYSICAL, TRUTH, blob_key, decode_wrap, inline_key, wrap_key};

/// The blobs that one bucket can open.
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

impl Directory for BlobDirectory {
    fn find(&self, tenant: TenantId, blob: BlobId) -> Result<Option<Found>, Box<dyn Error + Send + Sync>> {
        let rows: &dyn Rows = self.snapshot.as_ref();
        let Some(row) = blob_row(rows, tenant, blob)? else { return Ok(None) };
        let Some(wrap) = rows.get(TRUTH, &wrap_key(tenant, blob, self.scope.key))? else { return Ok(None) };
        let (_, wrapped) = decode_wrap(&wrap).ok_or(MalformedRow(blob))?;
        let key = self.vault.unwrap_blob_key(self.scope.wrap(), blob, wrapped)?;
        let Some(place) = place(rows, tenant, blob, &row)? else { return Ok(None) };
        Ok(Some(Found { key, place, size_bytes: row.size_bytes }))
    }
}
