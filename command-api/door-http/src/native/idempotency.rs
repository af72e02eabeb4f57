//! `Idempotency-Key`: a write that is sent again is done once.
//!
//! Owns: reading the header, and naming the command that it stands for.
//! Does not own: remembering what was answered (the store).

use pipeline::Digests;
use schemas::CommandId;
use sha2::{Digest, Sha256};

use super::ask::Ask;
use crate::problem::Problem;

const HEADER: &str = "idempotency-key";
const KEY_BYTES_MAX: usize = 255;

/// The command that a PUT of an object stands for; none without the header. Sent again it is answered from the log, before any of
/// its conditions is looked at.
///
/// # Errors
/// A key that is none, or no checksum beside it: the key is bound to the body by its digest.
pub(super) fn of_put(ask: &Ask, digests: &Digests) -> Result<Option<CommandId>, Problem> {
    let Some(key) = key(ask)? else { return Ok(None) };
    if digests.checksums.is_empty() {
        let message = "Idempotency-Key needs an X-Lockwell-Checksum-* header beside it";
        return Err(Problem::invalid(message).with_code("idempotency_requires_checksum"));
    }
    let mut hash = Sha256::new();
    // Lengths before texts: no two requests share a hash because one's end is another's beginning.
    for text in [b"native-idempotency".as_slice(), &ask.caller()?.tenant.0.to_be_bytes(), key.as_bytes()] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    for text in [ask.bucket()?.as_str(), ask.key()?.as_str()] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 16];
    id.copy_from_slice(&digest[..16]);
    Ok(Some(CommandId(id)))
}

fn key(ask: &Ask) -> Result<Option<&str>, Problem> {
    let Some(key) = ask.header(HEADER)? else { return Ok(None) };
    if !(1..=KEY_BYTES_MAX).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::invalid("Idempotency-Key must be 1 to 255 visible ASCII characters"));
    }
    Ok(Some(key))
}
