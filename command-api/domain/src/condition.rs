//! Conditions of a write or delete, decided inside the commit, so that they never race.
//!
//! Owns: what holds against which version. Does not own: conditions of reads ([`crate::read`]).

use schemas::Time;
use schemas::content::ETag;

use crate::Refusal;

/// A condition on an entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ETagCondition {
    /// `*`: anything that is there.
    Any,
    /// One of these, quoted or not. Text that is no ETag of ours matches nothing.
    OneOf(Vec<String>),
}

impl ETagCondition {
    /// Strong comparison, for If-Match: a weak tag (`W/`) never matches.
    #[must_use]
    pub fn matches_strongly(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(texts) => texts.iter().any(|text| ETag::parse(text).as_ref() == Some(etag)),
        }
    }

    /// Weak comparison, for If-None-Match (RFC 9110 section 13.1.2): proxies that compress weaken tags.
    #[must_use]
    pub fn matches_weakly(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(texts) => texts.iter().any(|text| {
                let text = text.trim();
                ETag::parse(text.strip_prefix("W/").unwrap_or(text)).as_ref() == Some(etag)
            }),
        }
    }
}

/// Conditions of a write or delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The current version must be there and have such a tag.
    pub if_match: Option<ETagCondition>,
    /// No current version with such a tag may be there.
    pub if_none_match: Option<ETagCondition>,
    /// (Delete) the version must have this size.
    pub if_match_size: Option<u64>,
    /// (Delete) the version must have been made in this second of the Unix epoch.
    pub if_match_last_modified_s: Option<u64>,
}

/// What conditions of a delete are held against. A delete marker has no tag and no bytes.
pub(crate) struct Subject<'a> {
    pub(crate) etag: Option<&'a ETag>,
    pub(crate) size_bytes: u64,
    pub(crate) modified: Time,
}

impl Conditions {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// For a write: `live` is the tag of the current version, unless there is none or a delete marker.
    pub(crate) fn allow_write(&self, live: Option<&ETag>) -> Result<(), WriteRefusal> {
        if let Some(condition) = &self.if_match {
            let etag = live.ok_or(WriteRefusal::NothingToMatch)?;
            if !condition.matches_strongly(etag) {
                return Err(WriteRefusal::Failed("If-Match"));
            }
        }
        match (&self.if_none_match, live) {
            (Some(condition), Some(etag)) if condition.matches_weakly(etag) => {
                Err(WriteRefusal::Failed("If-None-Match"))
            }
            _ => Ok(()),
        }
    }

    /// For a delete of something that is there. `*` holds for a delete marker too: it is there.
    pub(crate) fn allow_delete(&self, subject: &Subject<'_>) -> Result<(), Refusal> {
        let matches = |condition: &ETagCondition| match subject.etag {
            Some(etag) => condition.matches_strongly(etag),
            None => *condition == ETagCondition::Any,
        };
        let none_matches = |condition: &ETagCondition| subject.etag.is_none_or(|etag| !condition.matches_weakly(etag));
        let holds = [
            ("If-Match", self.if_match.as_ref().is_none_or(matches)),
            ("If-None-Match", self.if_none_match.as_ref().is_none_or(none_matches)),
            ("x-amz-if-match-size", self.if_match_size.is_none_or(|size| size == subject.size_bytes)),
            (
                "x-amz-if-match-last-modified-time",
                self.if_match_last_modified_s.is_none_or(|second| second == subject.modified.seconds()),
            ),
        ];
        match holds.into_iter().find(|(_, holds)| !holds) {
            Some((condition, _)) => Err(Refusal::PreconditionFailed { condition }),
            None => Ok(()),
        }
    }
}

/// Why a write's conditions forbid it.
pub(crate) enum WriteRefusal {
    /// If-Match, and no current version.
    NothingToMatch,
    /// This condition does not hold.
    Failed(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "93b885adfe0da089cdf634904fd59f71";

    fn one_of(text: impl Into<String>) -> ETagCondition {
        ETagCondition::OneOf(vec!["nonsense".to_owned(), text.into()])
    }

    #[test]
    fn tags_compare_without_their_quotes() {
        let etag = ETag::parse(HEX).unwrap();
        let multipart = ETag { parts: 3, ..etag };
        for (text, strong, weak) in [
            (HEX.to_owned(), true, true),
            (format!("\"{HEX}\""), true, true),
            (HEX.to_uppercase(), true, true),
            (format!("W/\"{HEX}\""), false, true),
            (format!(" W/{HEX} "), false, true),
            (format!("\"{HEX}-3\""), false, false),
            (format!("w/\"{HEX}\""), false, false),
            ("*".to_owned(), false, false),
            (String::new(), false, false),
        ] {
            assert_eq!(one_of(text.clone()).matches_strongly(&etag), strong, "{text}");
            assert_eq!(one_of(text.clone()).matches_weakly(&etag), weak, "{text}");
        }
        assert!(one_of(format!("\"{HEX}-3\"")).matches_strongly(&multipart));
        assert!(!one_of(HEX).matches_strongly(&multipart));
    }

    #[test]
    fn any_matches_every_tag_and_an_empty_list_none() {
        let etag = ETag::parse(HEX).unwrap();
        assert!(ETagCondition::Any.matches_strongly(&etag) && ETagCondition::Any.matches_weakly(&etag));
        assert!(!ETagCondition::OneOf(vec![]).matches_strongly(&etag));
    }
}
