//! The announcements: rules, translation, lanes, webhook and NATS sinks.

mod announcement;
mod filter;
mod translation;

pub use announcement::{Announcement, Names};
pub use filter::Matcher;
pub use translation::{TestEvent, cloud_type, content_type, subject, subject_token};

/// One or more values of every event, which golden files hold too.
#[cfg(test)]
#[path = "../../schemas/tests/golden/samples.rs"]
mod golden;
#[cfg(test)]
mod samples;
