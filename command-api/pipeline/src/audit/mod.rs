//! Audit and metering: every request of every door leaves a trace, and what tenants use is counted.
//!
//! Owns: the access log (reads, denials, failures), minutes of use, both in the database of following views; asking for them
//! together with what events say.
//! Does not own: changes that were made: their events are their audit, and nothing is written twice.
//! Invariants: no request waits for an entry. At most 250 ms of entries and counts are lost when the process is killed, and
//! what a full queue loses is said in an entry of its own. Entries are sealed under their tenant's key.
//!
//! A door begins a [`Record`] for each request, says what it finds out by the record's [`Trace`], does its work within
//! [`Trace::scope`] and ends the record when the last byte of the answer was sent.

mod entry;
mod events;
mod meter;
mod query;
mod record;
mod sink;
mod source;

pub use entry::{Asker, AskerKind, Class, Surface, Verdict, What};
pub use meter::{Counts, Stored, Window};
pub use query::{AUDIT_PAGE_MAX, AuditEntry, AuditPage, AuditQuery, Order};
pub use record::{Came, Ended, Facts, Record, Trace};
pub use sink::AuditFigures;

pub(crate) use meter::{MINUTE_US, minute, windows};
pub(crate) use query::{Shelves, page};
pub(crate) use record::made;
pub(crate) use sink::{NOTES, Retention, Sink, TABLES, Writing, set_aside};
