//! One hash for all rows of a tenant in a table: equal digests, equal answers.

use event_log::{Rows, prefix};
use schemas::{LeafHash, TenantId};
use sha2::{Digest, Sha256};

use crate::row::RowError;
use crate::tables::TABLES;

/// SHA-256 over a tenant's rows of each core projection, by table name: for every row in key order the lengths of key and
/// value (u64 BE each), the key, the value. Part of the format: seals commit to it.
///
/// The system tenant's directory holds the ids of all tenants' access keys: its digest stands for all logs together.
///
/// # Errors
/// When the engine cannot read.
pub fn digest(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(&'static str, LeafHash)>, RowError> {
    let mut out = Vec::with_capacity(TABLES.len());
    for &table in TABLES {
        let mut hasher = Sha256::new();
        for row in prefix(rows, table, &tenant.0.to_be_bytes()) {
            let (key, value) = row?;
            for bytes in [&key, &value] {
                hasher.update((bytes.len() as u64).to_be_bytes());
            }
            hasher.update(&key);
            hasher.update(&value);
        }
        out.push((table.name, LeafHash(hasher.finalize().into())));
    }
    Ok(out)
}
