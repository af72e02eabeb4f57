//! Bytes of bodies that wait to be hashed: those that wait at the same time are hashed side by side.
//!
//! Owns: the queue, how many meet.
//! Does not own: digests (`hashing`), how many work at once (`Contents`' places), the order of one body's bytes (`ingest`).

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::hashing::BodyHasher;
use super::md5::BODIES_MAX;

/// A queue of bodies.
#[derive(Default)]
pub(crate) struct Hashers(Mutex<VecDeque<Waiting>>);

struct Waiting {
    hasher: BodyHasher,
    chunks: Vec<Bytes>,
    done: oneshot::Sender<BodyHasher>,
}

impl Hashers {
    /// Asks for a hasher's update. [`work`](Self::work) must be called once for it, by whomever; what comes back is closed when it never was.
    pub(crate) fn ask(&self, hasher: BodyHasher, chunks: Vec<Bytes>) -> oneshot::Receiver<BodyHasher> {
        let (done, hashed) = oneshot::channel();
        self.0.lock().push_back(Waiting { hasher, chunks, done });
        hashed
    }

    /// Hashes what waits, side by side. Nothing, when others were faster.
    pub(crate) fn work(&self) {
        let taken = self.take();
        let (mut work, done): (Vec<_>, Vec<_>) =
            taken.into_iter().map(|waiting| ((waiting.hasher, waiting.chunks), waiting.done)).unzip();
        BodyHasher::update_all(&mut work);
        for ((hasher, chunks), done) in work.into_iter().zip(done) {
            // Before its client hears of it: memory that nobody needs any more is not held while more comes.
            drop(chunks);
            // Who went away meanwhile needs it no more.
            let _ = done.send(hasher);
        }
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.0.lock();
        waiting.retain(|one| !one.done.is_closed());
        let count = waiting.len().min(BODIES_MAX);
        waiting.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Digests;

    fn asked(hashers: &Hashers, count: usize) -> Vec<oneshot::Receiver<BodyHasher>> {
        let new = || BodyHasher::new(&Digests::default(), None);
        let chunk = |number: usize, bytes| Bytes::from(vec![number as u8; bytes]);
        let chunks = |number| vec![chunk(number, 70_000), chunk(number, 0), chunk(number, 30_000 + number)];
        (0..count).map(|number| hashers.ask(new(), chunks(number))).collect()
    }

    #[test]
    fn bodies_that_meet_are_hashed_together() {
        let hashers = Hashers::default();
        for (count, calls) in [(1, 1), (2, 1), (16, 1), (17, 2), (40, 3)] {
            let mut answers = asked(&hashers, count);
            (0..calls).for_each(|_| hashers.work());
            for (number, answer) in answers.iter_mut().enumerate() {
                let hashed = answer.try_recv().expect("is hashed").finish(None);
                let mut alone = BodyHasher::new(&Digests::default(), None);
                alone.update(&vec![number as u8; 100_000 + number]);
                let alone = alone.finish(None);
                assert_eq!((hashed.md5, hashed.size_bytes), (alone.md5, alone.size_bytes));
                assert_eq!(hashed.checksums, alone.checksums);
            }
            hashers.work();
        }
    }

    #[test]
    fn who_went_away_is_not_hashed_for() {
        let hashers = Hashers::default();
        let mut answers = asked(&hashers, 4);
        answers.truncate(1);
        hashers.work();
        assert!(answers[0].try_recv().is_ok() && hashers.0.lock().is_empty());
    }
}
