//! Making a store of a backup, in an empty directory: its truth as it was at a point, its projections from that.
//!
//! Owns: what must fit before anything is written, the order of what is written, the marker of a restore under way.
//! Does not own: appending (event-log), replaying (`rebuild`), what the backup holds (`verify`).
//! Invariants: nothing is written before the whole backup was read against its digests and every body opened. From the first write to
//! the last the marker stands, and no store opens beside it. Every log begins a new epoch, above any that this backup or an earlier
//! restore can have given.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_log::{BodyCipher, Changes, EventLog, FjallLog, LogHead, Opened, RawRecord, Snapshot, Table, Views};
use schemas::event::{Event, LogReopened};
use schemas::record::{Body, Header};
use schemas::{CommandId, Epoch, Position, TenantId, TenantName, Time};
use vault::{KeyFile, Vault, VaultError, WrapScope};

use super::error::{BackupError, RestoreError};
use super::folder::{Folder, private, replace, sync_folder};
use super::keys::list_restored;
use super::layer::{Entry, Mark};
use super::manifest::Manifest;
use super::{rows, segments, verify};
use crate::audit;
use crate::cipher::VaultCipher;
use crate::rebuild::rebuild_anew;
use crate::sequencer::describe;
use crate::store::{OpenOptions, Store, log_under, open_log, reopening};
use crate::tables::{PHYSICAL, TRUTH, blob_key, blob_of, decode_named_wrap, decode_wrap, wrapped_by};

/// Stands in a data directory that is being restored.
const MARKER: &str = "RESTORING";
/// Bytes and rows of one commit.
const COMMIT_BYTES: usize = 1 << 20;
const ROWS_TOGETHER: usize = 256;
/// 2026-01-01: epochs after a restore count seconds from here, so that two restores of one backup share none.
const EPOCHS_FROM_S: u64 = 1_767_225_600;

/// What to restore.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The backup's folder.
    pub from: PathBuf,
    /// A copy of the key files; none if they lie in the data directory already.
    pub keys: Option<PathBuf>,
    /// How far.
    pub at: RestoreAt,
}

/// A point in the logs of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreAt {
    /// All that it has.
    End,
    /// Every log up to its last record that is not later.
    Time(Time),
    /// One tenant's log up to a position, with the rest of the unit it is in; the others whole.
    Position {
        /// Whose.
        tenant: TenantName,
        /// Its last record.
        position: Position,
    },
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// When the backup's last run was made.
    pub made: Time,
    /// Time of the newest record that was restored.
    pub newest: Option<Time>,
    /// Logs that have a record.
    pub logs: usize,
    /// Records that were restored.
    pub records: u64,
    /// Records of the backup that come after the point.
    pub dropped: u64,
    /// The epoch that every log begins now, at least.
    pub epoch: Epoch,
    /// Bytes of segments.
    pub segment_bytes: u64,
    /// Contents that a version or part shows and that the backup lacks: they were given up before a run took them.
    pub missing: u64,
}

/// Whether a data directory holds a restore that was not finished.
pub(crate) fn unfinished(data: &Path) -> bool {
    data.join(MARKER).exists()
}

impl Store {
    /// Makes a store of a backup in the data directory of `options`, which must be empty but for its lock and its keys. Blocks. A
    /// restore that was cut off is begun again by the same call.
    ///
    /// # Errors
    /// [`RestoreError`] says whether anything was written.
    pub fn restore(options: &OpenOptions, restore: &Restore) -> Result<RestoreReport, RestoreError> {
        let (folder, manifest) = Folder::to_read(&restore.from)?;
        let resumed = empty(options)?;
        let (vault, copied) = keys(options, restore, resumed)?;
        let cut = Cut::find(&folder, &manifest, &vault, &restore.at, options)?;
        let tables = rows::tables(&options.following);
        // Segments and rows too: what is not sound is said before anything is written.
        verify::verify(&folder, &manifest, &options.following)?;
        check_wraps(&folder, &manifest, &vault, &tables)?;
        drop(vault);
        let restoring = Restoring { options, folder: &folder, manifest: &manifest, tables: &tables };
        restoring.run(&cut, restore.keys.as_deref().zip(copied.as_deref()))
    }
}

/// Checks that there is nothing in the way. Whether a restore was cut off here.
fn empty(options: &OpenOptions) -> Result<bool, RestoreError> {
    let data = &options.data;
    let entries = match std::fs::read_dir(data) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(RestoreError::io(data)(error)),
    };
    if unfinished(data) {
        return Ok(true);
    }
    for entry in entries {
        let name = entry.map_err(RestoreError::io(data))?.file_name();
        if name != "lock" && name != "keys" {
            let entry = name.to_string_lossy().into_owned();
            return Err(RestoreError::NotEmpty { folder: data.clone(), entry });
        }
    }
    Ok(false)
}

/// The keys, open, and the files that are to be copied.
fn keys(
    options: &OpenOptions,
    restore: &Restore,
    resumed: bool,
) -> Result<(Arc<Vault>, Option<Vec<KeyFile>>), RestoreError> {
    let own = options.data.join("keys");
    let unfit = |error: VaultError| {
        let what = "they do not open".to_owned();
        RestoreError::Keys { what, source: Some(error) }
    };
    let (folder, files) = match &restore.keys {
        Some(copy) => {
            if !resumed && Vault::holds_keys(&own).map_err(unfit)? {
                let entry = "keys of a tenant".to_owned();
                return Err(RestoreError::NotEmpty { folder: own, entry });
            }
            (copy.clone(), Some(vault::key_files_in(copy).map_err(unfit)?))
        }
        None if resumed && marker_says_keys(&options.data) => return Err(RestoreError::KeysAgain),
        None if own.join("root.check").exists() => (own, None),
        None => {
            let what = format!("there are none in {}, and no copy of them is named", own.display());
            return Err(RestoreError::Keys { what, source: None });
        }
    };
    Ok((Arc::new(Vault::open(&folder, &options.root_key, false).map_err(unfit)?), files))
}

fn marker_says_keys(data: &Path) -> bool {
    std::fs::read(data.join(MARKER)).is_ok_and(|text| text == KEYS_COPIED)
}

const KEYS_COPIED: &[u8] = b"restoring, with key files\n";
const KEYS_THERE: &[u8] = b"restoring\n";

/// A record, and the command that its unit was written by.
type Raw = (Vec<u8>, Option<CommandId>);

/// How many records of each log are restored.
struct Cut {
    logs: BTreeMap<TenantId, u64>,
    newest: Option<Time>,
    records: u64,
    dropped: u64,
}

impl Cut {
    /// Reads all records, opens every body, and finds where the point is.
    fn find(
        folder: &Folder,
        manifest: &Manifest,
        vault: &Arc<Vault>,
        at: &RestoreAt,
        options: &OpenOptions,
    ) -> Result<Self, RestoreError> {
        let made = manifest.runs.last().map_or(Time(0), |run| run.made);
        if let RestoreAt::Time(time) = at
            && *time > made
        {
            let what = "the point is later than the backup: it knows nothing of what came after it".to_owned();
            return Err(RestoreError::Point { what });
        }
        let cipher = VaultCipher(vault.clone());
        let mut cut = Self { logs: BTreeMap::new(), newest: None, records: 0, dropped: 0 };
        let mut named = None;
        if let RestoreAt::Position { tenant, position } = at {
            named = Some((tenant_of(folder, manifest, &cipher, tenant)?, *position));
        }
        if let Some((tenant, position)) = named {
            let last = verify::last_position(manifest, tenant);
            if last.is_none_or(|last| position > last) {
                let what = match last {
                    Some(last) => format!("the point is later than the backup: it has the log up to pos:{last}"),
                    None => "the backup has no record of that tenant".to_owned(),
                };
                return Err(RestoreError::Point { what });
            }
        }
        let mut unfit = None;
        let read = verify::each_record(folder, manifest, |header, raw| {
            if let Err(what) = open(&cipher, header, raw) {
                unfit.get_or_insert(what);
            }
            let keeps = match (at, named) {
                (RestoreAt::Time(time), _) => header.time <= *time,
                // The unit that the position is in is not cut in two.
                (_, Some((tenant, position))) if tenant == header.tenant => {
                    header.position.0 - u64::from(header.unit_index) <= position.0
                }
                _ => true,
            };
            let kept = cut.logs.entry(header.tenant).or_default();
            if keeps {
                *kept = header.position.0 + 1;
                cut.newest = cut.newest.max(Some(header.time));
                cut.records += 1;
            } else {
                cut.dropped += 1;
            }
            Ok(())
        });
        read?;
        if let Some(what) = unfit {
            return Err(RestoreError::Keys { what, source: None });
        }
        if cut.logs.get(&TenantId::SYSTEM).copied().unwrap_or_default() == 0 {
            let what = format!("the point is before the installation in {} began", options.data.display());
            return Err(RestoreError::Point { what });
        }
        Ok(cut)
    }
}

/// Every wrapped key of a blob opens, or was destroyed: keys of names seal no body, so bodies alone do not show that they are there.
fn check_wraps(folder: &Folder, manifest: &Manifest, vault: &Vault, tables: &[Table]) -> Result<(), RestoreError> {
    let mut all = verify::merged(folder, manifest, tables)?;
    while let Some(Entry { table, key, mark, value }) = all.next()? {
        if tables[table] != TRUTH || mark != Mark::There {
            continue;
        }
        let opened = unwrap(vault, &key, &value).unwrap_or(Ok(()));
        match opened {
            Ok(()) | Err(VaultError::Destroyed { .. }) => {}
            Err(error) => {
                let what = "a key of its content does not open".to_owned();
                return Err(RestoreError::Keys { what, source: Some(error) });
            }
        }
    }
    Ok(())
}

/// Opens the wrap that a row holds; none if it holds none under a key of ours.
fn unwrap(vault: &Vault, key: &[u8], value: &[u8]) -> Option<Result<(), VaultError>> {
    let tenant = TenantId(u64::from_be_bytes(*key.first_chunk()?));
    let (kind, blob) = (*key.get(8)?, blob_of(key)?);
    match kind {
        2 => {
            let (bucket, wrapped) = decode_wrap(value)?;
            let scope = WrapScope { tenant, bucket, key: wrapped_by(key)? };
            Some(vault.unwrap_blob_key(scope, blob, wrapped).map(|_| ()))
        }
        3 => {
            let (name, wrapped) = decode_named_wrap(value)?;
            Some(vault.unwrap_under_name(tenant, name, wrapped_by(key)?, blob, wrapped).map(|_| ()))
        }
        _ => None,
    }
}

/// The body of a record; none if its key was destroyed.
fn open(cipher: &VaultCipher, header: &Header, raw: &[u8]) -> Result<Option<Body>, String> {
    let (_, sealed) = Header::decode(raw).map_err(|error| error.to_string())?;
    match cipher.open(header, sealed).map_err(|error| error.to_string())? {
        Opened::Erased => Ok(None),
        Opened::Open(plain) => Body::decode(&plain).map(Some).map_err(|error| error.to_string()),
    }
}

/// The tenant of a name, by the system log.
fn tenant_of(
    folder: &Folder,
    manifest: &Manifest,
    cipher: &VaultCipher,
    name: &TenantName,
) -> Result<TenantId, RestoreError> {
    let mut found = None;
    verify::each_record(folder, manifest, |header, raw| {
        if header.tenant == TenantId::SYSTEM
            && let Ok(Some(body)) = open(cipher, header, raw)
            && let Ok(Event::TenantCreated(created)) = body.event(header)
            && created.name == *name
        {
            found = Some(created.tenant);
        }
        Ok(())
    })?;
    found.ok_or_else(|| RestoreError::Point { what: format!("the backup has no tenant {name}") })
}

/// A restore that writes.
struct Restoring<'a> {
    options: &'a OpenOptions,
    folder: &'a Folder,
    manifest: &'a Manifest,
    tables: &'a [Table],
}

impl Restoring<'_> {
    fn run(&self, cut: &Cut, keys: Option<(&Path, &[KeyFile])>) -> Result<RestoreReport, RestoreError> {
        let data = &self.options.data;
        make(data)?;
        let marker = data.join(MARKER);
        replace(&marker, if keys.is_some() { KEYS_COPIED } else { KEYS_THERE })?;
        for part in ["log", "blobs", "views", "rebuild"] {
            let path = data.join(part);
            match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(RestoreError::io(&path)(error)),
                _ => {}
            }
        }
        if let Some((copy, files)) = keys {
            vault::write_key_files(&data.join("keys"), files).map_err(RestoreError::Vault)?;
            list_restored(data, copy)?;
        }
        let segment_bytes = self.segments()?;
        let epoch = self.epoch();
        self.log(cut, epoch)?;
        self.views()?;
        rebuild_anew(self.options, false)?;
        let missing = self.missing()?;
        std::fs::remove_file(&marker).map_err(RestoreError::io(&marker))?;
        sync_folder(data)?;
        Ok(RestoreReport {
            made: self.manifest.runs.last().map_or(Time(0), |run| run.made),
            newest: cut.newest,
            logs: cut.logs.values().filter(|records| **records > 0).count(),
            records: cut.records,
            dropped: cut.dropped,
            epoch,
            segment_bytes,
            missing,
        })
    }

    fn epoch(&self) -> Epoch {
        let seconds = self.options.clock.wall().seconds().saturating_sub(EPOCHS_FROM_S);
        Epoch(u32::try_from(seconds).unwrap_or(u32::MAX / 2))
    }

    /// Copies segments, reading them against their digests once more.
    fn segments(&self) -> Result<u64, RestoreError> {
        use std::io::Write;
        let folder = self.options.data.join("blobs");
        make(&folder)?;
        let mut bytes = 0;
        for segment in verify::lengths(self.manifest).keys() {
            let last = self.manifest.runs.last().map_or(0, |run| run.number);
            let copies = self.manifest.segments.iter().filter(|copy| copy.segment == *segment && copy.run <= last);
            let Some(copy) = copies.max_by_key(|copy| copy.run) else { continue };
            let path = folder.join(blob_store::backend::segment_file(*segment));
            let mut file = private().truncate(true).open(&path).map_err(RestoreError::io(&path))?;
            segments::read(self.folder, copy, |piece| file.write_all(piece).map_err(BackupError::io(&path)))?;
            file.sync_all().map_err(RestoreError::io(&path))?;
            bytes += copy.bytes();
        }
        sync_folder(&folder)?;
        Ok(bytes)
    }

    /// Writes records and rows into a new log, and begins its new epoch.
    fn log(&self, cut: &Cut, epoch: Epoch) -> Result<(), RestoreError> {
        let keys = self.options.data.join("keys");
        let vault = Arc::new(Vault::open(&keys, &self.options.root_key, false).map_err(RestoreError::Vault)?);
        let log = log_under(self.options, &vault, Vec::new())?;
        self.records(&log, &VaultCipher(vault.clone()), cut)?;
        self.rows(|changes| log.import(&[], changes).map(|_| ()).map_err(RestoreError::from))?;
        let heads = self.manifest.heads().into_iter().map(|(tenant, head)| {
            let (epoch, next, time) = (head.epoch, head.next, head.time);
            (tenant, LogHead { epoch, next, head: head.leaf, time })
        });
        let named: Vec<_> = heads.collect();
        log.reopen(&reopening(vault, "restore", epoch), &named).map_err(RestoreError::Reopen)?;
        check_reopened(&log, &named)
    }

    fn records(&self, log: &FjallLog, cipher: &VaultCipher, cut: &Cut) -> Result<(), RestoreError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut failed = None;
        let write = |batch: &mut Vec<Raw>| {
            let records: Vec<_> = batch.iter().map(|(raw, command)| RawRecord { raw, command: *command }).collect();
            let written = log.import(&records, Vec::new()).map(|_| ());
            batch.clear();
            written
        };
        verify::each_record(self.folder, self.manifest, |header, raw| {
            if failed.is_some() || header.position.0 >= cut.logs.get(&header.tenant).copied().unwrap_or_default() {
                return Ok(());
            }
            // That a body opens was found before.
            let body = if header.unit_index == 0 { open(cipher, header, raw).ok().flatten() } else { None };
            batch.push((raw.to_vec(), body.and_then(|body| body.context.command)));
            bytes += raw.len();
            // Between two units: each is there whole or not at all.
            if bytes >= COMMIT_BYTES && header.unit_index + 1 == header.unit_length {
                failed = write(&mut batch).err();
                bytes = 0;
            }
            Ok(())
        })?;
        if failed.is_none() {
            failed = write(&mut batch).err();
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Hands over the rows of the log's own tables, in lists that fit a commit.
    fn rows(&self, mut write: impl FnMut(Vec<Changes>) -> Result<(), RestoreError>) -> Result<(), RestoreError> {
        let (mut lists, mut list, mut bytes) = (Vec::new(), Changes::default(), 0);
        let mut all = verify::merged(self.folder, self.manifest, self.tables)?;
        while let Some(Entry { table, key, value, .. }) = all.next()? {
            let table = self.tables[table];
            if self.options.following.contains(&table) {
                continue;
            }
            bytes += key.len() + value.len();
            list.put(table, key, value);
            if list.0.len() == ROWS_TOGETHER / 2 {
                lists.push(std::mem::take(&mut list));
            }
            if bytes >= COMMIT_BYTES {
                lists.push(std::mem::take(&mut list));
                write(std::mem::take(&mut lists))?;
                bytes = 0;
            }
        }
        lists.push(list);
        write(lists)
    }

    /// Rows of whoever follows the log: where each subscriber stood, by which he is told that the log was reopened.
    fn views(&self) -> Result<(), RestoreError> {
        let following = &self.options.following;
        let folder = self.options.data.join("views");
        let (views, _) = Views::open(&folder, &[audit::TABLES, &[audit::NOTES], following].concat())?;
        let mut changes = Changes::default();
        let mut all = verify::merged(self.folder, self.manifest, self.tables)?;
        while let Some(Entry { table, key, value, .. }) = all.next()? {
            if following.contains(&self.tables[table]) {
                changes.put(self.tables[table], key, value);
                if changes.0.len() == ROWS_TOGETHER {
                    views.write(std::mem::take(&mut changes), false)?;
                }
            }
        }
        Ok(views.write(changes, true)?)
    }

    /// Contents that are shown and not there.
    fn missing(&self) -> Result<u64, RestoreError> {
        let unreadable = |error: &(dyn std::error::Error + 'static)| RestoreError::Unreadable { what: describe(error) };
        let (_, log) = open_log(self.options, Vec::new())?;
        let snapshot: Arc<dyn Snapshot> = log.snapshot();
        let mut missing = 0;
        for tenant in snapshot.tenants().map_err(|error| unreadable(&error))? {
            let rows: &dyn event_log::Rows = snapshot.as_ref();
            for blob in projections::query::shown(rows, tenant) {
                let blob = blob.map_err(|error| unreadable(&error))?;
                let row = rows.get(PHYSICAL, &blob_key(tenant, blob)).map_err(|error| unreadable(&error))?;
                missing += u64::from(row.is_none());
            }
        }
        Ok(missing)
    }
}

/// The last record of every log whose tenant has a key is a reopening.
fn check_reopened(log: &FjallLog, named: &[(TenantId, LogHead)]) -> Result<(), RestoreError> {
    let unreadable = |error: &(dyn std::error::Error + 'static)| RestoreError::Unreadable { what: describe(error) };
    let snapshot = log.snapshot();
    for (tenant, was) in named {
        let Some(head) = snapshot.log_head(*tenant).map_err(|error| unreadable(&error))? else { continue };
        let last = Position(head.next.0.saturating_sub(1));
        let record = snapshot.record(*tenant, last).map_err(|error| unreadable(&error))?;
        let reopened = record.as_ref().and_then(|record| record.body.as_ref()?.event(&record.header).ok());
        if let Some(Event::LogReopened(LogReopened { reason, .. })) = reopened
            && reason == "restore"
            && head.epoch > was.epoch
        {
            continue;
        }
        // A tenant whose keys were destroyed writes nothing any more.
        if record.is_some_and(|record| record.body.is_some()) {
            return Err(RestoreError::Unreadable { what: format!("the log of tenant {tenant} was not reopened") });
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<(), RestoreError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(RestoreError::io(folder))
}
