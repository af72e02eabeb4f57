//! The door over a real store in a folder of its own: signed requests in, answers out.

mod acls;
mod announced;
mod audited;
mod cors;
mod encryption;
mod forms;
mod idempotency;
mod kit;
mod lifecycle;
mod locks;
mod logging;
mod notification;
mod owners;
mod policy;
mod tags;
mod versions;
