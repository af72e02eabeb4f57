//! `POST /tenants/{id}/export`: records of a tenant's log for an auditor, with proofs.
//!
//! Owns: its parameters, sending the archive while it is made. Does not own: what is in it (the store).
//! Invariant: an archive that ends is whole; one that cannot be is broken off, which whoever verifies it sees.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method};
use pipeline::{AskedExport, Point};
use schemas::BucketName;
use schemas::event::AdminRole;
use serde_json::json;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry};
use crate::operation::{Content, Operation};
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let text = || json!({ "type": "string" });
    let export = Operation::new(Method::POST, "/tenants/{id}/export", "exportRecords", "records", "Export for an auditor")
        .about(
            "An archive of the tenant's log, or of one bucket's records, with a signed checkpoint, proofs, and the key of each record in \
             it and of no others: whoever has it can read those records for ever. `holdfast audit verify` checks it without a server. \
             The export of a bucket seals the log, so that nothing of the bucket can be missing unseen. Points are `pos:N`, a time, \
             so long ago (`-2h`), `earliest` or `head`.",
        )
        .query("bucket", text(), "Only records of this bucket.")
        .query("from", text(), "First point of the window; the log's beginning if nothing is said.")
        .query("to", text(), "Point behind the window; the log's end if nothing is said.")
        .answers_with(200, "The archive: tar, compressed with zstd.", Content::Export)
        .refuses(&[400, 404]);
    vec![entry(AdminRole::Owner, export, self::export)]
}

fn point(ask: &Ask, name: &str) -> Result<Option<Point>, Problem> {
    let parse = |text: &str| text.parse().map_err(|error| Problem::invalid(format!("`{name}`: {error}")));
    ask.query.filled(name)?.map(parse).transpose()
}

async fn export(admin: Arc<Admin>, ask: Ask) -> Answer {
    let known = ["bucket", "from", "to"];
    // Ignored, it would export more than was asked for.
    if let Some(name) = ask.query.other_than(&known) {
        return Err(Problem::invalid(format!("there is no parameter `{name}`; there are {}", known.join(", "))));
    }
    let tenant = ask.tenant(&admin.store).await?;
    let bucket = ask.query.filled("bucket")?.map(BucketName::parse).transpose().map_err(|_| Problem::not_found())?;
    let asked = AskedExport { bucket, from: point(&ask, "from")?, to: point(&ask, "to")? };
    let archive = admin.store.export(ask.caller()?, &tenant, asked).await?;
    let mut response = Response::new(Body::from_stream(archive));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zstd"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
