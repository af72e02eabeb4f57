//! What the headers of a request say of an object: metadata, checksums, conditions, locks, tags.
//!
//! Owns: their spelling in this API. Does not own: bounds and rules (domain).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use pipeline::{Digests, ETagCondition, ExpectedDigest, LockAsked, ReadConditions, WriteConditions};
use schemas::Time;
use schemas::content::ChecksumAlgorithm;
use schemas::event::{Headers, Metadata, Retention, RetentionMode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer;
use super::ask::Ask;
use crate::problem::Problem;
use crate::query::Query;

const META: [&str; 2] = ["x-lockwell-meta-", "x-amz-meta-"];
pub(super) const CHECKSUM: &str = "x-lockwell-checksum-";

/// Text of a header. Bytes that are not UTF-8 have no place in JSON.
fn text(name: &HeaderName, value: &HeaderValue) -> Result<String, Problem> {
    let text = std::str::from_utf8(value.as_bytes());
    text.map(str::to_owned).map_err(|_| Problem::invalid(format!("the header `{name}` is not UTF-8")))
}

/// Standard headers, `X-Lockwell-Meta-*` and `x-amz-meta-*`.
///
/// # Errors
/// A name that is there twice, or text that is none.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Metadata, Problem> {
    let mut user = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let Some(meta) = META.iter().find_map(|prefix| name.as_str().strip_prefix(prefix)) else { continue };
        if meta.is_empty() {
            return Err(Problem::invalid("metadata needs a name"));
        }
        if user.insert(meta.to_owned(), text(name, value)?).is_some() {
            return Err(Problem::invalid(format!("the metadata `{meta}` is there twice")));
        }
    }
    let kept = |name: &'static str| {
        let name = HeaderName::from_static(name);
        let value = headers.get(&name).map(|value| text(&name, value)).transpose()?;
        Ok::<_, Problem>(value.filter(|text| !text.is_empty()))
    };
    let headers = Headers {
        content_type: kept("content-type")?,
        cache_control: kept("cache-control")?,
        content_disposition: kept("content-disposition")?,
        content_encoding: kept("content-encoding")?,
        content_language: kept("content-language")?,
        expires: kept("expires")?,
        website_redirect: None,
    };
    Ok(Metadata { headers, user })
}

/// `X-Lockwell-Checksum-*`: to be compared before anything is committed.
///
/// # Errors
/// An algorithm that nobody knows, a value that is none, or one algorithm twice.
pub(super) fn digests(headers: &HeaderMap) -> Result<Digests, Problem> {
    let mut checksums: Vec<(ChecksumAlgorithm, ExpectedDigest)> = Vec::new();
    for (name, value) in headers {
        let Some(of) = name.as_str().strip_prefix(CHECKSUM) else { continue };
        // A checksum that cannot be compared must not be passed over.
        let algorithm = ChecksumAlgorithm::parse(of)
            .ok_or_else(|| Problem::invalid("checksums are CRC32, CRC32C, CRC64NVME, SHA1 and SHA256"))?;
        let digest = digest(algorithm, &text(name, value)?)?;
        if checksums.iter().any(|(known, _)| *known == algorithm) {
            return Err(Problem::invalid(format!("the checksum {} is there twice", algorithm.as_str())));
        }
        checksums.push((algorithm, ExpectedDigest::Known(digest)));
    }
    Ok(Digests { checksums, ..Digests::default() })
}

/// # Errors
/// Text that is no digest of the algorithm.
pub(super) fn digest(algorithm: ChecksumAlgorithm, text: &str) -> Result<Vec<u8>, Problem> {
    let digest = STANDARD.decode(text.trim()).ok().filter(|digest| digest.len() == algorithm.digest_bytes());
    digest.ok_or_else(|| {
        let (name, bytes) = (algorithm.as_str(), algorithm.digest_bytes());
        Problem::invalid(format!("a {name} checksum is base64 of {bytes} bytes"))
    })
}

/// If-Match and If-None-Match of a write.
///
/// # Errors
/// A header that is no text.
pub(super) fn write_conditions(ask: &Ask) -> Result<WriteConditions, Problem> {
    Ok(WriteConditions {
        if_match: etags(ask, "if-match")?,
        if_none_match: etags(ask, "if-none-match")?,
        ..WriteConditions::default()
    })
}

/// If-Match and its three fellows.
///
/// # Errors
/// A header that is no text.
pub(super) fn read_conditions(ask: &Ask) -> Result<ReadConditions, Problem> {
    // RFC 9110 section 13.1.3: a date that is none is as if it were not there.
    let date = |name| Ok::<_, Problem>(ask.header(name)?.and_then(seconds));
    Ok(ReadConditions {
        if_match: etags(ask, "if-match")?,
        if_none_match: etags(ask, "if-none-match")?,
        if_modified_since_s: date("if-modified-since")?,
        if_unmodified_since_s: date("if-unmodified-since")?,
    })
}

fn etags(ask: &Ask, name: &'static str) -> Result<Option<ETagCondition>, Problem> {
    let values = ask.words.headers.get_all(name).iter();
    let name = HeaderName::from_static(name);
    let texts = values.map(|value| text(&name, value)).collect::<Result<Vec<_>, _>>()?;
    Ok((!texts.is_empty()).then(|| etag_condition(&texts.join(","))))
}

/// `*`, or tags with commas between them, with or without quotes. A weak tag stays one: the decision knows what it matches.
pub(super) fn etag_condition(text: &str) -> ETagCondition {
    if text.trim() == "*" {
        return ETagCondition::Any;
    }
    ETagCondition::OneOf(text.split(',').map(|tag| tag.trim().to_owned()).collect())
}

/// An HTTP date, or RFC 3339. Seconds of the Unix epoch; before it there was no object.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(time) = httpdate::parse_http_date(text) {
        return time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs());
    }
    u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_second()).ok()
}

/// Retention of a version.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RetentionBody {
    /// `GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`.
    pub(super) mode: String,
    /// Until when, RFC 3339.
    #[schema(format = DateTime)]
    pub(super) retain_until: String,
}

impl RetentionBody {
    pub(super) fn of(retention: Retention) -> Self {
        Self { mode: retention.mode.as_str().to_owned(), retain_until: answer::time(retention.until) }
    }

    /// # Errors
    /// A mode or time that is none.
    pub(super) fn parse(&self) -> Result<Retention, Problem> {
        let mode = RetentionMode::parse(&self.mode);
        let mode =
            mode.ok_or_else(|| Problem::invalid("the retention mode must be GOVERNANCE, COMPLIANCE or AUDIT_TRAIL"))?;
        let until = retention_end(&self.retain_until);
        let until = until.ok_or_else(|| Problem::invalid("the retention must end at a time as RFC 3339 writes it"))?;
        Ok(Retention { mode, until })
    }
}

/// To the millisecond, as it is shown. What is finer is rounded up, for no retention ends before the time that was asked for.
fn retention_end(text: &str) -> Option<Time> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    let nanoseconds = u128::try_from(time.as_nanosecond()).unwrap_or(0);
    let milliseconds = u64::try_from(nanoseconds.div_ceil(1_000_000)).ok()?;
    Some(Time(milliseconds.checked_mul(1_000)?))
}

/// `ON` or `OFF`.
///
/// # Errors
/// Neither.
pub(super) fn hold(text: &str) -> Result<bool, Problem> {
    match text {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(Problem::invalid("a legal hold is ON or OFF")),
    }
}

/// As this API spells it.
pub(super) fn hold_name(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// `X-Lockwell-Retention-Mode`, `X-Lockwell-Retain-Until`, `X-Lockwell-Legal-Hold`.
///
/// # Errors
/// One of the first two without the other, or a value that is none.
pub(super) fn lock(ask: &Ask) -> Result<LockAsked, Problem> {
    let retention = match (ask.header(MODE)?, ask.header(UNTIL)?) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            Some(RetentionBody { mode: mode.to_owned(), retain_until: until.to_owned() }.parse()?)
        }
        _ => return Err(Problem::invalid("a retention needs both its mode and its end")),
    };
    Ok(LockAsked { retention, legal_hold: ask.header(HOLD)?.map(hold).transpose()? })
}

pub(super) const MODE: &str = "x-lockwell-retention-mode";
pub(super) const UNTIL: &str = "x-lockwell-retain-until";
pub(super) const HOLD: &str = "x-lockwell-legal-hold";
pub(super) const TAGGING: &str = "x-lockwell-tagging";

/// `X-Lockwell-Tagging`: a query of names and values.
///
/// # Errors
/// A name that is there twice, or escapes that are none.
pub(super) fn tags(ask: &Ask) -> Result<BTreeMap<String, String>, Problem> {
    let query = Query::parse(ask.header(TAGGING)?)?;
    let mut tags = BTreeMap::new();
    for (name, value) in query.into_pairs() {
        if tags.contains_key(&name) {
            return Err(Problem::invalid("a tag is there twice"));
        }
        tags.insert(name, value);
    }
    Ok(tags)
}

/// Refuses what S3 clients say by headers and this API by others: passed over in silence it would have no effect.
///
/// # Errors
/// 501, with the header.
pub(super) fn refuse_others(headers: &HeaderMap) -> Result<(), Problem> {
    const OTHERS: [&str; 9] = [
        "x-amz-acl",
        "x-amz-grant-",
        "x-amz-server-side-encryption",
        "x-amz-object-lock-",
        "x-amz-tagging",
        "x-amz-checksum-",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-lockwell-storage-class",
    ];
    let known = |name: &&HeaderName| OTHERS.iter().any(|other| name.as_str().starts_with(other));
    match headers.keys().find(known) {
        Some(name) => Err(Problem::not_implemented(&format!("the native API does nothing about the header `{name}`"))),
        None => Ok(()),
    }
}
