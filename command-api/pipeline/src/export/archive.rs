//! The container of an export: a tar archive, compressed with zstd, written from its first byte to its last.
//!
//! Owns: the bytes of the container. Does not own: what its members hold ([`ledger::export`]).

use std::io::{self, Write};

use ledger::export::{CHUNK_MEMBERS, Chunk, END, End, TAIL, chunk_member};
use sha2::{Digest, Sha256};

/// Bodies are sealed and do not compress; lines do, well at any level.
const LEVEL: i32 = 3;

/// An archive in the making.
pub(super) struct Archive<W: Write> {
    tar: tar::Builder<zstd::Encoder<'static, W>>,
    /// Of the members before the first chunk.
    head: Sha256,
    chunks: u32,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut compressed = zstd::Encoder::new(out, LEVEL)?;
        compressed.include_checksum(true)?;
        Ok(Self { tar: tar::Builder::new(compressed), head: Sha256::new(), chunks: 0 })
    }

    /// A member before the first chunk.
    pub(super) fn head(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.head.update((content.len() as u64).to_be_bytes());
        self.head.update(content);
        self.member(name, content)
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
        for (name, content) in CHUNK_MEMBERS.iter().zip(chunk.members()) {
            self.member(&chunk_member(self.chunks, name), content)?;
        }
        self.chunks += 1;
        Ok(())
    }

    /// The last members. Without them the archive counts as cut off.
    pub(super) fn finish(mut self, tail: &[u8], records: u64) -> io::Result<()> {
        self.member(TAIL, tail)?;
        let sha256 = hex::encode(std::mem::take(&mut self.head).finalize());
        let end = End { chunks: self.chunks, records, sha256 };
        self.member(END, &serde_json::to_vec(&end).map_err(io::Error::other)?)?;
        self.tar.into_inner()?.finish()?.flush()
    }

    /// The same bytes for the same content, whenever it is written.
    fn member(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        self.tar.append_data(&mut header, name, content)
    }
}
