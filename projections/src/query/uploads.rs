//! Uploads in progress and their parts.

use std::ops::Bound;

use event_log::{RowIter, Rows, prefix_end};
use schemas::{BucketId, ObjectKey, Position, TenantId, UploadId};

use super::listing::{ListQuery, Page, Source, group, page};
use super::objects::object_key;
use crate::row::{self, Part, Row as _, RowError, Staged, Upload, UploadListing};

/// An upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadEntry {
    /// Key.
    pub key: ObjectKey,
    /// Its id.
    pub id: UploadId,
    /// The upload.
    pub upload: Upload,
}

/// Parts of an upload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartsPage {
    /// Parts by number.
    pub parts: Vec<(u16, Part)>,
    /// Whether more follows.
    pub truncated: bool,
}

/// An upload, open or ended.
///
/// # Errors
/// [`RowError`].
pub fn upload(rows: &dyn Rows, tenant: TenantId, id: UploadId) -> Result<Option<Upload>, RowError> {
    row::get(rows, &Upload::key(tenant, id))
}

/// Plaintext bytes of the parts that an open upload has.
///
/// # Errors
/// [`RowError`].
pub fn staged_bytes(rows: &dyn Rows, tenant: TenantId, upload: UploadId) -> Result<u64, RowError> {
    let staged: Option<Staged> = row::get(rows, &Staged::key(tenant, upload))?;
    Ok(staged.map_or(0, |staged| staged.size_bytes))
}

/// One part.
///
/// # Errors
/// [`RowError`].
pub fn part(rows: &dyn Rows, tenant: TenantId, upload: UploadId, number: u16) -> Result<Option<Part>, RowError> {
    row::get(rows, &Part::key(tenant, upload, number))
}

/// Parts with a number greater than `after`, at most `max`. None asked for is a whole page.
///
/// # Errors
/// [`RowError`].
pub fn parts(
    rows: &dyn Rows,
    tenant: TenantId,
    upload: UploadId,
    after: u16,
    max: usize,
) -> Result<PartsPage, RowError> {
    let mut page = PartsPage::default();
    if max == 0 {
        return Ok(page);
    }
    let from = Bound::Excluded(Part::key(tenant, upload, after));
    let to = prefix_end(&Part::prefix(tenant, upload)).map_or(Bound::Unbounded, Bound::Excluded);
    for row in rows.range(Part::TABLE, from, to) {
        let (key, value) = row?;
        if page.parts.len() == max {
            page.truncated = true;
            break;
        }
        let number = Part::parse_key(&key).ok_or(RowError::malformed::<Part>())?;
        page.parts.push((number, row::decode(&value)?));
    }
    Ok(page)
}

/// A page of open uploads: by key, then by their beginning. `after_upload` goes on inside the key [`ListQuery::after`]. With
/// it, when it is truncated behind an entry, the upload to go on behind.
///
/// # Errors
/// [`RowError`].
pub fn list_uploads(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    query: &ListQuery,
    after_upload: Option<UploadId>,
) -> Result<(Page<UploadEntry>, Option<UploadId>), RowError> {
    let after = query.after.as_ref().filter(|after| group(query, after).is_none());
    let resume = match (after, after_upload) {
        (Some(after), Some(id)) => {
            let known =
                upload(rows, tenant, id)?.filter(|upload| upload.bucket == bucket && upload.key.as_str() == after);
            // An upload that is forgotten says nothing of its place: the key's uploads are shown again rather than lost.
            Some((after.clone(), known.map(|upload| (upload.created_by.position, id))))
        }
        _ => None,
    };
    let resumed = resume.is_some();
    let mut source = UploadRows { rows, tenant, bucket, iter: None, resume };
    let page = page(&mut source, query, resumed)?;
    let last = page.entries.last().filter(|last| page.next_after.as_deref() == Some(last.key.as_str()));
    let next_upload = last.map(|last| last.id);
    Ok((page, next_upload))
}

/// Open uploads with what is staged of them, and where more of them begin.
pub type TenantUploads = (Vec<(UploadEntry, Staged)>, Option<Vec<u8>>);

/// Open uploads of all buckets of a tenant, by bucket and key, at most `max` of them behind the place that an earlier answer
/// named. None for a place that is none of this tenant's.
///
/// # Errors
/// [`RowError`].
pub fn tenant_uploads(
    rows: &dyn Rows,
    tenant: TenantId,
    after: Option<&[u8]>,
    max: usize,
) -> Result<Option<TenantUploads>, RowError> {
    let head = UploadListing::of_tenant(tenant);
    let from = match after {
        Some(after) if after.starts_with(&head) => Bound::Excluded(after.to_vec()),
        Some(_) => return Ok(None),
        None => Bound::Included(head.clone()),
    };
    let to = prefix_end(&head).map_or(Bound::Unbounded, Bound::Excluded);
    let (mut found, mut last) = (Vec::new(), None);
    for row in rows.range(UploadListing::TABLE, from, to) {
        let (place, _) = row?;
        if found.len() == max {
            return Ok(Some((found, last)));
        }
        let (key, _, id) = UploadListing::parse_key(&place).ok_or(RowError::malformed::<UploadListing>())?;
        let upload = upload(rows, tenant, id)?.ok_or(RowError::malformed::<UploadListing>())?;
        let staged = row::get(rows, &Staged::key(tenant, id))?.unwrap_or_default();
        found.push((UploadEntry { key: object_key::<UploadListing>(&key)?, id, upload }, staged));
        last = Some(place);
    }
    Ok(Some((found, None)))
}

struct UploadRows<'a> {
    rows: &'a dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    iter: Option<RowIter<'a>>,
    /// Uploads of this key begin behind this place.
    resume: Option<(String, Option<(Position, UploadId)>)>,
}

impl Source for UploadRows<'_> {
    type Entry = UploadEntry;

    fn seek(&mut self, key: &[u8]) {
        let resumed = self.resume.as_ref().filter(|resume| resume.0.as_bytes() == key);
        let from = match resumed.and_then(|resume| resume.1) {
            Some((begun, id)) => {
                let of_object = UploadListing::of_object(self.tenant, self.bucket, key);
                Bound::Excluded(of_object.number(begun.0).raw(&id.0).bytes())
            }
            None => Bound::Included(UploadListing::from_key(self.tenant, self.bucket, key)),
        };
        let head = UploadListing::prefix(self.tenant, self.bucket);
        let to = prefix_end(&head).map_or(Bound::Unbounded, Bound::Excluded);
        self.iter = Some(self.rows.range(UploadListing::TABLE, from, to));
    }

    fn next(&mut self) -> Result<Option<(String, UploadEntry)>, RowError> {
        let Some(row) = self.iter.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let (key, _) = row?;
        let (key, _, id) = UploadListing::parse_key(&key).ok_or(RowError::malformed::<UploadListing>())?;
        // Both rows are written in one batch.
        let upload = upload(self.rows, self.tenant, id)?.ok_or(RowError::malformed::<UploadListing>())?;
        Ok(Some((key.clone(), UploadEntry { key: object_key::<UploadListing>(&key)?, id, upload })))
    }
}
