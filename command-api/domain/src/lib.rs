//! The decisions: commands to events; policy. Pure.
//!
//! Owns: what is allowed, and what happens when it is. One module per aggregate, each with `State`, `Command`,
//! `decide(&State, Command) -> Result<Vec<Event>, Refusal>` and a total `evolve`.
//! Does not own: time, ids, digests, rows, bytes. A decision that needs one finds it in its state or command.
//! Invariant: the same state and command always decide the same.

pub mod access;
pub mod access_key;
pub mod acl;
pub mod admin_token;
#[cfg(test)]
mod any_history;
pub mod bucket;
pub mod bucket_policy;
pub mod bucket_setting;
mod condition;
pub mod content;
pub mod cors;
pub mod encryption;
pub mod erasure;
pub mod history;
pub mod lifecycle;
pub mod lock;
pub mod logging;
pub mod notification;
pub mod object;
pub mod point;
pub mod policy;
pub mod quota;
pub mod read;
mod refusal;
#[cfg(test)]
mod scenario;
pub mod subscription;
pub mod tenant;
pub mod upload;
pub mod user;
pub mod validate;
pub mod watch;
pub mod webhook;

pub use condition::{Conditions, ETagCondition};
pub use refusal::Refusal;
