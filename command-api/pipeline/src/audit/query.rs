//! The audit of a tenant, or of all: what events say and what the access log says, as one list by time.
//!
//! Owns: merging, filtering, bounded pages.
//! Does not own: who may ask (`store::audit`).
//! Invariant: a page does a bounded amount of work; one that found less than was asked says where to go on. What a request
//! changed shows once: each of its events is an entry, found by its own bucket and key.

use std::collections::HashMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event_log::{Recorded, Snapshot, ViewsSnapshot};
use projections::query;
use schemas::record::Actor;
use schemas::{BucketId, Position, RequestId, TenantId, TenantName, Time};
use serde::{Deserialize, Serialize};
use vault::Vault;

use super::entry::{self, Asker, AskerKind, Verdict, What};
use super::events;
use super::source::{Access, Events, Found, Range, Source};
use crate::api::StoreError;
use crate::store::{log_error, rows_error};

/// Most entries of a page.
pub const AUDIT_PAGE_MAX: usize = 1_000;
/// Entries that a page looks at, and those of them that it opens.
const LOOKED_AT_MAX: usize = 20_000;
const OPENED_MAX: usize = 10_000;

/// In which order entries are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
}

/// What is asked of the audit.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// One tenant; none for all that the asker may see, the installation's own entries among them.
    pub tenant: Option<TenantName>,
    /// User, access key or admin token.
    pub actor: Option<String>,
    /// Name of the operation, in whichever case, or of the event.
    pub action: Option<String>,
    /// Bucket.
    pub bucket: Option<String>,
    /// Key of the object.
    pub key: Option<String>,
    /// What the object's key begins with.
    pub prefix: Option<String>,
    /// What came of it.
    pub result: Option<Verdict>,
    /// What the request is called, with or without `req_`.
    pub request: Option<String>,
    /// Not before this.
    pub from: Option<Time>,
    /// Before this.
    pub to: Option<Time>,
    /// No event before this one of the named tenant's log, and nothing of before its time.
    pub first: Option<Position>,
    /// Only events before this one, and nothing of after the time of the one before it.
    pub end: Option<Position>,
    /// The newest first, or the oldest; a look-up by request id begins with the oldest, at the time that the id says.
    pub order: Option<Order>,
    /// Entries wanted, at most [`AUDIT_PAGE_MAX`].
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// An entry of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose; the system's for what concerns no tenant.
    pub tenant: TenantId,
    /// Its name; none for the system.
    pub tenant_name: Option<TenantName>,
    /// When.
    pub time: Time,
    /// What the request is called; none of an event whose key was destroyed.
    pub request: Option<RequestId>,
    /// Who.
    pub asker: Asker,
    /// From where.
    pub source: Option<String>,
    /// What for.
    pub action: String,
    /// Of which bucket.
    pub bucket: Option<String>,
    /// Its id, where an event names it.
    pub bucket_id: Option<BucketId>,
    /// Of which object.
    pub key: Option<String>,
    /// Of which version.
    pub version: Option<String>,
    /// What came of it.
    pub result: Verdict,
    /// Where the event stands, and what was made with it.
    pub event: Option<(Position, Vec<&'static str>)>,
    /// The rest of what the access log says; none of an event.
    pub access: Option<What>,
    /// Whether its key was destroyed: nobody can read it any more.
    pub erased: bool,
}

/// Some entries.
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// In the order that was asked for.
    pub entries: Vec<AuditEntry>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
}

/// A place in the list. Part of cursors, which clients keep for a while.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) time: u64,
    pub(super) tenant: u64,
    /// Events before entries of the access log.
    pub(super) is_access: bool,
    pub(super) position: u64,
    pub(super) request: String,
}

impl Place {
    fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(rmp_serde::to_vec(self).expect("a place is plain data"))
    }

    fn decode(cursor: &str) -> Option<Self> {
        rmp_serde::from_slice(&URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()
    }
}

/// What entries are read from.
pub(crate) struct Shelves<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) views: &'a ViewsSnapshot,
    pub(crate) vault: &'a Vault,
    /// How far the log's clock is behind the wall clock, by which requests are named: it is when somebody set that one on.
    pub(crate) behind_us: u64,
}

/// A page of the audit of some tenants.
///
/// # Errors
/// A cursor that is none, or rows and records that cannot be read.
pub(crate) fn page(
    shelves: &Shelves<'_>,
    tenants: &[(TenantId, Option<TenantName>)],
    query: &AuditQuery,
) -> Result<AuditPage, StoreError> {
    let request = query.request.as_deref().map(|id| id.strip_prefix("req_").unwrap_or(id));
    let order = query.order.unwrap_or(if request.is_some() { Order::Oldest } else { Order::Newest });
    let from = query.from.or_else(|| Some(Time(begun(request?)?.0.saturating_sub(shelves.behind_us))));
    let after = match query.cursor.as_deref() {
        Some(cursor) => Some(
            Place::decode(cursor)
                .ok_or(domain::Refusal::InvalidArgument { name: "cursor", reason: "not a cursor of this list" })?,
        ),
        None => None,
    };
    let range = Range { from: from.unwrap_or(Time(0)), to: query.to.unwrap_or(Time(u64::MAX)), order, after };
    let mut sources: Vec<Source<'_>> = Vec::with_capacity(2 * tenants.len());
    let chunk = if tenants.len() > 1 { 16 } else { 128 };
    for (tenant, _) in tenants {
        // Events are what was done.
        if query.result.is_none_or(|result| result == Verdict::Ok) {
            sources.push(Source::Events(Events::new(shelves.snapshot, *tenant, &range, chunk).map_err(log_error)?));
        }
        sources.push(Source::Access(Access::new(shelves.views, *tenant, &range)));
    }
    let names: HashMap<TenantId, Option<TenantName>> = tenants.iter().cloned().collect();
    let mut reader = Reader { shelves, query, request, names, buckets: HashMap::new(), opened: 0 };
    let mut page = AuditPage::default();
    let (limit, mut last) = (query.limit.clamp(1, AUDIT_PAGE_MAX), None);
    for looked_at in 0.. {
        let Some((place, found)) = next(&mut sources, order)? else { return Ok(page) };
        // One more is there, so that a cursor is never the last thing there is.
        if page.entries.len() == limit || looked_at >= LOOKED_AT_MAX || reader.opened >= OPENED_MAX {
            break;
        }
        if let Some(entry) = reader.read(&place, found)? {
            page.entries.push(entry);
        }
        last = Some(place);
    }
    page.next = last.or(range.after).map(|place| place.encode());
    Ok(page)
}

/// The first of what the sources have next.
fn next(sources: &mut [Source<'_>], order: Order) -> Result<Option<(Place, Found)>, StoreError> {
    let mut first: Option<(usize, Place)> = None;
    for (index, source) in sources.iter_mut().enumerate() {
        let Some(place) = source.peek()? else { continue };
        let is_first = first.as_ref().is_none_or(|(_, first)| match order {
            Order::Newest => *place > *first,
            Order::Oldest => *place < *first,
        });
        if is_first {
            first = Some((index, place.clone()));
        }
    }
    let Some((index, _)) = first else { return Ok(None) };
    sources[index].pop()
}

/// A request's own time, less a second: clocks of requests and of the log are not quite the same.
fn begun(request: &str) -> Option<Time> {
    let ulid = ulid::Ulid::from_string(request).ok()?;
    Some(Time(ulid.timestamp_ms().saturating_sub(1_000).saturating_mul(1_000)))
}

struct Reader<'a> {
    shelves: &'a Shelves<'a>,
    query: &'a AuditQuery,
    request: Option<&'a str>,
    names: HashMap<TenantId, Option<TenantName>>,
    buckets: HashMap<(TenantId, BucketId), Option<String>>,
    opened: usize,
}

impl Reader<'_> {
    /// The entry of a place, if it is one that was asked for.
    fn read(&mut self, place: &Place, found: Found) -> Result<Option<AuditEntry>, StoreError> {
        match found {
            Found::Event { bucket, position } => self.event(place, bucket, position),
            Found::Access { key, value } => self.access(place, &key, &value),
        }
    }

    fn event(&mut self, place: &Place, bucket: BucketId, position: Position) -> Result<Option<AuditEntry>, StoreError> {
        let tenant = TenantId(place.tenant);
        let AuditQuery { first, end, .. } = self.query;
        // Several events may have the time at which the range begins or ends.
        if first.is_some_and(|first| position < first) || end.is_some_and(|end| position >= end) {
            return Ok(None);
        }
        let name = self.bucket_name(tenant, bucket)?;
        if self.query.bucket.as_ref().is_some_and(|asked| name.as_ref() != Some(asked)) {
            return Ok(None);
        }
        self.opened += 1;
        let record = self.shelves.snapshot.record(tenant, position).map_err(log_error)?;
        let Some(record) = record else { return Ok(None) };
        let mut entry = self.of_event(&record, name)?;
        let name_of_event = events::name(record.header.event_type);
        if !self.is_asked_for(&entry, name_of_event) {
            return Ok(None);
        }
        entry.event = Some((position, vec![name_of_event]));
        Ok(Some(entry))
    }

    fn of_event(&self, record: &Recorded, bucket: Option<String>) -> Result<AuditEntry, StoreError> {
        let header = &record.header;
        let mut entry = AuditEntry {
            tenant: header.tenant,
            tenant_name: self.names.get(&header.tenant).cloned().flatten(),
            time: header.time,
            request: None,
            asker: Asker::default(),
            source: None,
            action: events::name(header.event_type).to_owned(),
            bucket,
            bucket_id: Some(header.bucket).filter(|bucket| *bucket != BucketId::NONE),
            key: None,
            version: None,
            result: Verdict::Ok,
            event: None,
            access: None,
            erased: record.body.is_none(),
        };
        let Some(body) = &record.body else { return Ok(entry) };
        let event = body.event(header).map_err(|error| StoreError::Corrupt { what: error.to_string() })?;
        events::action(&event).clone_into(&mut entry.action);
        entry.request = Some(body.context.request.clone());
        entry.asker = asker(&body.context.actor);
        entry.source.clone_from(&body.context.source);
        entry.key = body.object.as_ref().map(ToString::to_string);
        Ok(entry)
    }

    fn access(&mut self, place: &Place, key: &[u8], value: &[u8]) -> Result<Option<AuditEntry>, StoreError> {
        // The key says which request it is: others need not be opened.
        if self.request.is_some_and(|request| request != place.request) {
            return Ok(None);
        }
        self.opened += 1;
        let tenant = TenantId(place.tenant);
        let opened = entry::open(self.shelves.vault, tenant, key, value);
        let opened = opened.map_err(|what| StoreError::Corrupt { what: format!("an access log entry: {what}") })?;
        let address: fn(IpAddr) -> String = |address| address.to_string();
        let mut entry = AuditEntry {
            tenant,
            tenant_name: self.names.get(&tenant).cloned().flatten(),
            time: Time(place.time),
            request: Some(RequestId(place.request.clone())),
            asker: Asker::default(),
            source: None,
            action: String::new(),
            bucket: None,
            bucket_id: None,
            key: None,
            version: None,
            result: Verdict::Error,
            event: None,
            access: None,
            erased: opened.is_none(),
        };
        if let Some(what) = opened {
            entry.asker = what.asker.clone();
            entry.source = what.source.map(address);
            entry.action.clone_from(&what.action);
            entry.bucket.clone_from(&what.bucket);
            entry.key.clone_from(&what.key);
            entry.version.clone_from(&what.version);
            entry.result = Verdict::of(what.status);
            entry.event = what.position.map(|position| (position, Vec::new()));
            entry.access = Some(what);
        }
        Ok(Some(entry).filter(|entry| self.is_asked_for(entry, "")))
    }

    fn is_asked_for(&self, entry: &AuditEntry, event: &str) -> bool {
        let AuditQuery { actor, action, bucket, key, prefix, result, .. } = self.query;
        let is =
            |asked: &Option<String>, found: Option<&str>| asked.as_deref().is_none_or(|asked| found == Some(asked));
        is(bucket, entry.bucket.as_deref())
            && is(key, entry.key.as_deref())
            && prefix.as_deref().is_none_or(|asked| entry.key.as_ref().is_some_and(|key| key.starts_with(asked)))
            && self.request.is_none_or(|asked| entry.request.as_ref().is_some_and(|found| found.0 == asked))
            && actor.as_deref().is_none_or(|asked| entry.asker.is(asked))
            && result.is_none_or(|asked| entry.result == asked)
            && action
                .as_deref()
                .is_none_or(|asked| asked.eq_ignore_ascii_case(&entry.action) || asked.eq_ignore_ascii_case(event))
    }

    /// Its name now; none of a bucket that was deleted since.
    fn bucket_name(&mut self, tenant: TenantId, bucket: BucketId) -> Result<Option<String>, StoreError> {
        if bucket == BucketId::NONE {
            return Ok(None);
        }
        if let Some(known) = self.buckets.get(&(tenant, bucket)) {
            return Ok(known.clone());
        }
        let row = query::bucket(self.shelves.snapshot, tenant, bucket).map_err(rows_error)?;
        let name = row.map(|row| row.name.to_string());
        self.buckets.insert((tenant, bucket), name.clone());
        Ok(name)
    }
}

fn asker(actor: &Actor) -> Asker {
    let of = |kind, user: Option<&str>, credential: Option<&str>| Asker {
        kind,
        user: user.map(str::to_owned),
        credential: credential.map(str::to_owned),
    };
    match actor {
        Actor::System(name) => of(AskerKind::System, Some(name), None),
        Actor::Admin(token) => of(AskerKind::Admin, None, Some(token)),
        Actor::User { user, access_key } => of(AskerKind::User, Some(&user.to_string()), Some(access_key.as_str())),
        Actor::Anonymous => of(AskerKind::Anonymous, None, None),
    }
}
