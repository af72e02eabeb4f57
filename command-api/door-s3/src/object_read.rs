//! GetObject and HeadObject.

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pipeline::{GetObject, ObjectInfo, RangeSpec};
use schemas::content::{Checksum, ChecksumType};

use crate::answer::{self, text_value};
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::encryption::Customer;
use crate::headers::{LOCK_HOLD, LOCK_MODE, LOCK_UNTIL, from_text, read_conditions, text_of};
use crate::lifecycle::announce_expiry;
use crate::route::Query;
use crate::service::App;
use crate::xml::timestamp;

/// What AWS answers when nobody said what it is.
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("binary/octet-stream");
pub(crate) const PART_NUMBER_MAX: u16 = 10_000;

pub(crate) async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let customer = ask.reading_customer()?;
    let read = app.store.get_object(&ask.caller, asked(ask, customer.as_ref())?).await?;
    let body = Body::from_stream(read.body.inspect(|piece| {
        if let Err(error) = piece {
            tracing::error!(%error, "an answer broke off");
        }
    }));
    let mut response = Response::new(body);
    describe(&mut response, ask, &read.info, read.range, read.length_bytes)?;
    answer::customer(response.headers_mut(), customer.as_ref());
    Ok(response)
}

pub(crate) async fn head(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let customer = ask.reading_customer()?;
    let read = app.store.head_object(&ask.caller, asked(ask, customer.as_ref())?).await?;
    let mut response = Response::new(Body::empty());
    describe(&mut response, ask, &read.info, read.range, read.length_bytes)?;
    answer::customer(response.headers_mut(), customer.as_ref());
    Ok(response)
}

fn asked(ask: &Ask, customer: Option<&Customer>) -> Result<GetObject, DoorError> {
    let part_number = part_number(&ask.query)?;
    let range = text_of(&ask.headers, RANGE.as_str()).and_then(|text| RangeSpec::parse(&text));
    if part_number.is_some() && range.is_some() {
        return Err(DoorError::InvalidRequest {
            reason: "Cannot specify both Range header and partNumber query parameter",
        });
    }
    Ok(GetObject {
        bucket: ask.bucket(),
        key: ask.key(),
        version: ask.version()?,
        part_number,
        range,
        conditions: read_conditions(&ask.headers),
        customer_key: customer.map(|customer| customer.key.clone()),
    })
}

/// `partNumber`.
///
/// # Errors
/// Not 1 to 10,000.
pub(crate) fn part_number(query: &Query) -> Result<Option<u16>, DoorError> {
    let Some(text) = query.get("partNumber") else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=PART_NUMBER_MAX).contains(number));
    let reason = "Part number must be an integer between 1 and 10000, inclusive";
    number.map(Some).ok_or(DoorError::InvalidArgument { name: "partNumber", reason })
}

/// Everything an answer says of the object.
fn describe(
    response: &mut Response,
    ask: &Ask,
    info: &ObjectInfo,
    range: Option<(u64, u64)>,
    length_bytes: u64,
) -> Result<(), DoorError> {
    let headers = response.headers_mut();
    stored(headers, info);
    locked(headers, info);
    overrides(headers, &ask.query, ask.caller.access_key().is_some())?;
    headers.insert(ETAG, answer::quoted(&info.etag));
    headers.insert(LAST_MODIFIED, answer::http_date(info.modified));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length_bytes));
    answer::version(headers, answer::VERSION_ID, info.version);
    answer::encryption(headers, &info.encryption);
    announce_expiry(headers, info.expiry.as_ref());
    if let Some((first, last)) = range {
        headers.insert(CONTENT_RANGE, text_value(format_args!("bytes {first}-{last}/{}", info.size_bytes)));
    }
    let part = part_number(&ask.query)?;
    if part.is_some() && info.parts_count > 0 {
        headers.insert(HeaderName::from_static("x-amz-mp-parts-count"), HeaderValue::from(info.parts_count));
    }
    if text_of(&ask.headers, "x-amz-checksum-mode").is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED")) {
        checksum(headers, info, part, range);
    }
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(())
}

/// The checksum of what is answered: of the object, of the part, or none for a range that is neither. Clients verify it
/// against the bytes they get.
fn checksum(headers: &mut HeaderMap, info: &ObjectInfo, part: Option<u16>, range: Option<(u64, u64)>) {
    let Some(whole) = answer::shown(&info.chosen_checksum, &info.checksums) else { return };
    let Some(number) = part.filter(|_| info.parts_count > 0) else {
        let covers_all = range.is_none_or(|(first, last)| first == 0 && last + 1 == info.size_bytes);
        if covers_all {
            answer::checksum(headers, whole);
        }
        return;
    };
    let part = info.parts.iter().find(|part| part.number == number && !part.digest.is_empty());
    if let (Some(part), Some(chosen)) = (part, &info.chosen_checksum) {
        let digest = part.digest.clone();
        let of_part = Checksum { algorithm: chosen.algorithm, covers: ChecksumType::FullObject, digest, parts: 0 };
        answer::checksum(headers, &of_part);
        // The type is the object's, although the value is the part's.
        headers
            .insert(HeaderName::from_static("x-amz-checksum-type"), HeaderValue::from_static(chosen.covers.as_str()));
    }
}

/// What is kept with the object.
fn stored(headers: &mut HeaderMap, info: &ObjectInfo) {
    let kept = &info.metadata.headers;
    let standard = [
        (CONTENT_TYPE, &kept.content_type),
        (CACHE_CONTROL, &kept.cache_control),
        (CONTENT_DISPOSITION, &kept.content_disposition),
        (CONTENT_ENCODING, &kept.content_encoding),
        (CONTENT_LANGUAGE, &kept.content_language),
        (EXPIRES, &kept.expires),
        (HeaderName::from_static("x-amz-website-redirect-location"), &kept.website_redirect),
    ];
    headers.insert(CONTENT_TYPE, UNKNOWN_TYPE);
    for (name, text) in standard {
        if let Some(value) = text.as_deref().and_then(from_text) {
            headers.insert(name, value);
        }
    }
    let mut missing = 0_u32;
    for (name, text) in &info.metadata.user {
        let name = HeaderName::try_from(format!("x-amz-meta-{name}"));
        match (name, from_text(text)) {
            (Ok(name), Some(value)) => {
                headers.insert(name, value);
            }
            // Came by another door, with text that no header can carry.
            _ => missing += 1,
        }
    }
    if missing > 0 {
        headers.insert(HeaderName::from_static("x-amz-missing-meta"), HeaderValue::from(missing));
    }
    if info.tags_count > 0 {
        headers.insert(HeaderName::from_static("x-amz-tagging-count"), HeaderValue::from(info.tags_count));
    }
    if info.storage_class != schemas::event::StorageClass::Standard {
        let class = HeaderValue::from_static(info.storage_class.as_str());
        headers.insert(HeaderName::from_static("x-amz-storage-class"), class);
    }
}

/// What keeps it from being removed, as far as the client may see it.
fn locked(headers: &mut HeaderMap, info: &ObjectInfo) {
    if let Some(retention) = info.retention {
        let mode = HeaderValue::from_static(retention.mode.as_str());
        headers.insert(HeaderName::from_static(LOCK_MODE), mode);
        headers.insert(HeaderName::from_static(LOCK_UNTIL), text_value(timestamp(retention.until)));
    }
    if info.legal_hold {
        headers.insert(HeaderName::from_static(LOCK_HOLD), HeaderValue::from_static("ON"));
    }
}

/// `response-content-type` and its fellows: for those alone who signed that they want them, or anybody could make any public
/// object a page of this origin.
fn overrides(headers: &mut HeaderMap, query: &Query, is_signed: bool) -> Result<(), DoorError> {
    for (parameter, name) in [
        ("response-content-type", CONTENT_TYPE),
        ("response-content-language", CONTENT_LANGUAGE),
        ("response-expires", EXPIRES),
        ("response-cache-control", CACHE_CONTROL),
        ("response-content-disposition", CONTENT_DISPOSITION),
        ("response-content-encoding", CONTENT_ENCODING),
    ] {
        if let Some(text) = query.filled(parameter) {
            if !is_signed {
                let reason = "Request specific response headers cannot be used for anonymous GET requests.";
                return Err(DoorError::InvalidRequest { reason });
            }
            let reason = "The value cannot stand in a header.";
            headers.insert(name, from_text(text).ok_or(DoorError::InvalidArgument { name: parameter, reason })?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use schemas::VersionId;
    use schemas::content::ChecksumAlgorithm;
    use schemas::event::{CommittedPart, Headers, Metadata, Retention, RetentionMode, StorageClass};

    use super::*;
    use crate::testing;

    fn answered(line: &str, headers: &[(&'static str, &str)], info: &ObjectInfo, range: Option<(u64, u64)>) -> String {
        let mut response = Response::new(Body::empty());
        let length = range.map_or(info.size_bytes, |(first, last)| last - first + 1);
        describe(&mut response, &testing::ask(line, headers), info, range, length).expect("an answer");
        testing::head(&response)
    }

    #[test]
    fn what_is_asked() {
        let read = |line: &str| asked(&testing::ask(line, &[("range", "bytes=0-1")]), None);
        let request = read("GET /bucket/a//b?versionId=null").expect("a request");
        assert_eq!((request.key.as_str(), request.version), ("a//b", Some(VersionId::Null)));
        for line in ["GET /bucket/k?partNumber=1", "GET /bucket/k?versionId=", "GET /bucket/k?versionId=x"] {
            assert!(read(line).is_err(), "{line}");
        }
        for (text, expected) in [("1", Some(1)), ("10000", Some(10_000)), ("0", None), ("10001", None), ("x", None)] {
            let query = Query::parse(Some(&format!("partNumber={text}"))).expect("a query");
            assert_eq!(part_number(&query).ok().flatten(), expected, "{text}");
        }
    }

    #[test]
    fn a_plain_object() {
        insta::assert_snapshot!(answered("GET /bucket/key", &[], &testing::object(), None));
    }

    #[test]
    fn an_object_with_everything() {
        let mut info = testing::object();
        let text = |text: &str| Some(text.to_owned());
        info.metadata = Metadata {
            headers: Headers {
                content_type: text("text/plain"),
                cache_control: text("no-cache"),
                content_disposition: text("attachment"),
                content_encoding: text("gzip"),
                content_language: text("de"),
                expires: text("whenever"),
                website_redirect: text("/elsewhere"),
            },
            user: [("one".to_owned(), "1".to_owned()), ("bad".to_owned(), "\n".to_owned())].into(),
        };
        (info.version, info.tags_count, info.storage_class) = (Some(testing::version()), 2, StorageClass::StandardIa);
        info.retention = Some(Retention { mode: RetentionMode::Compliance, until: testing::MODIFIED });
        info.legal_hold = true;
        let line = "GET /bucket/key?response-content-type=a/b&response-cache-control=max-age%3D1";
        insta::assert_snapshot!(answered(line, &[("x-amz-checksum-mode", "ENABLED")], &info, None));
    }

    #[test]
    fn a_part_and_a_range_have_their_own_checksum_or_none() {
        let mut info = testing::object();
        info.parts_count = 2;
        info.chosen_checksum = Some(testing::checksum(ChecksumAlgorithm::Sha256, 2));
        info.parts = vec![CommittedPart { number: 1, size_bytes: 5, digest: vec![1; 32] }];
        let mode = [("x-amz-checksum-mode", "ENABLED")];
        insta::assert_snapshot!(answered("GET /bucket/key?partNumber=1", &mode, &info, Some((0, 4))));
        let checksums = |line, range| answered(line, &mode, &info, range).matches("x-amz-checksum-").count();
        assert_eq!(checksums("GET /bucket/key", None), 2);
        assert_eq!(checksums("GET /bucket/key", Some((0, 10))), 2);
        assert_eq!(checksums("GET /bucket/key", Some((0, 4))), 0);
        assert_eq!(checksums("GET /bucket/key?partNumber=2", Some((5, 10))), 0);
    }

    #[test]
    fn an_override_that_no_header_can_carry_is_refused() {
        let query = Query::parse(Some("response-expires=a%0Ab")).expect("a query");
        assert!(overrides(&mut HeaderMap::new(), &query, true).is_err());
        let query = Query::parse(Some("response-content-type=text/html")).expect("a query");
        assert!(overrides(&mut HeaderMap::new(), &query, true).is_ok());
        assert!(overrides(&mut HeaderMap::new(), &query, false).is_err(), "nobody known makes a page of an object");
    }
}
