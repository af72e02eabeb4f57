//! How much is measured, where, and of which server: the flags of every bench.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use holdfast_tests::Credentials;

use crate::load::family::{Family, parse_size};
use crate::load::target::Endpoint;

/// Flags. What a bench has no use for it ignores.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Flags {
    /// Less of everything, to see that it works
    #[arg(long)]
    quick: bool,
    /// Rounds over all cells; a figure is the median of its rounds
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds that a cell runs in a round
    #[arg(long)]
    seconds: Option<f64>,
    /// Only cells whose name contains one of these, such as "put 4 KiB x 64 "
    #[arg(long)]
    only: Vec<String>,
    /// The disk that is measured
    #[arg(long, default_value = "target/benches")]
    data: PathBuf,
    /// http: families, or `conditional` or `all`
    #[arg(long, value_delimiter = ',')]
    families: Vec<String>,
    /// http: sizes of objects, such as 1,4KiB,64MiB,5GiB
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<String>,
    /// http: how many clients at once
    #[arg(long, value_delimiter = ',')]
    clients: Vec<usize>,
    /// http: of multipart uploads
    #[arg(long, default_value = "8MiB")]
    part_size: String,
    /// http: another server, `http://HOST:PORT`
    #[arg(long, requires_all = ["access_key", "secret_key"])]
    endpoint: Option<String>,
    #[arg(long)]
    access_key: Option<String>,
    #[arg(long)]
    secret_key: Option<String>,
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// http: a process of that server on this machine, of several each; else whoever listens on the port
    #[arg(long)]
    pid: Vec<u32>,
    /// http: a bucket of that server, made if it is not there
    #[arg(long, default_value = "holdfast-benches")]
    bucket: String,
    /// http: leave what was put to that server
    #[arg(long)]
    keep: bool,
    /// http: what the server is called in the record
    #[arg(long)]
    name: Option<String>,
    /// http: writes the record here
    #[arg(long)]
    json: Option<PathBuf>,
    /// Engine benches: how many of what they are about
    #[arg(long)]
    keys: Option<u64>,
}

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where data directories and raw files are made: the disk that is measured.
    pub(crate) data: PathBuf,
    /// Rounds over all cells; a cell's figure is the median of its rounds.
    pub(crate) rounds: usize,
    /// Seconds that a cell runs in a round.
    pub(crate) seconds: f64,
    /// Less of everything, to see that it works.
    pub(crate) quick: bool,
    /// Only cells whose name contains one of these.
    only: Vec<String>,
    pub(crate) families: Vec<Family>,
    /// Those of each family, if none.
    pub(crate) sizes: Option<Vec<u64>>,
    pub(crate) clients: Vec<usize>,
    pub(crate) part_bytes: u64,
    /// None is a server of our own.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) name: Option<String>,
    pub(crate) json: Option<PathBuf>,
    keys: Option<u64>,
}

const CLIENTS: [usize; 4] = [1, 16, 64, 256];
const CLIENTS_QUICK: [usize; 2] = [1, 16];
const SIZES_QUICK: [u64; 2] = [4 << 10, 8 << 20];

/// S3 takes no smaller part, but the last.
const PART_BYTES_MIN: u64 = 5 << 20;

impl Flags {
    pub(crate) fn plan(self) -> Result<Plan> {
        let sizes = self.sizes.iter().map(|size| parse_size(size)).collect::<Result<Vec<_>>>()?;
        let sizes = match (sizes.is_empty(), self.quick) {
            (false, _) => Some(sizes),
            (true, true) => Some(SIZES_QUICK.to_vec()),
            (true, false) => None,
        };
        let clients = match (self.clients.is_empty(), self.quick) {
            (false, _) => self.clients,
            (true, true) => CLIENTS_QUICK.to_vec(),
            (true, false) => CLIENTS.to_vec(),
        };
        ensure!(!clients.contains(&0), "at least one client");
        let mut families = Vec::new();
        for word in &self.families {
            families.extend(Family::parse_group(word)?);
        }
        if families.is_empty() {
            families = Family::all();
        }
        families.sort();
        families.dedup();
        let part_bytes = parse_size(&self.part_size)?;
        ensure!(part_bytes >= PART_BYTES_MIN, "parts of at least 5 MiB");
        let endpoint = match self.endpoint {
            None => None,
            Some(url) => {
                let access_key = self.access_key.context("--access-key")?;
                let secret = self.secret_key.context("--secret-key")?;
                let credentials = Credentials { access_key, secret };
                let (region, pids, bucket, keep) = (self.region, self.pid, self.bucket, self.keep);
                Some(Endpoint { url, credentials, region, pids, bucket, keep })
            }
        };
        Ok(Plan {
            data: self.data,
            rounds: self.rounds.unwrap_or(if self.quick { 1 } else { 5 }),
            seconds: self.seconds.unwrap_or(if self.quick { 0.5 } else { 2.0 }),
            quick: self.quick,
            only: self.only.iter().map(|word| word.to_lowercase()).collect(),
            families,
            sizes,
            clients,
            part_bytes,
            endpoint,
            name: self.name,
            json: self.json,
            keys: self.keys,
        })
    }
}

impl Plan {
    /// Whether a cell is asked for.
    pub(crate) fn wants(&self, cell: &str) -> bool {
        let cell = cell.to_lowercase();
        self.only.is_empty() || self.only.iter().any(|word| cell.contains(word.as_str()))
    }

    /// What was asked for, else one of two.
    pub(crate) fn keys(&self, quick: u64, whole: u64) -> u64 {
        self.keys.unwrap_or(if self.quick { quick } else { whole })
    }

    /// A folder that is removed at the end.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.data)?;
        tempfile::Builder::new().prefix("bench-").tempdir_in(&self.data).context("making a folder")
    }
}
