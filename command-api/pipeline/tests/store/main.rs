//! The store as doors hold it: races of writes, uploads and sweeps, encryption, tenants and keys, lists of grants, lifecycle
//! rules, locks, access logs, audit, proofs, quotas, rebuild, time, webhooks.

mod access_log;
mod acls;
mod announced;
mod audit;
mod backup;
mod bearers;
mod conditional;
mod digests;
mod encryption;
mod erasure;
mod idempotency;
mod identity;
mod keys;
mod lifecycle;
mod locks;
mod mixed;
mod past;
mod proofs;
mod quotas;
mod rewind;
mod support;
mod sweep;
mod time;
mod uploads;
mod webhooks;
