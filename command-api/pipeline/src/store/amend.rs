//! What can be changed of a version that stays, and reading it: tags, retention, legal hold.
//!
//! Owns: who must be allowed what, the way of an amendment through the sequencer.
//! Does not own: what may be changed (domain), what the rows then say (projections).
//! Invariant: the version that is changed is the one that the caller was judged by, looked for again in the commit itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Refusal;
use domain::bucket_policy::{self, Asked};
use domain::object::Amendment;
use domain::policy::Resource;
use event_log::{Changes, Snapshot};
use schemas::action::Action;
use schemas::event::{Event, Retention};
use schemas::{BucketName, EventId, ObjectKey, VersionId};

use super::forks::planned_object;
use super::{Found, Inner, Request, Store, situation};
use crate::api::{Amended, Caller, LockAsked, ObjectVersion, StoreError, VersionHold, VersionRetention};
use crate::sequencer::{Decide, Outcome, Unit};

/// How often a change is tried of a version in whose place another was written meanwhile.
pub(super) const ATTEMPTS: u32 = 8;

/// Said when each time another was.
pub(super) const OVERTAKEN: StoreError = StoreError::Busy { retry_after_ms: 100 };

impl Store {
    /// Replaces all tags of an object or of one of its versions.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_object_tags(
        &self,
        caller: &Caller,
        request: ObjectVersion,
        tags: BTreeMap<String, String>,
    ) -> Result<Amended, StoreError> {
        domain::validate::tags(&tags)?;
        self.inner.amend(caller, request, Action::PutObjectTagging, Amendment::Tags(tags)).await
    }

    /// Removes them.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn remove_object_tags(&self, caller: &Caller, request: ObjectVersion) -> Result<Amended, StoreError> {
        let none = Amendment::Tags(BTreeMap::new());
        self.inner.amend(caller, request, Action::DeleteObjectTagging, none).await
    }

    /// Sets the retention of a version, or takes it off. Governance is bypassed where the caller asks for it and may.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_object_retention(
        &self,
        caller: &Caller,
        request: ObjectVersion,
        retention: Option<Retention>,
        bypass_governance: bool,
    ) -> Result<Amended, StoreError> {
        let may_bypass = || {
            let snapshot = self.inner.log.snapshot();
            let what = (&request.bucket, &request.key, request.version);
            self.inner.may_bypass(snapshot.as_ref(), caller, what)
        };
        let change = Amendment::Retention { retention, bypass_governance: bypass_governance && may_bypass() };
        self.inner.amend(caller, request, Action::PutObjectRetention, change).await
    }

    /// Puts a legal hold on a version, or takes it off.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_object_legal_hold(
        &self,
        caller: &Caller,
        request: ObjectVersion,
        on: bool,
    ) -> Result<Amended, StoreError> {
        self.inner.amend(caller, request, Action::PutObjectLegalHold, Amendment::LegalHold(on)).await
    }

    /// The retention of an object or of one of its versions, ended or not.
    ///
    /// # Errors
    /// [`StoreError`]; [`Refusal::NoRetention`] when it has none.
    pub async fn object_retention(
        &self,
        caller: &Caller,
        request: ObjectVersion,
    ) -> Result<VersionRetention, StoreError> {
        let opened = self.about(caller, Action::GetObjectRetention, request)?;
        situation::bucket_lock(&opened.bucket.row).required()?;
        let retention = opened.info.retention.ok_or(Refusal::NoRetention)?;
        Ok(VersionRetention { retention, version: opened.info.version })
    }

    /// Whether a legal hold is on an object or on one of its versions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn object_legal_hold(&self, caller: &Caller, request: ObjectVersion) -> Result<VersionHold, StoreError> {
        let opened = self.about(caller, Action::GetObjectLegalHold, request)?;
        situation::bucket_lock(&opened.bucket.row).required()?;
        Ok(VersionHold { on: opened.info.legal_hold, version: opened.info.version })
    }
}

impl Inner {
    /// Amends a version.
    pub(super) async fn amend(
        &self,
        caller: &Caller,
        request: ObjectVersion,
        action: Action,
        change: Amendment,
    ) -> Result<Amended, StoreError> {
        for _ in 0..ATTEMPTS {
            if let Some(amended) = self.amend_once(caller, &request, action, &change, None).await? {
                return Ok(amended);
            }
        }
        Err(OVERTAKEN)
    }

    /// Amends a version, if it is `judged` and still the one that is meant when the change is committed: whether the caller may
    /// depends on whose it is and on what it says. None when another took its place.
    pub(super) async fn amend_once(
        &self,
        caller: &Caller,
        request: &ObjectVersion,
        action: Action,
        change: &Amendment,
        judged: Option<EventId>,
    ) -> Result<Option<Amended>, StoreError> {
        let ObjectVersion { bucket, key, version } = request.clone();
        let plain = Asked::of_version(action, &bucket, &key, version);
        let asked = match change {
            Amendment::Tags(tags) => Asked { tags: Some(tags), ..plain },
            Amendment::Acl(_) => plain,
            Amendment::Retention { retention, .. } => {
                Asked { lock: lock_asked(&LockAsked { retention: *retention, legal_hold: None }), ..plain }
            }
            Amendment::LegalHold(on) => {
                Asked { lock: lock_asked(&LockAsked { retention: None, legal_hold: Some(*on) }), ..plain }
            }
        };
        let tenant = caller.tenant;
        let (found, seen) = {
            let snapshot = self.log.snapshot();
            let found = self.enter_asked(snapshot.as_ref(), caller, &asked, None)?;
            let seen = self.find_version(snapshot.as_ref(), tenant, &found, &key, version)?.made_by;
            (found, seen)
        };
        if judged.is_some_and(|judged| judged != seen) {
            return Ok(None);
        }
        let overtaken = Arc::new(AtomicBool::new(false));
        let noticed = overtaken.clone();
        let (decided, decided_key, change) = (found.clone(), key.clone(), change.clone());
        let decide: Decide = Box::new(move |rows, now| {
            let state = situation::object(rows, tenant, decided.id, &decided_key)?;
            let named = match version {
                None => None,
                Some(id) => Some(situation::target(rows, tenant, decided.id, &decided_key, id)?),
            };
            let meant = named.as_ref().map_or(state.current.as_ref(), Option::as_ref);
            if meant.is_some_and(|version| version.made_by != seen) {
                noticed.store(true, Ordering::Relaxed);
                return Err(OVERTAKEN);
            }
            let target = named.map_or(domain::object::Target::Current, domain::object::Target::Named);
            let command = domain::object::Command::Amend { target, change: change.clone(), now };
            let events = domain::object::decide(&state, command)?;
            let events = planned_object(rows, tenant, &decided, &decided_key, events)?;
            Ok(Unit { events, changes: Changes::default() })
        });
        let rows = situation::object_rows(tenant, found.id, &key);
        let recorded = match self.run(Request::of(caller).loading(rows), decide).await {
            Err(_) if overtaken.load(Ordering::Relaxed) => return Ok(None),
            recorded => recorded?,
        };
        let position = self.position(tenant, &recorded)?;
        let amended = amended(&recorded).or(version).and_then(|id| found.shown(id));
        Ok(Some(Amended { version: amended, position }))
    }

    /// Whether the caller may bypass governance for a key. Whoever cannot be said to may not.
    pub(crate) fn may_bypass(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        what: (&BucketName, &ObjectKey, Option<VersionId>),
    ) -> bool {
        self.enter_version(snapshot, caller, Action::BypassGovernanceRetention, what).is_ok()
    }

    /// Whether a write may ask for this lock: that takes more than being allowed to write. Asked before any of its bytes are
    /// read, and by the decision again.
    pub(crate) fn check_lock(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        bucket: &Found,
        key: &ObjectKey,
        asked: &LockAsked,
    ) -> Result<(), StoreError> {
        for (is_asked, action) in [
            (asked.retention.is_some(), Action::PutObjectRetention),
            (asked.legal_hold.is_some(), Action::PutObjectLegalHold),
        ] {
            if is_asked {
                let resource = Resource::Object(&bucket.row.name, key);
                let asked = Asked { lock: lock_asked(asked), of_new: true, ..Asked::new(action, resource) };
                self.enter_asked(snapshot, caller, &asked, None)?;
            }
        }
        Ok(situation::bucket_lock(&bucket.row).check(asked, self.judged_now())?)
    }
}

/// What is asked of a lock, in the words of policies.
pub(crate) fn lock_asked(asked: &LockAsked) -> bucket_policy::Lock {
    let mode = asked.retention.map(|retention| retention.mode.as_str());
    let retain_until = asked.retention.map(|retention| retention.until);
    bucket_policy::Lock { mode, retain_until, legal_hold: asked.legal_hold }
}

/// The version that was amended, from the event if there is one.
fn amended(recorded: &Outcome) -> Option<VersionId> {
    let record = recorded.first()?;
    match record.body.as_ref()?.event(&record.header).ok()? {
        Event::ObjectTagsSet(set) => Some(set.version),
        Event::RetentionSet(set) => Some(set.version),
        Event::LegalHoldSet(set) => Some(set.version),
        Event::ObjectAclSet(set) => Some(set.version),
        _ => None,
    }
}
