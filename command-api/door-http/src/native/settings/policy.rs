//! `/buckets/{bucket}/policy`: the policy document itself, as its author wrote it.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use pipeline::{BucketPolicy, Configuration};
use schemas::action::Action;
use schemas::event::{Event, Setting};
use serde_json::json;

use super::{Answer, App, Ask, Entry, answer, changing, entry, not_set, of_bucket};
use crate::operation::Content;
use crate::problem::Problem;

const PATH: &str = "/buckets/{bucket}/policy";
/// As much as the S3 door reads. What a policy may have is decided when it is set.
const BYTES_MAX: usize = 1 << 20;
const CONFIRM: &str = "confirmRemoveSelfBucketAccess";

pub(super) fn operations() -> Vec<Entry> {
    let get = of_bucket(Method::GET, PATH, "getBucketPolicy", "Get the bucket's policy")
        .about("404 if the bucket has none.")
        .answers_with(200, "The policy as it was written.", Content::AnyJson);
    let put = changing(Method::PUT, PATH, "setBucketPolicy", "Set the bucket's policy")
        .about(
            "The body is the policy, in the language of AWS. A public one is refused where that is blocked. Its denials bind \
             every API.",
        )
        .query(
            CONFIRM,
            json!({ "type": "boolean", "default": false }),
            "Whether the policy may keep even the bucket's owner from changing it again.",
        )
        .takes_any_json()
        .answers_with(200, "The policy as it was written.", Content::AnyJson)
        .with_headers(&[answer::POSITION_TEXT]);
    let delete = of_bucket(Method::DELETE, PATH, "deleteBucketPolicy", "Remove the bucket's policy")
        .answers_empty(204, "Removed.")
        .with_headers(&[answer::POSITION_TEXT]);
    vec![entry(get, self::get), entry(put, self::put), entry(delete, self::delete)]
}

fn document(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let (action, setting) = (Action::GetBucketPolicy, Setting::Policy);
    let found = app.store.bucket_setting(ask.caller()?, &ask.bucket()?, action, setting).await?;
    let policy = match found.as_deref() {
        Some(Event::BucketPolicySet(set)) => set.policy.clone(),
        _ => None,
    };
    policy.map(document).ok_or_else(|| not_set("the bucket has no policy"))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let binds_owner = match ask.words.query.get(CONFIRM)? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::invalid(format!("`{CONFIRM}` must be true or false"))),
    };
    let body = ask.bytes(BYTES_MAX).await?;
    let text = std::str::from_utf8(&body).map_err(|_| Problem::invalid("the policy is not UTF-8"))?.to_owned();
    let policy = BucketPolicy { text: text.clone(), binds_owner };
    let at = app.store.put_bucket_policy(ask.caller()?, &bucket, policy).await?;
    let mut response = document(text);
    *response.status_mut() = StatusCode::OK;
    answer::position(response.headers_mut(), at);
    Ok(response)
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    super::remove(&app, ask, Action::DeleteBucketPolicy, Configuration::Policy(None)).await
}
