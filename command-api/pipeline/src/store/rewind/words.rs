//! What a restore or undo is to do and how far it got, as the log keeps it in JSON.
//!
//! Owns: their words, and that they fit a row. Does not own: what they mean ([`super`]).
//! Invariant: arguments and cursor together fit the row of a task, whatever the names are: the list of refused keys is cut short for it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Refusal;
use schemas::{ObjectKey, Position, RequestId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::tasks::{Begun, key_of, malformed, rest_of};
use crate::api::StoreError;

/// Most bytes of arguments and cursor together: a row has 3,000, and says more than these.
const BYTES_MAX: usize = 2_500;
/// Refused keys that a task names, at most.
const REFUSED_NAMED: usize = 100;
/// Most bytes of the positions of an undo, written in base64.
const POSITIONS_BYTES_MAX: usize = 1_400;
/// Most positions of an undo.
const POSITIONS_MAX: usize = 1_000;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arguments {
    #[serde(flatten)]
    pub(crate) begun: Begun,
    /// The last event that there was when it was asked.
    #[serde(with = "decimal")]
    pub(crate) head: Position,
    pub(crate) aim: Aim,
}

/// Which keys become what they were when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Aim {
    /// All under a prefix that changed behind a point: what they were there.
    Restore {
        /// The last event of the point.
        #[serde(with = "decimal")]
        at: Position,
        #[serde(with = "encoded")]
        prefix: String,
    },
    /// Those that a cause changed: what they were before it.
    Undo {
        cause: Cause,
        /// Whatever others did to them since.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        force: bool,
    },
}

/// Whose events are reversed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// Those of a request. None of them stands before `from`.
    Request {
        id: RequestId,
        #[serde(with = "decimal")]
        from: Position,
    },
    /// Those of a user or of an access key, from a position on.
    Actor {
        id: String,
        #[serde(with = "decimal")]
        from: Position,
    },
    /// These, in order.
    #[serde(with = "positions")]
    Positions(Vec<Position>),
}

impl Aim {
    /// What the keys begin with.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Restore { prefix, .. } => prefix,
            Self::Undo { .. } => "",
        }
    }
}

impl Cause {
    /// # Errors
    /// [`Refusal::InvalidArgument`]: none, or more than a task remembers.
    pub(super) fn positions(mut asked: Vec<Position>) -> Result<Self, Refusal> {
        let bad = |reason| Refusal::InvalidArgument { name: "positions", reason };
        asked.sort_unstable();
        asked.dedup();
        if asked.is_empty() {
            return Err(bad("At least one position is needed"));
        }
        if asked.len() > POSITIONS_MAX || positions::text(&asked).len() > POSITIONS_BYTES_MAX {
            return Err(bad("These are more positions, or further apart, than one undo remembers: name fewer at once"));
        }
        Ok(Self::Positions(asked))
    }
}

impl Arguments {
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|_| malformed("arguments"))
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("arguments are JSON")
    }
}

/// What a restore or undo has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RewindReport {
    /// Keys that are what they were again.
    pub restored: u64,
    /// Keys that show nothing again.
    pub removed: u64,
    /// Keys that were that already.
    pub unchanged: u64,
    /// Keys that stay as they are.
    pub refused: u64,
    /// The first of those.
    pub refused_keys: Vec<RefusedKey>,
}

/// A key that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedKey {
    /// The key.
    pub key: ObjectKey,
    /// Why, for people.
    pub reason: String,
}

/// How far it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// What follows the prefix in the last key that was dealt with, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(default)]
    pub(crate) restored: u64,
    #[serde(default)]
    pub(crate) removed: u64,
    #[serde(default)]
    pub(crate) unchanged: u64,
    #[serde(default)]
    pub(crate) refused: u64,
    /// What follows the prefix, in base64, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused_keys: Vec<(String, String)>,
}

impl Cursor {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, StoreError> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map_err(|_| malformed("cursor")))
    }

    pub(crate) fn after(&self, prefix: &str) -> Result<Option<String>, StoreError> {
        self.after.as_deref().map(|rest| key_of(prefix, rest)).transpose()
    }

    /// The place behind a key that begins with the prefix.
    pub(crate) fn behind(&mut self, prefix: &str, key: &str) {
        self.after = Some(rest_of(prefix, key));
    }

    pub(crate) fn refuse(&mut self, prefix: &str, key: &str, reason: String) {
        self.refused += 1;
        // Those that are named are the first.
        if self.refused_keys.len() < REFUSED_NAMED && self.refused_keys.len() as u64 + 1 == self.refused {
            self.refused_keys.push((rest_of(prefix, key), reason));
        }
    }

    /// For a row that has arguments of this length too.
    pub(crate) fn text(&mut self, arguments_bytes: usize) -> String {
        loop {
            let text = serde_json::to_string(self).expect("a cursor is JSON");
            if text.len() + arguments_bytes <= BYTES_MAX || self.refused_keys.pop().is_none() {
                return text;
            }
        }
    }

    pub(super) fn report(self, prefix: &str) -> Result<RewindReport, StoreError> {
        let refused_keys = self.refused_keys.into_iter().map(|(rest, reason)| {
            let key = ObjectKey::parse(&key_of(prefix, &rest)?).map_err(|_| malformed("cursor"))?;
            Ok(RefusedKey { key, reason })
        });
        Ok(RewindReport {
            restored: self.restored,
            removed: self.removed,
            unchanged: self.unchanged,
            refused: self.refused,
            refused_keys: refused_keys.collect::<Result<_, StoreError>>()?,
        })
    }
}

/// A position in decimal: a JSON number has too few digits for some readers.
mod decimal {
    use super::{Deserialize, Deserializer, Position, Serializer};

    pub(super) fn serialize<S: Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&position.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Position, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Position).map_err(serde::de::Error::custom)
    }
}

/// A text in base64: written out, control characters would take six times their room.
mod encoded {
    use super::{Deserialize, Deserializer, Engine, Serializer, URL_SAFE_NO_PAD};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(text))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        String::from_utf8(bytes).map_err(serde::de::Error::custom)
    }
}

/// Positions in order: each as its distance from the one before, in LEB128, all of it in base64.
mod positions {
    use super::{Deserialize, Deserializer, Engine, Position, Serializer, URL_SAFE_NO_PAD};

    pub(super) fn text(positions: &[Position]) -> String {
        let (mut bytes, mut before) = (Vec::with_capacity(positions.len() * 2), 0);
        for position in positions {
            let mut distance = position.0 - before;
            before = position.0;
            while distance >= 0x80 {
                bytes.push((distance & 0x7f) as u8 | 0x80);
                distance >>= 7;
            }
            bytes.push(distance as u8);
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(super) fn read(text: &str) -> Option<Vec<Position>> {
        let (mut positions, mut before, mut distance, mut shift) = (Vec::new(), 0_u64, 0_u64, 0_u32);
        for byte in URL_SAFE_NO_PAD.decode(text).ok()? {
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) {
                return None;
            }
            distance |= bits << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                before = before.checked_add(distance)?;
                positions.push(Position(before));
                (distance, shift) = (0, 0);
            }
        }
        (shift == 0).then_some(positions)
    }

    pub(super) fn serialize<S: Serializer>(positions: &[Position], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(positions))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Position>, D::Error> {
        let text = String::deserialize(deserializer)?;
        read(&text).ok_or_else(|| serde::de::Error::custom("these are no positions"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::tasks::widest;
    use super::*;

    fn reads_back(aim: Aim) -> usize {
        let arguments = Arguments { begun: widest(), head: Position(u64::MAX), aim };
        let text = arguments.text();
        assert_eq!(Arguments::parse(&text).expect("reads"), arguments);
        text.len()
    }

    #[test]
    fn a_row_fits_whatever_the_names_are_and_names_what_it_can() {
        let wide = "\u{1}".repeat(1_024);
        for split in [0, 1, 500, 1_023, 1_024] {
            let prefix = &wide[..split];
            let bytes = reads_back(Aim::Restore { at: Position(u64::MAX), prefix: prefix.to_owned() });
            let mut cursor = Cursor { restored: u64::MAX, removed: u64::MAX, unchanged: u64::MAX, ..Cursor::default() };
            for number in 0..300 {
                cursor.refuse("", &format!("key-{number}"), "changed since".to_owned());
            }
            cursor.behind(prefix, &wide);
            let text = cursor.text(bytes);
            assert!(text.len() + bytes <= BYTES_MAX, "{split}: {} {bytes}", text.len());
            let read = Cursor::parse(Some(&text)).expect("reads");
            assert_eq!((&read, read.refused), (&cursor, 300));
            assert_eq!(read.after(prefix).expect("reads"), Some(wide.clone()));
        }
    }

    #[test]
    fn a_hundred_short_keys_are_named_one_by_one_and_none_behind_a_gap() {
        let mut cursor = Cursor::default();
        for number in 0..3 {
            cursor.refuse("a/", &format!("a/{number}"), "locked".to_owned());
        }
        cursor.refused_keys.pop();
        cursor.refuse("a/", "a/3", "locked".to_owned());
        let report = cursor.report("a/").expect("reads");
        let named: Vec<_> = report.refused_keys.iter().map(|one| one.key.as_str()).collect();
        assert_eq!((report.refused, named), (4, vec!["a/0", "a/1"]));
    }

    #[test]
    fn as_many_positions_are_taken_as_a_row_has_room_for() {
        let every = |step: u64, count: u64| (1..=count).map(|number| Position(u64::MAX / 2 + number * step)).collect();
        for (step, count, fits) in
            [(100, 1_000, true), (1, 1_001, false), (100_000, 300, true), (100_000, 1_000, false)]
        {
            match Cause::positions(every(step, count)) {
                Ok(cause) => {
                    assert!(fits, "{count} with {step} between");
                    assert!(reads_back(Aim::Undo { cause, force: true }) <= BYTES_MAX - 200);
                }
                Err(_) => assert!(!fits, "{count} with {step} between"),
            }
        }
        assert!(Cause::positions(vec![]).is_err());
        let cause = Cause::positions(vec![Position(9), Position(3), Position(9)]).expect("two");
        assert_eq!(cause, Cause::Positions(vec![Position(3), Position(9)]));
    }

    proptest! {
        #[test]
        fn causes_read_back(mut some: Vec<u64>, id in "[a-z]{1,128}", from: u64, force: bool) {
            some.sort_unstable();
            some.dedup();
            let some: Vec<_> = some.into_iter().map(Position).collect();
            prop_assert_eq!(positions::read(&positions::text(&some)), Some(some));
            let from = Position(from);
            reads_back(Aim::Undo { cause: Cause::Actor { id: id.clone(), from }, force });
            reads_back(Aim::Undo { cause: Cause::Request { id: RequestId(id), from }, force });
        }
    }
}
