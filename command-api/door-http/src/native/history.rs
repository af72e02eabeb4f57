//! What buckets were: histories of objects, differences, snapshots, and how much of the past is kept.
//!
//! Owns: their JSON. Does not own: what was when (projections), who may know (the store).

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use pipeline::{AskedDifference, Caller, HistoryInfo, KeyDifference, ObjectState, SnapshotInfo};
use schemas::event::HistoryWindow;
use schemas::{BucketName, SnapshotName};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ask::Ask;
use super::webhooks::words::point;
use super::{Answer, App, Entry, answer, entry, stored};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "history";
/// Most events of a page, and as many as it has if nobody says.
const EVENTS_MAX: usize = 1_000;

pub(super) fn operations() -> Vec<Entry> {
    let text = || json!({ "type": "string" });
    let of_bucket = |method, path, id, summary| Operation::new(method, path, id, TAG, summary).refuses(&[404]);
    let object_history = of_bucket(
        Method::GET,
        "/buckets/{bucket}/object-history/{key...}",
        "getObjectHistory",
        "Get every event of an object",
    )
    .about("Oldest first: who did what to it, when and from where. Those that were erased are left out.")
    .query(
        "limit",
        json!({ "type": "integer", "minimum": 1, "maximum": EVENTS_MAX, "default": EVENTS_MAX }),
        "Most events of a page.",
    )
    .query("cursor", text(), "Where the page before ended.")
    .answers::<ObjectHistory>(200, "Events of the object.");
    let diff = of_bucket(Method::GET, "/buckets/{bucket}/diff", "getBucketDiff", "Compare a bucket at two points")
        .about(
            "A line of JSON for each key whose current object is another one at `to` than at `from`, in order. It costs what \
             changed, not what there is.",
        )
        .query("from", text(), "The first point.")
        .query("to", text(), "The second point, `head` maybe.")
        .query("prefix", text(), "Only keys that begin with it.")
        .answers::<Difference>(200, "Lines of JSON: `application/x-ndjson`.");
    let path = "/buckets/{bucket}/snapshots/{name}";
    let named = |operation: Operation| operation.path("name", text(), "The snapshot's name.");
    let put = named(of_bucket(Method::PUT, path, "putSnapshot", "Name a point of a bucket's past"))
        .about("The content that it shows is kept as long as it has the name.")
        .may_take::<NewSnapshot>()
        .answers::<Snapshot>(200, "It had this name already.")
        .answers::<Snapshot>(201, "The snapshot.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[409, 410, 413]);
    let get =
        named(of_bucket(Method::GET, path, "getSnapshot", "Get a snapshot")).answers::<Snapshot>(200, "The snapshot.");
    let delete = named(of_bucket(Method::DELETE, path, "deleteSnapshot", "Delete a snapshot"))
        .answers_empty(204, "Deleted.")
        .with_headers(&[answer::POSITION_TEXT]);
    let list = of_bucket(Method::GET, "/buckets/{bucket}/snapshots", "listSnapshots", "List a bucket's snapshots")
        .answers::<SnapshotList>(200, "By name.");
    let path = "/buckets/{bucket}/history";
    let window = of_bucket(Method::GET, path, "getBucketHistory", "Get how long past content is kept")
        .answers::<History>(200, "How long.");
    let set_window = of_bucket(Method::PUT, path, "setBucketHistory", "Set how long past content is kept")
        .takes::<NewHistory>()
        .answers::<History>(200, "How long.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[413]);
    let default_window =
        of_bucket(Method::DELETE, path, "resetBucketHistory", "Keep past content as long as the server does")
            .answers::<History>(200, "How long.")
            .with_headers(&[answer::POSITION_TEXT]);
    vec![
        entry(object_history, self::object_history),
        entry(diff, self::diff),
        entry(put, put_snapshot),
        entry(get, get_snapshot),
        entry(delete, delete_snapshot),
        entry(list, list_snapshots),
        entry(window, self::window),
        entry(set_window, self::set_window),
        entry(default_window, self::default_window),
    ]
}

/// Events of an object.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectHistory {
    /// The object.
    key: String,
    /// Events in their native shape, oldest first.
    #[schema(value_type = Vec<Object>)]
    events: Vec<Value>,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What a key showed at a point.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct State {
    /// Its version; absent in a bucket that was never versioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// Entity tag, in quotes.
    etag: String,
    /// Bytes.
    size_bytes: u64,
    /// When it was made.
    #[schema(format = DateTime)]
    last_modified: String,
}

/// A key that shows another object.
#[derive(Serialize, ToSchema)]
pub(super) struct Difference {
    /// The key.
    key: String,
    /// `added`, `removed` or `modified`.
    change: &'static str,
    /// What it showed at the first point.
    before: Option<State>,
    /// What it shows at the second.
    after: Option<State>,
}

/// A point that gets a name.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSnapshot {
    /// `pos:N`, a time as RFC 3339 writes it, `-2h`, `before:` and a request id or version id; now, if none is said.
    point: Option<String>,
}

/// A named point of a bucket's past.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    /// Its name.
    name: String,
    /// The last event that it shows.
    position: u64,
    /// When that happened.
    #[schema(format = DateTime)]
    time: String,
    /// When the snapshot was made.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Snapshots of a bucket.
#[derive(Serialize, ToSchema)]
struct SnapshotList {
    /// By name.
    snapshots: Vec<Snapshot>,
}

/// How long past content is kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct History {
    /// `forever`, or so long: `7d`, `12h`, `90s`, `0`.
    window: String,
    /// Whether the bucket has no window of its own.
    is_default: bool,
    /// All content of the points from here on is there.
    horizon: Horizon,
}

/// A point of the log.
#[derive(Serialize, ToSchema)]
struct Horizon {
    /// Its position.
    position: u64,
    /// Its time.
    #[schema(format = DateTime)]
    time: String,
}

/// How long past content is to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewHistory {
    /// `forever`, `0`, or a number of seconds, minutes, hours or days: `90s`, `30m`, `12h`, `7d`.
    window: String,
}

fn state(state: &ObjectState) -> State {
    State {
        version_id: state.version.map(|version| version.to_string()),
        etag: stored::quoted(&state.etag),
        size_bytes: state.size_bytes,
        last_modified: answer::time(state.modified),
    }
}

fn difference(one: &KeyDifference) -> Difference {
    let change = match (&one.before, &one.after) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "modified",
    };
    let (before, after) = (one.before.as_ref().map(state), one.after.as_ref().map(state));
    Difference { key: one.key.to_string(), change, before, after }
}

fn snapshot(info: &SnapshotInfo) -> Snapshot {
    Snapshot {
        name: info.name.to_string(),
        position: info.as_of.at.position.0,
        time: answer::time(info.as_of.time),
        created_at: answer::time(info.created),
    }
}

fn history(info: &HistoryInfo) -> History {
    let horizon = Horizon { position: info.horizon.at.position.0, time: answer::time(info.horizon.time) };
    History { window: window_text(info.window), is_default: info.chosen.is_none(), horizon }
}

/// In the largest unit that it is a whole number of.
fn window_text(window: HistoryWindow) -> String {
    let HistoryWindow::Seconds(seconds) = window else { return "forever".to_owned() };
    match seconds {
        0 => "0".to_owned(),
        _ if seconds % 86_400 == 0 => format!("{}d", seconds / 86_400),
        _ if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        _ if seconds % 60 == 0 => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// # Errors
/// It is no window.
fn asked_window(text: &str) -> Result<HistoryWindow, Problem> {
    let bad = || Problem::invalid("`window` is `forever`, `0`, or a number with its unit: `90s`, `30m`, `12h`, `7d`");
    if text == "forever" {
        return Ok(HistoryWindow::Forever);
    }
    if text == "0" {
        return Ok(HistoryWindow::Seconds(0));
    }
    let unit = text.chars().last().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400_u64,
        _ => return Err(bad()),
    };
    let digits = &text[..text.len() - 1];
    let count: u64 =
        digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())).ok_or_else(bad)?;
    Ok(HistoryWindow::Seconds(count.checked_mul(seconds).ok_or_else(bad)?))
}

fn name(ask: &Ask) -> Result<SnapshotName, Problem> {
    SnapshotName::parse(ask.values.get("name")).map_err(|error| Problem::invalid(error.to_string()))
}

async fn object_history(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let max = if query.get("limit")?.is_some() { query.bounded("limit", 1, EVENTS_MAX)? } else { EVENTS_MAX };
    let after = query.get("cursor")?.map(str::parse).transpose();
    let after = after.map_err(|_| Problem::invalid("`cursor` is none of this list"))?;
    let key = ask.key()?;
    let page = app.store.object_history(ask.caller()?, &ask.bucket()?, &key, after.map(schemas::Position), max).await?;
    let events = page.events.iter().map(|event| serde_json::from_str(&event.json));
    let events = events.collect::<Result<_, _>>().map_err(|_| Problem::internal("an event is not JSON"))?;
    let shown = ObjectHistory { key: key.to_string(), events, next_cursor: page.next.map(|at| at.to_string()) };
    Ok(answer::json(StatusCode::OK, &shown))
}

async fn diff(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let from = query.filled("from")?.ok_or_else(|| Problem::invalid("`from` is needed"))?;
    let asked = AskedDifference {
        bucket: ask.bucket()?,
        from: point(from)?,
        to: point(query.filled("to")?.ok_or_else(|| Problem::invalid("`to` is needed"))?)?,
        prefix: query.get("prefix")?.unwrap_or_default().to_owned(),
    };
    let differences = app.store.difference(ask.caller()?, asked).await?;
    let mut lines = String::new();
    for one in &differences.keys {
        lines.push_str(&serde_json::to_string(&difference(one)).expect("answers have texts for keys"));
        lines.push('\n');
    }
    let mut response = Response::new(Body::from(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert("x-holdfast-from-position", HeaderValue::from(differences.from.at.position.0));
    headers.insert("x-holdfast-to-position", HeaderValue::from(differences.to.at.position.0));
    Ok(response)
}

async fn put_snapshot(app: Arc<App>, mut ask: Ask) -> Answer {
    let (bucket, name) = (ask.bucket()?, name(&ask)?);
    let body = ask.bytes(1 << 16).await?;
    let new: NewSnapshot = if body.is_empty() { NewSnapshot::default() } else { crate::json::read(&body)? };
    let point = new.point.as_deref().map(point).transpose()?;
    let (made, is_new, position) = app.store.create_snapshot(ask.caller()?, &bucket, name, point).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = answer::json(status, &snapshot(&made));
    answer::position(response.headers_mut(), position);
    Ok(response)
}

async fn get_snapshot(app: Arc<App>, ask: Ask) -> Answer {
    let found = app.store.snapshot(ask.caller()?, &ask.bucket()?, &name(&ask)?).await?;
    Ok(answer::json(StatusCode::OK, &snapshot(&found)))
}

async fn delete_snapshot(app: Arc<App>, ask: Ask) -> Answer {
    let position = app.store.delete_snapshot(ask.caller()?, &ask.bucket()?, name(&ask)?).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

async fn list_snapshots(app: Arc<App>, ask: Ask) -> Answer {
    let found = app.store.list_snapshots(ask.caller()?, &ask.bucket()?).await?;
    Ok(answer::json(StatusCode::OK, &SnapshotList { snapshots: found.iter().map(snapshot).collect() }))
}

async fn window(app: Arc<App>, ask: Ask) -> Answer {
    Ok(answer::json(StatusCode::OK, &history(&app.store.history(ask.caller()?, &ask.bucket()?).await?)))
}

async fn set_window(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let new: NewHistory = ask.json().await?;
    keep(&app, ask.caller()?, &bucket, Some(asked_window(&new.window)?)).await
}

async fn default_window(app: Arc<App>, ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    keep(&app, ask.caller()?, &bucket, None).await
}

async fn keep(app: &App, caller: &Caller, bucket: &BucketName, window: Option<HistoryWindow>) -> Answer {
    let (info, position) = app.store.set_history(caller, bucket, window).await?;
    let mut response = answer::json(StatusCode::OK, &history(&info));
    answer::position(response.headers_mut(), position);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_back() {
        for (text, seconds) in [("0", 0), ("90s", 90), ("30m", 1_800), ("12h", 43_200), ("7d", 604_800)] {
            let window = asked_window(text).expect("a window");
            assert_eq!(window, HistoryWindow::Seconds(seconds), "{text}");
            assert_eq!(window_text(window), text);
        }
        assert_eq!(window_text(asked_window("forever").expect("a window")), "forever");
        for text in ["", "7", "d", "-1d", "+1d", "7w", "18446744073709551615d", "1.5h", "7é", "Forever"] {
            assert!(asked_window(text).is_err(), "{text}");
        }
    }
}
