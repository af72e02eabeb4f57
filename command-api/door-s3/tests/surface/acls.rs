//! Access control lists and ownership, from setting them to whom they let in.

use crate::kit::{ALT, Door, MAIN, READER};

const DENIED: (u16, &str) = (403, "AccessDenied");
const NO_ACLS: (u16, &str) = (400, "AccessControlListNotSupported");
const OWNER_ONLY: &str = "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>mainuser</ID>\
                          <DisplayName>Main User</DisplayName></Owner><AccessControlList><Grant><Grantee \
                          xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
                          <ID>mainuser</ID><DisplayName>Main User</DisplayName></Grantee>\
                          <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>";

fn named(acl: &str) -> [(&str, &str); 1] {
    [("x-amz-acl", acl)]
}

/// A list of main's with one more grant than its own.
fn granting(grantee: &str, permission: &str) -> String {
    let more = format!("<Grant><Grantee>{grantee}</Grantee><Permission>{permission}</Permission></Grant>");
    OWNER_ONLY.replace("</AccessControlList>", &format!("{more}</AccessControlList>"))
}

/// What may be done: read the bucket, write to it, read its list, change it; read the object.
async fn may(door: &Door, user: &str) -> String {
    let mut may = String::new();
    for (letter, line) in [
        ('r', "GET /bucket"),
        ('w', "PUT /bucket/new"),
        ('l', "GET /bucket?acl"),
        ('c', "PUT /bucket?acl"),
        ('o', "GET /bucket/key"),
    ] {
        // A list for nobody there is fails once it is known who may set one: nothing is changed by asking.
        let headers = [("x-amz-grant-read", "id=nobody")];
        let headers = if letter == 'c' { &headers[..] } else { &[] };
        let answer = door.ask(user, line, headers, "").await;
        let allowed = answer.error() != DENIED;
        assert!(!allowed || letter == 'c' || answer.status == 200, "{user} {line}: {answer:?}");
        may.push(if allowed { letter } else { '-' });
    }
    may
}

async fn house() -> Door {
    let door = Door::open_to_the_public().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &[], "x").await;
    door
}

#[tokio::test]
async fn where_acls_are_off_a_list_is_the_owners_alone_and_cannot_be_set() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &named("bucket-owner-full-control"), "x").await;
    for address in ["/bucket", "/bucket/key"] {
        for user in [MAIN, ALT] {
            let acl = door.ask(user, &format!("GET {address}?acl"), &[], "").await;
            assert!(acl.body.ends_with(OWNER_ONLY), "{acl:?}");
        }
        let put = format!("PUT {address}?acl");
        for (headers, body, expected) in [
            (&[("x-amz-acl", "private")][..], "", (200, "")),
            (&[("x-amz-acl", "public-read")], "", NO_ACLS),
            (&[("x-amz-grant-read", "id=altuser")], "", NO_ACLS),
            (&[], OWNER_ONLY, NO_ACLS),
            (&[("x-amz-acl", "public-ready")], "", (400, "InvalidArgument")),
        ] {
            assert_eq!(door.ask(MAIN, &put, headers, body).await.error(), expected, "{put} {headers:?}");
        }
        let stranger = door.ask(READER, &put, &named("private"), "").await;
        assert_eq!(stranger.error(), DENIED);
    }
    door.done("PUT /bucket/private", &named("private"), "x").await;
    let copy = [("x-amz-copy-source", "/bucket/key"), ("x-amz-acl", "public-read")];
    for (line, headers) in [
        ("PUT /bucket/other", &named("authenticated-read")[..]),
        ("PUT /bucket/other", &copy),
        ("POST /bucket/other?uploads", &named("public-read")),
    ] {
        assert_eq!(door.ask(MAIN, line, headers, "").await.error(), NO_ACLS, "{line}");
    }
    for line in ["GET /none?acl", "GET /bucket/none?acl"] {
        assert_eq!(door.ask(MAIN, line, &[], "").await.status, 404, "{line}");
    }
    assert_eq!(door.ask(READER, "GET /bucket?acl", &[], "").await.error(), DENIED);
    let created = door.ask(MAIN, "PUT /public", &named("public-read"), "").await;
    assert_eq!(created.error(), (400, "InvalidBucketAclWithObjectOwnership"));
    let with_acls = [("x-amz-acl", "public-read"), ("x-amz-object-ownership", "ObjectWriter")];
    let created = door.ask(MAIN, "PUT /public", &with_acls, "").await;
    assert_eq!(created.error(), (400, "InvalidBucketAclWithBlockPublicAccessError"));
}

#[tokio::test]
async fn with_acls_on_each_user_needs_a_grant() {
    let door = house().await;
    assert_eq!((may(&door, MAIN).await.as_str(), may(&door, ALT).await.as_str()), ("rwlco", "-----"));
    for (permission, expected) in [
        ("READ", "r----"),
        ("WRITE", "-w---"),
        ("READ_ACP", "--l--"),
        ("WRITE_ACP", "---c-"),
        ("FULL_CONTROL", "rwlc-"),
    ] {
        for grantee in ["<ID>altuser</ID>", "<EmailAddress>altuser@example.org</EmailAddress>"] {
            door.done("PUT /bucket?acl", &[], &granting(grantee, permission)).await;
            assert_eq!(may(&door, ALT).await, expected, "{permission} {grantee}");
        }
        assert_eq!(may(&door, MAIN).await, "rwlco");
    }
    door.done("PUT /bucket?acl", &named("private"), "").await;
    door.done("PUT /bucket/key?acl", &[("x-amz-grant-read", "id=altuser")], "").await;
    assert_eq!(may(&door, ALT).await, "----o");
    // With its list in its own words, an owner may give itself away and take itself back.
    door.done("PUT /bucket/key?acl", &[], &OWNER_ONLY.replace("FULL_CONTROL", "READ_ACP")).await;
    assert_eq!(door.ask(MAIN, "GET /bucket/key", &[], "").await.error(), DENIED);
    door.done("PUT /bucket/key?acl", &named("private"), "").await;
    door.done("GET /bucket/key", &[], "").await;
}

#[tokio::test]
async fn everybody_reads_what_is_public_unless_that_is_ignored() {
    let door = house().await;
    let read = async || door.ask_unsigned("GET /bucket/key", &[], "").await.error().0;
    assert_eq!(read().await, 403);
    door.done("PUT /bucket/key?acl", &named("public-read"), "").await;
    assert_eq!(read().await, 200);
    door.done("PUT /bucket?acl", &named("authenticated-read"), "").await;
    assert_eq!(door.ask_unsigned("GET /bucket", &[], "").await.error(), DENIED);
    assert_eq!(door.ask(ALT, "GET /bucket", &[], "").await.status, 200);
    assert_eq!(door.done("GET /bucket?policyStatus", &[], "").await.element("IsPublic"), Some("true"));
    let block =
        |name: &str| format!("<PublicAccessBlockConfiguration><{name}>true</{name}></PublicAccessBlockConfiguration>");
    door.done("PUT /bucket?publicAccessBlock", &[], &block("BlockPublicAcls")).await;
    assert_eq!(read().await, 200, "what is set stays");
    for (line, headers) in [
        ("PUT /bucket?acl", &named("public-read")[..]),
        ("PUT /bucket/key?acl", &[("x-amz-grant-read", "uri=http://acs.amazonaws.com/groups/global/AllUsers")]),
        ("PUT /bucket/new", &named("public-read-write")),
        ("POST /bucket/new?uploads", &named("authenticated-read")),
        ("PUT /bucket/new", &[("x-amz-copy-source", "/bucket/key"), ("x-amz-acl", "public-read")]),
    ] {
        assert_eq!(door.ask(MAIN, line, headers, "").await.error(), DENIED, "{line} {headers:?}");
    }
    door.done("PUT /bucket?publicAccessBlock", &[], &block("IgnorePublicAcls")).await;
    assert_eq!(read().await, 403);
    assert_eq!(door.ask(ALT, "GET /bucket", &[], "").await.error(), DENIED);
    assert_eq!(door.done("GET /bucket?policyStatus", &[], "").await.element("IsPublic"), Some("false"));

    // Where nobody is let in without a credential, nothing public is either.
    let door = Door::open().await;
    door.done("PUT /bucket", &[("x-amz-object-ownership", "ObjectWriter")], "").await;
    door.done("DELETE /bucket?publicAccessBlock", &[], "").await;
    door.done("PUT /bucket/key", &named("public-read"), "x").await;
    assert_eq!(door.ask_unsigned("GET /bucket/key", &[], "").await.error(), DENIED);
    assert_eq!(door.ask(ALT, "GET /bucket/key", &[], "").await.status, 200);
}

#[tokio::test]
async fn whoever_uploads_owns_it_as_the_bucket_says() {
    let door = house().await;
    door.done("PUT /bucket?acl", &named("public-read-write"), "").await;
    let copy = [("x-amz-copy-source", "/bucket/open")];
    door.done("PUT /bucket/open", &named("public-read"), "x").await;
    let owner = async |key: &str| {
        let listed = door.done("GET /bucket?list-type=2&fetch-owner=true&prefix=up/", &[], "").await;
        let at = listed.body.find(&format!("<Key>{key}</Key>")).unwrap_or_else(|| panic!("{key} in {listed:?}"));
        let owner = listed.body[at..].split_once("<ID>").and_then(|(_, rest)| rest.split_once("</ID>"));
        owner.expect("an owner").0.to_owned()
    };
    let full = named("bucket-owner-full-control");
    for (ownership, plain, full_control) in
        [("ObjectWriter", "altuser", "altuser"), ("BucketOwnerPreferred", "altuser", "mainuser")]
    {
        let rule = format!(
            "<OwnershipControls><Rule><ObjectOwnership>{ownership}</ObjectOwnership></Rule></OwnershipControls>"
        );
        door.done("PUT /bucket?ownershipControls", &[], &rule).await;
        let shown = door.done("GET /bucket?ownershipControls", &[], "").await;
        assert_eq!(shown.element("ObjectOwnership"), Some(ownership));
        door.ask(ALT, "PUT /bucket/up/plain", &[], "x").await;
        door.ask(ALT, "PUT /bucket/up/full", &full, "x").await;
        door.ask(ALT, "PUT /bucket/up/copy", &copy, "").await;
        assert_eq!(owner("up/plain").await, plain, "{ownership}");
        assert_eq!(owner("up/full").await, full_control, "{ownership}");
        assert_eq!(owner("up/copy").await, plain, "{ownership}: the source's list is not copied");
        assert_eq!(door.ask(MAIN, "GET /bucket/up/copy", &[], "").await.error(), DENIED);
        let begun = door.ask(ALT, "POST /bucket/up/parts?uploads", &full, "").await;
        let upload = begun.element("UploadId").expect("an upload");
        let parts = door.ask(ALT, &format!("GET /bucket/up/parts?uploadId={upload}"), &[], "").await;
        assert!(parts.body.contains(&format!("<Owner><ID>{full_control}</ID>")), "{parts:?}");
    }
    // Anybody may write here, and owns what it writes like anybody.
    assert_eq!(door.ask_unsigned("PUT /bucket/up/nobody", &[], "x").await.status, 200);
    assert_eq!(owner("up/nobody").await, "anonymous");
}

#[tokio::test]
async fn acls_are_turned_off_and_on_again() {
    let door = house().await;
    let enforced =
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
    let put = "PUT /bucket?ownershipControls";
    let none = (404, "OwnershipControlsNotFoundError");
    assert_eq!(door.ask(MAIN, "GET /bucket?ownershipControls", &[], "").await.error(), none);
    door.done("PUT /bucket?acl", &named("public-read-write"), "").await;
    door.ask(ALT, "PUT /bucket/alt", &[], "x").await;
    let granting = door.ask(MAIN, put, &[], enforced).await;
    assert_eq!(granting.error(), (400, "InvalidBucketAclWithObjectOwnership"));
    door.done("PUT /bucket?acl", &named("private"), "").await;
    assert_eq!(door.ask(ALT, put, &[], enforced).await.error(), DENIED);
    door.done(put, &[], enforced).await;
    // The tenant is the account now: its users act by their scopes, and what others uploaded is the bucket owner's.
    assert_eq!(may(&door, ALT).await, "rwlco");
    assert!(door.done("GET /bucket/alt?acl", &[], "").await.body.ends_with(OWNER_ONLY));
    assert_eq!(door.ask(READER, "GET /bucket/key", &[], "").await.error(), DENIED);
    assert_eq!(door.done("DELETE /bucket?ownershipControls", &[], "").await.status, 204);
    assert_eq!(door.ask(MAIN, "GET /bucket?ownershipControls", &[], "").await.error(), none);
    assert_eq!(may(&door, ALT).await, "-----");
    assert!(door.ask(ALT, "GET /bucket/alt?acl", &[], "").await.body.contains("<Owner><ID>altuser</ID>"));
}

#[tokio::test]
async fn what_no_list_can_say_is_refused() {
    let door = house().await;
    for (headers, body, expected) in [
        (&[][..], String::new(), (400, "MissingSecurityHeader")),
        (&named("private"), OWNER_ONLY.to_owned(), (400, "UnexpectedContent")),
        (&[("x-amz-acl", "private"), ("x-amz-grant-read", "id=altuser")], String::new(), (400, "InvalidRequest")),
        (&[("x-amz-grant-read", "id=nobody")], String::new(), (400, "InvalidArgument")),
        (&[], "<AccessControlPolicy/>".to_owned(), (400, "MalformedACLError")),
        (&[], granting("<ID>nobody</ID>", "READ"), (400, "InvalidArgument")),
        (&[], granting("<ID>no such id</ID>", "READ"), (400, "InvalidArgument")),
        (&[], granting("<EmailAddress>no@body</EmailAddress>", "READ"), (400, "UnresolvableGrantByEmailAddress")),
        (&[], granting("<ID>altuser</ID>", "EVERYTHING"), (400, "MalformedACLError")),
        (&[], OWNER_ONLY.replacen("mainuser", "altuser", 1), DENIED),
    ] {
        for address in ["/bucket", "/bucket/key"] {
            let answer = door.ask(MAIN, &format!("PUT {address}?acl"), headers, &body).await;
            assert_eq!(answer.error(), expected, "{address} {headers:?} {body}");
        }
    }
    let acl = door.done("GET /bucket?acl", &[], "").await;
    assert!(acl.body.ends_with(OWNER_ONLY), "{acl:?}");
}

#[tokio::test]
async fn each_version_has_a_list_of_its_own() {
    let door = house().await;
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    door.done("PUT /bucket?versioning", &[], enabled).await;
    let put = async |headers: &[(&str, &str)]| {
        let answer = door.done("PUT /bucket/key", headers, "y").await;
        answer.header("x-amz-version-id").expect("a version").to_owned()
    };
    let (public, private) = (put(&named("public-read")).await, put(&[]).await);
    let read =
        async |version: &str| door.ask_unsigned(&format!("GET /bucket/key?versionId={version}"), &[], "").await.status;
    assert_eq!((read(&public).await, read(&private).await), (200, 403));
    let set = door.done(&format!("PUT /bucket/key?acl&versionId={public}"), &named("private"), "").await;
    assert_eq!(set.header("x-amz-version-id"), Some(public.as_str()));
    door.done("PUT /bucket/key?acl", &named("public-read"), "").await;
    assert_eq!((read(&public).await, read(&private).await), (403, 200));
    let none = door.ask(MAIN, "PUT /bucket/none?acl", &named("private"), "").await;
    assert_eq!(none.error(), (404, "NoSuchKey"));
}

#[tokio::test]
async fn a_bucket_of_another_user_is_taken_and_shown_to_its_owner_alone() {
    let door = house().await;
    assert_eq!(door.ask(ALT, "PUT /bucket", &[], "").await.error(), (409, "BucketAlreadyExists"));
    assert_eq!(door.ask(MAIN, "PUT /bucket", &named("public-read"), "").await.error(), (409, "BucketAlreadyExists"));
    door.ask(ALT, "PUT /shared", &[("x-amz-object-ownership", "BucketOwnerEnforced")], "").await;
    let buckets = |answer: crate::kit::Answer| {
        ["bucket", "shared"].map(|name| answer.body.contains(&format!("<Name>{name}</Name>")))
    };
    assert_eq!(buckets(door.ask(MAIN, "GET /", &[], "").await), [true, true]);
    assert_eq!(buckets(door.ask(ALT, "GET /", &[], "").await), [false, true]);
    assert_eq!(buckets(door.ask_unsigned("GET /", &[], "").await), [false, false]);
}

#[tokio::test]
async fn a_bucket_is_whose_the_client_expects_it_to_be() {
    let door = house().await;
    door.done("PUT /bucket/key?acl", &named("public-read"), "").await;
    for (expected, status) in [("mainuser", 200), ("altuser", 403)] {
        let headers = [("x-amz-expected-bucket-owner", expected)];
        for user in [MAIN, ALT] {
            assert_eq!(door.ask(user, "GET /bucket/key", &headers, "").await.status, status, "{user} {expected}");
        }
    }
}
