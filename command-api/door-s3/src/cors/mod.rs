//! CORS: the rules of a bucket, preflights, and what answers to pages of other origins carry.
//!
//! Owns: the XML of rules, the headers and refusals of S3. Does not own: which rule holds (`domain::cors`).
//! Invariant: a preflight needs no credential and learns nothing but what the rules say of it; no header of CORS changes what
//! a request may do.

mod answer;
mod document;

pub(crate) use answer::{decorate, preflight};
pub(crate) use document::{delete, get, put};
