//! What is asked of a store that has grown, over HTTP.

use anyhow::{Context, Result, ensure};
use holdfast_tests::encode_path;

use crate::client::{Answer, Body, Client, Keep, Shared};
use crate::grow::kind::{BUCKET, object, upload};
use crate::listing::between;
use crate::signing::Request;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    Put,
    PutAgain,
    /// Of the one key.
    PutVersion,
    Get,
    GetKey,
    GetKeyThen,
    Head,
    /// Of the few keys there are.
    List,
    Page,
    PageThen,
    Folders,
    Versions,
    CreateBucket,
    HeadBucket,
    ListBuckets,
    PutIntoBucket,
    CreateUpload,
    PutPart,
    ListParts,
    ListUploads,
}

/// What there is.
pub(crate) struct Ground {
    pub(crate) count: u64,
    /// When all was there.
    pub(crate) position: u64,
    /// No two loads have the same, nor numbers near it.
    pub(crate) run: u64,
    /// The first, as it is written in a query.
    pub(crate) upload: String,
}

const SIZE: u64 = 16;

pub(crate) async fn perform(client: &mut Client<'_>, ground: &Ground, operation: Operation, number: u64) -> Result<()> {
    // Spread over all there is, in no order.
    let one = number.wrapping_mul(7_919_113) % ground.count;
    let fresh = ground.run + number;
    let bucket = format!("/{BUCKET}");
    match operation {
        Operation::Put => put(client, &format!("{bucket}/new/{fresh:015}"), fresh).await,
        Operation::PutAgain => put(client, &format!("{bucket}/{}", object(one)), fresh).await,
        Operation::PutVersion => put(client, &format!("{bucket}/key"), fresh).await,
        Operation::Get => ask(client, "GET", &format!("{bucket}/{}", object(one)), "").await,
        Operation::GetKey => ask(client, "GET", &format!("{bucket}/key"), "").await,
        Operation::GetKeyThen => {
            // The last put of the fill was the one before this position.
            let then = ground.position - 1 - one;
            ask(client, "GET", &format!("{bucket}/key"), &format!("as-of=pos%3A{then}")).await
        }
        Operation::Head => ask(client, "HEAD", &format!("{bucket}/{}", object(one)), "").await,
        Operation::List => ask(client, "GET", &bucket, "list-type=2&max-keys=1000").await,
        Operation::Page => {
            let query = format!("list-type=2&max-keys=1000&start-after={}", query_text(&object(one)));
            ask(client, "GET", &bucket, &query).await
        }
        Operation::PageThen => {
            let (then, after) = (ground.position, query_text(&object(one)));
            let query = format!("as-of=pos%3A{then}&list-type=2&max-keys=1000&start-after={after}");
            ask(client, "GET", &bucket, &query).await
        }
        Operation::Folders => ask(client, "GET", &bucket, "delimiter=%2F&list-type=2&max-keys=1000").await,
        Operation::Versions => ask(client, "GET", &bucket, "max-keys=1000&versions=").await,
        Operation::CreateBucket => ask(client, "PUT", &format!("/n-{fresh}"), "").await,
        Operation::HeadBucket => ask(client, "HEAD", &format!("/b-{one:07}"), "").await,
        Operation::ListBuckets => ask(client, "GET", "/", "max-buckets=1000").await,
        Operation::PutIntoBucket => put(client, &format!("/b-{one:07}/{fresh:015}"), fresh).await,
        Operation::CreateUpload => ask(client, "POST", &format!("{bucket}/new/{fresh:015}"), "uploads=").await,
        Operation::PutPart => {
            let query = format!("partNumber={}&uploadId={}", number % 10_000 + 1, ground.upload);
            let path = format!("{bucket}/{}", upload(0));
            let body = Body::Stamped { stamp: fresh, from: 0, bytes: SIZE };
            expect(client.send(&Request { query: &query, ..Request::new("PUT", &path) }, body, Keep::Nothing).await?)
        }
        Operation::ListParts => {
            let marker = number * 997 % 9_000;
            let query = format!("max-parts=1000&part-number-marker={marker}&uploadId={}", ground.upload);
            ask(client, "GET", &format!("{bucket}/{}", upload(0)), &query).await
        }
        Operation::ListUploads => ask(client, "GET", &bucket, "max-uploads=1000&uploads=").await,
    }
}

/// The id of the first upload.
pub(crate) async fn find_upload(shared: &Shared) -> Result<String> {
    let (path, query) = (format!("/{BUCKET}"), format!("max-uploads=1&prefix={}&uploads=", query_text(&upload(0))));
    let request = Request { query: &query, ..Request::new("GET", &path) };
    let answer = Client::connect(shared).await?.send(&request, Body::Nothing, Keep::Text).await?;
    let id = between(&answer.text, "<UploadId>", "</").with_context(|| format!("an upload in {}", answer.text))?;
    Ok(query_text(id))
}

fn query_text(text: &str) -> String {
    encode_path(text).replace('/', "%2F")
}

async fn put(client: &mut Client<'_>, path: &str, stamp: u64) -> Result<()> {
    let body = Body::Stamped { stamp, from: 0, bytes: SIZE };
    expect(client.send(&Request::new("PUT", path), body, Keep::Nothing).await?)
}

async fn ask(client: &mut Client<'_>, method: &'static str, path: &str, query: &str) -> Result<()> {
    expect(client.send(&Request { query, ..Request::new(method, path) }, Body::Nothing, Keep::Nothing).await?)
}

fn expect(answer: Answer) -> Result<()> {
    ensure!((200..300).contains(&answer.status), "answered {}: {}", answer.status, answer.text);
    Ok(())
}
