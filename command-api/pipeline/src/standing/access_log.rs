//! Access logs are delivered: what was gathered of a bucket's requests becomes an object in the bucket that is to get it.
//!
//! Owns: its thread, and when a batch is written. Does not own: gathering ([`crate::access_log`]).
//! A delivery is an ordinary write by the log service; the bucket must let it in at that time, not only when it was chosen.
//! Deliveries are no requests of a door, so none is ever logged.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use crate::access_log::Batch;
use crate::api::StoreError;
use crate::sequencer::describe;
use crate::store::{Inner, Store};

/// How often the thread looks whether something is due.
const PACE: Duration = Duration::from_secs(1);

/// The thread that delivers.
#[derive(Default)]
pub(crate) struct Delivery(Mutex<Option<JoinHandle<()>>>);

impl Delivery {
    pub(crate) fn start(&self, inner: &Arc<Inner>) -> std::io::Result<()> {
        // Bodies come in by streams, whoever sends them; a runtime of its own drives those of the log.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let weak = Arc::downgrade(inner);
        let log = inner.access_log.clone();
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            loop {
                let ending = log.wait(PACE);
                let Some(inner) = Weak::upgrade(&weak) else { return };
                runtime.block_on(deliver(inner, ending));
                if ending {
                    return;
                }
            }
        })?;
        *self.0.lock() = Some(thread);
        Ok(())
    }

    /// Delivers what there is and ends.
    pub(crate) fn stop(&self, inner: &Inner) {
        inner.access_log.end();
        if let Some(thread) = self.0.lock().take() {
            // A panic there was reported by its own thread.
            let _ = thread.join();
        }
    }
}

async fn deliver(inner: Arc<Inner>, every: bool) {
    let age_us = inner.settings.access_log_flush_s * 1_000_000;
    let (batches, mut lost) = inner.access_log.due(inner.clock.monotonic_us(), age_us, every);
    let store = Store { inner };
    for batch in batches {
        let lines = batch.text.iter().filter(|byte| **byte == b'\n').count() as u64;
        let (tenant, bucket) = (batch.bucket.tenant, batch.bucket.id);
        match store.write_access_log(&batch).await {
            Ok(()) => {}
            // Another time: nothing is wrong with the bucket that is to get it.
            Err(error) if !every && passes(&error) => store.inner.access_log.put_back(batch),
            // Not an operator's matter: the tenant took the bucket away or closed it.
            Err(StoreError::Refused(refusal)) => {
                lost += lines;
                tracing::info!(%tenant, bucket = bucket.0, %refusal, lines, "an access log was not let in");
            }
            Err(error) => {
                lost += lines;
                tracing::error!(%tenant, bucket = bucket.0, error = %describe(&error), lines, "an access log failed");
            }
        }
    }
    if lost > 0 {
        tracing::warn!(lines = lost, "lines of access logs were lost");
    }
}

/// Whether it may be otherwise the next time.
fn passes(error: &StoreError) -> bool {
    matches!(error, StoreError::Busy { .. } | StoreError::Unavailable | StoreError::DiskFull)
}

impl Store {
    async fn write_access_log(&self, batch: &Batch) -> Result<(), StoreError> {
        let Self { inner } = self;
        let (caller, request) = inner.log_object(batch)?;
        let bytes = bytes::Bytes::copy_from_slice(&batch.text);
        let body = Box::pin(futures_util::stream::once(async move { Ok(bytes) }));
        Box::pin(self.put_object(&caller, request, body)).await.map(|_| ())
    }
}
