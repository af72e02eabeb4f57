//! Checkpoints: what a log was, signed, as <https://c2sp.org/tlog-checkpoint> has it.
//!
//! Owns: the text of a checkpoint, what an origin is called.
//! Does not own: which trees may be signed, and when (pipeline).
//! Invariant: a checkpoint opens only under the key that is named as its own origin. All tenants' keys have one secret: a
//! checkpoint of one, its signature line renamed, must not pass for another's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::{Epoch, LeafHash, TenantId};

use crate::note::{NoteError, NoteKey, NoteSigner, open_note, sign_note};

/// What the tree of a tenant's log is called, in every installation another. `installation` are the hex digits of
/// `InstallationCreated`; `epoch` is the one of the log's last record. The first has no number of its own, every later one has: what
/// was lost between two epochs may have been signed, so that the trees are not one tree that only grew.
#[must_use]
pub fn origin(installation: &str, tenant: TenantId, epoch: Epoch) -> String {
    match epoch {
        Epoch(..=1) => format!("{installation}/t/{tenant}"),
        Epoch(later) => format!("{installation}/t/{tenant}/e/{later}"),
    }
}

/// Size and root of a tree, and which tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which tree: [`origin`].
    pub origin: String,
    /// Records, that is, one more than the position of the last.
    pub size: u64,
    /// Root of the tree over them.
    pub root: LeafHash,
}

/// Why a text is no checkpoint that can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// No note, or not signed by the key.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signed text is not origin, size and root, a line each. Further lines are refused too: none of ours has them.
    #[error("the note is not a checkpoint")]
    Malformed,
    /// Of another tree than the key is for.
    #[error("the checkpoint is of another log")]
    Origin,
}

impl Checkpoint {
    /// The text that is signed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads the text of a checkpoint, signature apart.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] for whatever [`Checkpoint::text`] does not write.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(CheckpointError::Malformed);
        let (origin, size, root, end) = (line()?, line()?, line()?, line()?);
        if origin.is_empty() || !end.is_empty() || lines.next().is_some() {
            return Err(CheckpointError::Malformed);
        }
        let root =
            STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(CheckpointError::Malformed)?;
        let number: u64 = size.parse().map_err(|_| CheckpointError::Malformed)?;
        // One spelling: no sign, no zeros in front.
        if number.to_string() != size {
            return Err(CheckpointError::Malformed);
        }
        Ok(Self { origin: origin.to_owned(), size: number, root: LeafHash(root) })
    }

    /// The checkpoint as a signed note.
    ///
    /// # Errors
    /// [`CheckpointError::Origin`] for a signer of another name; [`CheckpointError::Note`] for an origin that no note can hold.
    pub fn sign(&self, signer: &NoteSigner) -> Result<String, CheckpointError> {
        if signer.key().name() != self.origin {
            return Err(CheckpointError::Origin);
        }
        Ok(sign_note(&self.text(), signer)?)
    }

    /// Opens a signed note. Signatures of others (witnesses, say) beside the key's are passed over.
    ///
    /// # Errors
    /// [`CheckpointError`] unless the key signed it and it is of the tree that the key is named as.
    pub fn open(note: &str, key: &NoteKey) -> Result<Self, CheckpointError> {
        let checkpoint = Self::parse(open_note(note, std::slice::from_ref(key))?)?;
        if checkpoint.origin == key.name() { Ok(checkpoint) } else { Err(CheckpointError::Origin) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signer(name: &str) -> NoteSigner {
        NoteSigner::new(name, &[7; 32]).expect("a name")
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: origin("00ff", TenantId(5), Epoch(1)), size: 20_852_163, root: LeafHash([0xab; 32]) }
    }

    #[test]
    fn origins() {
        assert_eq!(origin("00ff", TenantId(5), Epoch(1)), "00ff/t/5");
        assert_eq!(origin("00ff", TenantId(5), Epoch(2)), "00ff/t/5/e/2");
        assert_eq!(origin("00ff", TenantId::SYSTEM, Epoch(7)), "00ff/t/0/e/7");
    }

    #[test]
    fn the_example_of_the_specification_reads() {
        let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let read = Checkpoint::parse(text).expect("reads");
        assert_eq!((read.origin.as_str(), read.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(read.text(), text);
    }

    #[test]
    fn what_is_not_a_checkpoint_is_refused() {
        let root = STANDARD.encode([1; 32]);
        for text in [
            String::new(),
            format!("a\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("a\n\n{root}\n"),
            format!("a\n01\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n-1\n{root}\n"),
            format!("a\n 1\n{root}\n"),
            format!("a\n18446744073709551616\n{root}\n"),
            format!("a\n1\n{root}\nmore\n"),
            format!("a\n1\n{root}\n\n"),
            format!("a\n1\n{}\n", root.trim_end_matches('=')),
            format!("a\n1\n{}\n", STANDARD.encode([1; 31])),
            format!("a\n1\n{}\n", STANDARD.encode([1; 33])),
            "a\n1\n".to_owned(),
        ] {
            assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::Malformed), "{text:?}");
        }
        Checkpoint::parse(&format!("a\n0\n{root}\n")).expect("an empty tree is a tree");
    }

    #[test]
    fn another_tenants_checkpoint_does_not_pass_by_a_renamed_signature() {
        let (mine, other) = (checkpoint(), signer("00ff/t/6"));
        assert_eq!(mine.sign(&other), Err(CheckpointError::Origin));
        // The secret is the same, so the signature itself fits under the other name.
        let renamed = sign_note(&mine.text(), &other).expect("signs");
        assert_eq!(Checkpoint::open(&renamed, other.key()), Err(CheckpointError::Origin));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let signer = signer(&checkpoint().origin);
        let note = checkpoint().sign(&signer).expect("signs");
        assert_eq!(Checkpoint::open(&note, signer.key()), Ok(checkpoint()));
        for at in 0..note.len() * 8 {
            let mut bytes = note.clone().into_bytes();
            bytes[at / 8] ^= 1 << (at % 8);
            let Ok(bad) = String::from_utf8(bytes) else { continue };
            Checkpoint::open(&bad, signer.key()).expect_err("a changed note");
        }
    }

    proptest! {
        #[test]
        fn a_checkpoint_reads_as_it_was_written(origin in "[!-~]{1,40}", size: u64, root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size, root: LeafHash(root) };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
        }

        #[test]
        fn no_text_makes_opening_panic(text in "\\PC{0,80}(\n\\PC{0,20}){0,6}\n?") {
            let _ = Checkpoint::parse(&text);
            let _ = Checkpoint::open(&text, signer("a").key());
        }
    }
}
