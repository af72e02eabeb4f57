//! The S3 dialect, signatures included.

pub mod auth;
pub mod body;
