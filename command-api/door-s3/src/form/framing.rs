//! multipart/form-data: the fields before the file in memory, the file as a stream.
//!
//! Owns: the framing. Does not own: what a field means.
//! Invariants: at most [`FIELDS_BYTES_MAX`] and one frame of the body are held, whatever is sent; of the file nothing is. The
//! file's stream ends well only if the form does, so a form that breaks off stores nothing.
//!
//! Our own because a reader that takes whatever the connection has ready before it looks for a boundary, as the usual library
//! does, holds as much of a file as its sender can send at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use memchr::memmem::Finder;
use pipeline::BodyError;

use super::part::PartHead;
use crate::auth::{LengthRange, PolicyError};
use crate::errors::DoorError;

/// All of a form before its file, as S3 has it.
pub(crate) const FIELDS_BYTES_MAX: usize = 20 << 10;
/// What may follow a file: it is read and means nothing.
const EPILOGUE_BYTES_MAX: usize = 1 << 20;

/// A form as far as it was read.
pub(super) struct Form {
    /// Names and values in their order.
    pub(super) fields: Vec<(String, String)>,
    /// What the client calls the file.
    pub(super) file_name: String,
    /// The file. Not read yet.
    pub(super) file: FileContent,
}

/// Reads all fields before the file. What comes behind the file means nothing.
///
/// # Errors
/// The body is no form, has no file, breaks off, or its fields are too large.
pub(super) async fn read(body: Body, boundary: &str) -> Result<Form, DoorError> {
    let delimiter = format!("\r\n--{boundary}");
    // The first boundary has no line before it.
    let mut reader = Reader { body: body.into_data_stream(), buffer: BytesMut::from("\r\n"), taken_bytes: 0 };
    let mut fields = Vec::new();
    reader.until(delimiter.as_bytes()).await?;
    loop {
        if reader.is_end().await? {
            return Err(NO_FILE);
        }
        if !reader.until(b"\r\n").await?.iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(DoorError::MalformedPost);
        }
        let head = PartHead::parse(&reader.until(b"\r\n\r\n").await?).ok_or(DoorError::MalformedPost)?;
        if head.name.eq_ignore_ascii_case("file") {
            let file = FileContent::new(reader.body, reader.buffer.freeze(), delimiter);
            return Ok(Form { fields, file_name: head.file_name.unwrap_or_default(), file });
        }
        let value = reader.until(delimiter.as_bytes()).await?;
        let value = String::from_utf8(value.to_vec()).map_err(|_| DoorError::MalformedPost)?;
        fields.push((head.name, value));
    }
}

const NO_FILE: DoorError =
    DoorError::InvalidArgument { name: "file", reason: "POST requires exactly one file upload per request." };

struct Reader {
    body: BodyDataStream,
    buffer: BytesMut,
    taken_bytes: usize,
}

impl Reader {
    /// The bytes before `pattern`, which is taken away as well.
    async fn until(&mut self, pattern: &[u8]) -> Result<BytesMut, DoorError> {
        let finder = Finder::new(pattern);
        let mut searched = 0;
        loop {
            if let Some(at) = finder.find(&self.buffer[searched..]) {
                let piece = self.buffer.split_to(searched + at);
                self.buffer.advance(pattern.len());
                self.taken_bytes += piece.len() + pattern.len();
                return if self.taken_bytes > FIELDS_BYTES_MAX { Err(DoorError::FormTooLarge) } else { Ok(piece) };
            }
            searched = self.buffer.len().saturating_sub(pattern.len() - 1);
            if self.taken_bytes + self.buffer.len() > FIELDS_BYTES_MAX {
                return Err(DoorError::FormTooLarge);
            }
            self.more().await?;
        }
    }

    /// Whether `--` follows: then there is no further part.
    async fn is_end(&mut self) -> Result<bool, DoorError> {
        while self.buffer.len() < 2 {
            self.more().await?;
        }
        Ok(self.buffer.starts_with(b"--"))
    }

    async fn more(&mut self) -> Result<(), DoorError> {
        match self.body.next().await {
            Some(Ok(frame)) => {
                self.buffer.extend_from_slice(&frame);
                Ok(())
            }
            Some(Err(error)) if pipeline::limits::is_stalled(&error) => Err(DoorError::Stalled),
            Some(Err(_)) => Err(DoorError::IncompleteBody),
            None => Err(DoorError::MalformedPost),
        }
    }
}

/// Why the file's stream ended early. It travels in [`BodyError`], from which it can be downcast.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// The form breaks off or goes on as no form does.
    #[error("the form is not well-formed")]
    Malformed,
    /// The connection failed.
    #[error("the form could not be received")]
    Broken(#[source] axum::Error),
    /// The policy allows no file of this length.
    #[error(transparent)]
    Length(#[from] PolicyError),
}

/// The bytes of the file.
pub(super) struct FileContent {
    body: BodyDataStream,
    input: Bytes,
    delimiter: Vec<u8>,
    finder: Finder<'static>,
    /// Bytes of the delimiter that ended the last frame and may be one, or content.
    matched: usize,
    place: Place,
    length_bytes: u64,
    allowed: LengthRange,
}

enum Place {
    Content,
    /// Behind the delimiter: the two bytes that say whether it was one.
    Mark(Vec<u8>),
    Epilogue {
        left_bytes: usize,
    },
    Ended,
}

impl FileContent {
    fn new(body: BodyDataStream, input: Bytes, delimiter: String) -> Self {
        let finder = Finder::new(delimiter.as_bytes()).into_owned();
        let delimiter = delimiter.into_bytes();
        let (place, allowed) = (Place::Content, LengthRange::ANY);
        Self { body, input, delimiter, finder, matched: 0, place, length_bytes: 0, allowed }
    }

    /// The same that ends with an error if the file has another length.
    pub(super) fn within(self, allowed: LengthRange) -> Self {
        Self { allowed, ..self }
    }

    /// Takes something from the input, which is not empty. Content, if there was some.
    fn step(&mut self) -> Result<Option<Bytes>, FileError> {
        match &mut self.place {
            Place::Content => {
                let Some(content) = self.content() else { return Ok(None) };
                self.length_bytes += content.len() as u64;
                self.allowed.check_begun(self.length_bytes)?;
                return Ok(Some(content));
            }
            Place::Mark(mark) => {
                mark.push(self.input.get_u8());
                match mark.as_slice() {
                    [_] => {}
                    b"--" | b"\r\n" | [b' ' | b'\t', _] => {
                        self.allowed.check_whole(self.length_bytes)?;
                        self.place = Place::Epilogue { left_bytes: EPILOGUE_BYTES_MAX };
                    }
                    _ => return Err(FileError::Malformed),
                }
            }
            Place::Epilogue { left_bytes } => {
                *left_bytes = left_bytes.checked_sub(self.input.len()).ok_or(FileError::Malformed)?;
                self.input.clear();
            }
            Place::Ended => self.input.clear(),
        }
        Ok(None)
    }

    /// What of the input is content for certain.
    fn content(&mut self) -> Option<Bytes> {
        if self.matched > 0 {
            let wanted = &self.delimiter[self.matched..];
            let common = wanted.len().min(self.input.len());
            if self.input[..common] != wanted[..common] {
                // A delimiter begins with the only carriage return in it, so none begins within what was held back.
                let held = self.delimiter[..std::mem::take(&mut self.matched)].to_vec();
                return Some(held.into());
            }
            self.input.advance(common);
            self.matched += common;
            if self.matched == self.delimiter.len() {
                self.place = Place::Mark(Vec::new());
            }
            return None;
        }
        let content = if let Some(at) = self.finder.find(&self.input) {
            let content = self.input.split_to(at);
            self.input.advance(self.delimiter.len());
            self.place = Place::Mark(Vec::new());
            content
        } else {
            let from = self.input.len().saturating_sub(self.delimiter.len() - 1);
            let begun = self.input[from..].iter().rposition(|byte| *byte == b'\r').map(|at| from + at);
            let begun = begun.filter(|at| self.delimiter.starts_with(&self.input[*at..]));
            self.matched = begun.map_or(0, |at| self.input.len() - at);
            let content = self.input.split_to(self.input.len() - self.matched);
            self.input.clear();
            content
        };
        Some(content).filter(|content| !content.is_empty())
    }

    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, FileError>> {
        loop {
            while !self.input.is_empty() {
                if let Some(content) = self.step()? {
                    return Poll::Ready(Ok(Some(content)));
                }
            }
            match ready!(self.body.poll_next_unpin(context)) {
                Some(Ok(frame)) => self.input = frame,
                Some(Err(error)) => return Poll::Ready(Err(FileError::Broken(error))),
                None if matches!(self.place, Place::Epilogue { .. }) => return Poll::Ready(Ok(None)),
                None => return Poll::Ready(Err(FileError::Malformed)),
            }
        }
    }
}

impl Stream for FileContent {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if matches!(this.place, Place::Ended) {
            return Poll::Ready(None);
        }
        let item = ready!(this.poll_bytes(context)).transpose();
        if !matches!(item, Some(Ok(_))) {
            this.place = Place::Ended;
        }
        Poll::Ready(item.map(|result| result.map_err(|error| BodyError(Box::new(error)))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body in frames of at most `size` bytes.
    fn frames(body: &[u8], size: usize) -> Body {
        let frames: Vec<_> = body.chunks(size.max(1)).map(|frame| Ok::<_, BodyError>(frame.to_vec())).collect();
        Body::from_stream(futures_util::stream::iter(frames))
    }

    fn form(fields: &[(&str, &str)], file: &[u8], end: &str) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        body.extend_from_slice(b"--x\r\nContent-Disposition: form-data; name=\"File\"; filename=\"f\"\r\n\r\n");
        body.extend_from_slice(file);
        body.extend_from_slice(end.as_bytes());
        body
    }

    async fn whole(mut file: FileContent) -> Result<Vec<u8>, FileError> {
        let mut out = Vec::new();
        while let Some(piece) = file.next().await {
            match piece {
                Ok(piece) => out.extend_from_slice(&piece),
                Err(error) => {
                    assert!(file.next().await.is_none(), "nothing follows an error");
                    return Err(*error.0.downcast::<FileError>().expect("a file's error"));
                }
            }
        }
        Ok(out)
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    proptest! {
        #[test]
        fn a_form_reads_back_however_it_is_cut(
            file in proptest::collection::vec(prop_oneof![
                Just(b"\r".to_vec()), Just(b"\r\n".to_vec()), Just(b"\r\n--".to_vec()), Just(b"\r\n-x".to_vec()),
                Just(b"--x".to_vec()), Just(b"\n--x\r".to_vec()), proptest::collection::vec(any::<u8>(), 0..9),
            ], 0..12).prop_map(|pieces| pieces.concat()),
            size in 1_usize..40,
        ) {
            prop_assume!(memchr::memmem::find(&[b"\r\n", file.as_slice()].concat(), b"\r\n--x").is_none());
            let body = form(&[("key", "a\r\nb"), ("acl", "")], &file, "\r\n--x--\r\n");
            now(async {
                let form = read(frames(&body, size), "x").await.expect("a form");
                let pairs = [("key".to_owned(), "a\r\nb".to_owned()), ("acl".to_owned(), String::new())];
                assert_eq!((form.fields.as_slice(), form.file_name.as_str()), (pairs.as_slice(), "f"));
                assert_eq!(whole(form.file).await.expect("a file"), file);
            });
        }

        #[test]
        fn no_bytes_make_the_reader_panic(body: Vec<u8>, size in 1_usize..40) {
            now(async {
                if let Ok(form) = read(frames(&body, size), "x").await {
                    let _ = whole(form.file).await;
                }
            });
        }
    }

    #[test]
    fn a_form_that_breaks_off_anywhere_has_no_file() {
        let body = form(&[("key", "k")], b"content", "\r\n--x--\r\n");
        let complete = body.len() - 2;
        for end in 0..complete {
            let stored = now(async {
                let form = read(frames(&body[..end], 7), "x").await.map_err(drop)?;
                whole(form.file).await.map_err(drop)
            });
            assert_eq!(stored, Err(()), "cut at {end}");
        }
        assert_eq!(
            now(async { whole(read(frames(&body[..complete], 7), "x").await?.file).await.map_err(|_| NO_FILE) }),
            Ok(b"content".to_vec())
        );
    }

    #[test]
    fn what_follows_the_file_means_nothing_but_must_be_a_form() {
        let ended = |end: &str| {
            now(async { whole(read(frames(&form(&[], b"f", end), 50), "x").await.expect("a form").file).await })
        };
        for end in
            ["\r\n--x--", "\r\n--x--\r\nepilogue", "\r\n--x \r\nanything", "\r\n--x\r\nContent-Disposition: form-data"]
        {
            assert_eq!(ended(end).expect("a file"), b"f", "{end}");
        }
        let long = format!("\r\n--x--{}", "e".repeat(EPILOGUE_BYTES_MAX + 1));
        for end in ["", "\r\n", "\r\n--x", "\r\n--x-", "\r\n--xy", "\n--x--", &long] {
            assert!(matches!(ended(end), Err(FileError::Malformed)), "{:.20}", end);
        }
    }

    #[test]
    fn the_fields_are_bounded_and_the_file_is_not() {
        let code = |body: Vec<u8>| now(async { read(frames(&body, 1000), "x").await.err() });
        let value = "v".repeat(FIELDS_BYTES_MAX - 200);
        assert_eq!(code(form(&[("k", &value)], b"", "\r\n--x--")), None);
        assert_eq!(
            code(form(&[("k", &value), ("l", &"v".repeat(200))], b"", "\r\n--x--")),
            Some(DoorError::FormTooLarge)
        );
        assert_eq!(code(vec![b'-'; 1 << 20]), Some(DoorError::FormTooLarge));
        assert_eq!(code(form(&[("k", &"v".repeat(1 << 20))], b"", "")), Some(DoorError::FormTooLarge));
        let large = vec![b'\r'; 1 << 20];
        let form = form(&[], &large, "\r\n--x--");
        assert_eq!(
            now(async { whole(read(frames(&form, 999), "x").await.expect("a form").file).await.expect("a file") }),
            large
        );
    }

    #[test]
    fn the_length_of_the_file_is_checked_on_its_way() {
        let ended = |least, most| {
            let body = form(&[], &[b'f'; 100], "\r\n--x--");
            now(async {
                whole(read(frames(&body, 10), "x").await.expect("a form").file.within(LengthRange { least, most }))
                    .await
            })
        };
        assert!(ended(100, 100).is_ok());
        let too_large = ended(0, 15).expect_err("too large");
        assert!(matches!(too_large, FileError::Length(PolicyError::EntityTooLarge { proposed: 16..=30, most: 15 })));
        let too_small = ended(101, 200).expect_err("too small");
        assert!(matches!(too_small, FileError::Length(PolicyError::EntityTooSmall { proposed: 100, least: 101 })));
    }

    #[test]
    fn what_is_no_form() {
        for (body, expected) in [
            ("", DoorError::MalformedPost),
            ("key=k", DoorError::MalformedPost),
            ("--x--", NO_FILE),
            ("--x--\r\n", NO_FILE),
            ("preamble\r\n--x--", NO_FILE),
            ("--xy\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n\r\n--x--", DoorError::MalformedPost),
            ("--x\r\nContent-Type: text/plain\r\n\r\nf\r\n--x--", DoorError::MalformedPost),
            ("--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--x--", NO_FILE),
        ] {
            assert_eq!(now(read(Body::from(body), "x")).err(), Some(expected), "{body}");
        }
        let latin = b"--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n\xff\r\n--x--";
        assert_eq!(now(read(Body::from(&latin[..]), "x")).err(), Some(DoorError::MalformedPost));
    }
}
