//! Subscriptions: what webhooks of a tenant and rules of a bucket share.
//!
//! Owns: which addresses events may be posted to as far as their text tells, how secrets are replaced, how long a reason is.
//! Does not own: whether anything may be sent there (notifier), making and sealing secrets (pipeline).

use std::net::Ipv6Addr;

use schemas::Time;
use schemas::subscription::{PreviousSecret, SigningSecrets, SubscriptionStatus};

use crate::Refusal;

/// Most bytes of an address.
const URL_BYTES_MAX: usize = 1_000;
/// Most bytes of the reason of a status: it stands in rows and configurations, which are short.
pub const REASON_BYTES_MAX: usize = 200;

/// Longest time that a secret signs beside the one that replaced it, seconds: 30 days.
pub const OVERLAP_S_MAX: u64 = 2_592_000;

/// How long a secret that is replaced signs too, microseconds.
///
/// # Errors
/// [`Refusal::InvalidArgument`] for longer than 30 days.
pub fn overlap_us(seconds: u64) -> Result<u64, Refusal> {
    if seconds > OVERLAP_S_MAX {
        let reason = "`overlapSeconds` is at most 2592000.";
        return Err(Refusal::InvalidArgument { name: "overlapSeconds", reason });
    }
    Ok(seconds * 1_000_000)
}

/// Why events cannot be posted to an address; none if they can.
///
/// It is stricter than a browser: what two readers of an address could take for different hosts is none.
#[must_use]
pub fn wrong_with_url(url: &str) -> Option<&'static str> {
    if url.len() > URL_BYTES_MAX {
        return Some("The URL of a webhook has at most 1000 bytes.");
    }
    // A backslash is a slash to some readers.
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)) {
        return Some("The URL of a webhook must be percent-encoded.");
    }
    let Some((scheme, rest)) = url.split_once("://") else { return Some(NO_URL) };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Some(NO_URL);
    }
    if rest.contains('#') {
        return Some("The URL of a webhook has no fragment.");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("The URL of a webhook has no user or password in it.");
    }
    if is_authority(authority) { None } else { Some(NO_URL) }
}

const NO_URL: &str = "The URL of a webhook must be an http or https URL with a host.";

fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let Some((host, behind)) = rest.split_once(']') else { return false };
            let port = if behind.is_empty() { Some("") } else { behind.strip_prefix(':') };
            (host.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            (!host.is_empty() && host.bytes().all(is_name), Some(port))
        }
    };
    let is_port = |port: &str| {
        port.is_empty()
            || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|it| it > 0))
    };
    host && port.is_some_and(is_port)
}

/// Secrets with another in the place of the present one, which signs too until `overlap_us` later.
#[must_use]
pub fn rotated(secrets: &SigningSecrets, sealed: Vec<u8>, now: Time, overlap_us: u64) -> SigningSecrets {
    let until = Time(now.0.saturating_add(overlap_us));
    let previous = (overlap_us > 0).then(|| PreviousSecret { sealed: secrets.current.clone(), until });
    SigningSecrets { current: sealed, since: now, previous }
}

/// A status with a reason that is not too long.
#[must_use]
pub fn bounded(status: SubscriptionStatus) -> SubscriptionStatus {
    let cut = |reason: String| reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned();
    match status {
        SubscriptionStatus::Active => SubscriptionStatus::Active,
        SubscriptionStatus::Paused { reason } => SubscriptionStatus::Paused { reason: cut(reason) },
        SubscriptionStatus::Disabled { reason } => SubscriptionStatus::Disabled { reason: cut(reason) },
    }
}

/// Whether what stops a subscription changes anything of how it stands: one that somebody paused stays so, and one whose
/// receiver is gone too.
pub(crate) fn stops(stands: &SubscriptionStatus, to: &SubscriptionStatus) -> bool {
    use SubscriptionStatus::{Active, Disabled, Paused};
    matches!((stands, to), (Active, Paused { .. } | Disabled { .. }) | (Paused { .. }, Disabled { .. }))
}

/// Secrets and status as long as they may become: what fits with them still fits after a rotation and a stop.
pub(crate) fn at_their_longest(secrets: &SigningSecrets) -> (SigningSecrets, SubscriptionStatus) {
    let latest = Time(u64::MAX);
    let secrets = SigningSecrets { since: latest, ..rotated(secrets, secrets.current.clone(), latest, 1) };
    (secrets, SubscriptionStatus::Disabled { reason: "x".repeat(REASON_BYTES_MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let long = format!("https://a.example/{}", "x".repeat(1_000));
        for (url, good) in [
            ("https://a.example/hook", true),
            ("http://a.example", true),
            ("HTTPS://A.example:8443/x?y=z%20", true),
            ("http://127.0.0.1:9000/", true),
            ("http://[::1]:9000/", true),
            ("http://[::1]", true),
            ("https://a_b.example?x", true),
            (&long, false),
            ("", false),
            ("nonsense", false),
            ("ftp://a.example/", false),
            ("https:a.example", false),
            ("https://", false),
            ("https:///path", false),
            ("https://:80/", false),
            ("https://me:secret@a.example/", false),
            ("https://a.example\\@b.example/", false),
            ("https://a.example/#part", false),
            ("https://a.example:99999/", false),
            ("https://a.example:0/", false),
            ("https://a.example:x/", false),
            ("https://a%2eexample/", false),
            ("https://é.example/", false),
            ("https://a.example/é", false),
            ("https://a.example/a b", false),
            ("https://[::1/", false),
            ("https://[::1]x/", false),
            ("https://[nonsense]/", false),
        ] {
            assert_eq!(wrong_with_url(url).is_none(), good, "{url}");
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let reason = "é".repeat(150);
        let SubscriptionStatus::Paused { reason } = bounded(SubscriptionStatus::Paused { reason }) else {
            panic!("it is paused")
        };
        assert_eq!(reason.len(), REASON_BYTES_MAX);
    }

    #[test]
    fn an_overlap_of_nothing_ends_the_old_secret_at_once() {
        let old = SigningSecrets { current: vec![1], since: Time(1), previous: None };
        assert_eq!(rotated(&old, vec![2], Time(5), 0).previous, None);
        let with = rotated(&old, vec![2], Time(5), 10);
        assert_eq!(with.previous, Some(PreviousSecret { sealed: vec![1], until: Time(15) }));
        // One more rotation forgets the oldest: two secrets sign at most.
        assert_eq!(
            rotated(&with, vec![3], Time(6), 1).previous,
            Some(PreviousSecret { sealed: vec![2], until: Time(7) })
        );
    }
}
