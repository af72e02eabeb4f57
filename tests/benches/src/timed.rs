//! Small loads for engine benches: an operation of their own from several clients for a while.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::{Client, Shared};

/// How long each took. `one` is given a number that no other is given.
pub(crate) async fn timed(
    shared: &Shared,
    clients: usize,
    limit: Duration,
    one: impl AsyncFn(&mut Client<'_>, u64) -> Result<()>,
) -> Result<Vec<Duration>> {
    let (next, end) = (Cell::new(0), Instant::now() + limit);
    let each = (0..clients).map(|_| async {
        let (mut client, mut latencies) = (Client::connect(shared).await?, Vec::new());
        while Instant::now() < end {
            let number = next.replace(next.get() + 1);
            let begun = Instant::now();
            one(&mut client, number).await?;
            latencies.push(begun.elapsed());
        }
        Ok::<_, anyhow::Error>(latencies)
    });
    Ok(futures_util::future::try_join_all(each).await?.concat())
}

/// Puts of 4 KiB under a folder, and how many were answered.
pub(crate) async fn writes(shared: &Shared, folder: &str, run: u64, clients: usize, limit: Duration) -> usize {
    let put = async |client: &mut Client<'_>, number: u64| {
        client.put(&format!("{folder}/{run}-{number:09}"), 4 << 10, (run << 40) + number).await
    };
    timed(shared, clients, limit, put).await.map_or(0, |latencies| latencies.len())
}
