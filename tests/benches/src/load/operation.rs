//! One operation of a family, and whether its answer is the right one.

use std::cell::{Cell, RefCell};

use anyhow::{Result, anyhow};
use holdfast_tests::{Random, encode_path};

use crate::client::{Answer, Body, Client, Keep, Shared};
use crate::load::family::{Family, PAGE_KEYS};
use crate::signing::Request;

/// Where the operations of a cell happen. Of one thread.
pub(crate) struct Field<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) bucket: &'a str,
    /// Of all keys of the group of cells; with its slash.
    pub(crate) prefix: &'a str,
    pub(crate) size: u64,
    pub(crate) part_bytes: u64,
    pub(crate) pool: &'a [Known],
    /// Never the same twice in a group of cells, so that no body is either.
    pub(crate) stamps: &'a Cell<u64>,
    /// Objects there are to delete.
    pub(crate) expendable: &'a RefCell<Vec<u64>>,
}

/// An object of the pool.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) path: String,
    pub(crate) etag: String,
}

/// What an operation came to.
pub(crate) enum Outcome {
    /// Bytes of bodies that went either way, and how many of them were stored.
    Done { moved: u64, stored: u64 },
    /// Another answer than the right one; status 0 is a connection that broke.
    Failed { status: u16, said: String },
    /// Nothing is left to be done.
    Over,
}

/// What a client remembers between two operations.
pub(crate) struct Memory {
    pub(crate) turn: u64,
    pub(crate) random: Random,
    /// Where its listing goes on.
    token: String,
}

impl Memory {
    pub(crate) fn new(number: u64) -> Self {
        Self { turn: number, random: Random::new(number), token: String::new() }
    }
}

impl Field<'_> {
    fn path(&self, folder: &str, stamp: u64) -> String {
        format!("/{}/{}{folder}/{:03}/{stamp:013x}", self.bucket, self.prefix, stamp % 100)
    }

    fn stamp(&self) -> u64 {
        self.stamps.replace(self.stamps.get() + 1)
    }

    fn body(&self, stamp: u64) -> Body<'static> {
        Body::Stamped { stamp, from: 0, bytes: self.size }
    }
}

/// Does one. `clients` is how many do so: each goes its own way through what there is.
pub(crate) async fn operate(
    client: &mut Client<'_>,
    field: &Field<'_>,
    family: Family,
    memory: &mut Memory,
    clients: usize,
) -> Outcome {
    let outcome = match family {
        Family::Put => put(client, field, "put").await,
        Family::PutAbsent => put_absent(client, field).await,
        Family::Delete => delete(client, field).await,
        Family::Mixed => mixed(client, field, memory).await,
        Family::Multipart => multipart(client, field).await,
        Family::List => list(client, field, memory).await,
        Family::Folders => folders(client, field).await,
        Family::Get | Family::Head | Family::Copy | Family::PutRefused | Family::GetMatch | Family::GetSame => {
            let known = &field.pool[(memory.turn % field.pool.len() as u64) as usize];
            memory.turn += clients as u64;
            with_known(client, field, family, known).await
        }
    };
    outcome.unwrap_or_else(|error| Outcome::Failed { status: 0, said: format!("{error:#}") })
}

/// Done if the status is the expected one, and what came is as long as expected.
fn judge(answer: &Answer, status: u16, bytes: Option<u64>, moved: u64, stored: u64) -> Outcome {
    if answer.status != status {
        return Outcome::Failed { status: answer.status, said: first_line(&answer.text) };
    }
    match bytes {
        Some(bytes) if answer.bytes != bytes => {
            Outcome::Failed { status, said: format!("{} bytes, not {bytes}", answer.bytes) }
        }
        _ => Outcome::Done { moved, stored },
    }
}

/// The code and message of an error, or what there is of it.
fn first_line(text: &str) -> String {
    let element = |name: &str| crate::listing::between(text, &format!("<{name}>"), "</").map(str::to_owned);
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        _ => text.chars().take(120).collect(),
    }
}

async fn put(client: &mut Client<'_>, field: &Field<'_>, folder: &str) -> Result<Outcome> {
    let stamp = field.stamp();
    let path = field.path(folder, stamp);
    let answer = client.send(&Request::new("PUT", &path), field.body(stamp), Keep::Nothing).await?;
    Ok(judge(&answer, 200, None, field.size, field.size))
}

async fn put_absent(client: &mut Client<'_>, field: &Field<'_>) -> Result<Outcome> {
    let stamp = field.stamp();
    let path = field.path("absent", stamp);
    let request = Request { headers: &[("if-none-match", "*")], ..Request::new("PUT", &path) };
    let answer = client.send(&request, field.body(stamp), Keep::Nothing).await?;
    Ok(judge(&answer, 200, None, field.size, field.size))
}

/// What reads or copies an object of the pool, or is refused because of it.
async fn with_known(client: &mut Client<'_>, field: &Field<'_>, family: Family, known: &Known) -> Result<Outcome> {
    let (path, size) = (known.path.as_str(), field.size);
    let get = Request::new("GET", path);
    Ok(match family {
        Family::Head => {
            let answer = client.send(&Request::new("HEAD", path), Body::Nothing, Keep::Nothing).await?;
            judge(&answer, 200, None, 0, 0)
        }
        Family::GetMatch => {
            let request = Request { headers: &[("if-match", &known.etag)], ..get };
            let answer = client.send(&request, Body::Nothing, Keep::Nothing).await?;
            judge(&answer, 200, Some(size), size, 0)
        }
        Family::GetSame => {
            let request = Request { headers: &[("if-none-match", &known.etag)], ..get };
            let answer = client.send(&request, Body::Nothing, Keep::Nothing).await?;
            judge(&answer, 304, None, 0, 0)
        }
        Family::PutRefused => {
            let request = Request { headers: &[("if-none-match", "*")], ..Request::new("PUT", path) };
            let answer = client.send(&request, field.body(field.stamp()), Keep::Nothing).await?;
            judge(&answer, 412, None, 0, 0)
        }
        Family::Copy => {
            let target = field.path("copy", field.stamp());
            let request = Request { copy_source: Some(path), ..Request::new("PUT", &target) };
            // A copy that fails late says so in an answer that began with 200.
            let answer = client.send(&request, Body::Nothing, Keep::Text).await?;
            if answer.text.contains("<Error>") {
                return Ok(Outcome::Failed { status: answer.status, said: first_line(&answer.text) });
            }
            judge(&answer, 200, None, size, size)
        }
        _ => {
            let answer = client.send(&get, Body::Nothing, Keep::Nothing).await?;
            judge(&answer, 200, Some(size), size, 0)
        }
    })
}

async fn delete(client: &mut Client<'_>, field: &Field<'_>) -> Result<Outcome> {
    let next = field.expendable.borrow_mut().pop();
    let Some(stamp) = next else { return Ok(Outcome::Over) };
    let path = field.path("put", stamp);
    let answer = client.send(&Request::new("DELETE", &path), Body::Nothing, Keep::Nothing).await?;
    Ok(judge(&answer, 204, None, 0, 0))
}

/// Deletes what it has put itself, so that every read finds its object.
async fn mixed(client: &mut Client<'_>, field: &Field<'_>, memory: &mut Memory) -> Result<Outcome> {
    let known = &field.pool[memory.random.below(field.pool.len() as u64) as usize];
    let draw = memory.random.below(100);
    match draw {
        0..45 => with_known(client, field, Family::Get, known).await,
        45..75 => with_known(client, field, Family::Head, known).await,
        75..85 if !field.expendable.borrow().is_empty() => delete(client, field).await,
        _ => {
            let stamp = field.stamp();
            let path = field.path("put", stamp);
            let answer = client.send(&Request::new("PUT", &path), field.body(stamp), Keep::Nothing).await?;
            if answer.status == 200 {
                field.expendable.borrow_mut().push(stamp);
            }
            Ok(judge(&answer, 200, None, field.size, field.size))
        }
    }
}

async fn multipart(client: &mut Client<'_>, field: &Field<'_>) -> Result<Outcome> {
    let stamp = field.stamp();
    let path = field.path("multipart", stamp);
    let request = Request { query: "uploads=", ..Request::new("POST", &path) };
    let created = client.send(&request, Body::Nothing, Keep::Text).await?;
    if created.status != 200 {
        return Ok(judge(&created, 200, None, 0, 0));
    }
    let id = crate::listing::between(&created.text, "<UploadId>", "</").ok_or_else(|| anyhow!("no upload id"))?;
    let id = encode_path(id).replace('/', "%2F");
    let (mut at, mut number, mut parts) = (0, 1, String::new());
    while at < field.size {
        let bytes = field.part_bytes.min(field.size - at);
        let query = format!("partNumber={number}&uploadId={id}");
        let request = Request { query: &query, ..Request::new("PUT", &path) };
        let part = client.send(&request, Body::Stamped { stamp, from: at, bytes }, Keep::Etag).await?;
        if part.status != 200 {
            return Ok(judge(&part, 200, None, 0, 0));
        }
        parts.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", part.etag));
        at += bytes;
        number += 1;
    }
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let query = format!("uploadId={id}");
    let request = Request { query: &query, ..Request::new("POST", &path) };
    let done = client.send(&request, Body::Text(&body), Keep::Text).await?;
    if done.text.contains("<Error>") {
        return Ok(Outcome::Failed { status: done.status, said: first_line(&done.text) });
    }
    Ok(judge(&done, 200, None, field.size, field.size))
}

/// The next page of the walk of this client.
async fn list(client: &mut Client<'_>, field: &Field<'_>, memory: &mut Memory) -> Result<Outcome> {
    let prefix = encode_path(&format!("{}list/", field.prefix)).replace('/', "%2F");
    let token = match memory.token.as_str() {
        "" => String::new(),
        token => format!("continuation-token={}&", encode_path(token).replace('/', "%2F")),
    };
    let query = format!("{token}list-type=2&max-keys={PAGE_KEYS}&prefix={prefix}");
    let path = format!("/{}", field.bucket);
    let answer =
        client.send(&Request { query: &query, ..Request::new("GET", &path) }, Body::Nothing, Keep::Text).await?;
    let next = crate::listing::between(&answer.text, "<NextContinuationToken>", "</");
    // Tokens may hold what XML writes in other ways.
    memory.token = next.unwrap_or_default().replace("&#34;", "\"").replace("&quot;", "\"").replace("&amp;", "&");
    let keys = answer.text.matches("<Key>").count() as u64;
    if answer.status == 200 && keys != PAGE_KEYS {
        return Ok(Outcome::Failed { status: 200, said: format!("{keys} keys in a page") });
    }
    Ok(judge(&answer, 200, None, answer.bytes, 0))
}

async fn folders(client: &mut Client<'_>, field: &Field<'_>) -> Result<Outcome> {
    let prefix = encode_path(&format!("{}list/", field.prefix)).replace('/', "%2F");
    let query = format!("delimiter=%2F&list-type=2&max-keys={PAGE_KEYS}&prefix={prefix}");
    let path = format!("/{}", field.bucket);
    let answer =
        client.send(&Request { query: &query, ..Request::new("GET", &path) }, Body::Nothing, Keep::Text).await?;
    let found = answer.text.matches("<CommonPrefixes>").count();
    if answer.status == 200 && found != 100 {
        return Ok(Outcome::Failed { status: 200, said: format!("{found} prefixes") });
    }
    Ok(judge(&answer, 200, None, answer.bytes, 0))
}
