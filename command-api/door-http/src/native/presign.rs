//! `POST /buckets/{bucket}/objects:presign`: signed URLs for many keys at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use pipeline::SignedUrl;
use schemas::action::Action;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{Ask, object_key};
use super::limits::{BATCH_KEYS_MAX, SIGNED_URL_TTL_MIN_S};
use super::{Answer, App, Entry, answer, entry, signed_path};
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let path = "/buckets/{bucket}/objects:presign";
    let presign = Operation::new(Method::POST, path, "presignObjects", "signed", "Mint signed URLs for many objects")
        .about(
            "For downloads (`GET`) or uploads (`PUT`) without a token, of 1 to 1,000 keys: for all of them or none. They are one \
             entry of `/signed-urls`, and are revoked together. Each works for `ttlSeconds`, as long as is configured at most, \
             and never longer than its access key or beyond what that key may do when it is used.",
        )
        .takes::<PresignRequest>()
        .answers::<SignedObjects>(200, "The signed URLs, in the order of the keys.")
        .refuses(&[404, 413]);
    vec![entry(presign, run)]
}

/// What URLs are wanted for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PresignRequest {
    /// `GET` or `PUT`.
    method: String,
    /// 1 to 1,000 object keys.
    #[schema(min_items = 1, max_items = 1000)]
    keys: Vec<String>,
    /// How long they are to work.
    #[schema(minimum = 1)]
    ttl_seconds: Option<u64>,
    /// Most bytes that may be put by each.
    max_bytes: Option<u64>,
    /// The `Content-Type` that what is put must have.
    content_type: Option<String>,
}

/// Signed URLs that were made in one call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedObjects {
    /// What they are revoked by.
    id: String,
    bucket: String,
    /// `GET` or `PUT`.
    method: String,
    /// When they end.
    #[schema(format = DateTime)]
    expires_at: String,
    /// How long they work.
    ttl_seconds: u64,
    /// Headers that have to be sent with them.
    headers: BTreeMap<&'static str, String>,
    /// In the order of the keys.
    urls: Vec<SignedObject>,
}

/// A signed URL of an object.
#[derive(Serialize, ToSchema)]
struct SignedObject {
    key: String,
    /// Absolute where the server knows how clients reach it, else the path.
    url: String,
    /// Its path and query.
    path: String,
}

async fn run(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let wanted: PresignRequest = ask.json_within(4 << 20).await?;
    let caller = ask.caller()?;
    let action = match wanted.method.as_str() {
        "GET" => Action::GetObject,
        "PUT" => Action::PutObject,
        _ => return Err(Problem::invalid("`method` must be GET or PUT")),
    };
    if action == Action::GetObject && (wanted.max_bytes.is_some() || wanted.content_type.is_some()) {
        return Err(Problem::invalid("`maxBytes` and `contentType` are for PUT"));
    }
    if wanted.content_type.as_ref().is_some_and(|text| text.is_empty() || HeaderValue::from_str(text).is_err()) {
        return Err(Problem::invalid("`contentType` cannot stand in a header"));
    }
    if wanted.keys.is_empty() || wanted.keys.len() > BATCH_KEYS_MAX {
        return Err(Problem::invalid(format!("`keys` must have 1 to {BATCH_KEYS_MAX} keys")));
    }
    let ttl_max_s = app.options.signed_url_ttl_max_s;
    let ttl_s = wanted.ttl_seconds.unwrap_or(ttl_max_s);
    if ttl_s < SIGNED_URL_TTL_MIN_S {
        return Err(Problem::invalid("`ttlSeconds` must be a number from 1 up"));
    }
    let ttl_s = ttl_s.min(ttl_max_s);
    let keys = wanted.keys.iter().map(|key| object_key(key)).collect::<Result<Vec<_>, _>>()?;
    for key in &keys {
        app.store.may(caller, action, &bucket, Some(key))?;
    }
    let url = |key: &schemas::ObjectKey| SignedUrl {
        method: wanted.method.clone(),
        bucket: bucket.clone(),
        key: key.to_string(),
        part: None,
        bytes_max: wanted.max_bytes,
        content_type: wanted.content_type.clone(),
    };
    let (id, minted) = app.store.sign_urls(caller, keys.iter().map(url).collect(), ttl_s).await?;
    let expires_at = minted.first().map(|minted| answer::time(minted.expires)).unwrap_or_default();
    let urls = keys.iter().zip(minted).map(|(key, minted)| {
        let (url, path) = signed_path::of(&app, &bucket, key, &minted.text);
        SignedObject { key: key.to_string(), url, path }
    });
    let signed = SignedObjects {
        id,
        bucket: bucket.to_string(),
        expires_at,
        ttl_seconds: ttl_s,
        urls: urls.collect(),
        method: wanted.method,
        headers: wanted.content_type.map(|text| ("Content-Type", text)).into_iter().collect(),
    };
    let mut response = answer::json(StatusCode::OK, &signed);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
