//! Native JSON (`/api/v1`) and the admin API (`/admin/api/v1`).
//!
//! Owns: their paths, their JSON, bearer tokens, signed URLs, problem documents, their OpenAPI documents.
//! Does not own: what a command does, listeners, `/health` and `/metrics`.
//! Invariant: every answer has `X-Request-Id`; every error is a problem document with the same id.

mod admin;
mod audited;
mod docs;
mod json;
mod native;
mod openapi;
mod operation;
mod problem;
mod query;
mod request;

pub use admin::{admin_reference, admin_router};
pub use native::native_router;
pub use request::Options;
