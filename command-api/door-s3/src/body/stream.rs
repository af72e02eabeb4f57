//! Bodies as streams of the object's bytes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use pipeline::{BodyError, ByteStream};

use super::chunked::ChunkDecoder;
use super::error::BodyDecodeError;

/// A body as it is. With `announced_bytes` (Content-Length) any other number of bytes is an error.
pub fn plain_body<B>(body: B, announced_bytes: Option<u64>) -> ByteStream
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    stream(body, Form::Plain { announced_bytes, actual_bytes: 0 })
}

/// A body in aws-chunked form.
pub fn chunked_body<B>(body: B, decoder: ChunkDecoder) -> ByteStream
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    stream(body, Form::Chunked(Box::new(decoder)))
}

fn stream<B>(body: B, form: Form) -> ByteStream
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Box::pin(Decoded { body: Box::pin(body), input: Bytes::new(), form, ended: false })
}

enum Form {
    Plain { announced_bytes: Option<u64>, actual_bytes: u64 },
    Chunked(Box<ChunkDecoder>),
}

impl Form {
    fn next(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyDecodeError> {
        match self {
            Self::Chunked(decoder) => decoder.next(input),
            Self::Plain { .. } if input.is_empty() => Ok(None),
            Self::Plain { announced_bytes, actual_bytes } => {
                let data = std::mem::take(input);
                *actual_bytes += data.len() as u64;
                match *announced_bytes {
                    Some(announced) if *actual_bytes > announced => {
                        Err(BodyDecodeError::LengthMismatch { announced, actual: *actual_bytes })
                    }
                    _ => Ok(Some(data)),
                }
            }
        }
    }

    fn finish(&self) -> Result<(), BodyDecodeError> {
        match self {
            Self::Chunked(decoder) => decoder.finish(),
            Self::Plain { announced_bytes: Some(announced), actual_bytes } if actual_bytes < announced => {
                Err(BodyDecodeError::LengthMismatch { announced: *announced, actual: *actual_bytes })
            }
            Self::Plain { .. } => Ok(()),
        }
    }
}

struct Decoded<B> {
    body: Pin<Box<B>>,
    input: Bytes,
    form: Form,
    /// After the end or an error there is nothing more, however often one asks.
    ended: bool,
}

impl<B> Decoded<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyDecodeError>> {
        loop {
            if let Some(bytes) = self.form.next(&mut self.input)? {
                return Poll::Ready(Ok(Some(bytes)));
            }
            match ready!(self.body.as_mut().poll_frame(context)) {
                // A frame without data has HTTP's own trailers, which S3 does not use.
                Some(Ok(frame)) => self.input = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Err(BodyDecodeError::Transport(error.into()))),
                None => return Poll::Ready(self.form.finish().map(|()| None)),
            }
        }
    }
}

impl<B> Stream for Decoded<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let item = ready!(this.poll_bytes(context)).transpose();
        this.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item.map(|result| result.map_err(|error| BodyError(Box::new(error)))))
    }
}
