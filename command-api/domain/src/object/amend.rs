//! What can be changed of a version that stays: its tags, its list of grants, its retention, its legal hold.
//!
//! Owns: which version is meant, and when a change is none. Does not own: the rules of locks ([`crate::lock`]), bounds of tags.

use std::collections::BTreeMap;

use schemas::Time;
use schemas::acl::Acl;
use schemas::event::{Event, LegalHoldSet, ObjectAclSet, ObjectTagsSet, Retention, RetentionSet};

use super::{State, Version};
use crate::lock::BucketLock;
use crate::{Refusal, read, validate};

/// Which version is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The one that a read without a version id finds.
    Current,
    /// What stands under the version id that the client named.
    Named(Option<Version>),
}

/// What is to be changed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amendment {
    /// All its tags.
    Tags(BTreeMap<String, String>),
    /// Its access control list: from now on, none when only its owner may do anything.
    Acl(Option<Acl>),
    /// Its retention.
    Retention {
        /// From now on; none takes it off.
        retention: Option<Retention>,
        /// Whether the caller asks, and may, to bypass governance.
        bypass_governance: bool,
    },
    /// Its legal hold.
    LegalHold(bool),
}

impl Target {
    fn find<'a>(&'a self, state: &'a State) -> Result<&'a Version, Refusal> {
        match self {
            Self::Current => read::current(state),
            Self::Named(found) => read::named(found.as_ref()),
        }
    }
}

pub(super) fn amend(
    state: &State,
    lock: BucketLock,
    target: &Target,
    change: Amendment,
    now: Time,
) -> Result<Vec<Event>, Refusal> {
    if !matches!(change, Amendment::Tags(_) | Amendment::Acl(_)) {
        lock.required()?;
    }
    let found = target.find(state)?;
    let (version, made_by) = (found.id(), found.made_by);
    match change {
        Amendment::Tags(tags) => {
            validate::tags(&tags)?;
            Ok(vec![ObjectTagsSet { version, made_by, tags }.into()])
        }
        Amendment::Acl(acl) => Ok(vec![ObjectAclSet { version, made_by, acl }.into()]),
        Amendment::Retention { retention, bypass_governance } => {
            let bypass = found.lock.allow_retention(retention, now, bypass_governance)?;
            if retention == found.lock.retention {
                return Ok(vec![]);
            }
            Ok(vec![RetentionSet { version, made_by, retention, bypass }.into()])
        }
        Amendment::LegalHold(on) if on == found.lock.legal_hold => Ok(vec![]),
        Amendment::LegalHold(on) => Ok(vec![LegalHoldSet { version, made_by, on }.into()]),
    }
}
