//! Reading request headers: metadata, conditions, classes, and what is asked for that this door does not do.
//!
//! Owns: the meaning of a header that several operations share. Does not own: signatures and digests.

mod condition;
pub(crate) mod encryption;
mod lock;
mod refused;
mod stored;
mod text;

pub(crate) use condition::{copy_source_conditions, etag_condition, read_conditions, seconds, write_conditions};
pub(crate) use lock::{LOCK_HOLD, LOCK_MODE, LOCK_UNTIL, bypass_governance, legal_hold, lock, retention_end};
pub(crate) use refused::refuse_unimplemented;
pub(crate) use stored::{METADATA_BYTES_MAX, metadata, storage_class, storage_class_named, tags};
pub(crate) use text::{from_text, text, text_of};
