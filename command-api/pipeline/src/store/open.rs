//! Opening: vault, log and blobs in the order in which each proves the next, then the writer and the standing processes.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use blob_store::{BlobStore, Compression};
use event_log::{EventLog, FjallLog, Recorded, Reopening, RetentionClock, Table, Views};
use parking_lot::Mutex;
use projections::query;
use schemas::acl::PublicAccessBlock;
use schemas::event::{Event, InstallationCreated, ObjectOwnership};
use schemas::record::{Actor, Context};
use schemas::{BucketId, Epoch, TenantId, Time};
use vault::{RootKeySource, Vault};

use super::identity::Identity;
use super::{Inner, Request, Settings, Store};
use crate::access_log::AccessLog;
use crate::api::StoreError;
use crate::audit::{self, Sink, Writing};
use crate::cipher::VaultCipher;
use crate::clock::{Clock, Ids, SystemClock};
use crate::content::{Active, Contents};
use crate::limits::{LimitSettings, Limits};
use crate::proofs::{self, Proofs};
use crate::rebuild::clear_scratch;
use crate::sequencer::{Decide, OnFatal, Parts, Planned, Sequencer, Unit, describe};
use crate::standing::{Delivery, Standing};
use crate::tables::{BlobRow, Located, PHYSICAL, TRUTH, blobs_prefix};

/// Told of each commit.
pub type OnCommit = Arc<dyn Fn(&[Recorded]) + Send + Sync>;

/// What an operator chooses.
pub struct OpenOptions {
    /// Data directory.
    pub data: PathBuf,
    /// Where the root key is.
    pub root_key: RootKeySource,
    /// Region of buckets that name none.
    pub region: String,
    /// Ownership of buckets that name none.
    pub default_ownership: ObjectOwnership,
    /// What public access is blocked of buckets that nobody set it for; none where that is not configured.
    pub default_public_access_block: Option<PublicAccessBlock>,
    /// How long superseded content is kept, seconds; none for ever.
    pub history_window_s: Option<u64>,
    /// How long blobs that nothing refers to are kept before sweep frees them, seconds.
    pub sweep_grace_s: u64,
    /// Memory for blocks of the database.
    pub cache_bytes: u64,
    /// Size at which a table's rows in memory are written out. Kept by the tables that are made with it.
    pub memtable_bytes: u64,
    /// Size of a segment file.
    pub segment_bytes: u64,
    /// Whether content is compressed.
    pub compression: bool,
    /// Free disk that writes leave alone.
    pub reserve_bytes: u64,
    /// Time without a commit, while commands wait, after which the process ends.
    pub watchdog: Duration,
    /// Names of the local keys that SSE-KMS may ask for.
    pub kms_keys: Vec<String>,
    /// The one of them that is meant where a request and its bucket name none; none refuses such requests.
    pub kms_default_key: Option<String>,
    /// Smallest part of an upload that is not its last; S3: 5 MiB.
    pub part_bytes_min: u64,
    /// How long lines of access logs are gathered before they are delivered, seconds.
    pub access_log_flush_s: u64,
    /// How long entries of the audit's access log are kept, days.
    pub audit_days: u32,
    /// Bytes of them that are kept: beyond it the oldest go.
    pub audit_bytes_max: u64,
    /// How long minutes of use are kept, days.
    pub usage_days: u32,
    /// How often somebody may ask.
    pub limits: LimitSettings,
    /// Open although acknowledged commits are lost, and begin a new epoch of every log: the operator knows.
    pub accept_lost_tail: bool,
    /// Seconds between two events that tell of a log's checkpoints.
    pub checkpoint_event_s: u64,
    /// Seconds of a day of lifecycle rules: 86,400, or fewer to try rules out.
    pub lifecycle_day_s: u64,
    /// Called after each commit with its events, on the writer's thread: must be quick.
    pub on_commit: OnCommit,
    /// Tables of whoever follows the log, beside those of the store's own views.
    pub following: Vec<Table>,
    /// Called when the writer cannot go on: must end the process.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl OpenOptions {
    /// The defaults over a data directory.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        let root_key = RootKeySource::File(data.join("keys").join("root.key"));
        Self {
            data,
            root_key,
            region: "us-east-1".to_owned(),
            default_ownership: ObjectOwnership::BucketOwnerEnforced,
            default_public_access_block: Some(PublicAccessBlock::ALL),
            history_window_s: Some(7 * 86_400),
            sweep_grace_s: 3_600,
            cache_bytes: 128 << 20,
            memtable_bytes: 8 << 20,
            segment_bytes: 256 << 20,
            compression: true,
            reserve_bytes: 512 << 20,
            watchdog: Duration::from_secs(30),
            kms_keys: Vec::new(),
            kms_default_key: None,
            part_bytes_min: 5 << 20,
            access_log_flush_s: 300,
            audit_days: 90,
            audit_bytes_max: 4 << 30,
            usage_days: 400,
            limits: LimitSettings::default(),
            accept_lost_tail: false,
            checkpoint_event_s: 60,
            lifecycle_day_s: 86_400,
            on_commit: Arc::new(|_| {}),
            following: Vec::new(),
            on_fatal: Arc::new(end_process),
            clock: Arc::new(SystemClock::default()),
        }
    }
}

/// The default end: a failed fsync is never tried again, and nothing more is answered.
fn end_process(what: &str) {
    tracing::error!(what, "the writer cannot go on: the process ends");
    std::process::exit(70);
}

/// Whether the installation was made by this opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstStart {
    /// It was: there is no tenant yet.
    Yes,
    /// It was there.
    No,
}

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder cannot be made or read.
    #[error("cannot use {}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A restore was cut off. Run it again: it starts over.
    #[error("a restore into {} was not finished: run it again", folder.display())]
    RestoreUnfinished {
        /// Where.
        folder: PathBuf,
    },
    /// The keys.
    #[error(transparent)]
    Vault(#[from] vault::VaultError),
    /// The log and its tables.
    #[error(transparent)]
    Log(#[from] event_log::OpenError),
    /// Part of a store is not there, and the rest is. Put it back: what would be made in its place would not fit.
    #[error("{} is missing or empty, but {} is there", missing.display(), found.display())]
    PartMissing {
        /// What is not there.
        missing: PathBuf,
        /// What shows that there was a store.
        found: PathBuf,
    },
    /// The database of following views.
    #[error(transparent)]
    Views(#[from] event_log::ViewsError),
    /// The segments.
    #[error(transparent)]
    Blobs(#[from] blob_store::OpenError),
    /// The log opened and what it says cannot be used.
    #[error("the log cannot be used: {what}")]
    Unusable {
        /// What does not fit.
        what: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
}

/// Tables of the core database, in no particular order.
fn tables() -> Vec<Table> {
    projections::TABLES.iter().copied().chain([TRUTH, PHYSICAL]).collect()
}

/// A log has been there if its folder has: keys without a log, or a log without keys, are refused by the vault and here.
fn has_log(folder: &Path) -> Result<bool, OpenError> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(OpenError::Folder { path: folder.to_owned(), source }),
    }
}

fn segments_in(folder: &Path) -> Result<bool, OpenError> {
    if !folder.is_dir() {
        return Ok(false);
    }
    let segments = blob_store::backend::segments_in(folder);
    Ok(!segments.map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?.is_empty())
}

fn make_folder(path: &Path) -> Result<(), OpenError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    // Its name must survive a crash too.
    let parent = path.parent().unwrap_or(Path::new("."));
    let made = made.and_then(|()| std::fs::File::open(parent)?.sync_all());
    made.map_err(|source| OpenError::Folder { path: path.to_owned(), source })
}

/// Segments that rows name must not all be gone: that is a file system that was not mounted.
fn check_segments(log: &dyn EventLog, blobs: &BlobStore, data: &Path) -> Result<(), OpenError> {
    if !blobs.segments().is_empty() {
        return Ok(());
    }
    let unusable = |error: &(dyn std::error::Error + 'static)| OpenError::Unusable { what: describe(error) };
    let snapshot = log.snapshot();
    for tenant in snapshot.tenants().map_err(|error| unusable(&error))? {
        for row in event_log::prefix(snapshot.as_ref(), PHYSICAL, &blobs_prefix(tenant)) {
            let (_, value) = row.map_err(|error| unusable(&error))?;
            if BlobRow::decode(&value).is_some_and(|row| row.located != Located::Inline) {
                return Err(OpenError::PartMissing { missing: data.join("blobs"), found: data.join("log") });
            }
        }
    }
    Ok(())
}

impl Store {
    /// Opens a store, or makes one. Blocks; a data directory is opened by one process at a time, which the program's lock
    /// sees to.
    ///
    /// # Errors
    /// [`OpenError`] names what does not agree; nothing was changed then, except that a torn end of the last journal or
    /// segment, which no answer ever named, may be cut off.
    pub fn open(options: OpenOptions) -> Result<(Self, FirstStart), OpenError> {
        if crate::backup::unfinished(&options.data) {
            return Err(OpenError::RestoreUnfinished { folder: options.data });
        }
        let blob_folder = options.data.join("blobs");
        let (vault, log) = open_log(&options, Vec::new())?;
        let log: Arc<dyn EventLog> = Arc::new(log);
        let scratch = clear_scratch(&options.data)?;
        let compression = if options.compression { Compression::Zstd { level: 1 } } else { Compression::Off };
        let blob_options = blob_store::Options {
            segment_bytes: options.segment_bytes,
            compression,
            reserve_bytes: options.reserve_bytes,
            // No store writes a blob a microsecond, so numbers of different runs do not mix.
            first_number: options.clock.wall().0,
            ..blob_store::Options::default()
        };
        let blobs = Arc::new(BlobStore::open(&blob_folder, blob_options)?);
        check_segments(log.as_ref(), &blobs, &options.data)?;
        let clock = options.clock.clone();
        let retention = Arc::new(Mutex::new(retention_clock(log.as_ref(), clock.as_ref())?));
        let identity = Arc::new(Identity::default());
        let access_log = Arc::new(AccessLog::default());
        let sequencer = Sequencer::start(
            Parts {
                log: log.clone(),
                clock: clock.clone(),
                retention: retention.clone(),
                before_commit: before_commit(blobs.clone()),
                after_commit: {
                    let (identity, access_log) = (identity.clone(), access_log.clone());
                    let on_commit = options.on_commit.clone();
                    Box::new(move |events| {
                        identity.committed(events);
                        access_log.committed(events);
                        on_commit(events);
                    })
                },
                on_fatal: OnFatal::clone(&options.on_fatal),
            },
            options.watchdog,
        )?;
        let active = Arc::new(Active::default());
        let contents = Contents::new(blobs, vault, log.clone(), clock.clone(), active);
        let settings = Settings {
            region: options.region,
            default_ownership: options.default_ownership,
            default_public_access_block: options.default_public_access_block,
            history_window_s: options.history_window_s,
            grace_s: options.sweep_grace_s,
            lifecycle_day: domain::lifecycle::Day::of_seconds(options.lifecycle_day_s),
            part_bytes_min: options.part_bytes_min,
            access_log_flush_s: options.access_log_flush_s,
            checkpoint_event_s: options.checkpoint_event_s,
            kms_keys: domain::encryption::KmsKeys::new(options.kms_keys, options.kms_default_key),
            scratch,
            data: options.data.clone(),
            following: options.following.clone(),
        };
        let standing = Standing::default();
        let sink = Arc::new(open_views(&options.data, &options.following, &clock)?);
        let proofs = Arc::new(Proofs::new(sink.views.clone()));
        let retention_of = audit::Retention {
            entries_days: options.audit_days,
            entries_bytes_max: options.audit_bytes_max,
            minutes_days: options.usage_days,
        };
        let (limits, opened_us) = (Limits::new(options.limits, &clock), clock.monotonic_us());
        let inner = Arc::new(Inner {
            log,
            contents,
            sequencer,
            clock,
            ids: Ids,
            settings,
            identity,
            retention,
            standing,
            facts: super::bucket_settings::Facts::default(),
            policies: super::access::Policies::default(),
            in_flight: super::idempotency::InFlight::default(),
            access_log,
            delivery: Delivery::default(),
            audit: sink,
            auditing: Writing::default(),
            announcements: super::announce::Announcer::default(),
            limits,
            proofs,
            opened_us,
        });
        let first = inner.install().map_err(|error| OpenError::Unusable { what: describe(&error) })?;
        inner.standing.start(&inner)?;
        inner.delivery.start(&inner)?;
        inner.auditing.start(&inner, retention_of)?;
        Ok((Store { inner }, first))
    }
}

impl Store {
    /// The log of a store that is not open, to read it: nothing runs beside it, and nothing is written but what opening mends.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn log_offline(options: &OpenOptions) -> Result<Arc<dyn EventLog>, OpenError> {
        let (_, log) = open_log(options, Vec::new())?;
        Ok(Arc::new(log))
    }
}

/// The database of following views. One that is damaged is set aside: no answer about an object depends on it.
fn open_views(data: &Path, following: &[Table], clock: &Arc<dyn Clock>) -> Result<Sink, OpenError> {
    let (views, aside) =
        Views::open(&data.join("views"), &[audit::TABLES, &[audit::NOTES], proofs::TABLES, following].concat())?;
    let views = Arc::new(views);
    let sink = Sink::new(views, clock.clone());
    if let Some(aside) = aside {
        tracing::error!(folder = %aside.display(), "the audit's access log is damaged: it was set aside and a new one begun");
        sink.keep(audit::set_aside(clock.wall()));
    }
    Ok(sink)
}

/// Opens keys and log, each proving the other. Tables in `replacing` need not agree with the log.
pub(crate) fn open_log(options: &OpenOptions, replacing: Vec<Table>) -> Result<(Arc<Vault>, FjallLog), OpenError> {
    let (folder, keys, blobs) = (options.data.join("log"), options.data.join("keys"), options.data.join("blobs"));
    let fresh = !has_log(&folder)?;
    if fresh {
        // The first key of a tenant is made when the log is open: a first start that was cut off before leaves none.
        let found =
            if Vault::holds_keys(&keys)? { Some(keys.clone()) } else { segments_in(&blobs)?.then_some(blobs.clone()) };
        if let Some(found) = found {
            return Err(OpenError::PartMissing { missing: folder, found });
        }
        // Before the log, so that a log without it is one that lost it.
        make_folder(&blobs)?;
    } else if !blobs.is_dir() {
        return Err(OpenError::PartMissing { missing: blobs, found: folder });
    }
    let vault = Arc::new(Vault::open(&keys, &options.root_key, fresh)?);
    let log = log_under(options, &vault, replacing)?;
    Ok((vault, log))
}

/// Opens the log, or makes one, under keys that are open.
pub(crate) fn log_under(
    options: &OpenOptions,
    vault: &Arc<Vault>,
    replacing: Vec<Table>,
) -> Result<FjallLog, OpenError> {
    let cipher = Arc::new(VaultCipher(vault.clone()));
    let accept_lost_tail = options.accept_lost_tail.then(|| reopening(vault.clone(), "tail loss accepted", Epoch(0)));
    let log_options = event_log::Options {
        cache_bytes: options.cache_bytes,
        memtable_bytes: options.memtable_bytes,
        replacing,
        listed: vec![projections::CATALOG, projections::HISTORY],
        is_steady: projections::is_steady,
        accept_lost_tail,
        ..event_log::Options::default()
    };
    Ok(FjallLog::open(&options.data.join("log"), &tables(), cipher, log_options)?)
}

/// How logs are reopened after a loss that the operator accepted, or a restore.
pub(crate) fn reopening(vault: Arc<Vault>, reason: &str, epoch_min: Epoch) -> Reopening {
    let request = Ids.request(SystemClock::default().wall());
    let context = Context {
        actor: Actor::System("operator".to_owned()),
        source: None,
        request,
        correlation: None,
        causation: None,
        command: None,
    };
    // Each log goes on at the time of its own last record: the wall clock is not yet known to be right.
    let key = Arc::new(move |tenant| vault.tenant_key(tenant));
    Reopening { time: Time(0), context, reason: reason.to_owned(), epoch_min, key }
}

fn before_commit(blobs: Arc<BlobStore>) -> crate::sequencer::BeforeCommit {
    Box::new(move || blobs.sync_small().map_err(crate::content::write_error))
}

/// The retention clock goes on from its last tick in the system log. Until there is one, the newest record there stands for
/// it: only an installation without any record believes whatever the wall clock says.
fn retention_clock(log: &dyn EventLog, clock: &dyn Clock) -> Result<RetentionClock, OpenError> {
    let unusable = |error: &(dyn std::error::Error + 'static)| OpenError::Unusable { what: describe(error) };
    let snapshot = log.snapshot();
    let tick = query::clock(snapshot.as_ref()).map_err(|error| unusable(&error))?;
    let head = snapshot.log_head(TenantId::SYSTEM).map_err(|error| unusable(&error))?;
    let last = tick.map(|tick| tick.vouched()).or(head.map(|head| head.time));
    let wall = clock.wall();
    let retention = RetentionClock::start(last, wall, clock.monotonic_us());
    if retention.expiry_frozen() {
        crate::standing::warn_frozen(retention.judged(), wall);
    }
    Ok(retention)
}

impl Inner {
    /// The system log's first event, unless it is there.
    fn install(&self) -> Result<FirstStart, StoreError> {
        let installed = query::installation(self.log.snapshot().as_ref()).map_err(super::rows_error)?;
        if installed.is_some() {
            return Ok(FirstStart::No);
        }
        let vault = &self.contents.vault;
        let key = match vault.tenant_key(TenantId::SYSTEM) {
            Some(key) => key,
            None => vault.create_tenant_key(TenantId::SYSTEM).map_err(|error| super::internal(&error))?,
        };
        let installation = hex::encode(self.ids.bytes::<16>());
        let decide: Decide = Box::new(move |rows, _| {
            let known = query::installation(rows).map_err(super::rows_error)?;
            let event = Event::from(InstallationCreated { installation: installation.clone() });
            let plan = |event| Planned { bucket: BucketId::NONE, key, object: None, event };
            let events = if known.is_some() { Vec::new() } else { vec![plan(event)] };
            Ok(Unit { events, changes: event_log::Changes::default() })
        });
        let request = self.ids.request(self.clock.wall());
        self.run_blocking(Request::system("installation", TenantId::SYSTEM, request), decide)?;
        Ok(FirstStart::Yes)
    }
}
