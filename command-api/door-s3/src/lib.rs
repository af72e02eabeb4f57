//! The S3 dialect, signatures included.
//!
//! Owns: reading requests of the AWS S3 API, admitting their senders, writing answers and errors as S3 does.
//! Does not own: any decision. It says to the store what the client asked, and to the client what the store answered.
//! Invariants: without a verified caller nothing reaches the store; what this door does not do is refused with 501 and
//! never accepted without effect.

mod access_log;
mod acl;
mod answer;
mod ask;
mod attributes;
mod audit;
pub mod auth;
pub mod body;
mod bucket;
mod bucket_encryption;
mod copy;
mod cors;
mod delete;
mod errors;
mod form;
mod front;
mod gate;
mod headers;
mod idempotency;
mod kept;
mod lifecycle;
mod list;
mod locks;
mod logging;
mod multipart;
mod names;
mod notification;
mod object_read;
mod object_write;
mod ownership;
mod past;
mod payload;
mod policy;
mod receipt;
mod route;
mod service;
mod tagging;
#[cfg(test)]
mod testing;
mod uploads;
mod versions;
mod xml;

pub use service::{Options, router};
