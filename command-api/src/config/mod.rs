//! Configuration: defaults, then the file, then the environment, then flags. Later ones win, key by key.
//!
//! Owns: every key, its default and bounds; where each value came from.
//! Does not own: what the settings do.
//! Invariant: a key that is not listed here is an error, and every key here has an effect.

mod layers;
mod report;
mod values;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use notifier::RetryPolicy;
use schemas::TenantName;
use schemas::event::ObjectOwnership;
use serde::{Deserialize, Serialize};

pub use layers::{Inputs, load};
pub use report::{ConfigError, Loaded};
pub use values::{LogFormat, Span, Window};

/// Every setting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Listeners and names.
    pub server: Server,
    /// Disk and memory.
    pub storage: Storage,
    /// The S3 dialect.
    pub s3: S3,
    /// Keys.
    pub security: Security,
    /// How long what was overwritten or deleted can be read.
    pub history: History,
    /// Rules that expire objects.
    pub lifecycle: Lifecycle,
    /// What is kept of requests.
    pub audit: Audit,
    /// How often and how slowly clients may ask.
    pub limits: Limits,
    /// Webhooks.
    pub notifier: Notifier,
    /// NATS.
    pub nats: Nats,
    /// Log lines.
    pub log: Log,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// S3 and the native API.
    pub listen_addr: SocketAddr,
    /// Admin API and metrics.
    pub web_addr: SocketAddr,
    /// How clients reach `listen_addr`, when that is another URL.
    pub public_url: Option<String>,
    /// Region of new buckets and of signatures.
    pub region: String,
    /// Domains whose subdomains are buckets (virtual-host style).
    pub hosts: Vec<String>,
    /// Tenants of requests without a credential, by the host they are for.
    pub tenant_hosts: BTreeMap<String, TenantName>,
    /// Listen beyond loopback without TLS.
    pub allow_plaintext: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen_addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9000),
            web_addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001),
            public_url: None,
            region: "us-east-1".to_owned(),
            hosts: Vec::new(),
            tenant_hosts: BTreeMap::new(),
            allow_plaintext: false,
        }
    }
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storage {
    /// The data directory.
    pub data: PathBuf,
    /// Cache of the databases, MiB, by the lengths of what is kept: it takes up to 1.8 times as much memory. More makes reading large
    /// stores faster.
    pub cache_mib: u64,
    /// Size at which a table's rows in memory are written out, KiB. Counts for a new data directory.
    pub memtable_kib: u64,
    /// Size of a segment file, MiB.
    pub segment_mib: u64,
    /// Compress what gets smaller by it.
    pub compression: bool,
    /// Free disk below which writes are refused, MiB.
    pub reserve_mib: u64,
    /// How long content that nothing refers to is kept before it is swept, seconds.
    pub sweep_grace_s: u64,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./holdfast-data"),
            cache_mib: 128,
            memtable_kib: 8_192,
            segment_mib: 256,
            compression: true,
            reserve_mib: 512,
            sweep_grace_s: 600,
        }
    }
}

/// `[s3]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct S3 {
    /// Ownership of buckets created without one.
    pub default_object_ownership: ObjectOwnership,
    /// How long lines of buckets' access logs are gathered before they are delivered, seconds.
    pub access_log_flush_s: u64,
}

impl Default for S3 {
    fn default() -> Self {
        Self { default_object_ownership: ObjectOwnership::BucketOwnerEnforced, access_log_flush_s: 300 }
    }
}

/// `[security]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// File that holds the root key, instead of the one in the data directory.
    pub root_key_file: Option<PathBuf>,
    /// Name of the environment variable that holds the root key.
    pub root_key_env: Option<String>,
    /// Names of the local keys that SSE-KMS may ask for. Each tenant has its own key of every name.
    pub kms_keys: Vec<String>,
    /// The one of them that is meant where neither request nor bucket names one. Without it such requests are refused.
    pub kms_default_key: Option<String>,
    /// Take requests without a credential: they get what policies and ACLs open to everyone.
    pub allow_anonymous: bool,
    /// The tenant that requests without a credential are for.
    pub anonymous_tenant: Option<TenantName>,
    /// How long bearer tokens of the native API work.
    pub native_api_token_ttl: Span,
    /// How long its signed URLs work at most.
    pub max_presign_ttl: Span,
    /// Take signatures of Version 2, which boto3 and aws-cli v1 presign with unless told otherwise.
    pub allow_sigv2: bool,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            root_key_file: None,
            root_key_env: None,
            kms_keys: Vec::new(),
            kms_default_key: None,
            allow_anonymous: false,
            anonymous_tenant: None,
            native_api_token_ttl: Span { seconds: 3_600 },
            max_presign_ttl: Span { seconds: 900 },
            allow_sigv2: true,
        }
    }
}

/// `[history]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// `7d`, `12h`, `0`, `forever`.
    pub window: Window,
    /// Seconds between two events that tell of a log's signed checkpoints, at least.
    pub checkpoint_event_s: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { window: Window::default(), checkpoint_event_s: 60 }
    }
}

/// `[lifecycle]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifecycle {
    /// Seconds of a day of lifecycle rules. Fewer than a day has are for trying rules out.
    pub day_seconds: u64,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self { day_seconds: 86_400 }
    }
}

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Audit {
    /// How long reads, denials and failures are kept, days. Changes are events and stay.
    pub retention_days: u32,
    /// How much of them is kept, MiB: beyond it the oldest go. A quarter of it is for requests of nobody known.
    pub max_mib: u64,
    /// How long use by the minute is kept, days.
    pub usage_retention_days: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention_days: 90, max_mib: 4_096, usage_retention_days: 400 }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Requests a second of one access key or admin token; 0 for no limit.
    pub requests_per_second_per_key: u32,
    /// Requests a second of one source address, before anybody looks at them; 0 for no limit.
    pub requests_per_second_per_source: u32,
    /// Requests that may come at once; 0 for as many as in two seconds.
    pub burst: u32,
    /// How long a client may stop in the middle of a body, seconds.
    pub body_idle_s: u64,
    /// How long a client may leave an answer unread, seconds.
    pub answer_idle_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_second_per_key: 0,
            requests_per_second_per_source: 0,
            burst: 0,
            body_idle_s: 60,
            answer_idle_s: 60,
        }
    }
}

/// `[notifier]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notifier {
    /// Networks that webhooks may be sent to although they are inside: CIDRs such as `10.1.0.0/16`.
    pub allowed_networks: Vec<IpNet>,
    /// Waits before each attempt at an event. When their sum has passed without any success, a webhook pauses.
    pub retry_schedule: Vec<Span>,
    /// How long a receiver may take to answer, seconds.
    pub timeout_s: u64,
    /// Longest wait between two probes of a receiver that takes nothing, seconds.
    pub probe_interval_max_s: u64,
    /// Attempts after which one event is set aside, when others were taken meanwhile.
    pub park_after_attempts: u32,
    /// Name servers that resolve receivers; the system's if there are none.
    pub dns_servers: Vec<SocketAddr>,
}

impl Default for Notifier {
    fn default() -> Self {
        let RetryPolicy { schedule, probe_max, park_after } = RetryPolicy::default();
        Self {
            allowed_networks: Vec::new(),
            retry_schedule: schedule.iter().map(|wait| Span { seconds: wait.as_secs() }).collect(),
            timeout_s: 15,
            probe_interval_max_s: probe_max.as_secs(),
            park_after_attempts: park_after,
            dns_servers: Vec::new(),
        }
    }
}

/// `[nats]`
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nats {
    /// Servers of one cluster, `nats://user:password@host:4222` or `tls://...`; nothing is published if there is none.
    pub url: Vec<String>,
    /// A credentials file (JWT and seed).
    pub credentials_file: Option<PathBuf>,
    /// Whom to trust, as PEM; whom the system trusts if there is none.
    pub tls_ca_file: Option<PathBuf>,
    /// The server's own certificate, as PEM, and its key.
    pub tls_cert_file: Option<PathBuf>,
    /// The key.
    pub tls_key_file: Option<PathBuf>,
    /// Refuse a NATS server without TLS.
    pub tls_required: bool,
    /// Copies of each tenant's stream.
    pub replicas: usize,
    /// How long a stream keeps a message: `7d`, `forever`.
    pub max_age: Window,
    /// What names of streams begin with.
    pub stream_prefix: String,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            url: Vec::new(),
            credentials_file: None,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            tls_required: false,
            replicas: 1,
            max_age: Window::Forever,
            stream_prefix: "HOLDFAST".to_owned(),
        }
    }
}

// Addresses may have a password in them.
impl std::fmt::Debug for Nats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nats")
            .field("url", &self.url.len())
            .field("stream_prefix", &self.stream_prefix)
            .finish_non_exhaustive()
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `auto`, `json` or `pretty`.
    pub format: LogFormat,
    /// Level, or directives as tracing's filters have them.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

/// Whoever finds a token or a signed URL has it for this long at most.
const TTL_MAX_S: u64 = 7 * 86_400;

impl Settings {
    /// The first key whose value cannot be used, and what would be.
    fn violated(&self) -> Option<(&'static str, &'static str)> {
        let Self { server, storage, s3, security, history, lifecycle, audit, limits, notifier, nats, log } = self;
        let is_url = |url: &str| {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
                && url.bytes().all(|byte| byte.is_ascii_graphic())
                && !url.contains(['?', '#'])
        };
        let is_region = |region: &str| {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            (1..=64).contains(&region.len()) && region.bytes().all(allowed)
        };
        let is_host = |host: &String| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
            !host.is_empty() && !host.starts_with('.') && host.bytes().all(allowed)
        };
        // They stand in headers, XML and policies.
        let is_key_name = |name: &String| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
            (1..=256).contains(&name.len()) && name.bytes().all(allowed)
        };
        let rules = [
            (
                server.public_url.as_deref().is_none_or(is_url),
                "server.public_url",
                "expected a URL such as https://s3.example.com",
            ),
            (is_region(&server.region), "server.region", "expected lower-case letters, digits and hyphens"),
            (server.hosts.iter().all(is_host), "server.hosts", "expected domain names such as s3.example.com"),
            (
                server.tenant_hosts.keys().all(is_host),
                "server.tenant_hosts",
                "expected tenants by domain name, without a port, such as s3.example.com=acme",
            ),
            (
                server.web_addr != server.listen_addr || server.web_addr.port() == 0,
                "server.web_addr",
                "expected another address than server.listen_addr",
            ),
            (!storage.data.as_os_str().is_empty(), "storage.data", "expected a directory"),
            ((8..=1 << 20).contains(&storage.cache_mib), "storage.cache_mib", "expected 8 to 1048576"),
            ((64..=1 << 20).contains(&storage.memtable_kib), "storage.memtable_kib", "expected 64 to 1048576"),
            ((16..=4096).contains(&storage.segment_mib), "storage.segment_mib", "expected 16 to 4096"),
            ((1..=86_400).contains(&s3.access_log_flush_s), "s3.access_log_flush_s", "expected 1 to 86400"),
            (storage.reserve_mib <= 1 << 30, "storage.reserve_mib", "expected at most 1073741824"),
            (
                security.kms_keys.iter().all(is_key_name),
                "security.kms_keys",
                "expected names of letters, digits and - _ . / :",
            ),
            (
                security.kms_default_key.as_ref().is_none_or(|key| security.kms_keys.contains(key)),
                "security.kms_default_key",
                "expected one of security.kms_keys",
            ),
            (
                security.root_key_file.is_none() || security.root_key_env.is_none(),
                "security.root_key_env",
                "expected only one of security.root_key_file and security.root_key_env",
            ),
            (
                !security.allow_anonymous || security.anonymous_tenant.is_some() || !server.tenant_hosts.is_empty(),
                "security.anonymous_tenant",
                "expected the tenant that anonymous requests are for",
            ),
            (
                (1..=TTL_MAX_S).contains(&security.native_api_token_ttl.seconds),
                "security.native_api_token_ttl",
                "expected 1s to 7d",
            ),
            (
                (1..=TTL_MAX_S).contains(&security.max_presign_ttl.seconds),
                "security.max_presign_ttl",
                "expected 1s to 7d",
            ),
            ((1..=36_500).contains(&audit.retention_days), "audit.retention_days", "expected 1 to 36500"),
            ((1..=1 << 30).contains(&audit.max_mib), "audit.max_mib", "expected 1 to 1073741824"),
            ((2..=36_500).contains(&audit.usage_retention_days), "audit.usage_retention_days", "expected 2 to 36500"),
            ((1..=86_400).contains(&limits.body_idle_s), "limits.body_idle_s", "expected 1 to 86400"),
            ((1..=86_400).contains(&limits.answer_idle_s), "limits.answer_idle_s", "expected 1 to 86400"),
            ((1..=86_400).contains(&history.checkpoint_event_s), "history.checkpoint_event_s", "expected 1 to 86400"),
            ((1..=86_400).contains(&lifecycle.day_seconds), "lifecycle.day_seconds", "expected 1 to 86400"),
            (
                (1..=100).contains(&notifier.retry_schedule.len())
                    && notifier.retry_schedule.iter().all(|wait| wait.seconds <= 30 * 86_400),
                "notifier.retry_schedule",
                "expected 1 to 100 durations of at most 30d",
            ),
            ((1..=300).contains(&notifier.timeout_s), "notifier.timeout_s", "expected 1 to 300"),
            (
                (1..=86_400).contains(&notifier.probe_interval_max_s),
                "notifier.probe_interval_max_s",
                "expected 1 to 86400",
            ),
            ((1..=5).contains(&nats.replicas), "nats.replicas", "expected 1 to 5"),
            ((1..=64).contains(&nats.stream_prefix.len()), "nats.stream_prefix", "expected 1 to 64 characters"),
            (
                nats.tls_cert_file.is_some() == nats.tls_key_file.is_some(),
                "nats.tls_key_file",
                "expected both nats.tls_cert_file and nats.tls_key_file, or neither",
            ),
            ((1..=1_000).contains(&notifier.park_after_attempts), "notifier.park_after_attempts", "expected 1 to 1000"),
            (
                log.level.parse::<tracing_subscriber::EnvFilter>().is_ok(),
                "log.level",
                "expected error, warn, info, debug, trace or a filter",
            ),
        ];
        rules.into_iter().find(|(holds, ..)| !holds).map(|(_, key, rule)| (key, rule))
    }
}

#[cfg(test)]
mod tests;
