//! What a bucket shows: its own rows, now or at a point, and beneath them, of a view or fork, those of another bucket.
//!
//! A view shows another bucket as it was. A fork shows the objects that were current there, until a key of its own stands in
//! their place: an [`OwnKey`] row says that it does, whatever became of it.

use event_log::Rows;
use schemas::{BucketId, EventId, ObjectKey, Position, TenantId, VersionId};

use super::super::listing::{ListQuery, Page, Source, group, page};
use super::super::objects::{CurrentRows, ObjectEntry, current};
use super::super::versions::{FoundVersion, VersionEntry, VersionResume, VersionRows, latest, next_version, version};
use super::current::{CurrentAt, current_at};
use super::versions::{VersionsAt, latest_at, version_at};
use super::walk::{Form, Walk};
use crate::query::bucket;
use crate::row::{self, Bucket, Object, OwnKey, Row as _, RowError, Version};

/// Forks and views of forks and views, at most.
pub const LAYERS_MAX: usize = 8;

/// Rows of one bucket, now or at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Whose rows.
    pub bucket: BucketId,
    /// As of which event; none for now.
    pub at: Option<EventId>,
}

/// What a bucket shows: the uppermost layer first. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    tenant: TenantId,
    layers: Vec<Layer>,
}

/// What a bucket shows, now or at a point.
///
/// # Errors
/// [`RowError`].
pub fn layers(
    rows: &dyn Rows,
    tenant: TenantId,
    id: BucketId,
    row: &Bucket,
    at: Option<EventId>,
) -> Result<Layers, RowError> {
    let mut layers = Vec::with_capacity(1);
    let (mut top, mut base) = (Layer { bucket: id, at }, row.base);
    // A base cannot go while something shows it, and what a bucket shows never changes.
    while let Some(shown) = base {
        if shown.writable {
            layers.push(top);
        }
        top = Layer { bucket: shown.bucket, at: Some(shown.at) };
        base = bucket(rows, tenant, shown.bucket)?.and_then(|row| row.base);
    }
    layers.push(top);
    Ok(Layers { tenant, layers })
}

impl Layers {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.layers.len()
    }

    /// The uppermost one, whose own versions are shown.
    fn top(&self) -> Layer {
        self.layers[0]
    }

    /// The object that is shown under a key.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn current(&self, rows: &dyn Rows, key: &ObjectKey) -> Result<Option<Object>, RowError> {
        self.current_from(rows, key, 0)
    }

    /// The object that comes from beneath the uppermost layer, if the key has not been its own.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn inherited(&self, rows: &dyn Rows, key: &ObjectKey) -> Result<Option<Object>, RowError> {
        if self.layers.len() == 1 || self.owns(rows, self.top(), key)? {
            return Ok(None);
        }
        self.current_from(rows, key, 1)
    }

    fn current_from(&self, rows: &dyn Rows, key: &ObjectKey, first: usize) -> Result<Option<Object>, RowError> {
        for (index, layer) in self.layers.iter().enumerate().skip(first) {
            let found = match layer.at {
                None => current(rows, self.tenant, layer.bucket, key)?.map(|current| current.object),
                Some(at) => current_at(rows, self.tenant, layer.bucket, key, at)?,
            };
            let is_last = index + 1 == self.layers.len();
            if found.is_some() || is_last || self.owns(rows, *layer, key)? {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn owns(&self, rows: &dyn Rows, layer: Layer, key: &ObjectKey) -> Result<bool, RowError> {
        let own = row::get::<OwnKey>(rows, &OwnKey::key(self.tenant, layer.bucket, key))?;
        Ok(own.is_some_and(|own| layer.at.is_none_or(|at| own.0 <= at.position)))
    }

    /// The latest version that is shown of a key: an object, or a delete marker.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn latest(&self, rows: &dyn Rows, key: &ObjectKey) -> Result<Option<Version>, RowError> {
        let top = self.top();
        let own = match top.at {
            None => latest(rows, self.tenant, top.bucket, key)?,
            Some(at) => latest_at(rows, self.tenant, top.bucket, key, at)?,
        };
        if own.is_some() { Ok(own) } else { Ok(self.inherited(rows, key)?.map(Version::Object)) }
    }

    /// One version that is shown of a key.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn version(&self, rows: &dyn Rows, key: &ObjectKey, id: VersionId) -> Result<Option<FoundVersion>, RowError> {
        let top = self.top();
        let own = match top.at {
            None => version(rows, self.tenant, top.bucket, key, id)?,
            Some(at) => version_at(rows, self.tenant, top.bucket, key, id, at)?,
        };
        if own.is_some() {
            return Ok(own);
        }
        let inherited = self.inherited(rows, key)?.map(Version::Object).filter(|version| version.id() == id);
        Ok(inherited.map(|version| FoundVersion { version, is_latest: true, superseded: None }))
    }

    /// A page of the objects that are shown.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn list(&self, rows: &dyn Rows, query: &ListQuery) -> Result<Page<ObjectEntry>, RowError> {
        page(&mut self.objects_from(rows, 0), query, false)
    }

    /// A page of the versions and delete markers that are shown: by key, newest first. With it, when it is truncated behind an
    /// entry, the version to resume behind.
    ///
    /// # Errors
    /// [`RowError`].
    pub fn list_versions(
        &self,
        rows: &dyn Rows,
        query: &ListQuery,
        resume: VersionResume,
    ) -> Result<(Page<VersionEntry>, Option<VersionId>), RowError> {
        let top = self.top();
        // Inside a group the group is skipped whole, whatever version is named.
        let after = query.after.as_ref().filter(|after| group(query, after).is_none());
        let (own, resumed): (Box<dyn Source<Entry = VersionEntry> + '_>, bool) = match top.at {
            None => {
                let mut own = VersionRows::new(rows, self.tenant, top.bucket);
                let resumed = match (after, resume) {
                    (Some(after), VersionResume::Behind(version)) => own.resume(after, version)?,
                    _ => false,
                };
                (Box::new(own), resumed)
            }
            Some(at) => {
                let resume = match (after, resume) {
                    (Some(after), VersionResume::Behind(id)) => self.resume_at(rows, after, id, at)?,
                    _ => None,
                };
                let resumed = resume.is_some();
                (Box::new(VersionsAt::new(rows, self.tenant, top.bucket, at, resume)), resumed)
            }
        };
        let mut source = own;
        if self.layers.len() > 1 {
            // What comes from beneath has one version a key, which was shown if the page before ended with it.
            let shown = after.filter(|_| resumed).cloned();
            let beneath = AsVersions { objects: self.objects_from(rows, 1), shown };
            let marks = self.marks(rows, top);
            source = Box::new(Merged { upper: Peeked::new(source), lower: Peeked::new(Box::new(beneath)), marks });
        }
        let page = page(&mut source, query, resumed)?;
        let next = next_version(&page);
        Ok((page, next))
    }

    /// Where versions of a key go on: behind an event. None when there can be none.
    fn resume_at(
        &self,
        rows: &dyn Rows,
        after: &str,
        id: VersionId,
        at: EventId,
    ) -> Result<Option<(String, EventId)>, RowError> {
        let Ok(key) = ObjectKey::parse(after) else { return Ok(None) };
        let behind = match id {
            VersionId::Event(event) => Some(event),
            VersionId::Null => {
                version_at(rows, self.tenant, self.top().bucket, &key, id, at)?.map(|found| found.version.made_by())
            }
        };
        Ok(behind.map(|behind| (after.to_owned(), behind)))
    }

    fn marks<'a>(&self, rows: &'a dyn Rows, layer: Layer) -> Marks<'a> {
        let walk = Walk::new(rows, OwnKey::TABLE, OwnKey::prefix(self.tenant, layer.bucket), Form::Plain);
        Marks { walk, upto: layer.at.map(|at| at.position) }
    }

    /// Objects of a layer and those beneath it.
    fn objects_from<'a>(&self, rows: &'a dyn Rows, first: usize) -> Box<dyn Source<Entry = ObjectEntry> + 'a> {
        let layer = self.layers[first];
        let own: Box<dyn Source<Entry = ObjectEntry> + 'a> = match layer.at {
            None => Box::new(CurrentRows::new(rows, self.tenant, layer.bucket)),
            Some(at) => Box::new(CurrentAt::new(rows, self.tenant, layer.bucket, at)),
        };
        if first + 1 == self.layers.len() {
            return own;
        }
        let lower = Peeked::new(self.objects_from(rows, first + 1));
        Box::new(Merged { upper: Peeked::new(own), lower, marks: self.marks(rows, layer) })
    }
}

/// Keys that stand on their own in a fork.
struct Marks<'a> {
    walk: Walk<'a>,
    /// Those that came later do not count.
    upto: Option<Position>,
}

impl Marks<'_> {
    /// Whether a key does. Keys are asked for in order.
    fn has(&mut self, key: &str) -> Result<bool, RowError> {
        const STEPS_MAX: usize = 16;
        let mut steps = 0;
        while let Some(found) = self.walk.peek()? {
            match found.object.as_str().cmp(key) {
                std::cmp::Ordering::Less if steps < STEPS_MAX => {
                    steps += 1;
                    self.walk.step();
                }
                std::cmp::Ordering::Less => self.walk.seek(key.as_bytes()),
                std::cmp::Ordering::Equal => {
                    let own: OwnKey = row::decode(&found.value)?;
                    return Ok(self.upto.is_none_or(|upto| own.0 <= upto));
                }
                std::cmp::Ordering::Greater => return Ok(false),
            }
        }
        Ok(false)
    }
}

/// A source with a look ahead.
struct Peeked<'a, E> {
    source: Box<dyn Source<Entry = E> + 'a>,
    next: Option<Option<(String, E)>>,
}

impl<'a, E> Peeked<'a, E> {
    fn new(source: Box<dyn Source<Entry = E> + 'a>) -> Self {
        Self { source, next: None }
    }

    fn key(&mut self) -> Result<Option<&str>, RowError> {
        if self.next.is_none() {
            self.next = Some(self.source.next()?);
        }
        Ok(self.next.as_ref().and_then(Option::as_ref).map(|(key, _)| key.as_str()))
    }

    fn take(&mut self) -> Option<(String, E)> {
        self.next.take().flatten()
    }
}

/// A fork's own entries, and between them those from beneath whose keys are not its own.
struct Merged<'a, E> {
    upper: Peeked<'a, E>,
    lower: Peeked<'a, E>,
    marks: Marks<'a>,
}

impl<E> Source for Merged<'_, E> {
    type Entry = E;

    fn seek(&mut self, key: &[u8]) {
        for side in [&mut self.upper, &mut self.lower] {
            side.source.seek(key);
            side.next = None;
        }
        self.marks.walk.seek(key);
    }

    fn next(&mut self) -> Result<Option<(String, E)>, RowError> {
        loop {
            let Some(lower) = self.lower.key()? else {
                self.upper.key()?;
                return Ok(self.upper.take());
            };
            if self.upper.key()?.is_some_and(|upper| upper <= lower) {
                return Ok(self.upper.take());
            }
            if self.marks.has(lower)? {
                self.lower.take();
                continue;
            }
            return Ok(self.lower.take());
        }
    }
}

/// Objects as the only versions of their keys.
struct AsVersions<'a> {
    objects: Box<dyn Source<Entry = ObjectEntry> + 'a>,
    /// The key whose version was shown.
    shown: Option<String>,
}

impl Source for AsVersions<'_> {
    type Entry = VersionEntry;

    fn seek(&mut self, key: &[u8]) {
        self.objects.seek(key);
    }

    fn next(&mut self) -> Result<Option<(String, VersionEntry)>, RowError> {
        while let Some((key, entry)) = self.objects.next()? {
            if self.shown.as_ref() == Some(&key) {
                continue;
            }
            let version = Version::Object(entry.object);
            let entry = VersionEntry { key: entry.key, version, is_latest: true, superseded: None };
            return Ok(Some((key, entry)));
        }
        Ok(None)
    }
}
