//! A small S3 client: one connection, blocking, HTTP/1.1 keep-alive, SigV4 in headers. Written from the AWS page "Create a
//! signed AWS API request", independent of the server's own code.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// An access key and its secret.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Access key id.
    pub access_key: String,
    /// Secret.
    pub secret: String,
}

/// One keep-alive connection.
pub struct Connection {
    address: SocketAddr,
    credentials: Credentials,
    stream: Option<BufReader<TcpStream>>,
    /// Signing key of a day.
    key: Option<(String, [u8; 32])>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// This answer, if its status is a success.
    ///
    /// # Errors
    /// Any other status, with the body.
    pub fn ok(self) -> Result<Self> {
        if (200..300).contains(&self.status) { Ok(self) } else { bail!("status {}: {}", self.status, self.text()) }
    }
}

/// Percent-encodes a path as AWS does, slashes kept.
#[must_use]
pub fn encode_path(path: &str) -> String {
    encode(path, true)
}

fn encode(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// `yyyymmddThhmmssZ` of now (civil-from-days, Howard Hinnant's algorithm).
#[expect(clippy::disallowed_methods, reason = "a client signs with the time there is")]
#[must_use]
pub fn timestamp() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, seconds) = (since / 86_400 + 719_468, since % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

impl Connection {
    /// A connection that is opened at the first request.
    #[must_use]
    pub fn new(address: SocketAddr, credentials: Credentials) -> Self {
        Self { address, credentials, stream: None, key: None }
    }

    /// PutObject with an unsigned payload, as SDKs do over TLS.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn put(&mut self, path: &str, body: &[u8]) -> Result<Answer> {
        self.request("PUT", path, &[], &[], body)
    }

    /// GetObject.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, &[], &[], b"")
    }

    /// DeleteObject.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn delete(&mut self, path: &str) -> Result<Answer> {
        self.request("DELETE", path, &[], &[], b"")
    }

    /// A PUT that announces more bytes than it sends, and then waits: what the server answers.
    ///
    /// # Errors
    /// When the connection breaks without an answer.
    pub fn unfinished_put(&mut self, path: &str, announced: usize, body: &[u8]) -> Result<Answer> {
        let head = self.head("PUT", path, &[], &[], announced);
        let answer = self.exchange("PUT", head.as_bytes(), body);
        self.stream = None;
        answer
    }

    /// The same, from a client that goes away.
    ///
    /// # Errors
    /// When the connection breaks before.
    pub fn abandoned_put(&self, path: &str, announced: usize, body: &[u8]) -> Result<()> {
        let head = Self::new(self.address, self.credentials.clone()).head("PUT", path, &[], &[], announced);
        let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
        stream.write_all(&[head.as_bytes(), body].concat())?;
        Ok(())
    }

    /// A request without credentials.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn plain(&mut self, method: &str, path: &str) -> Result<Answer> {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: 0\r\n\r\n", self.address);
        self.exchange(method, head.as_bytes(), b"")
    }

    /// A signed request. `path` begins with `/` and is encoded here; `headers` are signed too.
    ///
    /// # Errors
    /// When the connection breaks or the answer is no HTTP.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let head = self.head(method, path, query, headers, body.len());
        self.exchange(method, head.as_bytes(), body)
    }

    /// The signed head of a request.
    fn head(
        &mut self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        length: usize,
    ) -> String {
        let (path, host, time) = (encode_path(path), self.address.to_string(), timestamp());
        let mut query: Vec<String> =
            query.iter().map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false))).collect();
        query.sort();
        let query = query.join("&");
        let payload = "UNSIGNED-PAYLOAD";
        let mut signed: Vec<(String, &str)> = vec![
            ("host".to_owned(), host.as_str()),
            ("x-amz-content-sha256".to_owned(), payload),
            ("x-amz-date".to_owned(), time.as_str()),
        ];
        signed.extend(headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)));
        signed.sort();
        let names = signed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
        let lines: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
        let (day, scope) = (&time[..8], format!("{}/us-east-1/s3/aws4_request", &time[..8]));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let signature = hex::encode(mac(&self.signing_key(day), text.as_bytes()));
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        for (name, value) in &signed {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let credential = format!("{}/{scope}", self.credentials.access_key);
        head.push_str(&format!(
            "authorization: AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}\r\n\
             content-length: {}\r\n\r\n",
            length
        ));
        head
    }

    fn signing_key(&mut self, day: &str) -> [u8; 32] {
        if let Some((known, key)) = &self.key
            && known == day
        {
            return *key;
        }
        let key = mac(format!("AWS4{}", self.credentials.secret).as_bytes(), day.as_bytes());
        let key = mac(&mac(&mac(&key, b"us-east-1"), b"s3"), b"aws4_request");
        self.key = Some((day.to_owned(), key));
        key
    }

    fn exchange(&mut self, method: &str, head: &[u8], body: &[u8]) -> Result<Answer> {
        let answer = self.exchange_once(method, head, body);
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn exchange_once(&mut self, method: &str, head: &[u8], body: &[u8]) -> Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(120)))?;
            self.stream = Some(BufReader::with_capacity(64 << 10, stream));
        }
        let stream = self.stream.as_mut().context("connected")?;
        if body.len() <= 64 << 10 {
            // One segment for head and body: a client that writes twice waits for nothing, but costs a packet more.
            stream.get_mut().write_all(&[head, body].concat())?;
        } else {
            stream.get_mut().write_all(head)?;
            stream.get_mut().write_all(body)?;
        }
        let (status, headers) = loop {
            let (status, headers) = read_head(stream)?;
            if status >= 200 {
                break (status, headers);
            }
        };
        let header = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let mut answer_body = Vec::new();
        let bodiless = method == "HEAD" || status == 204 || status == 304;
        if !bodiless && header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            read_chunks(stream, &mut answer_body)?;
        } else if !bodiless {
            let length: usize = header("content-length").context("content-length")?.parse()?;
            answer_body.resize(length, 0);
            stream.read_exact(&mut answer_body)?;
        }
        if header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.stream = None;
        }
        Ok(Answer { status, headers, body: answer_body })
    }
}

fn read_line(stream: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        bail!("the connection was closed");
    }
    Ok(line.trim_end().to_owned())
}

fn read_head(stream: &mut impl BufRead) -> Result<(u16, Vec<(String, String)>)> {
    let line = read_line(stream)?;
    let status = line.split(' ').nth(1).context("a status line")?.parse()?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').context("a header")?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

fn read_chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let line = read_line(stream)?;
        let length = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16)?;
        let start = body.len();
        body.resize(start + length, 0);
        stream.read_exact(&mut body[start..])?;
        read_line(stream)?;
        if length == 0 {
            return Ok(());
        }
    }
}
