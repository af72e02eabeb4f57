//! Reading a log and its tables through one consistent view.
//!
//! Owns: putting records together, cursors, hiding the log's own rows from tables' readers.
//! Does not own: where rows come from.

use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use schemas::event::BucketHead;
use schemas::record::{Body, Header, RECORD_BYTES_MAX};
use schemas::{BucketId, CommandId, Epoch, LeafHash, Position, TenantId};

use crate::engine::{View, malformed};
use crate::format::{self, BucketTip, HEAD_KEY, HEADS, LOG, PART_BYTES};
use crate::log::{BodyCipher, Cursor, CursorState, LogError, LogHead, Opened, Recorded, Snapshot};
use crate::steady::Steady;
use crate::table::{ReadError, Row, RowIter, Rows, Table, prefix_end};

/// Where a tenant's log stands; none for a tenant without a record.
pub(crate) fn log_head(view: &impl View, tenant: TenantId) -> Result<Option<LogHead>, ReadError> {
    let Some(value) = view.get(HEADS, &format::tenant_key(tenant))? else { return Ok(None) };
    format::decode_log_head(&value).ok_or_else(|| malformed(HEADS)).map(Some)
}

/// Where a bucket's chain stands.
pub(crate) fn bucket_tip(view: &impl View, tenant: TenantId, bucket: BucketId) -> Result<Option<BucketTip>, ReadError> {
    let Some(value) = view.get(HEADS, &format::bucket_key(tenant, bucket))? else { return Ok(None) };
    format::decode_bucket_tip(&value).ok_or_else(|| malformed(HEADS)).map(Some)
}

/// What became of a command.
pub(crate) fn command(view: &impl View, tenant: TenantId, id: CommandId) -> Result<Option<Position>, ReadError> {
    let Some(value) = view.get(HEADS, &format::command_key(tenant, id))? else { return Ok(None) };
    format::decode_command(&value).ok_or_else(|| malformed(HEADS)).map(|(position, _)| Some(position))
}

/// Commit number and engine sequence of a keyspace's `head` row.
pub(crate) fn commit_row(view: &impl View, space: &'static str) -> Result<Option<(u64, u64)>, ReadError> {
    let Some(value) = view.get(space, HEAD_KEY)? else { return Ok(None) };
    format::decode_commit(&value).ok_or_else(|| malformed(space)).map(Some)
}

fn prefix<'a>(view: &'a impl View, space: &'static str, prefix: Vec<u8>) -> RowIter<'a> {
    let to = prefix_end(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
    view.range(space, Bound::Included(prefix), to, false)
}

/// [`Snapshot`] over any view.
pub(crate) struct SnapshotOf<V> {
    view: V,
    cipher: Arc<dyn BodyCipher>,
    /// The last commit known before the view was made: what it shows at least.
    at_least: u64,
    commit: OnceLock<u64>,
    /// Rows kept in memory, and which state of them this shows.
    steady: Option<(u64, Arc<Steady>)>,
}

impl<V: View> SnapshotOf<V> {
    pub(crate) fn new(view: V, cipher: Arc<dyn BodyCipher>, at_least: u64, steady: Option<(u64, Arc<Steady>)>) -> Self {
        Self { view, cipher, at_least, commit: OnceLock::new(), steady }
    }

    fn open(&self, tenant: TenantId, position: Position, raw: &[u8]) -> Result<Recorded, LogError> {
        let corrupt = |what: String| LogError::Corrupt { tenant, position, what };
        let (header, sealed) = header_of(tenant, position, raw)?;
        let opened =
            self.cipher.open(&header, sealed).map_err(|source| LogError::Cipher { tenant, position, source })?;
        let body = match opened {
            Opened::Erased => None,
            Opened::Open(plain) => Some(Body::decode(&plain).map_err(|error| corrupt(error.to_string()))?),
        };
        Ok(Recorded { header, body })
    }

    /// Largest position below `end` whose epoch is at most `epoch`. Epochs never fall along a log.
    fn last_of_epoch(&self, tenant: TenantId, end: u64, epoch: Epoch) -> Result<Option<Position>, LogError> {
        let (mut low, mut high) = (0, end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.must(tenant, Position(middle))?.epoch <= epoch {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low.checked_sub(1).map(Position))
    }

    /// Header of a record that is there unless the log is damaged.
    fn must(&self, tenant: TenantId, position: Position) -> Result<Header, LogError> {
        let raw = self.raw(tenant, position)?.ok_or_else(|| missing(tenant, position))?;
        Ok(header_of(tenant, position, &raw)?.0)
    }
}

fn missing(tenant: TenantId, position: Position) -> LogError {
    LogError::Corrupt { tenant, position, what: "the record or a part of it is missing".to_owned() }
}

fn header_of(tenant: TenantId, position: Position, raw: &[u8]) -> Result<(Header, &[u8]), LogError> {
    let corrupt = |what: String| LogError::Corrupt { tenant, position, what };
    let (header, sealed) = Header::decode(raw).map_err(|error| corrupt(error.to_string()))?;
    if (header.tenant, header.position) != (tenant, position) {
        return Err(corrupt(format!("the record is of tenant {} position {}", header.tenant, header.position)));
    }
    Ok((header, sealed))
}

impl<V: View> Rows for SnapshotOf<V> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if key == HEAD_KEY {
            return Ok(None);
        }
        let read = || self.view.get(table.name, key);
        match &self.steady {
            Some((state, steady)) => steady.get(*state, table, key, read),
            None => read(),
        }
    }

    fn range<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        table_range(&self.view, table, from, to, false)
    }

    fn range_rev<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        table_range(&self.view, table, from, to, true)
    }
}

fn table_range<'a>(
    view: &'a impl View,
    table: Table,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    reverse: bool,
) -> RowIter<'a> {
    // A range that ends before it begins is empty; engines panic on it.
    if let (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) = (&from, &to) {
        let both_included = matches!((&from, &to), (Bound::Included(_), Bound::Included(_)));
        if low > high || (low == high && !both_included) {
            return Box::new(std::iter::empty());
        }
    }
    let rows = view.range(table.name, from, to, reverse);
    Box::new(rows.filter(|row| !matches!(row, Ok((key, _)) if key == HEAD_KEY)))
}

impl<V: View> Snapshot for SnapshotOf<V> {
    fn commit(&self) -> u64 {
        *self.commit.get_or_init(|| match commit_row(&self.view, HEADS) {
            Ok(Some((commit, _))) => commit,
            _ => self.at_least,
        })
    }

    fn raw(&self, tenant: TenantId, position: Position) -> Result<Option<Vec<u8>>, LogError> {
        let Some(mut record) = self.view.get(LOG, &format::log_key(tenant, position, 0))? else { return Ok(None) };
        let mut part = 0_u8;
        // Every part but the last is full, so a part that is missing cannot pass for an end.
        while record.len() == (usize::from(part) + 1) * PART_BYTES && record.len() <= RECORD_BYTES_MAX {
            part += 1;
            let more = self.view.get(LOG, &format::log_key(tenant, position, part))?;
            record.extend(more.ok_or_else(|| missing(tenant, position))?);
        }
        Ok(Some(record))
    }

    fn record(&self, tenant: TenantId, position: Position) -> Result<Option<Recorded>, LogError> {
        self.raw(tenant, position)?.map(|raw| self.open(tenant, position, &raw)).transpose()
    }

    fn log_head(&self, tenant: TenantId) -> Result<Option<LogHead>, LogError> {
        Ok(log_head(&self.view, tenant)?)
    }

    fn bucket_head(&self, tenant: TenantId, bucket: BucketId) -> Result<Option<(u64, LeafHash)>, LogError> {
        Ok(bucket_tip(&self.view, tenant, bucket)?.map(|tip| (tip.seq, tip.head)))
    }

    fn tenants(&self) -> Result<Vec<TenantId>, LogError> {
        let rows = prefix(&self.view, HEADS, b"t".to_vec());
        rows.map(|row| format::tenant_of(&row?.0).ok_or_else(|| malformed(HEADS).into())).collect()
    }

    fn check(&self, tenant: TenantId, cursor: Cursor) -> Result<CursorState, LogError> {
        let Some(head) = self.log_head(tenant)? else { return Ok(CursorState::Diverged { common: None }) };
        let Cursor { at, leaf } = cursor;
        if at.epoch > head.epoch {
            // A later incarnation than this one: nothing is known of what it kept.
            return Ok(CursorState::Diverged { common: None });
        }
        if at.position < head.next {
            let raw = self.raw(tenant, at.position)?.ok_or_else(|| missing(tenant, at.position))?;
            let (header, _) = header_of(tenant, at.position, &raw)?;
            if header.epoch == at.epoch {
                let same = ledger::leaf(&raw) == leaf;
                return Ok(if same { CursorState::Valid } else { CursorState::Diverged { common: None } });
            }
        }
        // Records up to the cursor that are no younger than its epoch came before the log was reopened: both know them.
        let common = self.last_of_epoch(tenant, at.position.0.min(head.next.0), at.epoch)?;
        Ok(CursorState::Diverged { common })
    }

    fn raw_range(&self, tenant: TenantId, from: Position, max: usize) -> Result<Vec<Vec<u8>>, LogError> {
        let Some(head) = self.log_head(tenant)? else { return Ok(Vec::new()) };
        let end = head.next.0.min(from.0.saturating_add(max as u64));
        if from.0 >= end {
            return Ok(Vec::new());
        }
        let rows = self.view.range(
            LOG,
            Bound::Included(format::log_key(tenant, from, 0).to_vec()),
            Bound::Excluded(format::log_key(tenant, Position(end), 0).to_vec()),
            false,
        );
        let mut join = Join { tenant, position: from, part: 0, record: Vec::new(), done: Vec::new() };
        for row in rows {
            join.row(row?)?;
        }
        // A part that would follow is missing exactly when its record did not end.
        if join.position.0 != end { Err(missing(tenant, join.position)) } else { Ok(join.done) }
    }

    fn records(&self, tenant: TenantId, from: Position, max: usize) -> Result<Vec<Recorded>, LogError> {
        let raw = self.raw_range(tenant, from, max)?;
        (from.0..).zip(raw).map(|(position, raw)| self.open(tenant, Position(position), &raw)).collect()
    }

    fn bucket_heads(&self, tenant: TenantId) -> Result<Vec<(BucketHead, Position)>, LogError> {
        let rows = prefix(&self.view, HEADS, format::buckets_prefix(tenant));
        rows.map(|row| {
            let (key, value) = row?;
            let fields = format::bucket_of(&key).zip(format::decode_bucket_tip(&value));
            let (bucket, tip) = fields.ok_or_else(|| malformed(HEADS))?;
            Ok((BucketHead { bucket, seq: tip.seq, head: tip.head }, tip.position))
        })
        .collect()
    }
}

/// Puts records together from rows in key order.
struct Join {
    tenant: TenantId,
    position: Position,
    part: u8,
    record: Vec<u8>,
    done: Vec<Vec<u8>>,
}

impl Join {
    fn row(&mut self, (key, value): Row) -> Result<(), LogError> {
        let expected = (self.tenant, self.position, self.part);
        if format::log_key_fields(&key) != Some(expected) || value.len() > PART_BYTES {
            return Err(missing(self.tenant, self.position));
        }
        let full = value.len() == PART_BYTES;
        if self.part == 0 {
            self.record = value;
        } else {
            self.record.extend(value);
        }
        if full {
            self.part = self.part.checked_add(1).ok_or_else(|| missing(self.tenant, self.position))?;
        } else {
            self.done.push(std::mem::take(&mut self.record));
            self.position = self.position.next();
            self.part = 0;
        }
        Ok(())
    }
}
