//! Reads the members of an export one after another: decompresses, and holds one member in memory.
//!
//! Owns: telling a file that was cut off from one that was changed. Does not own: what members hold.

use std::io::{self, Read};

use ledger::export::Fault;

/// Longer members are none of an export: a chunk has some MiB.
const MEMBER_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a tar header and unit of its members.
const BLOCK: usize = 512;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// All of it.
    pub(crate) content: Vec<u8>,
}

/// The members of a file.
pub(crate) struct Container<R: Read> {
    /// None behind the last.
    plain: Option<zstd::Decoder<'static, io::BufReader<R>>>,
}

impl<R: Read> Container<R> {
    pub(crate) fn open(file: R) -> io::Result<Self> {
        Ok(Self { plain: Some(zstd::Decoder::new(file)?) })
    }

    /// The next member; none behind the last, when the file has been read to its end.
    ///
    /// # Errors
    /// [`Fault::Incomplete`] for a file that ends too early, [`Fault::Tampered`] for one that is none of ours.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, Fault> {
        let Some(plain) = &mut self.plain else { return Ok(None) };
        let mut header = tar::Header::new_ustar();
        read(plain, header.as_mut_bytes())?;
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            // Two blocks of zeros end an archive. What follows them is read too, so that the checksum of the whole is compared.
            let mut rest = Vec::new();
            let read = plain.take(BLOCK as u64 + 1).read_to_end(&mut rest);
            read.map_err(|error| fault(&error))?;
            self.plain = None;
            let ends = rest.len() == BLOCK && rest.iter().all(|byte| *byte == 0);
            return if ends { Ok(None) } else { Err(Fault::tampered(None, "something stands behind the archive")) };
        }
        let malformed = || Fault::tampered(None, "a member's header is none of an export");
        let sum: u32 = header
            .as_bytes()
            .iter()
            .enumerate()
            .map(|(index, byte)| {
                // The checksum counts itself as spaces.
                if (148..156).contains(&index) { 32 } else { u32::from(*byte) }
            })
            .sum();
        if header.cksum().ok() != Some(sum) || !header.entry_type().is_file() {
            return Err(malformed());
        }
        let size = header.entry_size().ok().filter(|size| *size <= MEMBER_BYTES_MAX).ok_or_else(malformed)?;
        let name = header.path_bytes();
        let name = std::str::from_utf8(&name).map_err(|_| malformed())?.to_owned();
        let size = usize::try_from(size).map_err(|_| malformed())?;
        let mut content = vec![0; size.next_multiple_of(BLOCK)];
        read(plain, &mut content)?;
        if content[size..].iter().any(|byte| *byte != 0) {
            return Err(malformed());
        }
        content.truncate(size);
        Ok(Some(Member { name, content }))
    }
}

fn read(plain: &mut impl Read, buffer: &mut [u8]) -> Result<(), Fault> {
    plain.read_exact(buffer).map_err(|error| fault(&error))
}

fn fault(error: &io::Error) -> Fault {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Fault::incomplete("the file ends too early");
    }
    Fault::tampered(None, format!("the file cannot be decompressed: {error}"))
}
