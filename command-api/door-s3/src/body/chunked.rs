//! aws-chunked: `size[;chunk-signature=…]` CR LF, data, CR LF, again and again; a chunk of size 0; perhaps a trailer.
//!
//! A state machine over whatever pieces the network delivers. Payload bytes are cut out of the pieces, never copied.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use schemas::content::ChecksumAlgorithm;
use sha2::{Digest, Sha256};

use super::error::BodyDecodeError;
use crate::auth::{ChunkSigning, PayloadForm};

/// Longest line before a chunk.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// Largest chunk: that of a PUT.
const CHUNK_BYTES_MAX: u64 = 5 << 30;
/// All lines of a trailer together, line ends included.
const TRAILER_BYTES_MAX: usize = 16 * 1024;

/// An announced trailer, and where its value goes.
#[derive(Debug, Clone)]
pub struct Trailer {
    /// Which checksum.
    pub algorithm: ChecksumAlgorithm,
    /// Set when the body has ended well.
    pub value: Arc<OnceLock<Vec<u8>>>,
}

#[derive(Debug)]
enum State {
    /// In the line before a chunk.
    Line,
    /// In a chunk's data; so many bytes are still to come.
    Data(u64),
    /// In the line end after a chunk's data.
    AfterData,
    /// Behind the last chunk: lines until an empty one.
    Trailer,
    /// Behind everything.
    Done,
}

/// Decodes one body.
#[derive(Debug)]
pub struct ChunkDecoder {
    signing: Option<ChunkSigning>,
    has_trailer: bool,
    announced: Option<Trailer>,
    announced_bytes: Option<u64>,
    state: State,
    line: Vec<u8>,
    chunk: u64,
    chunk_signature: String,
    chunk_hash: Sha256,
    decoded_bytes: u64,
    trailer_bytes: usize,
    trailer_lines: Vec<u8>,
    trailer_value: Option<Vec<u8>>,
    trailer_signed: bool,
}

impl ChunkDecoder {
    /// `signing` is what [`crate::auth::Verified`] has for a form with signed chunks; `announced_bytes` is
    /// `x-amz-decoded-content-length`.
    ///
    /// # Panics
    /// Unless `signing` is there exactly when `form` has signed chunks: verifying less than was promised would be silent.
    #[must_use]
    pub fn new(
        form: PayloadForm,
        signing: Option<ChunkSigning>,
        announced: Option<Trailer>,
        announced_bytes: Option<u64>,
    ) -> Self {
        assert_eq!(form.has_signed_chunks(), signing.is_some(), "signed chunks need a key, others have none");
        Self {
            signing,
            has_trailer: matches!(form, PayloadForm::StreamingSignedTrailer | PayloadForm::StreamingUnsignedTrailer),
            announced,
            announced_bytes,
            state: State::Line,
            line: Vec::new(),
            chunk: 0,
            chunk_signature: String::new(),
            chunk_hash: Sha256::new(),
            decoded_bytes: 0,
            trailer_bytes: 0,
            trailer_lines: Vec::new(),
            trailer_value: None,
            trailer_signed: false,
        }
    }

    /// The next payload bytes in `input`, which is consumed up to their end; none when all of it is consumed.
    ///
    /// # Errors
    /// Any flaw. The decoder is of no use afterwards.
    pub fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyDecodeError> {
        while !input.is_empty() {
            match self.state {
                State::Line => {
                    if self.read_line(input, LINE_BYTES_MAX)? {
                        self.begin_chunk()?;
                    }
                }
                State::Data(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(here);
                    self.take_data(&data, left)?;
                    return Ok(Some(data));
                }
                State::AfterData => {
                    if self.read_line(input, LINE_BYTES_MAX)? {
                        if self.line != b"\r\n" {
                            return Err(BodyDecodeError::Malformed { what: "a chunk is longer than its size" });
                        }
                        self.line.clear();
                        self.state = State::Line;
                    }
                }
                State::Trailer => {
                    if self.read_line(input, TRAILER_BYTES_MAX)? {
                        self.take_trailer_line()?;
                    }
                }
                State::Done => return Err(BodyDecodeError::Malformed { what: "bytes follow its end" }),
            }
        }
        Ok(None)
    }

    /// To be called when no more input comes.
    ///
    /// # Errors
    /// [`BodyDecodeError::Truncated`] unless the body was complete.
    pub fn finish(&self) -> Result<(), BodyDecodeError> {
        match self.state {
            State::Done => Ok(()),
            State::Line | State::Data(_) | State::AfterData | State::Trailer => Err(BodyDecodeError::Truncated),
        }
    }

    /// Whether `self.line` is complete, line end included.
    fn read_line(&mut self, input: &mut Bytes, bytes_max: usize) -> Result<bool, BodyDecodeError> {
        let end = input.iter().position(|&byte| byte == b'\n');
        let here = end.map_or(input.len(), |end| end + 1);
        if self.line.len() + here > bytes_max {
            return Err(BodyDecodeError::Malformed { what: "a line is too long" });
        }
        self.line.extend_from_slice(&input[..here]);
        input.advance(here);
        Ok(end.is_some())
    }

    fn begin_chunk(&mut self) -> Result<(), BodyDecodeError> {
        let malformed = |what| BodyDecodeError::Malformed { what };
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or_else(|| malformed("a line does not end with CR LF"))?;
        let line = std::str::from_utf8(line).map_err(|_| malformed("a line is not text"))?;
        let mut pieces = line.split(';');
        let digits = pieces.next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 16 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed("a chunk has no size"));
        }
        let size = u64::from_str_radix(digits, 16).map_err(|_| malformed("a chunk has no size"))?;
        if size > CHUNK_BYTES_MAX {
            return Err(BodyDecodeError::ChunkTooLarge);
        }
        // Known here already: the bytes need not come first.
        let actual = self.decoded_bytes.saturating_add(size);
        if let Some(announced) = self.announced_bytes.filter(|&announced| actual > announced) {
            return Err(BodyDecodeError::LengthMismatch { announced, actual });
        }
        if self.signing.is_some() {
            let signature = pieces.find_map(|piece| piece.trim().strip_prefix("chunk-signature="));
            self.chunk_signature = signature.ok_or_else(|| malformed("a chunk has no signature"))?.to_owned();
        }
        if size > 0 {
            self.state = State::Data(size);
            return Ok(());
        }
        self.end_chunk()?;
        if let Some(announced) = self.announced_bytes.filter(|&announced| self.decoded_bytes != announced) {
            return Err(BodyDecodeError::LengthMismatch { announced, actual: self.decoded_bytes });
        }
        self.state = State::Trailer;
        Ok(())
    }

    fn take_data(&mut self, data: &Bytes, left: u64) -> Result<(), BodyDecodeError> {
        let taken = data.len() as u64;
        self.decoded_bytes += taken;
        if self.signing.is_some() {
            self.chunk_hash.update(data);
        }
        self.state = State::Data(left - taken);
        if left == taken {
            self.end_chunk()?;
            self.state = State::AfterData;
        }
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<(), BodyDecodeError> {
        if let Some(signing) = &mut self.signing {
            let sha256 = self.chunk_hash.finalize_reset().into();
            if !signing.is_next_chunk(&sha256, &self.chunk_signature) {
                return Err(BodyDecodeError::ChunkSignatureMismatch { chunk: self.chunk });
            }
        }
        self.chunk += 1;
        Ok(())
    }

    fn take_trailer_line(&mut self) -> Result<(), BodyDecodeError> {
        let malformed = |what| BodyDecodeError::MalformedTrailer { what };
        let line = std::mem::take(&mut self.line);
        self.trailer_bytes += line.len();
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(malformed("it is too long"));
        }
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line =
            std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map_err(|_| malformed("it is not text"))?;
        if line.is_empty() {
            // AWS's own description, and clients that follow it, put an empty line before the trailer's signature too.
            let expects_signature = self.has_trailer && self.signing.is_some() && !self.trailer_signed;
            return if expects_signature { Ok(()) } else { self.end_trailer() };
        }
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a line has no colon"))?;
        let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
        let (name, value) = (trim(name).to_ascii_lowercase(), trim(value));
        if !self.has_trailer || self.trailer_signed {
            return Err(malformed("it has lines where none may be"));
        }
        if name == "x-amz-trailer-signature" {
            let signing = self.signing.as_mut().ok_or_else(|| malformed("it is signed, the chunks are not"))?;
            if !signing.is_trailer(&self.trailer_lines, &value) {
                return Err(BodyDecodeError::TrailerSignatureMismatch);
            }
            self.trailer_signed = true;
            return Ok(());
        }
        self.trailer_lines.extend_from_slice(format!("{name}:{value}\n").as_bytes());
        self.take_checksum(&name, &value)
    }

    fn take_checksum(&mut self, name: &str, value: &str) -> Result<(), BodyDecodeError> {
        let malformed = |what| BodyDecodeError::MalformedTrailer { what };
        let announced = self.announced.as_ref().ok_or_else(|| malformed("it was not announced"))?;
        let algorithm = announced.algorithm;
        if name.strip_prefix("x-amz-checksum-").and_then(ChecksumAlgorithm::parse) != Some(algorithm) {
            return Err(malformed("a line was not announced"));
        }
        let digest = STANDARD.decode(value).ok().filter(|digest| digest.len() == algorithm.digest_bytes());
        let digest = digest.ok_or(BodyDecodeError::InvalidTrailerValue(algorithm))?;
        match self.trailer_value.replace(digest) {
            None => Ok(()),
            Some(_) => Err(malformed("a line is there twice")),
        }
    }

    fn end_trailer(&mut self) -> Result<(), BodyDecodeError> {
        if let Some(announced) = &self.announced {
            let value = self.trailer_value.take().ok_or(BodyDecodeError::TrailerMissing(announced.algorithm))?;
            // Nobody else sets it: the slot was made for this body.
            let _ = announced.value.set(value);
        }
        self.state = State::Done;
        Ok(())
    }
}
