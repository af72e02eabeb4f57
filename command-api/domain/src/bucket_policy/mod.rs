//! Bucket policies: AWS's policy language, as far as it can be about a bucket of this server.
//!
//! Owns: reading a policy and refusing what would be without effect; what it says to a request; whether it is public.
//! Does not own: what else grants or denies (`access`), keeping the text, the facts of a request.
//! Invariant: a deny that matches wins over everything else in the policy; what is not understood is refused when it is set,
//! never skipped when it is asked.

mod condition;
mod json;
mod key;
mod parse;
mod pattern;
mod principal;
mod request;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use schemas::action::Action;

use crate::Refusal;
use crate::policy::Resource;
use condition::Condition;
use pattern::Pattern;
use principal::Principals;
pub use request::{
    Asked, Circumstances, LOGGING, Lock, Request, Requester, Said, Signature, SignaturePlace, SignatureVersion,
    Silence, Tenant,
};

/// Most bytes of a policy, as in S3.
pub const TEXT_BYTES_MAX: usize = 20 * 1024;

/// A policy that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// What a policy says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No, whatever else says yes.
    ExplicitDeny,
    /// Yes.
    Allow,
    /// Nothing.
    Silent,
}

/// Why a text is no policy of the bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// For the client.
    pub reason: String,
}

impl Malformed {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Refusal::MalformedPolicy { reason: malformed.reason }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Statement {
    effect: Effect,
    principals: Principals,
    actions: BTreeSet<Action>,
    resources: Resources,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Resources {
    Only(Vec<Pattern>),
    AllBut(Vec<Pattern>),
}

impl Policy {
    /// What it says to a request.
    #[must_use]
    pub fn evaluate(&self, request: &Request<'_>) -> Verdict {
        let Some(resource) = resource(request.asked.resource) else { return Verdict::Silent };
        let says = |effect| {
            let mut statements = self.statements.iter().filter(|statement| statement.effect == effect);
            statements.any(|statement| statement.matches(request, &resource))
        };
        if says(Effect::Deny) {
            Verdict::ExplicitDeny
        } else if says(Effect::Allow) {
            Verdict::Allow
        } else {
            Verdict::Silent
        }
    }

    /// Whether what it says to an action depends on the tags that the object has already.
    #[must_use]
    pub fn reads_tags(&self, action: Action) -> bool {
        let of_action = self.statements.iter().filter(|statement| statement.actions.contains(&action));
        of_action.flat_map(|statement| &statement.conditions).any(Condition::reads_tags)
    }

    /// Whether it allows something to people whom it does not name, from anywhere: what AWS calls public. Conditions count that
    /// leave fixed addresses, principals or sources; denials do not.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(|statement| {
            statement.effect == Effect::Allow
                && statement.principals.are_public()
                && !statement.conditions.iter().any(Condition::narrows)
        })
    }
}

impl Statement {
    fn matches(&self, request: &Request<'_>, resource: &str) -> bool {
        self.actions.contains(&request.asked.action)
            && self.principals.include(request)
            && self.resources.include(request, resource)
            && self.conditions.iter().all(|condition| condition.holds(request))
    }
}

impl Resources {
    fn include(&self, request: &Request<'_>, resource: &str) -> bool {
        let any = |patterns: &[Pattern]| {
            patterns.iter().any(|pattern| pattern.matches(resource, &|key| key.variable(request)))
        };
        match self {
            Resources::Only(patterns) => any(patterns),
            Resources::AllBut(patterns) => !any(patterns),
        }
    }
}

/// As ARNs name it, after their beginning. The tenant as a whole has no policy.
fn resource(resource: Resource<'_>) -> Option<String> {
    match resource {
        Resource::Tenant => None,
        Resource::Bucket(bucket) | Resource::Prefix(bucket, _) => Some(bucket.to_string()),
        Resource::Object(bucket, key) => Some(format!("{bucket}/{key}")),
    }
}
