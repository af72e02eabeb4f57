//! Bodies as streams: what arrives is what was sent, or the stream ends in an error.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use door_s3::auth::PayloadForm;
use door_s3::body::{BodyDecodeError, ChecksumOf, Intake, chunked_body, plain_body};
use futures_util::StreamExt;
use http::HeaderMap;
use http_body::Frame;
use pipeline::{ByteStream, ExpectedDigest};

use crate::chunks::wire;

/// A body of these pieces, at last perhaps an error of the connection's.
struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    breaks: bool,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Ready(match self.pieces.next() {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if self.breaks => Some(Err(std::io::ErrorKind::ConnectionReset.into())),
            None => None,
        })
    }
}

fn body(bytes: &[u8], size: usize, breaks: bool) -> Pieces {
    let pieces: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
    Pieces { pieces: pieces.into_iter(), breaks }
}

/// All bytes, and the code of the error at the end if there is one.
async fn read(mut stream: ByteStream) -> (Vec<u8>, Option<&'static str>) {
    let mut out = Vec::new();
    while let Some(item) = stream.next().await {
        match item {
            Ok(bytes) => out.extend(bytes),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                let error = error.0.downcast::<BodyDecodeError>().expect("the door's own error");
                return (out, Some(error.code().0));
            }
        }
    }
    assert!(stream.next().await.is_none(), "nothing follows the end");
    (out, None)
}

#[tokio::test]
async fn a_plain_body_has_the_announced_length_or_is_refused() {
    for (announced, code) in
        [(None, None), (Some(5), None), (Some(6), Some("IncompleteBody")), (Some(4), Some("IncompleteBody"))]
    {
        for size in [1, 3, 5] {
            let (bytes, found) = read(plain_body(body(b"hello", size, false), announced)).await;
            assert_eq!(found, code, "{announced:?} announced, pieces of {size}");
            assert!(found.is_some() || bytes == b"hello");
        }
    }
    assert_eq!(read(plain_body(body(b"", 1, false), Some(0))).await, (Vec::new(), None));
}

#[tokio::test]
async fn a_broken_connection_is_an_incomplete_body() {
    let (bytes, code) = read(plain_body(body(b"hello", 2, true), Some(5))).await;
    assert_eq!((bytes.as_slice(), code), (&b"hello"[..], Some("IncompleteBody")));
}

#[tokio::test]
async fn a_chunked_body_is_decoded_whatever_its_pieces_are() {
    for form in
        [PayloadForm::StreamingSigned, PayloadForm::StreamingSignedTrailer, PayloadForm::StreamingUnsignedTrailer]
    {
        let wire = wire(form, &[b"hello, ", b"world"]);
        for size in [1, 2, 3, 50, 10_000] {
            let (decoder, _) = wire.decoder();
            let read = read(chunked_body(body(&wire.bytes, size, false), decoder)).await;
            assert_eq!(read, (b"hello, world".to_vec(), None), "{form:?} in pieces of {size}");
        }
        let (decoder, _) = wire.decoder();
        let cut = &wire.bytes[..wire.bytes.len() - 1];
        assert_eq!(read(chunked_body(body(cut, 7, false), decoder)).await.1, Some("IncompleteBody"));
        let (decoder, value) = wire.decoder();
        let long = [&wire.bytes[..], b"x"].concat();
        assert_eq!(read(chunked_body(body(&long, 7, false), decoder)).await.1, Some("InvalidRequest"));
        drop(value);
    }
}

#[tokio::test]
async fn payload_bytes_are_not_copied() {
    let wire = wire(PayloadForm::StreamingSigned, &[b"hello"]);
    let bytes = Bytes::from(wire.bytes.clone());
    let range = bytes.as_ptr_range();
    let pieces = Pieces { pieces: vec![bytes.clone()].into_iter(), breaks: false };
    let data = chunked_body(pieces, wire.decoder().0).next().await.expect("data").expect("data");
    assert!(range.contains(&data.as_ptr()), "a slice of what came");
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value"))).collect()
}

#[tokio::test]
async fn an_intake_hands_the_trailer_to_whoever_compares_it() {
    let headers = headers(&[
        ("content-length", "60"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32c"),
        ("x-amz-sdk-checksum-algorithm", "CRC32C"),
    ]);
    let intake = Intake::read(&headers, PayloadForm::StreamingUnsignedTrailer, ChecksumOf::Body).expect("headers");
    assert_eq!(intake.size_bytes, Some(5));
    let wire = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n";
    let (bytes, code) = read(intake.stream(body(wire, 9, false), None)).await;
    assert_eq!((bytes.as_slice(), code), (&b"hello"[..], None));
    let [(_, ExpectedDigest::Trailer(value))] = &intake.digests.checksums[..] else {
        panic!("a trailer was announced")
    };
    assert_eq!(value.get().map(Vec::as_slice), Some(&[0xb0, 0xe3, 0xbc, 0xfd][..]));
}

#[tokio::test]
async fn an_intake_reads_a_plain_body_as_it_is() {
    let headers = headers(&[("content-length", "5"), ("content-encoding", "aws-chunked")]);
    let intake = Intake::read(&headers, PayloadForm::Unsigned, ChecksumOf::Body).expect("headers");
    assert_eq!(read(intake.stream(body(b"hello", 2, false), None)).await, (b"hello".to_vec(), None));
    assert_eq!(read(intake.stream(body(b"hell", 2, false), None)).await.1, Some("IncompleteBody"));
}
