//! Request bodies: opened once their sender is known.
//!
//! Owns: bounds, small bodies read whole and verified. Does not own: decoding (`body`), what becomes of a body that nobody reads.

use axum::body::Body;
use base64::Engine;
use bytes::{Bytes, BytesMut};
use domain::Refusal;
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Version};
use pipeline::{ByteStream, Digests, ExpectedDigest, StoreError};
use schemas::content::ChecksumAlgorithm;

use crate::auth::Verified;
use crate::body::{ChecksumOf, Intake};
use crate::errors::{DoorError, Failure};

/// Most bytes of an object or part sent in one request: S3's 5 GiB.
pub(crate) const SINGLE_PUT_BYTES_MAX: u64 = 5 << 30;
/// Most bytes of XML, but for a completion.
pub(crate) const XML_BYTES_MAX: u64 = 1 << 20;
/// The same for a completion of 10,000 parts with checksums.
pub(crate) const COMPLETION_BYTES_MAX: u64 = 2 << 20;

/// The body of an admitted request. Nothing of it has been read.
pub(crate) struct Payload {
    verified: Verified,
    body: Body,
    version: Version,
}

/// An object's or part's bytes, to be stored.
pub(crate) struct Opened {
    /// The bytes.
    pub(crate) stream: ByteStream,
    /// To be compared by the store.
    pub(crate) digests: Digests,
    /// Decoded length, if announced.
    pub(crate) size_bytes: Option<u64>,
}

impl Payload {
    pub(crate) fn new(verified: Verified, body: Body, version: Version) -> Self {
        Self { verified, body, version }
    }

    /// Opens the body of an object or part.
    ///
    /// # Errors
    /// No length, too long a one, or headers that contradict each other.
    pub(crate) fn open(self, headers: &HeaderMap) -> Result<Opened, Failure> {
        // HTTP/1.1 has no body then, and a client that forgot the length would store nothing. HTTP/2 frames its bodies.
        let framed = headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING);
        if !framed && self.version < Version::HTTP_2 {
            return Err(DoorError::MissingContentLength.into());
        }
        let opened = self.intake(headers, ChecksumOf::Body)?;
        match opened.size_bytes {
            Some(size_bytes) if size_bytes > SINGLE_PUT_BYTES_MAX => {
                Err(DoorError::EntityTooLarge { size_bytes }.into())
            }
            _ => Ok(opened),
        }
    }

    fn intake(self, headers: &HeaderMap, checksum: ChecksumOf) -> Result<Opened, Failure> {
        let intake = Intake::read(headers, self.verified.payload, checksum)?;
        let stream = intake.stream(self.body, self.verified.chunks);
        Ok(Opened { stream, size_bytes: intake.size_bytes, digests: intake.digests })
    }

    /// Reads a whole body and compares the digests that came with it.
    ///
    /// # Errors
    /// It is over the bound, incomplete, or not what its digests say.
    pub(crate) async fn read(self, headers: &HeaderMap, bound_bytes: u64) -> Result<Bytes, Failure> {
        let opened = self.intake(headers, ChecksumOf::Body)?;
        opened.collect(bound_bytes).await
    }

    /// The same for operations that must come with a digest of their body.
    ///
    /// # Errors
    /// As [`Payload::read`], or there is no digest.
    pub(crate) async fn read_verified(self, headers: &HeaderMap, bound_bytes: u64) -> Result<Bytes, Failure> {
        let opened = self.intake(headers, ChecksumOf::Body)?;
        let compared =
            |(_, expected): &(_, _)| matches!(expected, ExpectedDigest::Known(_) | ExpectedDigest::Trailer(_));
        let compared = opened.digests.checksums.iter().any(compared);
        if opened.digests.md5.is_none() && !compared {
            let reason = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
            return Err(DoorError::InvalidRequest { reason }.into());
        }
        opened.collect(bound_bytes).await
    }

    /// The body of a completion: its checksum headers speak of the object.
    ///
    /// # Errors
    /// As [`Payload::read`].
    pub(crate) async fn read_completion(self, headers: &HeaderMap) -> Result<Bytes, Failure> {
        let opened = self.intake(headers, ChecksumOf::Object)?;
        opened.collect(COMPLETION_BYTES_MAX).await
    }
}

impl Opened {
    async fn collect(mut self, bound_bytes: u64) -> Result<Bytes, Failure> {
        let too_large = DoorError::BodyTooLarge { bound_bytes };
        if self.size_bytes.is_some_and(|size_bytes| size_bytes > bound_bytes) {
            return Err(too_large.into());
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = self.stream.next().await {
            let piece = piece.map_err(StoreError::Body)?;
            if (whole.len() + piece.len()) as u64 > bound_bytes {
                return Err(too_large.into());
            }
            whole.extend_from_slice(&piece);
        }
        compare(&self.digests, &whole).map_err(StoreError::Refused)?;
        Ok(whole.freeze())
    }
}

fn compare(digests: &Digests, body: &[u8]) -> Result<(), Refusal> {
    use md5::Md5;
    use sha2::{Digest, Sha256};
    if digests.md5.is_some_and(|md5| Md5::digest(body)[..] != md5) {
        return Err(Refusal::BadDigest);
    }
    if digests.sha256.is_some_and(|sha256| Sha256::digest(body)[..] != sha256) {
        return Err(Refusal::ContentSha256Mismatch);
    }
    for (algorithm, expected) in &digests.checksums {
        let holds = match expected {
            ExpectedDigest::Known(digest) => *digest == checksum(*algorithm, body),
            ExpectedDigest::Trailer(digest) => digest.get() == Some(&checksum(*algorithm, body)),
            ExpectedDigest::Compute => true,
        };
        if !holds {
            return Err(Refusal::ChecksumMismatch { algorithm: algorithm.as_str() });
        }
    }
    Ok(())
}

/// A digest, big-endian.
fn checksum(algorithm: ChecksumAlgorithm, body: &[u8]) -> Vec<u8> {
    use crc_fast::CrcAlgorithm;
    use sha2::Digest;
    let crc = |algorithm, bytes: usize| crc_fast::checksum(algorithm, body).to_be_bytes()[8 - bytes..].to_vec();
    match algorithm {
        ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
        ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi, 4),
        ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme, 8),
        ChecksumAlgorithm::Sha1 => sha1::Sha1::digest(body).to_vec(),
        ChecksumAlgorithm::Sha256 => sha2::Sha256::digest(body).to_vec(),
    }
}

/// A digest in a header or element, as S3 writes it.
///
/// # Errors
/// It is none of this algorithm, so it cannot be the body's.
pub(crate) fn digest_text(algorithm: ChecksumAlgorithm, text: &str) -> Result<Vec<u8>, DoorError> {
    let digest = base64::engine::general_purpose::STANDARD.decode(text.trim()).map_err(|_| DoorError::BadDigest)?;
    if digest.len() == algorithm.digest_bytes() { Ok(digest) } else { Err(DoorError::BadDigest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::PayloadForm;

    fn payload(body: &'static str) -> Payload {
        let verified = Verified { payload: PayloadForm::Unsigned, chunks: None };
        Payload::new(verified, Body::from(body), Version::HTTP_11)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")))
            .collect()
    }

    #[tokio::test]
    async fn small_bodies_are_compared_with_every_digest_that_came() {
        // Digests of "123456789", from the check values of each algorithm.
        for (name, value, expected) in [
            ("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==", None),
            ("content-md5", "rL0Y20xC+Fzt72VPzMSk2A==", Some("BadDigest")),
            ("x-amz-checksum-crc32", "y/Q5Jg==", None),
            ("x-amz-checksum-crc32", "y/Q5Jw==", Some("BadDigest")),
            ("x-amz-checksum-crc32c", "4waSgw==", None),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=", None),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE=", None),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEA=", Some("BadDigest")),
            ("x-amz-checksum-sha256", "bad", Some("BadDigest")),
            ("x-amz-sdk-checksum-algorithm", "CRC32", Some("InvalidRequest")),
            ("x-other", "x", Some("InvalidRequest")),
        ] {
            let read = payload("123456789").read_verified(&headers(&[(name, value)]), 100).await;
            assert_eq!(read.err().map(|failure| failure.describe().code), expected, "{name}: {value}");
        }
    }

    #[tokio::test]
    async fn bounds() {
        let code = async |headers: &[(&'static str, &str)]| {
            payload("123456789").read(&self::headers(headers), 8).await.err().map(|failure| failure.describe().code)
        };
        assert_eq!(code(&[]).await, Some("MaxMessageLengthExceeded"));
        assert_eq!(code(&[("content-length", "9")]).await, Some("MaxMessageLengthExceeded"));
        assert_eq!(code(&[("content-length", "8")]).await, Some("IncompleteBody"));
        let open = |headers: &[(&'static str, &str)]| {
            payload("x").open(&self::headers(headers)).err().map(|failure| failure.describe().code)
        };
        assert_eq!(open(&[]), Some("MissingContentLength"));
        assert_eq!(open(&[("content-length", "5368709121")]), Some("EntityTooLarge"));
        assert_eq!(open(&[("content-length", "5368709120")]), None);
        assert_eq!(open(&[("transfer-encoding", "chunked")]), None);
    }
}
