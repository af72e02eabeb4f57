//! One hash for all rows of a tenant in a table: equal digests, equal answers.

use std::borrow::Cow;

use event_log::{Rows, Table, prefix};
use schemas::{LeafHash, TenantId};
use sha2::{Digest, Sha256};

use crate::row::{self, RowError};
use crate::tables::TABLES;

/// SHA-256 over a tenant's rows of each core projection, by table name: for every row in key order the lengths of key and
/// value (u64 BE each), the key, the value. Part of the format: seals commit to it.
///
/// The system tenant's directory holds the ids of all tenants' access keys: its digest stands for all logs together.
///
/// # Errors
/// When the engine cannot read.
pub fn digest(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(&'static str, LeafHash)>, RowError> {
    digest_of(rows, tenant, |_, _, value| Cow::Borrowed(value))
}

/// The same over what rows say, whichever version wrote them: a row from before it had a field that is optional now counts as
/// this version writes it. For comparing; not part of the format.
pub(crate) fn digest_of_meaning(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(&'static str, LeafHash)>, RowError> {
    digest_of(rows, tenant, row::renewed)
}

fn digest_of(
    rows: &dyn Rows,
    tenant: TenantId,
    form: impl for<'v> Fn(Table, &[u8], &'v [u8]) -> Cow<'v, [u8]>,
) -> Result<Vec<(&'static str, LeafHash)>, RowError> {
    let mut out = Vec::with_capacity(TABLES.len());
    for &table in TABLES {
        let mut hasher = Sha256::new();
        for row in prefix(rows, table, &tenant.0.to_be_bytes()) {
            let (key, value) = row?;
            let value = form(table, &key, &value);
            for bytes in [&*key, &*value] {
                hasher.update((bytes.len() as u64).to_be_bytes());
            }
            hasher.update(&key);
            hasher.update(&value);
        }
        out.push((table.name, LeafHash(hasher.finalize().into())));
    }
    Ok(out)
}
