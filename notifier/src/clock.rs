//! Time and chance, as whoever wires the program gives them.

use schemas::Time;

/// Time and chance.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn wall(&self) -> Time;

    /// Microseconds of a clock that never falls.
    fn monotonic_us(&self) -> u64;

    /// A number by chance.
    fn chance(&self) -> u64;
}
