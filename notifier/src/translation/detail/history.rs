//! What events say about how much of a bucket's past is kept, and about buckets that show another's.

use schemas::event::{self, HistoryWindow};
use schemas::{TenantId, VersionId};

use crate::translation::shape::shapes;
use crate::translation::text::{EventRef, Text};

shapes! {
    /// How long a bucket's past content is kept.
    struct HistorySet {
        /// Seconds from when it was superseded for good; absent for ever, or where the installation's default holds.
        window_seconds: Option<u64>,
        /// Whether the bucket has no window of its own any more.
        of_default: bool,
    }

    /// A point of a bucket's past that got a name.
    struct SnapshotCreated<'a> {
        /// Its name.
        name: &'a str,
        /// The last event that it shows.
        at: EventRef,
        /// Its position.
        at_position: u64,
    }

    /// A snapshot that was deleted.
    struct SnapshotDeleted<'a> {
        /// The name that is free again.
        name: &'a str,
    }

    /// A key of a fork that came from its base.
    struct KeyInherited {
        /// The version that it came with.
        version_id: Text<VersionId>,
    }
}

impl HistorySet {
    pub(super) fn of(set: &event::BucketHistorySet) -> Self {
        let window_seconds = match set.window {
            Some(HistoryWindow::Seconds(seconds)) => Some(seconds),
            Some(HistoryWindow::Forever) | None => None,
        };
        Self { window_seconds, of_default: set.window.is_none() }
    }
}

impl<'a> SnapshotCreated<'a> {
    pub(super) fn of(created: &'a event::SnapshotCreated, tenant: TenantId) -> Self {
        let at_position = created.at.position.0;
        Self { name: created.name.as_str(), at: EventRef(tenant, created.at), at_position }
    }
}

impl<'a> SnapshotDeleted<'a> {
    pub(super) fn of(deleted: &'a event::SnapshotDeleted) -> Self {
        Self { name: deleted.name.as_str() }
    }
}

impl KeyInherited {
    pub(super) fn of(inherited: event::KeyInherited) -> Self {
        Self { version_id: Text(VersionId::Event(inherited.made_by)) }
    }
}
