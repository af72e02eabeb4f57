//! What is sealed under long-lived keys, byte by byte.
//!
//! Owns: the layout and associated data of everything sealed with XAES-256-GCM.
//! Does not own: which key (callers look it up), nonces (callers draw them; tests fix them).
//!
//! Envelope, part of the format:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 24 | nonce, random |
//! | 24 | 32 + n | ciphertext of 32 zero bytes (key commitment), then the plaintext |
//! | 56 + n | 16 | tag |
//!
//! | sealed thing | bytes before the envelope | plaintext | associated data |
//! |---|---|---|---|
//! | event body | none | the body | the header, 139 bytes |
//! | blob key | version u8 = 1 | the key, 32 | `blob-key/1`: tenant, bucket, blob, key id |
//! | blob key under a named key | version u8 = 1 | the key, 32 | `named-blob-key/1`: tenant, number, blob, key id |
//! | blob key under a customer's key | version u8 = 1 | the key, 32 | `customer-blob-key/1`: tenant, bucket, blob |
//! | secret | version u8 = 1, key id u64 | the secret | `secret/1`: tenant, key id, purpose, context |
//! | key in a key file | none | the key, 32 | `key/1`: tenant, bucket, key id, id of the wrapping key |
//! | named key in a key file | none | the key, 32 | `named-key/1`: tenant, number, key id, id of the wrapping key |
//! | key of checkpoints | none | the key, 32 | `checkpoint-key/1`: nothing |
//! | root check | none | `holdfast root key` | `root-check/1`: nothing |
//!
//! Associated data other than a header: `holdfast/`, the label above, a zero byte, then every field as length u32 and
//! bytes. Numbers are big-endian. A header begins with its format byte, so none is ever taken for such a text.

use schemas::record::Header;
use schemas::{BlobId, BucketId, KeyId, TenantId};
use zeroize::Zeroizing;

use crate::blob::{BlobKey, Forged};
use crate::gcm::TAG_BYTES;
use crate::named::NamedKey;
use crate::ring_file::{Holder, Owner};
use crate::xaes::{MessageKey, NONCE_BYTES, Nonce, XaesKey};

/// Zero bytes that every plaintext begins with. GCM alone lets one ciphertext be made that opens under two keys.
const COMMITMENT_BYTES: usize = 32;

const OVERHEAD: usize = NONCE_BYTES + COMMITMENT_BYTES + TAG_BYTES;

/// Bytes an event body grows by when it is sealed. Part of the format.
pub const BODY_OVERHEAD: usize = OVERHEAD;

/// Bytes of a key in a key file.
pub(crate) const WRAPPED_KEY_BYTES: usize = OVERHEAD + 32;

/// Bytes of a wrapped blob key. Part of the format.
pub const WRAPPED_BLOB_KEY_BYTES: usize = 1 + WRAPPED_KEY_BYTES;

/// Bytes of the sealed constant that proves a root key.
pub(crate) const ROOT_CHECK_BYTES: usize = OVERHEAD + ROOT_CHECK.len();

const ROOT_CHECK: &[u8; 17] = b"holdfast root key";

/// First byte of blob key wraps and secrets. Changing their layout needs a new one.
const VERSION: u8 = 1;

/// Whose blob it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlobScope {
    /// Tenant.
    pub tenant: TenantId,
    /// Bucket, or [`BucketId::NONE`].
    pub bucket: BucketId,
}

/// A blob of a tenant that opens with one of its named keys, whatever bucket it is in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamedBlob {
    pub(crate) tenant: TenantId,
    pub(crate) name: NamedKey,
    pub(crate) blob: BlobId,
    pub(crate) id: KeyId,
}

/// Which key in which key file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyPlace {
    pub(crate) owner: Owner,
    pub(crate) id: KeyId,
    pub(crate) wrapped_by: KeyId,
}

pub(crate) fn seal_body(key: &XaesKey, nonce: &Nonce, header: &Header, plaintext: &[u8]) -> Vec<u8> {
    seal(key, nonce, &header.encode(), &[], plaintext)
}

pub(crate) fn open_body(key: &XaesKey, header: &Header, sealed: &[u8]) -> Result<Vec<u8>, Forged> {
    open(key, &header.encode(), sealed)
}

/// The one key that opens this body and no other.
pub(crate) fn body_message_key(key: &XaesKey, sealed: &[u8]) -> Result<MessageKey, Forged> {
    let (nonce, _) = sealed.split_first_chunk().ok_or(Forged)?;
    Ok(key.message_key(nonce))
}

impl MessageKey {
    /// Opens the event body this key belongs to, without a vault: what an auditor does with a disclosed key.
    ///
    /// # Errors
    /// Another record's body or header, or changed bytes.
    pub fn open_body(&self, header: &Header, sealed: &[u8]) -> Result<Vec<u8>, Forged> {
        open_with(|_| self.clone(), &header.encode(), sealed)
    }
}

pub(crate) fn seal_blob_key(
    wrapping: &XaesKey,
    nonce: &Nonce,
    scope: BlobScope,
    blob: BlobId,
    id: KeyId,
    key: &BlobKey,
) -> Vec<u8> {
    seal(wrapping, nonce, &blob_key_aad(scope, blob, id), &[VERSION], key.expose())
}

pub(crate) fn open_blob_key(
    wrapping: &XaesKey,
    scope: BlobScope,
    blob: BlobId,
    id: KeyId,
    wrapped: &[u8],
) -> Result<BlobKey, Forged> {
    open_versioned_blob_key(wrapping, &blob_key_aad(scope, blob, id), wrapped)
}

fn blob_key_aad(scope: BlobScope, blob: BlobId, id: KeyId) -> Vec<u8> {
    let (tenant, bucket) = (scope.tenant.0.to_be_bytes(), scope.bucket.0.to_be_bytes());
    associated("blob-key/1", &[&tenant, &bucket, &blob.0, &id.0.to_be_bytes()])
}

pub(crate) fn seal_named_blob_key(wrapping: &XaesKey, nonce: &Nonce, blob: NamedBlob, key: &BlobKey) -> Vec<u8> {
    seal(wrapping, nonce, &named_blob_aad(blob), &[VERSION], key.expose())
}

pub(crate) fn open_named_blob_key(wrapping: &XaesKey, blob: NamedBlob, wrapped: &[u8]) -> Result<BlobKey, Forged> {
    open_versioned_blob_key(wrapping, &named_blob_aad(blob), wrapped)
}

fn named_blob_aad(blob: NamedBlob) -> Vec<u8> {
    let NamedBlob { tenant, name, blob, id } = blob;
    let fields = [tenant.0, name.number(), id.0].map(u64::to_be_bytes);
    associated("named-blob-key/1", &[&fields[0], &fields[1], &blob.0, &fields[2]])
}

pub(crate) fn seal_customer_blob_key(
    customer: &XaesKey,
    nonce: &Nonce,
    scope: BlobScope,
    blob: BlobId,
    key: &BlobKey,
) -> Vec<u8> {
    seal(customer, nonce, &customer_aad(scope, blob), &[VERSION], key.expose())
}

pub(crate) fn open_customer_blob_key(
    customer: &XaesKey,
    scope: BlobScope,
    blob: BlobId,
    wrapped: &[u8],
) -> Result<BlobKey, Forged> {
    open_versioned_blob_key(customer, &customer_aad(scope, blob), wrapped)
}

fn customer_aad(scope: BlobScope, blob: BlobId) -> Vec<u8> {
    let (tenant, bucket) = (scope.tenant.0.to_be_bytes(), scope.bucket.0.to_be_bytes());
    associated("customer-blob-key/1", &[&tenant, &bucket, &blob.0])
}

fn open_versioned_blob_key(key: &XaesKey, aad: &[u8], wrapped: &[u8]) -> Result<BlobKey, Forged> {
    let [VERSION, envelope @ ..] = wrapped else { return Err(Forged) };
    let plaintext = Zeroizing::new(open(key, aad, envelope)?);
    BlobKey::from_slice(&plaintext).ok_or(Forged)
}

/// What a secret is for, and what it belongs to. It opens for the same again and nothing else.
#[derive(Clone, Copy)]
pub(crate) struct SecretUse<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) purpose: &'a str,
    pub(crate) context: &'a [u8],
}

pub(crate) fn seal_secret(key: &XaesKey, id: KeyId, nonce: &Nonce, use_: SecretUse<'_>, plaintext: &[u8]) -> Vec<u8> {
    let mut front = [VERSION; 9];
    front[1..].copy_from_slice(&id.0.to_be_bytes());
    seal(key, nonce, &secret_aad(use_, id), &front, plaintext)
}

/// Splits a sealed secret into the id of its key and its envelope.
pub(crate) fn split_secret(sealed: &[u8]) -> Result<(KeyId, &[u8]), Forged> {
    let [VERSION, rest @ ..] = sealed else { return Err(Forged) };
    let (id, envelope) = rest.split_first_chunk().ok_or(Forged)?;
    Ok((KeyId(u64::from_be_bytes(*id)), envelope))
}

pub(crate) fn open_secret(
    key: &XaesKey,
    id: KeyId,
    use_: SecretUse<'_>,
    envelope: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Forged> {
    open(key, &secret_aad(use_, id), envelope).map(Zeroizing::new)
}

fn secret_aad(use_: SecretUse<'_>, id: KeyId) -> Vec<u8> {
    let SecretUse { tenant, purpose, context } = use_;
    associated("secret/1", &[&tenant.0.to_be_bytes(), &id.0.to_be_bytes(), purpose.as_bytes(), context])
}

pub(crate) fn seal_key(wrapping: &XaesKey, nonce: &Nonce, place: KeyPlace, key: &[u8; 32]) -> [u8; WRAPPED_KEY_BYTES] {
    seal(wrapping, nonce, &key_aad(place), &[], key).try_into().expect("a wrapped key has one length")
}

pub(crate) fn open_key(
    wrapping: &XaesKey,
    place: KeyPlace,
    wrap: &[u8; WRAPPED_KEY_BYTES],
) -> Result<Zeroizing<[u8; 32]>, Forged> {
    let plaintext = Zeroizing::new(open(wrapping, &key_aad(place), wrap)?);
    let key: &[u8; 32] = plaintext.as_slice().try_into().map_err(|_| Forged)?;
    Ok(Zeroizing::new(*key))
}

fn key_aad(place: KeyPlace) -> Vec<u8> {
    let KeyPlace { owner, id, wrapped_by } = place;
    let (label, number) = match owner.holder {
        Holder::Tenant => ("key/1", BucketId::NONE.0),
        Holder::Bucket(bucket) => ("key/1", bucket.0),
        Holder::Named(name) => ("named-key/1", name.number()),
    };
    let fields = [owner.tenant.0, number, id.0, wrapped_by.0].map(u64::to_be_bytes);
    associated(label, &[&fields[0], &fields[1], &fields[2], &fields[3]])
}

pub(crate) fn seal_checkpoint_key(root: &XaesKey, nonce: &Nonce, key: &[u8; 32]) -> Vec<u8> {
    seal(root, nonce, &associated("checkpoint-key/1", &[]), &[], key)
}

pub(crate) fn open_checkpoint_key(
    root: &XaesKey,
    sealed: &[u8; WRAPPED_KEY_BYTES],
) -> Result<Zeroizing<[u8; 32]>, Forged> {
    let plaintext = Zeroizing::new(open(root, &associated("checkpoint-key/1", &[]), sealed)?);
    let key: &[u8; 32] = plaintext.as_slice().try_into().map_err(|_| Forged)?;
    Ok(Zeroizing::new(*key))
}

pub(crate) fn seal_root_check(root: &XaesKey, nonce: &Nonce) -> Vec<u8> {
    seal(root, nonce, &associated("root-check/1", &[]), &[], ROOT_CHECK)
}

pub(crate) fn open_root_check(root: &XaesKey, sealed: &[u8]) -> Result<(), Forged> {
    let plaintext = open(root, &associated("root-check/1", &[]), sealed)?;
    if plaintext == ROOT_CHECK { Ok(()) } else { Err(Forged) }
}

fn associated(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(96);
    aad.extend_from_slice(b"holdfast/");
    aad.extend_from_slice(label.as_bytes());
    aad.push(0);
    for field in fields {
        let length = u32::try_from(field.len()).expect("a context is shorter than 4 GiB");
        aad.extend_from_slice(&length.to_be_bytes());
        aad.extend_from_slice(field);
    }
    aad
}

fn seal(key: &XaesKey, nonce: &Nonce, aad: &[u8], front: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let from = front.len() + NONCE_BYTES;
    // One allocation: a plaintext that moved would leave a copy of itself behind.
    let mut out = Vec::with_capacity(front.len() + OVERHEAD + plaintext.len());
    out.extend_from_slice(front);
    out.extend_from_slice(nonce);
    out.extend_from_slice(&[0; COMMITMENT_BYTES]);
    out.extend_from_slice(plaintext);
    key.seal_tail(nonce, aad, &mut out, from);
    out
}

fn open(key: &XaesKey, aad: &[u8], envelope: &[u8]) -> Result<Vec<u8>, Forged> {
    open_with(|nonce| key.message_key(nonce), aad, envelope)
}

fn open_with(message_key: impl FnOnce(&Nonce) -> MessageKey, aad: &[u8], envelope: &[u8]) -> Result<Vec<u8>, Forged> {
    let (nonce, sealed) = envelope.split_first_chunk().ok_or(Forged)?;
    let mut plaintext = message_key(nonce).open(nonce, aad, sealed)?;
    // The tag has been verified, so a comparison that stops early tells nobody anything.
    if !plaintext.starts_with(&[0; COMMITMENT_BYTES]) {
        return Err(Forged);
    }
    plaintext.drain(..COMMITMENT_BYTES);
    Ok(plaintext)
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
pub(crate) mod tests;
