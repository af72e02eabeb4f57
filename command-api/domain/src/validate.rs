//! Bounds on what a client says about an object: user metadata, tags.
//!
//! Owns: S3's bounds. Decisions check them again, but ask early: before a body is read.
//! Does not own: names (parsed at the door), bounds of headers (a door's business).

use std::collections::BTreeMap;

use schemas::event::{Headers, Metadata};

use crate::Refusal;

/// Most bytes of user metadata, names and values together, without the prefix of the names.
pub const METADATA_BYTES_MAX: usize = 2048;

/// Most bytes of the standard headers that are kept with an object, together: its event must fit a record.
pub const HEADERS_BYTES_MAX: usize = 8192;

/// Most tags of an object.
pub const TAGS_MAX: usize = 10;

/// Most tags of a bucket.
pub const BUCKET_TAGS_MAX: usize = 50;

/// Most characters of a tag's key.
pub const TAG_KEY_CHARS_MAX: usize = 128;

/// Most characters of a tag's value.
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// A text for people that stands in a row: at most 512 bytes.
///
/// # Errors
/// [`Refusal::InvalidArgument`].
pub fn label(text: &str) -> Result<(), Refusal> {
    const BYTES_MAX: usize = 512;
    if text.len() > BYTES_MAX {
        return Err(Refusal::InvalidArgument { name: "name", reason: "a text for people may have 512 bytes at most" });
    }
    Ok(())
}

/// # Errors
/// [`Refusal::MetadataTooLarge`].
pub fn metadata(metadata: &Metadata) -> Result<(), Refusal> {
    let size_bytes = metadata.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size_bytes > METADATA_BYTES_MAX {
        return Err(Refusal::MetadataTooLarge { size_bytes, bound_bytes: METADATA_BYTES_MAX });
    }
    let size_bytes = headers_bytes(&metadata.headers);
    if size_bytes > HEADERS_BYTES_MAX {
        return Err(Refusal::MetadataTooLarge { size_bytes, bound_bytes: HEADERS_BYTES_MAX });
    }
    Ok(())
}

fn headers_bytes(headers: &Headers) -> usize {
    let Headers {
        content_type,
        cache_control,
        content_disposition,
        content_encoding,
        content_language,
        expires,
        website_redirect,
    } = headers;
    [content_type, cache_control, content_disposition, content_encoding, content_language, expires, website_redirect]
        .into_iter()
        .flatten()
        .map(String::len)
        .sum()
}

/// # Errors
/// [`Refusal::InvalidTag`].
pub fn tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > TAGS_MAX {
        return Err(Refusal::InvalidTag { reason: "an object has at most 10 tags" });
    }
    each_tag(tags)
}

/// # Errors
/// [`Refusal::InvalidTag`].
pub fn bucket_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > BUCKET_TAGS_MAX {
        return Err(Refusal::InvalidTag { reason: "a bucket has at most 50 tags" });
    }
    each_tag(tags)
}

fn each_tag(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let refuse = |reason| Err(Refusal::InvalidTag { reason });
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > TAG_KEY_CHARS_MAX {
            return refuse("the key of a tag has 1 to 128 characters");
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX {
            return refuse("the value of a tag has at most 256 characters");
        }
        if !key.chars().chain(value.chars()).all(tag_character) {
            return refuse("a tag has letters, digits, spaces and + - = . _ : / @ only");
        }
        if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return refuse("keys of tags that begin with aws: are reserved");
        }
    }
    Ok(())
}

fn tag_character(character: char) -> bool {
    character.is_alphanumeric() || character == ' ' || "+-=._:/@".contains(character)
}

/// Whether a copy may be made: onto itself it must change something (metadata, storage class, encryption, or the version
/// that is current).
///
/// # Errors
/// [`Refusal::CopyOntoItself`].
pub fn copy(onto_itself: bool, changes_something: bool) -> Result<(), Refusal> {
    if onto_itself && !changes_something { Err(Refusal::CopyOntoItself) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_metadata_has_2_kib_of_names_and_values() {
        let of = |bytes: usize| Metadata {
            user: [("name".to_owned(), "v".repeat(bytes - 5)), ("n".to_owned(), String::new())].into(),
            ..Metadata::default()
        };
        assert_eq!(metadata(&of(METADATA_BYTES_MAX)), Ok(()));
        let refusal = Refusal::MetadataTooLarge { size_bytes: 2049, bound_bytes: 2048 };
        assert_eq!(metadata(&of(METADATA_BYTES_MAX + 1)), Err(refusal));
    }

    #[test]
    fn standard_headers_have_8_kib_together() {
        let of = |bytes: usize| Metadata {
            headers: Headers {
                content_type: Some("t".repeat(100)),
                content_disposition: Some("d".repeat(bytes - 100)),
                ..Headers::default()
            },
            ..Metadata::default()
        };
        assert_eq!(metadata(&of(HEADERS_BYTES_MAX)), Ok(()));
        let refusal = Refusal::MetadataTooLarge { size_bytes: 8193, bound_bytes: 8192 };
        assert_eq!(metadata(&of(HEADERS_BYTES_MAX + 1)), Err(refusal));
    }

    #[test]
    fn tags_have_bounds() {
        let one = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let many = |count: usize| (0..count).map(|index| (format!("k{index}"), String::new())).collect();
        for (set, good) in [
            (BTreeMap::new(), true),
            (many(10), true),
            (many(11), false),
            (one("", "v"), false),
            (one(&"é".repeat(128), &"é".repeat(256)), true),
            (one(&"k".repeat(129), ""), false),
            (one("k", &"v".repeat(257)), false),
            (one("+-=._:/@ 1a", "+-=._:/@ 1a"), true),
            (one("k", "a&b"), false),
            (one("k<", ""), false),
            (one("k\n", ""), false),
            (one("aws:x", ""), false),
            (one("AWS:x", ""), false),
            (one("aws", ""), true),
        ] {
            assert_eq!(tags(&set).is_ok(), good, "{set:?}");
        }
    }

    #[test]
    fn a_copy_onto_itself_changes_something() {
        assert_eq!(copy(true, false), Err(Refusal::CopyOntoItself));
        for (onto_itself, changes) in [(true, true), (false, false), (false, true)] {
            assert_eq!(copy(onto_itself, changes), Ok(()));
        }
    }
}
