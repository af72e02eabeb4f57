//! A request's body: from what came over the wire to the object's bytes.
//!
//! Owns: aws-chunked in its three forms, the chunk and trailer signatures in it, trailers, announced lengths, and which
//! digests the client wants compared.
//! Does not own: comparing digests (the pipeline does while it stores), POST forms, answers.
//! Invariant: a chunk's bytes are handed on while its signature, which covers the whole chunk, is still to be checked; so
//! bytes are nothing until the stream has ended well. Every flaw ends it with a [`BodyDecodeError`], and the store commits
//! nothing of a body whose stream ends in an error.

mod chunked;
mod error;
mod headers;
mod stream;

pub use chunked::{ChunkDecoder, Trailer};
pub(crate) use error::STALLED;
pub use error::{BodyDecodeError, BodyHeaderError};
pub use headers::{ChecksumOf, Intake, digests, without_aws_chunked};
pub use stream::{chunked_body, plain_body};
