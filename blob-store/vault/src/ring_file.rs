//! A key file: the ring of one tenant, one bucket or one named key as it lies on disk.
//!
//! Owns: the layout, telling damage from a wrong key. Does not own: paths, writing, what opens the wraps.
//!
//! `tenant-<16 hex>.key`, `t-<16 hex of the tenant>/bucket-<16 hex>.key` and `.../named-<16 hex>.key`, part of the format,
//! numbers big-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 6 | `HFKEYS`; `HFNAME` in a named key's file |
//! | 6 | 1 | version, 1 |
//! | 7 | 8 | tenant |
//! | 15 | 8 | bucket; 0 in a tenant's file; the number of a named key |
//! | 23 | 2 | number of keys n, at least 1 |
//! | 25 | 121 n | keys, oldest first |
//! | 25 + 121 n | 16 | first half of SHA-256 over everything before |
//!
//! | offset in a key | bytes | what |
//! |---|---|---|
//! | 0 | 8 | key id, never 0, once in a file |
//! | 8 | 1 | 1 live, 2 destroyed |
//! | 9 | 8 | id of the tenant key that wraps it; 0 is the root key; 0 when destroyed |
//! | 17 | 104 | the wrapped key ([`crate::envelope`]); zeros when destroyed |
//!
//! The checksum is no secret and keeps nobody out: it tells a worn disk from a wrong root key. The wraps authenticate
//! themselves, each bound to its tenant, bucket and ids.

use schemas::{BucketId, KeyId, TenantId};
use sha2::{Digest, Sha256};

use crate::envelope::WRAPPED_KEY_BYTES;
use crate::error::Damage;
use crate::named::NamedKey;

const MAGIC: &[u8; 6] = b"HFKEYS";
const MAGIC_NAMED: &[u8; 6] = b"HFNAME";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 25;
const ENTRY_BYTES: usize = 17 + WRAPPED_KEY_BYTES;
pub(crate) const CHECKSUM_BYTES: usize = 16;

const LIVE: u8 = 1;
const DESTROYED: u8 = 2;

/// Id of the root key as a wrapping key.
pub(crate) const ROOT: KeyId = KeyId(0);

/// Most keys a file holds.
pub(crate) const KEYS_MAX: usize = u16::MAX as usize;

/// Most bytes a key file has.
pub(crate) const FILE_BYTES_MAX: usize = HEAD_BYTES + KEYS_MAX * ENTRY_BYTES + CHECKSUM_BYTES;

/// Whose keys a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) holder: Holder,
}

/// What of a tenant has a ring of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    Tenant,
    Bucket(BucketId),
    Named(NamedKey),
}

impl Owner {
    pub(crate) fn tenant(tenant: TenantId) -> Self {
        Self { tenant, holder: Holder::Tenant }
    }

    /// A tenant's own keys are those of [`BucketId::NONE`].
    pub(crate) fn of(tenant: TenantId, bucket: BucketId) -> Self {
        Self { tenant, holder: if bucket == BucketId::NONE { Holder::Tenant } else { Holder::Bucket(bucket) } }
    }

    pub(crate) fn named(tenant: TenantId, key: NamedKey) -> Self {
        Self { tenant, holder: Holder::Named(key) }
    }

    /// As errors name it. The file that they name too tells a named key from the tenant's own.
    pub(crate) fn bucket(self) -> BucketId {
        match self.holder {
            Holder::Bucket(bucket) => bucket,
            Holder::Tenant | Holder::Named(_) => BucketId::NONE,
        }
    }

    fn magic(self) -> &'static [u8; 6] {
        match self.holder {
            Holder::Tenant | Holder::Bucket(_) => MAGIC,
            Holder::Named(_) => MAGIC_NAMED,
        }
    }

    fn number(self) -> u64 {
        match self.holder {
            Holder::Tenant => 0,
            Holder::Bucket(bucket) => bucket.0,
            Holder::Named(key) => key.0,
        }
    }
}

/// A key as a file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: KeyId,
    pub(crate) state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Live { wrapped_by: KeyId, wrap: Box<[u8; WRAPPED_KEY_BYTES]> },
    Destroyed,
}

pub(crate) fn encode(owner: Owner, entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + entries.len() * ENTRY_BYTES + CHECKSUM_BYTES);
    out.extend_from_slice(owner.magic());
    out.push(VERSION);
    out.extend_from_slice(&owner.tenant.0.to_be_bytes());
    out.extend_from_slice(&owner.number().to_be_bytes());
    let count = u16::try_from(entries.len()).expect("a ring is never grown past KEYS_MAX");
    out.extend_from_slice(&count.to_be_bytes());
    for entry in entries {
        let (state, wrapped_by, wrap) = match &entry.state {
            State::Live { wrapped_by, wrap } => (LIVE, *wrapped_by, &**wrap),
            State::Destroyed => (DESTROYED, KeyId(0), &[0; WRAPPED_KEY_BYTES]),
        };
        out.extend_from_slice(&entry.id.0.to_be_bytes());
        out.push(state);
        out.extend_from_slice(&wrapped_by.0.to_be_bytes());
        out.extend_from_slice(wrap);
    }
    let checksum = checksum(&out);
    out.extend_from_slice(&checksum);
    out
}

pub(crate) fn decode(owner: Owner, bytes: &[u8]) -> Result<Vec<Entry>, Damage> {
    let length = Damage::Length { bytes: bytes.len() };
    let rest = bytes.strip_prefix(owner.magic()).ok_or(Damage::NotAKeyFile)?;
    let version = *rest.first().ok_or(length)?;
    if version != VERSION {
        return Err(Damage::Version { version });
    }
    let body = checked(bytes)?;
    let (head, entries) = body.split_at_checked(HEAD_BYTES).ok_or(length)?;
    let count = u16::from_be_bytes([head[23], head[24]]);
    if entries.len() != usize::from(count) * ENTRY_BYTES {
        return Err(length);
    }
    if head[7..15] != owner.tenant.0.to_be_bytes() || head[15..23] != owner.number().to_be_bytes() {
        return Err(Damage::OtherOwner);
    }
    let entries = entries.as_chunks::<ENTRY_BYTES>().0;
    let entries: Vec<Entry> = entries.iter().map(|bytes| decode_entry(owner, bytes)).collect::<Result<_, _>>()?;
    let repeated = |(index, entry): (usize, &Entry)| entries[..index].iter().any(|before| before.id == entry.id);
    if entries.is_empty() || entries.iter().enumerate().any(repeated) {
        return Err(Damage::Malformed);
    }
    Ok(entries)
}

fn decode_entry(owner: Owner, bytes: &[u8; ENTRY_BYTES]) -> Result<Entry, Damage> {
    let (id, rest) = bytes.split_first_chunk().ok_or(Damage::Malformed)?;
    let (&state, rest) = rest.split_first().ok_or(Damage::Malformed)?;
    let (wrapped_by, wrap) = rest.split_first_chunk().ok_or(Damage::Malformed)?;
    let wrap: &[u8; WRAPPED_KEY_BYTES] = wrap.try_into().map_err(|_| Damage::Malformed)?;
    let (id, wrapped_by) = (KeyId(u64::from_be_bytes(*id)), KeyId(u64::from_be_bytes(*wrapped_by)));
    let state = match state {
        // Tenant keys lie under the root key, others never do.
        LIVE if (wrapped_by == ROOT) == (owner.holder == Holder::Tenant) => {
            State::Live { wrapped_by, wrap: Box::new(*wrap) }
        }
        DESTROYED if wrapped_by == KeyId(0) && wrap.iter().all(|&byte| byte == 0) => State::Destroyed,
        _ => return Err(Damage::Malformed),
    };
    if id == KeyId(0) {
        return Err(Damage::Malformed);
    }
    Ok(Entry { id, state })
}

/// What lies before the checksum, if the checksum fits.
pub(crate) fn checked(bytes: &[u8]) -> Result<&[u8], Damage> {
    let (body, found) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(Damage::Length { bytes: bytes.len() })?;
    if *found == checksum(body) { Ok(body) } else { Err(Damage::Checksum) }
}

pub(crate) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    *digest.first_chunk().expect("16 of 32 bytes")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TENANT: TenantId = TenantId(0x0102_0304_0506_0708);
    const BUCKET: Owner = Owner { tenant: TENANT, holder: Holder::Bucket(BucketId(0x1112_1314_1516_1718)) };

    fn live(id: u64, wrapped_by: u64) -> Entry {
        let wrap = Box::new(std::array::from_fn(|index| index as u8));
        Entry { id: KeyId(id), state: State::Live { wrapped_by: KeyId(wrapped_by), wrap } }
    }

    fn destroyed(id: u64) -> Entry {
        Entry { id: KeyId(id), state: State::Destroyed }
    }

    fn ring_keys() -> impl Strategy<Value = std::collections::BTreeMap<u64, bool>> {
        prop::collection::btree_map(1..u64::MAX, any::<bool>(), 1..9)
    }

    /// A file with these bytes and a checksum that fits them.
    fn resealed(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        bytes.truncate(bytes.len() - CHECKSUM_BYTES);
        change(&mut bytes);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        bytes
    }

    proptest! {
        #[test]
        fn a_ring_reads_back(tenant: u64, bucket: u64, keys in ring_keys()) {
            let owner = Owner::of(TenantId(tenant), BucketId(bucket));
            let wrapped_by = if bucket == 0 { 0 } else { 7 };
            let entries: Vec<_> =
                keys.into_iter().map(|(id, alive)| if alive { live(id, wrapped_by) } else { destroyed(id) }).collect();
            prop_assert_eq!(decode(owner, &encode(owner, &entries)), Ok(entries));
        }

        #[test]
        fn no_bytes_make_a_key_file_panic(bytes: Vec<u8>) {
            prop_assert!(decode(BUCKET, &bytes).is_err());
            prop_assert!(decode(BUCKET, &[b"HFKEYS\x01", bytes.as_slice()].concat()).is_err());
            let summed = resealed([b"HFKEYS\x01", bytes.as_slice(), &[0; 16]].concat(), |_| {});
            prop_assert!(decode(BUCKET, &summed).is_err());
        }
    }

    #[test]
    fn any_flipped_bit_and_any_lost_tail_is_damage() {
        let good = encode(BUCKET, &[live(1, 7), destroyed(2)]);
        crate::envelope::tests::for_every_flipped_bit(&good, |bad| {
            assert!(decode(BUCKET, bad).is_err());
        });
        for length in 0..good.len() {
            assert!(decode(BUCKET, &good[..length]).is_err(), "{length} bytes");
        }
        assert!(decode(BUCKET, &[good.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn damage_has_its_name() {
        let check = |bytes: &[u8], expected| assert_eq!(decode(BUCKET, bytes), Err(expected));
        let good = encode(BUCKET, &[live(1, 7), live(2, 7)]);
        check(b"", Damage::NotAKeyFile);
        check(b"HFROOT", Damage::NotAKeyFile);
        check(MAGIC, Damage::Length { bytes: 6 });
        check(&resealed(good.clone(), |bytes| bytes[6] = 2), Damage::Version { version: 2 });
        check(&good[..good.len() - 1], Damage::Checksum);
        check(&resealed(good.clone(), |bytes| bytes.truncate(200)), Damage::Length { bytes: 216 });
        check(&encode(BUCKET, &[]), Damage::Malformed);
        check(&encode(BUCKET, &[live(1, 7), destroyed(1)]), Damage::Malformed);
        check(&encode(BUCKET, &[live(0, 7)]), Damage::Malformed);
        check(&encode(BUCKET, &[live(1, 0)]), Damage::Malformed);
        check(&resealed(good.clone(), |bytes| bytes[HEAD_BYTES + 8] = 3), Damage::Malformed);
        check(&resealed(good, |bytes| bytes[HEAD_BYTES + 8] = DESTROYED), Damage::Malformed);
        let other = Owner { holder: Holder::Bucket(BucketId(1)), ..BUCKET };
        check(&encode(other, &[live(1, 7)]), Damage::OtherOwner);
        let other = Owner { tenant: TenantId(1), ..BUCKET };
        check(&encode(other, &[live(1, 7)]), Damage::OtherOwner);
    }

    #[test]
    fn the_layout_of_a_key_file_stays() {
        let entries = [live(0x2122_2324_2526_2728, 0x3132_3334_3536_3738), destroyed(5)];
        assert_eq!(
            hex::encode(encode(BUCKET, &entries)),
            "48464b455953010102030405060708111213141516171800022122232425262728013132333435363738000102030405\
            060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435\
            363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465\
            666700000000000000050200000000000000000000000000000000000000000000000000000000000000000000000000\
            000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000\
            000000000000000000000000000000000000000000000000000000b7ad8c49c87479b41d67fd20d4f80804"
        );
    }

    #[test]
    fn a_bucket_is_not_taken_for_a_named_key_of_its_number() {
        let named = Owner { holder: Holder::Named(NamedKey(0x1112_1314_1516_1718)), ..BUCKET };
        let (of_bucket, of_name) = (encode(BUCKET, &[live(1, 7)]), encode(named, &[live(1, 7)]));
        assert_eq!(decode(named, &of_name), Ok(vec![live(1, 7)]));
        assert_eq!(decode(named, &of_bucket), Err(Damage::NotAKeyFile));
        assert_eq!(decode(BUCKET, &of_name), Err(Damage::NotAKeyFile));
        assert_eq!(
            hex::encode(&of_name[..25]),
            "48464e414d45010102030405060708111213141516171800\
            01"
            .replace(char::is_whitespace, "")
        );
    }
}
