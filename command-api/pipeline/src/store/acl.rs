//! Access control lists and ownership: setting them, showing them, and whose an upload is.
//!
//! Owns: which events have the lists that rows name, who the grantees of a request are.
//! Does not own: which lists are allowed and what they grant (domain), what an access is decided on (`access`).
//! Invariant: a list is set on the version that it was judged for; one that another took the place of meanwhile gets none.

use domain::Refusal;
use domain::acl::{self, Asked, AskedGrantee, Rules, Uploaded, Wanted};
use domain::object::Amendment;
use event_log::{Changes, Rows, Snapshot};
use projections::query;
use projections::row::Object;
use schemas::acl::{Acl, PublicAccessBlock};
use schemas::action::Action;
use schemas::event::{Event, ObjectOwnership, Setting};
use schemas::{BucketName, ObjectKey, Position, TenantId, UserId};

use super::amend::{ATTEMPTS, OVERTAKEN};
use super::{Found, Inner, Request, Store, planned, rows_error, situation};
use crate::api::{Amended, Caller, ListedAcl, ObjectVersion, SetAcl, StoreError, Who};
use crate::sequencer::{Decide, Unit};

impl Store {
    /// The list of a bucket. While ACLs are off its owner has full control and nobody else anything.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bucket_acl(&self, caller: &Caller, bucket: &BucketName) -> Result<ListedAcl, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let found = self.inner.enter(snapshot.as_ref(), caller, Action::GetBucketAcl, bucket, None)?;
        let acl = self.inner.bucket_acl(snapshot.as_ref(), caller.tenant, &found)?;
        let owner = found.row.owner;
        Ok(ListedAcl { acl: acl.unwrap_or_else(|| acl::owner_only(&owner)), owner, version: None })
    }

    /// Replaces the list of a bucket.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn put_bucket_acl(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        set: SetAcl,
    ) -> Result<Position, StoreError> {
        let inner = &self.inner;
        let acl = {
            let snapshot = inner.log.snapshot();
            let snapshot = snapshot.as_ref();
            let found = inner.enter(snapshot, caller, Action::PutBucketAcl, bucket, None)?;
            // Said before grantees are looked for: where ACLs are off it is so whoever they are.
            if found.holds_already(caller, &set.acl)? {
                return inner.position(caller.tenant, &Vec::new());
            }
            let owner = &found.row.owner;
            acl::check_owner(owner, set.owner.as_deref())?;
            let wanted = inner.wanted(snapshot, caller.tenant, &[owner], set.acl)?;
            inner.acl_rules(snapshot, caller.tenant, &found)?.bucket(wanted)?
        };
        self.change_bucket(caller, bucket, Action::PutBucketAcl, domain::bucket::Command::SetAcl(acl)).await
    }

    /// The list of an object or of one of its versions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn object_acl(&self, caller: &Caller, request: ObjectVersion) -> Result<ListedAcl, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let snapshot = snapshot.as_ref();
        let ObjectVersion { bucket, key, version } = request;
        let found = inner.enter_version(snapshot, caller, Action::GetObjectAcl, (&bucket, &key, version))?;
        let object = inner.find_version(snapshot, caller.tenant, &found, &key, version)?;
        let owner = found.owner_of(&object.owner).clone();
        let acl = inner.object_acl(snapshot, caller.tenant, &found, &object)?;
        let version = found.shown(object.id());
        Ok(ListedAcl { acl: acl.unwrap_or_else(|| acl::owner_only(&owner)), owner, version })
    }

    /// Replaces the list of an object or of one of its versions.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn put_object_acl(
        &self,
        caller: &Caller,
        request: ObjectVersion,
        set: SetAcl,
    ) -> Result<Amended, StoreError> {
        let inner = &self.inner;
        let tenant = caller.tenant;
        let ObjectVersion { bucket, key, version } = request.clone();
        for _ in 0..ATTEMPTS {
            let (acl, judged) = {
                let snapshot = inner.log.snapshot();
                let snapshot = snapshot.as_ref();
                let found = inner.enter_version(snapshot, caller, Action::PutObjectAcl, (&bucket, &key, version))?;
                let object = inner.find_version(snapshot, tenant, &found, &key, version)?;
                if found.holds_already(caller, &set.acl)? {
                    let position = inner.position(tenant, &Vec::new())?;
                    return Ok(Amended { version: found.shown(object.id()), position });
                }
                acl::check_owner(&object.owner, set.owner.as_deref())?;
                let wanted = inner.wanted(snapshot, tenant, &[&object.owner, &found.row.owner], set.acl.clone())?;
                (inner.acl_rules(snapshot, tenant, &found)?.object(&object.owner, wanted)?, object.made_by)
            };
            let change = Amendment::Acl(acl);
            if let Some(done) = inner.amend_once(caller, &request, Action::PutObjectAcl, &change, Some(judged)).await? {
                return Ok(done);
            }
        }
        Err(OVERTAKEN)
    }

    /// Sets or removes the ownership controls of a bucket. Without them whoever uploads owns it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_bucket_ownership(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        ownership: Option<ObjectOwnership>,
    ) -> Result<Position, StoreError> {
        let inner = &self.inner;
        let tenant = caller.tenant;
        let (found, acl_grants_others) = {
            let snapshot = inner.log.snapshot();
            let action = Action::PutBucketOwnershipControls;
            let found = inner.enter(snapshot.as_ref(), caller, action, bucket, None)?;
            let acl = inner.bucket_list(snapshot.as_ref(), tenant, &found)?;
            let grants_others = acl.is_some_and(|acl| acl::grants_others(&acl, &found.row.owner));
            (found, grants_others)
        };
        let seen = found.row.settings.get(&Setting::Acl).copied();
        let decide: Decide = Box::new(move |rows, _| {
            let now = query::bucket(rows, tenant, found.id).map_err(rows_error)?.ok_or(Refusal::NoSuchBucket)?;
            // A list that was set since is taken to grant something: asking again reads it.
            let acl_grants_others = acl_grants_others || now.settings.get(&Setting::Acl).copied() != seen;
            let state = situation::bucket(rows, tenant, &now.name)?;
            let command = domain::bucket::Command::SetOwnership { ownership, acl_grants_others };
            let events = domain::bucket::decide(&state, command)?;
            Ok(Unit { events: planned(&found, None, events), changes: Changes::default() })
        });
        let recorded = inner.run(Request::of(caller), decide).await?;
        inner.position(tenant, &recorded)
    }
}

impl Found {
    /// Whether lists mean nothing here: the bucket's owner owns everything.
    pub(crate) fn has_acls_off(&self) -> bool {
        self.row.ownership == ObjectOwnership::BucketOwnerEnforced
    }

    /// Who owns what this user uploaded or deleted.
    pub(crate) fn owner_of<'a>(&'a self, made_by: &'a UserId) -> &'a UserId {
        if self.has_acls_off() { &self.row.owner } else { made_by }
    }

    /// Whether ACLs are off and a list asks for no more than what holds then.
    ///
    /// # Errors
    /// ACLs are off and it asks for more.
    fn holds_already(&self, caller: &Caller, asked: &Asked) -> Result<bool, Refusal> {
        match self.has_acls_off() {
            false => Ok(false),
            true if asked.holds_without_acls(&caller.user(), &self.row.owner) => Ok(true),
            true => Err(Refusal::AclNotSupported),
        }
    }
}

impl Inner {
    /// The list of a bucket while ACLs are on; none when its owner has full control and nobody else anything.
    pub(crate) fn bucket_acl(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<Option<Acl>, StoreError> {
        if bucket.has_acls_off() { Ok(None) } else { self.bucket_list(snapshot, tenant, bucket) }
    }

    /// The same, in effect or not.
    fn bucket_list(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<Option<Acl>, StoreError> {
        match self.setting(snapshot, tenant, &bucket.row, Setting::Acl)?.as_deref() {
            None => Ok(None),
            Some(Event::BucketAclSet(set)) => Ok(set.acl.clone()),
            Some(Event::BucketCreated(created)) => Ok(created.acl.clone()),
            Some(_) => Err(other_event(tenant)),
        }
    }

    /// The list of a version while ACLs are on; none when its owner has full control and nobody else anything.
    pub(crate) fn object_acl(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        object: &Object,
    ) -> Result<Option<Acl>, StoreError> {
        let Some(event) = object.details.acl.filter(|_| !bucket.has_acls_off()) else { return Ok(None) };
        match self.event(snapshot, tenant, event)? {
            Event::ObjectAclSet(set) => Ok(set.acl),
            Event::VersionCommitted(committed) => Ok(committed.acl),
            _ => Err(other_event(tenant)),
        }
    }

    /// Whose an upload is and what it grants. To grant anything takes more than being allowed to write: the uploader owns the
    /// object and may change its list, as far as its key and the bucket's policy let it.
    pub(crate) fn uploaded(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        bucket: &Found,
        key: &ObjectKey,
        asked: Option<Asked>,
    ) -> Result<Uploaded, StoreError> {
        let uploader = caller.user();
        let wanted = match asked {
            None => return Ok(self.plain_rules(bucket).upload(&uploader, None)?),
            Some(Asked::Canned(canned)) => {
                let wanted = Wanted::Canned(canned);
                if Asked::Canned(canned).holds_without_acls(&uploader, &bucket.row.owner) && bucket.has_acls_off() {
                    return Ok(self.plain_rules(bucket).upload(&uploader, Some(wanted))?);
                }
                wanted
            }
            // Whoever may not grant learns nothing of whom there is to grant to.
            Some(grants) => {
                self.may_list_own(snapshot, caller, bucket, key)?;
                if matches!(caller.who, Who::Anonymous) {
                    return Err(Refusal::AccessDenied.into());
                }
                let owners = [&bucket.row.owner, &uploader];
                if bucket.has_acls_off() {
                    acl::resolve(grants, &owners, |_| Err::<Vec<UserId>, StoreError>(Refusal::AclNotSupported.into()))?
                } else {
                    self.wanted(snapshot, caller.tenant, &owners, grants)?
                }
            }
        };
        let uploaded = self.acl_rules(snapshot, caller.tenant, bucket)?.upload(&uploader, Some(wanted));
        // What is wrong with a list is said to those alone who may set one.
        if !matches!(&uploaded, Ok(Uploaded { acl: None, .. })) {
            self.may_list_own(snapshot, caller, bucket, key)?;
        }
        Ok(uploaded?)
    }

    /// Whether a list that was allowed when its upload began still is: public access may have been blocked meanwhile.
    pub(crate) fn still_allowed(&self, tenant: TenantId, bucket: &Found, acl: Option<&Acl>) -> Result<(), StoreError> {
        let Some(acl) = acl.filter(|acl| acl::is_public(acl)) else { return Ok(()) };
        let snapshot = self.log.snapshot();
        let row = query::bucket(snapshot.as_ref(), tenant, bucket.id).map_err(rows_error)?;
        let now = Found::now(bucket.id, row.ok_or(Refusal::NoSuchBucket)?);
        self.acl_rules(snapshot.as_ref(), tenant, &now)?.object(&now.row.owner, Wanted::List(acl.clone()))?;
        Ok(())
    }

    /// The list that a bucket is to be created with.
    pub(crate) fn new_bucket_acl(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        rules: &Rules<'_>,
        asked: Option<Asked>,
    ) -> Result<Option<Acl>, StoreError> {
        let Some(asked) = asked else { return Ok(None) };
        let wanted = self.wanted(rows, tenant, &[rules.owner], asked)?;
        Ok(rules.new_bucket(wanted)?)
    }

    fn acl_rules<'a>(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &'a Found,
    ) -> Result<Rules<'a>, StoreError> {
        Ok(Rules { block: self.public_access_block(snapshot, tenant, bucket)?, ..self.plain_rules(bucket) })
    }

    /// Enough where there is no list that could be blocked.
    fn plain_rules<'a>(&self, bucket: &'a Found) -> Rules<'a> {
        let block = PublicAccessBlock::default();
        Rules { owner: &bucket.row.owner, ownership: bucket.row.ownership, block }
    }

    /// Finds the users that a list is for.
    fn wanted(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        owners: &[&UserId],
        asked: Asked,
    ) -> Result<Wanted, StoreError> {
        let find = |grantee: &AskedGrantee| match grantee {
            AskedGrantee::Group(_) => Ok(Vec::new()),
            AskedGrantee::Id(id) => {
                let Ok(user) = UserId::parse(id) else { return Ok(Vec::new()) };
                let found = query::user(rows, tenant, &user).map_err(rows_error)?;
                Ok(found.map(|_| user).into_iter().collect())
            }
            AskedGrantee::Email(address) => {
                let users = query::users(rows, tenant).map_err(rows_error)?;
                let has_it = users.into_iter().filter(|(_, user)| user.email.as_ref() == Some(address));
                Ok(has_it.map(|(id, _)| id).collect())
            }
        };
        acl::resolve(asked, owners, find)
    }
}

fn other_event(tenant: TenantId) -> StoreError {
    StoreError::Corrupt { what: format!("a row of tenant {tenant} names another event for its list of grants") }
}
