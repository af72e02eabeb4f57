//! The outside view: what the suites share to start, drive, kill and inspect a server as a stranger would.
//!
//! Owns: a server process of one's own, a small signing client.
//! Does not own: what is expected of either; each suite says that.

mod client;
mod data;
mod server;

pub use client::{Answer, Connection, Credentials, encode_path};
pub use data::{Random, incompressible};
pub use server::{Server, program};
