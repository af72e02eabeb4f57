//! Native JSON (`/api/v1`, 501 until it comes) and the admin API (`/admin/api/v1`).
//!
//! Owns: their paths, their JSON, bearer tokens of administrators, problem documents.
//! Does not own: what an administrator's command does, listeners, `/health` and `/metrics`.
//! Invariant: every answer has `X-Request-Id`; every error is a problem document with the same id.

mod admin;
mod native;
mod problem;
mod request;

pub use admin::admin_router;
pub use native::native_router;
pub use request::Options;
