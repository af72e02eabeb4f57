//! Access logs of buckets: where one goes, whether it may go there, and what is written there.
//!
//! Owns: the facts of the decision, the caller that writes log objects. Does not own: the decision (`domain::logging`),
//! gathering lines (`access_log`), when they are written (`standing`).

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Refusal;
use domain::bucket::{Bucket, Command};
use domain::bucket_policy;
use domain::bucket_setting::Configuration;
use domain::logging::{Asked, Source, Target};
use domain::policy::Resource;
use event_log::{Changes, Rows, Snapshot};
use projections::{query, row};
use schemas::action::Action;
use schemas::event::{Cause, Event, Headers, Logging, Metadata, Setting, StorageClass};
use schemas::{BucketId, BucketName, ObjectKey, Position, TenantId, Time};

use super::access::About;
use super::{Inner, Request, Store, internal, planned, rows_error, situation};
use crate::access_log::{Batch, LoggedBucket};
use crate::api::{Caller, Circumstances, Digests, LockAsked, PutObject, Service, StoreError, Who, WriteConditions};
use crate::sequencer::{Decide, Unit};

impl Store {
    /// Sends a bucket's access log somewhere, or ends it. Only the bucket's owner may, whatever a policy allows to others.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn log_bucket(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        logging: Option<Logging>,
    ) -> Result<Position, StoreError> {
        let inner = &self.inner;
        let tenant = caller.tenant;
        let (found, admits) = {
            let snapshot = inner.log.snapshot();
            let found = inner.enter(snapshot.as_ref(), caller, Action::PutBucketLogging, bucket, None)?;
            // With ACLs off the tenant is the owner, and its users act for it.
            if !found.has_acls_off() && found.row.owner != caller.user() {
                return Err(Refusal::AccessDenied.into());
            }
            let asked = logging.as_ref().map(|logging| {
                let source = source(&found.row);
                inner.log_service(snapshot.as_ref(), tenant, &source, logging)
            });
            let admits = match asked {
                None | Some(Ok(_)) => true,
                // That it is not there is for the decision to say, which comes later.
                Some(Err(StoreError::Refused(
                    Refusal::NoSuchBucket | Refusal::AccessDenied | Refusal::DeniedByPolicy,
                ))) => false,
                Some(Err(error)) => return Err(error),
            };
            (found, admits)
        };
        let decide: Decide = Box::new(move |rows, _| {
            let state = situation::bucket(rows, tenant, &found.row.name)?;
            // Deleted and made again since the request came: that is another bucket.
            if !matches!(&state.bucket, Bucket::Live { id, .. } if *id == found.id) {
                return Err(Refusal::NoSuchBucket.into());
            }
            let asked = match &logging {
                Some(logging) => {
                    let target = target(rows, tenant, found.id, &logging.target, admits)?;
                    Some(Asked { logging: logging.clone(), target })
                }
                None => None,
            };
            let events = domain::bucket::decide(&state, Command::Configure(Configuration::Logging(asked)))?;
            Ok(Unit { events: planned(&found, None, events), changes: Changes::default() })
        });
        let recorded = inner.run(Request::of(caller), decide).await?;
        inner.position(tenant, &recorded)
    }

    /// The log of a bucket, if its requests are logged.
    ///
    /// # Errors
    /// [`StoreError`] when rows cannot be read.
    pub fn access_log(&self, tenant: TenantId, bucket: &BucketName) -> Result<Option<Arc<LoggedBucket>>, StoreError> {
        self.inner.access_log.of_bucket(tenant, bucket, || self.inner.logged(tenant, bucket))
    }

    /// Notes a line in a bucket's log, of something that happened at `time`. It is delivered later, with others, if the
    /// process lives so long.
    pub fn log_access(&self, bucket: &Arc<LoggedBucket>, time: Time, line: &str) {
        self.inner.access_log.gather(bucket, time, line, self.inner.clock.monotonic_us());
    }
}

/// What is known of the bucket that is to get a log.
fn target(
    rows: &dyn Rows,
    tenant: TenantId,
    source: BucketId,
    target: &BucketName,
    admits: bool,
) -> Result<Target, StoreError> {
    let found = query::bucket_by_name(rows, tenant, target).map_err(rows_error)?;
    Ok(match found {
        None => Target::Absent,
        Some((id, _)) if id == source => Target::Itself,
        Some((_, row)) => {
            let has = |setting| row.settings.contains_key(&setting);
            Target::Live {
                logs: has(Setting::Logging),
                encrypts: has(Setting::Encryption),
                retains: has(Setting::ObjectLock),
                admits,
            }
        }
    })
}

impl Inner {
    /// The bucket that a log goes to, and who may write it there: what its policy and its list grant to the log service for
    /// the prefix.
    ///
    /// # Errors
    /// It is not there, or does not let the log in.
    fn log_service(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        source: &Source,
        logging: &Logging,
    ) -> Result<Caller, StoreError> {
        let target = self.bucket(snapshot, tenant, &logging.target)?;
        let caller = Caller {
            tenant,
            who: Who::Service(Service {
                name: "access-log",
                owner: target.row.owner.clone(),
                source: source.name.clone(),
                source_owner: source.owner.clone(),
            }),
            source: None,
            request: self.ids.request(self.clock.wall()),
            circumstances: Circumstances::default(),
        };
        let key = log_key(&logging.prefix)?;
        let asked = bucket_policy::Asked::new(Action::PutObject, Resource::Object(&logging.target, &key));
        self.decide_access(snapshot, &caller, None, &target, &asked, About::Object)?;
        Ok(caller)
    }

    fn logged(&self, tenant: TenantId, bucket: &BucketName) -> Result<Option<Arc<LoggedBucket>>, StoreError> {
        let snapshot = self.log.snapshot();
        let found = query::bucket_by_name(snapshot.as_ref(), tenant, bucket).map_err(rows_error)?;
        let Some((id, row)) = found else { return Ok(None) };
        let set = self.setting(snapshot.as_ref(), tenant, &row, Setting::Logging)?;
        let Some(Event::BucketLoggingSet(set)) = set.as_deref() else { return Ok(None) };
        let Some(logging) = set.logging.clone() else { return Ok(None) };
        Ok(Some(Arc::new(LoggedBucket { tenant, id, source: source(&row), logging })))
    }

    /// Who writes a batch, and as what.
    pub(crate) fn log_object(&self, batch: &Batch) -> Result<(Caller, PutObject), StoreError> {
        let LoggedBucket { tenant, source, logging, .. } = batch.bucket.as_ref();
        let caller = self.log_service(self.log.snapshot().as_ref(), *tenant, source, logging)?;
        let now = self.clock.wall();
        let key = domain::logging::object_key(logging, source, batch.since, now, self.ids.bytes());
        let request = PutObject {
            bucket: logging.target.clone(),
            key: ObjectKey::parse(&key).map_err(|error| internal(&error))?,
            metadata: Metadata {
                headers: Headers { content_type: Some("text/plain".to_owned()), ..Headers::default() },
                user: BTreeMap::new(),
            },
            storage_class: StorageClass::Standard,
            tags: BTreeMap::new(),
            lock: LockAsked::default(),
            acl: None,
            conditions: WriteConditions::default(),
            digests: Digests::default(),
            size_bytes: Some(batch.text.len() as u64),
            cause: Cause::Put,
            command: None,
            encryption: crate::api::AskedEncryption::Nothing,
        };
        Ok((caller, request))
    }
}

fn source(row: &row::Bucket) -> Source {
    Source { name: row.name.clone(), owner: row.owner.clone(), region: row.region.clone() }
}

/// The prefix as a key, for whoever decides on keys; a bucket without a prefix is asked about any.
fn log_key(prefix: &str) -> Result<ObjectKey, StoreError> {
    let prefix = if prefix.is_empty() { "*" } else { prefix };
    let too_long =
        Refusal::InvalidArgument { name: "TargetPrefix", reason: "The target prefix for logging is too long" };
    ObjectKey::parse(prefix).map_err(|_| too_long.into())
}
