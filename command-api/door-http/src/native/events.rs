//! `GET /events`: the change feed, page by page or as it happens.
//!
//! Owns: pages and server-sent events. Does not own: the native shape of an event (whoever delivers), who may read what (the
//! store, which is asked again for every page of what is followed).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use domain::point::Point;
use futures_util::Stream;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pipeline::{AskedFeed, Caller, Store};
use schemas::delivery::FeedEvent;
use schemas::subscription::EventFilter;
use schemas::{Epoch, EventId, Position};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ask::Ask;
use super::webhooks::words::{bucket_names, point};
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

/// Events of a page if nothing else is said, and at most.
const EVENTS: usize = 100;
const EVENTS_MAX: usize = 1_000;
/// How long a connection is silent at most.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Where a client goes on that was cut off.
const LAST_EVENT_ID: &str = "last-event-id";
/// Proxies that gather answers before they pass them on are told not to.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) fn operations() -> Vec<Entry> {
    let text = || json!({ "type": "string" });
    let feed = Operation::new(Method::GET, "/events", "listEvents", "events", "Read the change feed")
        .about(
            "Everything that happened in the tenant, in order, each as in the native payload of webhooks: what no webhook is told of \
             too, unless types are asked for. `next` is where the next page is asked for by `from`. With `follow=true`, or where \
             `text/event-stream` is accepted, the answer goes on as things happen, as server-sent events: `Last-Event-ID` goes on \
             where a connection was cut off. It takes the operation `admin` on the whole tenant, or on every bucket that is asked \
             for by name.",
        )
        .query(
            "from",
            text(),
            "Where it begins: `earliest`, `head`, `pos:N`, a time, or so long ago (`-90s`, `-30m`, `-2h`, `-7d`). `earliest` if nothing \
             is said, `head` where the feed is followed.",
        )
        .query("bucket", text(), "Only this bucket. It may be there several times.")
        .query("type", text(), "Only this type, or a group that ends with `:*`. It may be there several times.")
        .query("prefix", text(), "Only keys that begin with it.")
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": EVENTS }),
            "Most events of a page.",
        )
        .query("follow", json!({ "type": "boolean", "default": false }), "Whether the answer is to go on.")
        .header("Last-Event-ID", text(), "The id of the event behind which a followed feed goes on.")
        .answers_or_follows::<Feed>(200, "A page of events, or events as they happen.")
        .refuses(&[404, 501]);
    vec![entry(feed, run)]
}

/// A page of the change feed.
#[derive(Serialize, ToSchema)]
#[schema(as = EventPage)]
struct Feed {
    /// Events in their native shape.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// What the next page is asked for by `from`: behind everything that was looked at.
    next: String,
    /// Where the log ends: the position that its next event gets.
    head: u64,
}

async fn run(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let filter = EventFilter {
        events: query.all("type"),
        buckets: bucket_names(&query.all("bucket"))?,
        prefix: query.filled("prefix")?.map(str::to_owned),
        ..EventFilter::default()
    };
    let from = query.get("from")?.map(point).transpose()?;
    let max = if query.get("limit")?.is_some() { query.bounded("limit", 1, EVENTS_MAX)? } else { EVENTS };
    let accepts = ask.header(ACCEPT.as_str())?.unwrap_or_default().to_ascii_lowercase();
    if query.flag("follow", accepts.contains("text/event-stream"))? {
        let caller = ask.caller()?.clone();
        let at = match ask.header(LAST_EVENT_ID)? {
            Some(read) => {
                let read = last_event(read).ok_or_else(|| Problem::invalid("Last-Event-ID is none of this feed"))?;
                app.store.behind(&caller, read)?
            }
            None => app.store.position_at(&caller, from.unwrap_or(Point::Head))?,
        };
        return follow(&app, caller, at, filter, max).await;
    }
    let asked = AskedFeed { from: from.unwrap_or(Point::Earliest), filter, max };
    let page = app.store.feed(ask.caller()?, asked).await?;
    let events = page.events.iter().map(|event| serde_json::from_str(&event.json));
    let events = events.collect::<Result<_, _>>().map_err(|_| Problem::internal("an event is not JSON"))?;
    let shown = Feed { events, next: format!("pos:{}", page.next), head: page.head.0 };
    Ok(answer::json(StatusCode::OK, &shown))
}

async fn follow(app: &App, caller: Caller, at: Position, filter: EventFilter, max: usize) -> Answer {
    let follower = Follower {
        store: app.store.clone(),
        caller,
        at,
        filter,
        max,
        clock: Arc::clone(&app.options.clock),
        // As long as a token works that is asked for now: whoever follows on shows one that works.
        until_us: (app.options.clock)().saturating_add(app.options.token_ttl_s.saturating_mul(1_000_000)),
    };
    // What cannot be read, or not by this key, is said before anything is answered.
    let first = follower.page().await?;
    let mut response = Response::new(Body::from_stream(follower.stream(first)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
    Ok(response)
}

/// `<epoch>-<position>`.
fn last_event(text: &str) -> Option<EventId> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (epoch, position) = text.split_once('-').filter(|(epoch, position)| digits(epoch) && digits(position))?;
    Some(EventId { epoch: Epoch(epoch.parse().ok()?), position: Position(position.parse().ok()?) })
}

/// Somebody who follows the feed.
struct Follower {
    store: Store,
    caller: Caller,
    at: Position,
    filter: EventFilter,
    max: usize,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    until_us: u64,
}

impl Follower {
    async fn page(&self) -> Result<schemas::delivery::FeedPage, Problem> {
        let asked = AskedFeed { from: Point::Position(self.at), filter: self.filter.clone(), max: self.max };
        Ok(self.store.feed(&self.caller, asked).await?)
    }

    /// Events as they come. It ends when the key stops to work, the store closes, or its time is over: a client asks again, and goes on
    /// behind the last event that it got.
    fn stream(self, first: schemas::delivery::FeedPage) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        futures_util::stream::unfold((self, Some(first), true), async |(mut follower, page, is_first)| {
            let page = match page {
                Some(page) => page,
                None => follower.next_page().await?,
            };
            follower.at = page.next;
            let mut text: String = page.events.iter().map(told).collect();
            if text.is_empty() {
                // The head of the answer goes out with the first bytes of its body.
                text.push_str(if is_first { ": the feed is followed\n\n" } else { ":\n\n" });
            }
            Some((Ok(Bytes::from(text)), (follower, None, false)))
        })
    }

    /// The next page that has something to tell, or an empty one when there was none for long enough; none when it is over.
    async fn next_page(&mut self) -> Option<schemas::delivery::FeedPage> {
        let silence = tokio::time::sleep(SILENCE_MAX);
        tokio::pin!(silence);
        loop {
            if (self.clock)() >= self.until_us {
                return None;
            }
            let page = self.page().await.ok()?;
            if !page.events.is_empty() || silence.is_elapsed() {
                return Some(page);
            }
            self.at = page.next;
            let reached = self.store.reached(&self.caller, self.at);
            tokio::select! {
                () = &mut silence => {}
                reached = reached => reached.ok()?,
            }
        }
    }
}

/// An event as it is sent.
fn told(event: &FeedEvent) -> String {
    let FeedEvent { event: EventId { epoch, position }, event_type, json } = event;
    // A line feed would end the field. JSON has none but between its tokens.
    let data = json.replace(['\n', '\r'], " ");
    format!("id: {epoch}-{position}\nevent: {event_type}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_events_read_back() {
        let id = |epoch, position| Some(EventId { epoch: Epoch(epoch), position: Position(position) });
        for (text, expected) in [
            ("1-0", id(1, 0)),
            ("4294967295-18446744073709551615", id(u32::MAX, u64::MAX)),
            ("", None),
            ("1", None),
            ("1-", None),
            ("-1", None),
            ("+1-1", None),
            ("1-1-1", None),
            ("4294967296-1", None),
        ] {
            assert_eq!(last_event(text), expected, "{text}");
        }
    }

    #[test]
    fn an_event_is_one_field_of_data() {
        let event = EventId { epoch: Epoch(1), position: Position(7) };
        let told = told(&FeedEvent { event, event_type: "s3:ObjectCreated:Put", json: "{\n\"a\":1}".to_owned() });
        assert_eq!(told, "id: 1-7\nevent: s3:ObjectCreated:Put\ndata: { \"a\":1}\n\n");
    }
}
