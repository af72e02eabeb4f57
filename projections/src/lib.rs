//! The views: pure apply, queries, rebuild.
