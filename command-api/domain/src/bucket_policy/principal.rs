//! Principals: whom a statement is about.
//!
//! Owns: which spellings name whom. Users of the tenant are `arn:aws:iam::<tenant name or id>:user/<user>`, with no account
//! also this tenant's; `...:root` or the bare id of a tenant are all its users; a bare user id is that user.
//! Does not own: whether such a user exists. Users come and go; a policy that names one who is not there grants nothing.

use schemas::UserId;

use super::Malformed;
use super::json::Json;
use super::request::{Request, Requester};

/// Whom a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principals {
    Only(Vec<Principal>),
    AllBut(Vec<Principal>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// With a credential or without.
    Everyone,
    /// Every user of a tenant.
    Account(String),
    /// One user of a tenant.
    User {
        account: String,
        user: String,
    },
    /// A user of the bucket's tenant by the id alone, or every user of a tenant by the tenant's id.
    Bare(UserId),
    Service(String),
}

impl Principals {
    pub(super) fn include(&self, request: &Request<'_>) -> bool {
        match self {
            Principals::Only(principals) => principals.iter().any(|principal| principal.is(request)),
            Principals::AllBut(principals) => !principals.iter().any(|principal| principal.is(request)),
        }
    }

    /// Whether people are among them whom nobody named.
    pub(super) fn are_public(&self) -> bool {
        match self {
            Principals::Only(principals) => principals.contains(&Principal::Everyone),
            Principals::AllBut(_) => true,
        }
    }
}

impl Principal {
    fn is(&self, request: &Request<'_>) -> bool {
        match (self, request.requester) {
            (Principal::Everyone, Requester::Anonymous | Requester::User { .. }) => true,
            (Principal::Account(account), Requester::User { .. }) => request.tenant.is(account),
            (Principal::User { account, user: named }, Requester::User { user, .. }) => {
                named == user.as_str() && request.tenant.is(account)
            }
            (Principal::Bare(id), Requester::User { user, .. }) => {
                id == user || id.as_str() == request.tenant.id.to_string()
            }
            (Principal::Service(service), Requester::Service { name, .. }) => service == name,
            // `*` is people: a service is meant by its name alone, or a policy that opens a bucket would let logs in.
            _ => false,
        }
    }
}

/// The value of `Principal` or `NotPrincipal`.
///
/// # Errors
/// Nobody, or somebody who cannot exist here.
pub(super) fn parse(value: Json) -> Result<Vec<Principal>, Malformed> {
    let kinds = match value {
        Json::Text(text) if text == "*" => return Ok(vec![Principal::Everyone]),
        Json::Object(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(Malformed::new("Invalid principal in policy")),
    };
    let mut principals = Vec::new();
    for (kind, names) in kinds {
        let parse: fn(&str) -> Option<Principal> = match kind.as_str() {
            "AWS" => aws,
            "CanonicalUser" => |name| UserId::parse(name).ok().map(Principal::Bare),
            "Service" => service,
            // Nobody comes to this server by another's identity.
            _ => return Err(Malformed::new(format!("Invalid principal in policy: {kind}"))),
        };
        let names = names.one_or_many();
        if names.is_empty() {
            return Err(Malformed::new("Invalid principal in policy: nobody"));
        }
        for name in names {
            let name = name.text().ok_or_else(|| Malformed::new("Invalid principal in policy"))?;
            let principal = parse(&name);
            principals.push(principal.ok_or_else(|| Malformed::new(format!("Invalid principal in policy: {name}")))?);
        }
    }
    Ok(principals)
}

fn aws(name: &str) -> Option<Principal> {
    if name == "*" {
        return Some(Principal::Everyone);
    }
    let Some(arn) = name.strip_prefix("arn:") else { return UserId::parse(name).ok().map(Principal::Bare) };
    let (account, who) = arn.strip_prefix("aws:iam::")?.split_once(':')?;
    let account = account.to_owned();
    // No wildcards: as in AWS, a part of a principal cannot be left open.
    if account.contains(['*', '?']) || who.contains(['*', '?']) {
        return None;
    }
    match who.strip_prefix("user/") {
        None if who == "root" => Some(Principal::Account(account)),
        Some(user) if UserId::parse(user).is_ok() => Some(Principal::User { account, user: user.to_owned() }),
        // Roles, groups, sessions: there are none.
        _ => None,
    }
}

fn service(name: &str) -> Option<Principal> {
    let host = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (name.contains('.') && name.bytes().all(host)).then(|| Principal::Service(name.to_owned()))
}
