//! The keys: root, tenant, bucket and blob keys; sealing.
//!
//! Owns: `DATA/keys/` and every byte in it; what is encrypted under which key, with which nonce and which associated
//! data; randomness for all of that. The only crate that names AWS-LC.
//! Does not own: where sealed bytes are stored, when a key is made or destroyed, who may ask for plaintext.
//! Invariants: a key is durable before its id is known to anyone. No nonce under a long-lived key is ever derived or
//! counted, each is 192 random bits. A plaintext under a long-lived key begins with 32 zero bytes, so that no
//! ciphertext opens under two keys.
//!
//! ```text
//! root key -> tenant keys -> bucket keys -> blob keys -> frames
//!             |              +-> bodies of events about the bucket
//!             +-> named keys -> blob keys of objects under a named key
//!             +-> bodies of events about no bucket, secrets, de-duplication hints, tokens
//! root key -> the key that signs checkpoints
//! customer's key -> blob keys of objects the customer holds the key of
//! ```
//!
//! One file a format: `envelope` what is sealed, `ring_file`, `root` and `signing` what lies in `DATA/keys/`, `blob`
//! the frames.

mod blob;
mod copy;
mod customer;
pub mod entropy;
mod envelope;
mod error;
mod folder;
mod gcm;
mod named;
mod ring;
mod ring_file;
mod root;
mod sealing;
mod signing;
mod vault;
mod xaes;

pub use blob::{BlobKey, FRAME_OVERHEAD, Forged, FrameCipher};
pub use copy::{KeyFile, key_files_in, write_key_files};
pub use customer::CustomerKey;
pub use envelope::{BODY_OVERHEAD, BlobScope, WRAPPED_BLOB_KEY_BYTES};
pub use error::{Damage, VaultError};
pub use named::NamedKey;
pub use root::RootKeySource;
pub use sealing::{Body, WrapScope};
pub use vault::Vault;
pub use xaes::MessageKey;
