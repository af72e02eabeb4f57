//! Versions and delete markers that were there at a point: of one key, and of all in order.
//!
//! A version was there if it was made by then and is there still, or ended behind the point: what ended while another was
//! current, or was amended, has a [`Former`] row for each state; what was current from its own event on has a [`Past`] row.

use std::iter::Peekable;

use event_log::{RowIter, Rows, prefix_end};
use schemas::{BucketId, EventId, ObjectKey, Position, TenantId, VersionId};

use super::super::listing::Source;
use super::super::objects::object_key;
use super::super::versions::{FoundVersion, VersionEntry};
use super::current::current_at;
use super::walk::{Form, Walk};
use crate::row::{self, Current, Former, Noncurrent, Past, Row as _, RowError, Version};

/// The latest version of a key at a point, a delete marker maybe.
///
/// # Errors
/// [`RowError`].
pub fn latest_at(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
    at: EventId,
) -> Result<Option<Version>, RowError> {
    KeyVersions::new(rows, (tenant, bucket, key), at, None)?.next().transpose()
}

/// One version of a key as it was at a point. The `null` version is looked for from the newest on.
///
/// # Errors
/// [`RowError`].
pub fn version_at(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
    id: VersionId,
    at: EventId,
) -> Result<Option<FoundVersion>, RowError> {
    let of = (tenant, bucket, key);
    let latest = KeyVersions::new(rows, of, at, None)?.next().transpose()?;
    let is_latest = |version: &Version| latest.as_ref().map(Version::made_by) == Some(version.made_by());
    // From just before the one that is asked for.
    let from = match id {
        VersionId::Event(made_by) => Some(EventId { position: made_by.position.next(), ..made_by }),
        VersionId::Null => None,
    };
    for version in KeyVersions::new(rows, of, at, from)? {
        let version = version?;
        if version.id() == id {
            return Ok(Some(FoundVersion { is_latest: is_latest(&version), version, superseded: None }));
        }
        if matches!(id, VersionId::Event(made_by) if version.made_by() < made_by) {
            break;
        }
    }
    Ok(None)
}

/// Versions of one key at a point, newest first.
pub(super) struct KeyVersions<'a> {
    at: EventId,
    noncurrent: Peekable<Decoded<'a, Noncurrent>>,
    former: Peekable<Decoded<'a, Former>>,
    /// What was current then, and what is current now if it had been made by then: newest first.
    single: Vec<Single>,
}

/// A version that a row of current or past objects has.
#[derive(Debug)]
struct Single {
    version: Version,
    /// Whether it is as it was at the point; else as it is now.
    was: bool,
}

/// Rows of one key, each with the position at which it ended, if its kind has one.
type Decoded<'a, R> = Box<dyn Iterator<Item = Result<(R, EventId, u64), RowError>> + 'a>;

fn rows_of_key<'a, R: row::Row + 'a>(
    rows: RowIter<'a>,
    parse: impl Fn(&[u8]) -> Option<(EventId, u64)> + 'a,
) -> Decoded<'a, R> {
    Box::new(rows.map(move |row| {
        let (key, value) = row?;
        let (made_by, ended) = parse(&key).ok_or(RowError::malformed::<R>())?;
        Ok((row::decode(&value)?, made_by, ended))
    }))
}

impl<'a> KeyVersions<'a> {
    /// Those older than `before`, or all.
    pub(super) fn new(
        rows: &'a dyn Rows,
        (tenant, bucket, key): (TenantId, BucketId, &ObjectKey),
        at: EventId,
        before: Option<EventId>,
    ) -> Result<Self, RowError> {
        use std::ops::Bound;
        let bytes = key.as_str().as_bytes();
        let newest = before.filter(|before| *before <= at);
        let range = |table, of_object: crate::tables::Key| {
            let to = prefix_end(&of_object.clone().bytes()).map_or(Bound::Unbounded, Bound::Excluded);
            let from = match newest {
                // Behind all rows of that version.
                Some(before) => {
                    prefix_end(&of_object.newest_first(before).bytes()).map_or(Bound::Unbounded, Bound::Included)
                }
                None => Bound::Included(of_object.newest_first(at).bytes()),
            };
            rows.range(table, from, to)
        };
        let noncurrent = range(Noncurrent::TABLE, Noncurrent::of_object(tenant, bucket, bytes));
        let former = range(Former::TABLE, Former::of_object(tenant, bucket, bytes));
        let is_wanted = |made_by: EventId| made_by <= at && newest.is_none_or(|before| made_by < before);
        let was = current_at(rows, tenant, bucket, key, at)?.map(Version::Object);
        let now = row::get::<Current>(rows, &Current::key(tenant, bucket, key))?;
        let now = now.map(|current| Version::Object(current.object));
        let mut single: Vec<_> = was.into_iter().map(|version| Single { version, was: true }).collect();
        single.extend(now.into_iter().map(|version| Single { version, was: false }));
        single.retain(|single| is_wanted(single.version.made_by()));
        // Newest first; of one and the same version, as it was comes first.
        single.sort_by_key(|single| (std::cmp::Reverse(single.version.made_by()), !single.was));
        single.reverse();
        Ok(Self {
            at,
            noncurrent: rows_of_key(noncurrent, |key| Noncurrent::parse_key(key).map(|(_, made_by)| (made_by, 0)))
                .peekable(),
            former: rows_of_key(former, |key| Former::parse_key(key).map(|(_, made_by, ended)| (made_by, ended.0)))
                .peekable(),
            single,
        })
    }

    /// The state at the point of the former version of an event; the rows are then behind it.
    fn former_state(&mut self, made_by: EventId) -> Result<Option<Version>, RowError> {
        let mut state = None;
        while self.former.peek().is_some_and(|row| row.as_ref().is_ok_and(|(_, of, _)| *of == made_by)) {
            let Some((Former(version), _, ended)) = self.former.next().transpose()? else { break };
            // States of a version are in the order in which they ended: the first that ended behind the point held there.
            if state.is_none() && ended > self.at.position.0 {
                state = Some(version);
            }
        }
        Ok(state)
    }

    fn next_version(&mut self) -> Result<Option<Version>, RowError> {
        loop {
            let of_row = |made_by: &EventId| *made_by;
            let noncurrent = match self.noncurrent.peek() {
                Some(Ok((_, made_by, _))) => Some(of_row(made_by)),
                Some(Err(_)) => return self.noncurrent.next().transpose().map(|_| None),
                None => None,
            };
            let former = match self.former.peek() {
                Some(Ok((_, made_by, _))) => Some(of_row(made_by)),
                Some(Err(_)) => return self.former.next().transpose().map(|_| None),
                None => None,
            };
            let single = self.single.last().map(|single| single.version.made_by());
            let Some(made_by) = [noncurrent, former, single].into_iter().flatten().max() else { return Ok(None) };
            let mut found = if former == Some(made_by) { self.former_state(made_by)? } else { None };
            while self.single.last().is_some_and(|single| single.version.made_by() == made_by) {
                let single = self.single.pop().map(|single| single.version);
                found = found.or(single);
            }
            if noncurrent == Some(made_by) {
                let row = self.noncurrent.next().transpose()?;
                found = found.or(row.map(|(row, _, _)| row.version));
            }
            if found.is_some() {
                return Ok(found);
            }
        }
    }
}

impl Iterator for KeyVersions<'_> {
    type Item = Result<Version, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_version().transpose()
    }
}

/// Versions of all keys at a point, by key, newest first.
pub(super) struct VersionsAt<'a> {
    rows: &'a dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    at: EventId,
    /// Only to find the next key.
    walks: [Walk<'a>; 4],
    /// The key whose versions come, whether one of them came, and they.
    under_way: Option<(String, bool, KeyVersions<'a>)>,
    /// Versions of this key begin behind this one.
    resume: Option<(String, EventId)>,
}

impl<'a> VersionsAt<'a> {
    pub(super) fn new(
        rows: &'a dyn Rows,
        tenant: TenantId,
        bucket: BucketId,
        at: EventId,
        resume: Option<(String, EventId)>,
    ) -> Self {
        let walks = [
            Walk::new(rows, Current::TABLE, Current::prefix(tenant, bucket), Form::Plain),
            Walk::new(rows, Past::TABLE, Past::prefix(tenant, bucket), Form::Escaped),
            Walk::new(rows, Noncurrent::TABLE, Noncurrent::prefix(tenant, bucket), Form::Escaped),
            Walk::new(rows, Former::TABLE, Former::prefix(tenant, bucket), Form::Escaped),
        ];
        Self { rows, tenant, bucket, at, walks, under_way: None, resume }
    }

    /// Goes to the next key that has rows. None when there is none.
    fn next_key(&mut self) -> Result<Option<String>, RowError> {
        let mut least: Option<String> = None;
        for walk in &mut self.walks {
            let key = walk.peek()?.map(|found| &found.object);
            if let Some(key) = key.filter(|key| least.as_ref().is_none_or(|least| *key < least)) {
                least = Some(key.clone());
            }
        }
        if let Some(key) = &least {
            for walk in &mut self.walks {
                walk.pass(key)?;
            }
        }
        Ok(least)
    }
}

impl Source for VersionsAt<'_> {
    type Entry = VersionEntry;

    fn seek(&mut self, key: &[u8]) {
        for walk in &mut self.walks {
            walk.seek(key);
        }
        self.under_way = None;
    }

    fn next(&mut self) -> Result<Option<(String, VersionEntry)>, RowError> {
        loop {
            if let Some((key, came, versions)) = &mut self.under_way {
                if let Some(version) = versions.next().transpose()? {
                    let is_latest = !std::mem::replace(came, true);
                    let object = object_key::<Noncurrent>(key)?;
                    let entry = VersionEntry { key: object, version, is_latest, superseded: None };
                    return Ok(Some((key.clone(), entry)));
                }
                self.under_way = None;
            }
            let Some(key) = self.next_key()? else { return Ok(None) };
            let before = self.resume.as_ref().filter(|(resumed, _)| *resumed == key).map(|(_, behind)| *behind);
            let object = object_key::<Noncurrent>(&key)?;
            let versions = KeyVersions::new(self.rows, (self.tenant, self.bucket, &object), self.at, before)?;
            self.under_way = Some((key, before.is_some(), versions));
        }
    }
}

/// Where a version ended that was there at a point: by the event that removed or replaced it, if one did.
///
/// # Errors
/// [`RowError`].
pub fn ended(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
    made_by: EventId,
    at: Option<EventId>,
) -> Result<Option<Position>, RowError> {
    let bytes = key.as_str().as_bytes();
    let mut ended = None;
    for row in event_log::prefix(rows, Former::TABLE, &Former::of_version(tenant, bucket, bytes, made_by).bytes()) {
        let (_, _, valid_to) = Former::parse_key(&row?.0).ok_or(RowError::malformed::<Former>())?;
        ended = Some(valid_to);
    }
    if ended.is_some() {
        return Ok(ended);
    }
    let mut past = Walk::new(rows, Past::TABLE, Past::prefix(tenant, bucket), Form::Escaped);
    past.seek_row(Past::key(tenant, bucket, key, at.map_or(made_by.position, |at| at.position).next()));
    let valid_to = past.at_key(key.as_str())?.and_then(|found| Past::parse_key(&found.row_key));
    Ok(valid_to.map(|(_, valid_to)| valid_to))
}
