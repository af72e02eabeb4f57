//! Long memory that is used again: what the allocator makes is cleared before it is filled, which takes as long as filling it.
//!
//! Owns: the free ones, and that they come back when the last reader of their bytes is gone.
//! Does not own: what they are filled with: whoever fills one hands out only what was written.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Free rooms.
pub struct Rooms {
    free: Mutex<Vec<Vec<u8>>>,
    kept_max: usize,
    sizes: RangeInclusive<usize>,
}

/// Bytes in a room.
struct Filled {
    bytes: Vec<u8>,
    rooms: Arc<Rooms>,
}

impl Rooms {
    /// So many are kept when nobody needs them, and of these sizes in bytes.
    #[must_use]
    pub fn new(kept_max: usize, sizes: RangeInclusive<usize>) -> Self {
        Self { free: Mutex::default(), kept_max, sizes }
    }

    /// One that is free, or an empty one. What it holds means nothing.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.free.lock().pop().unwrap_or_default()
    }

    /// A room that nobody needs any more.
    pub fn give_back(&self, room: Vec<u8>) {
        if !self.sizes.contains(&room.capacity()) {
            return;
        }
        let mut free = self.free.lock();
        if free.len() < self.kept_max {
            free.push(room);
        }
    }

    /// What a room was filled with. The room is free again when the last of these bytes is dropped.
    #[must_use]
    pub fn lend(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Filled { bytes, rooms: Arc::clone(self) })
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.rooms.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_comes_back_when_its_last_bytes_go() {
        let rooms = Arc::new(Rooms::new(16, 10..=1 << 20));
        let lent = rooms.lend(vec![7; 1000]);
        let part = lent.slice(10..20);
        drop(lent);
        assert_eq!(rooms.free.lock().len(), 0);
        assert_eq!(part[..], [7; 10]);
        drop(part);
        assert_eq!((rooms.take().len(), rooms.take().len()), (1000, 0));
    }

    #[test]
    fn only_so_many_and_so_large_ones_are_kept() {
        let rooms = Arc::new(Rooms::new(16, 10..=1 << 20));
        drop(rooms.lend(vec![0; (1 << 20) + 1]));
        drop(rooms.lend(vec![0; 9]));
        assert_eq!(rooms.free.lock().len(), 0);
        let lent: Vec<_> = (0..40).map(|_| rooms.lend(vec![0; 10])).collect();
        drop(lent);
        assert_eq!(rooms.free.lock().len(), 16);
    }
}
