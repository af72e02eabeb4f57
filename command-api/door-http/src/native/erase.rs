//! `POST /buckets/{bucket}/erase`: a bucket with everything in it, for good.

use std::sync::Arc;

use domain::erasure::Erase;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ask::Ask;
use super::tasks::{Task, shown};
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Entry> {
    let path = "/buckets/{bucket}/erase";
    let erase = Operation::new(Method::POST, path, "eraseBucket", "buckets", "Erase a bucket with everything in it")
        .about(
            "The bucket is gone for everybody with the answer, whatever it holds. A task then destroys its key, which makes its \
             content and the events of its log unreadable, deletes what is left of it and searches the files for what must not be \
             there; what was done is told by the event `holdfast:Erasure:Completed`. It cannot be cancelled or undone. Content that \
             other buckets share stays theirs. Refused with 409 `retained` while a retention or legal hold is in force on any version.",
        )
        .takes::<EraseBucket>()
        .answers::<Task>(202, "The task that erases.")
        .with_headers(&[("Location", "Where the task is asked about.")])
        .refuses(&[404, 409, 413]);
    vec![entry(erase, self::erase)]
}

/// What is to be erased, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseBucket {
    /// For whoever reads the certificate: one line.
    #[schema(min_length = 1, max_length = 512)]
    reason: String,
    /// The bucket's name once more.
    confirm: String,
}

async fn erase(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let EraseBucket { reason, confirm } = ask.json().await?;
    let task = app.store.erase_bucket(ask.caller()?, &bucket, Erase { reason, confirm }).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/tasks/{}", task.id));
    let mut response = answer::json(StatusCode::ACCEPTED, &shown(task));
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
