//! The cursor that is kept beside the log, for streams that age out.
//!
//! Owns: when it is saved: at most every second while it moves, and at the end.
//! Does not own: where it is saved.

use std::time::Duration;

use event_log::Cursor;
use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::warn;

use super::source::Source;
use super::{FeedError, with_causes};

const SAVE_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Keeper {
    source: Source,
    loaded: bool,
    cursor: Option<Cursor>,
    saved: Option<Cursor>,
    /// A save that was begun. It is waited for before the next, so that an older cursor never lands on a newer one.
    saving: Option<JoinHandle<Result<(), FeedError>>>,
    due: Interval,
}

impl Keeper {
    pub(super) fn new(source: Source) -> Self {
        let mut due = interval(SAVE_EVERY);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { source, loaded: false, cursor: None, saved: None, saving: None, due }
    }

    /// Reads what an earlier run saved; some the first time, if there is some.
    pub(super) async fn load(&mut self) -> Result<Option<Cursor>, FeedError> {
        if self.loaded {
            return Ok(None);
        }
        self.saved = self.source.ask(|feed, tenant| feed.saved(tenant)).await?;
        self.cursor = self.saved;
        self.loaded = true;
        Ok(self.cursor)
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    pub(super) fn moved(&mut self, cursor: Cursor) {
        self.cursor = Some(cursor);
    }

    pub(super) async fn save_if_due(&mut self) {
        if self.due.tick().now_or_never().is_some() {
            self.save().await;
        }
    }

    async fn save(&mut self) {
        self.settle().await;
        let Some(cursor) = self.cursor.filter(|_| self.cursor != self.saved) else { return };
        self.saved = Some(cursor);
        let source = self.source.clone();
        // Spawned, so that it is carried out although whoever waits for it may be told to stop.
        self.saving =
            Some(tokio::spawn(async move { source.ask(move |feed, tenant| feed.save(tenant, cursor)).await }));
    }

    /// Waits for a save that was begun.
    async fn settle(&mut self) {
        let Some(saving) = &mut self.saving else { return };
        let done = saving.await.unwrap_or_else(|error| Err(FeedError::new("saving a cursor gave no answer", error)));
        self.saving = None;
        if let Err(error) = done {
            // Nothing is lost: the stream says where to go on, unless it ages out before the next save.
            warn!(tenant = %self.source.tenant(), error = with_causes(&error), "the place in the log was not saved");
            self.saved = None;
        }
    }

    /// Saves for the last time.
    pub(super) async fn finish(mut self) {
        self.save().await;
        self.settle().await;
    }
}
