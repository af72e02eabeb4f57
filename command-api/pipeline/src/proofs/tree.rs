//! The nodes of every log's tree, kept so that proofs need not read the log.
//!
//! Owns: the table `tree` in the database of following views, following the log into it, reading nodes from it.
//! Does not own: what the hashes are (ledger), which trees are signed (`checkpoints`).
//! Invariants: the raw log is the truth and this a copy of hashes of it: a cursor that does not fit, or a database that was lost, begins
//! the tree anew. Rows and cursor change in one batch. Following costs what is new, whatever the log's length.
//!
//! Nodes stand in tiles of 64 neighbours, on every sixth level: of the 63 nodes above them inside a tile, each is hashed again when
//! a proof names it. A record costs 32 bytes and a little more, and no row of its own.
//!
//! | key: `tenant u64 BE, ...` | value |
//! |---|---|
//! | layer u8, tile u64 BE | hashes of up to 64 nodes of level 6 * layer, from node 64 * tile on |
//! | 255 | [`Stand`]: version u8 = 1, epoch u32, size u64, leaf hash of the last record, `notable` u64, `announced` u64, `announced_at` u64, big-endian |

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use event_log::{Changes, Cursor, CursorState, LogError, ReadError, Rows, Snapshot, Table, Views};
use ledger::Nodes;
use schemas::event::Event;
use schemas::record::Header;
use schemas::{Epoch, EventId, LeafHash, Position, TenantId, Time};

use crate::api::StoreError;
use crate::store::{internal, log_error};

/// The table.
pub(crate) const TREE: Table = Table { name: "tree" };

/// Levels of the tree in one tile, and nodes of its lowest.
const TILE_LEVELS: u8 = 6;
const TILE_NODES: u64 = 1 << TILE_LEVELS;
const CURSOR: u8 = 255;
const VERSION: u8 = 1;
const HASH_BYTES: usize = 32;

/// Events that nobody caused: a log of which only these are new is idle.
const UNCAUSED: [&str; 3] = ["LogSealed", "ClockTicked", "CheckpointPublished"];

/// How far a tree has followed its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stand {
    /// Epoch of the last record; 0 before the first.
    pub(crate) epoch: Epoch,
    /// Records in the tree.
    pub(crate) size: u64,
    /// Leaf hash of the last one; zeros before the first.
    pub(crate) leaf: LeafHash,
    /// Behind the last record that somebody or something caused.
    pub(crate) notable: u64,
    /// Size of the last checkpoint that an event tells of.
    pub(crate) announced: u64,
    /// Time of that event.
    pub(crate) announced_at: Time,
}

impl Stand {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend(self.epoch.0.to_be_bytes());
        out.extend(self.size.to_be_bytes());
        out.extend(self.leaf.0);
        for number in [self.notable, self.announced, self.announced_at.0] {
            out.extend(number.to_be_bytes());
        }
        out
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (front, rest) = value.split_first_chunk::<13>()?;
        let (leaf, rest) = rest.split_first_chunk::<HASH_BYTES>()?;
        let number = |at: usize| Some(u64::from_be_bytes(rest.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        if front[0] != VERSION || rest.len() != 24 {
            return None;
        }
        Some(Self {
            epoch: Epoch(u32::from_be_bytes(front[1..5].try_into().ok()?)),
            size: u64::from_be_bytes(front[5..13].try_into().ok()?),
            leaf: LeafHash(*leaf),
            notable: number(0)?,
            announced: number(1)?,
            announced_at: Time(number(2)?),
        })
    }

    /// Whether it stands where the log has the same record.
    fn fits(&self, snapshot: &dyn Snapshot, tenant: TenantId) -> Result<bool, LogError> {
        let Some(last) = self.size.checked_sub(1) else { return Ok(true) };
        let at = EventId { epoch: self.epoch, position: Position(last) };
        Ok(snapshot.check(tenant, Cursor { at, leaf: self.leaf })? == CursorState::Valid)
    }

    /// Takes the next record.
    fn push(&mut self, snapshot: &dyn Snapshot, tenant: TenantId, raw: &[u8]) -> Result<(), LogError> {
        let position = Position(self.size);
        let corrupt = |what: &str| LogError::Corrupt { tenant, position, what: what.to_owned() };
        let (header, _) = Header::decode(raw).map_err(|error| corrupt(&error.to_string()))?;
        if (header.tenant, header.position, header.prev) != (tenant, position, self.leaf) {
            return Err(corrupt("it does not continue the record before"));
        }
        self.size += 1;
        self.epoch = header.epoch;
        self.leaf = ledger::leaf(raw);
        let name = Event::TYPES.iter().find(|(code, ..)| *code == header.event_type).map(|(_, name, _)| *name);
        if !name.is_some_and(|name| UNCAUSED.contains(&name)) {
            self.notable = self.size;
        }
        if name == Some("CheckpointPublished") {
            self.announced = announced_size(snapshot, tenant, position)?.unwrap_or(position.0);
            self.announced_at = header.time;
        }
        Ok(())
    }
}

/// What the event at a position says; none when it is erased.
fn announced_size(snapshot: &dyn Snapshot, tenant: TenantId, position: Position) -> Result<Option<u64>, LogError> {
    let Some(recorded) = snapshot.record(tenant, position)? else { return Ok(None) };
    let header = recorded.header;
    Ok(recorded.body.and_then(|body| match body.event(&header) {
        Ok(Event::CheckpointPublished(published)) => Some(published.size),
        _ => None,
    }))
}

/// Where a tree stands; at its beginning where there is none, or none that can be read.
pub(crate) fn stand(rows: &dyn Rows, tenant: TenantId) -> Result<Stand, ReadError> {
    let value = rows.get(TREE, &cursor_key(tenant))?;
    Ok(value.and_then(|value| Stand::decode(&value)).unwrap_or_default())
}

/// Begins a tree anew: what it says does not fit the log.
pub(crate) fn forget(views: &Views, tenant: TenantId) -> Result<(), StoreError> {
    let mut changes = Changes::default();
    changes.remove(TREE, cursor_key(tenant));
    views.write(changes, false).map_err(|error| internal(&error))
}

/// Follows the log by at most `records`; where the tree stands then, and whether that is the log's end in `snapshot`.
pub(crate) fn follow(
    views: &Views,
    snapshot: &dyn Snapshot,
    tenant: TenantId,
    records: usize,
) -> Result<(Stand, bool), StoreError> {
    let kept = views.snapshot();
    let mut at = stand(&kept, tenant).map_err(|error| internal(&error))?;
    if !at.fits(snapshot, tenant).map_err(log_error)? {
        tracing::info!(tenant = %tenant, size = at.size, "the tree of the log does not fit the log: it is built anew");
        at = Stand::default();
    }
    let end = snapshot.log_head(tenant).map_err(log_error)?.map_or(0, |head| head.next.0);
    if at.size == end {
        return Ok((at, true));
    }
    let mut edge = Edge { rows: &kept, tenant, tiles: BTreeMap::new() };
    for raw in snapshot.raw_range(tenant, Position(at.size), records).map_err(log_error)? {
        let index = at.size;
        at.push(snapshot, tenant, &raw).map_err(log_error)?;
        match edge.push(0, index, at.leaf) {
            Ok(()) => {}
            Err(NodeError::Read(error)) => return Err(internal(&error)),
            Err(missing @ NodeError::Missing { .. }) => {
                tracing::warn!(tenant = %tenant, error = %missing, "the tree of the log is damaged: it is built anew");
                forget(views, tenant)?;
                return Ok((Stand::default(), false));
            }
        }
    }
    let mut changes = Changes::default();
    for ((layer, tile), hashes) in edge.tiles {
        changes.put(TREE, tile_key(tenant, layer, tile), hashes.iter().flat_map(|hash| hash.0).collect());
    }
    changes.put(TREE, cursor_key(tenant), at.encode());
    // Not synced: what a power cut takes away is made again from the log.
    views.write(changes, false).map_err(|error| internal(&error))?;
    Ok((at, at.size == end))
}

/// The tiles at the end of the tree that grow.
struct Edge<'a> {
    rows: &'a dyn Rows,
    tenant: TenantId,
    tiles: BTreeMap<(u8, u64), Vec<LeafHash>>,
}

impl Edge<'_> {
    /// Adds the node of a layer that comes next, and what becomes complete above it.
    fn push(&mut self, layer: u8, index: u64, hash: LeafHash) -> Result<(), NodeError> {
        let (tile, place) = (index / TILE_NODES, index % TILE_NODES);
        let place = usize::try_from(place).expect("below 64");
        if !self.tiles.contains_key(&(layer, tile)) {
            let mut known = match place {
                0 => Vec::new(),
                _ => read_tile(self.rows, self.tenant, layer, tile)?,
            };
            if known.len() < place {
                return Err(NodeError::Missing { layer, tile });
            }
            // What a tree that was given up had behind this place is none of this one's.
            known.truncate(place);
            self.tiles.insert((layer, tile), known);
        }
        let hashes = self.tiles.get_mut(&(layer, tile)).expect("put there if it was not");
        hashes.push(hash);
        if hashes.len() as u64 == TILE_NODES {
            let above = ledger::root(hashes.iter().copied());
            self.push(layer + 1, tile, above)?;
        }
        Ok(())
    }
}

/// Why a node cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    /// The engine cannot read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The tree has not come so far, or lost a row.
    #[error("tile {tile} of layer {layer} of the tree is missing or too short")]
    Missing {
        /// Layer.
        layer: u8,
        /// Which tile of it.
        tile: u64,
    },
}

/// The nodes of one tree. Reads each tile once.
pub(crate) struct Tiles<'a> {
    rows: &'a dyn Rows,
    tenant: TenantId,
    read: RefCell<HashMap<(u8, u64), Vec<LeafHash>>>,
}

impl<'a> Tiles<'a> {
    pub(crate) fn of(rows: &'a dyn Rows, tenant: TenantId) -> Self {
        Self { rows, tenant, read: RefCell::default() }
    }
}

impl Nodes for Tiles<'_> {
    type Error = NodeError;

    fn node(&self, level: u8, index: u64) -> Result<LeafHash, NodeError> {
        let (layer, height) = (level / TILE_LEVELS, level % TILE_LEVELS);
        let first = index << height;
        let (tile, place) = (first / TILE_NODES, first % TILE_NODES);
        let place = usize::try_from(place).expect("below 64");
        let mut read = self.read.borrow_mut();
        let hashes = match read.entry((layer, tile)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                unknown.insert(read_tile(self.rows, self.tenant, layer, tile)?)
            }
        };
        let below = hashes.get(place..place + (1 << height)).ok_or(NodeError::Missing { layer, tile })?;
        Ok(ledger::root(below.iter().copied()))
    }
}

/// Hashes of a tile; of one that is not there, none.
fn read_tile(rows: &dyn Rows, tenant: TenantId, layer: u8, tile: u64) -> Result<Vec<LeafHash>, ReadError> {
    let value = rows.get(TREE, &tile_key(tenant, layer, tile))?.unwrap_or_default();
    let (hashes, _) = value.as_chunks::<HASH_BYTES>();
    Ok(hashes.iter().map(|hash| LeafHash(*hash)).collect())
}

fn tile_key(tenant: TenantId, layer: u8, tile: u64) -> Vec<u8> {
    let mut key = tenant.0.to_be_bytes().to_vec();
    key.push(layer);
    key.extend(tile.to_be_bytes());
    key
}

fn cursor_key(tenant: TenantId) -> Vec<u8> {
    let mut key = tenant.0.to_be_bytes().to_vec();
    key.push(CURSOR);
    key
}

#[cfg(test)]
pub(in crate::proofs) mod tests {
    use std::convert::Infallible;

    use event_log::ROW_BYTES_MAX;
    use proptest::prelude::*;

    use super::*;

    pub(in crate::proofs) const TENANT: TenantId = TenantId(7);

    pub(in crate::proofs) fn leaf(number: u64) -> LeafHash {
        ledger::leaf(&number.to_be_bytes())
    }

    /// Grows a tree in a real database in steps of given lengths.
    pub(in crate::proofs) fn grow(views: &Views, steps: &[u64]) -> u64 {
        let mut size = 0;
        for step in steps {
            let kept = views.snapshot();
            let mut edge = Edge { rows: &kept, tenant: TENANT, tiles: BTreeMap::new() };
            for index in size..size + step {
                edge.push(0, index, leaf(index)).expect("fits");
            }
            let mut changes = Changes::default();
            for ((layer, tile), hashes) in edge.tiles {
                changes.put(TREE, tile_key(TENANT, layer, tile), hashes.iter().flat_map(|hash| hash.0).collect());
            }
            views.write(changes, false).expect("writes");
            size += step;
        }
        size
    }

    pub(in crate::proofs) fn views() -> (tempfile::TempDir, Views) {
        let folder = tempfile::tempdir().expect("a folder");
        let (views, _) = Views::open(&folder.path().join("views"), &[TREE]).expect("opens");
        (folder, views)
    }

    fn defined(level: u8, index: u64) -> Result<LeafHash, Infallible> {
        Ok(ledger::root((index << level..(index + 1) << level).map(leaf)))
    }

    #[test]
    fn every_complete_subtree_is_what_its_leaves_say() {
        let (_folder, views) = views();
        let size = grow(&views, &[1, 1, 62, 63, 1, 4_000, 1_500]);
        let kept = views.snapshot();
        for level in 0..13 {
            for index in 0..size >> level {
                let node = Tiles::of(&kept, TENANT).node(level, index).expect("is there");
                assert_eq!(Ok(node), defined(level, index), "level {level} index {index}");
            }
            let beyond = Tiles::of(&kept, TENANT).node(level, size >> level);
            assert!(matches!(beyond, Err(NodeError::Missing { .. })), "level {level}");
        }
        for size in [0, 1, 63, 64, 65, 127, 128, 4_095, 4_096, 4_097, size] {
            let root = ledger::root_of(&Tiles::of(&kept, TENANT), size).expect("is there");
            assert_eq!(root, ledger::root((0..size).map(leaf)), "tree of {size}");
        }
    }

    #[test]
    fn what_a_tree_that_was_given_up_left_behind_is_not_taken_for_the_new_ones() {
        let (_folder, views) = views();
        grow(&views, &[200]);
        grow(&views, &[70]);
        let kept = views.snapshot();
        let tiles = Tiles::of(&kept, TENANT);
        assert_eq!(ledger::root_of(&tiles, 70).expect("is there"), ledger::root((0..70).map(leaf)));
        assert!(matches!(tiles.node(0, 70), Err(NodeError::Missing { .. })));
    }

    #[test]
    fn rows_stay_below_the_bound() {
        let bytes = tile_key(TENANT, 0, 0).len() + usize::try_from(TILE_NODES).expect("small") * HASH_BYTES;
        assert!(bytes <= ROW_BYTES_MAX);
        for name in UNCAUSED {
            assert!(Event::TYPES.iter().any(|(_, known, _)| *known == name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_stand_reads_back(epoch: u32, numbers: [u64; 4], leaf: [u8; 32]) {
            let [size, notable, announced, at] = numbers;
            let stand = Stand {
                epoch: Epoch(epoch), size, leaf: LeafHash(leaf), notable, announced, announced_at: Time(at)
            };
            let value = stand.encode();
            prop_assert_eq!(Stand::decode(&value), Some(stand));
            for cut in 0..value.len() {
                prop_assert_eq!(Stand::decode(&value[..cut]), None);
            }
        }
    }
}
