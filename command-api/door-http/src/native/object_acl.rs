//! `/buckets/{bucket}/object-acl/{key...}`: who else may do something to an object, where ACLs are on.
//!
//! Owns: the JSON of a list. Does not own: which lists may be set and what they grant (domain).

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::{AskedAcl, AskedGrant, AskedGrantee, CannedAcl, ListedAcl, SetAcl};
use schemas::acl::{Grantee, Permission};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const PATH: &str = "/buckets/{bucket}/object-acl/{key...}";
const TAG: &str = "objects";

const PERMISSIONS: [(&str, Permission); 5] = [
    ("READ", Permission::Read),
    ("WRITE", Permission::Write),
    ("READ_ACP", Permission::ReadAcp),
    ("WRITE_ACP", Permission::WriteAcp),
    ("FULL_CONTROL", Permission::FullControl),
];

const GROUPS: [(&str, Grantee); 3] = [
    ("AllUsers", Grantee::AllUsers),
    ("AuthenticatedUsers", Grantee::AuthenticatedUsers),
    ("LogDelivery", Grantee::LogDelivery),
];

pub(super) fn operations() -> Vec<Entry> {
    let version = |operation: Operation| {
        operation.query("versionId", json!({ "type": "string" }), "A version; the current one if none is said.")
    };
    let get = Operation::new(Method::GET, PATH, "getObjectAcl", TAG, "Get an object's access control list")
        .about("While ACLs are off, which they are unless the bucket says otherwise, its owner has full control and nobody else \
                anything.")
        .answers::<ObjectAcl>(200, "The list.")
        .refuses(&[404, 405]);
    let put = Operation::new(Method::PUT, PATH, "setObjectAcl", TAG, "Set an object's access control list")
        .about("By the name of a list (`acl`) or grant by grant (`grants`). 400 while ACLs are off, unless the list says what holds \
                then anyway.")
        .takes::<NewObjectAcl>()
        .answers::<ObjectAcl>(200, "The list as it is now.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[404, 405, 413]);
    vec![entry(version(get), self::get), entry(version(put), self::put)]
}

/// An access control list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectAcl {
    /// Who owns the object.
    owner: AclOwner,
    /// What is granted to whom.
    grants: Vec<AclGrant>,
    /// Of which version; none in a bucket that was never versioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
}

/// Who owns an object.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AclOwner {
    /// The user.
    id: String,
    /// The user's name for people; not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
}

/// One permission for one grantee.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AclGrant {
    /// Who: one of `id`, `emailAddress` and `group`.
    grantee: AclGrantee,
    /// `READ`, `WRITE`, `READ_ACP`, `WRITE_ACP` or `FULL_CONTROL`.
    permission: String,
}

/// Whom a grant is for.
#[derive(Serialize, Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AclGrantee {
    /// A user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The user's name for people; not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// The user of a mail address; never shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email_address: Option<String>,
    /// `AllUsers`, `AuthenticatedUsers` or `LogDelivery`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
}

/// A list to set: `acl` or `grants`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewObjectAcl {
    /// A list by its name: `private`, `public-read`, `bucket-owner-full-control`, ...
    acl: Option<String>,
    /// A list grant by grant.
    grants: Option<Vec<AclGrant>>,
    /// Who owns the object. It is not changed by it: another owner than the object has is refused.
    owner: Option<AclOwner>,
    /// As a list that was read has it; not read.
    #[expect(dead_code, reason = "what was read can be sent back")]
    version_id: Option<String>,
}

fn asked(new: NewObjectAcl) -> Result<SetAcl, Problem> {
    let acl = match (new.acl, new.grants) {
        (Some(name), None) => AskedAcl::Canned(
            CannedAcl::parse(&name).ok_or_else(|| Problem::invalid("there is no list of the name in `acl`"))?,
        ),
        (None, Some(grants)) => AskedAcl::Grants(grants.into_iter().map(grant).collect::<Result<_, _>>()?),
        _ => return Err(Problem::invalid("a list is set by `acl` or by `grants`")),
    };
    Ok(SetAcl { acl, owner: new.owner.map(|owner| owner.id) })
}

fn grant(AclGrant { grantee, permission }: AclGrant) -> Result<AskedGrant, Problem> {
    let grantee = match (grantee.id, grantee.email_address, grantee.group) {
        (Some(id), None, None) => AskedGrantee::Id(id),
        (None, Some(address), None) => AskedGrantee::Email(address),
        (None, None, Some(name)) => {
            let group = GROUPS.into_iter().find(|(other, _)| *other == name).map(|(_, group)| group);
            AskedGrantee::Group(group.ok_or_else(|| Problem::invalid("there is no such group of grantees"))?)
        }
        _ => return Err(Problem::invalid("a grantee has one of `id`, `emailAddress` and `group`")),
    };
    let found = PERMISSIONS.into_iter().find(|(name, _)| *name == permission).map(|(_, permission)| permission);
    let permission = found.ok_or_else(|| Problem::invalid("a grant is of one of the five permissions"))?;
    Ok(AskedGrant { grantee, permission })
}

fn shown(app: &App, ask: &Ask, listed: ListedAcl) -> Result<ObjectAcl, Problem> {
    let users = listed.acl.grants.iter().filter_map(|grant| match &grant.grantee {
        Grantee::User(user) => Some(user),
        _ => None,
    });
    let names = app.store.display_names(ask.caller()?, users.chain([&listed.owner]))?;
    let grants = listed.acl.grants.iter().map(|grant| {
        let grantee = match &grant.grantee {
            Grantee::User(user) => AclGrantee {
                id: Some(user.to_string()),
                display_name: names.get(user).cloned(),
                ..AclGrantee::default()
            },
            other => {
                let name = GROUPS.iter().find(|(_, group)| group == other).map(|(name, _)| (*name).to_owned());
                AclGrantee { group: name, ..AclGrantee::default() }
            }
        };
        let name = PERMISSIONS.iter().find(|(_, other)| *other == grant.permission).map_or("", |(name, _)| name);
        AclGrant { grantee, permission: name.to_owned() }
    });
    let grants = grants.collect();
    let owner = AclOwner { display_name: names.get(&listed.owner).cloned(), id: listed.owner.to_string() };
    Ok(ObjectAcl { owner, grants, version_id: listed.version.map(|version| version.to_string()) })
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let listed = app.store.object_acl(ask.caller()?, ask.object_version()?).await?;
    Ok(answer::json(StatusCode::OK, &shown(&app, &ask, listed)?))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let object = ask.object_version()?;
    let set = asked(ask.json().await?)?;
    let amended = app.store.put_object_acl(ask.caller()?, object.clone(), set).await?;
    // The version that was changed, which need not be the current one any more.
    let version = amended.version.or(object.version);
    let listed = app.store.object_acl(ask.caller()?, pipeline::ObjectVersion { version, ..object }).await?;
    let mut response = answer::json(StatusCode::OK, &shown(&app, &ask, listed)?);
    answer::position(response.headers_mut(), amended.position);
    Ok(response)
}
