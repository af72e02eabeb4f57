//! `/signed-urls`: which signed URLs work, and ending them before their time.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::SignedUrlInfo;
use schemas::Time;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry, page};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "signed";

pub(super) fn operations() -> Vec<Entry> {
    let list = Operation::new(Method::GET, "/signed-urls", "listSignedUrls", TAG, "List signed URLs that work")
        .about(
            "By their end. URLs that were made in one call are one entry. Each user sees their own; one who administers the whole \
             tenant sees all.",
        )
        .query("maxKeys", page::schema(), "Most entries of a page.")
        .query("continuationToken", json!({ "type": "string" }), "Where the page before ended.")
        .answers::<SignedUrlList>(200, "A page of entries.");
    let revoke = Operation::new(Method::DELETE, "/signed-urls/{id}", "revokeSignedUrl", TAG, "Revoke signed URLs")
        .about("All that were made in one call. They answer 401 from now on.")
        .path("id", json!({ "type": "string" }), "What making or listing them answered.")
        .answers_empty(204, "Revoked.")
        .refuses(&[404]);
    vec![entry(list, self::list), entry(revoke, self::revoke)]
}

/// SignedUrlEntry URLs that were made in one call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedUrlEntry {
    /// What they are revoked by.
    id: String,
    /// Who made them.
    user: String,
    /// The key that they stand for.
    access_key_id: String,
    /// `GET` or `PUT`.
    method: String,
    /// The bucket that they are for.
    bucket: String,
    /// The object key that they are for; of several the first.
    key: String,
    /// How many they are.
    count: u32,
    /// When they were made.
    #[schema(format = DateTime)]
    created_at: String,
    /// When they end.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// A page of signed URLs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedUrlList {
    /// By their end.
    signed_urls: Vec<SignedUrlEntry>,
    /// Whether more follow.
    is_truncated: bool,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
}

fn shown(info: SignedUrlInfo) -> SignedUrlEntry {
    SignedUrlEntry {
        id: info.id,
        user: info.user.to_string(),
        access_key_id: info.access_key.to_string(),
        method: info.method,
        bucket: info.bucket.to_string(),
        key: info.key,
        count: info.count,
        created_at: answer::time(info.created),
        expires_at: answer::time(info.expires),
    }
}

/// A place in the list: microseconds and id.
fn place(text: &str) -> Option<(Time, String)> {
    let (expires, id) = text.split_once(':')?;
    Some((Time(expires.parse().ok()?), id.to_owned()))
}

async fn list(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let max = page::size(query, "maxKeys")?;
    let foreign = || Problem::invalid("`continuationToken` is none of this list");
    let after = page::after(query)?.map(|text| place(&text).ok_or_else(foreign)).transpose()?;
    let (urls, is_truncated) = app.store.list_signed_urls(ask.caller()?, after, max).await?;
    let next = urls.last().filter(|_| is_truncated).map(|last| page::token(&format!("{}:{}", last.expires.0, last.id)));
    let signed_urls = urls.into_iter().map(shown).collect();
    Ok(answer::json(StatusCode::OK, &SignedUrlList { signed_urls, is_truncated, next_continuation_token: next }))
}

async fn revoke(app: Arc<App>, ask: Ask) -> Answer {
    app.store.revoke_signed_url(ask.caller()?, ask.values.get("id")).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
