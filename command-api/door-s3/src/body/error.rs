//! What can be wrong with a body, and with what the headers say of it, in the words of S3.

use schemas::content::ChecksumAlgorithm;

/// Why a body's stream ended early. It travels in [`pipeline::BodyError`], from which it can be downcast.
#[derive(Debug, thiserror::Error)]
pub enum BodyDecodeError {
    /// The body ended before it was complete. Sending it again may work.
    #[error("the body is incomplete")]
    Truncated,
    /// The connection failed. Sending it again may work.
    #[error("the body could not be received")]
    Transport(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More or fewer bytes than announced.
    #[error("the body has {actual} bytes or more, {announced} were announced")]
    LengthMismatch {
        /// What the headers said.
        announced: u64,
        /// Bytes counted until the difference was certain.
        actual: u64,
    },
    /// The framing is not aws-chunked.
    #[error("malformed aws-chunked body: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A chunk of more than 5 GiB.
    #[error("a chunk is too large")]
    ChunkTooLarge,
    /// A chunk is not the one that was signed.
    #[error("the signature of chunk {chunk} does not match")]
    ChunkSignatureMismatch {
        /// Counted from 0; the empty one at the end counts too.
        chunk: u64,
    },
    /// The trailer is not the one that was signed.
    #[error("the signature of the trailer does not match")]
    TrailerSignatureMismatch,
    /// The trailer cannot be read, or has lines that were not announced.
    #[error("malformed trailer: {what}")]
    MalformedTrailer {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A trailer was announced and did not come.
    #[error("the {} trailer is missing", .0.as_str())]
    TrailerMissing(ChecksumAlgorithm),
    /// The trailer's value is no digest of its algorithm.
    #[error("the {} trailer has no valid value", .0.as_str())]
    InvalidTrailerValue(ChecksumAlgorithm),
}

/// What a client is told that stopped in the middle of its body.
pub(crate) const STALLED: &str =
    "Your socket connection to the server was not read from or written to within the timeout period.";

impl BodyDecodeError {
    /// Code, status and message for the error document.
    #[must_use]
    pub fn code(&self) -> (&'static str, u16, String) {
        match self {
            Self::Transport(source) if pipeline::limits::is_stalled(source.as_ref()) => {
                ("RequestTimeout", 400, STALLED.to_owned())
            }
            Self::Truncated | Self::Transport(_) | Self::LengthMismatch { .. } => (
                "IncompleteBody",
                400,
                "You did not provide the number of bytes specified by the Content-Length HTTP header".to_owned(),
            ),
            Self::Malformed { what } => {
                ("InvalidRequest", 400, format!("The aws-chunked body is not well-formed: {what}."))
            }
            Self::ChunkTooLarge => {
                ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size".to_owned())
            }
            Self::ChunkSignatureMismatch { .. } | Self::TrailerSignatureMismatch => (
                "SignatureDoesNotMatch",
                403,
                "The request signature we calculated does not match the signature you provided. Check your key and \
                 signing method."
                    .to_owned(),
            ),
            Self::MalformedTrailer { .. } | Self::TrailerMissing(_) => (
                "MalformedTrailerError",
                400,
                "The request contained trailing data that was not well-formed or did not conform to our published schema."
                    .to_owned(),
            ),
            Self::InvalidTrailerValue(algorithm) => (
                "InvalidRequest",
                400,
                format!("Value for x-amz-checksum-{} trailing header is invalid.", algorithm.as_str().to_ascii_lowercase()),
            ),
        }
    }
}

/// Why the headers that speak of the body make no sense. Nothing was read of it yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyHeaderError {
    /// Content-MD5 is not the base64 form of 16 bytes.
    #[error("Content-MD5 is not valid")]
    InvalidDigest,
    /// More than one checksum, in headers and trailers together.
    #[error("more than one checksum")]
    SeveralChecksums,
    /// The value is no digest of its algorithm.
    #[error("the value of {header} is not valid")]
    InvalidChecksum {
        /// The header's name.
        header: String,
    },
    /// An algorithm that S3 does not have.
    #[error("unknown checksum algorithm")]
    UnknownAlgorithm,
    /// `x-amz-sdk-checksum-algorithm` names another algorithm than the checksum's.
    #[error("x-amz-sdk-checksum-algorithm names another algorithm")]
    AlgorithmsDisagree,
    /// `x-amz-trailer` names something that is no checksum.
    #[error("unsupported trailer")]
    UnsupportedTrailer,
    /// `x-amz-trailer` on a body whose form has no trailer.
    #[error("a trailer is announced for a body that has none")]
    UnexpectedTrailer,
    /// Signed chunks without `x-amz-decoded-content-length`.
    #[error("x-amz-decoded-content-length is missing")]
    MissingDecodedLength,
    /// A length that is no number.
    #[error("{header} is not a number")]
    InvalidLength {
        /// The header's name.
        header: &'static str,
    },
    /// A plain body whose `x-amz-decoded-content-length` is not its Content-Length. It is most likely chunked by a client whose
    /// `x-amz-content-sha256` was lost: stored as it is, the framing would become part of the object.
    #[error("x-amz-decoded-content-length is not Content-Length")]
    LengthsDisagree,
}

impl BodyHeaderError {
    /// Code, status and message for the error document.
    #[must_use]
    pub fn code(&self) -> (&'static str, u16, String) {
        let invalid = |message: String| ("InvalidRequest", 400, message);
        match self {
            Self::InvalidDigest => ("InvalidDigest", 400, "The Content-MD5 you specified was invalid.".to_owned()),
            Self::SeveralChecksums => invalid("Expecting a single x-amz-checksum- header".to_owned()),
            Self::InvalidChecksum { header } => invalid(format!("Value for {header} header is invalid.")),
            Self::UnknownAlgorithm => invalid(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, \
                 CRC64NVME, SHA1, SHA256]"
                    .to_owned(),
            ),
            Self::AlgorithmsDisagree => {
                invalid("Value for x-amz-sdk-checksum-algorithm header is invalid.".to_owned())
            }
            Self::UnsupportedTrailer => {
                invalid("The value specified in the x-amz-trailer header is not supported".to_owned())
            }
            Self::UnexpectedTrailer => {
                invalid("x-amz-trailer needs an x-amz-content-sha256 of a form with a trailer".to_owned())
            }
            Self::MissingDecodedLength => {
                ("MissingContentLength", 411, "You must provide the Content-Length HTTP header.".to_owned())
            }
            Self::InvalidLength { header } => invalid(format!("Value for {header} header is invalid.")),
            Self::LengthsDisagree => {
                invalid("x-amz-decoded-content-length does not agree with Content-Length".to_owned())
            }
        }
    }
}
