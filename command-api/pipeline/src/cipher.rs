//! Binds the log's bodies to the vault's keys.

use std::sync::Arc;

use event_log::{BodyCipher, CipherError, Opened};
use schemas::record::Header;
use vault::{Vault, VaultError};

/// The vault as the log sees it.
pub(crate) struct VaultCipher(pub(crate) Arc<Vault>);

fn cipher_error(header: &Header, error: &VaultError) -> CipherError {
    match error {
        VaultError::Forged { .. } => CipherError::Forged,
        other => {
            tracing::error!(tenant = %header.tenant, key = %header.key, error = %other, "a key could not be used");
            CipherError::MissingKey { tenant: header.tenant, key: header.key }
        }
    }
}

impl BodyCipher for VaultCipher {
    fn seal(&self, header: &Header, plaintext: &[u8]) -> Result<Vec<u8>, CipherError> {
        self.0.seal_body(header, plaintext).map_err(|error| cipher_error(header, &error))
    }

    fn open(&self, header: &Header, sealed: &[u8]) -> Result<Opened, CipherError> {
        match self.0.open_body(header, sealed) {
            Ok(vault::Body::Open(plaintext)) => Ok(Opened::Open(plaintext)),
            Ok(vault::Body::Erased) => Ok(Opened::Erased),
            Err(error) => Err(cipher_error(header, &error)),
        }
    }
}
