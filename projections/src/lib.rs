//! The views: pure apply, queries, rebuild.
//!
//! Owns: which rows stand beside the log, their keys and bytes, what each event changes in them, the questions they answer.
//! Does not own: when an event is allowed (domain), writing (event-log), wrapped keys, inline bytes and the places of blobs
//! (truth and physical tables, pipeline's).
//! Invariant: rows follow from the log alone. Delete them, [`rebuild`], and every answer is the same, by [`digest`].

mod apply;
mod digest;
mod memory;
pub mod query;
mod rebuild;
pub mod row;
mod tables;

pub use apply::{ApplyError, apply, apply_event};
pub use digest::digest;
pub use memory::MemoryRows;
pub use rebuild::{
    Compared, Mismatch, RebuildError, Rebuilt, Sink, SinkError, TenantDigests, compare, rebuild, replay, replay_record,
};
pub use tables::{CATALOG, DIRECTORY, HISTORY, TABLES, is_steady};
