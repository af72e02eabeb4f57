//! Memory for pieces on their way out, used again: a piece of a MiB that the allocator makes is cleared before it is filled.
//!
//! Owns: the free ones, and that they come back when an answer's bytes are sent.
//! Does not own: what they are filled with: whoever fills one hands out only what was written (blob-store).

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// So many are kept when nobody needs them.
const KEPT_MAX: usize = 16;
/// A larger one is not kept.
const ROOM_BYTES_MAX: usize = (1 << 20) + (64 << 10);

/// Free rooms.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<Vec<Vec<u8>>>);

/// Bytes in a room.
struct Filled {
    bytes: Vec<u8>,
    rooms: Arc<Rooms>,
}

impl Rooms {
    /// One that is free, or a new one. What it holds means nothing.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.lock().pop().unwrap_or_default()
    }

    /// What a room was filled with. The room is free again when the last of these bytes is dropped.
    pub(crate) fn lend(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
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
        if self.bytes.capacity() > ROOM_BYTES_MAX {
            return;
        }
        let mut free = self.rooms.0.lock();
        if free.len() < KEPT_MAX {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_comes_back_when_its_last_bytes_go() {
        let rooms = Arc::<Rooms>::default();
        let lent = rooms.lend(vec![7; 1000]);
        let part = lent.slice(10..20);
        drop(lent);
        assert_eq!(rooms.0.lock().len(), 0);
        assert_eq!(part[..], [7; 10]);
        drop(part);
        assert_eq!((rooms.take().len(), rooms.take().len()), (1000, 0));
    }

    #[test]
    fn only_so_many_and_so_large_ones_are_kept() {
        let rooms = Arc::<Rooms>::default();
        drop(rooms.lend(vec![0; ROOM_BYTES_MAX + 1]));
        assert_eq!(rooms.0.lock().len(), 0);
        let lent: Vec<_> = (0..40).map(|_| rooms.lend(vec![0; 10])).collect();
        drop(lent);
        assert_eq!(rooms.0.lock().len(), KEPT_MAX);
    }
}
