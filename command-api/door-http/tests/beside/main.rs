//! The native API beside its contract, over a store in a folder of its own.

mod account;
mod keys;
mod kit;
mod object_acl;
mod settings;
mod signed_urls;
