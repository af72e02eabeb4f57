//! Signed notes and the keys that sign them, as <https://c2sp.org/signed-note> has them. Ed25519 alone.
//!
//! Owns: the text of a note, its signature lines, the text of a verifier key.
//! Does not own: what a note says ([`crate::Checkpoint`]), where a signing key is kept (vault).
//! Invariant: no text leaves a note before a signature of a known key over exactly that text has been verified.

mod key;
mod signed;

#[cfg(test)]
mod tests;

pub use key::{KeyError, NoteKey, NoteSigner};
pub use signed::{NoteError, open_note, sign_note};
