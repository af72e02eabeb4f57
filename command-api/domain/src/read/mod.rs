//! Reads: which version answers, whether its conditions hold, which bytes of it.
//!
//! Owns: RFC 9110 sections 13 and 14 as S3 applies them.
//! Does not own: parsing of headers (a header that cannot be parsed never comes here), bytes.

use schemas::content::ETag;
use schemas::{Time, VersionId};

use crate::object::{Bucket, Kind, State, Version};
use crate::{ETagCondition, Refusal};

#[cfg(test)]
mod tests;

/// The version that a read without a version id answers with.
///
/// # Errors
/// [`Refusal::NoSuchBucket`]; [`Refusal::NoSuchKey`] when there is none or a delete marker hides it.
pub fn current(state: &State) -> Result<&Version, Refusal> {
    if state.bucket == Bucket::Absent {
        return Err(Refusal::NoSuchBucket);
    }
    match &state.current {
        Some(version) if version.kind != Kind::Marker => Ok(version),
        marker => Err(Refusal::NoSuchKey { marker: marker.as_ref().map(Version::id) }),
    }
}

/// The version that a read with a version id answers with: what stands under that id.
///
/// # Errors
/// [`Refusal::NoSuchVersion`]; [`Refusal::IsDeleteMarker`].
pub fn named(found: Option<&Version>) -> Result<&Version, Refusal> {
    match found {
        None => Err(Refusal::NoSuchVersion),
        Some(version) if version.kind == Kind::Marker => {
            Err(Refusal::IsDeleteMarker { version: version.id(), modified: version.modified })
        }
        Some(version) => Ok(version),
    }
}

/// Conditions of a read or of a copy's source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// If-Match.
    pub if_match: Option<ETagCondition>,
    /// If-None-Match.
    pub if_none_match: Option<ETagCondition>,
    /// If-Modified-Since, seconds of the Unix epoch.
    pub if_modified_since_s: Option<u64>,
    /// If-Unmodified-Since, seconds of the Unix epoch.
    pub if_unmodified_since_s: Option<u64>,
}

/// What conditions are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Representation {
    /// Its tag.
    pub etag: ETag,
    /// When it was made.
    pub modified: Time,
    /// Its version, for the answer; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
}

/// Which condition of a read does not hold.
enum Failed {
    /// The reader wanted another one than there is.
    Precondition(&'static str),
    /// The reader has this one.
    Unchanged(&'static str),
}

/// In the order of RFC 9110 section 13.2.2: If-Match or else If-Unmodified-Since, then If-None-Match or else
/// If-Modified-Since. Times compare in whole seconds, as HTTP dates have them.
fn evaluate(conditions: &Conditions, representation: &Representation) -> Result<(), Failed> {
    let modified_s = representation.modified.seconds();
    match (&conditions.if_match, conditions.if_unmodified_since_s) {
        (Some(condition), _) if !condition.matches_strongly(&representation.etag) => {
            return Err(Failed::Precondition("If-Match"));
        }
        (None, Some(since_s)) if modified_s > since_s => return Err(Failed::Precondition("If-Unmodified-Since")),
        _ => {}
    }
    match (&conditions.if_none_match, conditions.if_modified_since_s) {
        (Some(condition), _) if condition.matches_weakly(&representation.etag) => {
            Err(Failed::Unchanged("If-None-Match"))
        }
        (None, Some(since_s)) if modified_s <= since_s => Err(Failed::Unchanged("If-Modified-Since")),
        _ => Ok(()),
    }
}

/// For GET and HEAD.
///
/// # Errors
/// [`Refusal::PreconditionFailed`], [`Refusal::NotModified`].
pub fn check(conditions: &Conditions, representation: &Representation) -> Result<(), Refusal> {
    evaluate(conditions, representation).map_err(|failed| match failed {
        Failed::Precondition(condition) => Refusal::PreconditionFailed { condition },
        Failed::Unchanged(_) => {
            let Representation { etag, modified, version } = *representation;
            Refusal::NotModified { etag, modified, version }
        }
    })
}

/// For the source of a copy, where there is no cache to be fresh: whatever does not hold is a failed precondition.
///
/// # Errors
/// [`Refusal::PreconditionFailed`].
pub fn check_copy_source(conditions: &Conditions, representation: &Representation) -> Result<(), Refusal> {
    evaluate(conditions, representation).map_err(|failed| match failed {
        Failed::Precondition(condition) | Failed::Unchanged(condition) => Refusal::PreconditionFailed { condition },
    })
}

/// A byte range as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// `bytes=a-b`, both included.
    FromTo(u64, u64),
    /// `bytes=a-`.
    From(u64),
    /// `bytes=-n`.
    Last(u64),
}

impl RangeSpec {
    /// Of the text of a `Range` header. None when it is no single range of bytes: such a header is as if it were not there
    /// ([RFC 9110 section 14.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.2)).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        let (unit, range) = text.trim().split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        match range.trim().split_once('-')? {
            ("", last) => Some(Self::Last(number(last)?)),
            (from, "") => Some(Self::From(number(from)?)),
            (from, to) => {
                let (from, to) = (number(from)?, number(to)?);
                (from <= to).then_some(Self::FromTo(from, to))
            }
        }
    }
}

/// First and last byte (both included) of a range in an object of `size_bytes`; none for the whole object, when the range
/// is no range (its end before its beginning) and HTTP says to ignore it.
///
/// # Errors
/// [`Refusal::InvalidRange`] when no byte of it exists.
pub fn resolve_range(range: RangeSpec, size_bytes: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let (first, last) = match range {
        RangeSpec::FromTo(first, last) if first > last => return Ok(None),
        RangeSpec::FromTo(first, last) => (first, last.min(size_bytes.saturating_sub(1))),
        RangeSpec::From(first) => (first, size_bytes.saturating_sub(1)),
        RangeSpec::Last(0) => return Err(Refusal::InvalidRange { size_bytes }),
        RangeSpec::Last(count) => (size_bytes.saturating_sub(count), size_bytes.saturating_sub(1)),
    };
    if first < size_bytes { Ok(Some((first, last))) } else { Err(Refusal::InvalidRange { size_bytes }) }
}

/// Checks the range of a part copy, which must lie within its source.
///
/// # Errors
/// [`Refusal::InvalidRange`].
pub fn check_copy_range((first, last): (u64, u64), size_bytes: u64) -> Result<(), Refusal> {
    if first <= last && last < size_bytes { Ok(()) } else { Err(Refusal::InvalidRange { size_bytes }) }
}

/// Whether an object has a part of this number. One that was not uploaded in parts (`parts` is 0) is its own part 1.
///
/// # Errors
/// [`Refusal::InvalidPartNumber`].
pub fn check_part_number(number: u16, parts: u32) -> Result<(), Refusal> {
    let parts = parts.max(1);
    if (1..=parts).contains(&u32::from(number)) { Ok(()) } else { Err(Refusal::InvalidPartNumber { parts }) }
}

/// First and last byte (both included) of part `number` of an object whose parts have these sizes; none when the part has
/// no bytes. An object that was not uploaded in parts has none in `part_sizes` and is its own part 1.
///
/// # Errors
/// [`Refusal::InvalidPartNumber`].
pub fn resolve_part(number: u16, part_sizes: &[u64], size_bytes: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let whole = [size_bytes];
    let sizes = if part_sizes.is_empty() { &whole } else { part_sizes };
    let parts = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
    let index = usize::from(number).checked_sub(1).ok_or(Refusal::InvalidPartNumber { parts })?;
    let size = *sizes.get(index).ok_or(Refusal::InvalidPartNumber { parts })?;
    let first = sizes[..index].iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
    Ok(size.checked_sub(1).map(|rest| (first, first.saturating_add(rest))))
}
