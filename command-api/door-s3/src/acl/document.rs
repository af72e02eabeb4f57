//! A list as XML: AccessControlPolicy.

use pipeline::{AskedAcl, AskedGrant, AskedGrantee, ListedAcl, SetAcl};
use schemas::acl::{Grant, Grantee, Permission};

use super::{GROUPS, group, malformed};
use crate::errors::Failure;
use crate::names::Names;
use crate::xml::{self, Element, Malformed, Xml};

const PERMISSIONS: [(&str, Permission); 5] = [
    ("READ", Permission::Read),
    ("WRITE", Permission::Write),
    ("READ_ACP", Permission::ReadAcp),
    ("WRITE_ACP", Permission::WriteAcp),
    ("FULL_CONTROL", Permission::FullControl),
];

/// Groups come before users. The order means nothing, but there are clients that look for them there.
pub(super) fn write(listed: &ListedAcl, names: &Names) -> String {
    let (users, groups): (Vec<_>, Vec<_>) =
        listed.acl.grants.iter().partition(|grant| matches!(grant.grantee, Grantee::User(_)));
    Xml::document("AccessControlPolicy", |xml| {
        xml.person("Owner", listed.owner.as_str(), names.get(&listed.owner));
        xml.group("AccessControlList", |xml| {
            for grant in groups.into_iter().chain(users) {
                xml.group("Grant", |xml| write_grant(xml, grant, names));
            }
        });
    })
}

fn write_grant(xml: &mut Xml, grant: &Grant, names: &Names) {
    match &grant.grantee {
        Grantee::User(user) => xml.grantee(user.as_str(), names.get(user)),
        group => {
            let uri = GROUPS.iter().find(|(_, other)| other == group).map_or("", |(uri, _)| uri);
            xml.grantee_group(uri);
        }
    }
    let name = PERMISSIONS.iter().find(|(_, other)| *other == grant.permission).map_or("", |(name, _)| name);
    xml.text("Permission", name);
}

/// # Errors
/// `MalformedACLError`, or a group that there is not.
pub(super) fn read(body: &[u8]) -> Result<SetAcl, Failure> {
    let no_list = |_: Malformed| malformed();
    let root = xml::parse(body, "AccessControlPolicy").map_err(no_list)?;
    let owner = root.child("Owner").map_err(no_list)?.ok_or_else(malformed)?;
    let owner = owner.child_text("ID").map_err(no_list)?.ok_or_else(malformed)?;
    let list = root.child("AccessControlList").map_err(no_list)?.ok_or_else(malformed)?;
    let grants = list.children.iter().map(read_grant).collect::<Result<_, Failure>>()?;
    Ok(SetAcl { acl: AskedAcl::Grants(grants), owner: Some(owner.trim().to_owned()) })
}

fn read_grant(element: &Element) -> Result<AskedGrant, Failure> {
    let no_list = |_: Malformed| malformed();
    if element.name != "Grant" {
        return Err(malformed());
    }
    let grantee = element.child("Grantee").map_err(no_list)?.ok_or_else(malformed)?;
    let said = |name| Ok::<_, Failure>(grantee.child_text(name).map_err(no_list)?.map(|text| text.trim().to_owned()));
    let grantee = match (said("ID")?, said("EmailAddress")?, said("URI")?) {
        (Some(id), None, None) => AskedGrantee::Id(id),
        (None, Some(address), None) => AskedGrantee::Email(address),
        (None, None, Some(uri)) => AskedGrantee::Group(group(&uri)?),
        _ => return Err(malformed()),
    };
    let permission = element.child_text("Permission").map_err(no_list)?.ok_or_else(malformed)?.trim();
    let permission = PERMISSIONS.iter().find(|(name, _)| *name == permission).map(|(_, permission)| *permission);
    Ok(AskedGrant { grantee, permission: permission.ok_or_else(malformed)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::UserId;
    use schemas::acl::Acl;

    use super::*;
    use crate::testing;

    fn listed(grants: Vec<Grant>) -> ListedAcl {
        ListedAcl { owner: testing::caller().user(), acl: Acl { grants }, version: None }
    }

    fn user(id: &str) -> Grantee {
        Grantee::User(UserId::parse(id).expect("a user"))
    }

    #[test]
    fn lists() {
        let grant = |grantee, permission| Grant { grantee, permission };
        let every = listed(vec![
            grant(user("main"), Permission::FullControl),
            grant(user("gone"), Permission::Write),
            grant(Grantee::AllUsers, Permission::Read),
            grant(Grantee::AuthenticatedUsers, Permission::WriteAcp),
            grant(Grantee::LogDelivery, Permission::ReadAcp),
        ]);
        insta::assert_snapshot!(write(&every, &testing::names()));
        insta::assert_snapshot!(write(&listed(vec![]), &testing::names()));
    }

    fn asked(inner: &str) -> Result<SetAcl, &'static str> {
        let body = format!("<AccessControlPolicy>{inner}</AccessControlPolicy>");
        read(body.as_bytes()).map_err(|failure| failure.describe().code)
    }

    fn granting(inner: &str) -> Result<SetAcl, &'static str> {
        asked(&format!("<Owner><ID>main</ID></Owner><AccessControlList>{inner}</AccessControlList>"))
    }

    #[test]
    fn what_a_body_asks_for() {
        let body = "<Grant><Grantee xmlns:xsi=\"x\" xsi:type=\"AmazonCustomerByEmail\"><EmailAddress> a@b \
                    </EmailAddress></Grantee><Permission>READ</Permission></Grant>\
                    <Grant><Grantee><URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>\
                    <Permission> READ_ACP </Permission></Grant>";
        let set = granting(body).expect("a list");
        assert_eq!(set.owner.as_deref(), Some("main"));
        let expected = [
            AskedGrant { grantee: AskedGrantee::Email("a@b".into()), permission: Permission::Read },
            AskedGrant { grantee: AskedGrantee::Group(Grantee::AllUsers), permission: Permission::ReadAcp },
        ];
        assert_eq!(set.acl, AskedAcl::Grants(expected.into()));
        assert_eq!(granting("").expect("a list").acl, AskedAcl::Grants(vec![]));
    }

    #[test]
    fn what_is_no_list() {
        let grant = |grantee: &str, permission: &str| {
            format!("<Grant><Grantee>{grantee}</Grantee><Permission>{permission}</Permission></Grant>")
        };
        for (inner, code) in [
            (grant("<ID>x</ID>", "READ_ALL"), "MalformedACLError"),
            (grant("<ID>x</ID>", ""), "MalformedACLError"),
            (grant("", "READ"), "MalformedACLError"),
            (grant("<ID>x</ID><URI>y</URI>", "READ"), "MalformedACLError"),
            (grant("<URI>http://acs.amazonaws.com/groups/global/Nobody</URI>", "READ"), "InvalidArgument"),
            ("<Grant><Permission>READ</Permission></Grant>".to_owned(), "MalformedACLError"),
            ("<Grants/>".to_owned(), "MalformedACLError"),
        ] {
            assert_eq!(granting(&inner), Err(code), "{inner}");
        }
        for inner in ["", "<Owner><ID>x</ID></Owner>", "<AccessControlList/>", "<Owner/><AccessControlList/>"] {
            assert_eq!(asked(inner), Err("MalformedACLError"), "{inner}");
        }
        assert_eq!(read(b"nonsense").map_err(|failure| failure.describe().code), Err("MalformedACLError"));
    }

    fn grantee() -> impl Strategy<Value = Grantee> {
        prop_oneof![
            "[a-z][a-z0-9.]{0,20}".prop_map(|id| user(&id)),
            Just(Grantee::AllUsers),
            Just(Grantee::AuthenticatedUsers),
            Just(Grantee::LogDelivery),
        ]
    }

    fn any_grant() -> impl Strategy<Value = Grant> {
        let permission = prop::sample::select(PERMISSIONS.map(|(_, permission)| permission).to_vec());
        (grantee(), permission).prop_map(|(grantee, permission)| Grant { grantee, permission })
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_set_again(grants in prop::collection::vec(any_grant(), 0..20)) {
            let shown = listed(grants.clone());
            let set = read(write(&shown, &testing::names()).as_bytes());
            let set = set.map_err(|failure| TestCaseError::fail(failure.describe().code))?;
            prop_assert_eq!(set.owner.as_deref(), Some(shown.owner.as_str()));
            let AskedAcl::Grants(asked) = set.acl else { panic!("grants") };
            let back = asked.into_iter().map(|grant| {
                let grantee = match grant.grantee {
                    AskedGrantee::Id(id) => user(&id),
                    AskedGrantee::Group(group) => group,
                    AskedGrantee::Email(_) => panic!("no address was written"),
                };
                Grant { grantee, permission: grant.permission }
            });
            let is_user = |grant: &Grant| matches!(grant.grantee, Grantee::User(_));
            let mut expected = grants;
            expected.sort_by_key(is_user);
            prop_assert_eq!(back.collect::<Vec<_>>(), expected);
        }
    }
}
