//! Signed URLs: made by a bearer, used by whoever has one.
//!
//! Owns: what a signed URL may be used for, and how it is spelled.
//! Does not own: whether its token holds (the store); reading and writing ([`super::objects`]).
//! Invariant: a URL grants what it names and no more, and never more than its access key may do when it is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pipeline::SignedUrl;
use pipeline::audit::{Asker, AskerKind};
use schemas::AccessKeyId;
use schemas::action::Action;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::{Ask, bucket_name, object_key, unauthorized};
use super::objects::{self, Overrides};
use super::stored::{self, WrittenObject};
use super::{Answer, App, Entry, answer, entry, gate, idempotency, multipart, said, signed_path};
use crate::operation::{Content, Operation};
use crate::problem::Problem;

const PATH: &str = "/signed/{bucket}/{key...}";
pub(super) fn operations() -> Vec<Entry> {
    let sign = Operation::new(Method::POST, "/sign-url", "signURL", "auth", "Mint a signed URL for one object")
        .about(
            "For a download (`GET`) or an upload (`PUT`) without a token. It works for `ttlSeconds`, as long as is configured at \
             most, and never longer than its access key or beyond what that key may do. An upload can be bound to a type and to a \
             number of bytes.",
        )
        .takes::<Wanted>()
        .answers::<Signed>(200, "The signed URL.")
        .refuses(&[404, 413]);
    let token = |operation: Operation| {
        let schema = json!({ "type": "string", "x-required": true });
        operation
            .open()
            .query("token", schema, "The token (`lwurl_...`) that the URL was minted with.")
            .refuses(&[401, 403])
    };
    let get = Operation::new(Method::GET, PATH, "getSigned", "signed", "Download with a signed URL (Range supported)");
    let get = objects::reading(token(get))
        .answers_with(200, "Object body.", Content::Stored)
        .with_headers(&objects::OBJECT_HEADERS)
        .answers_with(206, "The range that was asked for.", Content::Stored)
        .with_headers(&objects::OBJECT_HEADERS);
    let put = Operation::new(Method::PUT, PATH, "putSigned", "signed", "Upload with a signed URL")
        .about("A URL of `multipart-presign` stores its part, and is answered as `uploadPart` is.");
    let put = objects::writing(token(put))
        .answers::<StoredBySignature>(200, "Stored.")
        .with_headers(&stored::WRITTEN_TEXT)
        .refuses(&[404, 409, 411, 412, 413, 501, 507]);
    let head = Operation::new(Method::HEAD, PATH, "headSigned", "signed", "Object metadata with a signed URL");
    let head = objects::reading(token(head))
        .answers_empty(200, "Metadata headers.")
        .with_headers(&objects::OBJECT_HEADERS)
        .answers_empty(206, "The same of a range.");
    vec![entry(sign, mint), entry(get, self::get), entry(put, self::put), entry(head, self::head)]
}

/// What an upload with a signed URL stored: the object, or the part that the URL is for.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the handlers of objects and parts answer: this is what the document says of both")]
enum StoredBySignature {
    Object(WrittenObject),
    Part(multipart::Part),
}

/// What a URL is wanted for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Wanted {
    /// `GET` or `PUT`.
    method: String,
    bucket: String,
    key: String,
    /// How long it is to work.
    #[schema(minimum = 1)]
    ttl_seconds: Option<u64>,
    /// Most bytes that may be put.
    max_bytes: Option<u64>,
    /// The `Content-Type` that what is put must have.
    content_type: Option<String>,
}

/// A signed URL.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Signed {
    /// Absolute where the server knows how clients reach it, else the path.
    url: String,
    /// Its path and query.
    path: String,
    method: String,
    bucket: String,
    key: String,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
    /// How long it works.
    ttl_seconds: u64,
    /// Headers that have to be sent with it.
    headers: BTreeMap<String, String>,
}

async fn mint(app: Arc<App>, mut ask: Ask) -> Answer {
    let wanted: Wanted = ask.json().await?;
    let caller = ask.caller()?;
    let (bucket, key) = (bucket_name(&wanted.bucket)?, object_key(&wanted.key)?);
    let is_put = match wanted.method.as_str() {
        "GET" => false,
        "PUT" => true,
        _ => return Err(Problem::invalid("`method` must be GET or PUT")),
    };
    if !is_put && (wanted.max_bytes.is_some() || wanted.content_type.is_some()) {
        return Err(Problem::invalid("`maxBytes` and `contentType` are for PUT"));
    }
    if wanted.content_type.as_ref().is_some_and(|text| text.is_empty() || HeaderValue::from_str(text).is_err()) {
        return Err(Problem::invalid("`contentType` cannot stand in a header"));
    }
    let ttl_max_s = app.options.signed_url_ttl_max_s;
    let ttl_s = match wanted.ttl_seconds {
        Some(0) => return Err(Problem::invalid("`ttlSeconds` must be a number from 1 up")),
        asked => asked.unwrap_or(ttl_max_s).min(ttl_max_s),
    };
    let action = if is_put { Action::PutObject } else { Action::GetObject };
    app.store.may(caller, action, &bucket, Some(&key))?;
    let url = SignedUrl {
        method: wanted.method.clone(),
        bucket: bucket.clone(),
        key: key.to_string(),
        part: None,
        bytes_max: wanted.max_bytes,
        content_type: wanted.content_type.clone(),
    };
    let (_, minted) = app.store.sign_urls(caller, vec![url.clone()], ttl_s).await?;
    let minted = minted.into_iter().next().ok_or_else(|| Problem::internal("a signed URL was not made"))?;
    let (whole, path) = signed_path::of(&app, &bucket, &key, &minted.text);
    let headers = wanted.content_type.map(|text| ("Content-Type".to_owned(), text));
    let signed = Signed {
        url: whole,
        path,
        method: url.method,
        bucket: url.bucket.to_string(),
        key: url.key,
        expires_at: answer::time(minted.expires),
        ttl_seconds: ttl_s,
        headers: headers.into_iter().collect(),
    };
    let mut response = answer::json(StatusCode::OK, &signed);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The request as its signed URL lets it be, and what the URL says of it.
fn admitted(app: &App, ask: Ask, method: &str) -> Result<(Ask, SignedUrl), Problem> {
    let token = ask.words.query.get("token")?.ok_or_else(unauthorized)?;
    let (bearer, url) = app.store.signed_url_bearer(token).map_err(gate::refused)?;
    let other = |message| Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", message));
    if url.method != method {
        return other("the URL was signed for another method");
    }
    if url.bucket.as_str() != ask.values.get("bucket") || url.key != ask.values.get("key") {
        return other("the URL was signed for another object");
    }
    // What its access key may do is not what whoever was given the URL may.
    if ask.words.query.get("versionId")?.is_some() {
        return other("the URL was signed for the current version");
    }
    if [said::MODE, said::UNTIL, said::HOLD, said::TAGGING].iter().any(|name| ask.words.headers.contains_key(*name)) {
        return other("the URL was signed for the object alone: neither tags nor locks");
    }
    let caller = gate::caller(bearer, &ask.visit, &ask.words);
    tracing::Span::current().record("tenant", tracing::field::display(caller.tenant));
    ask.visit.trace.caller(&caller);
    let user = caller.user().to_string();
    let credential = caller.access_key().map(ToString::to_string);
    ask.visit.trace.asker(Asker { kind: AskerKind::SignedUrl, user: Some(user), credential });
    app.store.limits().of_key(caller.access_key().map_or("", AccessKeyId::as_str))?;
    Ok((ask.by(caller), url))
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let (ask, _) = admitted(&app, ask, "GET")?;
    objects::get_with(app, ask, Overrides::DownloadOnly).await
}

async fn head(app: Arc<App>, ask: Ask) -> Answer {
    let (ask, _) = admitted(&app, ask, "GET")?;
    objects::head_with(app, ask, Overrides::DownloadOnly).await
}

async fn put(app: Arc<App>, ask: Ask) -> Answer {
    if idempotency::key(&ask)?.is_some() {
        return Err(Problem::invalid("a signed URL takes no Idempotency-Key: whoever has it may use it again"));
    }
    let (ask, url) = admitted(&app, ask, "PUT")?;
    if let Some((upload, number)) = url.part {
        return multipart::store_part(app, ask, upload, number, url.bytes_max).await;
    }
    if let Some(expected) = &url.content_type
        && !is_type(&ask.words.headers, expected)
    {
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "the URL was signed for another Content-Type"));
    }
    objects::put_within(app, ask, url.bytes_max).await
}

fn is_type(headers: &HeaderMap, expected: &str) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|said| said.as_bytes() == expected.as_bytes())
}
