//! A signing client that costs little: SigV4 in headers, keep-alive, one write for head and small body, nothing kept.
//!
//! Its CPU is measured beside the server's, so that it is known what of a shared machine the client took.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use hmac::{Hmac, KeyInit, Mac};
use holdfast_tests::Credentials;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bodies repeat this many bytes, each time with another stamp: a blob of the server's, so that none equals another.
const BLOCK_BYTES: usize = 4 << 20;
const STAMP_BYTES: usize = 16;
const ONE_WRITE_BYTES_MAX: usize = 64 << 10;

/// What all connections share.
pub(crate) struct Shared {
    address: SocketAddr,
    host: String,
    access_key: String,
    day: String,
    time: String,
    key: [u8; 32],
    block: Vec<u8>,
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

impl Shared {
    pub(crate) fn new(address: SocketAddr, credentials: &Credentials) -> Self {
        let time = holdfast_tests::timestamp();
        let day = time[..8].to_owned();
        let key = mac(format!("AWS4{}", credentials.secret).as_bytes(), day.as_bytes());
        let key = mac(&mac(&mac(&key, b"us-east-1"), b"s3"), b"aws4_request");
        Self {
            address,
            host: address.to_string(),
            access_key: credentials.access_key.clone(),
            day,
            // Good for a quarter of an hour.
            time,
            key,
            block: holdfast_tests::incompressible(7, BLOCK_BYTES),
        }
    }

    /// The head of a request with an unsigned payload. `path` needs no encoding.
    fn head(&self, method: &str, path: &str, length: usize) -> Vec<u8> {
        const NAMES: &str = "host;x-amz-content-sha256;x-amz-date";
        let Self { host, access_key, day, time, key, .. } = self;
        let canonical = format!(
            "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:{time}\n\n{NAMES}\n\
             UNSIGNED-PAYLOAD"
        );
        let digest = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{day}/us-east-1/s3/aws4_request\n{digest}");
        let signature = hex::encode(mac(key, text.as_bytes()));
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: {time}\r\n\
             authorization: AWS4-HMAC-SHA256 Credential={access_key}/{day}/us-east-1/s3/aws4_request, \
             SignedHeaders={NAMES}, Signature={signature}\r\ncontent-length: {length}\r\n\r\n"
        )
        .into_bytes()
    }
}

/// One keep-alive connection.
pub(crate) struct Client<'a> {
    shared: &'a Shared,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl<'a> Client<'a> {
    pub(crate) async fn connect(shared: &'a Shared) -> Result<Self> {
        let stream = TcpStream::connect(shared.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { shared, stream, buffer: vec![0; 256 << 10] })
    }

    /// Puts `size` incompressible bytes that no other stamp has.
    pub(crate) async fn put(&mut self, path: &str, size: usize, stamp: u64) -> Result<()> {
        let mut head = self.shared.head("PUT", path, size);
        let mut left = size;
        let mut number = 0_u64;
        while left > 0 {
            let bytes = left.min(BLOCK_BYTES);
            let mut front = [0; STAMP_BYTES];
            front[..8].copy_from_slice(&stamp.to_le_bytes());
            front[8..].copy_from_slice(&number.to_le_bytes());
            let stamped = bytes.min(STAMP_BYTES);
            head.extend_from_slice(&front[..stamped]);
            let rest = &self.shared.block[stamped..bytes];
            if bytes <= ONE_WRITE_BYTES_MAX {
                head.extend_from_slice(rest);
                self.stream.write_all(&head).await?;
            } else {
                self.stream.write_all(&head).await?;
                self.stream.write_all(rest).await?;
            }
            head.clear();
            left -= bytes;
            number += 1;
        }
        self.answer(0).await
    }

    /// Gets `size` bytes and drops them.
    pub(crate) async fn get(&mut self, path: &str, size: usize) -> Result<()> {
        let head = self.shared.head("GET", path, 0);
        self.stream.write_all(&head).await?;
        self.answer(size).await
    }

    async fn answer(&mut self, expected: usize) -> Result<()> {
        let mut filled = 0;
        let (head, length) = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            if read == 0 {
                bail!("the connection was closed");
            }
            filled += read;
            if let Some(end) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                let text = std::str::from_utf8(&self.buffer[..end])?;
                let length = text.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
                });
                let length = length.context("a length")??;
                if !text.starts_with("HTTP/1.1 200") || length != expected {
                    bail!(
                        "answered {length} bytes, expected {expected}: {}",
                        String::from_utf8_lossy(&self.buffer[..filled])
                    );
                }
                break (end + 4, length);
            }
        };
        let mut left = length - (filled - head);
        while left > 0 {
            let most = left.min(self.buffer.len());
            let read = self.stream.read(&mut self.buffer[..most]).await?;
            if read == 0 {
                bail!("the connection was closed");
            }
            left -= read;
        }
        Ok(())
    }
}
