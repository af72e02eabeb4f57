//! The store as doors hold it: races of writes, uploads and sweeps, encryption, tenants and keys, lists of grants, lifecycle
//! rules, locks, access logs, rebuild, time.

mod access_log;
mod acls;
mod conditional;
mod digests;
mod encryption;
mod identity;
mod lifecycle;
mod locks;
mod mixed;
mod support;
mod sweep;
mod time;
mod uploads;
