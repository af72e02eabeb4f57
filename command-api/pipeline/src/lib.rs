//! The one road: Store, sequencer, queries, tasks, standing processes.
//!
//! Owns: the way from a caller's request to a durable answer, and back.
//! Does not own: decisions (domain), record bytes (event-log), rows (projections), stored bytes (blob-store), dialects.
//! Invariant: one thread writes; a door never decides, and without a caller nothing happens.

mod access_log;
mod announcements;
mod api;
pub mod audit;
pub mod backup;
mod cipher;
mod clock;
mod content;
mod customer_key;
mod export;
pub mod limits;
mod proofs;
mod rebuild;
mod sequencer;
mod standing;
mod store;
mod tables;
#[cfg(test)]
mod testing;
mod view;

pub use access_log::LoggedBucket;
pub use announcements::{AnnounceError, Announcements, Awaited, Subscription};
pub use api::*;
pub use clock::{Clock, Ids, SystemClock};
pub use customer_key::CustomerKey;
pub use proofs::{Growth, Inclusion, SignedCheckpoint};
pub use rebuild::{RebuildError, RebuildReport};
pub use standing::{LifecycleReport, SweepReport};
pub use store::{
    Account, ActiveUpload, ActiveUploads, AskedExport, Bearer, BearerError, Bounds, BucketSetting, BucketStats,
    ClockFigures, ClockState, ErasureCounts, ErasureInfo, Fingerprint, FirstStart, IDEMPOTENCY_KEY_BYTES_MAX, Minted,
    MoveObject, Moved, OnCommit, OpenError, OpenOptions, Pending, PrefixStats, ProjectionState, RefusedKey, Repeated,
    RewindPlan, RewindReport, Rewound, Selected, Selection, SignedUrl, Stats, Store, TaskInfo, TaskStatus, TaskWork,
    WindowsPage, is_idempotency_key,
};
