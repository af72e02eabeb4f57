//! Audit, metering and limits, held against the real binary: every request is found, nothing that was done is counted twice, and
//! who asks too often or stops in the middle hears so.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use holdfast_tests::{Admin, Answer, Connection, Credentials, Server};
use serde_json::Value;
use tempfile::TempDir;

fn start(variables: &[(&str, &str)]) -> (TempDir, PathBuf, Server) {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start_with(&data, variables).expect("starts");
    (directory, data, server)
}

/// What an answer calls its request.
fn id(answer: &Answer) -> String {
    answer.header("x-amz-request-id").expect("every answer names its request").to_owned()
}

fn entries(admin: &Admin, query: &str) -> Vec<Value> {
    let answer = admin.get(&format!("/audit?{query}")).expect("answers");
    answer["entries"].as_array().expect("a list").clone()
}

/// The one entry of a request.
#[track_caller]
fn entry(admin: &Admin, request: &str) -> Value {
    let found = entries(admin, &format!("requestId={request}"));
    assert_eq!(found.len(), 1, "{request}: {found:?}");
    found[0].clone()
}

fn token(data: &Path) -> String {
    let text = std::fs::read_to_string(data.join("first-run.env")).expect("reads");
    let line = text.lines().find_map(|line| line.split_once("HOLDFAST_ADMIN_TOKEN=")).expect("a token");
    line.1.trim_matches(['\'', '"']).to_owned()
}

/// A request as it is written here, and what came back until the connection ended.
fn raw(address: SocketAddr, text: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("sets");
    stream.write_all(text).expect("sends");
    let mut bytes = Vec::new();
    // A connection that is reset after its answer has said all it had to say.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn denials_and_reads_are_found_by_their_request_and_a_write_is_found_once() {
    let (_directory, _data, server) = start(&[]);
    let admin = Admin::new(&server).expect("a token");
    let mut connection = server.connect();
    let put = connection.put("/demo/NAME-OF-AN-OBJECT", b"content").expect("answers").ok().expect("puts");
    let got = connection.get("/demo/NAME-OF-AN-OBJECT").expect("answers").ok().expect("is there");
    let absent = connection.get("/demo/absent").expect("answers");
    let wrong = Credentials { secret: "wrong".to_owned(), ..server.credentials() };
    let forged = Connection::new(server.address, wrong).delete("/demo/NAME-OF-AN-OBJECT").expect("answers");
    let nobody = connection.plain("GET", "/demo/NAME-OF-AN-OBJECT").expect("answers");

    let made = entry(&admin, &id(&put));
    let position: u64 = put.header("x-holdfast-position").and_then(|text| text.parse().ok()).expect("a position");
    assert_eq!(
        (&made["action"], &made["result"], &made["key"]),
        (&"PutObject".into(), &"ok".into(), &"NAME-OF-AN-OBJECT".into())
    );
    assert_eq!(
        (&made["position"], &made["bucket"], &made["tenant"]),
        (&position.into(), &"demo".into(), &"default".into())
    );

    let read = entry(&admin, &id(&got));
    assert_eq!((&read["action"], &read["status"], &read["bytesOut"]), (&"GetObject".into(), &200.into(), &7.into()));
    assert_eq!(read["actor"]["credential"], server.credentials().access_key.as_str());
    assert_eq!(read["source"], "127.0.0.1");
    let absent = entry(&admin, &id(&absent));
    assert_eq!((&absent["result"], &absent["code"]), (&"error".into(), &"NoSuchKey".into()));

    let forged = entry(&admin, &id(&forged));
    assert_eq!((&forged["result"], &forged["code"]), (&"denied".into(), &"SignatureDoesNotMatch".into()));
    assert_eq!((&forged["action"], &forged["actor"]["kind"]), (&"DeleteObject".into(), &"unknown".into()));
    assert_eq!(forged.get("tenant"), None, "whoever forges a signature has no tenant");
    assert_eq!(entry(&admin, &id(&nobody))["result"], "denied");

    let of_tenant = entries(&admin, "tenant=default&key=NAME-OF-AN-OBJECT&limit=1000");
    let actions: Vec<_> = of_tenant.iter().map(|entry| entry["action"].as_str().unwrap_or("")).collect();
    assert_eq!(actions, ["GetObject", "PutObject"], "the newest first, the write once");
}

#[test]
fn what_administrators_do_is_found_too() {
    let (_directory, data, server) = start(&[]);
    let admin = Admin::new(&server).expect("a token");
    server.tenant("acme").expect("a tenant");
    let made = entries(&admin, "action=TenantCreated&order=oldest");
    assert!(made.iter().any(|entry| entry["actor"]["kind"] == "admin"), "{made:?}");
    let head = |token: &str| {
        format!(
            "GET /admin/api/v1/tenants/acme HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        )
    };
    let denied = raw(server.admin, head("lwadm_nonsense").as_bytes());
    let request = denied.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").trim().to_owned();
    assert!(request.starts_with("req_"));
    let denied = entry(&admin, &request);
    assert_eq!(
        (&denied["surface"], &denied["status"], &denied["code"]),
        (&"admin".into(), &401.into(), &"unauthorized".into())
    );
    assert_eq!(denied.get("tenant"), None);
    let looked = raw(server.admin, head(&token(&data)).as_bytes());
    let request = looked.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").trim().to_owned();
    let looked = entry(&admin, &request);
    assert_eq!((&looked["tenant"], &looked["result"]), (&"acme".into(), &"ok".into()));
    assert_eq!(looked["action"], "getTenant");
    assert!(!looked.to_string().contains(&token(&data)));

    let native = connection_get(server.address, "/api/v1/buckets?token=lwurl_SECRET");
    assert_eq!(entry(&admin, &native)["surface"], "native");
}

/// The request id of a plain GET.
fn connection_get(address: SocketAddr, path: &str) -> String {
    let answer = raw(address, format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes());
    answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("an id").trim().to_owned()
}

#[test]
fn a_killed_server_has_what_was_asked_a_moment_before() {
    let (_directory, data, server) = start(&[]);
    let mut connection = server.connect();
    connection.put("/demo/a", b"content").expect("answers").ok().expect("puts");
    let asked: Vec<String> = (0..200).map(|_| id(&connection.get("/demo/a").expect("answers"))).collect();
    // Longer than entries wait: what was asked before must survive.
    std::thread::park_timeout(Duration::from_millis(400));
    server.kill().expect("kills");
    let server = Server::start(&data).expect("starts");
    let admin = Admin::new(&server).expect("a token");
    let found = entries(&admin, "tenant=default&action=GetObject&limit=1000");
    let found: Vec<&str> = found.iter().filter_map(|entry| entry["requestId"].as_str()).collect();
    let lost: Vec<&String> = asked.iter().filter(|id| !found.contains(&id.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} are lost", lost.len(), asked.len());
}

fn windows(admin: &Admin, from: &str) -> Vec<Value> {
    let path = format!("/tenants/default/usage/windows?from={from}&to=9000-01-01T00:00:00Z");
    admin.get(&path).expect("answers")["windows"].as_array().expect("a list").clone()
}

/// Read, written, listed, failed, bytes in, bytes out.
fn sums(admin: &Admin, from: &str) -> [u64; 6] {
    let windows = windows(admin, from);
    let sum = |of: &dyn Fn(&Value) -> &Value| windows.iter().filter_map(|window| of(window).as_u64()).sum();
    let counts = ["read", "write", "list", "failed"].map(|name| sum(&|window| &window["operations"][name]));
    let [read, write, list, failed] = counts;
    [read, write, list, failed, sum(&|window| &window["bytesIn"]), sum(&|window| &window["bytesOut"])]
}

#[test]
fn windows_add_up_to_what_was_sent_over_a_restart() {
    let (_directory, data, server) = start(&[]);
    // The day so far, which one answer has room for.
    let today = holdfast_tests::timestamp();
    let from = format!("{}-{}-{}T00:00:00Z", &today[..4], &today[4..6], &today[6..8]);
    let admin = Admin::new(&server).expect("a token");
    let mut connection = server.connect();
    let before = sums(&admin, &from);
    for number in 0..10 {
        connection.put(&format!("/demo/{number}"), &[7; 1_000]).expect("answers").ok().expect("puts");
        connection.get(&format!("/demo/{number}")).expect("answers").ok().expect("is there");
    }
    connection.get("/demo").expect("answers").ok().expect("lists");
    assert_eq!(connection.get("/demo/absent").expect("answers").status, 404);
    server.stop().expect("stops");
    let server = Server::start(&data).expect("starts");
    let mut connection = server.connect();
    for number in 0..5 {
        connection.get(&format!("/demo/{number}")).expect("answers").ok().expect("is there");
    }
    let admin = Admin::new(&server).expect("a token");
    let after = sums(&admin, &from);
    let [read, write, list, failed, bytes_in, bytes_out]: [u64; 6] = std::array::from_fn(|at| after[at] - before[at]);
    assert_eq!((read, write, list, failed), (15, 10, 1, 1));
    assert_eq!(bytes_in, 10_000);
    assert!((15_000..25_000).contains(&bytes_out), "15 objects, a listing and an error: {bytes_out}");
    let windows = windows(&admin, &from);
    let last = windows.last().expect("a minute");
    assert_eq!(last["complete"], false, "it goes on");
    let stored = &last["stored"];
    assert_eq!((&stored["objects"], &stored["logicalBytes"]), (&10.into(), &10_000.into()));
}

#[test]
fn nothing_of_an_entry_lies_on_the_disk_in_the_clear() {
    let (_directory, data, server) = start(&[]);
    let mut connection = server.connect();
    let query = [("X-Secret", "SECRET-OF-A-QUERY")];
    connection.request("GET", "/demo/NAME-OF-AN-OBJECT", &query, &[], b"").expect("answers");
    connection.get("/demo/NAME-OF-AN-OBJECT").expect("answers");
    let admin = Admin::new(&server).expect("a token");
    let found = entries(&admin, "tenant=default&key=NAME-OF-AN-OBJECT");
    assert_eq!(found.len(), 2, "they were written");
    assert!(!format!("{found:?}").contains("SECRET-OF-A-QUERY"));
    server.stop().expect("stops");
    let files = std::process::Command::new("grep")
        .args(["-rl", "-e", "NAME-OF-AN-OBJECT", "-e", "SECRET-OF-A-QUERY"])
        .arg(data.join("views"))
        .output()
        .expect("grep runs");
    assert_eq!(String::from_utf8_lossy(&files.stdout), "", "found in the clear");
}

#[test]
fn figures_and_open_uploads_are_shown() {
    let (_directory, _data, server) = start(&[]);
    let admin = Admin::new(&server).expect("a token");
    let mut connection = server.connect();
    for key in ["a", "b", "c"] {
        connection
            .request("POST", &format!("/demo/{key}"), &[("uploads", "")], &[], b"")
            .expect("answers")
            .ok()
            .expect("begun");
    }
    let first = admin.get("/tenants/default/uploads?limit=2").expect("answers");
    let cursor = first["nextCursor"].as_str().expect("more follows");
    let rest = admin.get(&format!("/tenants/default/uploads?cursor={cursor}")).expect("answers");
    let keys = |page: &Value| -> Vec<String> {
        let uploads = page["uploads"].as_array().expect("a list");
        uploads.iter().map(|upload| upload["key"].as_str().unwrap_or("").to_owned()).collect()
    };
    assert_eq!((keys(&first), keys(&rest)), (vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]));
    assert_eq!(rest["nextCursor"], Value::Null);
    assert!(admin.get("/tenants/default/uploads?cursor=00ff").is_err(), "a cursor of nobody");
    let stats = admin.get("/stats").expect("answers");
    assert_eq!(stats["requests"]["s3"]["ok"], 3);
    assert_eq!(stats["audit"]["lost"], 0);
    assert!(stats["commit"].as_u64().is_some_and(|commit| commit > 0));
    let projections = admin.get("/projections").expect("answers");
    let core = projections["projections"].as_array().expect("a list").iter().filter(|it| it["kind"] == "core");
    assert!(core.clone().count() >= 3 && core.clone().all(|it| it["lagPositions"] == 0));
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let limits = [("HOLDFAST__LIMITS__REQUESTS_PER_SECOND_PER_KEY", "1"), ("HOLDFAST__LIMITS__BURST", "3")];
    let (_directory, data, server) = start(&limits);
    let mut connection = server.connect();
    let refused = (0..1_000).map(|_| connection.get("/demo").expect("answers")).find(|answer| answer.status != 200);
    let refused = refused.expect("a thousand requests in far less than a thousand seconds");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.text().contains("<Code>SlowDown</Code>"));
    let head = format!(
        "GET /admin/api/v1/tenants HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\r\n",
        token(&data)
    );
    let refused =
        (0..1_000).map(|_| raw(server.admin, head.as_bytes())).find(|answer| !answer.starts_with("HTTP/1.1 200"));
    let refused = refused.expect("a token has a limit too");
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("retry-after: 1"), "{refused}");
    assert!(refused.contains("\"rate_limited\""), "{refused}");
}

#[test]
fn a_source_has_a_limit_of_its_own() {
    let limits = [("HOLDFAST__LIMITS__REQUESTS_PER_SECOND_PER_SOURCE", "5"), ("HOLDFAST__LIMITS__BURST", "5")];
    let (_directory, _data, server) = start(&limits);
    let nobody = || raw(server.address, b"GET /demo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let answers: Vec<String> = (0..50).map(|_| nobody()).collect();
    let slow = answers.iter().find(|answer| answer.starts_with("HTTP/1.1 503")).expect("fifty at once are too many");
    assert!(slow.contains("SlowDown") && slow.contains("retry-after: "), "{slow}");
    assert!(answers.iter().any(|answer| answer.starts_with("HTTP/1.1 403")), "the first ones were looked at");
}

#[test]
fn bodies_that_stop_or_never_end_are_refused() {
    let (_directory, data, server) = start(&[("HOLDFAST__LIMITS__BODY_IDLE_S", "1")]);
    let token = token(&data);
    let admin = |length: usize, body: &str| {
        let head = format!(
            "POST /admin/api/v1/tenants HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n"
        );
        raw(server.admin, format!("{head}{body}").as_bytes())
    };
    let stopped = admin(50, "{\"id\":");
    assert!(stopped.starts_with("HTTP/1.1 408") && stopped.contains("\"request_timeout\""), "{stopped}");
    let long = admin((1 << 20) + 1, &" ".repeat((1 << 20) + 1));
    assert!(
        long.starts_with("HTTP/1.1 413") && long.contains("\"payload_too_large\""),
        "{}",
        &long[..long.len().min(500)]
    );
    assert!(admin(13, "{\"id\":\"acme\"}").starts_with("HTTP/1.1 201"));

    let mut connection = server.connect();
    let answer = connection.unfinished_put("/demo/half", 1_000, b"half of it").expect("answers");
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(answer.text().contains("<Code>RequestTimeout</Code>"), "{}", answer.text());
    assert_eq!(connection.get("/demo/half").expect("answers").status, 404, "nothing was stored");

    // One that goes away in the middle is found, although nobody was answered.
    connection.abandoned_put("/demo/abandoned", 1_000, b"half of it").expect("sends");
    let admin = Admin::new(&server).expect("a token");
    let mut found = Vec::new();
    for _ in 0..200 {
        found = entries(&admin, "key=abandoned");
        if !found.is_empty() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(found.len(), 1, "{found:?}");
    // Which of both is seen first: that nobody waits, or that the body ended.
    assert!([499, 400].map(Value::from).contains(&found[0]["status"]), "{found:?}");
    assert_eq!((&found[0]["action"], &found[0]["tenant"]), (&"PutObject".into(), &"default".into()));
}
