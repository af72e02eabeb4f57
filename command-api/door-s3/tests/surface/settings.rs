use crate::kit::{ALT, Door, MAIN, READER};

const OWNER_ONLY: &str = "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>mainuser</ID>\
                          <DisplayName>Main User</DisplayName></Owner><AccessControlList><Grant><Grantee \
                          xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">\
                          <ID>mainuser</ID><DisplayName>Main User</DisplayName></Grantee>\
                          <Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>";

#[tokio::test]
async fn an_acl_is_the_owners_alone_and_can_be_set_to_nothing_else() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &[], "x").await;
    for address in ["/bucket", "/bucket/key"] {
        for user in [MAIN, ALT] {
            let acl = door.ask(user, &format!("GET {address}?acl"), &[], "").await;
            assert!(acl.body.ends_with(OWNER_ONLY), "{acl:?}");
        }
        let put = format!("PUT {address}?acl");
        door.done(&put, &[("x-amz-acl", "private")], "").await;
        for (headers, expected) in [
            (&[("x-amz-acl", "public-read")][..], (501, "NotImplemented")),
            (&[("x-amz-acl", "public-ready")], (400, "InvalidArgument")),
            (&[("x-amz-grant-read", "id=altuser")], (501, "NotImplemented")),
            (&[], (501, "NotImplemented")),
        ] {
            assert_eq!(door.ask(MAIN, &put, headers, "").await.error(), expected, "{put} {headers:?}");
        }
        let stranger = door.ask(READER, &put, &[("x-amz-acl", "private")], "").await;
        assert_eq!(stranger.error(), (403, "AccessDenied"));
    }
    for line in ["GET /none?acl", "GET /bucket/none?acl", "GET /none?tagging"] {
        assert_eq!(door.ask(MAIN, line, &[], "").await.status, 404, "{line}");
    }
    assert_eq!(door.ask(READER, "GET /bucket?acl", &[], "").await.error(), (403, "AccessDenied"));
}
