//! Pins: a blob that a de-duplication hit is about to refer to must not be freed in between.
//!
//! Owns: in memory, who is about to refer to which blob, and which blobs are being freed.
//! Does not own: references that are already events; the sequencer checks those.
//! Invariant: a blob is never pinned and being freed at the same time. Both are decided under one lock, so of a pin and a
//! free that race, one loses and knows it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;
use schemas::{BlobId, TenantId};

type Key = (TenantId, BlobId);

#[derive(Debug, Default)]
struct State {
    pinned: HashMap<Key, usize>,
    freeing: HashSet<Key>,
}

/// All pins of a store. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Pins {
    state: Arc<Mutex<State>>,
}

impl Pins {
    /// Keeps a blob from being freed until the pin is dropped; `None` while it is being freed: write the bytes anew.
    #[must_use]
    pub fn pin(&self, tenant: TenantId, blob: BlobId) -> Option<Pin> {
        let key = (tenant, blob);
        let mut state = self.state.lock();
        if state.freeing.contains(&key) {
            return None;
        }
        *state.pinned.entry(key).or_default() += 1;
        Some(Pin { state: Arc::clone(&self.state), key })
    }

    /// Marks those of `blobs` that nobody has pinned and nobody else is freeing. Hold the answer until the rows that free
    /// them are durable.
    #[must_use]
    pub fn begin_free(&self, blobs: &[(TenantId, BlobId)]) -> Freeing {
        let mut state = self.state.lock();
        let granted =
            blobs.iter().copied().filter(|key| !state.pinned.contains_key(key) && state.freeing.insert(*key)).collect();
        Freeing { state: Arc::clone(&self.state), granted }
    }
}

/// While it lives, its blob is not freed.
#[derive(Debug)]
pub struct Pin {
    state: Arc<Mutex<State>>,
    key: Key,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if let Some(count) = state.pinned.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                state.pinned.remove(&self.key);
            }
        }
    }
}

/// While it lives, its blobs cannot be pinned.
#[derive(Debug)]
pub struct Freeing {
    state: Arc<Mutex<State>>,
    granted: Vec<Key>,
}

impl Freeing {
    /// The blobs that may be freed.
    #[must_use]
    pub fn granted(&self) -> &[(TenantId, BlobId)] {
        &self.granted
    }
}

impl Drop for Freeing {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        for key in &self.granted {
            state.freeing.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const TENANT: TenantId = TenantId(7);
    const BLOB: BlobId = BlobId([1; 16]);

    #[test]
    fn a_pinned_blob_is_not_freed_until_the_last_pin_is_dropped() {
        let pins = Pins::default();
        let first = pins.pin(TENANT, BLOB).expect("free to pin");
        let second = pins.pin(TENANT, BLOB).expect("free to pin");
        assert!(pins.begin_free(&[(TENANT, BLOB)]).granted().is_empty());
        drop(first);
        assert!(pins.begin_free(&[(TENANT, BLOB)]).granted().is_empty());
        drop(second);
        assert_eq!(pins.begin_free(&[(TENANT, BLOB)]).granted(), [(TENANT, BLOB)]);
    }

    #[test]
    fn a_blob_being_freed_cannot_be_pinned_nor_freed_twice() {
        let pins = Pins::default();
        let other = (TenantId(8), BLOB);
        let freeing = pins.begin_free(&[(TENANT, BLOB), (TENANT, BLOB), other]);
        assert_eq!(freeing.granted(), [(TENANT, BLOB), other]);
        assert!(pins.pin(TENANT, BLOB).is_none());
        assert!(pins.begin_free(&[(TENANT, BLOB)]).granted().is_empty());
        drop(freeing);
        assert!(pins.pin(TENANT, BLOB).is_some());
        assert!(pins.state.lock().pinned.is_empty() && pins.state.lock().freeing.is_empty());
    }

    #[test]
    fn of_a_pin_and_a_free_that_race_one_loses() {
        let pins = Pins::default();
        let inside = AtomicUsize::new(0);
        let (pinner, freer) = (1, 1 << 16);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        if let Some(pin) = pins.pin(TENANT, BLOB) {
                            assert_eq!(
                                inside.fetch_add(pinner, Ordering::SeqCst) / freer,
                                0,
                                "pinned while being freed"
                            );
                            inside.fetch_sub(pinner, Ordering::SeqCst);
                            drop(pin);
                        }
                    }
                });
            }
            scope.spawn(|| {
                for _ in 0..20_000 {
                    let freeing = pins.begin_free(&[(TENANT, BLOB)]);
                    if !freeing.granted().is_empty() {
                        assert_eq!(inside.fetch_add(freer, Ordering::SeqCst), 0, "freed while pinned");
                        inside.fetch_sub(freer, Ordering::SeqCst);
                    }
                }
            });
        });
    }
}
