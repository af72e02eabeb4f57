//! The one road: Store, sequencer, queries, tasks, standing processes.

mod api;
mod store;

pub use api::*;
pub use store::Store;
