//! One line: the 26 fields of S3's server access logs, in their order. A dash stands for what is not known.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, Method};
use pipeline::LoggedBucket;

use super::operation;
use super::{Answered, Deleted};
use crate::kept::Kept;
use crate::route::Query;
use crate::service::App;
use crate::xml::url_encoded;

/// Parameters whose values are as good as a password until they expire.
const SECRETS: &[&str] = &[
    "x-amz-signature",
    "signature",
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key",
];

/// What of a line is known before its answer is sent.
pub(super) struct Line {
    pub(super) begun_us: u64,
    kept: Arc<Kept>,
    source: Option<IpAddr>,
    requester: Option<String>,
    request: String,
    host_id: String,
    operation: String,
    key: Option<String>,
    version: Option<String>,
    status: u16,
    code: Option<&'static str>,
    object_bytes: Option<u64>,
    /// When the first byte could be sent.
    turned_us: u64,
}

impl Line {
    pub(super) fn new(app: &App, kept: Arc<Kept>, answered: &Answered<'_>, response: &Response) -> Self {
        let query = Query::parse(kept.uri.query()).unwrap_or_default();
        let key = match answered.known.and_then(|known| known.key.as_ref()) {
            Some(key) => Some(key.to_string()),
            None => kept.target(app).ok().and_then(|target| target.key),
        };
        let (status, succeeded) = (response.status().as_u16(), response.status().is_success());
        Self {
            begun_us: answered.begun_us,
            source: kept.source(),
            requester: answered.known.and_then(|known| known.user.as_ref()).map(ToString::to_string),
            request: answered.request.0.clone(),
            host_id: app.options.host_id.clone(),
            operation: operation::name(&kept.method, key.is_some(), &query, kept.is_copy()),
            object_bytes: key.as_ref().filter(|_| succeeded).and_then(|_| object_bytes(&kept, response.headers())),
            key,
            version: query.filled("versionId").map(str::to_owned),
            status,
            code: answered.code,
            turned_us: (app.options.clock)().saturating_sub(answered.begun_us),
            kept,
        }
    }

    /// The line of the request itself.
    pub(super) fn text(&self, bucket: &LoggedBucket, sent_bytes: u64, took_us: u64) -> String {
        // A body that is never sent, whatever the headers say.
        let sent_bytes = if self.kept.method == Method::HEAD { 0 } else { sent_bytes };
        let uri = format!("{} {} {:?}", self.kept.method, self.address(), self.kept.version);
        let mut text = self.beginning(bucket, &self.operation, self.key.as_deref());
        let _ = write!(
            text,
            " {} {} {} {} {} {took_ms} {turned_ms} {} {} {}",
            quoted(Some(&uri)),
            self.status,
            self.code.unwrap_or("-"),
            number(Some(sent_bytes).filter(|bytes| *bytes > 0)),
            number(self.object_bytes),
            quoted(self.kept.referer()),
            quoted(self.kept.user_agent()),
            word(self.version.as_deref()),
            took_ms = took_us / 1_000,
            turned_ms = self.turned_us / 1_000,
        );
        self.end(&mut text);
        text
    }

    /// The line of one object that the request deleted among others.
    pub(super) fn deletion(&self, bucket: &LoggedBucket, deleted: &Deleted) -> String {
        let mut text = self.beginning(bucket, "BATCH.DELETE.OBJECT", Some(&deleted.key));
        let status = if deleted.code.is_some() { "-" } else { "204" };
        let (code, version) = (deleted.code.unwrap_or("-"), word(deleted.version.as_deref()));
        let _ = write!(text, " - {status} {code} - - - - - - {version}");
        self.end(&mut text);
        text
    }

    /// From the owner to the key.
    fn beginning(&self, bucket: &LoggedBucket, operation: &str, key: Option<&str>) -> String {
        let source = self.source.map_or_else(|| "-".to_owned(), |source| source.to_string());
        let (requester, key) = (self.requester.as_deref().unwrap_or("-"), key.map(url_encoded));
        let key = key.as_deref().unwrap_or("-");
        let (time, request) = (time(self.begun_us), &self.request);
        format!("{} {} {time} {source} {requester} {request} {operation} {key}", bucket.owner(), bucket.name())
    }

    /// From the host id on. There is no TLS here, and there are no access points.
    fn end(&self, text: &mut String) {
        let (signature, place) = self.kept.signature();
        let host = word(self.kept.host());
        let _ = write!(text, " {} {signature} - {place} {host} - - -", self.host_id);
    }

    /// Path and query as they came, without what somebody could use.
    fn address(&self) -> String {
        let path = self.kept.uri.path();
        let Some(query) = self.kept.uri.query() else { return path.to_owned() };
        let kept = |pair: &str| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}=REDACTED"),
            _ => pair.to_owned(),
        };
        let pairs: Vec<String> = query.split('&').map(kept).collect();
        format!("{path}?{}", pairs.join("&"))
    }
}

/// Whether a parameter's value is to be hidden, however its name is written.
fn is_secret(name: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    SECRETS.iter().any(|secret| decoded.eq_ignore_ascii_case(secret))
}

/// Bytes of the whole object that was read or written.
fn object_bytes(kept: &Kept, answer: &HeaderMap) -> Option<u64> {
    match kept.method {
        Method::GET | Method::HEAD => {
            let text = |name| answer.get(name)?.to_str().ok();
            let whole = text(CONTENT_RANGE).and_then(|range| range.rsplit_once('/')).map(|(_, whole)| whole);
            whole.or_else(|| text(CONTENT_LENGTH))?.parse().ok()
        }
        Method::PUT => kept.body_bytes(),
        _ => None,
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// A field without quotes: whatever would end it is written as an address would have it.
fn word(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).map_or_else(|| "-".to_owned(), url_encoded_word)
}

fn url_encoded_word(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') { text.to_owned() } else { url_encoded(text) }
}

/// A field in quotes, which it cannot have itself.
fn quoted(text: Option<&str>) -> String {
    let text = text.filter(|text| !text.is_empty()).unwrap_or("-");
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("%22"),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

/// `[06/Feb/2019:00:00:38 +0000]`
fn time(us: u64) -> String {
    let timestamp = jiff::Timestamp::from_microsecond(i64::try_from(us).unwrap_or(i64::MAX));
    timestamp.unwrap_or(jiff::Timestamp::MAX).strftime("[%d/%b/%Y:%H:%M:%S +0000]").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_ends_before_it_should() {
        for (text, expected) in [
            (None, "\"-\""),
            (Some(""), "\"-\""),
            (Some("agent 1.0"), "\"agent 1.0\""),
            (Some("a\" 200 - \"b\tc"), "\"a%22 200 - %22b c\""),
        ] {
            assert_eq!(quoted(text), expected);
        }
        for (text, expected) in [(None, "-"), (Some("host:80"), "host:80"), (Some("a b\"c"), "a%20b%22c")] {
            assert_eq!(word(text), expected);
        }
    }

    #[test]
    fn times_are_written_as_web_servers_write_them() {
        assert_eq!(time(1_549_411_238_999_999), "[06/Feb/2019:00:00:38 +0000]");
    }
}
