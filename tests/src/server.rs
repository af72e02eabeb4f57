//! A server process of one's own: started on free ports, killed or stopped as the suite asks.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{Connection, Credentials};

/// A running server.
pub struct Server {
    child: Child,
    /// Its data directory.
    pub data: PathBuf,
    /// Public listener.
    pub address: SocketAddr,
    /// Admin listener.
    pub admin: SocketAddr,
    /// What the first start wrote down.
    pub environment: HashMap<String, String>,
    /// From spawn to ready.
    pub ready_after: Duration,
}

/// The program under test: `HOLDFAST_BIN`, else the one built beside this test or bench.
///
/// # Errors
/// When it is not built.
pub fn program() -> Result<PathBuf> {
    if let Ok(path) = std::env::var("HOLDFAST_BIN") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    // A test stands in target/PROFILE/deps, a bench in target/PROFILE.
    let beside = test.ancestors().skip(1).take(2).map(|directory| directory.join("holdfast"));
    beside.into_iter().find(|program| program.is_file()).context("holdfast is not built: cargo build")
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Server {
    /// Starts a server on a data directory and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready within 60 s; its log's last lines are in the error.
    pub fn start(data: &Path) -> Result<Self> {
        Self::start_with(data, &[])
    }

    /// The same with environment variables, such as `HOLDFAST__HISTORY__WINDOW`.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(data: &Path, variables: &[(&str, &str)]) -> Result<Self> {
        Self::start_as(data, &[], variables)
    }

    /// The same with flags too.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_as(data: &Path, flags: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let admin = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let log = data.with_extension("log");
        let log_file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
        let began = Instant::now();
        let mut child = Command::new(program()?)
            .args(["serve", "--data"])
            .arg(data)
            .args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()])
            .args(flags)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .spawn()?;
        while !ready(address) {
            if let Some(status) = child.try_wait()? {
                bail!("the server ended with {status}:\n{}", tail(&log));
            }
            if began.elapsed() > Duration::from_secs(60) {
                let _ = child.kill();
                bail!("the server was not ready within 60 s:\n{}", tail(&log));
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        let ready_after = began.elapsed();
        // It is the operator's to remove: whoever needs what it says finds it missing.
        let environment = read_environment(&data.join("first-run.env")).unwrap_or_default();
        Ok(Self { child, data: data.to_owned(), address, admin, environment, ready_after })
    }

    /// Tries to start and expects that the server refuses: its output.
    ///
    /// # Errors
    /// When it starts all the same.
    pub fn refuses_to_start(data: &Path) -> Result<String> {
        match Self::start(data) {
            Ok(_) => bail!("the server started"),
            Err(error) => Ok(error.to_string()),
        }
    }

    /// Credentials of the first start.
    #[must_use]
    pub fn credentials(&self) -> Credentials {
        let value = |name: &str| self.environment.get(name).cloned().unwrap_or_default();
        Credentials { access_key: value("AWS_ACCESS_KEY_ID"), secret: value("AWS_SECRET_ACCESS_KEY") }
    }

    /// A connection with the credentials of the first start.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::new(self.address, self.credentials())
    }

    /// Runs an administrative command against this server; what it says as JSON.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn admin(&self, words: &[&str]) -> Result<serde_json::Value> {
        let token = self.environment.get("HOLDFAST_ADMIN_TOKEN").context("an admin token")?;
        let output = Command::new(program()?)
            .args(words)
            .arg("--json")
            .env("HOLDFAST_ADMIN_URL", format!("http://{}", self.admin))
            .env("HOLDFAST_ADMIN_TOKEN", token)
            .output()?;
        if !output.status.success() {
            bail!("{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// A tenant with a user, made by the command line; the credentials of its key.
    ///
    /// # Errors
    /// When one of the commands fails.
    pub fn tenant(&self, name: &str) -> Result<Credentials> {
        self.admin(&["tenant", "create", name])?;
        self.admin(&["user", "create", "--tenant", name, "--id", "user", "--display-name", "User"])?;
        self.key(name)
    }

    /// Another key of such a tenant's user.
    ///
    /// # Errors
    /// When the command fails.
    pub fn key(&self, tenant: &str) -> Result<Credentials> {
        let made = self.admin(&["key", "create", "--tenant", tenant, "--user", "user"])?;
        let text = |field: &str| made[field].as_str().map(str::to_owned).with_context(|| field.to_owned());
        Ok(Credentials { access_key: text("accessKeyId")?, secret: text("secretKey")? })
    }

    /// Asks an operator's process to end (SIGTERM), without waiting for it.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn terminate(&self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        Ok(())
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops its threads where they are (SIGSTOP): from now on it writes nothing. What can still be done is to kill it.
    ///
    /// # Errors
    /// When there is no such process, or it does not stop within 10 s.
    pub fn pause(&self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-STOP", &pid]).status()?;
        let began = Instant::now();
        // The signal is delivered to each thread when it leaves the kernel: one that waits for the disk gets there first.
        while !all_stopped(&pid)? {
            if began.elapsed() > Duration::from_secs(10) {
                bail!("the server did not pause within 10 s");
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Lets a paused server go on (SIGCONT).
    ///
    /// # Errors
    /// When there is no such process.
    pub fn resume(&self) -> Result<()> {
        Command::new("kill").args(["-CONT", &self.child.id().to_string()]).status()?;
        Ok(())
    }

    /// Ends it without warning (SIGKILL).
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it as an operator would (SIGTERM) and expects exit code 0.
    ///
    /// # Errors
    /// Another exit code, or none within 60 s.
    pub fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                bail!("the server ended with {status}:\n{}", tail(&self.data.with_extension("log")));
            }
            if began.elapsed() > Duration::from_secs(60) {
                bail!("the server did not stop within 60 s");
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Resident memory, bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok(kib * 1024)
    }

    /// User and system time so far.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').context("a name")?.1.split_whitespace().collect();
        // utime and stime, fields 14 and 15 of proc(5), in ticks of 10 ms.
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn all_stopped(pid: &str) -> Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that ended in between is none that runs.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        if state.is_some_and(|state| !matches!(state, 'T' | 't' | 'Z' | 'X')) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn ready(address: SocketAddr) -> bool {
    let nobody = Credentials { access_key: String::new(), secret: String::new() };
    let mut connection = Connection::new(address, nobody);
    connection.plain("GET", "/readyz").is_ok_and(|answer| answer.status == 200)
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn read_environment(file: &Path) -> Result<HashMap<String, String>> {
    let file = std::fs::File::open(file).with_context(|| file.display().to_string())?;
    let mut environment = HashMap::new();
    for line in BufReader::new(file).lines() {
        let line = line?;
        let line = line.strip_prefix("export ").unwrap_or(&line);
        if let Some((name, value)) = line.split_once('=') {
            environment.insert(name.to_owned(), value.trim_matches(['\'', '"']).to_owned());
        }
    }
    Ok(environment)
}
