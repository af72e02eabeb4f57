//! Access: whether somebody may do something with a bucket or object. The one decision; scopes, bucket policy, ownership, ACLs
//! and the public access block meet here and nowhere else.
//!
//! Owns: in which order they count. Does not own: what scopes grant (`policy`), what a policy says (`bucket_policy`), what a
//! list grants (`acl`), where the facts come from.
//! Invariants: a key never gets more than its scopes; an explicit deny wins; nobody known gets nothing that a policy or a list
//! does not grant to everyone; whoever may not list a bucket does not learn that a key is absent.
//!
//! Ownership decides who the account is, in AWS's words. With ACLs off (`BucketOwnerEnforced`) it is the tenant, and its users
//! act for it: scopes are enough. With ACLs on each user is an account of its own: whoever owns the bucket rules it, whoever
//! owns an object rules that, everyone else needs a grant.

#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use schemas::acl::{Acl, Permission, PublicAccessBlock};
use schemas::action::Action;
use schemas::event::ObjectOwnership;
use schemas::{BucketName, UserId};

use crate::Refusal;
use crate::acl::{self, Asker};
use crate::bucket_policy::{Asked, Circumstances, LOGGING, Policy, Request, Requester, Tenant, Verdict};
use crate::policy::{Resource, authorise};

/// What of a bucket decides who may do what.
#[derive(Debug, Clone, Copy)]
pub struct BucketFacts<'a> {
    /// Its name.
    pub name: &'a BucketName,
    /// Whose it is.
    pub owner: &'a UserId,
    /// Whether ACLs are on, and whose uploads are.
    pub ownership: ObjectOwnership,
    /// Its list; without one its owner has full control and nobody else anything. Not looked at while ACLs are off.
    pub acl: Option<&'a Acl>,
    /// Its policy.
    pub policy: Option<&'a Policy>,
    /// Whether the policy may keep even the bucket's owner from reading and changing it: whoever set it said so.
    pub policy_binds_owner: bool,
    /// What is kept from the public whatever policy and lists say.
    pub block: PublicAccessBlock,
}

/// What of an object or upload decides who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Whose it is; of an upload, who began it.
    pub owner: UserId,
    /// Its list; without one its owner has full control and nobody else anything.
    pub acl: Option<Acl>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// What a policy may ask of besides.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Whose bucket.
    pub tenant: Tenant<'a>,
    /// How and when the request came.
    pub circumstances: Circumstances<'a>,
}

/// Loads the object or upload that is asked for, in the version that is asked for; none if there is none, or if a delete
/// marker hides it. Called once at most, and only if it matters.
pub type Load<'a, E> = &'a dyn Fn() -> Result<Option<ObjectFacts>, E>;

impl BucketFacts<'_> {
    /// Whether for holders of keys nothing but their scopes decides: ACLs are off and there is no policy.
    #[must_use]
    pub fn leave_it_to_scopes(&self) -> bool {
        !self.has_acls() && self.policy.is_none()
    }

    fn has_acls(&self) -> bool {
        self.ownership != ObjectOwnership::BucketOwnerEnforced
    }
}

/// Whether it may be done. For an object that is absent this also says whether the asker may know: yes is then followed by
/// `NoSuchKey`.
///
/// # Errors
/// [`Refusal::AccessDenied`], [`Refusal::DeniedByPolicy`], and whatever `object` fails with.
pub fn decide<E: From<Refusal>>(
    requester: Requester<'_>,
    asked: &Asked<'_>,
    bucket: &BucketFacts<'_>,
    object: Load<'_, E>,
    context: &Context<'_>,
) -> Result<(), E> {
    if !may_at_most(requester, asked) {
        return Err(Refusal::AccessDenied.into());
    }
    if bucket.leave_it_to_scopes() && matches!(requester, Requester::User { .. }) {
        return Ok(());
    }
    let case = Case { requester, bucket, context, load: object, loaded: OnceCell::new() };
    let standing = case.standing(asked)?;
    let allowed = match about_what_exists(asked) {
        None => standing == Standing::Granted,
        Some(_) if standing == Standing::Denied => false,
        Some(list) => match (standing == Standing::Granted, case.may_list(&list)?) {
            (granted, listed) if granted == listed => granted,
            // Granted, but not to know what is absent; or the other way round.
            (granted, _) => granted == case.object()?.is_some(),
        },
    };
    match (allowed, standing) {
        (true, _) => Ok(()),
        (false, Standing::Denied) => Err(Refusal::DeniedByPolicy.into()),
        (false, _) => Err(Refusal::AccessDenied.into()),
    }
}

/// Whether the bucket's policy refuses it in so many words. For rights that S3 asks for besides that of the write itself, such as
/// tagging what is written, and that much of what speaks S3 takes for granted: an explicit deny counts, silence does not.
///
/// # Errors
/// Whatever `object` fails with.
pub fn is_denied<E: From<Refusal>>(
    requester: Requester<'_>,
    asked: &Asked<'_>,
    bucket: &BucketFacts<'_>,
    object: Load<'_, E>,
    context: &Context<'_>,
) -> Result<bool, E> {
    let case = Case { requester, bucket, context, load: object, loaded: OnceCell::new() };
    Ok(case.verdict(asked)? == Verdict::ExplicitDeny)
}

/// Whether a policy may be set where this public access is blocked.
///
/// # Errors
/// [`Refusal::AccessDenied`].
pub fn may_set_policy(policy: &Policy, block: PublicAccessBlock) -> Result<(), Refusal> {
    if block.block_public_policy && policy.is_public() { Err(Refusal::AccessDenied) } else { Ok(()) }
}

/// Whose a new object is: the bucket owner's where ACLs are off, or where whoever writes it gives the bucket's owner full
/// control and that is preferred; else its writer's.
#[must_use]
pub fn owner_of_new<'a>(
    ownership: ObjectOwnership,
    bucket_owner: &'a UserId,
    writer: &'a UserId,
    gives_full_control: bool,
) -> &'a UserId {
    match ownership {
        ObjectOwnership::BucketOwnerEnforced => bucket_owner,
        ObjectOwnership::BucketOwnerPreferred if gives_full_control => bucket_owner,
        ObjectOwnership::BucketOwnerPreferred | ObjectOwnership::ObjectWriter => writer,
    }
}

/// Whether a bucket is among somebody's own: each user's where users are accounts, the tenant's where the tenant is.
#[must_use]
pub fn is_own(ownership: ObjectOwnership, bucket_owner: &UserId, user: &UserId) -> bool {
    ownership == ObjectOwnership::BucketOwnerEnforced || bucket_owner == user
}

/// What nothing can widen: a key's scopes. What a tenant keeps for the holders of keys no policy opens to others.
fn may_at_most(requester: Requester<'_>, asked: &Asked<'_>) -> bool {
    match requester {
        Requester::User { scopes, .. } => authorise(scopes, asked.action, asked.resource).is_ok(),
        Requester::Anonymous | Requester::Service { .. } => {
            let of_keys = matches!(
                asked.action,
                Action::ReadHistory | Action::ManageKeys | Action::CreateBucket | Action::ListAllMyBuckets
            );
            !of_keys && asked.resource != Resource::Tenant
        }
    }
}

/// For an action on an object that must exist: the listing that would show whether it does.
fn about_what_exists<'a>(asked: &Asked<'a>) -> Option<Asked<'a>> {
    let Resource::Object(bucket, key) = asked.resource else { return None };
    let makes_or_removes = matches!(
        asked.action,
        Action::PutObject
            | Action::DeleteObject
            | Action::DeleteObjectVersion
            | Action::AbortMultipartUpload
            | Action::ListMultipartUploadParts
            | Action::BypassGovernanceRetention
    );
    (!makes_or_removes && !asked.of_new).then(|| Asked::new(Action::ListBucket, Resource::Prefix(bucket, key.as_str())))
}

/// How somebody stands to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Denied,
    Granted,
    /// Nothing says yes: which is no.
    Nothing,
}

/// Whom an action falls to while ACLs are on, and which permission on what grants it to others.
struct Rule {
    /// The bucket's owner.
    bucket_owner: bool,
    /// The object's owner, whatever its list says.
    object_owner: bool,
    on_bucket: Option<Permission>,
    on_object: Option<Permission>,
}

impl Rule {
    fn of(action: Action) -> Self {
        let bucket = |on_bucket| Rule { bucket_owner: true, object_owner: false, on_bucket, on_object: None };
        let object = |object_owner, permission| Rule {
            bucket_owner: false,
            object_owner,
            on_bucket: None,
            on_object: Some(permission),
        };
        match action {
            Action::ListBucket | Action::ListBucketVersions | Action::ListBucketMultipartUploads => {
                bucket(Some(Permission::Read))
            }
            Action::PutObject | Action::DeleteObject => bucket(Some(Permission::Write)),
            // Whoever began an upload may look at it and give it up.
            Action::AbortMultipartUpload | Action::ListMultipartUploadParts => {
                Rule { object_owner: true, ..bucket(Some(Permission::Write)) }
            }
            Action::GetBucketAcl => bucket(Some(Permission::ReadAcp)),
            Action::PutBucketAcl => bucket(Some(Permission::WriteAcp)),
            Action::GetObject
            | Action::GetObjectVersion
            | Action::GetObjectAttributes
            | Action::GetObjectVersionAttributes => object(false, Permission::Read),
            Action::GetObjectAcl | Action::GetObjectVersionAcl => object(true, Permission::ReadAcp),
            Action::PutObjectAcl | Action::PutObjectVersionAcl => object(true, Permission::WriteAcp),
            Action::GetObjectTagging
            | Action::PutObjectTagging
            | Action::DeleteObjectTagging
            | Action::GetObjectVersionTagging
            | Action::PutObjectVersionTagging
            | Action::DeleteObjectVersionTagging => Rule { object_owner: true, ..bucket(None) },
            // The bucket and its configuration, removing versions, locks: the bucket's owner and nobody else.
            _ => bucket(None),
        }
    }
}

struct Case<'a, E> {
    requester: Requester<'a>,
    bucket: &'a BucketFacts<'a>,
    context: &'a Context<'a>,
    load: Load<'a, E>,
    loaded: OnceCell<Option<ObjectFacts>>,
}

impl<E> Case<'_, E> {
    fn object(&self) -> Result<Option<&ObjectFacts>, E> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded.as_ref());
        }
        let loaded = (self.load)()?;
        Ok(self.loaded.get_or_init(|| loaded).as_ref())
    }

    fn may_list(&self, list: &Asked<'_>) -> Result<bool, E> {
        Ok(may_at_most(self.requester, list) && self.standing(list)? == Standing::Granted)
    }

    fn standing(&self, asked: &Asked<'_>) -> Result<Standing, E> {
        let verdict = match self.verdict(asked)? {
            Verdict::ExplicitDeny if self.owner_keeps(asked.action) => Verdict::Silent,
            Verdict::ExplicitDeny => return Ok(Standing::Denied),
            verdict => verdict,
        };
        let granted =
            (verdict == Verdict::Allow && self.policy_reaches(asked)?) || self.owns(asked)? || self.listed(asked)?;
        Ok(if granted { Standing::Granted } else { Standing::Nothing })
    }

    fn verdict(&self, asked: &Asked<'_>) -> Result<Verdict, E> {
        let Some(policy) = self.bucket.policy else { return Ok(Verdict::Silent) };
        let of_object = matches!(asked.resource, Resource::Object(..));
        let object = if of_object && policy.reads_tags(asked.action) { self.object()? } else { None };
        let Context { tenant, circumstances } = *self.context;
        let existing_tags = object.map(|object| &object.tags);
        Ok(policy.evaluate(&Request { requester: self.requester, tenant, asked: *asked, existing_tags, circumstances }))
    }

    /// A policy that denies everything to everyone can still be taken back by the bucket's owner.
    fn owner_keeps(&self, action: Action) -> bool {
        let of_policy =
            matches!(action, Action::GetBucketPolicy | Action::PutBucketPolicy | Action::DeleteBucketPolicy);
        of_policy && !self.bucket.policy_binds_owner && self.owns_bucket()
    }

    /// Whether what the policy allows is the bucket owner's to give: not to the public where that is blocked, and not what
    /// others own.
    fn policy_reaches(&self, asked: &Asked<'_>) -> Result<bool, E> {
        let public = self.bucket.policy.is_some_and(Policy::is_public);
        if self.bucket.block.restrict_public_buckets && public && matches!(self.requester, Requester::Anonymous) {
            return Ok(false);
        }
        if !self.bucket.has_acls() || about_what_exists(asked).is_none() {
            return Ok(true);
        }
        Ok(self.object()?.is_none_or(|object| object.owner == *self.bucket.owner))
    }

    fn owns_bucket(&self) -> bool {
        matches!(self.requester, Requester::User { user, .. } if user == self.bucket.owner)
    }

    fn owns(&self, asked: &Asked<'_>) -> Result<bool, E> {
        let Requester::User { user, .. } = self.requester else { return Ok(false) };
        if !self.bucket.has_acls() {
            return Ok(true);
        }
        let rule = Rule::of(asked.action);
        if rule.bucket_owner && self.owns_bucket() {
            return Ok(true);
        }
        Ok(rule.object_owner && self.object()?.is_some_and(|object| object.owner == *user))
    }

    /// Whether a list grants it.
    fn listed(&self, asked: &Asked<'_>) -> Result<bool, E> {
        let asker = match self.requester {
            _ if !self.bucket.has_acls() => return Ok(false),
            Requester::Anonymous => Asker::Anonymous,
            Requester::User { user, .. } => Asker::User(user),
            Requester::Service { name: LOGGING, .. } => Asker::LogDelivery,
            Requester::Service { .. } => return Ok(false),
        };
        let ignore_public = self.bucket.block.ignore_public_acls;
        let grants = |list: &Acl, permission| acl::grants(list, asker, permission, ignore_public);
        let rule = Rule::of(asked.action);
        if let (Some(permission), Some(list)) = (rule.on_bucket, self.bucket.acl)
            && grants(list, permission)
        {
            return Ok(true);
        }
        let Some(permission) = rule.on_object else { return Ok(false) };
        Ok(self.object()?.is_some_and(|object| match &object.acl {
            Some(list) => grants(list, permission),
            None => matches!(self.requester, Requester::User { user, .. } if *user == object.owner),
        }))
    }
}
