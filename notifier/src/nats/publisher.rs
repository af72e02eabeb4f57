//! One tenant's publisher: follows the log, one event after the other.
//!
//! Owns: the tenant's place in log and stream, its lag, what is saved of it and when.
//! Each event waits for the acknowledgement of the one before, because the sequence number it expects is in it.

use std::convert::Infallible;
use std::sync::Arc;

use async_nats::jetstream::Context;
use event_log::Cursor;
use parking_lot::Mutex;
use schemas::{Position, TenantId, TenantName};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::backoff::{Backoff, LONGEST};
use super::connect::Link;
use super::keeper::Keeper;
use super::options::Options;
use super::resume::{Missing, resume};
use super::source::Source;
use super::stream::{Names, Tail, Trouble};
use super::{Feed, FeedError, Lag, with_causes};

/// Events that are read from the log at once. Few, because every tenant may hold so many.
const PAGE: usize = 64;

pub(super) struct Publisher {
    names: Names,
    options: Arc<Options>,
    source: Source,
    link: Link,
    lag: Arc<Mutex<Lag>>,
    keeper: Keeper,
    backoff: Backoff,
    missing: Missing,
}

impl Publisher {
    pub(super) fn new(
        (tenant, name): (TenantId, &TenantName),
        options: Arc<Options>,
        feed: Arc<dyn Feed>,
        link: Link,
        lag: Arc<Mutex<Lag>>,
    ) -> Self {
        let source = Source::new(feed, tenant);
        Self {
            names: Names::new(&options.stream_prefix, tenant, name),
            options,
            keeper: Keeper::new(source.clone()),
            source,
            link,
            lag,
            backoff: Backoff::default(),
            missing: Missing::default(),
        }
    }

    /// Publishes until told to stop, then saves the cursor.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            // Abandoning a message that was sent is safe: what became of it is read from the stream.
            _ = stop.wait_for(|stop| *stop) => {}
            () = self.publish() => {}
        }
        self.keeper.finish().await;
    }

    async fn publish(&mut self) {
        loop {
            let trouble = match self.session().await {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            };
            self.report(&trouble);
            if let Err(error) = self.look_at_head().await {
                self.report(&error.into());
            }
            match trouble {
                Trouble::Away(_) => {
                    // A timeout only brings the lag up to date.
                    let _ = timeout(LONGEST, self.link.changed()).await;
                }
                _ => sleep(self.backoff.next()).await,
            }
        }
    }

    /// Notes why nothing is published, and logs what the connection has not logged for all.
    fn report(&self, trouble: &Trouble) {
        let text = with_causes(trouble);
        let mut lag = self.lag.lock();
        if lag.last_error.as_ref() != Some(&text) {
            if !matches!(trouble, Trouble::Away(_)) {
                warn!(tenant = %lag.tenant, stream = self.names.stream, error = text, "events are not published to NATS");
            }
            lag.last_error = Some(text);
        }
    }

    async fn look_at_head(&mut self) -> Result<(), FeedError> {
        let published = self.lag.lock().published;
        let page = self.source.ask(move |feed, tenant| feed.page(tenant, published, 0)).await?;
        self.lag.lock().head = page.head;
        Ok(())
    }

    /// Publishes over one connection, until something goes wrong.
    async fn session(&mut self) -> Result<Infallible, Trouble> {
        if let Some(saved) = self.keeper.load().await? {
            self.lag.lock().published = saved.at.position.next();
        }
        let mut connection = self.link.connection().map_err(Trouble::Away)?;
        let jetstream = connection.jetstream.clone();
        tokio::select! {
            biased;
            away = connection.lost() => Err(Trouble::Away(away)),
            ended = self.follow(&jetstream) => ended,
        }
    }

    async fn follow(&mut self, jetstream: &Context) -> Result<Infallible, Trouble> {
        let tail = Tail::open(jetstream, &self.names, &self.options).await?;
        let resumption = resume(&tail, &self.source, self.keeper.cursor(), &mut self.missing).await?;
        let (mut from, mut last) = (resumption.from, resumption.last);
        match resumption.at {
            Some(cursor) => self.keeper.moved(cursor),
            None => info!(tenant = %self.source.tenant(), position = %from, "the stream has no event of this log"),
        }
        self.lag.lock().published = from;
        loop {
            let page = self.source.ask(move |feed, tenant| feed.page(tenant, from, PAGE)).await?;
            self.lag.lock().head = page.head;
            for message in page.messages {
                let cursor = Cursor { at: message.id, leaf: message.leaf };
                last = tail.publish(message, last).await?;
                self.backoff.reset();
                self.keeper.moved(cursor);
                self.progress(cursor.at.position.next());
                self.keeper.save_if_due().await;
            }
            from = page.next;
            if let Some(cursor) = page.at {
                self.keeper.moved(cursor);
            }
            self.progress(from);
            self.keeper.save_if_due().await;
            if from >= page.head {
                self.source.reached(from).await;
            }
        }
    }

    fn progress(&self, published: Position) {
        let mut lag = self.lag.lock();
        lag.published = published;
        lag.head = lag.head.max(published);
        if lag.last_error.take().is_some() {
            info!(tenant = %lag.tenant, stream = self.names.stream, "events are published to NATS again");
        }
    }
}
