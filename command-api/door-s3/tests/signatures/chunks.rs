//! aws-chunked, made with the AWS SDK's own chunk signer.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::SignableBody;
use aws_sigv4::sign::v4::{self, SigningParams, sign_chunk, sign_trailer};
use aws_smithy_runtime_api::http::Headers;
use bytes::Bytes;
use door_s3::auth::{ChunkSigning, PayloadForm};
use door_s3::body::{BodyDecodeError, ChunkDecoder, Trailer};
use http::request::Parts;
use schemas::content::ChecksumAlgorithm;

use crate::kit::{NOW_S, REGION, identity, request, signed, verify};

/// CRC-32C of nothing in particular: who compares it is not tested here.
const CRC: &str = "sOO8/Q==";
const CRC_BYTES: [u8; 4] = [0xb0, 0xe3, 0xbc, 0xfd];

const FORMS: [PayloadForm; 3] =
    [PayloadForm::StreamingSigned, PayloadForm::StreamingSignedTrailer, PayloadForm::StreamingUnsignedTrailer];

/// A body as a client sends it, and what is needed to decode it.
#[derive(Clone)]
pub(crate) struct Wire {
    form: PayloadForm,
    signing: Option<ChunkSigning>,
    pub(crate) bytes: Vec<u8>,
    decoded: Vec<u8>,
}

/// The parts of a body, to be put together wrongly on purpose.
struct Pieces {
    wire: Wire,
    chunks: Vec<Vec<u8>>,
    trailer: Vec<u8>,
}

fn pieces(form: PayloadForm, chunks: &[&[u8]]) -> Pieces {
    let text = match form {
        PayloadForm::StreamingSigned => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        PayloadForm::StreamingSignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        _ => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    };
    let parts = signed("PUT", "/bucket/key", &[], SignableBody::Precomputed(text.to_owned()), None);
    let verified = verify(&parts).expect("a valid signature");
    assert_eq!(verified.payload, form);
    let authorization = parts.headers["authorization"].to_str().expect("text");
    let mut signature = authorization[authorization.len() - 64..].to_owned();

    let identity = identity();
    let time = UNIX_EPOCH + Duration::from_secs(NOW_S.unsigned_abs());
    let builder = SigningParams::builder().identity(&identity).region(REGION).name("s3").time(time).settings(());
    let params: v4::SigningParams<'_, ()> = builder.build().expect("parameters");
    let last: &[u8] = b"";
    let encoded = chunks.iter().chain([&last]).map(|data| {
        let mut out = format!("{:x}", data.len()).into_bytes();
        if verified.chunks.is_some() {
            let signed = sign_chunk(&Bytes::copy_from_slice(data), &signature, &params).expect("a signature");
            signature = signed.signature().to_owned();
            out.extend(format!(";chunk-signature={signature}").bytes());
        }
        out.extend(b"\r\n");
        out.extend(*data);
        if !data.is_empty() {
            out.extend(b"\r\n");
        }
        out
    });
    let encoded: Vec<Vec<u8>> = encoded.collect();
    let mut trailer = Vec::new();
    if form != PayloadForm::StreamingSigned {
        trailer.extend(format!("x-amz-checksum-crc32c:{CRC}\r\n").bytes());
    }
    if form == PayloadForm::StreamingSignedTrailer {
        let mut headers = Headers::new();
        headers.insert("x-amz-checksum-crc32c", CRC);
        let signed = sign_trailer(&headers, &signature, &params).expect("a signature");
        trailer.extend(format!("x-amz-trailer-signature:{}\r\n", signed.signature()).bytes());
    }
    trailer.extend(b"\r\n");
    let wire = Wire { form, signing: verified.chunks, bytes: Vec::new(), decoded: chunks.concat() };
    Pieces { wire, chunks: encoded, trailer }
}

impl Pieces {
    fn join(&self) -> Wire {
        let mut wire = self.wire.clone();
        wire.bytes = self.chunks.concat();
        wire.bytes.extend(&self.trailer);
        wire
    }
}

pub(crate) fn wire(form: PayloadForm, chunks: &[&[u8]]) -> Wire {
    pieces(form, chunks).join()
}

impl Wire {
    /// A decoder for it, and where the trailer's value will be.
    pub(crate) fn decoder(&self) -> (ChunkDecoder, Arc<OnceLock<Vec<u8>>>) {
        let value = Arc::new(OnceLock::new());
        let trailer = Trailer { algorithm: ChecksumAlgorithm::Crc32c, value: Arc::clone(&value) };
        let trailer = Some(trailer).filter(|_| self.form != PayloadForm::StreamingSigned);
        let length = Some(self.decoded.len() as u64);
        (ChunkDecoder::new(self.form, self.signing.clone(), trailer, length), value)
    }

    /// Decodes `bytes`, cut at these places.
    fn decode(&self, bytes: &[u8], cuts: &[usize]) -> Result<Vec<u8>, BodyDecodeError> {
        let (decoder, value) = self.decoder();
        let decoded = decode_with(decoder, bytes, cuts)?;
        if self.form != PayloadForm::StreamingSigned {
            assert_eq!(value.get().map(Vec::as_slice), Some(&CRC_BYTES[..]));
        }
        Ok(decoded)
    }

    fn refusal(&self, bytes: &[u8]) -> BodyDecodeError {
        let (decoder, value) = self.decoder();
        let error = decode_with(decoder, bytes, &[]).expect_err("a flaw");
        assert!(value.get().is_none(), "a refused body has no checksum");
        error
    }
}

fn decode_with(mut decoder: ChunkDecoder, bytes: &[u8], cuts: &[usize]) -> Result<Vec<u8>, BodyDecodeError> {
    let mut out = Vec::new();
    let ends = cuts.iter().copied().chain([bytes.len()]);
    let mut start = 0;
    for end in ends {
        let mut input = Bytes::copy_from_slice(&bytes[start..end]);
        while let Some(data) = decoder.next(&mut input)? {
            out.extend(data);
        }
        start = end;
    }
    decoder.finish()?;
    Ok(out)
}

#[test]
fn any_split_of_the_bytes_gives_the_same_result() {
    for form in FORMS {
        for chunks in [&[][..], &[b"a".as_slice()], &[b"hello, ", b"\r\n0\r\n\r\n", b"world"]] {
            let wire = wire(form, chunks);
            let all: Vec<usize> = (0..=wire.bytes.len()).collect();
            assert_eq!(wire.decode(&wire.bytes, &all).expect("byte by byte"), wire.decoded);
            for first in 0..=wire.bytes.len() {
                assert_eq!(wire.decode(&wire.bytes, &[first]).expect("two pieces"), wire.decoded);
                for second in (first..=wire.bytes.len()).step_by(7) {
                    assert_eq!(wire.decode(&wire.bytes, &[first, second]).expect("three pieces"), wire.decoded);
                }
            }
        }
    }
}

#[test]
fn a_body_cut_off_anywhere_is_refused() {
    for form in FORMS {
        let wire = wire(form, &[b"hello", b"world"]);
        for length in 0..wire.bytes.len() {
            let error = wire.refusal(&wire.bytes[..length]);
            assert!(matches!(error, BodyDecodeError::Truncated), "{form:?} at {length}: {error}");
            assert_eq!((error.code().0, error.code().1), ("IncompleteBody", 400));
        }
    }
}

#[test]
fn a_body_with_any_bit_changed_is_refused_or_means_the_same() {
    for form in [PayloadForm::StreamingSigned, PayloadForm::StreamingSignedTrailer] {
        let wire = wire(form, &[b"hello", b"world"]);
        for index in 0..wire.bytes.len() {
            for bit in 0..8 {
                let mut bytes = wire.bytes.clone();
                bytes[index] ^= 1 << bit;
                if let Ok(decoded) = wire.decode(&bytes, &[]) {
                    // Capitals in signatures and names, and a tab in place of CR before a LF, change nothing.
                    assert_eq!(decoded, wire.decoded, "byte {index} bit {bit}");
                }
            }
        }
    }
}

#[test]
fn a_broken_chain_of_signatures_is_refused() {
    for form in [PayloadForm::StreamingSigned, PayloadForm::StreamingSignedTrailer] {
        let chunks: [&[u8]; 3] = [b"one", b"two", b"six"];
        let mut swapped = pieces(form, &chunks);
        swapped.chunks.swap(0, 1);
        let mut again = pieces(form, &chunks);
        again.chunks[1] = again.chunks[0].clone();
        let mut left_out = pieces(form, &[b"one", b"two", b""]);
        left_out.chunks.remove(1);
        let mut foreign = pieces(form, &chunks);
        foreign.chunks[0] = pieces(form, &[b"won"]).chunks[0].clone();
        foreign.chunks[0][86] ^= 1;
        for (what, pieces, chunk) in [("swapped", swapped, 0), ("again", again, 1), ("changed", foreign, 0)] {
            let wire = pieces.join();
            match wire.refusal(&wire.bytes) {
                BodyDecodeError::ChunkSignatureMismatch { chunk: found } => assert_eq!(found, chunk, "{what}"),
                other => panic!("{what}: {other}"),
            }
        }
        let wire = left_out.join();
        let error = wire.refusal(&wire.bytes);
        assert_eq!(error.code().0, "SignatureDoesNotMatch");
    }
}

#[test]
fn a_chunk_without_a_signature_is_refused() {
    let wire = wire(PayloadForm::StreamingSigned, &[b"hello"]);
    for bytes in [&b"5\r\nhello\r\n0\r\n\r\n"[..], b"5;other=1\r\nhello\r\n0\r\n\r\n"] {
        assert!(matches!(wire.refusal(bytes), BodyDecodeError::Malformed { .. }));
    }
}

#[test]
fn a_signed_trailer_must_be_signed_and_unchanged() {
    let chunks: [&[u8]; 1] = [b"hello"];
    let form = PayloadForm::StreamingSignedTrailer;
    let refusal = |change: &dyn Fn(String) -> String| {
        let mut pieces = pieces(form, &chunks);
        pieces.trailer = change(String::from_utf8(pieces.trailer).expect("text")).into_bytes();
        let wire = pieces.join();
        wire.refusal(&wire.bytes)
    };
    let error = refusal(&|trailer| trailer.replace(CRC, "AAAAAA=="));
    assert!(matches!(error, BodyDecodeError::TrailerSignatureMismatch), "{error}");
    let error = refusal(&|_| format!("x-amz-checksum-crc32c:{CRC}\r\n\r\n"));
    assert!(matches!(error, BodyDecodeError::Truncated), "{error}");
    let error = refusal(&|trailer| format!("{}x-amz-checksum-crc32c:{CRC}\r\n\r\n", trailer.trim_end_matches('\n')));
    assert!(matches!(error, BodyDecodeError::MalformedTrailer { .. }), "{error}");
}

#[test]
fn a_signed_trailer_may_have_an_empty_line_before_its_signature() {
    let mut pieces = pieces(PayloadForm::StreamingSignedTrailer, &[b"hello"]);
    let trailer = String::from_utf8(pieces.trailer).expect("text");
    pieces.trailer = trailer.replace("==\r\n", "==\n\r\n").into_bytes();
    let wire = pieces.join();
    assert_eq!(wire.decode(&wire.bytes, &[]).expect("a good body"), b"hello");
}

#[test]
fn a_trailer_has_at_most_16_kib() {
    for (lines, fits) in [(8000, true), (8200, false)] {
        let mut pieces = pieces(PayloadForm::StreamingSignedTrailer, &[b"hello"]);
        pieces.trailer = [b"\r\n".repeat(lines), pieces.trailer].concat();
        let wire = pieces.join();
        assert_eq!(wire.decode(&wire.bytes, &[]).is_ok(), fits, "{lines} empty lines before it");
    }
}

/// What a body of unsigned chunks with a CRC-32C trailer and 5 bytes announced decodes to.
fn unsigned(bytes: &[u8]) -> Result<Vec<u8>, BodyDecodeError> {
    let trailer = Trailer { algorithm: ChecksumAlgorithm::Crc32c, value: Arc::new(OnceLock::new()) };
    decode_with(ChunkDecoder::new(PayloadForm::StreamingUnsignedTrailer, None, Some(trailer), Some(5)), bytes, &[])
}

#[test]
fn malformed_bodies_have_names() {
    let good = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n";
    assert_eq!(unsigned(good.as_bytes()).expect("a good body"), b"hello");
    assert_eq!(unsigned(good.replace("5\r", "005;x=y\r").as_bytes()).expect("a good body"), b"hello");
    assert_eq!(unsigned(good.replace("-crc32c:s", "-CRC32C: s").as_bytes()).expect("a good body"), b"hello");
    let long = "x".repeat(16 * 1024);
    for (bytes, code) in [
        ("hello".to_owned() + good, "InvalidRequest"),
        (good.replace("5\r\n", "5\n"), "InvalidRequest"),
        (good.replace("5\r\n", "\r\n"), "InvalidRequest"),
        (good.replace("5\r\n", "+5\r\n"), "InvalidRequest"),
        (good.replace("5\r\n", "-5\r\n"), "InvalidRequest"),
        (good.replace("5\r\n", "0x5\r\n"), "InvalidRequest"),
        (good.replace("5\r\n", "00000000000000005\r\n"), "InvalidRequest"),
        (good.replace("5\r\n", &format!("5;{long}\r\n")), "InvalidRequest"),
        (good.replace("5\r\n", &format!("5;{long}")), "InvalidRequest"),
        (good.replace("5\r\n", "140000001\r\n"), "EntityTooLarge"),
        (good.replace("5\r\n", "ffffffffffffffff\r\n"), "EntityTooLarge"),
        (good.replace("5\r\n", "6\r\n"), "IncompleteBody"),
        (good.replace("5\r\nhello", "4\r\nhell"), "IncompleteBody"),
        (good.replace("hello\r\n", "hello!\r\n"), "InvalidRequest"),
        (good.replace("hello\r\n", "hello\n"), "InvalidRequest"),
        (format!("{good}x"), "InvalidRequest"),
        (format!("{good}\r\n"), "InvalidRequest"),
        (good.replace("x-amz-checksum-crc32c:sOO8/Q==\r\n", ""), "MalformedTrailerError"),
        (good.replace("crc32c", "crc32"), "MalformedTrailerError"),
        (good.replace("x-amz-checksum-crc32c:", "nonsense "), "MalformedTrailerError"),
        (good.replace("0\r\nx", "0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\nx"), "MalformedTrailerError"),
        (good.replace("0\r\nx", "0\r\nx-amz-trailer-signature:00\r\nx"), "MalformedTrailerError"),
        (good.replace("0\r\nx", "0\r\nx-amz-meta-a:b\r\nx"), "MalformedTrailerError"),
        (good.replace("sOO8", "sOO8AAAA"), "InvalidRequest"),
        (good.replace("sOO8/Q==", ""), "InvalidRequest"),
        (good.replace("sOO8/Q==", "*"), "InvalidRequest"),
    ] {
        let shown: String = bytes.chars().take(60).collect();
        assert_eq!(unsigned(bytes.as_bytes()).expect_err(&shown).code().0, code, "{shown:?}");
    }
}

#[test]
fn a_trailer_that_nobody_announced_is_refused() {
    let decoder = ChunkDecoder::new(PayloadForm::StreamingUnsignedTrailer, None, None, None);
    let bytes = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n";
    let error = decode_with(decoder, bytes, &[]).expect_err("unannounced");
    assert!(matches!(error, BodyDecodeError::MalformedTrailer { .. }));
    let decoder = ChunkDecoder::new(PayloadForm::StreamingUnsignedTrailer, None, None, None);
    assert_eq!(decode_with(decoder, b"5\r\nhello\r\n0\r\n\r\n", &[]).expect("no trailer at all"), b"hello");
}

fn example(trailer: Option<&str>, sha256: &str, seed: &str) -> Parts {
    let mut headers = vec![
        ("host", "s3.amazonaws.com"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", sha256),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ];
    match trailer {
        Some(trailer) => headers.push(("x-amz-trailer", trailer)),
        None => headers.push(("content-length", "66824")),
    }
    let mut names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},Signature={seed}",
        names.join(";")
    );
    headers.push(("authorization", &authorization));
    request("PUT", "/examplebucket/chunkObject.txt", &headers)
}

fn example_body(signatures: [&str; 3], trailer: &str) -> Vec<u8> {
    let [first, second, last] = signatures;
    let (long, short) = ("a".repeat(65_536), "a".repeat(1024));
    format!(
        "10000;chunk-signature={first}\r\n{long}\r\n400;chunk-signature={second}\r\n{short}\r\n0;chunk-signature={last}\r\n{trailer}\r\n"
    )
    .into_bytes()
}

#[test]
fn the_published_chunked_upload() {
    let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let verified = verify(&example(None, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", seed)).expect("a valid signature");
    let body = example_body(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        "",
    );
    assert_eq!(body.len(), 66_824);
    let wire = Wire { form: verified.payload, signing: verified.chunks, bytes: body, decoded: vec![b'a'; 66_560] };
    for cuts in [&[][..], &[1, 87, 5000, 65_700], &[66_800]] {
        assert_eq!(wire.decode(&wire.bytes, cuts).expect("a good body"), wire.decoded);
    }
}

#[test]
fn the_published_chunked_upload_with_a_trailer() {
    let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
    let sha256 = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
    let verified = verify(&example(Some("x-amz-checksum-crc32c"), sha256, seed)).expect("a valid signature");
    let body = example_body(
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        "x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
    );
    let wire = Wire { form: verified.payload, signing: verified.chunks, bytes: body, decoded: vec![b'a'; 66_560] };
    assert_eq!(wire.decode(&wire.bytes, &[]).expect("a good body"), wire.decoded);
}
