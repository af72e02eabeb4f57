//! Descriptors of sealed segments kept open for reading.
//!
//! Invariant: at most `capacity` are kept; the longest unused goes first. Whoever reads holds its own handle, so neither
//! that nor unlinking takes a file away from under a reader.

use std::{collections::HashMap, io, sync::Arc};

use parking_lot::Mutex;
use schemas::SegmentId;

use crate::backend::{Backend, SegmentFile};

pub(crate) struct Files {
    capacity: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    uses: u64,
    files: HashMap<SegmentId, (Arc<dyn SegmentFile>, u64)>,
}

impl Files {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), kept: Mutex::default() }
    }

    /// The open file of a segment. It is kept if it still `exists` when it has been opened: an unlink in between must not
    /// leave a descriptor behind that nobody would drop.
    pub(crate) fn get(
        &self,
        backend: &dyn Backend,
        segment: SegmentId,
        exists: impl FnOnce() -> bool,
    ) -> io::Result<Arc<dyn SegmentFile>> {
        {
            let mut kept = self.kept.lock();
            let uses = kept.next_use();
            if let Some((file, used)) = kept.files.get_mut(&segment) {
                *used = uses;
                return Ok(Arc::clone(file));
            }
        }
        let file = backend.open(segment)?;
        let mut kept = self.kept.lock();
        if exists() {
            while kept.files.len() >= self.capacity {
                let Some(oldest) = kept.files.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id) else {
                    break;
                };
                kept.files.remove(&oldest);
            }
            let uses = kept.next_use();
            kept.files.insert(segment, (Arc::clone(&file), uses));
        }
        Ok(file)
    }

    pub(crate) fn forget(&self, segment: SegmentId) {
        self.kept.lock().files.remove(&segment);
    }
}

impl Kept {
    fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Memory;

    #[test]
    fn the_longest_unused_file_goes_first_and_an_unlinked_one_is_not_kept() {
        let memory = Memory::new();
        for id in 1..=4 {
            memory.create(SegmentId(id), 64, b"").unwrap();
        }
        let files = Files::new(2);
        let get = |id, exists| files.get(&memory, SegmentId(id), || exists).map(drop);
        let kept = || {
            let mut ids: Vec<u64> = files.kept.lock().files.keys().map(|id| id.0).collect();
            ids.sort_unstable();
            ids
        };
        get(1, true).unwrap();
        get(2, true).unwrap();
        get(1, true).unwrap();
        get(3, true).unwrap();
        assert_eq!(kept(), [1, 3]);
        get(4, false).unwrap();
        assert_eq!(kept(), [1, 3]);
        files.forget(SegmentId(1));
        assert_eq!(kept(), [3]);
        assert_eq!(get(9, true).err().map(|error| error.kind()), Some(io::ErrorKind::NotFound));
    }
}
