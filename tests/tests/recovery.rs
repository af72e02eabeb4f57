//! What an operator does after a loss: build the projections anew, or give up what no copy has.

use std::path::Path;
use std::process::{Command, Output};

use holdfast_tests::{Connection, Server, incompressible, program};
use sha2::{Digest, Sha256};

fn holdfast(arguments: &[&str], data: &Path) -> Output {
    let mut command = Command::new(program().expect("is built"));
    command.args(arguments).arg("--data").arg(data).output().expect("runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Everything that a client can list and read; of a body its digest.
fn answers(connection: &mut Connection) -> Vec<(u16, Option<String>, [u8; 32])> {
    let keys = ["a/1", "a/2", "a/3", "large", "copy"].map(|key| (format!("/demo/{key}"), vec![]));
    let listings = [vec![("list-type", "2")], vec![("list-type", "2"), ("delimiter", "/")]];
    let asked = keys.into_iter().chain(listings.map(|query| ("/demo".to_owned(), query)));
    let answer = |(path, query): (String, Vec<(&str, &str)>)| {
        let answer = connection.request("GET", &path, &query, &[], b"").expect("answers");
        (answer.status, answer.header("etag").map(str::to_owned), Sha256::digest(plain(answer.body)).into())
    };
    asked.map(answer).collect()
}

/// An error names the request; what is compared does not.
fn plain(body: Vec<u8>) -> Vec<u8> {
    if body.windows(7).any(|window| window == b"<Error>") { Vec::new() } else { body }
}

fn fill(connection: &mut Connection) {
    for (path, seed, length) in
        [("a/1", 1, 100), ("a/2", 2, 5_000), ("a/3", 3, 70_000), ("a/1", 4, 200), ("large", 5, 6 << 20)]
    {
        connection.put(&format!("/demo/{path}"), &incompressible(seed, length)).expect("answers").ok().expect("puts");
    }
    let copy = [("x-amz-copy-source", "/demo/large")];
    connection.request("PUT", "/demo/copy", &[], &copy, b"").expect("answers").ok().expect("copies");
    connection.request("DELETE", "/demo/a/3", &[], &[], b"").expect("answers").ok().expect("deletes");
}

#[test]
fn every_projection_is_built_anew_from_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data).expect("starts");
    fill(&mut server.connect());
    let mut before = answers(&mut server.connect());
    let running = holdfast(&["rebuild"], &data);
    assert!(!running.status.success() && text(&running).contains("in use"), "{}", text(&running));
    server.kill().expect("kills");

    for _ in 0..2 {
        let rebuilt = holdfast(&["rebuild"], &data);
        assert!(rebuilt.status.success(), "{}", text(&rebuilt));
        assert!(text(&rebuilt).contains("were the same"), "{}", text(&rebuilt));
        let server = Server::start(&data).expect("starts");
        assert_eq!(answers(&mut server.connect()), before);
        // The next rebuild meets what was written over the last one.
        server.connect().put("/demo/a/2", &incompressible(2, 5_000)).expect("answers").ok().expect("puts");
        before = answers(&mut server.connect());
        let online = holdfast(&["admin", "rebuild"], &data);
        assert!(text(&online).contains("\"equal\": true"), "{}", text(&online));
        server.stop().expect("stops");
    }
    let nothing = holdfast(&["rebuild"], &directory.path().join("nothing"));
    assert!(!nothing.status.success() && text(&nothing).contains("there is no store"), "{}", text(&nothing));
    assert!(!directory.path().join("nothing").exists());
}

#[test]
fn a_lost_tail_is_refused_until_the_operator_gives_it_up() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let server = Server::start(&data).expect("starts");
    server.connect().put("/demo/kept", b"kept").expect("answers").ok().expect("puts");
    server.stop().expect("stops");
    let core = data.join("log/core");
    let copied = Command::new("cp").arg("-a").arg(&core).arg(directory.path().join("core")).status().expect("runs");
    assert!(copied.success());
    let server = Server::start(&data).expect("starts");
    server.connect().put("/demo/lost", b"lost").expect("answers").ok().expect("puts");
    server.stop().expect("stops");
    std::fs::remove_dir_all(&core).expect("removes");
    std::fs::rename(directory.path().join("core"), &core).expect("restores an older database");

    let refusal = Server::refuses_to_start(&data).expect("refuses");
    assert!(refusal.contains("acknowledged writes are missing") && refusal.contains("--accept-lost-tail"), "{refusal}");
    let server = Server::start_as(&data, &["--accept-lost-tail"], &[]).expect("starts");
    let mut connection = server.connect();
    assert_eq!(connection.get("/demo/kept").expect("answers").ok().expect("is there").body, b"kept");
    assert_eq!(connection.get("/demo/lost").expect("answers").status, 404);
    connection.put("/demo/new", b"new").expect("answers").ok().expect("puts");
    let online = holdfast(&["admin", "rebuild"], &data);
    assert!(text(&online).contains("\"equal\": true"), "{}", text(&online));
    server.kill().expect("kills");
    let server = Server::start(&data).expect("starts without the flag");
    assert_eq!(server.connect().get("/demo/new").expect("answers").ok().expect("is there").body, b"new");
}
