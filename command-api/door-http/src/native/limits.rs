//! Bounds of this API that several operations share.

/// Most keys of one batch.
pub(super) const BATCH_KEYS_MAX: usize = 1_000;

/// Most objects of one archive.
pub(super) const ZIP_OBJECTS_MAX: usize = 10_000;

/// Shortest life of a signed URL, seconds.
pub(super) const SIGNED_URL_TTL_MIN_S: u64 = 1;
