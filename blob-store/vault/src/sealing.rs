//! Sealing and opening with the vault's keys.
//!
//! Owns: which key is for which use, and drawing nonces. Does not own: layouts ([`crate::envelope`]), the keys.

use std::fmt;
use std::sync::Arc;

use schemas::record::Header;
use schemas::{BlobId, BucketId, KeyId, TenantId};
use zeroize::Zeroizing;

use crate::blob::{BlobKey, Forged};
use crate::entropy;
use crate::envelope::{self, BlobScope, NamedBlob, SecretUse};
use crate::error::VaultError;
use crate::named::NamedKey;
use crate::ring::{Derivation, Ring, Slot};
use crate::ring_file::Owner;
use crate::vault::Vault;
use crate::xaes::{MessageKey, XaesKey};

/// An event body, or the knowledge that its key was destroyed.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The plaintext.
    Open(Vec<u8>),
    /// The key was destroyed: nobody can read it any more.
    Erased,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Body::Open(_) => "Open(…)",
            Body::Erased => "Erased",
        })
    }
}

/// Which key a blob's key is wrapped under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WrapScope {
    /// Tenant.
    pub tenant: TenantId,
    /// Bucket whose key it is, or [`BucketId::NONE`] for the tenant's.
    pub bucket: BucketId,
    /// Id of the key.
    pub key: KeyId,
}

impl WrapScope {
    fn owner(self) -> Owner {
        Owner::of(self.tenant, self.bucket)
    }

    fn blob_scope(self) -> BlobScope {
        BlobScope { tenant: self.tenant, bucket: self.bucket }
    }

    fn of(header: &Header) -> Self {
        Self { tenant: header.tenant, bucket: header.bucket, key: header.key }
    }
}

impl Vault {
    /// Seals an event body under the key its header names: of its bucket, or of its tenant if it concerns no bucket.
    /// It grows by [`crate::BODY_OVERHEAD`] bytes.
    ///
    /// # Errors
    /// A key that is missing or destroyed: the event must not be written.
    pub fn seal_body(&self, header: &Header, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        self.with_key(WrapScope::of(header), |key| envelope::seal_body(key, &entropy::bytes(), header, plaintext))
    }

    /// Opens an event body.
    ///
    /// # Errors
    /// A key that is missing and not because it was destroyed; bytes that were not sealed with this header.
    pub fn open_body(&self, header: &Header, sealed: &[u8]) -> Result<Body, VaultError> {
        match self.with_key(WrapScope::of(header), |key| envelope::open_body(key, header, sealed)) {
            Ok(opened) => opened.map(Body::Open).map_err(forged("event body")),
            Err(VaultError::Destroyed { .. }) => Ok(Body::Erased),
            Err(error) => Err(error),
        }
    }

    /// The key that opens this one event body and no other, to disclose it to an auditor; none if it is erased.
    ///
    /// # Errors
    /// As [`Vault::open_body`]: no key is given away for bytes that were not sealed with this header.
    pub fn message_key(&self, header: &Header, sealed: &[u8]) -> Result<Option<MessageKey>, VaultError> {
        let disclosed = self.with_key(WrapScope::of(header), |key| {
            let message_key = envelope::body_message_key(key, sealed)?;
            message_key.open_body(header, sealed)?;
            Ok(message_key)
        });
        match disclosed {
            Ok(message_key) => message_key.map(Some).map_err(forged("event body")),
            Err(VaultError::Destroyed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Wraps a blob's key: [`crate::WRAPPED_BLOB_KEY_BYTES`] bytes.
    ///
    /// # Errors
    /// A key that is missing or destroyed.
    pub fn wrap_blob_key(&self, scope: WrapScope, blob: BlobId, key: &BlobKey) -> Result<Vec<u8>, VaultError> {
        self.with_key(scope, |wrapping| {
            envelope::seal_blob_key(wrapping, &entropy::bytes(), scope.blob_scope(), blob, scope.key, key)
        })
    }

    /// Unwraps a blob's key.
    ///
    /// # Errors
    /// A key that is missing or destroyed; bytes that were not wrapped for this scope and blob.
    pub fn unwrap_blob_key(&self, scope: WrapScope, blob: BlobId, wrapped: &[u8]) -> Result<BlobKey, VaultError> {
        self.with_key(scope, |wrapping| {
            envelope::open_blob_key(wrapping, scope.blob_scope(), blob, scope.key, wrapped)
        })?
        .map_err(forged("blob key"))
    }

    /// Wraps a blob's key under the current key of a name: the id of that key, and [`crate::WRAPPED_BLOB_KEY_BYTES`] bytes.
    ///
    /// # Errors
    /// A name that has no key yet ([`Vault::make_named_key`]), or one that was destroyed.
    pub fn wrap_under_name(
        &self,
        tenant: TenantId,
        name: NamedKey,
        blob: BlobId,
        key: &BlobKey,
    ) -> Result<(KeyId, Vec<u8>), VaultError> {
        let owner = Owner::named(tenant, name);
        let ring = self.ring(owner)?;
        let (id, wrapping) = self.current(&ring, owner)?;
        let blob = NamedBlob { tenant, name, blob, id };
        Ok((id, envelope::seal_named_blob_key(wrapping, &entropy::bytes(), blob, key)))
    }

    /// Unwraps a blob's key that was wrapped under a key of a name.
    ///
    /// # Errors
    /// As [`Vault::unwrap_blob_key`].
    pub fn unwrap_under_name(
        &self,
        tenant: TenantId,
        name: NamedKey,
        id: KeyId,
        blob: BlobId,
        wrapped: &[u8],
    ) -> Result<BlobKey, VaultError> {
        let blob = NamedBlob { tenant, name, blob, id };
        self.with_key_of(Owner::named(tenant, name), id, |key| envelope::open_named_blob_key(key, blob, wrapped))?
            .map_err(forged("blob key"))
    }

    /// Seals a secret under the tenant's current key, whose id it carries. It opens for the same tenant, purpose and
    /// context alone.
    ///
    /// # Errors
    /// A tenant without a live key.
    pub fn seal_secret(
        &self,
        tenant: TenantId,
        purpose: &str,
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let owner = Owner::tenant(tenant);
        let ring = self.ring(owner)?;
        let (id, key) = self.current(&ring, owner)?;
        Ok(envelope::seal_secret(key, id, &entropy::bytes(), SecretUse { tenant, purpose, context }, plaintext))
    }

    /// Opens a secret.
    ///
    /// # Errors
    /// A key that is missing or destroyed; bytes that were not sealed for this tenant, purpose and context.
    pub fn open_secret(
        &self,
        tenant: TenantId,
        purpose: &str,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        const WHAT: &str = "secret";
        let (id, envelope) = envelope::split_secret(sealed).map_err(forged(WHAT))?;
        self.with_key(WrapScope { tenant, bucket: BucketId::NONE, key: id }, |key| {
            envelope::open_secret(key, id, SecretUse { tenant, purpose, context }, envelope)
        })?
        .map_err(forged(WHAT))
    }

    /// What content of this tenant with this digest (BLAKE3: decision 0021) is called when looking for a copy: the same in equal scopes, for
    /// ever, and nothing to anyone without the tenant's key.
    ///
    /// # Errors
    /// A tenant without keys, or whose keys were destroyed.
    pub fn dedup_hint(&self, tenant: TenantId, scope: &[u8], digest: &[u8; 32]) -> Result<[u8; 32], VaultError> {
        self.derived(tenant, |derivation| derivation.dedup_hint(scope, digest))
    }

    /// A key for a purpose (signing tokens, say): the same after every restart and rotation, unrelated to that of any
    /// other purpose or tenant.
    ///
    /// # Errors
    /// As [`Vault::dedup_hint`].
    pub fn derive(&self, tenant: TenantId, purpose: &str) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        self.derived(tenant, |derivation| derivation.purpose_key(purpose))
    }

    fn derived<T>(&self, tenant: TenantId, derive: impl FnOnce(&Derivation) -> T) -> Result<T, VaultError> {
        let ring = self.ring(Owner::tenant(tenant))?;
        let gone = VaultError::Destroyed { tenant, bucket: BucketId::NONE, key: None };
        ring.derivation().map(derive).ok_or(gone)
    }

    fn with_key<T>(&self, scope: WrapScope, use_key: impl FnOnce(&XaesKey) -> T) -> Result<T, VaultError> {
        self.with_key_of(scope.owner(), scope.key, use_key)
    }

    fn with_key_of<T>(&self, owner: Owner, id: KeyId, use_key: impl FnOnce(&XaesKey) -> T) -> Result<T, VaultError> {
        let (tenant, bucket) = (owner.tenant, owner.bucket());
        let ring: Arc<Ring> = self.ring(owner).map_err(|error| match error {
            VaultError::MissingKey { tenant, bucket, file, .. } => {
                VaultError::MissingKey { tenant, bucket, key: Some(id), file }
            }
            other => other,
        })?;
        match ring.find(id) {
            Some(Slot::Live(key)) => Ok(use_key(key)),
            Some(Slot::Destroyed) => Err(VaultError::Destroyed { tenant, bucket, key: Some(id) }),
            None => Err(self.missing(owner, Some(id))),
        }
    }
}

fn forged(what: &'static str) -> impl FnOnce(Forged) -> VaultError {
    move |Forged| VaultError::Forged { what }
}
