//! Which object an event concerned, by bucket and position: for diff and undo.

use event_log::Table;
use schemas::{BucketId, ObjectKey, Position, TenantId};

use super::Row;
use crate::tables::{HISTORY, KIND_BYTES, Key, KeyReader, history};

/// The object that the event at a position changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChange(pub ObjectKey);

impl ObjectChange {
    /// Key of the row: tenant, kind, bucket, position.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, position: Position) -> Vec<u8> {
        Key::kind(tenant, history::CHANGE).bucket(bucket).number(position.0).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<Position> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        let position = Position(reader.number()?);
        reader.end()?;
        Some(position)
    }
}

impl Row for ObjectChange {
    const TABLE: Table = HISTORY;
    const WHAT: &'static str = "object change";

    fn encode(&self) -> Vec<u8> {
        self.0.as_str().as_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        ObjectKey::parse(std::str::from_utf8(bytes).ok()?).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{object_key, reads_back};
    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(key in object_key(), position: u64) {
            reads_back(&ObjectChange(key));
            let row_key = ObjectChange::key(TenantId(1), BucketId(2), Position(position));
            prop_assert_eq!(ObjectChange::parse_key(&row_key), Some(Position(position)));
        }
    }
}
