//! What clients do: the families of operations, and the sizes and words of each.

use std::str::FromStr;

use anyhow::{Result, bail};

/// Keys of a page of a listing.
pub(crate) const PAGE_KEYS: u64 = 1_000;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// No single PUT may be larger in S3.
const PUT_BYTES_MAX: u64 = 5 << 30;

/// One kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Put,
    Get,
    Head,
    /// A page of keys, page after page.
    List,
    /// All common prefixes at a delimiter.
    Folders,
    Delete,
    /// 45 % GET, 30 % HEAD, 15 % PUT, 10 % DELETE: the proportions of warp's mixed benchmark.
    Mixed,
    /// A whole upload: created, its parts put one after another, completed.
    Multipart,
    Copy,
    /// `If-None-Match: *` for a key that is not there.
    PutAbsent,
    /// The same for one that is: 412.
    PutRefused,
    /// `If-Match` with the object's ETag.
    GetMatch,
    /// `If-None-Match` with it: 304.
    GetSame,
}

const ALL: [(Family, &str); 13] = [
    (Family::Put, "put"),
    (Family::Get, "get"),
    (Family::Head, "head"),
    (Family::List, "list"),
    (Family::Folders, "folders"),
    (Family::Delete, "delete"),
    (Family::Mixed, "mixed"),
    (Family::Multipart, "multipart"),
    (Family::Copy, "copy"),
    (Family::PutAbsent, "put-absent"),
    (Family::PutRefused, "put-refused"),
    (Family::GetMatch, "get-match"),
    (Family::GetSame, "get-same"),
];

impl Family {
    pub(crate) fn all() -> Vec<Self> {
        ALL.iter().map(|(family, _)| *family).collect()
    }

    pub(crate) fn name(self) -> &'static str {
        ALL.iter().find(|(family, _)| *family == self).map_or("", |(_, name)| name)
    }

    /// Sizes that are measured when none are asked for.
    pub(crate) fn sizes(self) -> &'static [u64] {
        match self {
            Self::Put | Self::Get => &[4 * KIB, 64 * KIB, MIB, 64 * MIB],
            Self::Mixed | Self::Copy => &[4 * KIB, MIB],
            Self::Multipart => &[64 * MIB],
            Self::List | Self::Folders => &[1],
            Self::Head | Self::Delete | Self::PutAbsent | Self::PutRefused | Self::GetMatch | Self::GetSame => {
                &[4 * KIB]
            }
        }
    }

    /// Whether the family is measured with objects of a size that was asked for.
    pub(crate) fn takes(self, size: u64) -> bool {
        match self {
            // A refusal may come before the body was read: how much of a large one is sent is chance.
            Self::PutRefused => size <= MIB,
            // So few can be put beforehand that their deletion is over before it is measured.
            Self::Delete => size <= MIB,
            Self::Multipart => size >= 5 * MIB,
            _ => size <= PUT_BYTES_MAX,
        }
    }

    /// Whether objects of a size are all that tells its cells apart.
    pub(crate) fn is_sized(self) -> bool {
        !matches!(self, Self::List | Self::Folders)
    }

    /// Whether it reads or copies objects that must be there.
    pub(crate) fn reads(self) -> bool {
        matches!(
            self,
            Self::Get | Self::Head | Self::Mixed | Self::Copy | Self::PutRefused | Self::GetMatch | Self::GetSame
        )
    }

    /// A cell's size in words.
    pub(crate) fn size_name(self, size: u64) -> String {
        match self {
            Self::List => "1,000 keys".to_owned(),
            Self::Folders => "100 prefixes".to_owned(),
            _ => size_name(size),
        }
    }

    /// Families of a word: one's name, `conditional` or `all`.
    pub(crate) fn parse_group(word: &str) -> Result<Vec<Self>> {
        match word {
            "all" => Ok(Self::all()),
            "conditional" => Ok(vec![Self::PutAbsent, Self::PutRefused, Self::GetMatch, Self::GetSame]),
            _ => Ok(vec![word.parse()?]),
        }
    }
}

impl FromStr for Family {
    type Err = anyhow::Error;

    fn from_str(word: &str) -> Result<Self> {
        match ALL.iter().find(|(_, name)| *name == word) {
            Some((family, _)) => Ok(*family),
            None => bail!("no family {word}: {}, conditional or all", ALL.map(|(_, name)| name).join(", ")),
        }
    }
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", MIB), ("KiB", KIB), ("B", 1)];

/// `4 KiB`.
pub(crate) fn size_name(size: u64) -> String {
    let unit = UNITS.into_iter().find(|(_, bytes)| size >= *bytes && size.is_multiple_of(*bytes));
    let (name, bytes) = unit.unwrap_or(("B", 1));
    format!("{} {name}", size / bytes)
}

/// `4096`, `4KiB`, `4 KiB`, `4k`.
pub(crate) fn parse_size(text: &str) -> Result<u64> {
    let at = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (text[..at].parse::<u64>(), text[at..].trim());
    let known = UNITS.into_iter().find(|(name, _)| {
        unit.eq_ignore_ascii_case(name) || (unit.len() == 1 && name[..1].eq_ignore_ascii_case(unit)) || unit.is_empty()
    });
    match (number, known) {
        (Ok(number), Some(_)) if unit.is_empty() => Ok(number),
        (Ok(number), Some((_, bytes))) => Ok(number * bytes),
        _ => bail!("no size: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_they_are_written() {
        for size in [1, 1_000, 4 << 10, 64 << 10, 5 << 20, 5 << 30] {
            assert_eq!(parse_size(&size_name(size)).ok(), Some(size));
        }
        for (text, size) in [("4k", 4 << 10), ("64MiB", 64 << 20), ("5g", 5 << 30), ("17", 17)] {
            assert_eq!(parse_size(text).ok(), Some(size), "{text}");
        }
        for text in ["", "KiB", "4 apples"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn families_have_names_of_their_own() {
        for family in Family::all() {
            assert_eq!(family.name().parse::<Family>().ok(), Some(family));
        }
    }
}
