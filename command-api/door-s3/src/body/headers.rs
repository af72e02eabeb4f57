//! What the headers say of the body: form, length, digests.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::HeaderMap;
use pipeline::{ByteStream, Digests, ExpectedDigest};
use schemas::content::ChecksumAlgorithm;

use super::chunked::{ChunkDecoder, Trailer};
use super::error::BodyHeaderError;
use super::stream::{chunked_body, plain_body};
use crate::auth::{ChunkSigning, PayloadForm};

const CHECKSUM: &str = "x-amz-checksum-";
/// Names that begin like a checksum's and say something else.
const NO_CHECKSUMS: [&str; 3] = ["algorithm", "mode", "type"];

/// What an `x-amz-checksum-*` header is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumOf {
    /// The body: everywhere but in CompleteMultipartUpload.
    Body,
    /// The object that CompleteMultipartUpload makes; the body is another thing.
    Object,
}

/// A body that is still to be read.
#[derive(Debug)]
pub struct Intake {
    /// To be compared before anything is committed.
    pub digests: Digests,
    /// Decoded length, when announced.
    pub size_bytes: Option<u64>,
    payload: PayloadForm,
}

impl Intake {
    /// # Errors
    /// Headers that contradict each other or the payload's form.
    pub fn read(headers: &HeaderMap, payload: PayloadForm, checksum: ChecksumOf) -> Result<Self, BodyHeaderError> {
        let digests = match checksum {
            ChecksumOf::Body => digests(headers, payload)?,
            ChecksumOf::Object => {
                Digests { md5: content_md5(headers)?, sha256: signed_sha256(payload), checksums: Vec::new() }
            }
        };
        Ok(Self { digests, size_bytes: size_bytes(headers, payload)?, payload })
    }

    /// The object's bytes, from the bytes on the wire. `signing` is what [`crate::auth::Verified`] has.
    ///
    /// # Panics
    /// If `signing` does not suit the payload's form.
    pub fn stream<B>(&self, body: B, signing: Option<ChunkSigning>) -> ByteStream
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !is_chunked(self.payload) {
            return plain_body(body, self.size_bytes);
        }
        let trailer = self.digests.checksums.iter().find_map(|(algorithm, expected)| match expected {
            ExpectedDigest::Trailer(value) => Some(Trailer { algorithm: *algorithm, value: Arc::clone(value) }),
            ExpectedDigest::Known(_) | ExpectedDigest::Compute => None,
        });
        chunked_body(body, ChunkDecoder::new(self.payload, signing, trailer, self.size_bytes))
    }
}

/// The digests that the client wants compared. An `x-amz-checksum-*` header or trailer is taken for the body's.
///
/// # Errors
/// [`BodyHeaderError`], but for what concerns lengths.
pub fn digests(headers: &HeaderMap, payload: PayloadForm) -> Result<Digests, BodyHeaderError> {
    let named = match headers.get("x-amz-sdk-checksum-algorithm") {
        None => None,
        Some(value) => {
            let algorithm = value.to_str().ok().and_then(|text| ChecksumAlgorithm::parse(text.trim()));
            Some(algorithm.ok_or(BodyHeaderError::UnknownAlgorithm)?)
        }
    };
    let checksum = match (checksum_header(headers)?, announced_trailer(headers, payload)?) {
        (Some(_), Some(_)) => return Err(BodyHeaderError::SeveralChecksums),
        (Some((algorithm, digest)), None) => Some((algorithm, ExpectedDigest::Known(digest))),
        (None, Some(algorithm)) => Some((algorithm, ExpectedDigest::Trailer(Arc::new(OnceLock::new())))),
        (None, None) => named.map(|algorithm| (algorithm, ExpectedDigest::Compute)),
    };
    if let (Some(named), Some((algorithm, _))) = (named, &checksum)
        && named != *algorithm
    {
        return Err(BodyHeaderError::AlgorithmsDisagree);
    }
    Ok(Digests {
        md5: content_md5(headers)?,
        sha256: signed_sha256(payload),
        checksums: checksum.into_iter().collect(),
    })
}

/// Content-Encoding without `aws-chunked`, which is about the way and not about the object; none if nothing is left.
#[must_use]
pub fn without_aws_chunked(content_encoding: &str) -> Option<String> {
    let is_ours = |coding: &&str| coding.eq_ignore_ascii_case("aws-chunked");
    let codings: Vec<&str> = content_encoding.split(',').map(str::trim).collect();
    if !codings.iter().any(is_ours) {
        return Some(content_encoding.to_owned()).filter(|text| !text.is_empty());
    }
    let left: Vec<&str> = codings.into_iter().filter(|coding| !is_ours(coding) && !coding.is_empty()).collect();
    Some(left.join(", ")).filter(|text| !text.is_empty())
}

fn is_chunked(payload: PayloadForm) -> bool {
    match payload {
        PayloadForm::SignedSha256(_) | PayloadForm::Unsigned => false,
        PayloadForm::StreamingSigned | PayloadForm::StreamingSignedTrailer | PayloadForm::StreamingUnsignedTrailer => {
            true
        }
    }
}

fn signed_sha256(payload: PayloadForm) -> Option<[u8; 32]> {
    match payload {
        PayloadForm::SignedSha256(sha256) => Some(sha256),
        PayloadForm::Unsigned
        | PayloadForm::StreamingSigned
        | PayloadForm::StreamingSignedTrailer
        | PayloadForm::StreamingUnsignedTrailer => None,
    }
}

fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, BodyHeaderError> {
    let mut values = headers.get_all("content-md5").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let digest = STANDARD.decode(value.as_bytes().trim_ascii()).ok().and_then(|digest| digest.try_into().ok());
    match (digest, values.next()) {
        (Some(md5), None) => Ok(Some(md5)),
        (None, _) | (_, Some(_)) => Err(BodyHeaderError::InvalidDigest),
    }
}

fn checksum_header(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, Vec<u8>)>, BodyHeaderError> {
    let mut found = None;
    for (name, value) in headers {
        let Some(what) = name.as_str().strip_prefix(CHECKSUM).filter(|what| !NO_CHECKSUMS.contains(what)) else {
            continue;
        };
        // A checksum that we cannot verify must not be passed over in silence.
        let algorithm = ChecksumAlgorithm::parse(what).ok_or(BodyHeaderError::UnknownAlgorithm)?;
        let digest = STANDARD.decode(value.as_bytes().trim_ascii()).ok();
        let digest = digest
            .filter(|digest| digest.len() == algorithm.digest_bytes())
            .ok_or_else(|| BodyHeaderError::InvalidChecksum { header: name.as_str().to_owned() })?;
        if found.replace((algorithm, digest)).is_some() {
            return Err(BodyHeaderError::SeveralChecksums);
        }
    }
    Ok(found)
}

fn announced_trailer(headers: &HeaderMap, payload: PayloadForm) -> Result<Option<ChecksumAlgorithm>, BodyHeaderError> {
    let mut found = None;
    for value in headers.get_all("x-amz-trailer") {
        let names = value.to_str().map_err(|_| BodyHeaderError::UnsupportedTrailer)?;
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.to_ascii_lowercase();
            let algorithm = name.strip_prefix(CHECKSUM).and_then(ChecksumAlgorithm::parse);
            let algorithm = algorithm.ok_or(BodyHeaderError::UnsupportedTrailer)?;
            if found.replace(algorithm).is_some() {
                return Err(BodyHeaderError::SeveralChecksums);
            }
        }
    }
    match payload {
        PayloadForm::StreamingSignedTrailer | PayloadForm::StreamingUnsignedTrailer => Ok(found),
        PayloadForm::SignedSha256(_) | PayloadForm::Unsigned | PayloadForm::StreamingSigned => match found {
            None => Ok(None),
            Some(_) => Err(BodyHeaderError::UnexpectedTrailer),
        },
    }
}

fn size_bytes(headers: &HeaderMap, payload: PayloadForm) -> Result<Option<u64>, BodyHeaderError> {
    let encoded = length(headers, "content-length")?;
    let decoded = length(headers, "x-amz-decoded-content-length")?;
    if is_chunked(payload) {
        return match decoded {
            None if payload.has_signed_chunks() => Err(BodyHeaderError::MissingDecodedLength),
            decoded => Ok(decoded),
        };
    }
    match (encoded, decoded) {
        (Some(encoded), Some(decoded)) if encoded != decoded => Err(BodyHeaderError::LengthsDisagree),
        (encoded, decoded) => Ok(encoded.or(decoded)),
    }
}

fn length(headers: &HeaderMap, header: &'static str) -> Result<Option<u64>, BodyHeaderError> {
    let Some(value) = headers.get(header) else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = text.and_then(|text| text.parse().ok());
    number.map(Some).ok_or(BodyHeaderError::InvalidLength { header })
}
