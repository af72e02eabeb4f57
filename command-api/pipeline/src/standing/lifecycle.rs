//! Lifecycle: deletes what the rules of buckets say is due.
//!
//! Owns: which buckets, keys and uploads are looked at, in pages; the commands, a few keys together; their pace.
//! Does not own: what is due (domain::lifecycle), whether it may go (the same decisions as anybody's, so what is locked stays).
//! Invariants: nothing goes that is not as it was when it was judged, by the rules that it was judged by; no snapshot outlives a
//! page; nothing expires while the clock is not trusted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::Refusal;
use domain::lifecycle::{self, Action, Facts, Kind, Place, Tags, Verdict};
use domain::object::Command;
use event_log::{Changes, Rows, Snapshot};
use projections::query::{self, FoundVersion, ListQuery, VersionEntry, VersionResume};
use projections::row::{Noncurrent, Row as _, Version};
use schemas::event::{Event, Setting};
use schemas::{EventId, ObjectKey, TenantId, Time, UploadId};

use super::Stop;
use crate::api::StoreError;
use crate::sequencer::{Decide, Outcome, Unit, describe};
use crate::store::{Found, Inner, Request, Rules, log_error, planned_object, rows_error, situation};

/// Versions or uploads looked at under one snapshot.
const PAGE: usize = 1_000;
/// Buckets read at a time.
const BUCKETS: usize = 100;
/// Keys deleted in one unit: each changes some ten rows, and requests wait behind it.
const TOGETHER: usize = 20;
/// Rows looked at, inside a unit, for the newer versions that a rule keeps: a rule keeps at most 100, and between them may be
/// delete markers.
const NEWER_ROWS_MAX: usize = 1_000;
/// The walk rests as long as a page took, within these bounds.
const REST_MIN_US: u64 = 1_000;
const REST_MAX_US: u64 = 500_000;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LifecycleReport {
    /// Buckets that have rules.
    pub buckets: u64,
    /// Versions, delete markers and uploads looked at.
    pub looked_at: u64,
    /// Objects hidden by a new delete marker.
    pub hidden: u64,
    /// Versions and delete markers removed for good.
    pub removed: u64,
    /// Uploads given up.
    pub aborted: u64,
    /// Versions that were due and stay: they are locked.
    pub refused: u64,
}

impl LifecycleReport {
    pub(super) fn add(&mut self, other: &Self) {
        self.buckets += other.buckets;
        self.looked_at += other.looked_at;
        self.hidden += other.hidden;
        self.removed += other.removed;
        self.aborted += other.aborted;
        self.refused += other.refused;
    }
}

/// Looks through all buckets that have rules. Whatever was done stays done; going on is beginning anew.
pub(super) fn run(inner: &Inner, stop: &Stop) -> (LifecycleReport, Result<(), StoreError>) {
    let mut walk = Walk { inner, stop, report: LifecycleReport::default() };
    let ended = walk.tenants();
    (walk.report, ended)
}

struct Walk<'a> {
    inner: &'a Inner,
    stop: &'a Stop,
    report: LifecycleReport,
}

/// A bucket with the rules that it had when the walk came to it.
struct Ruled {
    tenant: TenantId,
    bucket: Found,
    rules: Rules,
}

/// A version that is to go.
struct Due {
    key: ObjectKey,
    seen: FoundVersion,
    action: Action,
    /// Noncurrent versions with content that must be newer.
    newer_kept: u64,
}

/// Where the walk through versions is.
struct Cursor {
    after: Option<String>,
    resume: VersionResume,
    /// The last key, and its noncurrent versions with content so far.
    key: Option<ObjectKey>,
    newer: u64,
}

impl Walk<'_> {
    fn tenants(&mut self) -> Result<(), StoreError> {
        let tenants = self.inner.log.snapshot().tenants().map_err(log_error)?;
        for tenant in tenants {
            let mut after: Option<String> = None;
            loop {
                let snapshot = self.inner.log.snapshot();
                let page = query::list_buckets(snapshot.as_ref(), tenant, "", after.as_deref(), BUCKETS);
                let (buckets, more) = page.map_err(rows_error)?;
                drop(snapshot);
                after = buckets.last().map(|(_, row)| row.name.to_string());
                for (id, row) in buckets.into_iter().filter(|(_, row)| row.settings.contains_key(&Setting::Lifecycle)) {
                    match self.bucket(tenant, Found::now(id, row)) {
                        Ok(()) => {}
                        Err(StoreError::Unavailable) => return Err(StoreError::Unavailable),
                        // What is wrong with one bucket is no reason to leave the others.
                        Err(error) => {
                            tracing::error!(%tenant, error = %describe(&error), "rules of a bucket were not carried out");
                        }
                    }
                }
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    fn bucket(&mut self, tenant: TenantId, bucket: Found) -> Result<(), StoreError> {
        let rules = self.inner.rules(self.inner.log.snapshot().as_ref(), tenant, &bucket.row)?;
        let Some(rules) = rules else { return Ok(()) };
        self.report.buckets += 1;
        let of = Ruled { tenant, bucket, rules };
        for prefix in lifecycle::prefixes(&of.rules, lifecycle::concerns_versions) {
            self.versions(&of, &prefix)?;
        }
        for prefix in lifecycle::prefixes(&of.rules, lifecycle::concerns_uploads) {
            self.uploads(&of, &prefix)?;
        }
        Ok(())
    }

    fn versions(&mut self, of: &Ruled, prefix: &str) -> Result<(), StoreError> {
        let mut cursor = Cursor { after: None, resume: VersionResume::NextKey, key: None, newer: 0 };
        loop {
            let begun_us = self.inner.clock.monotonic_us();
            let (due, more) = self.page(of, prefix, &mut cursor)?;
            for unit in units(due) {
                self.delete(of, unit)?;
            }
            self.rest(begun_us)?;
            if !more {
                return Ok(());
            }
        }
    }

    /// What is due of a page, and whether more follows.
    fn page(&mut self, of: &Ruled, prefix: &str, cursor: &mut Cursor) -> Result<(Vec<Due>, bool), StoreError> {
        let snapshot = self.inner.log.snapshot();
        let rows: &dyn Rows = snapshot.as_ref();
        let query = ListQuery { prefix: prefix.to_owned(), delimiter: None, after: cursor.after.take(), max: PAGE };
        let page = query::list_versions(rows, of.tenant, of.bucket.id, &query, cursor.resume);
        let (page, next_version) = page.map_err(rows_error)?;
        cursor.resume = next_version.map_or(VersionResume::NextKey, VersionResume::Behind);
        cursor.after = page.next_after;
        self.report.looked_at += page.entries.len() as u64;
        let mut due = Vec::new();
        let mut entries = page.entries.into_iter().peekable();
        while let Some(entry) = entries.next() {
            let place = if entry.is_latest {
                let alone = match entries.peek() {
                    Some(next) => next.key != entry.key,
                    None => {
                        !page.truncated
                            || !has_beneath(rows, of.tenant, &of.bucket, &entry.key, entry.version.made_by())?
                    }
                };
                Place::Latest { alone }
            } else {
                let Some(since) = entry.superseded else { continue };
                let newer = if cursor.key.as_ref() == Some(&entry.key) { cursor.newer } else { 0 };
                Place::Noncurrent { since, newer }
            };
            let counted = u64::from(matches!((place, &entry.version), (Place::Noncurrent { .. }, Version::Object(_))));
            cursor.newer = counted + if let Place::Noncurrent { newer, .. } = place { newer } else { 0 };
            cursor.key = Some(entry.key.clone());
            if let Some((action, newer_kept)) = self.judge(snapshot.as_ref(), of, &entry, place)? {
                let VersionEntry { key, version, is_latest, superseded } = entry;
                due.push(Due { key, seen: FoundVersion { version, is_latest, superseded }, action, newer_kept });
            }
        }
        Ok((due, page.truncated))
    }

    /// What is due of a version, and how many newer noncurrent versions the rules keep then.
    fn judge(
        &self,
        snapshot: &dyn Snapshot,
        of: &Ruled,
        entry: &VersionEntry,
        place: Place,
    ) -> Result<Option<(Action, u64)>, StoreError> {
        let (day, now) = (self.inner.settings.lifecycle_day, self.inner.now());
        let (key, modified) = (entry.key.as_str(), entry.version.modified());
        let judge = |kind| {
            let facts = Facts { key, modified, place, kind };
            match lifecycle::judge(&of.rules, &facts, day, now) {
                verdict @ Verdict::Due(_) => (verdict, lifecycle::newer_kept(&of.rules, &facts, day, now)),
                verdict => (verdict, 0),
            }
        };
        let judged = match &entry.version {
            Version::Marker(_) => judge(Kind::Marker),
            Version::Object(object) => {
                let size_bytes = object.size_bytes;
                match judge(Kind::Object { size_bytes, tags: Tags::Unread }) {
                    (Verdict::ReadTags, _) => {
                        match self.inner.tags_of(snapshot, of.tenant, object) {
                            Ok(tags) => judge(Kind::Object { size_bytes, tags: Tags::Read(&tags) }),
                            // Nobody will ever know its tags: no rule that asks for some is for it.
                            Err(StoreError::Refused(Refusal::Erased)) => (Verdict::Stay, 0),
                            Err(error) => return Err(error),
                        }
                    }
                    judged => judged,
                }
            }
        };
        Ok(match judged {
            (Verdict::Due(action), newer_kept) => Some((action, newer_kept)),
            (Verdict::Stay | Verdict::ReadTags, _) => None,
        })
    }

    /// Deletes a few versions in one unit: each that is still as it was seen, and that nothing protects.
    fn delete(&mut self, of: &Ruled, unit: Vec<Due>) -> Result<(), StoreError> {
        let (tenant, bucket, set_by) = (of.tenant, of.bucket.clone(), of.rules.set_by);
        let unit = Arc::new(unit);
        let refused = Arc::new(AtomicU64::new(0));
        let mut rows: Vec<_> = unit.iter().flat_map(|due| due_rows(tenant, &bucket, due)).collect();
        rows.sort_unstable_by(|one, two| (one.0.name, &one.1).cmp(&(two.0.name, &two.1)));
        rows.dedup();
        let recorded = self.command(tenant, rows, || {
            let (bucket, unit, refused) = (bucket.clone(), unit.clone(), refused.clone());
            Box::new(move |rows, time| {
                let mut events = Vec::new();
                let mut kept = 0;
                if stand(rows, tenant, &bucket, set_by)? {
                    for due in &*unit {
                        match decide(rows, tenant, &bucket, due, time) {
                            Ok(more) => events.extend(planned_object(rows, tenant, &bucket, &due.key, more)?),
                            Err(StoreError::Refused(_)) => kept += 1,
                            Err(error) => return Err(error),
                        }
                    }
                }
                // Decided again after another command spoiled the drain: the last count holds.
                refused.store(kept, Ordering::Relaxed);
                Ok(Unit { events, changes: Changes::default() })
            })
        })?;
        for record in &recorded {
            match record.body.as_ref().and_then(|body| body.event(&record.header).ok()) {
                Some(Event::DeleteMarkerCreated(_)) => self.report.hidden += 1,
                _ => self.report.removed += 1,
            }
        }
        self.report.refused += refused.load(Ordering::Relaxed);
        Ok(())
    }

    fn uploads(&mut self, of: &Ruled, prefix: &str) -> Result<(), StoreError> {
        let (mut after, mut after_upload) = (None, None);
        loop {
            let begun_us = self.inner.clock.monotonic_us();
            let query = ListQuery { prefix: prefix.to_owned(), delimiter: None, after, max: PAGE };
            let snapshot = self.inner.log.snapshot();
            let page = query::list_uploads(snapshot.as_ref(), of.tenant, of.bucket.id, &query, after_upload);
            let (page, next_upload) = page.map_err(rows_error)?;
            drop(snapshot);
            self.report.looked_at += page.entries.len() as u64;
            for entry in page.entries {
                let (day, now) = (self.inner.settings.lifecycle_day, self.inner.now());
                let abort = lifecycle::abort(&of.rules, entry.key.as_str(), entry.upload.initiated, day);
                if abort.is_some_and(|abort| abort.at <= now) {
                    self.abort(of, &entry.key, entry.id)?;
                }
            }
            self.rest(begun_us)?;
            if !page.truncated {
                return Ok(());
            }
            (after, after_upload) = (page.next_after, next_upload);
        }
    }

    fn abort(&mut self, of: &Ruled, key: &ObjectKey, upload: UploadId) -> Result<(), StoreError> {
        let (tenant, set_by) = (of.tenant, of.rules.set_by);
        let Some(mut abort) = self.inner.abandoning(tenant, &of.bucket, key, upload)? else { return Ok(()) };
        let bucket = of.bucket.clone();
        let decide: Decide =
            Box::new(
                move |rows, time| {
                    if stand(rows, tenant, &bucket, set_by)? { abort(rows, time) } else { Ok(Unit::default()) }
                },
            );
        match self.inner.run_blocking(self.request(tenant), decide) {
            Ok(recorded) => self.report.aborted += recorded.len() as u64,
            // Completed or given up meanwhile; or the queue is full, and the next run finds it again.
            Err(StoreError::Refused(_) | StoreError::Busy { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn request(&self, tenant: TenantId) -> Request {
        Request::system("lifecycle", tenant, self.inner.ids.request(self.inner.clock.wall()))
    }

    /// Runs a command, waiting while the queue is full.
    fn command(
        &self,
        tenant: TenantId,
        rows: Vec<(event_log::Table, Vec<u8>)>,
        decide: impl Fn() -> Decide,
    ) -> Result<Outcome, StoreError> {
        loop {
            match self.inner.run_blocking(self.request(tenant).loading(rows.clone()), decide()) {
                Err(StoreError::Busy { retry_after_ms }) => self.wait(Duration::from_millis(retry_after_ms))?,
                done => return done,
            }
        }
    }

    /// Lets others work as long as this page took.
    fn rest(&self, begun_us: u64) -> Result<(), StoreError> {
        let took_us = self.inner.clock.monotonic_us().saturating_sub(begun_us);
        self.wait(Duration::from_micros(took_us.clamp(REST_MIN_US, REST_MAX_US)))
    }

    fn wait(&self, time: Duration) -> Result<(), StoreError> {
        if self.stop.wait(time) { Err(StoreError::Unavailable) } else { Ok(()) }
    }
}

/// Versions that go in one unit. A delete of a key may replace its `null` version, so what else is due of that key is decided
/// after it.
fn units(due: Vec<Due>) -> Vec<Vec<Due>> {
    let mut units: Vec<Vec<Due>> = Vec::new();
    for due in due {
        match units.last_mut() {
            Some(unit)
                if unit.len() < TOGETHER
                    && unit.last().is_none_or(|last| last.action != Action::Expire || last.key != due.key) =>
            {
                unit.push(due);
            }
            _ => units.push(vec![due]),
        }
    }
    units
}

/// Rows that the decision on one version asks for.
fn due_rows(tenant: TenantId, bucket: &Found, due: &Due) -> Vec<(event_log::Table, Vec<u8>)> {
    let mut rows = situation::object_rows(tenant, bucket.id, &due.key);
    if !matches!((&due.seen.version, due.seen.is_latest), (Version::Object(_), true)) {
        let made_by = due.seen.version.made_by();
        rows.push((Noncurrent::TABLE, Noncurrent::key(tenant, bucket.id, &due.key, made_by)));
    }
    rows
}

/// Whether the rules that things were judged by are still the bucket's.
fn stand(rows: &dyn Rows, tenant: TenantId, bucket: &Found, set_by: EventId) -> Result<bool, StoreError> {
    let row = query::bucket(rows, tenant, bucket.id).map_err(rows_error)?;
    Ok(row.is_some_and(|row| row.settings.get(&Setting::Lifecycle) == Some(&set_by)))
}

/// Whether a version has older ones of its key beneath it.
fn has_beneath(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: &Found,
    key: &ObjectKey,
    made_by: EventId,
) -> Result<bool, StoreError> {
    let (prefix, after) = (key.to_string(), Some(key.to_string()));
    let query = ListQuery { prefix, delimiter: None, after, max: 1 };
    let behind = VersionResume::Behind(schemas::VersionId::Event(made_by));
    let (page, _) = query::list_versions(rows, tenant, bucket.id, &query, behind).map_err(rows_error)?;
    Ok(page.entries.first().is_some_and(|next| next.key == *key))
}

/// The events of one delete; none when the version is not what it was.
fn decide(rows: &dyn Rows, tenant: TenantId, bucket: &Found, due: &Due, time: Time) -> Result<Vec<Event>, StoreError> {
    let (id, version) = (bucket.id, due.seen.version.id());
    let now = query::version(rows, tenant, id, &due.key, version).map_err(rows_error)?;
    if now.as_ref() != Some(&due.seen) {
        return Ok(Vec::new());
    }
    if due.seen.is_latest
        && due.action == Action::Remove
        && has_beneath(rows, tenant, bucket, &due.key, due.seen.version.made_by())?
    {
        return Ok(Vec::new());
    }
    // A client may have removed newer ones since: then this is one of those that the rule keeps.
    let made_by = due.seen.version.made_by();
    let of = (tenant, id, &due.key);
    if !query::has_newer_noncurrent(rows, of, made_by, due.newer_kept, NEWER_ROWS_MAX).map_err(rows_error)? {
        return Ok(Vec::new());
    }
    let state = situation::object(rows, tenant, id, &due.key)?;
    let conditions = domain::Conditions::default();
    let command = match due.action {
        Action::Expire => Command::Delete { conditions, owner: bucket.row.owner.clone(), now: time },
        Action::Remove => {
            let target = situation::target(rows, tenant, id, &due.key, version)?;
            // No rule bypasses governance.
            Command::DeleteVersion { target, conditions, bypass_governance: false, now: time }
        }
    };
    Ok(domain::object::decide(&state, command)?)
}

#[cfg(test)]
mod tests {
    use event_log::RetentionClock;
    use schemas::event::AdminRole;
    use schemas::lifecycle::{Expiration, Rule, Scope};
    use schemas::scope::Scopes;
    use schemas::{AccessKeyId, BucketName, RequestId, TenantName, UserId};

    use super::super::carry_out;
    use super::*;
    use crate::{AdminCaller, Caller, CreateBucket, ListVersions, OpenOptions, Store, Who};

    fn request_id() -> RequestId {
        RequestId("test".to_owned())
    }

    /// A tenant with a bucket in which everything has expired long ago, and a delete marker in it.
    async fn expired(store: &Store) -> Caller {
        let (role, request) = (AdminRole::Owner, request_id());
        let admin = AdminCaller { token: "test".to_owned(), role, tenant: None, source: None, request };
        let tenant = store.create_tenant(&admin, TenantName::parse("tenant").expect("a name")).await.expect("a tenant");
        let who = Who::User {
            user: UserId::parse("user").expect("a user"),
            display_name: "User".to_owned(),
            access_key: AccessKeyId::parse("AKEXAMPLE1").expect("a key"),
            scopes: Scopes::full(),
        };
        let caller =
            Caller { tenant: tenant.id, who, source: None, request: request_id(), circumstances: Default::default() };
        let name = BucketName::parse("bucket").expect("a name");
        let create = CreateBucket {
            name: name.clone(),
            region: None,
            versioning: None,
            object_lock: true,
            ownership: None,
            acl: None,
            base: None,
        };
        store.create_bucket(&caller, create).await.expect("a bucket");
        let delete = crate::DeleteObject {
            bucket: name.clone(),
            key: ObjectKey::parse("key").expect("a key"),
            version: None,
            conditions: domain::Conditions::default(),
            bypass_governance: false,
        };
        store.delete_object(&caller, delete).await.expect("deleted");
        let rule = Rule {
            id: "all".to_owned(),
            disabled: false,
            scope: Scope::Prefix(String::new()),
            expiration: Some(Expiration::Date(Time(0))),
            noncurrent: None,
            abort_incomplete_days: None,
        };
        let rules = domain::bucket_setting::Configuration::Lifecycle(Some(vec![rule]));
        let action = schemas::action::Action::PutLifecycleConfiguration;
        store.configure_bucket(&caller, &name, action, rules).await.expect("set");
        caller
    }

    async fn versions(store: &Store, caller: &Caller) -> usize {
        let bucket = BucketName::parse("bucket").expect("a name");
        let (prefix, delimiter, after, after_version, max) = (String::new(), None, None, None, 10);
        let request = ListVersions { bucket, prefix, delimiter, after, after_version, max };
        store.list_versions(caller, request).await.expect("lists").entries.len()
    }

    #[tokio::test]
    async fn while_the_clock_is_not_trusted_nothing_expires() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut options = OpenOptions::new(directory.path().to_owned());
        (options.cache_bytes, options.reserve_bytes) = (16 << 20, 0);
        let opened = tokio::task::spawn_blocking(move || Store::open(options)).await.expect("no panic");
        let store = opened.expect("opens").0;
        let caller = expired(&store).await;
        let inner = &store.inner;
        let (wall, monotonic_us) = (inner.clock.wall(), inner.clock.monotonic_us());
        *inner.retention.lock() = RetentionClock::start(Some(Time(1)), wall, monotonic_us);
        let run = async || {
            let inner = store.inner.clone();
            tokio::task::spawn_blocking(move || carry_out(&inner)).await.expect("no panic").expect("carried out")
        };
        assert_eq!(run().await, LifecycleReport::default());
        assert_eq!(versions(&store, &caller).await, 1);
        inner.retention.lock().acknowledge(wall, monotonic_us);
        run().await;
        assert_eq!(versions(&store, &caller).await, 0);
        store.close();
    }

    #[tokio::test]
    async fn a_version_that_became_one_of_the_newest_since_it_was_judged_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut options = OpenOptions::new(directory.path().to_owned());
        (options.cache_bytes, options.reserve_bytes) = (16 << 20, 0);
        let opened = tokio::task::spawn_blocking(move || Store::open(options)).await.expect("no panic");
        let store = opened.expect("opens").0;
        let caller = expired(&store).await;
        let name = BucketName::parse("bucket").expect("a name");
        let key = ObjectKey::parse("key").expect("a key");
        let delete = |version| {
            let (bucket, key, conditions) = (name.clone(), key.clone(), domain::Conditions::default());
            crate::DeleteObject { bucket, key, version, conditions, bypass_governance: false }
        };
        let mut made = Vec::new();
        for _ in 0..4 {
            made.push(put(&store, &caller, &name, &key).await);
        }
        let keeping = Rule {
            id: "newest".to_owned(),
            disabled: false,
            scope: Scope::Prefix(String::new()),
            expiration: None,
            noncurrent: Some(schemas::lifecycle::NoncurrentExpiration { days: 1, newer_versions: Some(1) }),
            abort_incomplete_days: None,
        };
        let rules = domain::bucket_setting::Configuration::Lifecycle(Some(vec![keeping]));
        let action = schemas::action::Action::PutLifecycleConfiguration;
        store.configure_bucket(&caller, &name, action, rules).await.expect("set");
        // Days pass.
        let inner = store.inner.clone();
        let (wall, monotonic_us) = (inner.clock.wall(), inner.clock.monotonic_us());
        let later = Time(wall.0 + 9 * 86_400_000_000);
        *inner.retention.lock() = RetentionClock::start(Some(later), later, monotonic_us);
        let due = blocking(&inner, |walk, of| {
            let mut cursor = Cursor { after: None, resume: VersionResume::NextKey, key: None, newer: 0 };
            walk.page(of, "", &mut cursor).expect("reads").0
        });
        let due = due.await;
        let judged: Vec<_> = due.iter().map(|due| due.seen.version.id()).collect();
        assert!(judged.contains(&made[0]) && judged.contains(&made[1]) && !judged.contains(&made[2]), "{judged:?}");
        // The one that the rule kept goes, so the next one is kept in its place.
        store.delete_object(&caller, delete(Some(made[2]))).await.expect("deleted");
        blocking(&inner, |walk, of| walk.delete(of, due).expect("decided")).await;
        let left = versions(&store, &caller).await;
        assert_eq!(left, 2, "the latest and one more");
        store.close();
    }

    /// Puts an empty object.
    async fn put(store: &Store, caller: &Caller, bucket: &BucketName, key: &ObjectKey) -> schemas::VersionId {
        let request = crate::PutObject {
            bucket: bucket.clone(),
            key: key.clone(),
            metadata: schemas::event::Metadata::default(),
            storage_class: schemas::event::StorageClass::Standard,
            tags: std::collections::BTreeMap::new(),
            lock: Default::default(),
            acl: None,
            conditions: Default::default(),
            digests: Default::default(),
            size_bytes: None,
            cause: schemas::event::Cause::Put,
            command: None,
            encryption: crate::AskedEncryption::Nothing,
        };
        let body = Box::pin(futures_util::stream::empty());
        store.put_object(caller, request, body).await.expect("put").version.expect("a version")
    }

    /// What a walk does with the one bucket, on a thread that may block.
    async fn blocking<T: Send + 'static>(
        inner: &Arc<Inner>,
        work: impl FnOnce(&mut Walk<'_>, &Ruled) -> T + Send + 'static,
    ) -> T {
        let inner = inner.clone();
        let done = tokio::task::spawn_blocking(move || {
            let stop = Stop::default();
            let mut walk = Walk { inner: &inner, stop: &stop, report: LifecycleReport::default() };
            let snapshot = inner.log.snapshot();
            let mut of = None;
            for tenant in snapshot.tenants().expect("reads") {
                let (buckets, _) = query::list_buckets(snapshot.as_ref(), tenant, "", None, 1).expect("reads");
                for (id, row) in buckets {
                    let rules = inner.rules(snapshot.as_ref(), tenant, &row).expect("reads").expect("has rules");
                    of = Some(Ruled { tenant, bucket: Found::now(id, row), rules });
                }
            }
            work(&mut walk, &of.expect("a bucket"))
        });
        done.await.expect("no panic")
    }
}
