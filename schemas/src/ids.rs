//! Ids: who, where and when. Numbers are big-endian wherever they become bytes, so that byte order is number order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text has another length or alphabet than the id's form.
    #[error("not a valid {what}")]
    Malformed {
        /// Which id was expected.
        what: &'static str,
    },
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id! {
    /// A tenant. 0 is the system log; others are random and never reused.
    TenantId(u64)
}
number_id! {
    /// A bucket within its tenant: random, never 0 (0 in a header means "no bucket"), never reused, so that a bucket made
    /// again under an old name shares nothing with its predecessor.
    BucketId(u64)
}
number_id! {
    /// A record's place in its tenant's log, dense from 0.
    Position(u64)
}
number_id! {
    /// An incarnation of a log. Rises at every restore, accepted loss of a tail, or takeover.
    Epoch(u32)
}
number_id! {
    /// A key that seals bodies and wraps: random within its tenant. 0 means "not sealed" and is never written.
    KeyId(u64)
}
number_id! {
    /// A segment file of the blob store.
    SegmentId(u64)
}
number_id! {
    /// Microseconds since the Unix epoch on the installation's retention clock.
    Time(u64)
}

impl TenantId {
    /// The system log: tenants, admin tokens, the clock.
    pub const SYSTEM: TenantId = TenantId(0);
}

impl BucketId {
    /// In a record header: the record concerns no bucket.
    pub const NONE: BucketId = BucketId(0);
}

impl Position {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

impl Time {
    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1_000_000
    }
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error;
                let bytes: Vec<u8> = if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    hex::decode(text.as_bytes()).map_err(D::Error::custom)?
                } else {
                    serde_bytes::ByteBuf::deserialize(deserializer)?.into_vec()
                };
                Ok($name(bytes.try_into().map_err(|_| D::Error::custom(concat!("wrong length of ", $what)))?))
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $len];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError::Malformed { what: $what })?;
                Ok($name(bytes))
            }
        }
    };
}

bytes_id! {
    /// One physical copy under one random key. Made per write attempt, never reused: a number that rises, then 64 random bits (decision
    /// 0020); older ones are random throughout.
    BlobId, 16, "blob id"
}
bytes_id! {
    /// A multipart upload: 128 random bits, 32 hex digits on the wire.
    UploadId, 16, "upload id"
}
bytes_id! {
    /// One command, for idempotency: what a retry carries again.
    CommandId, 16, "command id"
}
bytes_id! {
    /// Somebody who is told of events: 128 random bits. Never reused.
    SubscriptionId, 16, "subscription id"
}
bytes_id! {
    /// SHA-256(0x00 || record), RFC 6962 section 2.1.
    LeafHash, 32, "leaf hash"
}

/// What a request is called in logs, errors and events. 26 characters (a ULID).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub String);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an event stands: unique for ever, across restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// Incarnation of the log.
    pub epoch: Epoch,
    /// Place in it.
    pub position: Position,
}

/// A version of an object: the event that made it, or S3's `null`.
///
/// On the wire 20 characters of `0-9a-v` (RFC 4648 base32hex, lower case, of the inverted epoch and position), so that
/// text order is newest first; or `null`. Part of the format: clients keep version ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VersionId {
    /// Written while the bucket was not versioned, or versioning was suspended.
    Null,
    /// Made by this event.
    Event(EventId),
}

impl VersionId {
    /// Of a version that this event made, as the null version or as one of its own.
    #[must_use]
    pub fn of(made_by: EventId, null: bool) -> Self {
        if null { Self::Null } else { Self::Event(made_by) }
    }
}

const BASE32HEX: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VersionId::Event(event) = self else { return f.write_str("null") };
        let value = (u128::from(!event.epoch.0) << 64) | u128::from(!event.position.0);
        // 96 bits are 19 characters and one bit: shifted left by 4, they fill 20 characters.
        let value = value << 4;
        for index in (0..20).rev() {
            let digit = (value >> (index * 5)) & 31;
            write!(f, "{}", char::from(BASE32HEX[digit as usize]))?;
        }
        Ok(())
    }
}

impl std::str::FromStr for VersionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        const MALFORMED: IdError = IdError::Malformed { what: "version id" };
        if text == "null" {
            return Ok(VersionId::Null);
        }
        if text.len() != 20 {
            return Err(MALFORMED);
        }
        let mut value: u128 = 0;
        for byte in text.bytes() {
            let digit = BASE32HEX.iter().position(|&d| d == byte).ok_or(MALFORMED)?;
            value = (value << 5) | digit as u128;
        }
        if value & 15 != 0 {
            return Err(MALFORMED);
        }
        let value = value >> 4;
        let epoch = Epoch(!((value >> 64) as u32));
        let position = Position(!(value as u64));
        Ok(VersionId::Event(EventId { epoch, position }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_version_id_reads_back(epoch: u32, position: u64) {
            let id = VersionId::Event(EventId { epoch: Epoch(epoch), position: Position(position) });
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }

        #[test]
        fn version_ids_sort_newest_first(a: (u32, u64), b: (u32, u64)) {
            let text = |(epoch, position)| {
                VersionId::Event(EventId { epoch: Epoch(epoch), position: Position(position) }).to_string()
            };
            prop_assert_eq!(a.cmp(&b), text(b).cmp(&text(a)));
        }
    }

    #[test]
    fn the_null_version_and_nonsense() {
        assert_eq!("null".parse(), Ok(VersionId::Null));
        for text in ["", "Null", "0000", "wwwwwwwwwwwwwwwwwwww", "00000000000000000001"] {
            assert!(text.parse::<VersionId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_are_bytes_in_msgpack_and_hex_in_json() {
        let id = BlobId([7; 16]);
        let packed = rmp_serde::to_vec(&id).expect("packs");
        assert_eq!(packed[..2], [0xc4, 16]);
        assert_eq!(rmp_serde::from_slice::<BlobId>(&packed).expect("unpacks"), id);
        let json = serde_json::to_string(&id).expect("writes");
        assert_eq!(json, format!("\"{}\"", "07".repeat(16)));
        assert_eq!(serde_json::from_str::<BlobId>(&json).expect("reads"), id);
    }
}
