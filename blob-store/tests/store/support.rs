use std::sync::Arc;

use blob_store::{
    BlobStore, Compression, Lane, Options, Place, ReadError, Staged,
    backend::{Backend, Memory},
};
use schemas::{SegmentId, TenantId};

pub(crate) const TENANT: TenantId = TenantId(0x7e4a_4711);

/// Small enough that a few records fill a segment.
pub(crate) fn options() -> Options {
    Options {
        segment_bytes: 16 << 10,
        inline_bytes_max: 100,
        open_segments_max: 4,
        compression: Compression::Off,
        reserve_bytes: 0,
        first_number: 7,
        open_files_max: 2,
    }
}

pub(crate) fn on(memory: &Memory) -> BlobStore {
    BlobStore::open_on(Arc::new(memory.clone()) as Arc<dyn Backend>, options()).unwrap()
}

/// Bytes that differ for every seed, and that zstd cannot shorten.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()
    };
    std::iter::repeat_with(next).flatten().take(bytes).collect()
}

/// A blob and what it must read back as.
pub(crate) struct Kept {
    pub(crate) staged: Staged,
    pub(crate) plaintext: Vec<u8>,
}

pub(crate) fn keep(store: &BlobStore, seed: u64, bytes: usize, lane: Lane) -> Kept {
    let plaintext = noise(seed, bytes);
    let staged = store.write(TENANT, &plaintext, lane).unwrap();
    Kept { staged, plaintext }
}

impl Kept {
    pub(crate) fn read(&self, store: &BlobStore) -> Result<Vec<u8>, ReadError> {
        self.read_at(store, &self.staged.place)
    }

    pub(crate) fn read_at(&self, store: &BlobStore, place: &Place) -> Result<Vec<u8>, ReadError> {
        store.read(TENANT, self.staged.blob, &self.staged.key, place, 0..u64::from(self.staged.size_bytes))
    }

    pub(crate) fn assert_reads(&self, store: &BlobStore) {
        assert_eq!(self.read(store).unwrap(), self.plaintext);
    }

    pub(crate) fn segment(&self) -> SegmentId {
        match self.staged.place {
            Place::Segment { segment, .. } => segment,
            Place::Inline(_) => panic!("inline"),
        }
    }

    pub(crate) fn offset(&self) -> u64 {
        match self.staged.place {
            Place::Segment { offset, .. } => offset,
            Place::Inline(_) => panic!("inline"),
        }
    }
}
