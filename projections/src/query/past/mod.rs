//! The past: what was there at a point of the log, and what a bucket shows of another.
//!
//! Owns: finding it by seeks in the rows of what is and of what was.
//! Does not own: which position a point is, whether content of then is still there (pipeline).

mod bucket;
mod current;
mod history;
mod layers;
mod versions;
mod walk;

pub use bucket::{DueRelease, bucket_at, derived, horizon, release_buckets, releases_of, snapshot, snapshots};
pub use current::current_at;
pub use history::object_events;
pub use layers::{LAYERS_MAX, Layer, Layers, layers};
pub use versions::{ended, latest_at, version_at};
