//! Signing and opening notes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::{NoteKey, NoteSigner, is_name};

/// Longest note that is read: the signature of a key unknown here may be long.
const NOTE_BYTES_MAX: usize = 1_000_000;
/// Most signatures that are read; a verifier must take 16.
const SIGNATURES_MAX: usize = 100;
/// What a signature line begins with: em dash, space.
const DASH: &str = "\u{2014} ";

/// Why there is no text to be had from a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not a text, a blank line and signature lines.
    #[error("not a signed note")]
    Malformed,
    /// None of the known keys has signed it.
    #[error("no known key has signed the note")]
    Unsigned,
    /// A known key is named and the signature is not its own over this text.
    #[error("the signature does not fit")]
    Forged,
}

/// A note: the text, a blank line, one signature.
///
/// # Errors
/// [`NoteError::Malformed`] for a text that no note can hold: one that does not end with a newline, or with a control character other
/// than newlines.
pub fn sign_note(text: &str, signer: &NoteSigner) -> Result<String, NoteError> {
    if !is_text(text) {
        return Err(NoteError::Malformed);
    }
    let mut signature = [0; 68];
    signature[..4].copy_from_slice(&signer.key().id());
    signature[4..].copy_from_slice(&signer.sign(text));
    Ok(format!("{text}\n{DASH}{} {}\n", signer.key().name(), STANDARD.encode(signature)))
}

/// The text of a note that at least one of `keys` has signed. Signatures of other keys are passed over.
///
/// # Errors
/// [`NoteError`]; also when one known key's signature fits and another's does not.
pub fn open_note<'n>(note: &'n str, keys: &[NoteKey]) -> Result<&'n str, NoteError> {
    if note.len() > NOTE_BYTES_MAX || !is_text(note) {
        return Err(NoteError::Malformed);
    }
    let blank = note.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, signatures) = (&note[..=blank], &note[blank + 2..]);
    let lines = signatures.strip_suffix('\n').ok_or(NoteError::Malformed)?;
    let mut signed = false;
    for (number, line) in lines.split('\n').enumerate() {
        if number == SIGNATURES_MAX {
            return Err(NoteError::Malformed);
        }
        let (name, id, signature) = signature_of(line).ok_or(NoteError::Malformed)?;
        let Some(key) = keys.iter().find(|key| key.name() == name && key.id() == id) else { continue };
        match signature.as_slice().try_into() {
            Ok(signature) if key.verify(text, signature) => signed = true,
            _ => return Err(NoteError::Forged),
        }
    }
    if signed { Ok(text) } else { Err(NoteError::Unsigned) }
}

/// Name, key id and signature of a line.
fn signature_of(line: &str) -> Option<(&str, [u8; 4], Vec<u8>)> {
    let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = STANDARD.decode(signature).ok()?;
    let (id, signature) = bytes.split_first_chunk()?;
    (is_name(name) && !signature.is_empty()).then(|| (name, *id, signature.to_vec()))
}

fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.bytes().any(|byte| byte < b' ' && byte != b'\n')
}
