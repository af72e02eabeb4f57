//! What administrators look at: the audit, use by the minute, active uploads, statistics, projections.
//!
//! Owns: their parameters and their JSON. Does not own: what is found (the store).

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::audit::{AUDIT_PAGE_MAX, AuditEntry, AuditFigures, AuditQuery, Order, Verdict, Window};
use pipeline::{ActiveUpload, Point, Stats};
use schemas::event::AdminRole;
use schemas::{Position, TenantId, TenantName, Time};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry, whole};
use crate::json::{parse_time, timestamp};
use crate::operation::Operation;
use crate::problem::Problem;

const PAGE_DEFAULT: usize = 100;

pub(super) fn operations() -> Vec<Entry> {
    let op = |path, id, summary| Operation::new(Method::GET, path, id, "records", summary);
    let text = || json!({ "type": "string" });
    let limit = || json!({ "type": "integer", "minimum": 1, "maximum": AUDIT_PAGE_MAX, "default": PAGE_DEFAULT });
    let cursor = |operation: Operation| {
        operation.query("limit", limit(), "Most entries of the page.").query(
            "cursor",
            text(),
            "`nextCursor` of the page before.",
        )
    };
    let audit = op("/audit", "queryAudit", "Who asked what, and what came of it")
        .about(
            "Changes are the events that they made; reads, denials and failures are entries of the access log, of which at most the \
             last 250 ms are lost when the server is killed. A page looks at so much and no more: `nextCursor` goes on, also \
             behind an empty page.",
        )
        .query(
            "tenant",
            text(),
            "Only of this tenant; a deleted one by its number, which its entries show as their `tenant`. Without it, of all \
             that the token may see, deleted ones among them.",
        )
        .query("actor", text(), "Only by this user, access key or admin token.")
        .query("action", text(), "Only this operation or event.")
        .query("bucket", text(), "Only of this bucket.")
        .query("key", text(), "Only of this object.")
        .query("prefix", text(), "Only of objects whose key begins with it.")
        .query("result", json!({ "enum": ["ok", "denied", "error"] }), "Only what ended so.")
        .query("requestId", text(), "Only this request.")
        .query(
            "from",
            text(),
            "Only from this point on: a time, so long ago (`-90s`, `-30m`, `-2h`, `-7d`), or `pos:N` of the named tenant's log.",
        )
        .query("to", text(), "Only before this point.")
        .query("order", json!({ "enum": ["newest", "oldest"] }), "Which come first.");
    let audit = cursor(audit).answers::<Audit>(200, "Entries.").refuses(&[404]);
    let windows = op("/tenants/{id}/usage/windows", "listUsageWindows", "What a tenant used, minute by minute")
        .about("A deleted tenant goes by its number, which its entries in the audit show as their `tenant`.")
        .query("from", json!({ "type": "string", "format": "date-time", "x-required": true }), "First minute.")
        .query("to", json!({ "type": "string", "format": "date-time", "x-required": true }), "Minute after the last.")
        .answers::<UsageWindows>(200, "Minutes in which something was used or stored.")
        .refuses(&[404]);
    let uploads = op("/tenants/{id}/uploads", "listActiveUploads", "A tenant's multipart uploads in progress");
    let uploads = cursor(uploads).answers::<UploadList>(200, "Uploads of all its buckets.").refuses(&[404]);
    let stats = op("/stats", "getStats", "How the server fares").answers::<ServerStats>(200, "Since it was started.");
    let projections = op("/projections", "listProjections", "How far each projection is")
        .about("Core projections are written in the batch of their events: they are never behind.")
        .answers::<ProjectionList>(200, "Projections.");
    vec![
        entry(AdminRole::Viewer, audit, self::audit),
        entry(AdminRole::Viewer, windows, self::windows),
        entry(AdminRole::Viewer, uploads, self::uploads),
        whole(AdminRole::Viewer, stats, self::stats),
        whole(AdminRole::Viewer, projections, self::projections),
    ]
}

/// Entries of the audit.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Audit {
    entries: Vec<AuditRecord>,
    /// To go on with; null behind the last.
    next_cursor: Option<String>,
}

/// What was asked or done. What is not known of it is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditRecord {
    /// When.
    #[schema(format = DateTime)]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    actor: Actor,
    /// Address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// `s3`, `native` or `admin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    surface: Option<&'static str>,
    /// The operation, or the event of a change.
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// `ok`, `denied` or `error`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// Code of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_us: Option<u64>,
    /// Where its event stands in the tenant's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// Its events.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<&'static str>>,
    /// Entries that were lost before this one, because more came than could be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_entries: Option<u64>,
    /// Whether the event's content was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    erased: Option<bool>,
}

/// Who asked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Actor {
    /// `user`, `signed-url`, `anonymous`, `admin`, `system` or `unknown`.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// Access key or admin token; of one unknown, what it claims to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

impl From<&AuditEntry> for AuditRecord {
    fn from(entry: &AuditEntry) -> Self {
        let access = entry.access.as_ref();
        let (position, events) = entry.event.as_ref().map(|(at, names)| (at.0, names.clone())).unzip();
        Self {
            time: timestamp(entry.time),
            tenant: match &entry.tenant_name {
                Some(name) => Some(name.to_string()),
                // It was deleted, and its name with it.
                None => Some(entry.tenant.0.to_string()).filter(|_| entry.tenant != TenantId::SYSTEM),
            },
            request_id: entry.request.as_ref().map(|id| id.0.clone()),
            actor: Actor {
                kind: entry.asker.kind.as_str(),
                user: entry.asker.user.clone(),
                credential: entry.asker.credential.clone(),
            },
            source: entry.source.as_ref().map(ToString::to_string),
            surface: access.map(|what| what.surface.as_str()),
            action: entry.action.clone(),
            bucket: entry.bucket.clone(),
            bucket_id: entry.bucket_id.map(|id| id.to_string()),
            key: entry.key.clone(),
            version_id: entry.version.clone(),
            result: entry.result.as_str(),
            status: access.map(|what| what.status),
            code: access.and_then(|what| what.code.clone()),
            bytes_in: access.map(|what| what.bytes_in),
            bytes_out: access.map(|what| what.bytes_out),
            duration_us: access.map(|what| what.took_us),
            position,
            events: events.filter(|events| !events.is_empty()),
            lost_entries: access.map(|what| what.lost).filter(|lost| *lost > 0),
            erased: entry.erased.then_some(true),
        }
    }
}

/// Minutes of use.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageWindows {
    /// The tenant.
    tenant_id: String,
    windows: Vec<UsageWindow>,
    /// Minute to go on with, when there were more than an answer holds.
    #[schema(format = DateTime)]
    next_from: Option<String>,
}

/// A minute of use.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageWindow {
    /// Its beginning.
    #[schema(format = DateTime)]
    start: Option<String>,
    /// Whether it is over: of a minute that goes on these are the figures so far.
    complete: bool,
    operations: Operations,
    /// Bytes of requests' bodies.
    bytes_in: u64,
    /// Bytes of answers that were sent.
    bytes_out: u64,
    /// Null before anything is known, which is not the same as nothing.
    stored: Option<StoredThen>,
}

/// Requests of a minute: those that succeeded, by kind.
#[derive(Serialize, ToSchema)]
struct Operations {
    read: u64,
    write: u64,
    list: u64,
    delete: u64,
    /// Those that did not.
    failed: u64,
}

/// What was held at the minute's end.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StoredThen {
    logical_bytes: u64,
    multipart_bytes: u64,
    objects: u64,
}

impl From<&Window> for UsageWindow {
    fn from(window: &Window) -> Self {
        let counts = &window.counts;
        Self {
            start: timestamp(window.start),
            complete: window.is_complete,
            operations: Operations {
                read: counts.read,
                write: counts.write,
                list: counts.list,
                delete: counts.delete,
                failed: counts.failed,
            },
            bytes_in: counts.bytes_in,
            bytes_out: counts.bytes_out,
            stored: window.stored.map(|stored| StoredThen {
                logical_bytes: stored.logical_bytes,
                multipart_bytes: stored.multipart_bytes,
                objects: stored.objects,
            }),
        }
    }
}

/// Uploads in progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UploadList {
    /// The tenant.
    tenant_id: String,
    uploads: Vec<UploadInProgress>,
    /// To go on with; null behind the last.
    next_cursor: Option<String>,
}

/// An upload in progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UploadInProgress {
    bucket: String,
    key: String,
    upload_id: String,
    #[schema(format = DateTime)]
    initiated_at: Option<String>,
    /// Who began it.
    initiator: String,
    /// Parts that wait.
    parts: u64,
    /// Their bytes.
    size: u64,
}

impl From<&ActiveUpload> for UploadInProgress {
    fn from(upload: &ActiveUpload) -> Self {
        Self {
            bucket: upload.bucket.to_string(),
            key: upload.key.to_string(),
            upload_id: upload.id.to_string(),
            initiated_at: timestamp(upload.initiated),
            initiator: upload.initiator.to_string(),
            parts: u64::from(upload.parts),
            size: upload.size_bytes,
        }
    }
}

/// How the server fares.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ServerStats {
    uptime_seconds: u64,
    /// Requests by surface and result.
    requests: BTreeMap<String, BTreeMap<String, u64>>,
    requests_in_flight: u64,
    /// Number of the last durable commit.
    commit: u64,
    /// Commands that wait for the writer.
    commands_waiting: u64,
    audit: AuditState,
}

/// How the audit's entries fare.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditState {
    /// Entries that are not written yet.
    waiting: u64,
    /// Age of the oldest of them.
    lag_seconds: f64,
    written: u64,
    /// Those that were lost because more came than could be written.
    lost: u64,
    /// Bytes that all entries take.
    bytes: u64,
}

/// Projections.
#[derive(Serialize, ToSchema)]
struct ProjectionList {
    projections: Vec<Projection>,
}

/// How far a projection is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Projection {
    name: &'static str,
    /// `core` or `following`.
    kind: &'static str,
    /// Last commit that it has.
    position: u64,
    lag_positions: u64,
    lag_seconds: f64,
}

fn limit(ask: &Ask) -> Result<usize, Problem> {
    let Some(text) = ask.query.filled("limit")? else { return Ok(PAGE_DEFAULT) };
    let number = text.parse::<usize>().ok().filter(|number| (1..=AUDIT_PAGE_MAX).contains(number));
    number.ok_or_else(|| Problem::invalid(format!("`limit` must be a number from 1 to {AUDIT_PAGE_MAX}")))
}

fn time(ask: &Ask, name: &str) -> Result<Option<Time>, Problem> {
    ask.query.filled(name)?.map(|text| parse_time(name, text)).transpose()
}

/// A point as the time or the position that it bounds the audit by.
fn bound(ask: &Ask, name: &str, now: Time) -> Result<(Option<Time>, Option<Position>), Problem> {
    let Some(text) = ask.query.filled(name)? else { return Ok((None, None)) };
    let point: Point = text.parse().map_err(|error| Problem::invalid(format!("`{name}`: {error}")))?;
    Ok(match point {
        Point::Time(time) => (Some(time), None),
        Point::Ago(ago_us) => (Some(Time(now.0.saturating_sub(ago_us))), None),
        Point::Position(position) => (None, Some(position)),
        Point::Earliest => (Some(Time(0)), None),
        Point::Head => (Some(now), None),
        // The version of one of many logs.
        Point::BeforeVersion(made_by) => (None, Some(made_by.position)),
        Point::Snapshot(_) | Point::BeforeRequest(_) => {
            return Err(Problem::invalid(format!("`{name}` is a position, a time, or so long ago")));
        }
    })
}

async fn audit(admin: Arc<Admin>, ask: Ask) -> Answer {
    let known = [
        "tenant",
        "actor",
        "action",
        "bucket",
        "key",
        "prefix",
        "result",
        "requestId",
        "from",
        "to",
        "order",
        "limit",
        "cursor",
    ];
    // Ignored, it would find something else than was asked for.
    if let Some(name) = ask.query.other_than(&known) {
        return Err(Problem::invalid(format!("there is no parameter `{name}`; there are {}", known.join(", "))));
    }
    let text = |name: &str| ask.query.filled(name).map(|value| value.map(str::to_owned));
    let tenant = match ask.query.filled("tenant")? {
        Some(name) => Some(ask.tenant_named(&admin.store, name).await?),
        None => None,
    };
    let result = ask
        .query
        .filled("result")?
        .map(|name| Verdict::parse(name).ok_or_else(|| Problem::invalid("`result` must be ok, denied or error")));
    let order = ask.query.filled("order")?.map(|name| match name {
        "newest" => Ok(Order::Newest),
        "oldest" => Ok(Order::Oldest),
        _ => Err(Problem::invalid("`order` must be newest or oldest")),
    });
    let now = Time((admin.options.clock)());
    let ((from, first), (to, end)) = (bound(&ask, "from", now)?, bound(&ask, "to", now)?);
    let asked = AuditQuery {
        tenant,
        actor: text("actor")?,
        action: text("action")?,
        bucket: text("bucket")?,
        key: text("key")?,
        prefix: text("prefix")?,
        result: result.transpose()?,
        request: text("requestId")?,
        from,
        to,
        first,
        end,
        order: order.transpose()?,
        limit: limit(&ask)?,
        cursor: text("cursor")?,
    };
    let page = admin.store.audit(ask.caller()?, asked).await?;
    let entries = page.entries.iter().map(AuditRecord::from).collect();
    Ok(super::json(StatusCode::OK, Audit { entries, next_cursor: page.next }))
}

async fn windows(admin: Arc<Admin>, ask: Ask) -> Answer {
    let name = ask.tenant(&admin.store).await?;
    let needed = |name: &str| Problem::invalid(format!("`{name}` is needed: a whole minute"));
    let from = time(&ask, "from")?.ok_or_else(|| needed("from"))?;
    let to = time(&ask, "to")?.ok_or_else(|| needed("to"))?;
    let page = admin.store.usage_windows(ask.caller()?, &name, from, to).await?;
    let answer = UsageWindows {
        tenant_id: name.to_string(),
        windows: page.windows.iter().map(UsageWindow::from).collect(),
        next_from: page.next.and_then(timestamp),
    };
    Ok(super::json(StatusCode::OK, answer))
}

async fn uploads(admin: Arc<Admin>, ask: Ask) -> Answer {
    let name: TenantName = ask.tenant(&admin.store).await?;
    let cursor = ask.query.filled("cursor")?.map(str::to_owned);
    let page = admin.store.active_uploads(ask.caller()?, &name, cursor, limit(&ask)?).await?;
    let uploads = page.uploads.iter().map(UploadInProgress::from).collect();
    Ok(super::json(StatusCode::OK, UploadList { tenant_id: name.to_string(), uploads, next_cursor: page.next }))
}

async fn stats(admin: Arc<Admin>, ask: Ask) -> Answer {
    let Stats { commit, commands_waiting, uptime_s, audit } = admin.store.stats(ask.caller()?)?;
    let AuditFigures { requests: counted, in_flight, waiting, lag_us, written, lost, bytes } = audit;
    let mut requests: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (surface, verdict, count) in counted {
        requests.entry(surface.as_str().to_owned()).or_default().insert(verdict.as_str().to_owned(), count);
    }
    let answer = ServerStats {
        uptime_seconds: uptime_s,
        requests,
        requests_in_flight: in_flight,
        commit,
        commands_waiting: commands_waiting as u64,
        audit: AuditState { waiting: waiting as u64, lag_seconds: seconds(lag_us), written, lost, bytes },
    };
    Ok(super::json(StatusCode::OK, answer))
}

async fn projections(admin: Arc<Admin>, ask: Ask) -> Answer {
    let states = admin.store.projection_states(ask.caller()?)?;
    let shown = |state: pipeline::ProjectionState| Projection {
        name: state.name,
        kind: if state.is_core { "core" } else { "following" },
        position: state.position,
        lag_positions: state.lag_positions,
        lag_seconds: seconds(state.lag_us),
    };
    Ok(super::json(StatusCode::OK, ProjectionList { projections: states.into_iter().map(shown).collect() }))
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people, far below 2^52 microseconds")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}
