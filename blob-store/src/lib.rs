//! The bytes: blobs, manifests, segments, backends, sweep.
//!
//! Owns: the stored form of a blob, the layout of segment files, when bytes are durable, and the pins that keep a blob
//! while somebody is about to refer to it.
//! Does not own: where a blob is. That is a [`Place`], which the caller keeps in its rows and hands back for reading;
//! this crate knows no database. Nor the keys: they come from `vault` and are kept, wrapped, by the caller.
//! Invariant: after [`BlobStore::sync`] or [`BlobStore::sync_small`] answered `Ok`, what was written before is found again
//! after any crash. A damaged byte is an error, never other bytes.
//!
//! Every call blocks and belongs on a thread that may.

pub mod backend;
pub mod content;
mod error;
mod files;
mod form;
mod lanes;
mod options;
mod pins;
mod place;
mod read;
mod record;
mod rooms;
mod segment;
mod store;
mod walk;

pub use error::{OpenError, ReadError, WriteError};
pub use form::BLOB_BYTES_MAX;
pub use options::{Compression, Lane, Options};
pub use pins::{Freeing, Pin, Pins};
pub use place::{Extent, Place, Scanned, SegmentInfo, SegmentState, Staged};
pub use rooms::Rooms;
pub use store::BlobStore;
pub use walk::Damage;
