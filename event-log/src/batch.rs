//! One drain in the making: gives places, seals, chains, gathers rows.
//!
//! Owns: bounds of units, rows and records; places and chains of what is staged; that a row changed twice is written once.
//! Does not own: the write itself (the engine), what the rows mean.
//! Invariant: after a refused call a batch is as before it.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use schemas::record::{Header, RECORD_BYTES_MAX};
use schemas::{BucketId, CommandId, Epoch, LeafHash, Position, TenantId, Time};

use crate::core::Core;
use crate::engine::{Engine, Write};
use crate::format::{self, BucketTip, EMPTY, HEAD_KEY, HEADS, LOG};
use crate::import::ImportError;
use crate::log::{AppendError, Batch, Draft, LogHead, Recorded};
use crate::table::{Changes, ROW_BYTES_MAX, ReadError};
use crate::view;

/// Most events of a unit.
pub const UNIT_EVENTS_MAX: usize = 256;
/// Most rows of a unit: of its records and of its changes, each.
pub const UNIT_ROWS_MAX: usize = 512;
/// Most bytes of a unit: of its records and of its changes, each.
pub const UNIT_BYTES_MAX: usize = 512 * 1024;
/// Most bytes of a batch. A drain stops far below; the journal's reader relies on it.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// [`Batch`] over any engine.
pub(crate) struct Staged<'a, E: Engine> {
    core: &'a Core<E>,
    base: u64,
    view: OnceCell<E::View>,
    tenants: HashMap<TenantId, LogHead>,
    buckets: HashMap<(TenantId, BucketId), BucketTip>,
    /// Records: never twice the same key.
    own: Vec<Write>,
    /// Rows of tables, and commands, in order of change.
    changes: Vec<Write>,
    bytes: usize,
}

/// What a unit adds, before it counts.
struct Unit {
    head: LogHead,
    buckets: Vec<(BucketId, BucketTip)>,
    rows: Vec<Write>,
    bytes: usize,
    recorded: Vec<Recorded>,
}

fn within(what: &'static str, bytes: usize, bound: usize) -> Result<(), AppendError> {
    if bytes > bound { Err(AppendError::TooLarge { what, bytes, bound }) } else { Ok(()) }
}

fn fatal(error: ReadError) -> AppendError {
    AppendError::Fatal(Box::new(error))
}

impl<'a, E: Engine> Staged<'a, E> {
    pub(crate) fn new(core: &'a Core<E>) -> Self {
        Self {
            core,
            base: core.committed(),
            view: OnceCell::new(),
            tenants: HashMap::new(),
            buckets: HashMap::new(),
            own: Vec::new(),
            changes: Vec::new(),
            bytes: 0,
        }
    }

    fn view(&self) -> &E::View {
        self.view.get_or_init(|| self.core.engine.view())
    }

    fn tenant_head(&self, tenant: TenantId) -> Result<LogHead, ReadError> {
        if let Some(head) = self.tenants.get(&tenant) {
            return Ok(*head);
        }
        if let Some(head) = self.core.heads.lock().tenants.get(&tenant) {
            return Ok(*head);
        }
        Ok(view::log_head(self.view(), tenant)?.unwrap_or(EMPTY))
    }

    fn bucket_tip(&self, tenant: TenantId, bucket: BucketId) -> Result<Option<BucketTip>, ReadError> {
        if let Some(tip) = self.buckets.get(&(tenant, bucket)) {
            return Ok(Some(*tip));
        }
        if let Some(tip) = self.core.heads.lock().buckets.get(&(tenant, bucket)) {
            return Ok(Some(*tip));
        }
        // A bucket's first record. Its id is new and random: reading finds nothing, once.
        view::bucket_tip(self.view(), tenant, bucket)
    }

    /// Begins a new epoch of a tenant's log: the next record staged must be its `LogReopened`.
    pub(crate) fn raise_epoch(&mut self, tenant: TenantId, epoch: Epoch) -> Result<LogHead, ReadError> {
        let mut head = self.tenant_head(tenant)?;
        assert!(epoch > head.epoch || head.next.0 == 0, "an epoch only rises");
        head.epoch = epoch;
        self.tenants.insert(tenant, head);
        Ok(head)
    }

    /// Stages a record that was written before, bit for bit: the next one of its tenant's log.
    pub(crate) fn put_raw(&mut self, raw: &[u8], command: Option<CommandId>) -> Result<(), ImportError> {
        let misfit = |tenant, position, what: String| ImportError::Misfit { tenant, position, what };
        let (header, _) = Header::decode(raw).map_err(|error| misfit(TenantId(0), Position(0), error.to_string()))?;
        let (tenant, position) = (header.tenant, header.position);
        let head = self.tenant_head(tenant)?;
        let says = |what: &str| misfit(tenant, position, what.to_owned());
        if (position, header.prev) != (head.next, head.head) {
            return Err(says("it does not follow the record before it"));
        }
        if header.time < head.time || (header.epoch < head.epoch && position.0 > 0) {
            return Err(says("it is older than the record before it"));
        }
        if raw.len() > RECORD_BYTES_MAX || self.bytes + raw.len() > BATCH_BYTES_MAX {
            return Err(says("it is longer than a record or a batch may be"));
        }
        let leaf = ledger::leaf(raw);
        if header.bucket != BucketId::NONE {
            let before = self.bucket_tip(tenant, header.bucket)?;
            let expected = before.map_or((0, LeafHash::default()), |tip| (tip.seq + 1, tip.head));
            if (header.bucket_seq, header.bucket_prev) != expected {
                return Err(says("it does not follow its bucket's record before it"));
            }
            let tip = BucketTip { seq: header.bucket_seq, head: leaf, position };
            self.buckets.insert((tenant, header.bucket), tip);
        }
        for (part, bytes) in format::parts(raw) {
            let key = format::log_key(tenant, position, part).to_vec();
            self.bytes += key.len() + bytes.len();
            self.own.push(Write { space: LOG, key, value: Some(bytes.to_vec()) });
        }
        if let Some(command) = command {
            let (key, row) = (format::command_key(tenant, command), format::encode_command(position, header.time));
            self.changes.push(Write { space: HEADS, key, value: Some(row) });
        }
        let next = position.next();
        self.tenants.insert(tenant, LogHead { epoch: header.epoch, next, head: leaf, time: header.time });
        Ok(())
    }

    /// Adds a row of the log's own beside records.
    pub(crate) fn own_row(&mut self, key: &[u8], value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.own.push(Write { space: HEADS, key: key.to_vec(), value: Some(value) });
    }

    fn place(&self, tenant: TenantId, time: Time, drafts: Vec<Draft>) -> Result<Unit, AppendError> {
        let mut head = self.tenant_head(tenant).map_err(fatal)?;
        // A log's time never falls, whatever the clock says.
        head.time = head.time.max(time);
        let unit_length = drafts.len() as u16;
        let mut unit = Unit {
            head,
            buckets: Vec::new(),
            rows: Vec::with_capacity(drafts.len() + 1),
            bytes: 0,
            recorded: Vec::with_capacity(drafts.len()),
        };
        for (unit_index, draft) in (0..).zip(drafts) {
            self.place_one(tenant, draft, unit_index, unit_length, &mut unit)?;
            within("unit", unit.bytes, UNIT_BYTES_MAX)?;
            within("unit", unit.rows.len(), UNIT_ROWS_MAX)?;
        }
        Ok(unit)
    }

    fn place_one(
        &self,
        tenant: TenantId,
        draft: Draft,
        unit_index: u16,
        unit_length: u16,
        unit: &mut Unit,
    ) -> Result<(), AppendError> {
        let bucket = draft.bucket;
        let before = match unit.buckets.iter().find(|(known, _)| *known == bucket) {
            Some((_, tip)) => Some(*tip),
            None if bucket == BucketId::NONE => None,
            None => self.bucket_tip(tenant, bucket).map_err(fatal)?,
        };
        let header = Header {
            tenant,
            epoch: unit.head.epoch,
            position: unit.head.next,
            time: unit.head.time,
            prev: unit.head.head,
            bucket,
            bucket_seq: before.map_or(0, |tip| tip.seq + 1),
            bucket_prev: before.map_or_else(LeafHash::default, |tip| tip.head),
            event_type: draft.event_type,
            schema_version: draft.schema_version,
            key: draft.key,
            unit_length,
            unit_index,
        };
        let sealed = self.core.cipher.seal(&header, &draft.body.encode())?;
        let record = [header.encode().as_slice(), &sealed].concat();
        within("record", record.len(), RECORD_BYTES_MAX)?;
        let leaf = ledger::leaf(&record);
        for (part, bytes) in format::parts(&record) {
            let key = format::log_key(tenant, header.position, part);
            assert!(key.len() + bytes.len() <= ROW_BYTES_MAX, "parts are cut to fit a row");
            unit.bytes += key.len() + bytes.len();
            unit.rows.push(Write { space: LOG, key: key.to_vec(), value: Some(bytes.to_vec()) });
        }
        unit.head.head = leaf;
        unit.head.next = header.position.next();
        if bucket != BucketId::NONE {
            let tip = BucketTip { seq: header.bucket_seq, head: leaf, position: header.position };
            match unit.buckets.iter_mut().find(|(known, _)| *known == bucket) {
                Some((_, known)) => *known = tip,
                None => unit.buckets.push((bucket, tip)),
            }
        }
        unit.recorded.push(Recorded { header, body: Some(draft.body) });
        Ok(())
    }

    /// All rows of the commit: records, heads of what it touched, and for each row of a table its last change.
    fn take_rows(&mut self) -> Vec<Write> {
        let mut rows = std::mem::take(&mut self.own);
        let mut head = |key, value| rows.push(Write { space: HEADS, key, value: Some(value) });
        for (tenant, log_head) in &self.tenants {
            head(format::tenant_key(*tenant), format::encode_log_head(log_head));
        }
        for ((tenant, bucket), tip) in &self.buckets {
            head(format::bucket_key(*tenant, *bucket), format::encode_bucket_tip(tip));
        }
        let mut changes = std::mem::take(&mut self.changes);
        // Stable: of a row changed twice the later change stands behind, and is kept.
        changes.sort_by(|a, b| (a.space, &a.key).cmp(&(b.space, &b.key)));
        changes.reverse();
        changes.dedup_by(|a, b| a.space == b.space && a.key == b.key);
        rows.append(&mut changes);
        rows
    }
}

impl<E: Engine> Batch for Staged<'_, E> {
    fn stage(
        &mut self,
        tenant: TenantId,
        time: Time,
        drafts: Vec<Draft>,
        command: Option<CommandId>,
    ) -> Result<Vec<Recorded>, AppendError> {
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        within("unit", drafts.len(), UNIT_EVENTS_MAX)?;
        let mut unit = self.place(tenant, time, drafts)?;
        let mut remembered = None;
        if let Some(command) = command {
            let first = unit.recorded[0].header;
            let row = format::encode_command(first.position, first.time);
            // Among the changes: a command staged twice must not come twice.
            remembered = Some(Write { space: HEADS, key: format::command_key(tenant, command), value: Some(row) });
        }
        within("batch", self.bytes + unit.bytes, BATCH_BYTES_MAX)?;
        self.changes.extend(remembered);
        self.tenants.insert(tenant, unit.head);
        self.buckets.extend(unit.buckets.into_iter().map(|(bucket, tip)| ((tenant, bucket), tip)));
        self.own.append(&mut unit.rows);
        self.bytes += unit.bytes;
        Ok(unit.recorded)
    }

    fn change(&mut self, changes: Changes) -> Result<(), AppendError> {
        let mut bytes = 0;
        for change in &changes.0 {
            assert!(!change.key.is_empty() && change.key != HEAD_KEY, "no table has an empty key or the head row's");
            assert!(![LOG, HEADS].contains(&change.table.name), "the log writes its own rows");
            let row = change.key.len() + change.value.as_ref().map_or(0, Vec::len);
            within("row", row, ROW_BYTES_MAX)?;
            bytes += row;
        }
        within("unit", changes.0.len(), UNIT_ROWS_MAX)?;
        within("unit", bytes, UNIT_BYTES_MAX)?;
        within("batch", self.bytes + bytes, BATCH_BYTES_MAX)?;
        self.bytes += bytes;
        let rows = changes.0.into_iter();
        self.changes.extend(rows.map(|row| Write { space: row.table.name, key: row.key, value: row.value }));
        Ok(())
    }

    fn head(&mut self, tenant: TenantId) -> Result<LogHead, ReadError> {
        self.tenant_head(tenant)
    }

    fn rows(&self) -> usize {
        self.own.len() + self.changes.len()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn commit(mut self: Box<Self>) -> Result<u64, AppendError> {
        let core = self.core;
        if core.failed.load(Ordering::Acquire) {
            return Err(AppendError::Fatal("an earlier write failed".into()));
        }
        if core.committed() != self.base {
            // Places were given for another state of the log than the one there is.
            return Err(AppendError::Conflict);
        }
        if self.rows() == 0 {
            return Ok(self.base);
        }
        let commit = self.base + 1;
        let rows = self.take_rows();
        if let Err(error) = core.steady.around(rows, |rows| core.engine.write(rows, self.bytes, commit)) {
            if matches!(error, AppendError::Fatal(_)) {
                core.failed.store(true, Ordering::Release);
            }
            return Err(error);
        }
        let mut heads = core.heads.lock();
        let mut touched = core.touched.lock();
        for (tenant, head) in self.tenants.drain() {
            heads.tenants.put(tenant, head);
            touched.heads.insert(tenant, head);
        }
        for (bucket, tip) in self.buckets.drain() {
            heads.buckets.put(bucket, tip);
        }
        touched.commit = commit;
        drop((heads, touched));
        core.committed.store(commit, Ordering::Release);
        core.wake();
        Ok(commit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use schemas::record::{Actor, Body, Context};
    use schemas::{KeyId, RequestId};

    use super::*;
    use crate::log::LogError;
    use crate::memory::{Memory, MemoryView, PlainCipher};
    use crate::steady::Steady;
    use crate::table::Table;

    /// Memory whose next write fails in some way.
    #[derive(Default)]
    struct Flaky {
        memory: Memory,
        fail: Mutex<Option<AppendError>>,
        written: Mutex<Vec<Write>>,
    }

    impl Engine for Flaky {
        type View = MemoryView;

        fn view(&self) -> MemoryView {
            self.memory.view()
        }

        fn write(&self, rows: Vec<Write>, bytes: usize, commit: u64) -> Result<(), AppendError> {
            if let Some(error) = self.fail.lock().take() {
                return Err(error);
            }
            self.written.lock().clone_from(&rows);
            self.memory.write(rows, bytes, commit)
        }
    }

    const TENANT: TenantId = TenantId(5);

    fn draft() -> Draft {
        let context = Context {
            actor: Actor::Anonymous,
            source: None,
            request: RequestId("r".to_owned()),
            correlation: None,
            causation: None,
            command: None,
        };
        let body = Body { context, object: None, payload: vec![1, 2] };
        Draft { bucket: BucketId(1), key: KeyId(1), event_type: 40, schema_version: 1, body }
    }

    fn commit(core: &Core<Flaky>) -> Result<u64, AppendError> {
        let mut batch = core.begin();
        batch.stage(TENANT, Time(1), vec![draft()], None)?;
        batch.commit()
    }

    fn next(core: &Core<Flaky>) -> Result<Position, LogError> {
        let head = view::log_head(&core.engine.view(), TENANT)?;
        Ok(head.map_or(Position(0), |head| head.next))
    }

    #[test]
    fn the_nth_write_fails_and_nothing_of_it_shows() {
        for n in 0..4 {
            let core = Core::new(Flaky::default(), Arc::new(PlainCipher), 0, Steady::none());
            for _ in 0..n {
                commit(&core).expect("commits");
            }
            // A full disk: nothing was written, the log goes on.
            *core.engine.fail.lock() = Some(AppendError::Full);
            assert!(matches!(commit(&core), Err(AppendError::Full)));
            assert_eq!((core.committed(), next(&core).expect("reads")), (n, Position(n)));
            assert_eq!(commit(&core).expect("commits"), n + 1);
            // A failed sync: it never goes on, not even when the disk would.
            *core.engine.fail.lock() = Some(AppendError::Fatal("sync".into()));
            assert!(matches!(commit(&core), Err(AppendError::Fatal(_))));
            assert!(matches!(commit(&core), Err(AppendError::Fatal(_))));
            assert_eq!((core.committed(), next(&core).expect("reads")), (n + 1, Position(n + 1)));
        }
    }

    #[test]
    fn no_row_reaches_the_engine_twice() {
        let core = Core::new(Flaky::default(), Arc::new(PlainCipher), 0, Steady::none());
        let mut batch = core.begin();
        for _ in 0..3 {
            batch.stage(TENANT, Time(1), vec![draft(), draft()], Some(CommandId([1; 16]))).expect("stages");
            let mut changes = Changes::default();
            changes.put(Table { name: "red" }, b"some row".to_vec(), Vec::new());
            changes.remove(Table { name: "red" }, b"some row".to_vec());
            batch.change(changes).expect("changes");
        }
        batch.commit().expect("commits");
        let written = core.engine.written.lock();
        let keys: std::collections::BTreeSet<_> = written.iter().map(|row| (row.space, &row.key)).collect();
        // Six records, a tenant's head, a bucket's, a command, a row.
        assert_eq!((keys.len(), written.len()), (10, 10));
    }
}
