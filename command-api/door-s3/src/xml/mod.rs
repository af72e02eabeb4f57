//! XML in and out.
//!
//! Owns: escaping, the bounded reader, timestamps as S3 writes them.
//! Does not own: which elements an answer or a request has; each operation says so itself.

mod read;
mod write;

pub(crate) use read::{Element, Malformed, parse};
pub(crate) use write::{Xml, timestamp, url_encoded};
