//! The S3 dialect, signatures included.
