//! How often somebody may ask.
//!
//! Owns: buckets of requests per access key, admin token and source address, and the memory they take.
//! Does not own: who asks (doors), what a refusal looks like (doors).
//! Invariant: memory is bounded whatever is asked. Where it would not be, limits are lifted for a moment, never requests
//! refused that were within theirs.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use parking_lot::RwLock;

use crate::clock::Clock;

/// Keys after which those that have their whole burst again are forgotten, looked at once in so many requests.
const KEYS_KEPT: usize = 16_384;
const LOOK_EVERY: u32 = 1_024;
/// Keys after which all are forgotten: so many that asked within their last burst are no clients that a limit could tell apart.
const KEYS_MAX: usize = 262_144;
/// Requests for a token, per access key.
const TOKENS_PER_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");
/// Requests of one admin token.
const ADMIN_PER_MINUTE: NonZeroU32 = NonZeroU32::new(600).expect("not zero");

/// When whoever found the disk full may ask again: somebody has to make room first.
pub const DISK_FULL_RETRY_MS: u64 = 10_000;

/// Too many requests: when to ask again, in whole seconds, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests; ask again after {seconds} s")]
pub struct TooMany {
    /// `Retry-After`.
    pub seconds: u64,
}

/// The client stopped in the middle of its body for longer than it may. A listener ends a body with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client stopped sending")]
pub struct BodyStalled;

/// Whether an error of a body is [`BodyStalled`], however it was wrapped on its way.
#[must_use]
pub fn is_stalled(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<BodyStalled>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// The store's clock, as the limiter asks for it: time since it started.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(self.0.monotonic_us())
    }
}

type Buckets<K> = RateLimiter<K, HashMapStateStore<K>, Ticks, NoOpMiddleware<Duration>>;

/// A rate that each key may ask at, with a burst.
pub struct RateLimit<K: Hash + Eq + Clone> {
    quota: Quota,
    ticks: Ticks,
    buckets: RwLock<Buckets<K>>,
    taken: AtomicU32,
}

impl<K: Hash + Eq + Clone> RateLimit<K> {
    /// So many requests a second, after a burst.
    #[must_use]
    pub fn per_second(rate: NonZeroU32, burst: NonZeroU32, clock: &Arc<dyn Clock>) -> Self {
        Self::new(Quota::per_second(rate).allow_burst(burst), clock)
    }

    /// So many requests a minute, which may come at once.
    #[must_use]
    pub fn per_minute(rate: NonZeroU32, clock: &Arc<dyn Clock>) -> Self {
        Self::new(Quota::per_minute(rate), clock)
    }

    fn new(quota: Quota, clock: &Arc<dyn Clock>) -> Self {
        let ticks = Ticks(Arc::clone(clock));
        let buckets = RwLock::new(RateLimiter::hashmap_with_clock(quota, ticks.clone()));
        Self { quota, ticks, buckets, taken: AtomicU32::new(0) }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`TooMany`]; the request was not counted then.
    pub fn take(&self, key: &K) -> Result<(), TooMany> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % LOOK_EVERY == LOOK_EVERY - 1 {
            self.forget();
        }
        let refused = self.buckets.read().check_key(key).err();
        refused.map_or(Ok(()), |until| {
            let wait = until.wait_time_from(self.ticks.now());
            Err(TooMany { seconds: wait.as_millis().div_ceil(1_000).max(1).try_into().unwrap_or(u64::MAX) })
        })
    }

    fn forget(&self) {
        let still = {
            let buckets = self.buckets.read();
            if buckets.len() > KEYS_KEPT {
                buckets.retain_recent();
            }
            buckets.len()
        };
        if still > KEYS_MAX {
            *self.buckets.write() = RateLimiter::hashmap_with_clock(self.quota, self.ticks.clone());
        }
    }
}

/// What an operator chose. 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Requests a second of one access key or admin token.
    pub requests_per_second_per_key: u32,
    /// Requests a second of one source address.
    pub requests_per_second_per_source: u32,
    /// Requests that may come at once; 0 for as many as in two seconds.
    pub burst: u32,
}

/// The limits of all doors: one key has one, through whichever it comes.
pub struct Limits {
    keys: Option<RateLimit<String>>,
    sources: Option<RateLimit<IpAddr>>,
    tokens: RateLimit<String>,
    admins: RateLimit<String>,
}

impl Limits {
    pub(crate) fn new(settings: LimitSettings, clock: &Arc<dyn Clock>) -> Self {
        let LimitSettings { requests_per_second_per_key: keys, requests_per_second_per_source: sources, burst } =
            settings;
        let quota = |rate: u32| {
            let rate = NonZeroU32::new(rate)?;
            Some((rate, NonZeroU32::new(burst).unwrap_or(rate.saturating_mul(NonZeroU32::new(2)?))))
        };
        Self {
            keys: quota(keys).map(|(rate, burst)| RateLimit::per_second(rate, burst, clock)),
            sources: quota(sources).map(|(rate, burst)| RateLimit::per_second(rate, burst, clock)),
            tokens: RateLimit::per_minute(TOKENS_PER_MINUTE, clock),
            admins: RateLimit::per_minute(ADMIN_PER_MINUTE, clock),
        }
    }

    /// Counts a request by where it came from: before anybody looks at it. A request from nowhere known has no limit.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn of_source(&self, source: Option<IpAddr>) -> Result<(), TooMany> {
        match (&self.sources, source) {
            (Some(limit), Some(source)) => limit.take(&network(source)),
            _ => Ok(()),
        }
    }

    /// Counts a request of a credential that was verified: nobody uses up the requests of a key that is not his.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn of_key(&self, credential: &str) -> Result<(), TooMany> {
        self.keys.as_ref().map_or(Ok(()), |limit| limit.take(&credential.to_owned()))
    }

    /// Counts a request of an admin token that works: 600 a minute, and no more than any credential may.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn of_admin(&self, token: &str) -> Result<(), TooMany> {
        self.admins.take(&token.to_owned())?;
        self.of_key(token)
    }

    /// Counts a request for a token by the access key it names: 60 a minute with the right secret, and as many with wrong ones
    /// from each source, so that nobody uses up the requests of a key that is not his.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn of_token_requests(&self, access_key: &str, source: Option<IpAddr>, right: bool) -> Result<(), TooMany> {
        let name = match (right, source) {
            (true, _) => access_key.to_owned(),
            (false, Some(source)) => format!("{access_key} from {}", network(source)),
            (false, None) => format!("{access_key} from nowhere known"),
        };
        self.tokens.take(&name)
    }
}

/// What one client has: an IPv4 address, or a /64 of IPv6, which every home has whole.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use schemas::Time;

    use super::*;

    #[derive(Default)]
    struct Stopped(AtomicU64);

    impl Clock for Stopped {
        fn wall(&self) -> Time {
            Time(0)
        }

        fn monotonic_us(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    #[test]
    fn who_asks_too_often_waits_and_nobody_else_does() {
        let stopped = Arc::new(Stopped::default());
        let clock: Arc<dyn Clock> = stopped.clone();
        let limit = RateLimit::<String>::per_second(number(2), number(3), &clock);
        let (ann, bob) = ("ann".to_owned(), "bob".to_owned());
        for _ in 0..3 {
            assert_eq!(limit.take(&ann), Ok(()));
        }
        assert_eq!(limit.take(&ann), Err(TooMany { seconds: 1 }));
        assert_eq!(limit.take(&bob), Ok(()));
        stopped.0.store(500_000, Ordering::SeqCst);
        assert_eq!((limit.take(&ann), limit.take(&ann)), (Ok(()), Err(TooMany { seconds: 1 })));
        let slow = RateLimit::<String>::per_minute(number(4), &clock);
        for _ in 0..4 {
            assert_eq!(slow.take(&ann), Ok(()));
        }
        assert_eq!(slow.take(&ann), Err(TooMany { seconds: 15 }));
    }

    #[test]
    fn keys_that_have_their_whole_burst_again_are_forgotten() {
        let stopped = Arc::new(Stopped::default());
        let clock: Arc<dyn Clock> = stopped.clone();
        let limit = RateLimit::<u32>::per_second(number(1), number(1), &clock);
        for key in 0..20_000 {
            limit.take(&key).expect("its first");
        }
        assert!(limit.buckets.read().len() > KEYS_KEPT, "none of them is old");
        stopped.0.store(5_000_000, Ordering::SeqCst);
        for _ in 0..LOOK_EVERY {
            let _ = limit.take(&0);
        }
        assert!(limit.buckets.read().len() <= 2, "{}", limit.buckets.read().len());
    }

    #[test]
    fn no_limit_is_none_and_a_home_is_one_source() {
        let clock: Arc<dyn Clock> = Arc::new(Stopped::default());
        let off = Limits::new(LimitSettings::default(), &clock);
        let source = |text: &str| Some(text.parse::<IpAddr>().expect("an address"));
        for _ in 0..100 {
            assert_eq!((off.of_key("KEY"), off.of_source(source("192.0.2.1"))), (Ok(()), Ok(())));
        }
        let settings = LimitSettings { requests_per_second_per_source: 1, burst: 1, ..LimitSettings::default() };
        let on = Limits::new(settings, &clock);
        assert_eq!(on.of_source(source("2001:db8::1")), Ok(()));
        assert!(on.of_source(source("2001:db8::2")).is_err());
        assert_eq!(on.of_source(source("2001:db8:0:1::2")), Ok(()));
        assert_eq!(on.of_source(source("192.0.2.1")), Ok(()));
        assert!(on.of_source(source("::ffff:192.0.2.1")).is_err());
        assert_eq!(on.of_source(None), Ok(()));
        for _ in 0..60 {
            assert_eq!(on.of_token_requests("KEY", None, true), Ok(()));
            assert_eq!(on.of_token_requests("KEY", source("192.0.2.1"), false), Ok(()));
        }
        assert_eq!(on.of_token_requests("KEY", None, true), Err(TooMany { seconds: 1 }));
        assert!(on.of_token_requests("KEY", source("192.0.2.1"), false).is_err());
        assert_eq!(on.of_token_requests("KEY", source("192.0.2.2"), false), Ok(()));
    }
}
