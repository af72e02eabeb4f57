//! The command line.
//!
//! Owns: words, flags, and what each administrative command asks of the admin API.
//! Does not own: configuration (flags are its last layer), talking to the server.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, TenantName, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::commands::{Request, View};
use crate::config::{Inputs, LogFormat};

/// Holdfast: an event-sourced, multi-tenant, encrypted object store that speaks S3.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve (what happens without a command).
    Serve(ServeArgs),
    /// Tenants of a running server.
    Tenant(Target<TenantCommand>),
    /// Users of a tenant.
    User(Target<UserCommand>),
    /// Access keys of a tenant.
    Key(Target<KeyCommand>),
    /// Upkeep of a running server.
    Admin(Target<AdminCommand>),
    /// What happened, for auditors: export it with proofs, verify an export, list who did what.
    Audit(AuditArgs),
    /// Build a tenant's projections from its log or an export into a folder, and print their digests
    Replay(ReplayArgs),
    /// Throw every projection away and build it anew from the log (the server must be stopped)
    Rebuild(RebuildArgs),
    /// Make a backup in a folder of the server's machine, or add to the one there what changed
    Backup(BackupArgs),
    /// Copy the key files, which are in no backup; the root key is yours to keep
    BackupKeys(BackupKeysArgs),
    /// Make a store of a backup in an empty data directory (no server runs there)
    Restore(RestoreArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// Folder of the server's machine: empty, or with an earlier backup
    #[arg(long, value_name = "DIR", required_unless_present = "verify")]
    pub(crate) to: Option<PathBuf>,
    /// Read a whole backup and compare it with its digests, and do nothing else
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to", "keep_days"])]
    pub(crate) verify: Option<PathBuf>,
    /// How long content that the store gives up stays in the backup [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) keep_days: Option<u32>,
    /// Configuration file (TOML), as for serving; used when no server runs
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct BackupKeysArgs {
    /// Folder of the server's machine: each copy is a new folder in it
    #[arg(long, value_name = "DIR")]
    pub(crate) to: PathBuf,
    /// When the copy ends and the server removes it [default: 30]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) keep_days: Option<u32>,
    /// Configuration file (TOML), as for serving; used when no server runs
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(long, value_name = "DIR")]
    pub(crate) from: PathBuf,
    /// A copy that backup-keys made [default: the key files that are in the data directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
    /// How far: a time (RFC 3339, or -2h), or pos:N of one tenant [default: all there is]
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub(crate) at: Option<String>,
    /// The tenant whose log --at pos:N is a place in
    #[arg(long, value_parser = TenantName::parse)]
    pub(crate) tenant: Option<TenantName>,
    /// Data directory: empty but for keys [default: ./holdfast-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file (TOML), as for serving
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: AuditCommand,
    #[command(flatten)]
    pub(crate) how: How,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Export a tenant's log, or one bucket's records, from a running server, for an auditor
    Export(ExportArgs),
    /// Verify an export, without any server: exit code 0 if it is sound, 1 if something was changed, 2 if something is missing
    Verify(VerifyArgs),
    /// List who did what to a tenant, bucket, prefix or key, from a running server, the oldest first
    Timeline(TimelineArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[arg(long, value_parser = TenantName::parse)]
    pub(crate) tenant: TenantName,
    /// Only records of this bucket, proved to be all of them
    #[arg(long, value_parser = BucketName::parse)]
    pub(crate) bucket: Option<BucketName>,
    /// First point: pos:N, an RFC 3339 time, -2h [default: the beginning]
    #[arg(long, value_name = "POINT", allow_hyphen_values = true, value_parser = point)]
    pub(crate) from: Option<String>,
    /// Point behind the last [default: the end]
    #[arg(long, value_name = "POINT", allow_hyphen_values = true, value_parser = point)]
    pub(crate) to: Option<String>,
    /// File to make, for example acme.tar.zst. Whoever has it can read the records in it
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The export
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Verifier key of the log, or a file that holds it: had from the operator, not from the export
    #[arg(long, value_name = "PUB")]
    pub(crate) key: String,
}

#[derive(Debug, Args)]
pub(crate) struct TimelineArgs {
    #[arg(long, value_parser = TenantName::parse)]
    pub(crate) tenant: TenantName,
    #[arg(long, value_parser = BucketName::parse)]
    pub(crate) bucket: Option<BucketName>,
    /// One object
    #[arg(long, conflicts_with = "prefix")]
    pub(crate) key: Option<String>,
    /// Objects whose key begins with it
    #[arg(long)]
    pub(crate) prefix: Option<String>,
    /// User, access key or admin token
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// From this point on: pos:N, an RFC 3339 time, -2h
    #[arg(long, value_name = "POINT", allow_hyphen_values = true, value_parser = point)]
    pub(crate) from: Option<String>,
    /// Before this point
    #[arg(long, value_name = "POINT", allow_hyphen_values = true, value_parser = point)]
    pub(crate) to: Option<String>,
    #[arg(long, value_enum, default_value_t = TimelineFormat::Table)]
    pub(crate) format: TimelineFormat,
}

/// What a timeline is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimelineFormat {
    /// For people.
    Table,
    /// The server's entries, one a line.
    Jsonl,
    /// For spreadsheets.
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[arg(long, value_parser = TenantName::parse)]
    pub(crate) tenant: TenantName,
    /// Last point that is replayed: pos:N, an RFC 3339 time, -2h [default: the end]
    #[arg(long, value_name = "POINT", allow_hyphen_values = true, value_parser = point)]
    pub(crate) to: Option<String>,
    /// An export of the tenant's whole log, in place of a data directory. It is not verified: see `holdfast audit verify`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "config"])]
    pub(crate) from_export: Option<PathBuf>,
    /// Data directory of a stopped server [default: ./holdfast-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file (TOML), as for serving
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for the rows, empty or not there
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl ReplayArgs {
    pub(crate) fn inputs(&self, environment: Vec<(String, String)>) -> Inputs {
        let serve = ServeArgs { data: self.data.clone(), config: self.config.clone(), ..ServeArgs::default() };
        serve.inputs(environment)
    }
}

/// A point, read here so that a wrong one is a usage error; the server reads it again.
fn point(text: &str) -> Result<String, domain::point::NoPoint> {
    text.parse::<domain::point::Point>().map(|_| text.to_owned())
}

#[derive(Debug, Default, Args)]
pub(crate) struct RebuildArgs {
    /// Data directory [default: ./holdfast-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file (TOML), as for serving
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The projections' own files may be damaged or missing: copy the data directory first
    #[arg(long)]
    pub(crate) damaged: bool,
}

impl RebuildArgs {
    pub(crate) fn inputs(self, environment: Vec<(String, String)>) -> Inputs {
        let serve = ServeArgs { data: self.data, config: self.config, ..ServeArgs::default() };
        serve.inputs(environment)
    }
}

#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Data directory [default: ./holdfast-data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address of the S3 and native APIs [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// Address of the admin API and metrics [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Configuration file (TOML); every key also as HOLDFAST__SECTION__KEY
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Show each setting and where it comes from, and end
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Listen beyond loopback without TLS
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    /// Start although acknowledged writes are lost, because no copy has them: every log begins a new epoch, recorded
    #[arg(long)]
    pub(crate) accept_lost_tail: bool,
    /// Form of log lines [default: pretty on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

impl ServeArgs {
    pub(crate) fn inputs(self, environment: Vec<(String, String)>) -> Inputs {
        Inputs {
            file: self.config,
            environment,
            data: self.data,
            listen: self.listen,
            admin_listen: self.admin_listen,
            allow_plaintext: self.allow_plaintext,
            log_format: self.log_format,
        }
    }
}

/// A command for a running server, and how to find it: HOLDFAST_ADMIN_URL and HOLDFAST_ADMIN_TOKEN, else the data
/// directory's first-run.env.
#[derive(Debug, Args)]
pub(crate) struct Target<C: Subcommand> {
    #[command(subcommand)]
    command: C,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
pub(crate) struct How {
    /// Data directory whose first-run.env names server and token [default: ./holdfast-data]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,
    /// Print the server's JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant
    Create {
        #[arg(value_parser = TenantName::parse)]
        name: TenantName,
    },
    /// List tenants
    List,
    /// Stop a tenant: its keys no longer work
    Disable {
        #[arg(value_parser = TenantName::parse)]
        name: TenantName,
        /// Why; recorded
        #[arg(long, default_value = "stopped by an operator")]
        reason: String,
    },
    /// Let a tenant's keys work again
    Enable {
        #[arg(value_parser = TenantName::parse)]
        name: TenantName,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Create a user
    Create {
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        #[arg(long, value_parser = UserId::parse)]
        id: UserId,
        /// Name for people [default: the id]
        #[arg(long)]
        display_name: Option<String>,
        #[arg(long)]
        email: Option<String>,
    },
    /// List users
    List {
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Create an access key; its secret is shown once
    Create {
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
        #[arg(long, value_parser = UserId::parse)]
        user: UserId,
        /// Id of your own choice
        #[arg(long, requires = "secret_key", value_parser = AccessKeyId::parse)]
        access_key: Option<AccessKeyId>,
        /// Secret of your own choice
        #[arg(long, requires = "access_key", value_parser = secret)]
        secret_key: Option<SecretString>,
        /// For example op=read:bucket=data,op=write:bucket=data:prefix=in/ [default: everything]
        #[arg(long, value_parser = clap::value_parser!(Scopes))]
        scopes: Option<Scopes>,
    },
    /// List access keys
    List {
        #[arg(long, value_parser = TenantName::parse)]
        tenant: TenantName,
    },
    /// End an access key for good
    Revoke {
        #[command(flatten)]
        key: KeyName,
        /// Why; recorded
        #[arg(long)]
        reason: Option<String>,
    },
    /// Stop an access key
    Disable(KeyName),
    /// Let an access key work again
    Enable(KeyName),
}

#[derive(Debug, Args)]
pub(crate) struct KeyName {
    #[arg(long, value_parser = TenantName::parse)]
    tenant: TenantName,
    #[arg(long, value_parser = AccessKeyId::parse)]
    access_key: AccessKeyId,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Build all projections anew from the log and compare them
    Rebuild,
    /// Give back the space of content that nothing refers to
    Sweep,
    /// Carry out the lifecycle rules of all buckets now
    Lifecycle,
    /// Show the retention clock
    Clock {
        /// Say that the server's wall clock is right: expiry goes on if it was frozen. TIME is what time it is (RFC 3339), by another
        /// clock than the server's [default: this machine's]
        #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "now")]
        acknowledge: Option<String>,
    },
}

// Clap asks for a Result of every parser.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap asks for")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

impl KeyName {
    fn path(&self, what: &str) -> String {
        format!("/tenants/{}/keys/{}/{what}", self.tenant, self.access_key)
    }
}

impl Target<TenantCommand> {
    pub(crate) fn into_request(self) -> Request {
        let Self { command, how } = self;
        match command {
            TenantCommand::Create { name } => {
                Request::post("/tenants", json!({ "id": name.as_str() }), View::Tenant, how)
            }
            TenantCommand::List => Request::get("/tenants", View::Tenants, how),
            TenantCommand::Disable { name, reason } => {
                Request::post(&format!("/tenants/{name}/disable"), json!({ "reason": reason }), View::Tenant, how)
            }
            TenantCommand::Enable { name } => {
                Request::post(&format!("/tenants/{name}/enable"), json!({}), View::Tenant, how)
            }
        }
    }
}

impl Target<UserCommand> {
    pub(crate) fn into_request(self) -> Request {
        let Self { command, how } = self;
        match command {
            UserCommand::Create { tenant, id, display_name, email } => {
                let mut body = json!({ "id": id.as_str() });
                if let Some(name) = display_name {
                    body["displayName"] = name.into();
                }
                if let Some(email) = email {
                    body["email"] = email.into();
                }
                Request::post(&format!("/tenants/{tenant}/users"), body, View::User, how)
            }
            UserCommand::List { tenant } => Request::get(&format!("/tenants/{tenant}/users"), View::Users, how),
        }
    }
}

impl Target<KeyCommand> {
    pub(crate) fn into_request(self) -> Request {
        let Self { command, how } = self;
        match command {
            KeyCommand::Create { tenant, user, access_key, secret_key, scopes } => {
                let mut body = json!({ "user": user.as_str() });
                if let (Some(id), Some(secret)) = (access_key, secret_key) {
                    body["accessKeyId"] = id.as_str().into();
                    body["secretKey"] = secret.expose_secret().into();
                }
                body["scopes"] = scopes.unwrap_or_else(Scopes::full).to_string().into();
                Request::post(&format!("/tenants/{tenant}/keys"), body, View::NewKey, how)
            }
            KeyCommand::List { tenant } => Request::get(&format!("/tenants/{tenant}/keys"), View::Keys, how),
            KeyCommand::Revoke { key, reason } => {
                let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
                Request::post(&key.path("revoke"), body, View::Key, how)
            }
            KeyCommand::Disable(key) => Request::post(&key.path("disable"), json!({}), View::Key, how),
            KeyCommand::Enable(key) => Request::post(&key.path("enable"), json!({}), View::Key, how),
        }
    }
}

impl Target<AdminCommand> {
    pub(crate) fn into_request(self) -> Request {
        let Self { command, how } = self;
        let path = match command {
            AdminCommand::Rebuild => "/rebuild",
            AdminCommand::Sweep => "/sweep",
            AdminCommand::Lifecycle => "/lifecycle",
            AdminCommand::Clock { acknowledge: None } => return Request::get("/clock", View::Json, how),
            AdminCommand::Clock { acknowledge: Some(time) } => {
                let wall = if time == "now" { crate::wiring::now_text() } else { time };
                return Request::post("/clock/acknowledge", json!({ "wall": wall }), View::Json, how);
            }
        };
        Request::post(path, json!({}), View::Json, how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    /// Method, path and body that an administrative command line asks for.
    fn asks(line: &str, method: &str, path: &str, body: serde_json::Value) {
        let request = match parse(line).expect(line).command.expect("a command") {
            Command::Tenant(args) => args.into_request(),
            Command::User(args) => args.into_request(),
            Command::Key(args) => args.into_request(),
            Command::Admin(args) => args.into_request(),
            other => panic!("{line} is no request: {other:?}"),
        };
        assert_eq!((request.method.as_str(), request.path.as_str()), (method, path), "{line}");
        assert_eq!(request.body.unwrap_or_default(), body, "{line}");
    }

    #[test]
    fn each_administrative_command_is_one_request() {
        let none = serde_json::Value::Null;
        asks("holdfast tenant create acme", "POST", "/tenants", json!({ "id": "acme" }));
        asks("holdfast tenant list", "GET", "/tenants", none.clone());
        asks(
            "holdfast tenant disable acme --reason unpaid",
            "POST",
            "/tenants/acme/disable",
            json!({ "reason": "unpaid" }),
        );
        asks("holdfast tenant enable acme --json", "POST", "/tenants/acme/enable", json!({}));
        asks(
            "holdfast user create --tenant acme --id ann --display-name Ann",
            "POST",
            "/tenants/acme/users",
            json!({ "id": "ann", "displayName": "Ann" }),
        );
        asks("holdfast user list --tenant acme --data d", "GET", "/tenants/acme/users", none.clone());
        asks(
            "holdfast key create --tenant acme --user ann --access-key HFKEY --secret-key s3cret-s3cret --scopes op=read",
            "POST",
            "/tenants/acme/keys",
            json!({ "user": "ann", "accessKeyId": "HFKEY", "secretKey": "s3cret-s3cret", "scopes": "op=read" }),
        );
        asks("holdfast key list --tenant acme", "GET", "/tenants/acme/keys", none);
        asks(
            "holdfast key revoke --tenant acme --access-key HFKEY --reason leaked",
            "POST",
            "/tenants/acme/keys/HFKEY/revoke",
            json!({ "reason": "leaked" }),
        );
        asks(
            "holdfast key disable --tenant acme --access-key HFKEY",
            "POST",
            "/tenants/acme/keys/HFKEY/disable",
            json!({}),
        );
        asks(
            "holdfast key enable --tenant acme --access-key HFKEY",
            "POST",
            "/tenants/acme/keys/HFKEY/enable",
            json!({}),
        );
        asks("holdfast admin rebuild", "POST", "/rebuild", json!({}));
        asks("holdfast admin --data d sweep", "POST", "/sweep", json!({}));
        asks("holdfast admin lifecycle", "POST", "/lifecycle", json!({}));
        asks("holdfast admin clock", "GET", "/clock", serde_json::Value::Null);
        let said = json!({ "wall": "2036-01-01T00:00:00Z" });
        asks("holdfast admin clock --acknowledge=2036-01-01T00:00:00Z", "POST", "/clock/acknowledge", said);
    }

    #[test]
    fn a_clock_is_acknowledged_with_this_machines_time_unless_another_is_said() {
        let Some(Command::Admin(args)) = parse("holdfast admin clock --acknowledge").expect("parses").command else {
            panic!("an admin command")
        };
        let body = args.into_request().body.expect("a body");
        let said = body["wall"].as_str().expect("a time");
        assert!(said.parse::<jiff::Timestamp>().is_ok() && said.starts_with("20"), "{said}");
    }

    #[test]
    fn backups_and_restores_are_read() {
        for line in [
            "holdfast backup --to a --data d --json",
            "holdfast backup --verify a",
            "holdfast backup-keys --to a --keep-days 7 --config c",
            "holdfast restore --from a --keys k --at -2h --data d",
            "holdfast restore --from a --at pos:7 --tenant acme",
        ] {
            parse(line).expect(line);
        }
    }

    #[test]
    fn serving_is_what_happens_without_a_command() {
        for line in ["holdfast --data d --listen 127.0.0.1:1", "holdfast serve --data d --listen 127.0.0.1:1"] {
            let cli = parse(line).expect(line);
            let args = match cli.command {
                None => cli.serve,
                Some(Command::Serve(args)) => args,
                Some(other) => panic!("{line}: {other:?}"),
            };
            assert_eq!((args.data, args.listen.map(|a| a.port())), (Some(PathBuf::from("d")), Some(1)));
        }
        assert!(parse("holdfast").expect("parses").command.is_none());
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        for line in [
            "holdfast --listen nowhere",
            "holdfast --log-format xml",
            "holdfast frobnicate",
            "holdfast tenant create No",
            "holdfast tenant create",
            "holdfast user create --tenant acme",
            "holdfast key create --tenant acme --user ann --access-key HFKEY",
            "holdfast key create --tenant acme --user ann --secret-key s3cret-s3cret",
            "holdfast key create --tenant acme --user ann --scopes everything",
            "holdfast key revoke --tenant acme --access-key a/../b",
            "holdfast --data d tenant list",
            "holdfast backup",
            "holdfast backup --to a --verify b",
            "holdfast backup --to a --keep-days 0",
            "holdfast backup-keys",
            "holdfast restore --data d",
            "holdfast restore --from a --tenant No",
            "holdfast audit export --tenant acme",
            "holdfast audit export --tenant acme --from yesterday out.tar.zst",
            "holdfast audit verify out.tar.zst",
            "holdfast audit timeline --bucket data",
            "holdfast audit timeline --tenant acme --key a --prefix b",
            "holdfast audit timeline --tenant acme --format xml",
            "holdfast replay --tenant acme",
            "holdfast replay --tenant acme --into d --from-export f --data e",
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_secret_on_the_command_line_is_in_no_debug_output() {
        let line = "holdfast key create --tenant acme --user ann --access-key HFKEY --secret-key do-not-show-me";
        let cli = parse(line).expect("parses");
        assert!(!format!("{cli:?}").contains("do-not-show-me"));
        let Some(Command::Key(args)) = cli.command else { panic!("a key command") };
        assert!(!format!("{:?}", args.into_request()).contains("do-not-show-me"));
    }
}
