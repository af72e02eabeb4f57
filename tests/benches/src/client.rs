//! A signing client that costs little: keep-alive, one write for head and small body, nothing kept that nobody asked for.
//!
//! Its CPU is measured beside the server's, so that it is known what of a shared machine the client took.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use holdfast_tests::{Credentials, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::body::Source;
use crate::signing::{Request, Signer};

/// At most so much of a body is made and written at once.
const WRITE_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 256 << 10;

/// What all connections of a thread share.
pub(crate) struct Shared {
    address: SocketAddr,
    signer: Signer,
    source: Source,
}

impl Shared {
    /// For a server of ours.
    pub(crate) fn of(server: &Server) -> Self {
        Self::at(server.address, server.address.to_string(), "us-east-1", &server.credentials())
    }

    pub(crate) fn at(address: SocketAddr, host: String, region: &str, credentials: &Credentials) -> Self {
        Self { address, signer: Signer::new(host, region, credentials), source: Source::new() }
    }
}

/// What is sent behind the head.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    Nothing,
    Text(&'a str),
    /// Of a [`Source`]; `from` is a multiple of 4 KiB.
    Stamped {
        stamp: u64,
        from: u64,
        bytes: u64,
    },
}

impl Body<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Text(text) => text.len() as u64,
            Self::Stamped { bytes, .. } => *bytes,
        }
    }
}

/// What of an answer somebody needs. The body of one that is no success is kept either way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Nothing,
    Etag,
    Text,
}

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Of the body, kept or not.
    pub(crate) bytes: u64,
    pub(crate) etag: String,
    pub(crate) text: String,
}

/// One keep-alive connection, made anew where it broke.
pub(crate) struct Client<'a> {
    shared: &'a Shared,
    stream: Option<TcpStream>,
    out: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'a> Client<'a> {
    /// One that connects at its first request.
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared, stream: None, out: Vec::new(), buffer: vec![0; READ_BYTES] }
    }

    pub(crate) async fn connect(shared: &'a Shared) -> Result<Self> {
        let mut client = Self::new(shared);
        client.reconnect().await?;
        Ok(client)
    }

    pub(crate) async fn reconnect(&mut self) -> Result<()> {
        self.stream = Some(self.stream().await?);
        Ok(())
    }

    /// Puts `size` incompressible bytes that no other stamp has.
    pub(crate) async fn put(&mut self, path: &str, size: usize, stamp: u64) -> Result<()> {
        let body = Body::Stamped { stamp, from: 0, bytes: size as u64 };
        let answer = self.send(&Request::new("PUT", path), body, Keep::Nothing).await?;
        ensure!(answer.status == 200, "answered {}: {}", answer.status, answer.text);
        Ok(())
    }

    /// Gets `size` bytes and drops them.
    pub(crate) async fn get(&mut self, path: &str, size: usize) -> Result<()> {
        let answer = self.send(&Request::new("GET", path), Body::Nothing, Keep::Nothing).await?;
        let Answer { status, bytes, text, .. } = answer;
        ensure!(status == 200 && bytes == size as u64, "answered {status}, {bytes} bytes, not {size}: {text}");
        Ok(())
    }

    /// Sends a request and reads its answer, whatever its status. An error is a connection that broke.
    pub(crate) async fn send(&mut self, request: &Request<'_>, body: Body<'_>, keep: Keep) -> Result<Answer> {
        let mut stream = self.stream().await?;
        let written = self.write(&mut stream, request, body).await;
        // A server may refuse before it has read all, and then closes: what it said is worth more than that it did.
        let answer = self.read(&mut stream, request.method == "HEAD", keep).await;
        match (written, answer) {
            (Ok(()), Ok((answer, true))) => {
                self.stream = Some(stream);
                Ok(answer)
            }
            (_, Ok((answer, _))) => Ok(answer),
            (Err(error), Err(_)) | (Ok(()), Err(error)) => Err(error),
        }
    }

    /// The connection, taken: it is put back by whoever leaves it in a state to go on with.
    async fn stream(&mut self) -> Result<TcpStream> {
        if let Some(stream) = self.stream.take() {
            return Ok(stream);
        }
        let stream = TcpStream::connect(self.shared.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn write(&mut self, stream: &mut TcpStream, request: &Request<'_>, body: Body<'_>) -> Result<()> {
        self.out.clear();
        self.shared.signer.head(request, body.bytes(), &mut self.out);
        match body {
            Body::Nothing => {}
            Body::Text(text) => self.out.extend_from_slice(text.as_bytes()),
            Body::Stamped { stamp, from, bytes } => {
                let mut sent = 0;
                while sent < bytes {
                    if sent > 0 {
                        self.out.clear();
                    }
                    let length = (bytes - sent).min(WRITE_BYTES as u64);
                    self.shared.source.append(stamp, from + sent, length as usize, &mut self.out);
                    sent += length;
                    if sent < bytes {
                        stream.write_all(&self.out).await?;
                    }
                }
            }
        }
        stream.write_all(&self.out).await.context("writing")
    }

    /// The answer, and whether the connection can be used again.
    async fn read(&mut self, stream: &mut TcpStream, bodiless: bool, keep: Keep) -> Result<(Answer, bool)> {
        let (mut filled, mut begin) = (0, 0);
        let head = loop {
            let window = &self.buffer[begin..filled];
            if let Some(at) = window.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = Head::parse(std::str::from_utf8(&window[..at])?, keep == Keep::Etag)?;
                begin += at + 4;
                if head.status >= 200 {
                    break head;
                }
                continue;
            }
            ensure!(filled < self.buffer.len(), "a head of more than {READ_BYTES} bytes");
            let read = stream.read(&mut self.buffer[filled..]).await.context("reading")?;
            ensure!(read > 0, "the connection was closed");
            filled += read;
        };
        let keeps = keep == Keep::Text || head.status >= 300;
        let mut answer = Answer { status: head.status, etag: head.etag, ..Answer::default() };
        if bodiless || matches!(head.status, 204 | 304) {
            return Ok((answer, !head.closes));
        }
        let mut text = Vec::new();
        match head.length {
            Length::Known(length) => {
                answer.bytes = length;
                if keeps {
                    text.extend_from_slice(&self.buffer[begin..filled]);
                }
                let mut left = length - (filled - begin) as u64;
                while left > 0 {
                    let most = left.min(self.buffer.len() as u64) as usize;
                    let read = stream.read(&mut self.buffer[..most]).await.context("reading")?;
                    ensure!(read > 0, "the connection was closed");
                    if keeps {
                        text.extend_from_slice(&self.buffer[..read]);
                    }
                    left -= read as u64;
                }
            }
            Length::Chunked => {
                text = chunked(stream, self.buffer[begin..filled].to_vec()).await?;
                answer.bytes = text.len() as u64;
            }
        }
        if keeps {
            answer.text = String::from_utf8_lossy(&text).into_owned();
        }
        Ok((answer, !head.closes))
    }
}

enum Length {
    Known(u64),
    Chunked,
}

struct Head {
    status: u16,
    length: Length,
    etag: String,
    closes: bool,
}

impl Head {
    fn parse(text: &str, with_etag: bool) -> Result<Self> {
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first.split(' ').nth(1).with_context(|| format!("a status in {first:?}"))?.parse()?;
        let mut head = Self { status, length: Length::Known(0), etag: String::new(), closes: false };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else { bail!("no header: {line:?}") };
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                head.length = Length::Known(value.parse()?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
                head.length = Length::Chunked;
            } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
                head.closes = true;
            } else if with_etag && name.eq_ignore_ascii_case("etag") {
                value.clone_into(&mut head.etag);
            }
        }
        Ok(head)
    }
}

/// A body in chunks: what was read of it, and the rest.
async fn chunked(stream: &mut TcpStream, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = loop {
            match bytes[at..].windows(2).position(|two| two == b"\r\n") {
                Some(end) => break end,
                None => ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection was closed"),
            }
        };
        let text = std::str::from_utf8(&bytes[at..at + line])?;
        let length = usize::from_str_radix(text.split(';').next().unwrap_or_default().trim(), 16)?;
        at += line + 2;
        while bytes.len() < at + length + 2 {
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection was closed");
        }
        body.extend_from_slice(&bytes[at..at + length]);
        at += length + 2;
        if length == 0 {
            return Ok(body);
        }
    }
}
