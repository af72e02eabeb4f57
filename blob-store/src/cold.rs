//! Long stretches that were read from disk lately: who reads one for the first time reads past the kernel's cache, and who reads it again
//! fills it.
//!
//! A stretch that is read once, as most of a backup or an export is, would drive out what is read often, and memory for it may cost more than
//! the reading. One that is read again within the memory of this is worth keeping.

use lru::LruCache;
use parking_lot::Mutex;
use schemas::SegmentId;

/// Stretches remembered: of a MiB each, 64 GiB.
const REMEMBERED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(65_536).unwrap();

/// Where a stretch begins.
pub(crate) type Stretch = (SegmentId, u64);

pub(crate) struct Cold(Mutex<LruCache<Stretch, ()>>);

impl Cold {
    pub(crate) fn new() -> Self {
        // It grows as it is used.
        let mut all = LruCache::unbounded();
        all.resize(REMEMBERED);
        Self(Mutex::new(all))
    }

    /// Whether a stretch was not read lately. It has been now.
    pub(crate) fn is_first(&self, stretch: Stretch) -> bool {
        self.0.lock().put(stretch, ()).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_reading_is_the_first() {
        let cold = Cold::new();
        let at = |offset| (SegmentId(1), offset);
        assert!(cold.is_first(at(0)) && !cold.is_first(at(0)) && cold.is_first(at(1)));
        assert!((2..70_000).all(|offset| cold.is_first(at(offset))));
        assert!(cold.is_first(at(0)), "forgotten behind so many others");
    }
}
