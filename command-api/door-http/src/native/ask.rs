//! A request, understood as far as every operation needs it.
//!
//! Owns: who, which bucket, which key, the body and its bounds. Does not own: what an operation reads of headers and query.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Version};
use pipeline::audit::Trace;
use pipeline::{BodyError, ByteStream, Caller, Circumstances, ObjectVersion, Said};
use schemas::{BucketName, CommandId, NameError, ObjectKey, RequestId, UploadId, VersionId};
use serde::de::DeserializeOwned;

use crate::operation::Values;
use crate::problem::Problem;
use crate::query::Query;
use crate::request::{Options, source};

/// Most bytes of a JSON body, where an operation says nothing else.
const JSON_BYTES_MAX: usize = 1 << 20;
/// How long a JSON body may take.
const JSON_TIME_MAX: Duration = Duration::from_secs(60);
/// Before the id of an upload, so that no key looks like one by accident.
const UPLOAD_PREFIX: &str = "mpu_";

/// How a request came.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    pub(super) request: RequestId,
    pub(super) source: Option<IpAddr>,
    /// Whether by TLS, as far as it is known: the operator says that clients come so, to a proxy before this server, and the
    /// proxy says that this one did.
    pub(super) secure: bool,
    /// Where what is found out of it goes.
    pub(super) trace: Trace,
}

impl Visit {
    pub(super) fn of(parts: &Parts, options: &Options, request: RequestId, trace: Trace) -> Self {
        let public = options.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
        let forwarded = parts.headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
        let secure = public && forwarded.is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        Self { request, source: source(&parts.extensions), secure, trace }
    }

    /// What policies may ask of the request.
    pub(super) fn circumstances(&self, words: &Arc<Words>) -> Circumstances {
        let said: Arc<dyn Said> = words.clone();
        Circumstances { secure: self.secure, said: Some(said), ..Circumstances::default() }
    }
}

/// Whether a request says how long its body is. One of HTTP/1.1 that does not has none, and a client that forgot to say so would
/// store nothing.
pub(super) fn is_framed(parts: &Parts) -> bool {
    let headers = &parts.headers;
    headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) || parts.version >= Version::HTTP_2
}

/// What a request says. Its caller carries it too: policies ask for it.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) headers: HeaderMap,
    pub(super) query: Query,
    /// Headers and parameters that the operation takes notice of.
    pub(super) heard: Vec<&'static str>,
}

impl Words {
    pub(super) fn hears(&self, name: &str) -> bool {
        self.heard.iter().any(|heard| heard.eq_ignore_ascii_case(name))
    }
}

/// Policies are written in S3's words. Headers and parameters that the operation takes no notice of are not said by a request of
/// it, whatever they are called: a condition on them would otherwise be met by what has no effect.
impl Said for Words {
    fn header(&self, name: &str) -> Option<String> {
        let of_conditions = ["if-match", "if-none-match"].contains(&name) && self.hears(name);
        if !of_conditions && !["referer", "user-agent"].contains(&name) {
            return None;
        }
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let values: Vec<String> = self.headers.get_all(name).iter().map(text).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    fn query(&self, name: &str) -> Option<String> {
        let name = if name == "max-keys" { "maxKeys" } else { name };
        self.query.first(name).filter(|_| self.hears(name)).map(str::to_owned)
    }
}

/// A request.
pub(super) struct Ask {
    caller: Option<Caller>,
    pub(super) visit: Visit,
    pub(super) values: Values,
    pub(super) words: Arc<Words>,
    /// What the log knows the request by, where a repetition of it would make something new.
    pub(super) command: Option<CommandId>,
    body: Body,
    framed: bool,
}

/// The body of an object or part.
pub(super) struct Opened {
    pub(super) stream: ByteStream,
    /// As announced.
    pub(super) size_bytes: Option<u64>,
}

/// A body went on beyond its bound.
#[derive(Debug, thiserror::Error)]
#[error("the body is too large")]
pub(crate) struct BodyTooLarge {
    pub(crate) bound_bytes: u64,
}

impl Ask {
    pub(super) fn new(
        caller: Option<Caller>,
        visit: Visit,
        values: Values,
        words: Arc<Words>,
        body: Body,
        framed: bool,
    ) -> Self {
        Self { caller, visit, values, words, command: None, body, framed }
    }

    /// The same request, asked by somebody.
    pub(super) fn by(self, caller: Caller) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// Who asks.
    ///
    /// # Errors
    /// Nobody does: without a caller nothing is done.
    pub(super) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(unauthorized)
    }

    /// # Errors
    /// A name that none can have.
    pub(super) fn bucket(&self) -> Result<BucketName, Problem> {
        bucket_name(self.values.get("bucket"))
    }

    /// # Errors
    /// No key, or one that is too long.
    pub(super) fn key(&self) -> Result<ObjectKey, Problem> {
        object_key(self.values.get("key"))
    }

    /// `versionId`.
    ///
    /// # Errors
    /// One that is none.
    pub(super) fn version(&self) -> Result<Option<VersionId>, Problem> {
        self.words.query.get("versionId")?.map(version_id).transpose()
    }

    /// # Errors
    /// See [`Ask::bucket`], [`Ask::key`] and [`Ask::version`].
    pub(super) fn object_version(&self) -> Result<ObjectVersion, Problem> {
        Ok(ObjectVersion { bucket: self.bucket()?, key: self.key()?, version: self.version()? })
    }

    /// The upload of the path. What cannot be an id of ours is no upload.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn upload(&self) -> Result<UploadId, Problem> {
        upload_id(self.values.get("uploadId")).ok_or_else(Problem::not_found)
    }

    /// A header's value, once.
    ///
    /// # Errors
    /// It is there twice, or no text.
    pub(super) fn header(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.words.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let text = std::str::from_utf8(value.as_bytes()).map(str::trim);
        match (text, values.next()) {
            (Ok(text), None) => Ok(Some(text)),
            (Err(_), _) => Err(Problem::invalid(format!("the header `{name}` is not text"))),
            (_, Some(_)) => Err(Problem::invalid(format!("the header `{name}` is there twice"))),
        }
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// It is too long, no JSON, or does not say what it should.
    pub(super) async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        self.json_within(JSON_BYTES_MAX).await
    }

    /// The same within another bound.
    ///
    /// # Errors
    /// See [`Ask::json`].
    pub(super) async fn json_within<T: DeserializeOwned>(&mut self, bytes_max: usize) -> Result<T, Problem> {
        crate::json::read(&self.bytes(bytes_max).await?)
    }

    /// Reads a body that an operation will read, too.
    ///
    /// # Errors
    /// It is too long, or breaks off.
    pub(super) async fn buffer(&mut self, bytes_max: usize) -> Result<Bytes, Problem> {
        let whole = self.bytes(bytes_max).await?;
        self.body = Body::from(whole.clone());
        Ok(whole)
    }

    /// The whole body.
    ///
    /// # Errors
    /// It is too long, or breaks off.
    pub(super) async fn bytes(&mut self, bytes_max: usize) -> Result<Bytes, Problem> {
        let bound_bytes = bytes_max as u64;
        if self.announced()?.is_some_and(|announced| announced > bound_bytes) {
            return Err(Problem::payload_too_large(bound_bytes));
        }
        let mut pieces = std::mem::take(&mut self.body).into_data_stream();
        let read = async {
            let mut whole = BytesMut::new();
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|_| Problem::invalid("the body is incomplete"))?;
                if whole.len() + piece.len() > bytes_max {
                    return Err(Problem::payload_too_large(bound_bytes));
                }
                whole.extend_from_slice(&piece);
            }
            Ok(whole.freeze())
        };
        // A body that never stops for long may still never end.
        let too_slow = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body takes too long");
        tokio::time::timeout(JSON_TIME_MAX, read).await.map_err(too_slow)?
    }

    fn announced(&self) -> Result<Option<u64>, Problem> {
        let Some(text) = self.header(CONTENT_LENGTH.as_str())? else { return Ok(None) };
        let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.map(Some).ok_or_else(|| Problem::invalid("Content-Length is not a number"))
    }

    /// Opens the body of an object or part. Nothing of it has been read.
    ///
    /// # Errors
    /// Its length is not said, or is over the bound.
    pub(super) fn open(&mut self, bytes_max: Option<u64>) -> Result<Opened, Problem> {
        if !self.framed {
            let message = "the request must say how long its body is, or send it in chunks";
            return Err(Problem::new(StatusCode::LENGTH_REQUIRED, "length_required", message));
        }
        let size_bytes = self.announced()?;
        let bound_bytes = bytes_max.unwrap_or(u64::MAX);
        if size_bytes.is_some_and(|size| size > bound_bytes) {
            return Err(Problem::payload_too_large(bound_bytes));
        }
        let mut seen = 0_u64;
        let pieces = std::mem::take(&mut self.body).into_data_stream();
        let stream = pieces.map(move |piece| {
            let piece = piece.map_err(|error| BodyError(error.into()))?;
            seen = seen.saturating_add(piece.len() as u64);
            if seen > bound_bytes { Err(BodyError(Box::new(BodyTooLarge { bound_bytes }))) } else { Ok(piece) }
        });
        Ok(Opened { stream: Box::pin(stream), size_bytes })
    }
}

/// Whoever needs a token and has none that works.
pub(super) fn unauthorized() -> Problem {
    // One message for missing, malformed and unknown: nobody learns which tokens ever existed.
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "a working bearer token is needed")
}

/// # Errors
/// A name that no bucket can have.
pub(super) fn bucket_name(text: &str) -> Result<BucketName, Problem> {
    let bad = |error: NameError| Problem::new(StatusCode::BAD_REQUEST, "invalid_bucket_name", error.to_string());
    BucketName::parse(text).map_err(bad)
}

/// # Errors
/// No key, or one that is too long.
pub(super) fn object_key(text: &str) -> Result<ObjectKey, Problem> {
    let bad = |error: NameError| Problem::new(StatusCode::BAD_REQUEST, "invalid_key", error.to_string());
    ObjectKey::parse(text).map_err(bad)
}

/// # Errors
/// Text that cannot be the id of a version.
pub(super) fn version_id(text: &str) -> Result<VersionId, Problem> {
    text.parse().map_err(|_| Problem::invalid("`versionId` is not the id of a version"))
}

/// An upload as this API shows it.
pub(super) fn shown_upload(upload: UploadId) -> String {
    format!("{UPLOAD_PREFIX}{upload}")
}

/// The upload that is shown so.
pub(super) fn upload_id(text: &str) -> Option<UploadId> {
    let hex = text.strip_prefix(UPLOAD_PREFIX)?;
    let upload: UploadId = hex.parse().ok()?;
    // Capitals would be a second spelling of the same id.
    (upload.to_string() == hex).then_some(upload)
}

/// Whether a piece of a path looks like an upload.
pub(super) fn is_upload(text: &str) -> bool {
    upload_id(text).is_some()
}
