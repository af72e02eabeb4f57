//! Headers that are kept with an object.

use std::collections::BTreeMap;

use http::HeaderMap;
use schemas::event::{Headers, Metadata, StorageClass};

use super::{text, text_of};
use crate::body::without_aws_chunked;
use crate::errors::DoorError;
use crate::route::Query;

/// User metadata, names and values together.
pub(crate) const METADATA_BYTES_MAX: usize = 2048;
const TAGS_MAX: usize = 10;
const TAG_NAME_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;

/// Standard headers and `x-amz-meta-*`.
///
/// # Errors
/// Over 2 KiB of user metadata.
pub(crate) fn metadata(headers: &HeaderMap) -> Result<Metadata, DoorError> {
    let filled = |name| text_of(headers, name).filter(|text| !text.is_empty());
    let mut user = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix("x-amz-meta-") else { continue };
        let value = text(value);
        user.entry(name.to_owned())
            .and_modify(|kept| {
                kept.push(',');
                kept.push_str(&value);
            })
            .or_insert(value);
    }
    let size_bytes = user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size_bytes > METADATA_BYTES_MAX {
        return Err(DoorError::MetadataTooLarge { size_bytes });
    }
    let headers = Headers {
        content_type: filled("content-type"),
        cache_control: filled("cache-control"),
        content_disposition: filled("content-disposition"),
        content_encoding: filled("content-encoding").and_then(|text| without_aws_chunked(&text)),
        content_language: filled("content-language"),
        expires: filled("expires"),
        website_redirect: filled("x-amz-website-redirect-location"),
    };
    Ok(Metadata { headers, user })
}

/// `x-amz-storage-class`.
///
/// # Errors
/// A class that is not accepted.
pub(crate) fn storage_class(headers: &HeaderMap) -> Result<Option<StorageClass>, DoorError> {
    let text = text_of(headers, "x-amz-storage-class").filter(|text| !text.is_empty());
    text.map(|text| storage_class_named(&text)).transpose()
}

/// # Errors
/// Not a storage class, or one that is not stored here.
pub(crate) fn storage_class_named(name: &str) -> Result<StorageClass, DoorError> {
    StorageClass::parse(name).ok_or(DoorError::InvalidStorageClass)
}

/// `x-amz-tagging`: tags as the query of an address.
///
/// # Errors
/// Malformed or repeated tags, more than ten, or one that is too long.
pub(crate) fn tags(headers: &HeaderMap) -> Result<BTreeMap<String, String>, DoorError> {
    const MALFORMED: DoorError = DoorError::InvalidArgument {
        name: "x-amz-tagging",
        reason: "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
                 name duplicates.",
    };
    let mut tags = BTreeMap::new();
    let Some(text) = text_of(headers, "x-amz-tagging") else { return Ok(tags) };
    for (name, value) in Query::parse(Some(&text)).map_err(|_| MALFORMED)?.into_pairs() {
        if name.is_empty() || name.chars().count() > TAG_NAME_MAX {
            return Err(DoorError::InvalidTag { reason: "The TagKey you have provided is invalid" });
        }
        if value.chars().count() > TAG_VALUE_MAX {
            return Err(DoorError::InvalidTag { reason: "The TagValue you have provided is invalid" });
        }
        if tags.insert(name, value).is_some() {
            return Err(MALFORMED);
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(DoorError::InvalidTag { reason: "Object tags cannot be greater than 10" });
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn aws_chunked_is_not_kept() {
        for (sent, kept) in [
            ("gzip", Some("gzip")),
            ("aws-chunked", None),
            ("gzip,aws-chunked", Some("gzip")),
            ("deflate, AWS-chunked ,gzip", Some("deflate, gzip")),
            ("", None),
        ] {
            let metadata = metadata(&headers(&[("content-encoding", sent)])).expect("metadata");
            assert_eq!(metadata.headers.content_encoding.as_deref(), kept, "{sent}");
        }
    }

    #[test]
    fn user_metadata_up_to_two_kibibytes() {
        let fits = metadata(&headers(&[("x-amz-meta-k", &"v".repeat(2047))])).expect("metadata");
        assert_eq!(fits.user["k"].len(), 2047);
        let over = metadata(&headers(&[("x-amz-meta-k", &"v".repeat(2047)), ("x-amz-meta-l", "")]));
        assert_eq!(over, Err(DoorError::MetadataTooLarge { size_bytes: 2049 }));
    }

    #[test]
    fn tags_are_a_query() {
        let read = |text| tags(&headers(&[("x-amz-tagging", text)]));
        let pairs = |pairs: &[(&str, &str)]| Ok(pairs.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect());
        assert_eq!(tags(&HeaderMap::new()), pairs(&[]));
        assert_eq!(read(""), pairs(&[]));
        assert_eq!(read("a=b&c&d%26=%C3%A9+e"), pairs(&[("a", "b"), ("c", ""), ("d&", "é e")]));
        let eleven: Vec<String> = (0..11).map(|n| format!("k{n}=v")).collect();
        let (long_name, long_value) = ("k".repeat(129), format!("k={}", "v".repeat(257)));
        for bad in ["a=1&a=2", "=x", "%ff=x", &eleven.join("&"), &long_name, &long_value] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
