//! A log in memory, for tests of whoever writes or reads one.
//!
//! Owns: rows in ordered maps, shared with snapshots until they change.
//! Does not own: durability: it has none.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use schemas::record::Header;
use schemas::{CommandId, Position, TenantId};

use crate::core::Core;
use crate::engine::{Engine, View, Write};
use crate::format::{HEAD_KEY, HEADS, encode_commit};
use crate::log::{AppendError, Batch, BodyCipher, CipherError, EventLog, LogError, Opened, PurgeError, Snapshot};
use crate::purge::Journals;
use crate::steady::Steady;
use crate::table::{ReadError, RowIter};

type Space = BTreeMap<Vec<u8>, Vec<u8>>;
type Spaces = BTreeMap<&'static str, Arc<Space>>;

/// A log that keeps nothing: the same rules as on disk, tables of any name.
pub struct MemoryLog {
    core: Core<Memory>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new(cipher: Arc<dyn BodyCipher>) -> Self {
        Self { core: Core::new(Memory::default(), cipher, 0, Steady::none()) }
    }
}

impl EventLog for MemoryLog {
    fn begin(&self) -> Box<dyn Batch + '_> {
        self.core.begin()
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.core.snapshot()
    }

    fn resolve(&self, tenant: TenantId, command: CommandId) -> Result<Option<Position>, LogError> {
        self.core.resolve(tenant, command)
    }

    fn committed(&self) -> u64 {
        self.core.committed()
    }

    fn wait(&self, tenant: TenantId, position: Position, timeout_ms: u64) -> bool {
        self.core.wait(tenant, position, timeout_ms)
    }

    fn write_out(&self) -> Result<(), PurgeError> {
        Ok(())
    }

    fn merge(&self) -> Result<(), PurgeError> {
        Ok(())
    }

    fn journals(&self) -> std::io::Result<Option<Journals>> {
        Ok(None)
    }
}

#[derive(Default)]
pub(crate) struct Memory {
    spaces: RwLock<Spaces>,
}

impl Engine for Memory {
    type View = MemoryView;

    fn view(&self) -> MemoryView {
        MemoryView(self.spaces.read().clone())
    }

    fn write(&self, rows: Vec<Write>, _bytes: usize, commit: u64) -> Result<(), AppendError> {
        let mut spaces = self.spaces.write();
        for Write { space, key, value } in rows {
            // Cloned only while a snapshot still holds it.
            let space = Arc::make_mut(spaces.entry(space).or_default());
            match value {
                Some(value) => space.insert(key, value),
                None => space.remove(&key),
            };
        }
        Arc::make_mut(spaces.entry(HEADS).or_default()).insert(HEAD_KEY.to_vec(), encode_commit(commit, 0));
        Ok(())
    }
}

pub(crate) struct MemoryView(Spaces);

impl View for MemoryView {
    fn get(&self, space: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.0.get(space).and_then(|rows| rows.get(key)).cloned())
    }

    fn range(&self, space: &'static str, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>, reverse: bool) -> RowIter<'_> {
        let Some(rows) = self.0.get(space) else { return Box::new(std::iter::empty()) };
        let rows = rows.range::<Vec<u8>, _>((from, to)).map(|(key, value)| Ok((key.clone(), value.clone())));
        if reverse { Box::new(rows.rev()) } else { Box::new(rows) }
    }
}

/// Seals nothing: bodies lie in the clear. For tests only.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainCipher;

impl BodyCipher for PlainCipher {
    fn seal(&self, _header: &Header, plaintext: &[u8]) -> Result<Vec<u8>, CipherError> {
        Ok(plaintext.to_vec())
    }

    fn open(&self, _header: &Header, sealed: &[u8]) -> Result<Opened, CipherError> {
        Ok(Opened::Open(sealed.to_vec()))
    }
}
