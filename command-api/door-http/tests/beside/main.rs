//! The native API beside its contract, over a store in a folder of its own.

mod account;
mod announced;
mod batch;
mod keys;
mod kit;
mod moves;
mod object_acl;
mod prefix_stats;
mod presign;
mod settings;
mod signed_urls;
mod tasks;
mod webhooks;
mod zip;
