//! Keys of a fork: what its base shows becomes its own with the first change.
//!
//! Owns: that the event which says so stands before the first change of the key, in the same unit.
//! Does not own: which rows follow (projections).

use event_log::Rows;
use projections::query;
use projections::row::Object;
use schemas::event::{Event, KeyInherited};
use schemas::record::Header;
use schemas::{ObjectKey, TenantId};

use super::{Found, planned, rows_error};
use crate::api::StoreError;
use crate::sequencer::Planned;

/// The object that a fork's key shows of its base, if it is not its own.
pub(crate) fn inherited(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: &Found,
    key: &ObjectKey,
) -> Result<Option<Object>, StoreError> {
    if !bucket.row.base.is_some_and(|base| base.writable) {
        return Ok(None);
    }
    let layers = query::layers(rows, tenant, bucket.id, &bucket.row, None).map_err(rows_error)?;
    layers.inherited(rows, key).map_err(rows_error)
}

/// Whether a record says that a key became a fork's own.
pub(super) fn is_inheritance(header: &Header) -> bool {
    header.event_type == KeyInherited::TYPE_CODE
}

/// Events of one object, sealed under the bucket's key; in a fork behind the one by which the key becomes its own.
pub(crate) fn planned_object(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: &Found,
    key: &ObjectKey,
    events: Vec<Event>,
) -> Result<Vec<Planned>, StoreError> {
    let first = if events.is_empty() { None } else { inherited(rows, tenant, bucket, key)? };
    let first = first.map(|object| Event::from(KeyInherited { made_by: object.made_by }));
    Ok(planned(bucket, Some(key), first.into_iter().chain(events).collect()))
}
