//! ListObjects, both versions, and what all listings share: bounds, tokens, encoding.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pipeline::{ListObjects, ListPage, ListedObject};
use schemas::Position;
use schemas::content::{ChecksumAlgorithm, ChecksumType};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::names::Names;
use crate::past;
use crate::route::Query;
use crate::service::App;
use crate::xml::{Xml, timestamp, url_encoded};

/// Most entries of a page.
pub(crate) const PAGE_MAX: usize = 1000;

/// A continuation token: opaque to clients, a version byte and the name to go on after; between them, where the pages show a
/// moment of the past, its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The name to go on after.
    pub(crate) after: String,
    /// The last event that the pages show.
    pub(crate) at: Option<Position>,
}

impl Token {
    const OF_NOW: u8 = 1;
    const OF_THEN: u8 = 2;

    pub(crate) fn encode(after: &str, at: Option<Position>) -> String {
        let bytes = match at {
            None => [&[Self::OF_NOW], after.as_bytes()].concat(),
            Some(at) => [&[Self::OF_THEN], &at.0.to_be_bytes()[..], after.as_bytes()].concat(),
        };
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// # Errors
    /// It is none of ours.
    pub(crate) fn decode(token: &str) -> Result<Self, DoorError> {
        const FOREIGN: DoorError = DoorError::InvalidArgument {
            name: "continuation-token",
            reason: "The continuation token provided is incorrect",
        };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| FOREIGN)?;
        let text = |after: &[u8]| String::from_utf8(after.to_vec()).map_err(|_| FOREIGN);
        match bytes.split_first() {
            Some((&Self::OF_NOW, after)) => Ok(Self { after: text(after)?, at: None }),
            Some((&Self::OF_THEN, rest)) => {
                let (at, after) = rest.split_first_chunk().ok_or(FOREIGN)?;
                Ok(Self { after: text(after)?, at: Some(Position(u64::from_be_bytes(*at))) })
            }
            _ => Err(FOREIGN),
        }
    }
}

/// A number of entries: absent or empty is the most, more than the most is the most.
///
/// # Errors
/// Not a number that S3 takes.
pub(crate) fn bounded(query: &Query, name: &'static str, most: usize) -> Result<usize, DoorError> {
    let Some(text) = query.filled(name) else { return Ok(most) };
    let reason = "Provided value is not an integer or not within the integer range 0 to 2147483647.";
    let number: i32 = text.parse().map_err(|_| DoorError::InvalidArgument { name, reason })?;
    let number = usize::try_from(number).map_err(|_| DoorError::InvalidArgument { name, reason })?;
    Ok(number.min(most))
}

/// How names stand in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Plain,
    /// Percent-encoded: `encoding-type=url`.
    Url,
}

impl Encoding {
    /// # Errors
    /// An encoding other than `url`.
    pub(crate) fn asked(query: &Query) -> Result<Self, DoorError> {
        match query.filled("encoding-type") {
            None => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(_) => Err(DoorError::InvalidArgument {
                name: "encoding-type",
                reason: "Invalid Encoding Method specified in Request",
            }),
        }
    }

    /// An element with a name of an object in it.
    pub(crate) fn text(self, xml: &mut Xml, element: &str, name: &str) {
        match self {
            Self::Plain => xml.text(element, name),
            Self::Url => xml.text(element, &url_encoded(name)),
        }
    }

    /// The same for readers of whom some decode it and others (boto3, of the prefix in version 1) do not: encoded only
    /// when it does not read alike both ways.
    fn text_for_all(self, xml: &mut Xml, element: &str, name: &str) {
        let alike = !name.contains(['%', '+']) && name.chars().all(|it| it >= ' ' || "\t\n".contains(it));
        if alike { xml.text(element, name) } else { self.text(xml, element, name) }
    }

    /// The same, unless there is no name.
    pub(crate) fn optional(self, xml: &mut Xml, element: &str, name: Option<&str>) {
        if let Some(name) = name {
            self.text(xml, element, name);
        }
    }

    /// `EncodingType`, if one was asked for.
    pub(crate) fn mention(self, xml: &mut Xml) {
        if self == Self::Url {
            xml.text("EncodingType", "url");
        }
    }

    /// The groups of a page.
    pub(crate) fn groups(self, xml: &mut Xml, prefixes: &[String]) {
        for prefix in prefixes {
            xml.group("CommonPrefixes", |xml| self.text(xml, "Prefix", prefix));
        }
    }
}

/// `ChecksumAlgorithm` and `ChecksumType` of an entry.
pub(crate) fn checksum_xml(xml: &mut Xml, checksum: Option<(ChecksumAlgorithm, ChecksumType)>) {
    if let Some((algorithm, covers)) = checksum {
        xml.text("ChecksumAlgorithm", algorithm.as_str());
        xml.text("ChecksumType", covers.as_str());
    }
}

/// What both versions ask for alike.
struct Asked {
    request: ListObjects,
    encoding: Encoding,
}

fn asked(ask: &Ask, after: Option<String>) -> Result<Asked, DoorError> {
    let request = ListObjects {
        bucket: ask.bucket(),
        prefix: ask.query.get("prefix").unwrap_or_default().to_owned(),
        delimiter: ask.query.filled("delimiter").map(str::to_owned),
        after,
        max: bounded(&ask.query, "max-keys", PAGE_MAX)?,
    };
    Ok(Asked { request, encoding: Encoding::asked(&ask.query)? })
}

pub(crate) async fn v1(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let Asked { request, encoding } = asked(ask, ask.query.filled("marker").map(str::to_owned))?;
    let page = app.store.list_objects(&ask.caller, request.clone()).await?;
    let names = Names::of(app, ask, page.entries.iter().map(|entry| &entry.owner))?;
    Ok(answer::xml(v1_xml(&names, &request, encoding, &page)))
}

fn v1_xml(names: &Names, request: &ListObjects, encoding: Encoding, page: &ListPage<ListedObject>) -> String {
    let truncated = page.truncated && request.max > 0;
    Xml::document("ListBucketResult", |xml| {
        xml.text("Name", request.bucket.as_str());
        encoding.text_for_all(xml, "Prefix", &request.prefix);
        encoding.text(xml, "Marker", request.after.as_deref().unwrap_or_default());
        // Without a delimiter the last key is the marker, and AWS leaves it out.
        let next = page.next_after.as_deref().filter(|_| truncated && request.delimiter.is_some());
        encoding.optional(xml, "NextMarker", next);
        xml.value("MaxKeys", request.max);
        encoding.optional(xml, "Delimiter", request.delimiter.as_deref());
        encoding.mention(xml);
        xml.value("IsTruncated", truncated);
        contents(xml, names, encoding, page, true);
    })
}

/// What only version 2 asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Paging {
    token: Option<String>,
    start_after: Option<String>,
    fetch_owner: bool,
}

impl Paging {
    /// Where the page begins, and in what moment of the past if it goes on in one.
    fn asked(query: &Query) -> (Self, Result<Option<Token>, DoorError>) {
        let token = query.get("continuation-token").map(str::to_owned);
        let start_after = query.filled("start-after").map(str::to_owned);
        // An empty token is the first page: clients send it so.
        let after = match token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => Token::decode(token).map(Some),
            None => Ok(start_after.clone().map(|after| Token { after, at: None })),
        };
        (Self { token, start_after, fetch_owner: query.get("fetch-owner") == Some("true") }, after)
    }
}

pub(crate) async fn v2(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let (paging, token) = Paging::asked(&ask.query);
    let (after, at) = token?.map_or((None, None), |token| (Some(token.after), token.at));
    let Asked { request, encoding } = asked(ask, after)?;
    let caller = match paging.token.as_deref() {
        Some(token) if !token.is_empty() => past::going_on(&ask.caller, at)?,
        _ => ask.caller.clone(),
    };
    let page = app.store.list_objects(&caller, request.clone()).await?;
    let at = caller.circumstances.past.as_ref().and_then(|past| past.found()).map(|found| found.at.position);
    let owners = page.entries.iter().map(|entry| &entry.owner).filter(|_| paging.fetch_owner);
    let names = Names::of(app, ask, owners)?;
    let mut response = answer::xml(v2_xml(&names, &request, encoding, &paging, &page, at));
    past::say(response.headers_mut(), &caller);
    Ok(response)
}

fn v2_xml(
    names: &Names,
    request: &ListObjects,
    encoding: Encoding,
    paging: &Paging,
    page: &ListPage<ListedObject>,
    at: Option<Position>,
) -> String {
    let truncated = page.truncated && request.max > 0;
    Xml::document("ListBucketResult", |xml| {
        xml.text("Name", request.bucket.as_str());
        encoding.text(xml, "Prefix", &request.prefix);
        xml.optional("ContinuationToken", paging.token.as_deref());
        let next = page.next_after.as_deref().filter(|_| truncated).map(|after| Token::encode(after, at));
        xml.optional("NextContinuationToken", next);
        encoding.optional(xml, "StartAfter", paging.start_after.as_deref());
        xml.value("KeyCount", page.entries.len() + page.common_prefixes.len());
        xml.value("MaxKeys", request.max);
        encoding.optional(xml, "Delimiter", request.delimiter.as_deref());
        encoding.mention(xml);
        xml.value("IsTruncated", truncated);
        contents(xml, names, encoding, page, paging.fetch_owner);
    })
}

fn contents(xml: &mut Xml, names: &Names, encoding: Encoding, page: &ListPage<ListedObject>, owner: bool) {
    for object in &page.entries {
        xml.group("Contents", |xml| {
            encoding.text(xml, "Key", object.key.as_str());
            xml.text("LastModified", &timestamp(object.modified));
            xml.value("ETag", format_args!("\"{}\"", object.etag));
            checksum_xml(xml, object.checksum);
            xml.value("Size", object.size_bytes);
            if owner {
                xml.person("Owner", object.owner.as_str(), names.get(&object.owner));
            }
            xml.text("StorageClass", object.storage_class.as_str());
        });
    }
    encoding.groups(xml, &page.common_prefixes);
}

#[cfg(test)]
mod tests {
    use schemas::event::StorageClass;
    use schemas::{ObjectKey, Time};

    use super::*;
    use crate::testing;

    fn page() -> ListPage<ListedObject> {
        let object = ListedObject {
            key: ObjectKey::parse("a b<&>\u{1}").expect("a key"),
            size_bytes: 3,
            etag: testing::etag(),
            modified: Time(1_255_369_830_000_000),
            storage_class: StorageClass::Standard,
            owner: testing::caller().user(),
            checksum: Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject)),
        };
        ListPage {
            entries: vec![object],
            common_prefixes: vec!["p+q/".into()],
            truncated: true,
            next_after: Some("p+q/".into()),
            next_version: None,
        }
    }

    #[test]
    fn pages_of_both_versions() {
        let ask = testing::ask("GET /bucket?delimiter=/&marker=%0A&prefix=&encoding-type=url&max-keys=2", &[]);
        let Asked { request, encoding } = asked(&ask, Some("\n".into())).expect("a request");
        insta::assert_snapshot!(v1_xml(&testing::names(), &request, encoding, &page()));
        let ask = testing::ask("GET /bucket?list-type=2&continuation-token=&start-after=a&max-keys=5000", &[]);
        let (paging, after) = Paging::asked(&ask.query);
        let after = after.expect("a token").map(|token| token.after);
        let Asked { request, encoding } = asked(&ask, after).expect("a request");
        insta::assert_snapshot!(v2_xml(&testing::names(), &request, encoding, &paging, &page(), None));
    }

    #[test]
    fn a_prefix_reads_alike_for_clients_that_decode_it_and_those_that_do_not() {
        for (prefix, expected) in
            [("a b/ü", "a b/ü"), ("\n", "\n"), ("a+b", "a%2Bb"), ("a%b", "a%25b"), ("\u{1}", "%01"), ("\r", "%0D")]
        {
            let element =
                |encoding: Encoding| Xml::bare_document("R", |xml| encoding.text_for_all(xml, "Prefix", prefix));
            assert!(element(Encoding::Url).contains(&format!("<Prefix>{expected}</Prefix>")), "{prefix:?}");
        }
    }

    #[test]
    fn no_more_than_nothing_is_never_truncated() {
        let ask = testing::ask("GET /bucket?max-keys=0", &[]);
        let Asked { request, encoding } = asked(&ask, None).expect("a request");
        let page = ListPage { entries: vec![], common_prefixes: vec![], ..page() };
        assert!(v1_xml(&testing::names(), &request, encoding, &page).contains("<IsTruncated>false</IsTruncated>"));
    }

    #[test]
    fn parameters() {
        let max =
            |query: &str| asked(&testing::ask(&format!("GET /bucket?{query}"), &[]), None).map(|it| it.request.max);
        for (query, expected) in [("", 1000), ("max-keys=", 1000), ("max-keys=7", 7), ("max-keys=9999", 1000)] {
            assert_eq!(max(query), Ok(expected), "{query}");
        }
        for query in ["max-keys=blah", "max-keys=-1", "max-keys=2147483648", "max-keys=1&encoding-type=base64"] {
            assert!(matches!(max(query), Err(DoorError::InvalidArgument { .. })), "{query}");
        }
        let ask = testing::ask("GET /bucket?delimiter=&prefix=a%20b", &[]);
        let request = asked(&ask, None).expect("a request").request;
        assert_eq!((request.delimiter, request.prefix.as_str()), (None, "a b"));
    }

    #[test]
    fn where_a_page_begins() {
        let page = |query: &str| Paging::asked(&Query::parse(Some(query)).expect("a query")).1;
        let after = |query: &str| page(query).map(|token| token.map(|token| token.after));
        assert_eq!(after("start-after=a"), Ok(Some("a".into())));
        assert_eq!(after("continuation-token=&start-after=a"), Ok(Some("a".into())));
        assert_eq!(
            after(&format!("continuation-token={}&start-after=a", Token::encode("é\n", None))),
            Ok(Some("é\n".into()))
        );
        let of_then = Token { after: "a".into(), at: Some(Position(7)) };
        let token = Token::encode(&of_then.after, of_then.at);
        assert_eq!(page(&format!("continuation-token={token}")), Ok(Some(of_then)));
        for foreign in ["AgAA", "x", "AA", "Av8", "AQ=="] {
            assert!(after(&format!("continuation-token={foreign}")).is_err(), "{foreign}");
        }
    }
}
