//! `GET /buckets/{bucket}/objects:stats`: how much is under a prefix.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry, page};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Entry> {
    let path = "/buckets/{bucket}/objects:stats";
    let stats = Operation::new(Method::GET, path, "getObjectStats", "objects", "Count the objects under a prefix")
        .about(
            "Counts by looking, for a bounded time: some 100,000 objects. What is left is counted by asking again with the token; \
             the answers are to be added up. What is written meanwhile may be counted or not.",
        )
        .query("prefix", json!({ "type": "string" }), "Only keys that begin with it.")
        .query("continuationToken", json!({ "type": "string" }), "Where the answer before ended.")
        .answers::<PrefixStats>(200, "What was counted.")
        .refuses(&[404]);
    vec![entry(stats, run)]
}

/// What is under a prefix, as far as it was counted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PrefixStats {
    bucket: String,
    prefix: String,
    /// Current objects.
    objects: u64,
    /// Their bytes.
    bytes: u64,
    /// Whether more are left to count.
    is_truncated: bool,
    /// What the rest is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
}

async fn run(app: Arc<App>, ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let prefix = ask.words.query.get("prefix")?.unwrap_or_default();
    let after = page::after(&ask.words.query)?;
    let stats = app.store.prefix_stats(ask.caller()?, &bucket, prefix, after).await?;
    let next = stats.next_after.as_deref().map(page::token);
    let shown = PrefixStats {
        bucket: bucket.to_string(),
        prefix: prefix.to_owned(),
        objects: stats.objects,
        bytes: stats.bytes,
        is_truncated: next.is_some(),
        next_continuation_token: next,
    };
    Ok(answer::json(StatusCode::OK, &shown))
}
