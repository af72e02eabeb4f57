//! The installation and its clock. Under the system tenant.

use schemas::{TenantId, Time};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, Key, directory};

/// The installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// 16 random bytes in hex.
    pub installation: String,
    /// When it was created.
    pub created: Time,
}
super::packed!(Installation, DIRECTORY, "installation");

impl Installation {
    /// Key of the one row: system tenant, kind.
    #[must_use]
    pub fn key() -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::INSTALLATION).bytes()
    }
}

/// The last tick of the installation's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The retention clock then.
    pub time: Time,
    /// The wall clock then.
    pub wall: Time,
    /// Whether an operator acknowledged a jump with it.
    pub acknowledged: bool,
}
super::packed!(Clock, DIRECTORY, "clock");

impl Clock {
    /// The time that a start goes on from: the tick's own, or the wall clock that an operator acknowledged with it.
    #[must_use]
    pub fn vouched(&self) -> Time {
        if self.acknowledged { self.time.max(self.wall) } else { self.time }
    }

    /// Key of the one row: system tenant, kind.
    #[must_use]
    pub fn key() -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::CLOCK).bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::reads_back;
    use super::*;

    #[test]
    fn a_wall_clock_counts_when_an_operator_vouched_for_it() {
        let tick = |wall, acknowledged| Clock { time: Time(5), wall: Time(wall), acknowledged };
        assert_eq!(
            [tick(9, false), tick(9, true), tick(3, true)].map(|tick| tick.vouched()),
            [Time(5), Time(9), Time(5)]
        );
    }

    proptest! {
        #[test]
        fn rows_read_back(installation: String, time: u64, wall: u64, acknowledged: bool) {
            reads_back(&Installation { installation, created: Time(time) });
            reads_back(&Clock { time: Time(time), wall: Time(wall), acknowledged });
        }
    }
}
