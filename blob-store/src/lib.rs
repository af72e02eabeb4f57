//! The bytes: blobs, manifests, segments, backends, sweep.
