//! The past of a bucket: as of which point something is asked, what changed, what is kept.

use std::sync::OnceLock;

use schemas::content::ETag;
use schemas::delivery::FeedEvent;
use schemas::event::HistoryWindow;
use schemas::{BucketName, EventId, ObjectKey, Position, RequestId, SnapshotName, Time, VersionId};

use super::Point;

/// A point of a tenant's log that was found: its last event, and when that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// The last event that is shown.
    pub at: EventId,
    /// When it happened.
    pub time: Time,
}

/// As of which point a request asks. Found once, so that all of the request shows the same moment.
#[derive(Debug)]
pub struct AskedPast {
    /// As the request says it.
    pub point: Point,
    found: OnceLock<AsOf>,
}

impl AskedPast {
    /// As of a point that has not been looked for.
    #[must_use]
    pub fn new(point: Point) -> Self {
        Self { point, found: OnceLock::new() }
    }

    /// The point, once something was read as of it.
    #[must_use]
    pub fn found(&self) -> Option<AsOf> {
        self.found.get().copied()
    }

    pub(crate) fn find<E>(&self, look: impl FnOnce() -> Result<AsOf, E>) -> Result<AsOf, E> {
        if let Some(found) = self.found.get() {
            return Ok(*found);
        }
        let found = look()?;
        Ok(*self.found.get_or_init(|| found))
    }
}

/// A bucket that shows what another one was.
#[derive(Debug, Clone)]
pub struct AskedBase {
    /// The other.
    pub bucket: BucketName,
    /// As of when.
    pub point: Point,
    /// Whether it can be written: a fork, else a view.
    pub writable: bool,
}

/// What a bucket shows of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseInfo {
    /// The other's name.
    pub bucket: BucketName,
    /// As of when.
    pub as_of: AsOf,
    /// Whether it can be written.
    pub writable: bool,
}

/// A named point of a bucket's past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Its name.
    pub name: SnapshotName,
    /// What it shows.
    pub as_of: AsOf,
    /// When it was made.
    pub created: Time,
}

/// How long a bucket's past content is kept, and from where on it is all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryInfo {
    /// As somebody set it; none where the installation's default holds.
    pub chosen: Option<HistoryWindow>,
    /// In effect.
    pub window: HistoryWindow,
    /// All content of the points from here on is there. The point may be the bucket's creation.
    pub horizon: AsOf,
}

/// What an object was, as differences and histories show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// Its version; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
    /// Entity tag.
    pub etag: ETag,
    /// Bytes.
    pub size_bytes: u64,
    /// When it was made.
    pub modified: Time,
}

/// A key that shows something else at two points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDifference {
    /// The key.
    pub key: ObjectKey,
    /// What was current at the first point.
    pub before: Option<ObjectState>,
    /// And at the second.
    pub after: Option<ObjectState>,
}

/// A page of differences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences {
    /// The first point.
    pub from: AsOf,
    /// The second.
    pub to: AsOf,
    /// Keys in order.
    pub keys: Vec<KeyDifference>,
}

/// What is compared.
#[derive(Debug, Clone)]
pub struct AskedDifference {
    /// Bucket.
    pub bucket: BucketName,
    /// The first point.
    pub from: Point,
    /// The second.
    pub to: Point,
    /// Only keys that begin with it.
    pub prefix: String,
}

/// Which keys are to be what they were.
#[derive(Debug, Clone)]
pub enum AskedRewind {
    /// Those that changed behind a point: as they were there.
    Restore {
        /// The point.
        point: Point,
        /// Only keys that begin with it.
        prefix: String,
    },
    /// Those that a cause changed: as they were before it.
    Undo {
        /// The cause.
        cause: AskedCause,
        /// Also those that others changed since.
        force: bool,
    },
}

/// What is to be undone.
#[derive(Debug, Clone)]
pub enum AskedCause {
    /// All that a request did.
    Request(RequestId),
    /// All that a user did, or whoever had an access key.
    Actor {
        /// User id or access key id.
        id: String,
        /// Nothing that was before it.
        since: Point,
    },
    /// The events at these positions, in any order.
    Positions(Vec<Position>),
}

/// Events of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastEvents {
    /// Oldest first, each as the change feed shows it.
    pub events: Vec<FeedEvent>,
    /// Behind which position the next page begins; none when there is no more.
    pub next: Option<Position>,
}
