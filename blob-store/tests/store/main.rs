//! The store as its callers see it: on a disk, in memory, under failures and crashes.
#![allow(missing_docs, clippy::unwrap_used)]

mod content;
mod crash;
mod damage;
mod failure;
mod reading;
mod side_by_side;
mod support;
