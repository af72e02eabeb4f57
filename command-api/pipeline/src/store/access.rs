//! Whether a caller may do what it asks: the facts for the one decision (`domain::access`).
//!
//! Owns: which rows and events those facts are, policies that were read, what public access is blocked.
//! Does not own: the decision. Where scopes alone decide, nothing is looked up but the bucket.
//! Invariant: every operation on a bucket passes [`Inner::enter_asked`]. What cannot be read denies: a policy that cannot be
//! understood is damage, never no policy.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::Refusal;
use domain::access::{self, BucketFacts, Context, ObjectFacts};
use domain::bucket_policy::{self, Asked, LOGGING, Policy, Requester, Silence};
use domain::policy::{Resource, authorise};
use event_log::Snapshot;
use parking_lot::Mutex;
use projections::query;
use projections::row::{Object, Version};
use schemas::acl::PublicAccessBlock;
use schemas::action::Action;
use schemas::event::{Event, Setting};
use schemas::scope::Scopes;
use schemas::{BucketName, EventId, ObjectKey, TenantId, UploadId, VersionId};

use super::objects::named_version;
use super::{Found, Inner, Store, rows_error};
use crate::api::{Caller, StoreError, Who};

/// Policies kept. Forgetting them now and then is cheap: each is one look at an event that is kept as well.
const KEPT_MAX: usize = 1_024;

/// Policies that were read, by the event that set them.
#[derive(Default)]
pub(crate) struct Policies(Mutex<HashMap<(TenantId, EventId), Arc<Policy>>>);

/// The policy of a bucket.
#[derive(Debug, Clone)]
pub(crate) struct BoundPolicy {
    pub(crate) policy: Arc<Policy>,
    /// Whether it may keep even the bucket's owner from changing it.
    pub(crate) binds_owner: bool,
}

impl Store {
    /// Whether a caller may do something with a bucket or an object of it. For answers that need no more.
    ///
    /// # Errors
    /// [`StoreError`]: it may not.
    pub fn may(
        &self,
        caller: &Caller,
        action: Action,
        bucket: &BucketName,
        key: Option<&ObjectKey>,
    ) -> Result<(), StoreError> {
        self.inner.enter(self.inner.log.snapshot().as_ref(), caller, action, bucket, key).map(|_| ())
    }

    /// The same of one version of an object, or of the current one.
    ///
    /// # Errors
    /// [`StoreError`]: it may not.
    pub fn may_with_version(
        &self,
        caller: &Caller,
        action: Action,
        what: (&BucketName, &ObjectKey, Option<VersionId>),
    ) -> Result<(), StoreError> {
        self.inner.enter_version(self.inner.log.snapshot().as_ref(), caller, action, what).map(|_| ())
    }
}

/// What is to be known of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    IsGranted,
    IsNotDenied,
}

/// What the object of a request is.
pub(super) enum About {
    /// The stored one of its key, if there is one.
    Object,
    /// An upload.
    Upload(UploadId),
    /// One that is about to be written.
    New(ObjectFacts),
}

impl Inner {
    /// Authorises an operation on a bucket or an object of it, then answers with the bucket.
    pub(crate) fn enter(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        action: Action,
        bucket: &BucketName,
        key: Option<&ObjectKey>,
    ) -> Result<Found, StoreError> {
        let resource = key.map_or(Resource::Bucket(bucket), |key| Resource::Object(bucket, key));
        self.enter_for(snapshot, caller, action, resource)
    }

    /// The same for whatever resource of a bucket.
    pub(crate) fn enter_for(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        action: Action,
        resource: Resource<'_>,
    ) -> Result<Found, StoreError> {
        self.enter_asked(snapshot, caller, &Asked::new(action, resource), None)
    }

    /// The same of one version of an object, or of the current one: the action is the one AWS has for versions.
    pub(crate) fn enter_version(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        action: Action,
        (bucket, key, version): (&BucketName, &ObjectKey, Option<VersionId>),
    ) -> Result<Found, StoreError> {
        self.enter_asked(snapshot, caller, &Asked::of_version(action, bucket, key, version), None)
    }

    /// Authorises whatever is asked, then answers with the bucket. Every operation passes here. `upload` is the one that
    /// is asked for, when it is one.
    pub(crate) fn enter_asked(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        asked: &Asked<'_>,
        upload: Option<UploadId>,
    ) -> Result<Found, StoreError> {
        // Scopes come first: a key that may do nothing here does not learn which buckets there are.
        if let Some(scopes) = caller.scopes() {
            authorise(scopes, asked.action, asked.resource)?;
        }
        let name = asked.resource.bucket().ok_or(Refusal::NoSuchBucket)?;
        let found = self.bucket(snapshot, caller.tenant, name)?;
        // What a service may do was asked when it was made a caller.
        if !matches!(caller.who, Who::Service(_)) {
            let about = upload.map_or(About::Object, About::Upload);
            self.decide_access(snapshot, caller, caller.scopes(), &found, asked, about)?;
        }
        if asked.action.changes_content() && found.is_view() {
            return Err(Refusal::ReadOnlyBucket.into());
        }
        self.as_it_was(snapshot, caller, found, asked)
    }

    /// The bucket, for one who may know of it: as S3's HeadBucket for one who may list it, and for a key that is limited
    /// to a prefix of it: it works in it.
    pub(crate) fn enter_head(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        bucket: &BucketName,
    ) -> Result<Found, StoreError> {
        if caller.scopes().is_some_and(|scopes| !scopes.mention(bucket)) {
            return Err(Refusal::AccessDenied.into());
        }
        let found = self.bucket(snapshot, caller.tenant, bucket)?;
        let asked = Asked::new(Action::ListBucket, Resource::Bucket(bucket));
        let scopes = caller.scopes().map(|_| Scopes::full());
        self.decide_access(snapshot, caller, scopes.as_ref(), &found, &asked, About::Object)?;
        self.as_it_was(snapshot, caller, found, &asked)
    }

    /// Whether the caller may set the list of an object that it is about to own. Nobody known has no key that could forbid it.
    pub(crate) fn may_list_own(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        found: &Found,
        key: &ObjectKey,
    ) -> Result<(), StoreError> {
        let Who::User { user, scopes, .. } = &caller.who else { return Ok(()) };
        let resource = Resource::Object(&found.row.name, key);
        authorise(scopes, Action::PutObjectAcl, resource)?;
        let asked = Asked { of_new: true, ..Asked::new(Action::PutObjectAcl, resource) };
        let own = ObjectFacts { owner: user.clone(), acl: None, tags: BTreeMap::new() };
        self.decide_access(snapshot, caller, Some(scopes), found, &asked, About::New(own))
    }

    pub(super) fn decide_access(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        scopes: Option<&Scopes>,
        found: &Found,
        asked: &Asked<'_>,
        about: About,
    ) -> Result<(), StoreError> {
        self.judge(snapshot, caller, scopes, found, asked, (about, Question::IsGranted))
    }

    fn judge(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        scopes: Option<&Scopes>,
        found: &Found,
        asked: &Asked<'_>,
        (about, question): (About, Question),
    ) -> Result<(), StoreError> {
        let tenant = caller.tenant;
        // What `domain::access` would say without looking at anything else.
        if scopes.is_some() && found.has_acls_off() && !found.row.settings.contains_key(&Setting::Policy) {
            return Ok(());
        }
        let requester = match (&caller.who, scopes) {
            (Who::User { user, .. }, Some(scopes)) => Requester::User { user, scopes },
            (Who::Service(service), _) => {
                Requester::Service { name: LOGGING, source: &service.source, source_owner: &service.source_owner }
            }
            _ => Requester::Anonymous,
        };
        let policy = self.policy(snapshot, tenant, found)?;
        let acl = self.bucket_acl(snapshot, tenant, found)?;
        let facts = BucketFacts {
            name: &found.row.name,
            owner: &found.row.owner,
            ownership: found.row.ownership,
            acl: acl.as_ref(),
            policy: policy.as_ref().map(|bound| bound.policy.as_ref()),
            policy_binds_owner: policy.as_ref().is_some_and(|bound| bound.binds_owner),
            block: self.public_access_block(snapshot, tenant, found)?,
        };
        let row = query::tenant(snapshot, tenant).map_err(rows_error)?;
        let row = row.ok_or_else(|| StoreError::Corrupt { what: format!("tenant {tenant} has no row") })?;
        let circumstances = &caller.circumstances;
        let context = Context {
            tenant: bucket_policy::Tenant { id: tenant, name: &row.name },
            circumstances: bucket_policy::Circumstances {
                now: self.clock.wall(),
                source: caller.source,
                secure: circumstances.secure,
                tls_version: circumstances.tls_version,
                signature: circumstances.signature,
                said: circumstances.said.as_deref().unwrap_or(&Silence),
            },
        };
        // Tags stand in the log: read for policies that ask for them alone.
        let with_tags = policy.as_ref().is_some_and(|bound| bound.policy.reads_tags(asked.action));
        let object = || match (asked.resource, &about) {
            (Resource::Object(..), About::Upload(upload)) => self.upload_facts(snapshot, tenant, found, *upload),
            (Resource::Object(..), About::New(facts)) => Ok(Some(facts.clone())),
            (Resource::Object(_, key), About::Object) => {
                self.object_facts(snapshot, tenant, found, key, asked.version, with_tags)
            }
            _ => Ok(None),
        };
        match question {
            Question::IsGranted => access::decide(requester, asked, &facts, &object, &context),
            Question::IsNotDenied if access::is_denied(requester, asked, &facts, &object, &context)? => {
                Err(Refusal::DeniedByPolicy.into())
            }
            Question::IsNotDenied => Ok(()),
        }
    }

    /// Whether what is written may come with tags: not where the bucket's policy refuses to tag.
    pub(crate) fn may_tag(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        found: &Found,
        key: &ObjectKey,
        tags: &BTreeMap<String, String>,
    ) -> Result<(), StoreError> {
        if tags.is_empty() {
            return Ok(());
        }
        let resource = Resource::Object(&found.row.name, key);
        let asked = Asked { tags: Some(tags), of_new: true, ..Asked::new(Action::PutObjectTagging, resource) };
        self.not_denied(snapshot, caller, found, &asked)
    }

    /// Whether the bucket's policy does not refuse something in so many words.
    pub(crate) fn not_denied(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        found: &Found,
        asked: &Asked<'_>,
    ) -> Result<(), StoreError> {
        if !found.row.settings.contains_key(&Setting::Policy) {
            return Ok(());
        }
        self.judge(snapshot, caller, caller.scopes(), found, asked, (About::Object, Question::IsNotDenied))
    }

    /// The policy of a bucket.
    pub(crate) fn policy(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<Option<BoundPolicy>, StoreError> {
        let Some(&id) = bucket.row.settings.get(&Setting::Policy) else { return Ok(None) };
        let corrupt =
            || StoreError::Corrupt { what: format!("event {} of tenant {tenant} sets no policy", id.position) };
        let event = self.fact(snapshot, tenant, id)?;
        let Event::BucketPolicySet(set) = event.as_ref() else { return Err(corrupt()) };
        let kept = self.policies.0.lock().get(&(tenant, id)).cloned();
        let policy = match kept {
            Some(kept) => kept,
            None => {
                let text = set.policy.as_deref().ok_or_else(corrupt)?;
                let read = Arc::new(Policy::parse(text, &bucket.row.name).map_err(|_| corrupt())?);
                let mut kept = self.policies.0.lock();
                if kept.len() >= KEPT_MAX {
                    kept.clear();
                }
                kept.insert((tenant, id), Arc::clone(&read));
                read
            }
        };
        Ok(Some(BoundPolicy { policy, binds_owner: set.binds_owner }))
    }

    /// What public access of a bucket is blocked: as it was set, or as the operator's defaults have it.
    pub(crate) fn public_access_block(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<PublicAccessBlock, StoreError> {
        match self.setting(snapshot, tenant, &bucket.row, Setting::PublicAccessBlock)?.as_deref() {
            None => Ok(self.settings.default_public_access_block.unwrap_or_default()),
            Some(Event::BucketPublicAccessBlockSet(set)) => Ok(set.block.unwrap_or_default()),
            Some(_) => Err(StoreError::Corrupt { what: format!("a setting of tenant {tenant} is another one") }),
        }
    }

    /// Whose an object is, its list and its tags.
    fn object_facts(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        version: Option<VersionId>,
        with_tags: bool,
    ) -> Result<Option<ObjectFacts>, StoreError> {
        let named = named_version(snapshot, tenant, bucket, key, version)?;
        let Some(Version::Object(object)) = named else { return Ok(None) };
        let tags = if with_tags { self.tags_of(snapshot, tenant, &object)? } else { BTreeMap::new() };
        let acl = self.object_acl(snapshot, tenant, bucket, &object)?;
        Ok(Some(ObjectFacts { owner: object.owner, acl, tags }))
    }

    /// The tags of a version, from the newest event that says them. Not kept: whoever asks for those of many must not push out
    /// what is.
    pub(crate) fn tags_of(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        object: &Object,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        match self.event(snapshot, tenant, object.details.tags.unwrap_or(object.made_by))? {
            Event::ObjectTagsSet(set) => Ok(set.tags),
            Event::VersionCommitted(committed) => Ok(committed.tags),
            _ => {
                Err(StoreError::Corrupt { what: format!("a row of tenant {tenant} names another event for its tags") })
            }
        }
    }

    fn upload_facts(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        upload: UploadId,
    ) -> Result<Option<ObjectFacts>, StoreError> {
        let row = query::upload(snapshot, tenant, upload).map_err(rows_error)?;
        let row = row.filter(|row| row.bucket == bucket.id);
        Ok(row.map(|row| ObjectFacts { owner: row.initiator, acl: None, tags: BTreeMap::new() }))
    }
}
