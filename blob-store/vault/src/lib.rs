//! The keys: root, tenant, bucket and blob keys; sealing.
