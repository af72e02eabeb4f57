//! What streams and subjects are called.
//!
//! A name becomes one token: ASCII letters, digits, `-` and `_` stand for themselves, every other byte is `%` and two upper-case
//! hex digits. So a token has none of what NATS forbids (`.`, `*`, `>`, white space, `/`, `\`), and two names never become
//! one token, because `%` itself is escaped. Part of the format: subscribers write these subjects down.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemas::{BucketName, EventId, Position, TenantId};

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// The bucket's token of an event without one. No bucket can be called this.
const NO_BUCKET: &str = "-";

fn token(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, ESCAPED)
}

/// The stream of a tenant: `<prefix>_<tenant>`.
pub(super) fn stream_name(prefix: &str, tenant: &str) -> String {
    format!("{}_{}", token(prefix), token(tenant))
}

/// All subjects of a tenant: `holdfast.<tenant>.>`.
pub(super) fn filter_of(tenant: &str) -> String {
    format!("holdfast.{}.>", token(tenant))
}

/// The subject of an event: `holdfast.<tenant>.<bucket>.<type>`, with `-` for no bucket.
pub(super) fn subject_of(tenant: &str, bucket: Option<&BucketName>, event_type: &str) -> String {
    let bucket = token(bucket.map_or(NO_BUCKET, BucketName::as_str));
    format!("holdfast.{}.{bucket}.{}", token(tenant), type_token(event_type))
}

/// `s3:ObjectCreated:Put` is `ObjectCreated-Put`: what names the catalogue is left out.
pub(crate) fn type_token(event_type: &str) -> String {
    let name = event_type.split_once(':').map_or(event_type, |(_, name)| name);
    token(&name.replace(':', "-")).to_string()
}

/// The value of `Nats-Msg-Id`.
pub(crate) fn message_id(tenant: TenantId, id: EventId) -> String {
    format!("{tenant}:{}:{}", id.epoch, id.position)
}

/// Reads [`message_id`] back; none for what this tenant's publisher did not write.
pub(super) fn parse_message_id(tenant: TenantId, text: &str) -> Option<EventId> {
    let mut parts = text.splitn(3, ':');
    let mut part = || parts.next();
    let (whose, epoch, position) = (part()?, part()?, part()?);
    let id = EventId { epoch: schemas::Epoch(epoch.parse().ok()?), position: Position(position.parse().ok()?) };
    // Written again and compared, so that `+1` and `01` are not ours.
    (whose == tenant.to_string() && text == message_id(tenant, id)).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use schemas::Epoch;
    use schemas::announcement::EVENT_TYPES;

    use super::*;

    fn allowed(token: &str) -> bool {
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte))
    }

    #[test]
    fn names_as_subscribers_write_them_down() {
        let bucket = BucketName::parse("logs.2026").expect("a bucket's name");
        assert_eq!(stream_name("HOLDFAST", "acme"), "HOLDFAST_acme");
        assert_eq!(stream_name("HOLDFAST", "acme.eu"), "HOLDFAST_acme%2Eeu");
        assert_eq!(filter_of("acme.eu"), "holdfast.acme%2Eeu.>");
        assert_eq!(
            subject_of("acme", Some(&bucket), "s3:ObjectCreated:Put"),
            "holdfast.acme.logs%2E2026.ObjectCreated-Put"
        );
        assert_eq!(subject_of("acme", None, "holdfast:User:Created"), "holdfast.acme.-.User-Created");
        assert_eq!(token("a b*c>d%e").to_string(), "a%20b%2Ac%3Ed%25e");
    }

    #[test]
    fn every_type_has_a_token_of_its_own() {
        let tokens: BTreeSet<String> = EVENT_TYPES.iter().map(|known| type_token(known.name)).collect();
        assert_eq!(tokens.len(), EVENT_TYPES.len());
        assert!(tokens.iter().all(|token| allowed(token) && !token.contains('%')));
        assert!(tokens.contains("ObjectCreated-Put") && tokens.contains("Bucket-Created"));
    }

    #[test]
    fn what_another_publisher_calls_its_messages_is_not_ours() {
        let tenant = TenantId(7);
        for text in
            ["", "7", "7:1", "8:1:2", "7:1:2:3", "7:+1:2", "7:01:2", "7:1:-2", "7:1:2 ", "x:1:2", "7:4294967296:1"]
        {
            assert_eq!(parse_message_id(tenant, text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_name_becomes_one_token_that_nats_allows(name in "\\PC{1,40}|[ .*>%/\\\\_\t\n-]{1,8}") {
            prop_assert!(allowed(&token(&name).to_string()));
            prop_assert!(allowed(&stream_name("HOLDFAST", &name)));
            prop_assert_eq!(filter_of(&name).split('.').count(), 3);
        }

        #[test]
        fn two_names_never_become_one(a in "[a%2E. _-]{1,6}|\\PC{1,6}", b in "[a%2E. _-]{1,6}|\\PC{1,6}") {
            prop_assert_eq!(a == b, stream_name("H", &a) == stream_name("H", &b));
            prop_assert_eq!(a == b, filter_of(&a) == filter_of(&b));
        }

        #[test]
        fn a_subject_has_four_tokens(bucket in "[a-z0-9][a-z0-9.-]{1,20}[a-z0-9]", which in 0..EVENT_TYPES.len()) {
            let Ok(bucket) = BucketName::parse(&bucket) else { return Ok(()) };
            let subject = subject_of("acme", Some(&bucket), EVENT_TYPES[which].name);
            let tokens: Vec<&str> = subject.split('.').collect();
            prop_assert_eq!(tokens.len(), 4);
            prop_assert!(tokens.iter().all(|token| allowed(token)));
            prop_assert_eq!(tokens[2].replace("%2E", "."), bucket.as_str());
        }

        #[test]
        fn a_message_id_reads_back(tenant: u64, epoch: u32, position: u64) {
            let (tenant, id) = (TenantId(tenant), EventId { epoch: Epoch(epoch), position: Position(position) });
            prop_assert_eq!(parse_message_id(tenant, &message_id(tenant, id)), Some(id));
            prop_assert_eq!(parse_message_id(TenantId(tenant.0 ^ 1), &message_id(tenant, id)), None);
        }
    }
}
