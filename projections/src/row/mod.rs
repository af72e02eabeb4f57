//! Rows: one file a kind, each with its key, its bytes and the proof that both read back.
//!
//! Owns: what a row holds. It holds what decisions and listings need, and the event to read the rest from.
//! Does not own: which event writes it.
//!
//! Objects are packed by hand, for there are many; the others are MessagePack arrays, where an optional field may be added
//! at the end without a new format.

mod access_key;
mod admin_token;
mod bucket;
mod change;
mod former;
mod installation;
mod object;
mod quota;
mod reference;
mod signed_url;
mod snapshot;
mod task;
mod tenant;
mod upload;
mod usage;
mod user;
mod webhook;

pub use access_key::{AccessKey, AccessKeyStatus, AccessKeyTenant};
pub use admin_token::{AdminToken, AdminTokenByHash};
pub use bucket::{Bucket, BucketByName, DeletedBucket, OrphanedBucket};
pub use change::ObjectChange;
pub use former::{Former, FormerBucket};
pub use installation::{Clock, Installation};
pub use object::{Current, Details, Marker, Noncurrent, NullPointer, Object, Past, Version};
pub use quota::Quota;
pub use reference::{Reference, Release};
pub use signed_url::SignedUrl;
pub use snapshot::{Derived, Horizon, OwnKey, Snapshot};
pub use task::{EndedTask, Task};
pub use tenant::{Tenant, TenantByName};
pub use upload::{EndedUpload, Part, Staged, Upload, UploadListing, UploadState};
pub use usage::Usage;
pub use user::User;
pub use webhook::Webhook;

use std::borrow::Cow;

use event_log::{Changes, ReadError, Rows, Table};

use crate::tables::{DIRECTORY, HISTORY, KIND_BYTES, directory, history};

/// A kind of row.
pub trait Row: Sized {
    /// Where it stands.
    const TABLE: Table;
    /// What it is called in errors.
    const WHAT: &'static str;

    /// Its value as bytes.
    fn encode(&self) -> Vec<u8>;

    /// The value back; none when no [`Row::encode`] wrote the bytes.
    fn decode(bytes: &[u8]) -> Option<Self>;
}

/// A row could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The engine could not read it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its key or value is not what this version writes. The projections must be rebuilt.
    #[error("malformed row: {what}")]
    Malformed {
        /// Kind of row.
        what: &'static str,
    },
}

impl RowError {
    pub(crate) fn malformed<R: Row>() -> Self {
        RowError::Malformed { what: R::WHAT }
    }
}

/// Reads one row.
///
/// # Errors
/// When the engine cannot, or the bytes are no such row.
pub fn get<R: Row>(rows: &dyn Rows, key: &[u8]) -> Result<Option<R>, RowError> {
    rows.get(R::TABLE, key)?.map(|bytes| decode(&bytes)).transpose()
}

pub(crate) fn decode<R: Row>(bytes: &[u8]) -> Result<R, RowError> {
    R::decode(bytes).ok_or(RowError::malformed::<R>())
}

pub(crate) fn put<R: Row>(changes: &mut Changes, key: Vec<u8>, row: &R) {
    changes.put(R::TABLE, key, row.encode());
}

pub(crate) fn remove<R: Row>(changes: &mut Changes, key: Vec<u8>) {
    changes.remove(R::TABLE, key);
}

/// The value of a row as this version writes it: rows that have gained fields are written shorter by older versions. A kind that
/// gains one gets a line here.
pub(crate) fn renewed<'v>(table: Table, key: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
    let again = match (table, key.get(KIND_BYTES - 1)) {
        (DIRECTORY, Some(&directory::BUCKET)) => Bucket::decode(value).map(|row| row.encode()),
        (HISTORY, Some(&history::FORMER_BUCKET)) => FormerBucket::decode(value).map(|row| row.encode()),
        (DIRECTORY, Some(&directory::USER)) => User::decode(value).map(|row| row.encode()),
        (DIRECTORY, Some(&directory::ACCESS_KEY)) => AccessKey::decode(value).map(|row| row.encode()),
        _ => None,
    };
    // Behind the number of its fields, the first byte of an array of up to 15, it must be the same row and go on: otherwise bytes
    // that no version wrote would be overlooked.
    let goes_on =
        |again: &Vec<u8>| again.get(1..).zip(value.get(1..)).is_some_and(|(again, old)| again.starts_with(old));
    again.filter(goes_on).map_or(Cow::Borrowed(value), Cow::Owned)
}

/// A row whose value is a MessagePack array of its fields.
macro_rules! packed {
    ($name:ident, $table:expr, $what:literal) => {
        impl $crate::row::Row for $name {
            const TABLE: event_log::Table = $table;
            const WHAT: &'static str = $what;

            fn encode(&self) -> Vec<u8> {
                rmp_serde::to_vec(self).expect("a row has nothing that MessagePack refuses")
            }

            fn decode(bytes: &[u8]) -> Option<Self> {
                rmp_serde::from_slice(bytes).ok()
            }
        }
    };
}
use packed;

#[cfg(test)]
pub(crate) mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;
    use schemas::content::{ChecksumAlgorithm, ChecksumType, ETag, Root};
    use schemas::event::StorageClass;
    use schemas::{BlobId, Epoch, EventId, ObjectKey, Position, UserId};

    use super::Row;

    /// A row reads back, and nothing shorter reads as one.
    pub(crate) fn reads_back<R: Row + PartialEq + Debug>(row: &R) {
        let bytes = row.encode();
        assert_eq!(R::decode(&bytes).as_ref(), Some(row));
        for cut in 0..bytes.len() {
            assert_ne!(R::decode(&bytes[..cut]).as_ref(), Some(row), "cut at {cut}");
        }
    }

    pub(crate) fn event_id() -> impl Strategy<Value = EventId> {
        any::<(u32, u64)>().prop_map(|(epoch, position)| EventId { epoch: Epoch(epoch), position: Position(position) })
    }

    pub(crate) fn user() -> impl Strategy<Value = UserId> {
        "[a-zA-Z0-9._@+=,-]{1,128}".prop_map(|text| UserId::parse(&text).expect("of the allowed form"))
    }

    pub(crate) fn object_key() -> impl Strategy<Value = ObjectKey> {
        "[\u{0}-\u{3}a-c/é]{1,20}".prop_map(|text| ObjectKey::parse(&text).expect("short and not empty"))
    }

    pub(crate) fn etag() -> impl Strategy<Value = ETag> {
        any::<([u8; 16], u32)>().prop_map(|(md5, parts)| ETag { md5, parts })
    }

    pub(crate) fn root() -> impl Strategy<Value = Root> {
        prop_oneof![
            Just(Root::Empty),
            any::<[u8; 16]>().prop_map(|blob| Root::Blob(BlobId(blob))),
            any::<[u8; 16]>().prop_map(|blob| Root::Manifest(BlobId(blob))),
        ]
    }

    pub(crate) fn storage_class() -> impl Strategy<Value = StorageClass> {
        prop::sample::select(vec![
            StorageClass::Standard,
            StorageClass::ReducedRedundancy,
            StorageClass::StandardIa,
            StorageClass::OnezoneIa,
            StorageClass::IntelligentTiering,
        ])
    }

    pub(crate) fn checksum_kind() -> impl Strategy<Value = Option<(ChecksumAlgorithm, ChecksumType)>> {
        let covers = prop::sample::select(vec![ChecksumType::Composite, ChecksumType::FullObject]);
        prop::option::of((prop::sample::select(ChecksumAlgorithm::ALL.to_vec()), covers))
    }
}
