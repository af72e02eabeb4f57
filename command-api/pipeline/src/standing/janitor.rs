//! The janitor: forgets the parts of uploads that have ended and answers that were kept long enough, in units that are small
//! enough.

use domain::upload::{self, CLEARED_MAX};
use event_log::Changes;
use projections::query;
use projections::row::{Upload, UploadState};
use schemas::{BucketId, KeyId, TenantId, UploadId};

use crate::api::StoreError;
use crate::sequencer::{Decide, Planned, Unit};
use crate::store::{Inner, Request, log_error, rows_error};

/// Uploads looked at in one round.
const ROUND: usize = 1_000;
/// A completed upload is remembered this long, so that a repeated completion is answered as the first was.
const REMEMBERED_US: u64 = 600 * 1_000_000;

pub(super) fn run(inner: &Inner) -> Result<(), StoreError> {
    for tenant in inner.log.snapshot().tenants().map_err(log_error)? {
        // An erased tenant's rows go with its erasure.
        if inner.contents.vault.tenant_key(tenant).is_none() {
            continue;
        }
        abandon_orphans(inner, tenant)?;
        clear_ended(inner, tenant)?;
        inner.forget_answers(tenant)?;
    }
    Ok(())
}

/// Uploads that were open when their bucket was deleted are given up.
pub(super) fn abandon_orphans(inner: &Inner, tenant: TenantId) -> Result<(), StoreError> {
    let snapshot = inner.log.snapshot();
    for bucket in query::orphaned_buckets(snapshot.as_ref(), tenant, ROUND).map_err(rows_error)? {
        let all = query::ListQuery { prefix: String::new(), delimiter: None, after: None, max: ROUND };
        let open = query::list_uploads(snapshot.as_ref(), tenant, bucket, &all, None).map_err(rows_error)?;
        for entry in open.0.entries {
            let id = entry.id;
            change(inner, tenant, id, &entry.upload, move |_| {
                vec![schemas::event::UploadAborted { upload: id }.into()]
            })?;
        }
    }
    Ok(())
}

fn clear_ended(inner: &Inner, tenant: TenantId) -> Result<(), StoreError> {
    let snapshot = inner.log.snapshot();
    let now = inner.clock.wall();
    for (id, ended) in query::ended_uploads(snapshot.as_ref(), tenant, None, ROUND).map_err(rows_error)? {
        let Some(row) = query::upload(snapshot.as_ref(), tenant, id).map_err(rows_error)? else { continue };
        // What is remembered is the upload. Its parts go at once: the object keeps what it is made of, and deleting it must
        // give the space back.
        let remembered = matches!(row.state, UploadState::Completed(_)) && now.0 < ended.ended.0 + REMEMBERED_US;
        loop {
            let snapshot = inner.log.snapshot();
            let page = query::parts(snapshot.as_ref(), tenant, id, 0, CLEARED_MAX).map_err(rows_error)?;
            let numbers: Vec<u16> = page.parts.iter().map(|(number, _)| *number).collect();
            let last = !page.truncated && !remembered;
            if numbers.is_empty() && !last {
                break;
            }
            change(inner, tenant, id, &row, move |state| {
                let command = upload::Command::ClearParts { numbers: numbers.clone(), last };
                upload::decide(state, command).unwrap_or_default()
            })?;
            if !page.truncated {
                break;
            }
        }
    }
    Ok(())
}

/// A command on an upload, sealed with its bucket's key.
fn change(
    inner: &Inner,
    tenant: TenantId,
    id: UploadId,
    row: &Upload,
    mut events: impl FnMut(&upload::State) -> Vec<schemas::event::Event> + Send + 'static,
) -> Result<(), StoreError> {
    let (bucket, key) = sealing(inner, tenant, row.bucket)?;
    let object = row.key.clone();
    let decide: Decide = Box::new(move |rows, _| {
        let now = query::upload(rows, tenant, id).map_err(rows_error)?;
        let state = match now {
            None => return Ok(Unit::default()),
            Some(_) => upload::State::Ended { upload: id },
        };
        let plan = |event| Planned { bucket, key, object: Some(object.clone()), event };
        Ok(Unit { events: events(&state).into_iter().map(plan).collect(), changes: Changes::default() })
    });
    let request = Request::system("janitor", tenant, inner.ids.request(inner.clock.wall()));
    inner.run_blocking(request, decide)?;
    Ok(())
}

/// The bucket's key: it outlives the bucket until an erasure.
fn sealing(inner: &Inner, tenant: TenantId, bucket: BucketId) -> Result<(BucketId, KeyId), StoreError> {
    match inner.contents.vault.bucket_key(tenant, bucket) {
        Some(key) => Ok((bucket, key)),
        None => Ok((BucketId::NONE, inner.tenant_key(tenant)?)),
    }
}
