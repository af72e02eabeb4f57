//! Mixed writes from many clients, and what is known of every key afterwards: the load of the suites that stop a server.
//!
//! Owns: the clients, their keys, the model of each key.
//! Does not own: how the server is stopped, what else is expected of it.
//! Invariant: no two clients write the same key, so that each key's last acknowledged write is known exactly.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result, bail};

use crate::{Admin, Answer, Connection, Random, Server};

const KEYS_PER_CLIENT: u64 = 6;

/// What a key holds, as a seed and length of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// No object.
    Absent,
    /// The bytes that [`Random`] makes of a seed.
    Bytes {
        /// The seed.
        seed: u64,
        /// How many.
        length: usize,
    },
}

impl Value {
    /// The bytes; none of an absent object.
    #[must_use]
    pub fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Value::Absent => None,
            Value::Bytes { seed, length } => Some(Random::new(seed).bytes(length)),
        }
    }
}

/// What is known of a key: the last state that was acknowledged, and the one that was asked for without an answer.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// It holds this,
    pub acknowledged: Value,
    /// or this.
    pub asked: Option<Value>,
}

/// One client's keys.
pub type Model = BTreeMap<String, Known>;

/// Each key is as acknowledged, or as asked for when the answer was cut off; then that is what is known.
///
/// # Errors
/// A key that is neither, named with what it holds.
pub fn check_models(server: &Server, models: &mut [Model]) -> Result<()> {
    let mut connection = server.connect();
    for model in models.iter_mut() {
        for (key, known) in model {
            let answer = connection.get(&format!("/demo/{key}"))?;
            let found = match answer.status {
                200 => Some(answer.body),
                404 => None,
                status => bail!("GET of {key} answered {status}"),
            };
            let matches = |value: Value| value.bytes() == found;
            let now = [Some(known.acknowledged), known.asked].into_iter().flatten().find(|&value| matches(value));
            let Some(now) = now else {
                bail!("{key} has {:?} bytes and is neither {known:?}", found.map(|bytes| bytes.len()));
            };
            *known = Known { acknowledged: now, asked: None };
        }
    }
    check_listing(&mut connection, models)
}

/// The listing has exactly the keys that are there.
fn check_listing(connection: &mut Connection, models: &[Model]) -> Result<()> {
    let present = models.iter().flatten().filter(|(_, known)| known.acknowledged != Value::Absent);
    let mut expected: Vec<&str> = present.map(|(key, _)| key.as_str()).collect();
    expected.sort_unstable();
    let text = connection.request("GET", "/demo", &[("list-type", "2"), ("prefix", "client-")], &[], b"")?.ok()?.text();
    let found: Vec<&str> = text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0)).collect();
    if found != expected {
        bail!("the listing has {found:?} and should have {expected:?}");
    }
    Ok(())
}

/// Clients that write until they are told to stop or their connection breaks.
pub struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<anyhow::Error>>>,
    clients: Vec<JoinHandle<Model>>,
}

impl Load {
    /// A client for each model, on its own thread.
    #[must_use]
    pub fn start(server: &Server, models: Vec<Model>, random: &mut Random) -> Self {
        Self::start_as(server, models, random, false)
    }

    fn start_as(server: &Server, models: Vec<Model>, random: &mut Random, once: bool) -> Self {
        let (stop, done, failure) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(None)));
        let start = |(client, mut model): (usize, Model)| {
            let (stop, done, failure) = (stop.clone(), done.clone(), failure.clone());
            let (mut connection, seed) = (server.connect(), random.next_u64());
            std::thread::spawn(move || {
                let mut random = Random::new(seed);
                while !stop.load(Ordering::Relaxed) {
                    // A multipart upload is answered more than once: a burst has none.
                    match step(client, &mut model, &mut connection, &mut random, !once) {
                        Ok(true) => {
                            done.fetch_add(1, Ordering::Relaxed);
                            if once {
                                break;
                            }
                        }
                        Ok(false) => break,
                        Err(error) => {
                            *failure.lock().expect("no panic") = Some(error);
                            break;
                        }
                    }
                }
                model
            })
        };
        let clients = models.into_iter().enumerate().map(start).collect();
        Self { stop, done, failure, clients }
    }

    /// One simple write by each client, then no more.
    #[must_use]
    pub fn burst(server: &Server, models: Vec<Model>, random: &mut Random) -> Self {
        Self::start_as(server, models, random, true)
    }

    /// Whether any request of a burst was answered.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.acknowledged() > 0 || self.failure.lock().expect("no panic").is_some()
    }

    /// Writes acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// What each client knows. Called when the server is gone: a client that waits for an answer hears of it then.
    ///
    /// # Errors
    /// An answer that no client should get.
    ///
    /// # Panics
    /// If a client did.
    pub fn end(self) -> Result<Vec<Model>> {
        self.stop.store(true, Ordering::Relaxed);
        let models = self.clients.into_iter().map(|client| client.join().expect("a client ends")).collect();
        match self.failure.lock().expect("no panic").take() {
            Some(error) => Err(error.context("a client failed")),
            None => Ok(models),
        }
    }
}

/// One write of one key; false when the connection broke, as it does when the server is killed.
fn step(
    client: usize,
    model: &mut Model,
    connection: &mut Connection,
    random: &mut Random,
    with_parts: bool,
) -> Result<bool> {
    let key = format!("client-{client}/key-{}", random.below(KEYS_PER_CLIENT));
    let path = format!("/demo/{key}");
    let length = match random.below(20) {
        0 => 0,
        1..=9 => random.below(4_096),
        10..=16 => random.below(100_000),
        17 | 18 => random.below(1_000_000),
        _ => 4_000_000 + random.below(2_000_000),
    };
    let value = match random.below(6) {
        0 => Value::Absent,
        _ => Value::Bytes { seed: random.next_u64(), length: usize::try_from(length).context("small")? },
    };
    let known = model.entry(key).or_insert(Known { acknowledged: Value::Absent, asked: None });
    known.asked = Some(value);
    let answer = match value.bytes() {
        None => connection.delete(&path),
        Some(bytes) if with_parts && random.below(8) == 0 => multipart(connection, &path, &bytes),
        Some(bytes) => connection.put(&path, &bytes),
    };
    match answer {
        Err(_) => Ok(false),
        Ok(answer) if answer.status < 300 => {
            *known = Known { acknowledged: value, asked: None };
            Ok(true)
        }
        Ok(answer) => bail!("a write answered {}: {}", answer.status, answer.text()),
    }
}

/// The same bytes as a multipart upload of one part.
fn multipart(connection: &mut Connection, path: &str, bytes: &[u8]) -> Result<Answer> {
    let started = connection.request("POST", path, &[("uploads", "")], &[], b"")?;
    if started.status >= 300 {
        return Ok(started);
    }
    let text = started.text();
    let upload = between(&text, "<UploadId>", "</UploadId>").context("an upload id")?;
    let part = connection.request("PUT", path, &[("partNumber", "1"), ("uploadId", upload)], &[], bytes)?;
    let Some(etag) = part.header("etag") else { return Ok(part) };
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    connection.request("POST", path, &[("uploadId", upload)], &[], body.as_bytes())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}

/// Replays the log into fresh rows and compares every one with what is live.
///
/// # Errors
/// A row that differs.
pub fn rebuild_agrees(server: &Server) -> Result<()> {
    let report = Admin::new(server)?.post("/rebuild", &serde_json::json!({}))?.context("an answer")?;
    if report["equal"] != serde_json::Value::Bool(true) {
        bail!("a rebuild differs: {report}");
    }
    Ok(())
}
