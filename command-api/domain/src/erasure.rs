//! Erasure: ending a bucket or tenant with everything in it, whatever it holds, unless something must be kept.
//!
//! Owns: what is said twice before it happens, that a retention or hold in force forbids it.
//! Does not own: finding what is retained (the rows of a bucket may be any number), carrying it out.
//! Invariant: nothing under a retention or hold that is in force is erased, by anybody.

use schemas::event::{BucketDeleted, Event, TenantDeleted};
use schemas::{BucketId, BucketName, TenantId, TenantName};

use crate::{Refusal, validate};

/// What is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing of that name.
    Absent,
    /// A bucket.
    Bucket {
        /// Its id.
        bucket: BucketId,
        /// Its name.
        name: BucketName,
        /// The rule that forbids it, if there is one.
        kept: Option<String>,
    },
    /// A tenant.
    Tenant {
        /// Its id.
        tenant: TenantId,
        /// Its name.
        name: TenantName,
        /// The rule that forbids it, if there is one.
        kept: Option<String>,
    },
}

/// The wish to erase it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erase {
    /// Why, for whoever reads the certificate.
    pub reason: String,
    /// The name of what is erased, said once more.
    pub confirm: String,
}

/// What ends it for everybody, before its key is destroyed.
///
/// # Errors
/// [`Refusal::NoSuchBucket`], [`Refusal::InvalidRequest`], [`Refusal::InvalidArgument`], [`Refusal::Retained`].
pub fn decide(state: &State, erase: &Erase) -> Result<Vec<Event>, Refusal> {
    let (name, kept) = match state {
        State::Absent => return Err(Refusal::NoSuchBucket),
        State::Bucket { name, kept, .. } => (name.as_str(), kept),
        State::Tenant { name, kept, .. } => (name.as_str(), kept),
    };
    if erase.confirm != name {
        return Err(Refusal::InvalidRequest { reason: "`confirm` must be the name of what is to be erased" });
    }
    if erase.reason.trim().is_empty() {
        return Err(Refusal::InvalidRequest { reason: "a `reason` is needed" });
    }
    if erase.reason.chars().any(char::is_control) {
        return Err(Refusal::InvalidRequest { reason: "a `reason` is one line of text" });
    }
    validate::label(&erase.reason)?;
    if let Some(rule) = kept {
        return Err(Refusal::Retained { rule: rule.clone() });
    }
    Ok(match state {
        State::Absent => vec![],
        State::Bucket { bucket, name, .. } => vec![BucketDeleted { bucket: *bucket, name: name.clone() }.into()],
        State::Tenant { tenant, .. } => {
            vec![TenantDeleted { tenant: *tenant, reason: erase.reason.clone() }.into()]
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(kept: Option<&str>) -> State {
        let name = BucketName::parse("data").expect("a name");
        State::Bucket { bucket: BucketId(5), name, kept: kept.map(str::to_owned) }
    }

    fn erase(reason: &str, confirm: &str) -> Erase {
        Erase { reason: reason.to_owned(), confirm: confirm.to_owned() }
    }

    #[test]
    fn a_bucket_ends_when_its_name_is_said_twice_and_why() {
        let name = BucketName::parse("data").expect("a name");
        let ended: Event = BucketDeleted { bucket: BucketId(5), name }.into();
        assert_eq!(decide(&bucket(None), &erase("asked for", "data")), Ok(vec![ended]));
        for wrong in [
            erase("asked for", "dat"),
            erase("asked for", ""),
            erase(" ", "data"),
            erase("a\nb", "data"),
            erase(&"x".repeat(600), "data"),
        ] {
            let refused = decide(&bucket(None), &wrong).expect_err("refused");
            assert!(matches!(refused, Refusal::InvalidRequest { .. } | Refusal::InvalidArgument { .. }), "{refused:?}");
        }
        assert_eq!(decide(&State::Absent, &erase("asked for", "data")), Err(Refusal::NoSuchBucket));
    }

    #[test]
    fn what_is_kept_is_not_erased_whoever_asks() {
        let refused = Refusal::Retained { rule: "held".to_owned() };
        assert_eq!(decide(&bucket(Some("held")), &erase("asked for", "data")), Err(refused.clone()));
        let name = TenantName::parse("acme").expect("a name");
        let tenant = |kept: Option<&str>| State::Tenant {
            tenant: TenantId(7),
            name: name.clone(),
            kept: kept.map(str::to_owned),
        };
        assert_eq!(decide(&tenant(Some("held")), &erase("asked for", "acme")), Err(refused));
        let ended: Event = TenantDeleted { tenant: TenantId(7), reason: "asked for".to_owned() }.into();
        assert_eq!(decide(&tenant(None), &erase("asked for", "acme")), Ok(vec![ended]));
    }
}
