use crate::kit::{Answer, Door, MAIN, READER};

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><ID>pages</ID><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod>\
    <AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>";

async fn door() -> Door {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &[], "x").await;
    door.done("PUT /bucket?cors", &[], RULES).await;
    door
}

fn cors(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    let header = |name| answer.header(name);
    (answer.status, header("access-control-allow-origin"), header("access-control-allow-methods"))
}

#[tokio::test]
async fn rules_are_set_read_and_removed() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let none = (404, "NoSuchCORSConfiguration");
    assert_eq!(door.ask(MAIN, "GET /bucket?cors", &[], "").await.error(), none);
    assert_eq!(door.done("PUT /bucket?cors", &[], RULES).await.status, 200);
    let shown = door.done("GET /bucket?cors", &[], "").await;
    assert_eq!(shown.element("ID"), Some("pages"));
    assert_eq!(door.done("PUT /bucket?cors", &[], &shown.body).await.status, 200, "what is shown can be set");
    assert_eq!(door.done("GET /bucket?cors", &[], "").await.body, shown.body);
    for (user, line, body, expected) in [
        (MAIN, "PUT /bucket?cors", "<CORSConfiguration/>", (400, "MalformedXML")),
        (MAIN, "PUT /bucket?cors", "", (400, "MalformedXML")),
        (MAIN, "PUT /bucket?cors", &RULES.replace("https://*", "*://*"), (400, "InvalidRequest")),
        (MAIN, "PUT /none?cors", RULES, (404, "NoSuchBucket")),
        (READER, "GET /bucket?cors", "", (403, "AccessDenied")),
        (READER, "PUT /bucket?cors", RULES, (403, "AccessDenied")),
        (READER, "DELETE /bucket?cors", "", (403, "AccessDenied")),
    ] {
        assert_eq!(door.ask(user, line, &[], body).await.error(), expected, "{user} {line}");
    }
    assert_eq!(door.done("GET /bucket?cors", &[], "").await.body, shown.body);
    assert_eq!(door.done("DELETE /bucket?cors", &[], "").await.status, 204);
    assert_eq!(door.ask(MAIN, "GET /bucket?cors", &[], "").await.error(), none);
    assert_eq!(door.done("DELETE /bucket?cors", &[], "").await.status, 204);
}

#[tokio::test]
async fn a_preflight_is_answered_to_whoever_names_a_tenant() {
    let door = door().await;
    let page = ("origin", "https://a.example.com");
    let wants = |method| ("access-control-request-method", method);
    let key = "X-Amz-Credential=MAINUSER%2F20240101%2Fus-east-1%2Fs3%2Faws4_request";
    let allowed = (200, Some("https://a.example.com"), Some("GET, PUT"));
    for query in [key, "Expires=1&AWSAccessKeyId=MAINUSER"] {
        let answer = door.ask_bare(&format!("OPTIONS /bucket/key?{query}"), &[page, wants("PUT")]).await;
        assert_eq!(cors(&answer), allowed, "{query}");
        assert_eq!(answer.header("access-control-max-age"), Some("60"));
        assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
        assert!(answer.header("vary").expect("vary").contains("Origin"));
    }
    // By host, and under a bucket's own.
    for host in ["acme.test:9000", "ACME.TEST", "bucket.acme.test"] {
        let path = if host.starts_with("bucket") { "/key" } else { "/bucket/key" };
        let answer = door.ask_bare(&format!("OPTIONS {path}"), &[("host", host), page, wants("GET")]).await;
        assert_eq!(cors(&answer), allowed, "{host}");
    }
    let headers = ("access-control-request-headers", "X-Amz-Date, x-amz-acl");
    let answer = door.ask_bare(&format!("OPTIONS /bucket?{key}"), &[page, wants("GET"), headers]).await;
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-amz-date, x-amz-acl"));
    let any = door.ask_bare(&format!("OPTIONS /bucket?{key}"), &[("origin", "null"), wants("HEAD")]).await;
    assert_eq!(cors(&any), (200, Some("*"), Some("HEAD")));
    assert_eq!(any.header("access-control-allow-credentials"), None);
}

#[tokio::test]
async fn a_preflight_that_nothing_allows_is_refused_and_says_why() {
    let door = door().await;
    door.done("PUT /closed", &[], "").await;
    let page = ("origin", "https://a.example.com");
    let wants = |method| ("access-control-request-method", method);
    let key = "AWSAccessKeyId=MAINUSER";
    let disabled = "CORSResponse: CORS is not enabled for this bucket.";
    let (elsewhere, other_header) = (("origin", "https://b.test"), ("access-control-request-headers", "content-type"));
    let forbidden = "CORSResponse: This CORS request is not allowed.";
    for (address, headers, expected, message) in [
        ("/bucket?AWSAccessKeyId=MAINUSER", &[wants("GET")][..], (400, "BadRequest"), "Insufficient information."),
        ("/bucket?AWSAccessKeyId=MAINUSER", &[page], (400, "BadRequest"), "Invalid Access-Control-Request-Method"),
        ("/bucket?AWSAccessKeyId=MAINUSER", &[page, wants("PATCH")], (400, "BadRequest"), "Invalid"),
        ("/closed?AWSAccessKeyId=MAINUSER", &[page, wants("GET")], (403, "AccessForbidden"), disabled),
        ("/none?AWSAccessKeyId=MAINUSER", &[page, wants("GET")], (403, "AccessForbidden"), disabled),
        ("/bucket?AWSAccessKeyId=STRANGER", &[page, wants("GET")], (403, "AccessForbidden"), disabled),
        ("/bucket", &[page, wants("GET")], (403, "AccessForbidden"), disabled),
        ("/?AWSAccessKeyId=MAINUSER", &[page, wants("GET")], (403, "AccessForbidden"), disabled),
        ("/bucket?AWSAccessKeyId=MAINUSER", &[page, wants("DELETE")], (403, "AccessForbidden"), forbidden),
        ("/bucket?AWSAccessKeyId=MAINUSER", &[elsewhere, wants("GET")], (403, "AccessForbidden"), forbidden),
        ("/bucket?AWSAccessKeyId=MAINUSER", &[page, wants("GET"), other_header], (403, "AccessForbidden"), forbidden),
    ] {
        let answer = door.ask_bare(&format!("OPTIONS {address}"), headers).await;
        assert_eq!(answer.error(), expected, "{address} {headers:?}");
        assert!(answer.element("Message").expect("a message").starts_with(message), "{answer:?}");
        assert_eq!(cors(&answer).1, None, "{address}");
    }
    let object = door.ask_bare(&format!("OPTIONS /closed/key?{key}"), &[page, wants("PUT")]).await;
    assert_eq!((object.element("Method"), object.element("ResourceType")), (Some("PUT"), Some("OBJECT")));
}

#[tokio::test]
async fn answers_of_every_status_can_be_read_by_the_page_that_asked() {
    let door = door().await;
    let page = ("origin", "https://a.example.com");
    let allowed = (Some("https://a.example.com"), Some("GET, PUT"));
    for (user, line, status) in [
        (MAIN, "GET /bucket/key", 200),
        (MAIN, "GET /bucket/none", 404),
        (READER, "GET /bucket/key", 403),
        (MAIN, "PUT /bucket/key?partNumber=1", 400),
    ] {
        let answer = door.ask(user, line, &[page], "").await;
        assert_eq!(cors(&answer), (status, allowed.0, allowed.1), "{user} {line}");
        assert_eq!(answer.header("access-control-expose-headers"), Some("ETag"));
    }
    let forged = "GET /bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=MAINUSER%2F20240101%2Fus-east-1%2Fs3\
                  %2Faws4_request&X-Amz-Date=20240101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0";
    let answer = door.ask_bare(forged, &[page]).await;
    assert_eq!((answer.error(), cors(&answer).1), ((403, "SignatureDoesNotMatch"), allowed.0));

    let as_preflight = ("access-control-request-method", "DELETE");
    let elsewhere = ("origin", "https://b.test");
    for headers in [&[elsewhere][..], &[page, as_preflight]] {
        let answer = door.ask(MAIN, "GET /bucket/key", headers, "").await;
        assert_eq!(cors(&answer), (200, None, None), "{headers:?}");
        assert!(answer.header("vary").is_some(), "a cache must not give it to another page");
    }
    let plain = door.ask(MAIN, "GET /bucket/key", &[], "").await;
    assert_eq!((cors(&plain), plain.header("vary")), ((200, None, None), None));
    let unruled = door.ask(MAIN, "GET /none/key", &[page], "").await;
    assert_eq!((cors(&unruled), unruled.header("vary")), ((404, None, None), None));
}
