//! What the log says, for whoever reads it through the notifier: dry runs, the change feed, waiting for more.
//!
//! Owns: bounded pages. Does not own: who may read (pipeline).

use std::time::Duration;

use schemas::delivery::{DryRun, FeedEvent, FeedPage, FeedQuery, Trial};
use schemas::subscription::PayloadFormat;
use schemas::{Position, TenantId};

use super::{Notifier, NotifierError, unreadable};
use crate::bell::raised;
use crate::filter::Matcher;
use crate::history::PAGE;

/// Events that a dry run looks at in one answer, and a page of the feed.
const DRY_RUN_MAX: u64 = 100_000;
const FEED_MAX: u64 = 20_000;
/// How long somebody waits for the next event.
const REACHED_MAX: Duration = Duration::from_secs(10);
/// How often whoever waits looks, while much is committed.
const REACHED_PACE: Duration = Duration::from_millis(20);

impl Notifier {
    /// What would be sent.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn dry_run(&self, tenant: TenantId, trial: &Trial) -> Result<DryRun, NotifierError> {
        let matcher = Matcher::new(&trial.filter);
        let history = &self.0.shared.history;
        let head = history.head(tenant).map_err(|error| unreadable(&error))?;
        let end = trial.to.unwrap_or(head).min(head);
        let mut run = DryRun { matched: 0, scanned: 0, shown: Vec::new(), next: None };
        let mut next = trial.from;
        while next < end {
            if run.scanned >= DRY_RUN_MAX {
                run.next = Some(next);
                break;
            }
            let page = history.read(tenant, next, PAGE.min(end.0 - next.0)).map_err(|error| unreadable(&error))?;
            if page.next == next {
                break;
            }
            run.scanned += page.next.0 - next.0;
            next = page.next;
            for event in page.events.iter().filter(|event| matcher.matches(event)) {
                run.matched += 1;
                if run.shown.len() < trial.shown_max {
                    let body = event.body(trial.format, None);
                    run.shown.push((event.id, String::from_utf8_lossy(&body).into_owned()));
                }
            }
        }
        Ok(run)
    }

    /// A page of the change feed.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn feed(&self, tenant: TenantId, query: &FeedQuery) -> Result<FeedPage, NotifierError> {
        let matcher = Matcher::feed(&query.filter);
        let history = &self.0.shared.history;
        let head = history.head(tenant).map_err(|error| unreadable(&error))?;
        let mut found = FeedPage { events: Vec::new(), next: query.from, head };
        let mut scanned = 0;
        while found.next < head && scanned < FEED_MAX && found.events.len() < query.max {
            let page = history.read(tenant, found.next, PAGE).map_err(|error| unreadable(&error))?;
            if page.next == found.next {
                break;
            }
            scanned += page.next.0 - found.next.0;
            let mut next = page.next;
            for event in page.events.iter().filter(|event| matcher.matches(event)) {
                if found.events.len() == query.max {
                    // The rest of the page is the next answer's.
                    next = event.id.position;
                    break;
                }
                let body = event.body(PayloadFormat::Native, None);
                let json = String::from_utf8_lossy(&body).into_owned();
                found.events.push(FeedEvent { event: event.id, event_type: event.event_type.name, json });
            }
            found.next = next;
        }
        Ok(found)
    }

    /// Waits until a tenant's log has an event at a position, or a few seconds. False when nobody is to wait any more.
    pub async fn reached(&self, tenant: TenantId, position: Position) -> bool {
        let mut hushed = self.0.hushed.subscribe();
        tokio::select! {
            biased;
            () = raised(&mut hushed) => false,
            () = self.grown(tenant, position) => true,
        }
    }

    /// The same, for whoever is stopped otherwise.
    pub(crate) async fn grown(&self, tenant: TenantId, position: Position) {
        let mut commits = self.0.bell.commits();
        let waiting = async {
            loop {
                commits.borrow_and_update();
                let history = self.0.shared.history.clone();
                let head = tokio::task::spawn_blocking(move || history.head(tenant)).await;
                if matches!(head, Ok(Ok(head)) if head > position) || commits.changed().await.is_err() {
                    return;
                }
                tokio::time::sleep(REACHED_PACE).await;
            }
        };
        // Whoever waits looks again in any case.
        let _ = tokio::time::timeout(REACHED_MAX, waiting).await;
    }
}
