//! References: which version or part shows which content, and which have been given up since when.

use schemas::event::Referrer;
use schemas::{BlobId, BucketId, Position, TenantId, Time};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// A version or part that refers to a root blob. Content may be given up when no row of it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Bucket whose history window decides how long it counts.
    pub bucket: BucketId,
    /// When the version or part went for good; none while it is there.
    pub released: Option<Time>,
}
super::packed!(Reference, DIRECTORY, "reference");

impl Reference {
    /// Key of the row: tenant, kind, blob, referrer.
    #[must_use]
    pub fn key(tenant: TenantId, blob: BlobId, referrer: Referrer) -> Vec<u8> {
        write_referrer(Self::of_blob(tenant, blob), referrer).bytes()
    }

    pub(crate) fn of_tenant(tenant: TenantId) -> Key {
        Key::kind(tenant, directory::REFERENCE)
    }

    pub(crate) fn of_blob(tenant: TenantId, blob: BlobId) -> Key {
        Key::kind(tenant, directory::REFERENCE).raw(&blob.0)
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<(BlobId, Referrer)> {
        let mut reader = KeyReader::behind(key, KIND_BYTES)?;
        let blob = BlobId(reader.array()?);
        let referrer = read_referrer(&mut reader)?;
        reader.end()?;
        Some((blob, referrer))
    }
}

/// A released reference by bucket and time, so that a sweep finds the oldest of a bucket by seek.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Where it was released: whatever shows an earlier point may show its content.
    pub at: Position,
    /// Not to be given up before, whatever the bucket's history window says.
    pub keep_until: Option<Time>,
}
super::packed!(Release, DIRECTORY, "release");

impl Release {
    /// Key of the row: tenant, kind, bucket, time, blob, referrer.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, released: Time, blob: BlobId, referrer: Referrer) -> Vec<u8> {
        write_referrer(Self::of_bucket(tenant, bucket).number(released.0).raw(&blob.0), referrer).bytes()
    }

    pub(crate) fn of_tenant(tenant: TenantId) -> Key {
        Key::kind(tenant, directory::RELEASE)
    }

    pub(crate) fn of_bucket(tenant: TenantId, bucket: BucketId) -> Key {
        Self::of_tenant(tenant).bucket(bucket)
    }

    pub(crate) fn bucket_of_key(key: &[u8]) -> Option<BucketId> {
        KeyReader::behind(key, KIND_BYTES)?.number().map(BucketId)
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<(Time, BlobId, Referrer)> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        let released = Time(reader.number()?);
        let blob = BlobId(reader.array()?);
        let referrer = read_referrer(&mut reader)?;
        reader.end()?;
        Some((released, blob, referrer))
    }
}

fn write_referrer(key: Key, referrer: Referrer) -> Key {
    match referrer {
        Referrer::Version(event) => key.byte(0).event(event),
        Referrer::Part(event) => key.byte(1).event(event),
    }
}

fn read_referrer(reader: &mut KeyReader<'_>) -> Option<Referrer> {
    match reader.array()? {
        [0] => reader.event().map(Referrer::Version),
        [1] => reader.event().map(Referrer::Part),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{event_id, reads_back};
    use super::*;

    proptest! {
        #[test]
        fn rows_and_keys_read_back(bucket: u64, released: Option<u64>, blob: [u8; 16], event in event_id(), part: bool) {
            reads_back(&Reference { bucket: BucketId(bucket), released: released.map(Time) });
            reads_back(&Release { at: Position(bucket), keep_until: released.map(Time) });
            let referrer = if part { Referrer::Part(event) } else { Referrer::Version(event) };
            let key = Reference::key(TenantId(1), BlobId(blob), referrer);
            prop_assert_eq!(Reference::parse_key(&key), Some((BlobId(blob), referrer)));
            let key = Release::key(TenantId(1), BucketId(3), Time(bucket), BlobId(blob), referrer);
            prop_assert_eq!(Release::bucket_of_key(&key), Some(BucketId(3)));
            prop_assert_eq!(Release::parse_key(&key), Some((Time(bucket), BlobId(blob), referrer)));
        }
    }
}
