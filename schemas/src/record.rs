//! A record: what one event is on disk. A clear header, then a sealed body.
//!
//! Owns: the byte layout of the header, the MessagePack form of the body.
//! Does not own: hashing (ledger), sealing (vault), storing (event-log), what an event means.
//! Invariant: raw bytes are stored, exported and hashed as they are, never encoded again.

use serde::{Deserialize, Serialize};

use crate::event::{Event, EventError};
use crate::{BucketId, CommandId, Epoch, EventId, KeyId, LeafHash, ObjectKey, Position, RequestId, TenantId, Time};

/// Most bytes of a record, header and sealed body together.
pub const RECORD_BYTES_MAX: usize = 65_535;

/// Bytes of a header. Part of the format.
pub const HEADER_BYTES: usize = 139;

/// First byte of every record. Changing the layout needs a new one.
pub const FORMAT: u8 = 1;

/// The clear part of a record. It names no object, no user and no content.
///
/// Layout, part of the format, numbers big-endian: format u8, tenant u64, epoch u32, position u64, time u64, prev 32,
/// bucket u64, bucket_seq u64, bucket_prev 32, event type u16, schema version u16, key id u64, unit length u16,
/// unit index u16, 14 zero bytes for later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whose log.
    pub tenant: TenantId,
    /// Incarnation of the log.
    pub epoch: Epoch,
    /// Place in the log, dense from 0.
    pub position: Position,
    /// When it was decided; never decreasing in a log.
    pub time: Time,
    /// Leaf hash of the record before; zeros at position 0.
    pub prev: LeafHash,
    /// Bucket concerned, or [`BucketId::NONE`].
    pub bucket: BucketId,
    /// Place among the bucket's records, dense from 0; 0 without a bucket.
    pub bucket_seq: u64,
    /// Leaf hash of the bucket's record before; zeros for its first and without a bucket.
    pub bucket_prev: LeafHash,
    /// Which event ([`Event::type_code`]).
    pub event_type: u16,
    /// Version of the event's shape.
    pub schema_version: u16,
    /// Key that sealed the body.
    pub key: KeyId,
    /// Records of this record's unit (one command's events, which stand or fall together): 1 to 256.
    pub unit_length: u16,
    /// Place in the unit, from 0.
    pub unit_index: u16,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Shorter than a header, or longer than [`RECORD_BYTES_MAX`].
    #[error("a record has {HEADER_BYTES} to {RECORD_BYTES_MAX} bytes, this has {bytes}")]
    Length {
        /// Bytes there are.
        bytes: usize,
    },
    /// Written by a later version, or not a record.
    #[error("unknown record format {format}")]
    Format {
        /// The first byte.
        format: u8,
    },
    /// Reserved bytes that are not zero, or a unit index outside its unit.
    #[error("malformed record header")]
    Malformed,
}

impl Header {
    /// Id of the event.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId { epoch: self.epoch, position: self.position }
    }

    /// The header as bytes. They are the associated data of the body's sealing.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.push(FORMAT);
        out.extend(self.tenant.0.to_be_bytes());
        out.extend(self.epoch.0.to_be_bytes());
        out.extend(self.position.0.to_be_bytes());
        out.extend(self.time.0.to_be_bytes());
        out.extend(self.prev.0);
        out.extend(self.bucket.0.to_be_bytes());
        out.extend(self.bucket_seq.to_be_bytes());
        out.extend(self.bucket_prev.0);
        out.extend(self.event_type.to_be_bytes());
        out.extend(self.schema_version.to_be_bytes());
        out.extend(self.key.0.to_be_bytes());
        out.extend(self.unit_length.to_be_bytes());
        out.extend(self.unit_index.to_be_bytes());
        out.resize(HEADER_BYTES, 0);
        out.try_into().expect("resized to HEADER_BYTES")
    }

    /// Splits a record into header and sealed body.
    ///
    /// # Errors
    /// Whatever no [`Header::encode`] wrote.
    pub fn decode(record: &[u8]) -> Result<(Header, &[u8]), RecordError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(RecordError::Length { bytes: record.len() });
        }
        let Some((header, sealed)) = record.split_at_checked(HEADER_BYTES) else {
            return Err(RecordError::Length { bytes: record.len() });
        };
        if header[0] != FORMAT {
            return Err(RecordError::Format { format: header[0] });
        }
        let mut reader = Reader(&header[1..]);
        let decoded = Header {
            tenant: TenantId(reader.u64()),
            epoch: Epoch(u32::from_be_bytes(reader.take())),
            position: Position(reader.u64()),
            time: Time(reader.u64()),
            prev: LeafHash(reader.take()),
            bucket: BucketId(reader.u64()),
            bucket_seq: reader.u64(),
            bucket_prev: LeafHash(reader.take()),
            event_type: reader.u16(),
            schema_version: reader.u16(),
            key: KeyId(reader.u64()),
            unit_length: reader.u16(),
            unit_index: reader.u16(),
        };
        if reader.0.iter().any(|&byte| byte != 0) || decoded.unit_index >= decoded.unit_length {
            return Err(RecordError::Malformed);
        }
        Ok((decoded, sealed))
    }
}

/// Takes fields off a header whose length has been checked.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk::<N>().expect("the header's length was checked");
        self.0 = rest;
        *field
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }
}

/// On whose behalf something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// The server itself: a standing process, named.
    System(String),
    /// A holder of an admin token, by the token's id.
    Admin(String),
    /// A user, by an access key.
    User {
        /// Who.
        user: crate::UserId,
        /// With which key.
        access_key: crate::AccessKeyId,
    },
    /// Nobody known: an anonymous request that was allowed.
    Anonymous,
}

/// The circumstances of a command, the same for all its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// On whose behalf.
    pub actor: Actor,
    /// Address the request came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What the request is called in logs and answers.
    pub request: RequestId,
    /// What ties several commands together, if anything: a task, a client's trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The event that caused this one, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<EventId>,
    /// The command, for idempotency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandId>,
}

/// The sealed part of a record: MessagePack with named fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Circumstances.
    pub context: Context,
    /// Object concerned, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectKey>,
    /// The event's own fields, MessagePack with named fields, in the shape of the header's type and version.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
}

impl Body {
    /// A body for an event.
    #[must_use]
    pub fn new(context: Context, object: Option<ObjectKey>, event: &Event) -> Self {
        Self { context, object, payload: event.encode() }
    }

    /// The body as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // The context and most object names fit.
        let mut bytes = Vec::with_capacity(self.payload.len() + 512);
        rmp_serde::encode::write_named(&mut bytes, self).expect("a body has no map with keys that MessagePack refuses");
        bytes
    }

    /// # Errors
    /// Bytes that are not a body.
    pub fn decode(bytes: &[u8]) -> Result<Self, EventError> {
        rmp_serde::from_slice(bytes).map_err(|source| EventError::Malformed { source })
    }

    /// The event, brought up to its newest shape.
    ///
    /// # Errors
    /// An unknown type or version, or a payload of another shape.
    pub fn event(&self, header: &Header) -> Result<Event, EventError> {
        Event::decode(header.event_type, header.schema_version, &self.payload)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(numbers: [u64; 6], hashes: [[u8; 32]; 2], small: [u16; 4], epoch: u32) -> Header {
        let [tenant, position, time, bucket, bucket_seq, key] = numbers;
        Header {
            tenant: TenantId(tenant),
            epoch: Epoch(epoch),
            position: Position(position),
            time: Time(time),
            prev: LeafHash(hashes[0]),
            bucket: BucketId(bucket),
            bucket_seq,
            bucket_prev: LeafHash(hashes[1]),
            event_type: small[0],
            schema_version: small[1],
            key: KeyId(key),
            unit_length: small[2].max(1),
            unit_index: small[3] % small[2].max(1),
        }
    }

    proptest! {
        #[test]
        fn a_header_reads_back(numbers: [u64; 6], hashes: [[u8; 32]; 2], small: [u16; 4], epoch: u32, body: Vec<u8>) {
            let header = header(numbers, hashes, small, epoch);
            let mut record = header.encode().to_vec();
            record.extend(&body);
            prop_assert_eq!(Header::decode(&record), Ok((header, body.as_slice())));
        }

        #[test]
        fn no_bytes_make_a_header_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Header::decode(&bytes);
        }
    }

    #[test]
    fn a_header_refuses_what_it_did_not_write() {
        let good = header([1; 6], [[2; 32]; 2], [3, 1, 2, 1], 5).encode();
        assert!(Header::decode(&good).is_ok());
        assert_eq!(Header::decode(&good[..138]), Err(RecordError::Length { bytes: 138 }));
        for (index, value) in [(0, 2), (HEADER_BYTES - 1, 1)] {
            let mut bad = good;
            bad[index] = value;
            assert!(Header::decode(&bad).is_err());
        }
        assert!(Header::decode(&vec![1; RECORD_BYTES_MAX + 1]).is_err());
    }
}
