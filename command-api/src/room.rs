//! Room for connections: how many a listener has at a time, and who goes when somebody new has none.
//!
//! Owns: the bound; who waits for a request, and since when; ending those that have waited longest.
//! Does not own: sockets (`listen`), how long a client in the middle of a request is waited for (`patience`).
//! Invariant: nobody is told to go between the end of a request's head and the last byte of its answer.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A connection that is younger may have its first request on the way.
const WAITED_MIN: Duration = Duration::from_secs(1);
/// One that was answered before is kept for longer: its client may be about to ask again.
pub(crate) const KNOWN_WAITED_MIN: Duration = Duration::from_secs(5);
/// Of all connections so many go at once: looking at all of them for each one that comes would be slow when many come.
const SHARE: usize = 64;
/// Whoever is told to go takes a moment, and those in the middle of requests as long as they like: look again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often the operator is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What a guest does: serves a request, has handed over its answer, or, from here on, waits since so many milliseconds.
const BUSY: u64 = 0;
const ANSWERED: u64 = 1;
const WAITING: u64 = 2;

/// One listener's room.
pub(crate) struct Room {
    most: usize,
    permits: Arc<Semaphore>,
    guests: Arc<Mutex<Guests>>,
    opened: Instant,
}

#[derive(Default)]
struct Guests {
    next: u64,
    all: HashMap<u64, Arc<Guest>>,
    told: Option<Instant>,
}

/// A connection, as far as room is concerned.
pub(crate) struct Guest {
    doing: AtomicU64,
    /// Has been answered once.
    known: AtomicBool,
    opened: Instant,
    leave: Notify,
}

/// A connection's place, given back when this is dropped.
pub(crate) struct Stay {
    number: u64,
    guest: Arc<Guest>,
    guests: Arc<Mutex<Guests>>,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    pub(crate) fn new(most: usize) -> Self {
        let guests = Arc::default();
        Self { most, permits: Arc::new(Semaphore::new(most)), guests, opened: Instant::now() }
    }

    /// A place, as soon as there is one. May be cancelled.
    pub(crate) async fn enter(&self) -> Stay {
        loop {
            if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
                return self.stay(permit);
            }
            self.make();
            let free = Arc::clone(&self.permits).acquire_owned();
            if let Ok(Ok(permit)) = tokio::time::timeout(LOOK_AGAIN, free).await {
                return self.stay(permit);
            }
        }
    }

    fn stay(&self, permit: OwnedSemaphorePermit) -> Stay {
        let (doing, known, leave) = (AtomicU64::new(BUSY), AtomicBool::new(false), Notify::new());
        let guest = Arc::new(Guest { doing, known, opened: self.opened, leave });
        guest.waits();
        let mut guests = self.guests.lock();
        let number = guests.next;
        guests.next += 1;
        guests.all.insert(number, Arc::clone(&guest));
        Stay { number, guest, guests: Arc::clone(&self.guests), _permit: permit }
    }

    /// Tells those to go that have waited longest for a request; before all others those that never made one: clients keep
    /// connections for their next request, and whoever opens many to be in the way makes none.
    fn make(&self) {
        let mut guests = self.guests.lock();
        let rank = |guest: &Arc<Guest>| {
            let known = guest.known.load(Ordering::Relaxed);
            let least = if known { KNOWN_WAITED_MIN } else { WAITED_MIN };
            let waited = guest.waited().filter(|&waited| waited >= least)?;
            Some((!known, waited))
        };
        let mut idle: Vec<_> = guests.all.values().filter_map(|guest| Some((rank(guest)?, guest))).collect();
        let count = (self.most / SHARE).max(1).min(idle.len());
        if count == 0 {
            return;
        }
        idle.select_nth_unstable_by_key(count - 1, |(rank, _)| Reverse(*rank));
        idle[..count].iter().for_each(|(_, guest)| guest.leave.notify_one());
        if guests.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            guests.told = Some(Instant::now());
            tracing::warn!(most = self.most, "connections that wait for a request are ended to let others in");
        }
    }
}

impl Stay {
    pub(crate) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.guests.lock().all.remove(&self.number);
    }
}

impl Guest {
    /// A request's head is whole.
    pub(crate) fn serves(&self) {
        self.doing.store(BUSY, Ordering::Relaxed);
    }

    /// All that was handed over to the connection is sent. Flushed from the buffers above too: nothing is flushed below them before.
    pub(crate) fn flushed(&self) {
        if self.doing.load(Ordering::Relaxed) == ANSWERED {
            self.known.store(true, Ordering::Relaxed);
            self.waits();
        }
    }

    fn waits(&self) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX - WAITING);
        self.doing.store(WAITING + now, Ordering::Relaxed);
    }

    /// For how long it has waited for a request; none in the middle of one.
    fn waited(&self) -> Option<Duration> {
        let since = self.doing.load(Ordering::Relaxed).checked_sub(WAITING)?;
        Some(self.opened.elapsed().saturating_sub(Duration::from_millis(since)))
    }

    /// Ready when it is time to go. What it does is looked at again: only the connection's own task changes that, and this is
    /// polled by it.
    pub(crate) async fn told_to_leave(&self) {
        loop {
            self.leave.notified().await;
            if self.waited().is_some() {
                return;
            }
        }
    }
}

/// An answer's body: when it is gone, all of it was handed over.
pub(crate) struct Attended<B> {
    body: B,
    guest: Arc<Guest>,
}

impl<B> Attended<B> {
    pub(crate) fn new(body: B, guest: Arc<Guest>) -> Self {
        Self { body, guest }
    }
}

impl<B> Drop for Attended<B> {
    fn drop(&mut self) {
        self.guest.doing.store(ANSWERED, Ordering::Relaxed);
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Attended<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        pin!(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
