//! What the tests of the log share: drafts, a cipher that can forget, small tables.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use event_log::{BodyCipher, CipherError, Draft, EventLog, FjallLog, OpenError, Opened, Options, Table};
use schemas::event::Event;
use schemas::record::{Actor, Body, Context, Header};
use schemas::{BucketId, CommandId, KeyId, Position, RequestId, TenantId, Time};

pub const RED: Table = Table { name: "red" };
pub const BLUE: Table = Table { name: "blue" };
pub const TABLES: &[Table] = &[RED, BLUE];
pub const A: TenantId = TenantId(7);
pub const B: TenantId = TenantId(9);

/// Seals by adding a byte that depends on the header; forgets keys on demand.
#[derive(Default)]
pub struct Forgetful(pub Mutex<BTreeSet<u64>>);

impl BodyCipher for Forgetful {
    fn seal(&self, header: &Header, plaintext: &[u8]) -> Result<Vec<u8>, CipherError> {
        if header.key == KeyId(404) {
            return Err(CipherError::MissingKey { tenant: header.tenant, key: header.key });
        }
        let mut sealed = plaintext.to_vec();
        sealed.push(header.position.0 as u8);
        Ok(sealed)
    }

    fn open(&self, header: &Header, sealed: &[u8]) -> Result<Opened, CipherError> {
        if self.0.lock().expect("not poisoned").contains(&header.key.0) {
            return Ok(Opened::Erased);
        }
        match sealed.split_last() {
            Some((&last, plain)) if last == header.position.0 as u8 => Ok(Opened::Open(plain.to_vec())),
            _ => Err(CipherError::Forged),
        }
    }
}

/// What was not written out by itself stays in journals when a log is closed: there it can be damaged.
pub fn options() -> Options {
    let (cache_bytes, memtable_bytes, max_journal_bytes) = (8 << 20, 1 << 20, 64 << 20);
    Options { cache_bytes, memtable_bytes, max_journal_bytes, write_out_at_end: false, ..Options::default() }
}

pub fn open(folder: &Path) -> Result<FjallLog, OpenError> {
    FjallLog::open(folder, TABLES, Arc::new(Forgetful::default()), options())
}

pub fn context() -> Context {
    Context {
        actor: Actor::System("test".to_owned()),
        source: None,
        request: RequestId("01J00000000000000000000000".to_owned()),
        correlation: None,
        causation: None,
        command: None,
    }
}

/// A draft whose record has about `bytes` bytes of payload.
pub fn draft_of(bucket: u64, key: u64, bytes: usize) -> Draft {
    let task = schemas::event::TaskStarted { task: "t".repeat(bytes), kind: String::new(), arguments: String::new() };
    let event = Event::from(task);
    Draft {
        bucket: BucketId(bucket),
        key: KeyId(key),
        event_type: event.type_code(),
        schema_version: event.schema_version(),
        body: Body::new(context(), None, &event),
    }
}

pub fn draft(bucket: u64) -> Draft {
    draft_of(bucket, 1, 20)
}

pub fn command(number: u8) -> CommandId {
    CommandId([number; 16])
}

/// Commits one unit of one event and a row that says so. Its position.
pub fn commit_one(log: &dyn EventLog, tenant: TenantId, time: u64) -> Position {
    let mut batch = log.begin();
    let recorded = batch.stage(tenant, Time(time), vec![draft(1)], None).expect("stages");
    let position = recorded[0].header.position;
    let mut changes = event_log::Changes::default();
    let key = [tenant.0.to_be_bytes(), position.0.to_be_bytes()].concat();
    changes.put(RED, key.clone(), vec![1; 100]);
    changes.put(BLUE, key, position.0.to_be_bytes().to_vec());
    batch.change(changes).expect("changes");
    batch.commit().expect("commits");
    position
}
