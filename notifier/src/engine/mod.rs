//! Who is told of what, when: one task for each tenant that reads its log as it grows, one for each subscription.
//!
//! Owns: the way from the log to a delivered event.
//! Does not own: what is sent (`translation`), how (`sender`), what is kept (`state`).

mod desk;
mod lanes;
mod runner;
mod told;

pub(crate) use desk::{Desk, Refresh};
pub(crate) use runner::{Shared, run};
pub(crate) use told::{ReplayOf, Told};
