//! Time and chance: the only places in the program where the wall clock is read and ids are drawn.
//!
//! Owns: what a clock and a source of ids are, and the real ones.
//! Does not own: the retention clock's rules (event-log).

use std::time::Instant;

use schemas::{BucketId, RequestId, TenantId, Time, UploadId};

/// The two clocks of a machine.
pub trait Clock: Send + Sync {
    /// Microseconds since the Unix epoch, as the operating system believes.
    fn wall(&self) -> Time;

    /// Microseconds since some fixed moment; never goes back.
    fn monotonic_us(&self) -> u64;
}

/// The machine's own clocks.
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the Clock that others take")]
    fn wall(&self) -> Time {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Draws ids.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ids;

impl Ids {
    /// Random bytes.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing safe can be done then.
    #[must_use]
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        vault::entropy::bytes()
    }

    fn nonzero(self) -> u64 {
        loop {
            let id = u64::from_be_bytes(self.bytes());
            if id != 0 {
                return id;
            }
        }
    }

    /// A new tenant's id: never the system's.
    #[must_use]
    pub fn tenant(self) -> TenantId {
        TenantId(self.nonzero())
    }

    /// A new bucket's id: never "none".
    #[must_use]
    pub fn bucket(self) -> BucketId {
        BucketId(self.nonzero())
    }

    /// A new upload's id.
    #[must_use]
    pub fn upload(self) -> UploadId {
        UploadId(self.bytes())
    }

    /// A request id: a ULID of the given moment.
    #[must_use]
    pub fn request(self, now: Time) -> RequestId {
        let random = u128::from_be_bytes(self.bytes()) >> 48;
        RequestId(ulid::Ulid::from_parts(now.0 / 1_000, random).to_string())
    }
}
