//! The announcements: rules, translation, lanes, webhook and NATS sinks.
//!
//! Owns: telling subscribers what the log says, in order, until they have taken it.
//! Does not own: which subscriptions there are (pipeline, through [`Directory`]), the log, who may ask.
//! Invariants: the log is the queue: an event is never copied into another. An event is told under one id for ever. Nothing
//! is told before it is durable, and nothing is lost: what is kept here can be lost, and then events are told again.

mod announcement;
mod bell;
mod clock;
mod egress;
mod engine;
mod fair;
mod figures;
mod filter;
mod following;
mod history;
pub mod nats;
mod notifier;
mod retry;
mod sender;
mod signature;
mod state;
mod subscription;
mod translation;

pub(crate) use announcement::Announcement;
pub use announcement::Names;
pub use bell::Bell;
pub use clock::Clock;
pub use egress::EgressError;
pub use figures::NotifierFigures;
pub use notifier::{Notifier, NotifierError, Options};
pub use retry::RetryPolicy;
pub use state::TABLE;
pub use subscription::{Directory, DirectoryError, Subscription};

/// One or more values of every event, which golden files hold too.
#[cfg(test)]
#[path = "../../schemas/tests/golden/samples.rs"]
mod golden;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod telling;
