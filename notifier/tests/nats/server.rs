//! A nats-server of one's own: on a free port, with its files in a folder that goes with it, killed as the test asks.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream::context::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// `HOLDFAST_NATS_SERVER`, else what tests/nats/install unpacked, else the one on the path.
fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("HOLDFAST_NATS_SERVER") {
        return named.into();
    }
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/nats/nats-server");
    if unpacked.is_file() {
        return unpacked;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|program| program.is_file());
    found.expect("there is no nats-server: run tests/nats/install, or name one in HOLDFAST_NATS_SERVER")
}

pub(crate) struct Server {
    child: Option<Child>,
    pub(crate) port: u16,
    pub(crate) folder: TempDir,
}

impl Server {
    /// Starts one; `more` goes into its configuration, with `DIR` for its folder.
    pub(crate) async fn start(more: &str) -> Self {
        let mut server = Self::stopped(more);
        server.restart().await;
        server
    }

    /// One that is not running yet.
    pub(crate) fn stopped(more: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let path = folder.path().display().to_string();
        let configuration = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{path}\" }}\n{}\n",
            more.replace("DIR", &path)
        );
        std::fs::write(folder.path().join("conf"), configuration).expect("the configuration is written");
        Self { child: None, port, folder }
    }

    pub(crate) async fn restart(&mut self) {
        self.kill();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log"));
        let child = Command::new(program())
            .arg("-c")
            .arg(self.folder.path().join("conf"))
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .spawn();
        self.child = Some(child.expect("nats-server starts"));
        for _ in 0..500 {
            if let Ok(mut socket) = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await {
                let mut greeting = [0; 4];
                if socket.read_exact(&mut greeting).await.is_ok() && &greeting == b"INFO" {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("nats-server did not start:\n{log}");
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server is killed");
            child.wait().expect("the server is gone");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Somebody else's connection.
    pub(crate) async fn client(&self) -> Context {
        let client = async_nats::connect(self.url()).await.expect("the test connects");
        async_nats::jetstream::new(client)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Every message of a stream, in order; none if there is no stream.
pub(crate) async fn messages(client: &Context, stream: &str) -> Vec<StreamMessage> {
    let Ok(stream) = client.get_stream(stream).await else { return Vec::new() };
    let state = stream.cached_info().state.clone();
    let mut found = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        match stream.get_raw_message(sequence).await {
            Ok(message) => found.push(message),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
            Err(error) => panic!("message {sequence} does not read: {error}"),
        }
    }
    found
}

/// The `Nats-Msg-Id` of every message of a stream, in order; empty for one without.
pub(crate) async fn ids(client: &Context, stream: &str) -> Vec<String> {
    let id = |message: StreamMessage| {
        message.headers.get("Nats-Msg-Id").map(|id| id.as_str().to_owned()).unwrap_or_default()
    };
    messages(client, stream).await.into_iter().map(id).collect()
}
