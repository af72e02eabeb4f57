//! Versions and delete markers: one of them, and listings that merge current with noncurrent rows.

use std::ops::Bound;

use event_log::{RowIter, Rows, prefix, prefix_end};
use schemas::{BucketId, EventId, ObjectKey, TenantId, Time, VersionId};

use super::listing::{ListQuery, Page, Source, group, page};
use super::objects::{CurrentRows, ObjectEntry, current, object_key};
use crate::row::{self, Noncurrent, NullPointer, Row as _, RowError, Version};

/// A version that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVersion {
    /// The version.
    pub version: Version,
    /// Whether it is the latest of its key.
    pub is_latest: bool,
    /// When it was superseded, if it was.
    pub superseded: Option<Time>,
}

/// A version in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionEntry {
    /// Key.
    pub key: ObjectKey,
    /// The version.
    pub version: Version,
    /// Whether it is the latest of its key.
    pub is_latest: bool,
    /// When it was superseded, if it was.
    pub superseded: Option<Time>,
}

/// The latest version of a key: the current object or the delete marker that hides it.
///
/// # Errors
/// [`RowError`].
pub fn latest(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<Version>, RowError> {
    if let Some(current) = current(rows, tenant, bucket, key)? {
        return Ok(Some(Version::Object(current.object)));
    }
    let beginning = Noncurrent::of_object(tenant, bucket, key.as_str().as_bytes()).bytes();
    match prefix(rows, Noncurrent::TABLE, &beginning).next() {
        Some(row) => Ok(Some(row::decode::<Noncurrent>(&row?.1)?.version)),
        None => Ok(None),
    }
}

/// One version of a key.
///
/// # Errors
/// [`RowError`].
pub fn version(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
    id: VersionId,
) -> Result<Option<FoundVersion>, RowError> {
    let current = current(rows, tenant, bucket, key)?;
    if let Some(current) = &current {
        let version = Version::Object(current.object.clone());
        if version.id() == id {
            return Ok(Some(FoundVersion { version, is_latest: true, superseded: None }));
        }
    }
    let made_by = match id {
        VersionId::Event(made_by) => made_by,
        VersionId::Null => match row::get(rows, &NullPointer::key(tenant, bucket, key))? {
            Some(NullPointer(made_by)) => made_by,
            None => return Ok(None),
        },
    };
    let found = row::get::<Noncurrent>(rows, &Noncurrent::key(tenant, bucket, key, made_by))?;
    // The null version answers to its name only: its event is no version id a client was ever given.
    let Some(found) = found.filter(|found| found.version.id() == id) else { return Ok(None) };
    // Nothing is superseded but by a newer version, and a removal that makes it the latest again takes that back.
    let is_latest = found.superseded.is_none();
    Ok(Some(FoundVersion { version: found.version, is_latest, superseded: found.superseded }))
}

/// Whether at least `count` noncurrent versions with content are newer than one of a key. At most `rows_max` rows are looked at:
/// behind more delete markers than that the answer is no.
///
/// # Errors
/// [`RowError`].
pub fn has_newer_noncurrent(
    rows: &dyn Rows,
    of: (TenantId, BucketId, &ObjectKey),
    than: EventId,
    count: u64,
    rows_max: usize,
) -> Result<bool, RowError> {
    let (tenant, bucket, key) = of;
    let of_object = || Noncurrent::of_object(tenant, bucket, key.as_str().as_bytes());
    let (from, to) = (of_object().bytes(), of_object().newest_first(than).bytes());
    let mut missing = count;
    for row in rows.range(Noncurrent::TABLE, Bound::Included(from), Bound::Excluded(to)).take(rows_max) {
        if missing == 0 {
            break;
        }
        let found: Noncurrent = row::decode(&row?.1)?;
        missing -= u64::from(found.superseded.is_some() && matches!(found.version, Version::Object(_)));
    }
    Ok(missing == 0)
}

/// Where to go on inside the versions of [`ListQuery::after`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionResume {
    /// With the next key.
    NextKey,
    /// With versions of the key older than this one.
    Behind(VersionId),
}

/// A page of versions and delete markers: by key, newest first. With it, when it is truncated behind an entry, the version to
/// resume behind. That is always an event, for the `null` version too, so that a page goes on where it stopped even when the
/// version is gone by then.
///
/// # Errors
/// [`RowError`].
pub fn list_versions(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    query: &ListQuery,
    resume: VersionResume,
) -> Result<(Page<VersionEntry>, Option<VersionId>), RowError> {
    let mut source = VersionRows::new(rows, tenant, bucket);
    // Inside a group the group is skipped whole, whatever version is named.
    let after = query.after.as_ref().filter(|after| group(query, after).is_none());
    let resumed = match (after, resume) {
        (Some(after), VersionResume::Behind(version)) => source.resume(after, version)?,
        _ => false,
    };
    let page = page(&mut source, query, resumed)?;
    let next = next_version(&page);
    Ok((page, next))
}

/// The version to resume behind, of a page that is truncated behind one.
pub(super) fn next_version(page: &Page<VersionEntry>) -> Option<VersionId> {
    let last = page.entries.last().filter(|last| page.next_after.as_deref() == Some(last.key.as_str()));
    last.map(|last| VersionId::Event(last.version.made_by()))
}

/// Current and noncurrent rows of a bucket, merged.
pub(super) struct VersionRows<'a> {
    rows: &'a dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    current: CurrentRows<'a>,
    noncurrent: Option<RowIter<'a>>,
    next_current: Option<(String, ObjectEntry)>,
    next_noncurrent: Option<(String, Noncurrent)>,
    /// Whether `next_*` hold what the iterators gave.
    peeked: bool,
    /// The last key whose latest version was passed.
    seen: Option<String>,
    resume: Option<Resume>,
}

/// Versions of `key` begin behind `behind`.
struct Resume {
    key: String,
    behind: Option<EventId>,
    latest: Option<EventId>,
}

impl<'a> VersionRows<'a> {
    pub(super) fn new(rows: &'a dyn Rows, tenant: TenantId, bucket: BucketId) -> Self {
        Self {
            rows,
            tenant,
            bucket,
            current: CurrentRows::new(rows, tenant, bucket),
            noncurrent: None,
            next_current: None,
            next_noncurrent: None,
            peeked: false,
            seen: None,
            resume: None,
        }
    }

    /// Begins inside the versions of a key. False when no such key can be.
    pub(super) fn resume(&mut self, after: &str, behind: VersionId) -> Result<bool, RowError> {
        let Ok(key) = ObjectKey::parse(after) else { return Ok(false) };
        let behind = match behind {
            VersionId::Event(event) => Some(event),
            // A null version that is gone says nothing of its place: the key's versions are shown again rather than lost.
            VersionId::Null => version(self.rows, self.tenant, self.bucket, &key, VersionId::Null)?
                .map(|found| found.version.made_by()),
        };
        let latest = latest(self.rows, self.tenant, self.bucket, &key)?.map(|version| version.made_by());
        self.resume = Some(Resume { key: after.to_owned(), behind, latest });
        Ok(true)
    }

    fn peek(&mut self) -> Result<(), RowError> {
        if !self.peeked {
            self.next_current = self.current.next()?;
            if self.next_current.as_ref().is_some_and(|(key, entry)| self.was_shown(key, entry.object.made_by)) {
                self.next_current = self.current.next()?;
            }
            self.next_noncurrent = self.read_noncurrent()?;
            self.peeked = true;
        }
        Ok(())
    }

    fn read_noncurrent(&mut self) -> Result<Option<(String, Noncurrent)>, RowError> {
        let Some(row) = self.noncurrent.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let (key, value) = row?;
        let (key, _) = Noncurrent::parse_key(&key).ok_or(RowError::malformed::<Noncurrent>())?;
        Ok(Some((key, row::decode(&value)?)))
    }

    /// Whether a current version is not behind the place to resume at. It may be behind: what was shown before it may have
    /// been removed since.
    fn was_shown(&self, key: &str, made_by: EventId) -> bool {
        let resume = self.resume.as_ref().filter(|resume| resume.key == key);
        resume.and_then(|resume| resume.behind).is_some_and(|behind| made_by >= behind)
    }

    fn is_latest(&self, key: &str, made_by: EventId) -> bool {
        match &self.resume {
            Some(resume) if resume.key == key => resume.latest == Some(made_by),
            _ => self.seen.as_deref() != Some(key),
        }
    }
}

impl Source for VersionRows<'_> {
    type Entry = VersionEntry;

    fn seek(&mut self, key: &[u8]) {
        let resumed = self.resume.as_ref().filter(|resume| resume.key.as_bytes() == key);
        let behind = resumed.and_then(|resume| resume.behind);
        let head = Noncurrent::prefix(self.tenant, self.bucket);
        let to = prefix_end(&head).map_or(Bound::Unbounded, Bound::Excluded);
        let from = match behind {
            Some(event) => {
                let of_object = Noncurrent::of_object(self.tenant, self.bucket, key);
                Bound::Excluded(of_object.newest_first(event).bytes())
            }
            None => Bound::Included(Noncurrent::from_key(self.tenant, self.bucket, key)),
        };
        self.noncurrent = Some(self.rows.range(Noncurrent::TABLE, from, to));
        self.current.seek(key);
        self.peeked = false;
    }

    fn next(&mut self) -> Result<Option<(String, VersionEntry)>, RowError> {
        self.peek()?;
        let current_first = match (&self.next_current, &self.next_noncurrent) {
            (None, None) => return Ok(None),
            (Some(current), Some(noncurrent)) => current.0 <= noncurrent.0,
            (current, _) => current.is_some(),
        };
        if current_first && let Some((key, entry)) = self.next_current.take() {
            self.next_current = self.current.next()?;
            self.seen = Some(key.clone());
            let version = Version::Object(entry.object);
            return Ok(Some((key, VersionEntry { key: entry.key, version, is_latest: true, superseded: None })));
        }
        let Some((key, noncurrent)) = self.next_noncurrent.take() else { return Ok(None) };
        self.next_noncurrent = self.read_noncurrent()?;
        let is_latest = self.is_latest(&key, noncurrent.version.made_by());
        self.seen = Some(key.clone());
        let entry = VersionEntry {
            key: object_key::<Noncurrent>(&key)?,
            version: noncurrent.version,
            is_latest,
            superseded: noncurrent.superseded,
        };
        Ok(Some((key, entry)))
    }
}
