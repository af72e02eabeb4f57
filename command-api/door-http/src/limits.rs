//! How often somebody may ask for something: so many times a minute.

use std::collections::HashMap;

use parking_lot::Mutex;

const MINUTE_US: u64 = 60_000_000;

/// Requests per name and minute, for so many names at most.
pub(crate) struct Limits {
    per_minute: u32,
    names_max: usize,
    counted: Mutex<(u64, HashMap<String, u32>)>,
}

impl Limits {
    pub(crate) fn new(per_minute: u32, names_max: usize) -> Self {
        Self { per_minute, names_max, counted: Mutex::default() }
    }

    /// Counts a request, or says after how many seconds to come back. Names beyond the most that are counted are not held back.
    pub(crate) fn take(&self, name: &str, now_us: u64) -> Result<(), u64> {
        let minute = now_us / MINUTE_US;
        let mut counted = self.counted.lock();
        let (of, names) = &mut *counted;
        if *of != minute {
            *of = minute;
            names.clear();
        }
        let full = names.len() >= self.names_max;
        let count = match names.get_mut(name) {
            Some(count) => count,
            None if full => return Ok(()),
            None => names.entry(name.to_owned()).or_default(),
        };
        if *count >= self.per_minute {
            return Err(((minute + 1) * MINUTE_US - now_us).div_ceil(1_000_000));
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_often_waits_for_the_next_minute_and_no_other_does() {
        let limits = Limits::new(3, 2);
        let at = 5 * MINUTE_US + 20_000_000;
        for _ in 0..3 {
            assert_eq!(limits.take("a", at), Ok(()));
        }
        assert_eq!(limits.take("a", at), Err(40));
        assert_eq!(limits.take("b", at), Ok(()));
        assert_eq!(limits.take("a", 6 * MINUTE_US), Ok(()));
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let limits = Limits::new(1, 2);
        for name in ["a", "b", "c", "c"] {
            assert_eq!(limits.take(name, 0), Ok(()), "{name}");
        }
        assert_eq!(limits.take("a", 0), Err(60));
        assert_eq!(limits.counted.lock().1.len(), 2);
    }
}
