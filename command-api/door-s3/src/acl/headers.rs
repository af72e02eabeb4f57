//! A list as headers: `x-amz-acl`, or `x-amz-grant-*`.

use http::HeaderMap;
use pipeline::{AskedAcl, AskedGrant, AskedGrantee, CannedAcl};
use schemas::acl::Permission;

use super::group;
use crate::errors::DoorError;
use crate::headers::text_of;

const CANNED: &str = "x-amz-acl";
const GRANTS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];

/// The list that the headers ask for, if they do.
///
/// # Errors
/// A list that there is not, grantees that are none, or both kinds of headers.
pub(crate) fn asked_acl(headers: &HeaderMap) -> Result<Option<AskedAcl>, DoorError> {
    let mut grants = Vec::new();
    let mut granting = false;
    for (name, permission) in GRANTS {
        for value in headers.get_all(name) {
            granting = true;
            let grantees = grantees(name, &crate::headers::text(value))?;
            grants.extend(grantees.into_iter().map(|grantee| AskedGrant { grantee, permission }));
        }
    }
    match text_of(headers, CANNED).filter(|name| !name.is_empty()) {
        Some(_) if granting => {
            Err(DoorError::InvalidRequest { reason: "Specifying both Canned ACLs and Header Grants is not allowed" })
        }
        Some(name) => match CannedAcl::parse(&name) {
            Some(canned) => Ok(Some(AskedAcl::Canned(canned))),
            None => Err(DoorError::InvalidArgument { name: CANNED, reason: "There is no such canned ACL." }),
        },
        None => Ok(granting.then_some(AskedAcl::Grants(grants))),
    }
}

/// `id="x", uri="y", emailAddress="z"`, with quotes or without.
fn grantees(name: &'static str, text: &str) -> Result<Vec<AskedGrantee>, DoorError> {
    let malformed = DoorError::InvalidArgument { name, reason: "Argument format not recognized" };
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (kind, behind) = rest.split_once('=').ok_or(malformed.clone())?;
        let behind = behind.trim_start();
        // What is quoted ends with its quote: a comma in it is no separator.
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => {
                let (value, behind) = quoted.split_once('"').ok_or(malformed.clone())?;
                let behind = behind.trim_start();
                (value, behind.strip_prefix(',').or(behind.is_empty().then_some("")).ok_or(malformed.clone())?)
            }
            None => behind.split_once(',').unwrap_or((behind, "")),
        };
        let value = value.trim().to_owned();
        found.push(match kind.trim().to_ascii_lowercase().as_str() {
            "id" => AskedGrantee::Id(value),
            "uri" => AskedGrantee::Group(group(&value)?),
            "emailaddress" => AskedGrantee::Email(value),
            _ => return Err(malformed),
        });
        rest = behind.trim_start();
    }
    if found.is_empty() { Err(malformed) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use schemas::acl::Grantee;

    use super::*;

    fn asked(pairs: &[(&'static str, &'static str)]) -> Result<Option<AskedAcl>, &'static str> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        asked_acl(&headers).map_err(|error| error.describe().code)
    }

    fn id(id: &str) -> AskedGrantee {
        AskedGrantee::Id(id.to_owned())
    }

    #[test]
    fn a_list_by_its_name() {
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(asked(&[(CANNED, "")]), Ok(None));
        assert_eq!(asked(&[(CANNED, "public-read")]), Ok(Some(AskedAcl::Canned(CannedAcl::PublicRead))));
        assert_eq!(asked(&[(CANNED, "public-ready")]), Err("InvalidArgument"));
        assert_eq!(asked(&[(CANNED, "private"), ("x-amz-grant-read", "id=a")]), Err("InvalidRequest"));
    }

    #[test]
    fn grantees_with_quotes_and_without() {
        let uri = "http://acs.amazonaws.com/groups/global/AllUsers";
        let all = || AskedGrantee::Group(Grantee::AllUsers);
        for (text, expected) in [
            ("id=ann", vec![id("ann")]),
            ("id=\"ann\", id=\"bob\"", vec![id("ann"), id("bob")]),
            ("ID = ann ,emailAddress=\"a,b@c\"", vec![id("ann"), AskedGrantee::Email("a,b@c".into())]),
            (&format!("uri={uri}"), vec![all()]),
            (&format!("uri=\"{uri}\",id=bob"), vec![all(), id("bob")]),
        ] {
            assert_eq!(grantees("x-amz-grant-read", text), Ok(expected), "{text}");
        }
        for text in ["", "ann", "user=ann", "id=\"ann", "id=\"ann\" id=\"bob\"", "uri=http://nobody"] {
            assert!(grantees("x-amz-grant-read", text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_permission_has_its_header() {
        let pairs = GRANTS.map(|(name, _)| (name, "id=ann"));
        let grants = GRANTS.map(|(_, permission)| AskedGrant { grantee: id("ann"), permission });
        assert_eq!(asked(&pairs), Ok(Some(AskedAcl::Grants(grants.into()))));
        let twice = asked(&[("x-amz-grant-read", "id=ann"), ("x-amz-grant-read", "id=bob")]);
        assert!(matches!(twice, Ok(Some(AskedAcl::Grants(grants))) if grants.len() == 2));
    }
}
