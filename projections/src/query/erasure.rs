//! What erasing looks for: locks that forbid it, and the rows that a bucket or tenant leaves.
//!
//! Owns: where all of a bucket's rows stand, found page by page.
//! Does not own: removing them, what the tables of others have.
//! Invariant: whoever removes the rows of every page, from the first to the one that says that nothing follows, has removed every row
//! of the bucket that was there before and that its `KeyDestroyed` leaves.

use std::ops::Bound;

use event_log::{Rows, Table, prefix, prefix_end};
use schemas::event::Retention;
use schemas::{BlobId, BucketId, BucketName, ObjectKey, TenantId, Time, VersionId};

use crate::row::{
    self, AccessKeyTenant, Bucket, Current, EndedUpload, Former, FormerBucket, Horizon, Noncurrent, NullPointer,
    ObjectChange, OwnKey, Part, Past, Reference, Release, Row, RowError, SignedUrl, Snapshot, Staged, Upload,
    UploadListing, Version,
};
use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, TABLES, directory, history};

/// A version that must be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its key.
    pub key: ObjectKey,
    /// Which version.
    pub version: VersionId,
    /// Until when, if a retention is in force.
    pub retention: Option<Retention>,
    /// Whether it is held.
    pub legal_hold: bool,
}

fn kept(key: &str, object: &row::Object, now: Time) -> Result<Option<Kept>, RowError> {
    let retention = object.details.retention.filter(|retention| now < retention.until);
    let legal_hold = object.details.legal_hold;
    if retention.is_none() && !legal_hold {
        return Ok(None);
    }
    let key = ObjectKey::parse(key).map_err(|_| RowError::malformed::<Current>())?;
    Ok(Some(Kept { key, version: object.id(), retention, legal_hold }))
}

/// The first version of a bucket that must be kept at a time, among `max` rows from a place on; and where to go on, if that was not
/// all.
///
/// # Errors
/// [`RowError`].
pub fn kept_in_bucket(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    now: Time,
    from: Walk,
    max: usize,
) -> Result<(Option<Kept>, Option<Walk>), RowError> {
    let ranges =
        [(Current::TABLE, Current::prefix(tenant, bucket)), (Noncurrent::TABLE, Noncurrent::prefix(tenant, bucket))];
    let Walk { mut step, mut after } = from;
    let mut looked = 0;
    while let Some((table, beginning)) = ranges.get(step) {
        for row in behind(rows, *table, beginning, after.take()) {
            let (key, value) = row?;
            let found = if *table == Current::TABLE {
                let name = Current::parse_key(&key).ok_or(RowError::malformed::<Current>())?;
                kept(&name, &row::decode::<Current>(&value)?.object, now)?
            } else {
                let (name, _) = Noncurrent::parse_key(&key).ok_or(RowError::malformed::<Noncurrent>())?;
                match row::decode::<Noncurrent>(&value)?.version {
                    Version::Object(object) => kept(&name, &object, now)?,
                    Version::Marker(_) => None,
                }
            };
            if found.is_some() {
                return Ok((found, None));
            }
            looked += 1;
            if looked == max {
                return Ok((None, Some(Walk { step, after: Some(key) })));
            }
        }
        step += 1;
    }
    Ok((None, None))
}

/// The first version of one key that must be kept at a time.
///
/// # Errors
/// [`RowError`].
pub fn kept_of_key(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
    now: Time,
) -> Result<Option<Kept>, RowError> {
    if let Some(current) = row::get::<Current>(rows, &Current::key(tenant, bucket, key))?
        && let Some(found) = kept(key.as_str(), &current.object, now)?
    {
        return Ok(Some(found));
    }
    let beginning = Noncurrent::of_object(tenant, bucket, key.as_str().as_bytes()).bytes();
    for row in prefix(rows, Noncurrent::TABLE, &beginning) {
        if let Version::Object(object) = row::decode::<Noncurrent>(&row?.1)?.version
            && let Some(found) = kept(key.as_str(), &object, now)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Until when content of removed versions of a bucket must be kept, as far as it must at a time: the first that is found.
///
/// # Errors
/// [`RowError`].
pub fn kept_content(rows: &dyn Rows, tenant: TenantId, bucket: BucketId, now: Time) -> Result<Option<Time>, RowError> {
    for row in prefix(rows, Release::TABLE, &Release::of_bucket(tenant, bucket).bytes()) {
        let release: Release = row::decode(&row?.1)?;
        if let Some(until) = release.keep_until.filter(|until| now < *until) {
            return Ok(Some(until));
        }
    }
    Ok(None)
}

/// Buckets of a tenant by id, at most `max`.
///
/// # Errors
/// [`RowError`].
pub fn buckets_by_id(rows: &dyn Rows, tenant: TenantId, max: usize) -> Result<Vec<(BucketId, Bucket)>, RowError> {
    let beginning = Key::kind(tenant, directory::BUCKET).bytes();
    let found = prefix(rows, DIRECTORY, &beginning).take(max).map(|row| {
        let (key, value) = row?;
        let id = KeyReader::behind(&key, KIND_BYTES).and_then(|mut reader| reader.number());
        Ok((BucketId(id.ok_or(RowError::malformed::<Bucket>())?), row::decode(&value)?))
    });
    found.collect()
}

/// A place in a walk over rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    step: usize,
    /// The last row that was looked at in this step.
    after: Option<Vec<u8>>,
}

/// Rows that a bucket or tenant leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Left {
    /// Which.
    pub rows: Vec<(Table, Vec<u8>)>,
    /// Object names that stand in them, some of them more than once.
    pub names: Vec<String>,
    /// Roots of content that they referred to.
    pub roots: Vec<BlobId>,
    /// Where to go on; none when nothing follows.
    pub next: Option<Walk>,
}

/// Rows of one place in the order in which they are to go.
enum Step {
    /// All that begin so are the bucket's, and their keys name objects by this.
    All(Table, Vec<u8>, fn(&[u8], &[u8]) -> Option<String>),
    /// Uploads of the tenant, with what hangs on them. The upload's own row is the last of its rows: by it the others are found.
    Uploads,
    /// References to content, of the whole tenant.
    References,
}

fn of_current(key: &[u8], _: &[u8]) -> Option<String> {
    Current::parse_key(key)
}

fn of_noncurrent(key: &[u8], _: &[u8]) -> Option<String> {
    Noncurrent::parse_key(key).map(|(name, _)| name)
}

fn of_past(key: &[u8], _: &[u8]) -> Option<String> {
    Past::parse_key(key).map(|(name, _)| name)
}

fn of_former(key: &[u8], _: &[u8]) -> Option<String> {
    Former::parse_key(key).map(|(name, ..)| name)
}

fn of_own(key: &[u8], _: &[u8]) -> Option<String> {
    OwnKey::parse_key(key)
}

fn of_change(_: &[u8], value: &[u8]) -> Option<String> {
    ObjectChange::decode(value).map(|change| change.0.as_str().to_owned())
}

fn of_listing(key: &[u8], _: &[u8]) -> Option<String> {
    UploadListing::parse_key(key).map(|(name, ..)| name)
}

fn no_name(_: &[u8], _: &[u8]) -> Option<String> {
    None
}

fn steps(tenant: TenantId, bucket: BucketId) -> Vec<Step> {
    let of_kind = |kind| Key::kind(tenant, kind).bucket(bucket).bytes();
    vec![
        Step::All(Current::TABLE, Current::prefix(tenant, bucket), of_current),
        Step::All(Noncurrent::TABLE, of_kind(history::NONCURRENT), of_noncurrent),
        Step::All(NullPointer::TABLE, of_kind(history::NULL_POINTER), no_name),
        Step::All(Past::TABLE, of_kind(history::PAST), of_past),
        Step::All(Former::TABLE, of_kind(history::FORMER), of_former),
        Step::All(OwnKey::TABLE, of_kind(history::OWN_KEY), of_own),
        Step::All(FormerBucket::TABLE, of_kind(history::FORMER_BUCKET), no_name),
        Step::All(Horizon::TABLE, of_kind(history::HORIZON), no_name),
        Step::All(Snapshot::TABLE, of_kind(directory::SNAPSHOT), no_name),
        Step::All(ObjectChange::TABLE, of_kind(history::CHANGE), of_change),
        Step::All(DIRECTORY, of_kind(directory::UPLOAD_LISTING), of_listing),
        Step::Uploads,
        // Last: clearing the parts of an upload, which others do until its row is gone, makes references.
        Step::References,
    ]
}

/// Rows of a bucket whose key was destroyed, from a place on: about `max` of them, after looking at no more than `looked_max`.
///
/// # Errors
/// [`RowError`].
pub fn left_by_bucket(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    from: Walk,
    max: usize,
    looked_max: usize,
) -> Result<Left, RowError> {
    let steps = steps(tenant, bucket);
    let mut left = Left::default();
    let Walk { mut step, mut after } = from;
    let mut looked = 0;
    while let Some(at) = steps.get(step) {
        let (table, beginning) = match at {
            Step::All(table, beginning, _) => (*table, beginning.clone()),
            Step::Uploads => (DIRECTORY, Key::kind(tenant, directory::UPLOAD).bytes()),
            Step::References => (DIRECTORY, Key::kind(tenant, directory::REFERENCE).bytes()),
        };
        let mut before = after.take();
        for row in behind(rows, table, &beginning, before.clone()) {
            let (key, value) = row?;
            match at {
                Step::All(_, _, name) => {
                    left.names.extend(name(&key, &value));
                    left.rows.push((table, key.clone()));
                }
                Step::Uploads => {
                    if !upload(rows, tenant, bucket, &key, &value, max, &mut left)? {
                        left.next = Some(Walk { step, after: before });
                        return Ok(left);
                    }
                }
                Step::References => reference(tenant, bucket, &key, &value, &mut left)?,
            }
            looked += 1;
            before = Some(key);
            if left.rows.len() >= max || looked >= looked_max {
                left.next = Some(Walk { step, after: before });
                return Ok(left);
            }
        }
        step += 1;
    }
    Ok(left)
}

/// Rows of an upload, if it is the bucket's. False when there are more than fit: its own row is then not among them.
fn upload(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &[u8],
    value: &[u8],
    max: usize,
    left: &mut Left,
) -> Result<bool, RowError> {
    let row: Upload = row::decode(value)?;
    if row.bucket != bucket {
        return Ok(true);
    }
    let id = KeyReader::behind(key, KIND_BYTES).and_then(|mut reader| reader.array());
    let id = schemas::UploadId(id.ok_or(RowError::malformed::<Upload>())?);
    left.names.push(row.key.as_str().to_owned());
    for part in prefix(rows, Part::TABLE, &Part::prefix(tenant, id)) {
        if left.rows.len() >= max {
            return Ok(false);
        }
        left.rows.push((Part::TABLE, part?.0));
    }
    let others = [Staged::key(tenant, id), EndedUpload::key(tenant, id)];
    left.rows.extend(others.into_iter().map(|key| (DIRECTORY, key)));
    left.rows.push((DIRECTORY, key.to_vec()));
    Ok(true)
}

fn reference(tenant: TenantId, bucket: BucketId, key: &[u8], value: &[u8], left: &mut Left) -> Result<(), RowError> {
    let row: Reference = row::decode(value)?;
    if row.bucket != bucket {
        return Ok(());
    }
    let (blob, referrer) = Reference::parse_key(key).ok_or(RowError::malformed::<Reference>())?;
    if let Some(released) = row.released {
        left.rows.push((Release::TABLE, Release::key(tenant, bucket, released, blob, referrer)));
    }
    left.rows.push((DIRECTORY, key.to_vec()));
    left.roots.push(blob);
    Ok(())
}

/// Rows of a tenant whose keys were destroyed, about `max` of them. Ask again until there are none.
///
/// # Errors
/// [`RowError`].
pub fn left_by_tenant(rows: &dyn Rows, tenant: TenantId, from: Walk, max: usize) -> Result<Left, RowError> {
    let mut left = Left::default();
    let Walk { mut step, mut after } = from;
    while step <= TABLES.len() {
        let ids = step == TABLES.len();
        let (table, beginning) = match TABLES.get(step) {
            Some(table) => (*table, tenant.0.to_be_bytes().to_vec()),
            // Which tenant an access key is of stands under the system tenant.
            None => (DIRECTORY, Key::kind(TenantId::SYSTEM, directory::ACCESS_KEY_TENANT).bytes()),
        };
        for (looked, row) in (1..).zip(behind(rows, table, &beginning, after.take())) {
            let (key, value) = row?;
            if !ids {
                if table == Current::TABLE {
                    left.names.extend(key.get(16..).and_then(|name| String::from_utf8(name.to_vec()).ok()));
                }
                left.rows.push((table, key.clone()));
            } else if row::decode::<AccessKeyTenant>(&value)?.0 == tenant {
                left.rows.push((table, key.clone()));
            }
            if left.rows.len() >= max || looked >= 16 * max {
                left.next = Some(Walk { step, after: Some(key) });
                return Ok(left);
            }
        }
        step += 1;
    }
    Ok(left)
}

/// Signed addresses of a bucket, by their end: at most `max`. Ask again when they are gone.
///
/// # Errors
/// [`RowError`].
pub fn signed_urls_of(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: &BucketName,
    until: Time,
    max: usize,
) -> Result<Vec<(Time, String)>, RowError> {
    let mut found = Vec::new();
    for row in prefix(rows, SignedUrl::TABLE, &Key::kind(tenant, directory::SIGNED_URL).bytes()) {
        let (key, value) = row?;
        let row: SignedUrl = row::decode(&value)?;
        if row.bucket == *bucket && row.created <= until {
            found.push(SignedUrl::parse_key(&key).ok_or(RowError::malformed::<SignedUrl>())?);
            if found.len() == max {
                break;
            }
        }
    }
    Ok(found)
}

/// What keys of rows begin with that a bucket has and that nothing else begins with: where they are found in a file, rows are left.
#[must_use]
pub fn beginnings_of(tenant: TenantId, bucket: BucketId) -> Vec<Vec<u8>> {
    let kinds = [history::NONCURRENT, history::NULL_POINTER, history::PAST, directory::UPLOAD_LISTING];
    kinds.into_iter().map(|kind| Key::kind(tenant, kind).bucket(bucket).bytes()).collect()
}

/// Whether any row of another bucket names an object so.
///
/// # Errors
/// [`RowError`].
pub fn is_named_in(rows: &dyn Rows, tenant: TenantId, bucket: BucketId, key: &ObjectKey) -> Result<bool, RowError> {
    if rows.get(Current::TABLE, &Current::key(tenant, bucket, key))?.is_some() {
        return Ok(true);
    }
    for kind in [history::NONCURRENT, history::PAST] {
        let beginning = Key::kind(tenant, kind).bucket(bucket).object(key.as_str().as_bytes()).bytes();
        if let Some(row) = prefix(rows, Noncurrent::TABLE, &beginning).next() {
            return Ok(row.map(|_| true)?);
        }
    }
    Ok(false)
}

fn behind<'a>(rows: &'a dyn Rows, table: Table, beginning: &[u8], after: Option<Vec<u8>>) -> event_log::RowIter<'a> {
    let to = prefix_end(beginning).map_or(Bound::Unbounded, Bound::Excluded);
    let from = after.map_or_else(|| Bound::Included(beginning.to_vec()), Bound::Excluded);
    rows.range(table, from, to)
}
