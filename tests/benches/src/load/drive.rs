//! Clients that do operations side by side for a while, all on one thread, each with its own connection.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::load::family::Family;
use crate::load::operation::{Field, Memory, Outcome, operate};

/// A client to whom nothing ever succeeds gives up after so many.
const FAILURES_MAX: u64 = 20;

/// What a client waits after an answer that asks it to, or a connection that broke, as clients do.
const PAUSE: Duration = Duration::from_millis(20);

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Of operations that succeeded.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) moved: u64,
    pub(crate) stored: u64,
    /// By status; 0 is a connection that broke.
    pub(crate) failures: BTreeMap<u16, u64>,
    /// What was said to the first that failed.
    pub(crate) said: Option<String>,
}

impl Tally {
    /// Operations, those that failed among them.
    pub(crate) fn all(&self) -> u64 {
        self.latencies.len() as u64 + self.failures.values().sum::<u64>()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.moved += other.moved;
        self.stored += other.stored;
        for (status, count) in other.failures {
            *self.failures.entry(status).or_default() += count;
        }
        self.said = self.said.take().or(other.said);
    }
}

/// Operations that begin within `limit`. Every client does at least one, so that the largest are measured too.
pub(crate) async fn drive(field: &Field<'_>, family: Family, clients: usize, limit: Duration) -> Tally {
    // Connections are made before the clock begins. One that cannot be is asked for again by its first operation.
    let connecting = (0..clients).map(|_| async {
        let mut client = Client::new(field.shared);
        let _ = client.reconnect().await;
        client
    });
    let connected = futures_util::future::join_all(connecting).await;
    let (succeeded, end) = (Cell::new(false), Instant::now() + limit);
    let each = connected.into_iter().enumerate().map(|(number, client)| {
        let memory = Memory::new(number as u64);
        one(client, memory, field, family, clients, end, &succeeded)
    });
    let mut tally = Tally::default();
    for one in futures_util::future::join_all(each).await {
        tally.add(one);
    }
    tally
}

async fn one(
    mut client: Client<'_>,
    mut memory: Memory,
    field: &Field<'_>,
    family: Family,
    clients: usize,
    end: Instant,
    succeeded: &Cell<bool>,
) -> Tally {
    let mut tally = Tally::default();
    loop {
        let begun = Instant::now();
        match operate(&mut client, field, family, &mut memory, clients).await {
            Outcome::Done { moved, stored } => {
                succeeded.set(true);
                tally.latencies.push(begun.elapsed());
                tally.moved += moved;
                tally.stored += stored;
            }
            Outcome::Failed { status, said } => {
                *tally.failures.entry(status).or_default() += 1;
                tally.said.get_or_insert(said);
                if !succeeded.get() && tally.all() >= FAILURES_MAX {
                    return tally;
                }
                if status == 0 || status >= 500 {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Outcome::Over => return tally,
        }
        if Instant::now() >= end {
            return tally;
        }
    }
}
