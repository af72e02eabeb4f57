//! What a request is about: which bucket and key, and which operation.
//!
//! Owns: the reading of host, path and query, once. Does not own: parameters of an operation.
//! Invariant: an operation is chosen by method, path, subresource names and `x-amz-copy-source` alone; what this door does
//! not do is named and refused, never taken for something else.

mod operation;
mod query;
mod target;

pub(crate) use operation::{Operation, select};
pub(crate) use query::Query;
pub(crate) use target::{Target, percent_decode, without_port};
