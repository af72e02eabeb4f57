//! The server that a group of cells is measured on: one of our own with a data directory of its own, or one that is there already.

use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, bail};
use holdfast_tests::{Credentials, Server};

use crate::Plan;
use crate::client::{Body, Client, Keep, Shared};
use crate::process::Processes;
use crate::signing::Request;

/// A server that somebody else has started.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// `http://HOST:PORT`.
    pub(crate) url: String,
    pub(crate) credentials: Credentials,
    pub(crate) region: String,
    /// Its processes on this machine. Without any, whoever listens on the port.
    pub(crate) pids: Vec<u32>,
    pub(crate) bucket: String,
    /// Leave what was put.
    pub(crate) keep: bool,
}

impl Endpoint {
    fn host(&self) -> Result<&str> {
        let host = self.url.strip_prefix("http://").context("an endpoint that begins with http://, without TLS")?;
        Ok(host.trim_end_matches('/'))
    }

    pub(crate) fn name(&self) -> String {
        self.host().unwrap_or(&self.url).to_owned()
    }
}

pub(crate) struct Target {
    pub(crate) shared: Shared,
    pub(crate) processes: Processes,
    pub(crate) bucket: String,
    /// Of all keys.
    pub(crate) prefix: String,
    kind: Kind,
}

enum Kind {
    /// Stopped, and its folder removed, at the end.
    Own { server: Box<Server>, _folder: tempfile::TempDir },
    /// What was put there is deleted at the end.
    Foreign { keep: bool },
}

impl Target {
    /// `group` tells what is put for one group of cells from what is put for others.
    pub(crate) fn open(plan: &Plan, group: &str) -> Result<Self> {
        match &plan.endpoint {
            None => Self::own(plan),
            Some(endpoint) => Self::foreign(endpoint, group),
        }
    }

    /// A data directory of its own: no cell measures what another group left behind.
    fn own(plan: &Plan) -> Result<Self> {
        let folder = plan.folder()?;
        let server = Server::start(&folder.path().join("data"))?;
        Ok(Self {
            shared: Shared::of(&server),
            processes: Processes(vec![server.pid()]),
            bucket: "demo".to_owned(),
            prefix: String::new(),
            kind: Kind::Own { server: Box::new(server), _folder: folder },
        })
    }

    fn foreign(endpoint: &Endpoint, group: &str) -> Result<Self> {
        let host = endpoint.host()?;
        let address: SocketAddr =
            host.to_socket_addrs().with_context(|| format!("HOST:PORT, not {host}"))?.next().context("an address")?;
        let shared = Shared::at(address, host.to_owned(), &endpoint.region, &endpoint.credentials);
        let given = Processes(endpoint.pids.clone());
        let processes = if given.0.is_empty() { Processes::listening(address) } else { given };
        let bucket = endpoint.bucket.clone();
        // Another run may have left objects, and bodies that a server knows already.
        let prefix = format!("{}/{group}/", holdfast_tests::timestamp());
        let target = Self { shared, processes, bucket, prefix, kind: Kind::Foreign { keep: endpoint.keep } };
        target.make_bucket()?;
        Ok(target)
    }

    fn make_bucket(&self) -> Result<()> {
        let path = format!("/{}", self.bucket);
        let answer = runtime()?.block_on(async {
            let mut client = Client::connect(&self.shared).await?;
            let known = client.send(&Request::new("HEAD", &path), Body::Nothing, Keep::Nothing).await?;
            if known.status == 200 {
                return Ok(known);
            }
            client.send(&Request::new("PUT", &path), Body::Nothing, Keep::Text).await
        })?;
        match answer.status {
            200 | 204 => Ok(()),
            status => bail!("the bucket {} was not made: {status}: {}", self.bucket, answer.text),
        }
    }

    pub(crate) fn close(self) -> Result<()> {
        match self.kind {
            Kind::Own { server, .. } => server.stop(),
            Kind::Foreign { keep: true } => Ok(()),
            Kind::Foreign { keep: false } => {
                let removed = runtime()?.block_on(remove_all(&self.shared, &self.bucket, &self.prefix))?;
                eprintln!("{removed} objects removed");
                Ok(())
            }
        }
    }
}

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

const REMOVERS: usize = 32;

/// Page by page, each key by a request of its own: every server knows that one.
async fn remove_all(shared: &Shared, bucket: &str, prefix: &str) -> Result<usize> {
    let (mut lister, mut removed) = (Client::connect(shared).await?, 0);
    let (path, prefix) = (format!("/{bucket}"), prefix.replace('/', "%2F"));
    let query = format!("list-type=2&max-keys=1000&prefix={prefix}");
    loop {
        let request = Request { query: &query, ..Request::new("GET", &path) };
        let page = lister.send(&request, Body::Nothing, Keep::Text).await?;
        let keys: Vec<&str> = page.text.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
        if page.status != 200 || keys.is_empty() {
            return Ok(removed);
        }
        let each = (0..REMOVERS).map(|number| {
            let mine: Vec<_> = keys.iter().skip(number).step_by(REMOVERS).collect();
            async move {
                let mut client = Client::new(shared);
                for key in mine {
                    let path = format!("/{bucket}/{key}");
                    let answer = client.send(&Request::new("DELETE", &path), Body::Nothing, Keep::Nothing).await?;
                    if !matches!(answer.status, 200 | 204) {
                        bail!("{path} was not removed: {}: {}", answer.status, answer.text);
                    }
                }
                Ok(())
            }
        });
        futures_util::future::try_join_all(each).await?;
        removed += keys.len();
    }
}
