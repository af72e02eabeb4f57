//! The native API in front of a real store, asked as a client asks.

mod buckets;
mod conditions;
mod cors;
mod document;
mod kit;
mod lists;
mod locks;
mod multipart;
mod notifications;
mod objects;
mod rewind;
mod signed;
mod tokens;
