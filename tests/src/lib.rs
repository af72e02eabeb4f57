//! The outside view: what the suites share to start, drive, kill and inspect a server as a stranger would.
//!
//! Owns: a server process of one's own, a small signing client, a load of mixed writes, a disk whose power can be
//! cut.
//! Does not own: what is expected of either; each suite says that.

mod admin;
mod client;
mod data;
mod disk;
mod load;
mod server;

pub use admin::{Admin, Keys};
pub use client::{Answer, Connection, Credentials, encode_path, timestamp};
pub use data::{Random, incompressible};
pub use disk::Disk;
pub use load::{Known, Load, Model, Value, check_models, rebuild_agrees};
pub use server::{Server, program};
