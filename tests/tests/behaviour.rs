//! What the program promises to whoever runs it and uses it, held against the real binary and its raw data directory.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_tests::{Answer, Connection, Credentials, Random, Server, incompressible, program};
use tempfile::TempDir;

/// Everything that is deleted goes at the next sweep; segments are small.
const SWEPT_AT_ONCE: [(&str, &str); 3] = [
    ("HOLDFAST__HISTORY__WINDOW", "0"),
    ("HOLDFAST__STORAGE__SWEEP_GRACE_S", "0"),
    ("HOLDFAST__STORAGE__SEGMENT_MIB", "16"),
];

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    (directory, data)
}

fn start(variables: &[(&str, &str)]) -> (TempDir, Server) {
    let (directory, data) = directory();
    (directory, Server::start_with(&data, variables).expect("starts"))
}

fn connect(server: &Server, credentials: &Credentials) -> Connection {
    Connection::new(server.address, credentials.clone())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Bytes that a folder takes on the disk, as `du` counts them.
fn disk_bytes(folder: &Path) -> u64 {
    files(folder).iter().map(|file| file.metadata().map_or(0, |metadata| metadata.blocks() * 512)).sum()
}

/// Which of these texts stand in some bytes. Pages of zeros, most of a preallocated file, are passed over.
fn found<'a>(bytes: &[u8], texts: &[&'a str]) -> Vec<&'a str> {
    const PAGE: usize = 4_096;
    let mut begins = [false; 256];
    texts.iter().for_each(|text| begins[usize::from(text.as_bytes()[0])] = true);
    let mut found = Vec::new();
    for start in (0..bytes.len()).step_by(PAGE) {
        let page = &bytes[start..bytes.len().min(start + PAGE)];
        if *page == [0; PAGE][..page.len()] {
            continue;
        }
        for (at, byte) in page.iter().enumerate() {
            if begins[usize::from(*byte)] {
                let rest = &bytes[start + at..];
                found.extend(texts.iter().filter(|text| rest.starts_with(text.as_bytes())));
            }
        }
    }
    found
}

fn create_bucket(connection: &mut Connection, name: &str) {
    connection.put(&format!("/{name}"), b"").expect("answers").ok().expect("a bucket");
}

fn put(connection: &mut Connection, path: &str, body: &[u8]) -> Answer {
    connection.put(path, body).expect("answers").ok().expect("put")
}

fn get(connection: &mut Connection, path: &str) -> Vec<u8> {
    connection.get(path).expect("answers").ok().expect("there").body
}

#[track_caller]
fn refused(answer: anyhow::Result<Answer>, status: u16, code: &str) {
    let answer = answer.expect("answers");
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(&format!("<Code>{code}</Code>")), "{}", answer.text());
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    text.split_once(before).and_then(|(_, rest)| rest.split_once(after)).expect("in the answer").0
}

fn begin(connection: &mut Connection, path: &str, headers: &[(&str, &str)]) -> String {
    let answer = connection.request("POST", path, &[("uploads", "")], headers, b"").expect("answers");
    between(&answer.ok().expect("begun").text(), "<UploadId>", "</UploadId>").to_owned()
}

fn upload_part(connection: &mut Connection, path: &str, upload: &str, body: &[u8]) -> anyhow::Result<Answer> {
    connection.request("PUT", path, &[("partNumber", "1"), ("uploadId", upload)], &[], body)
}

fn complete(connection: &mut Connection, path: &str, upload: &str, etag: &str) -> anyhow::Result<Answer> {
    let part = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    let body = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
    connection.request("POST", path, &[("uploadId", upload)], &[], body.as_bytes())
}

#[test]
fn nothing_of_content_or_metadata_lies_on_the_disk_in_the_clear() {
    let variables = [("HOLDFAST__STORAGE__SEGMENT_MIB", "16"), ("HOLDFAST__STORAGE__COMPRESSION", "false")];
    let (_directory, server) = start(&variables);
    let mut connection = server.connect();
    let content = |size: usize| {
        let mut bytes = b"PLAINTEXT-OF-CONTENT-".repeat(size / 21 + 1);
        bytes.truncate(size);
        bytes
    };
    let metadata = [("x-amz-meta-note", "METADATA-OF-THE-USER"), ("content-language", "LANGUAGE-OF-THE-USER")];
    let tags = [("x-amz-tagging", "tag=TAG-OF-THE-USER"), ("x-amz-meta-plain", "METADATA-OF-THE-USER")];
    // Inline, in a shared segment, of several blobs, in parts; replaced and deleted.
    for (name, size) in [("inline", 300), ("small", 20_000), ("large", 9 << 20), ("gone", 5_000)] {
        let path = format!("/demo/NAME-OF-AN-OBJECT-{name}");
        let answer = connection.request("PUT", &path, &[], &metadata, &content(size)).expect("answers");
        answer.ok().expect("put");
    }
    let tagged = connection.request("PUT", "/demo/tagged", &[], &tags, &content(3_000)).expect("answers");
    tagged.ok().expect("put");
    let upload = begin(&mut connection, "/demo/parts", &metadata);
    let part = upload_part(&mut connection, "/demo/parts", &upload, &content(30_000)).expect("answers");
    let etag = part.header("etag").expect("a tag").to_owned();
    complete(&mut connection, "/demo/parts", &upload, &etag).expect("answers").ok().expect("complete");
    connection.delete("/demo/NAME-OF-AN-OBJECT-gone").expect("answers").ok().expect("deleted");
    let (tenant_secret, environment) = (server.tenant("tenant").expect("a tenant").secret, server.environment.clone());
    let data = server.data.clone();
    let scan = || {
        let mut names_seen = false;
        for file in files(&data) {
            let bytes = std::fs::read(&file).expect("reads");
            let mut secrets = vec![
                "TEXT-OF-CONTENT-PLAIN",
                "METADATA-OF-THE-USER",
                "LANGUAGE-OF-THE-USER",
                "TAG-OF-THE-USER",
                tenant_secret.as_str(),
            ];
            if !file.ends_with("first-run.env") {
                secrets.push(&environment["AWS_SECRET_ACCESS_KEY"]);
                secrets.push(&environment["HOLDFAST_ADMIN_TOKEN"]);
            }
            assert_eq!(found(&bytes, &secrets), Vec::<&str>::new(), "in {}", file.display());
            names_seen |= !found(&bytes, &["NAME-OF-AN-OBJECT-"]).is_empty();
        }
        assert!(names_seen, "names of objects stand in clear, so that listings are ordered: else this finds nothing");
    };
    scan();
    server.stop().expect("stops");
    scan();
}

#[test]
fn two_tenants_with_the_same_names_see_nothing_of_each_other() {
    let (_directory, server) = start(&[]);
    let mut mine = connect(&server, &server.tenant("mine").expect("a tenant"));
    let mut theirs = connect(&server, &server.tenant("theirs").expect("a tenant"));
    for connection in [&mut mine, &mut theirs] {
        create_bucket(connection, "bucket");
    }
    create_bucket(&mut theirs, "other");
    put(&mut mine, "/bucket/key", b"mine");
    put(&mut theirs, "/bucket/key", b"theirs");
    put(&mut theirs, "/bucket/secret", b"theirs alone");
    put(&mut theirs, "/other/key", b"theirs alone");
    assert_eq!(
        (get(&mut mine, "/bucket/key"), get(&mut theirs, "/bucket/key")),
        (b"mine".to_vec(), b"theirs".to_vec())
    );
    let listed = |connection: &mut Connection, path: &str, query: &[(&str, &str)]| {
        connection.request("GET", path, query, &[], b"").expect("answers").ok().expect("lists").text()
    };
    for query in [&[("list-type", "2")][..], &[], &[("versions", "")]] {
        let text = listed(&mut mine, "/bucket", query);
        assert!(text.contains("<Key>key</Key>") && !text.contains("secret"), "{text}");
    }
    let buckets = listed(&mut mine, "/", &[]);
    assert!(buckets.contains("<Name>bucket</Name>") && !buckets.contains("other"), "{buckets}");

    refused(mine.get("/bucket/secret"), 404, "NoSuchKey");
    refused(mine.get("/other/key"), 404, "NoSuchBucket");
    assert_eq!(mine.request("HEAD", "/bucket/secret", &[], &[], b"").expect("answers").status, 404);
    assert_eq!(mine.request("HEAD", "/other", &[], &[], b"").expect("answers").status, 404);
    refused(mine.put("/other/key", b"mine"), 404, "NoSuchBucket");
    refused(mine.delete("/other/key"), 404, "NoSuchBucket");
    refused(mine.delete("/other"), 404, "NoSuchBucket");
    refused(mine.request("GET", "/other", &[("list-type", "2")], &[], b""), 404, "NoSuchBucket");
    for (source, code) in [("/bucket/secret", "NoSuchKey"), ("/other/key", "NoSuchBucket")] {
        let copy = mine.request("PUT", "/bucket/stolen", &[], &[("x-amz-copy-source", source)], b"");
        refused(copy, 404, code);
    }
    let many = b"<Delete><Object><Key>secret</Key></Object></Delete>";
    mine.request("POST", "/bucket", &[("delete", "")], &[("content-md5", &md5_base64(many))], many)
        .expect("answers")
        .ok()
        .expect("deleting what one has not is no error");
    mine.delete("/bucket/secret").expect("answers").ok().expect("neither is this");
    assert_eq!(get(&mut theirs, "/bucket/secret"), b"theirs alone");

    let upload = begin(&mut theirs, "/bucket/parts", &[]);
    let part = upload_part(&mut theirs, "/bucket/parts", &upload, b"a part").expect("answers").ok().expect("a part");
    let etag = part.header("etag").expect("a tag").to_owned();
    refused(upload_part(&mut mine, "/bucket/parts", &upload, b"mine"), 404, "NoSuchUpload");
    refused(complete(&mut mine, "/bucket/parts", &upload, &etag), 404, "NoSuchUpload");
    let id = [("uploadId", upload.as_str())];
    refused(mine.request("GET", "/bucket/parts", &id, &[], b""), 404, "NoSuchUpload");
    refused(mine.request("DELETE", "/bucket/parts", &id, &[], b""), 404, "NoSuchUpload");
    let uploads = listed(&mut mine, "/bucket", &[("uploads", "")]);
    assert!(!uploads.contains(&upload), "{uploads}");
    complete(&mut theirs, "/bucket/parts", &upload, &etag).expect("answers").ok().expect("theirs is untouched");
    // A signature of one tenant's secret under the other's key id opens nothing.
    let (one, two) = (server.key("mine").expect("a key"), server.key("theirs").expect("a key"));
    let forged = Credentials { access_key: two.access_key, secret: one.secret };
    refused(connect(&server, &forged).get("/bucket/secret"), 403, "SignatureDoesNotMatch");
}

/// Content-MD5 of DeleteObjects, by the tool that every system has.
fn md5_base64(bytes: &[u8]) -> String {
    use std::io::Write;
    let script = "openssl md5 -binary | base64";
    let mut child =
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
    child.stdin.take().expect("a pipe").write_all(bytes).expect("takes it");
    String::from_utf8(child.wait_with_output().expect("ends").stdout).expect("text").trim().to_owned()
}

#[test]
fn a_key_that_is_revoked_and_a_tenant_that_is_disabled_fail_at_their_next_request() {
    let (_directory, server) = start(&[]);
    let (key, other) = (server.tenant("tenant").expect("a tenant"), server.key("tenant").expect("a key"));
    let (mut connection, mut second) = (connect(&server, &key), connect(&server, &other));
    create_bucket(&mut connection, "bucket");
    put(&mut connection, "/bucket/key", b"content");
    let named = ["--tenant", "tenant", "--access-key", &key.access_key];
    server.admin(&[&["key", "disable"], &named[..]].concat()).expect("disabled");
    refused(connection.get("/bucket/key"), 403, "InvalidAccessKeyId");
    server.admin(&[&["key", "enable"], &named[..]].concat()).expect("enabled");
    assert_eq!(get(&mut connection, "/bucket/key"), b"content");
    server.admin(&[&["key", "revoke"], &named[..]].concat()).expect("revoked");
    refused(connection.get("/bucket/key"), 403, "InvalidAccessKeyId");
    refused(connection.put("/bucket/key", b"late"), 403, "InvalidAccessKeyId");
    assert_eq!(get(&mut second, "/bucket/key"), b"content");
    server.admin(&["tenant", "disable", "tenant"]).expect("disabled");
    refused(second.get("/bucket/key"), 403, "InvalidAccessKeyId");
    server.connect().get("/demo").expect("answers").ok().expect("other tenants go on");
    server.admin(&["tenant", "enable", "tenant"]).expect("enabled");
    assert_eq!(get(&mut second, "/bucket/key"), b"content");
}

#[test]
fn the_same_content_takes_its_space_once_in_a_tenant_and_gives_it_back() {
    let mib: u64 = std::env::var("HOLDFAST_DEDUP_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(64);
    let (_directory, server) = start(&SWEPT_AT_ONCE);
    let (size, part) = (mib << 20, 16 << 20);
    let content = incompressible(7, part);
    let mut connection = server.connect();
    let mut other = connect(&server, &server.tenant("other").expect("a tenant"));
    create_bucket(&mut other, "bucket");
    // Parts of 16 MiB, all different, so that memory does not hold it all.
    let upload = |connection: &mut Connection, path: &str| {
        let upload = begin(connection, path, &[]);
        let mut parts = String::new();
        for number in 1..=mib / 16 {
            let mut bytes = content.clone();
            bytes.chunks_mut(64 << 10).for_each(|chunk| chunk[..8].copy_from_slice(&number.to_le_bytes()));
            let query = [("partNumber", &*number.to_string()), ("uploadId", &upload)];
            let answer = connection.request("PUT", path, &query, &[], &bytes).expect("answers").ok().expect("a part");
            let etag = answer.header("etag").expect("a tag");
            parts += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        }
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let answer = connection.request("POST", path, &[("uploadId", &upload)], &[], body.as_bytes());
        answer.expect("answers").ok().expect("complete");
    };
    let used = || disk_bytes(&server.data.join("blobs"));
    let slack = size / 8 + (40 << 20);
    let before = used();
    upload(&mut connection, "/demo/one");
    let once = used() - before;
    assert!(once >= size, "{once} bytes for {size}: nothing was stored");
    assert!(once < size + slack, "{once} bytes for {size}");
    upload(&mut connection, "/demo/two");
    let twice = used() - before;
    assert!(twice < once + (1 << 20), "the same content again took {} bytes", twice - once);
    upload(&mut other, "/bucket/one");
    let thrice = used() - before;
    // Segments are made ahead of what is written to them, so what they take is not to the byte.
    assert!(thrice > once + size / 4 * 3, "tenants share no content: {thrice} after {once}");

    for path in ["/demo/one", "/demo/two"] {
        connection.delete(path).expect("answers").ok().expect("deleted");
    }
    other.delete("/bucket/one").expect("answers").ok().expect("deleted");
    let swept = server.admin(&["admin", "sweep"]).expect("sweeps");
    assert!(swept["freed"].as_u64().is_some(), "{swept}");
    let after = used().saturating_sub(before);
    eprintln!("dedup: {size} bytes: once {once}, twice {twice}, in another tenant {thrice}, swept {after}: {swept}");
    assert!(after < size / 4, "{after} bytes are left of {thrice}: {swept}");
}

#[test]
fn a_tree_of_json_takes_well_under_its_size() {
    let (_directory, server) = start(&[("HOLDFAST__STORAGE__SEGMENT_MIB", "16")]);
    let mut connection = server.connect();
    let before = disk_bytes(&server.data.join("blobs"));
    let (mut size, mut random) = (0, Random::new(5));
    for file in 0..60_u64 {
        let rows: Vec<_> = (0..600_u64)
            .map(|row| {
                let amount = (file * 31 + row * 17) % 9_973;
                serde_json::json!({ "id": format!("{:016x}", random.next_u64()), "customer": format!("customer-{}", amount % 97),
                    "amount": amount, "currency": "EUR", "state": if amount % 3 == 0 { "paid" } else { "open" } })
            })
            .collect();
        let text = serde_json::to_vec_pretty(&rows).expect("text");
        size += text.len() as u64;
        put(&mut connection, &format!("/demo/orders/{file}.json"), &text);
    }
    let data = server.data.clone();
    // Stopped, so that segments are cut to what is in them.
    server.stop().expect("stops");
    let used = disk_bytes(&data.join("blobs")).saturating_sub(before);
    eprintln!("json: {size} bytes take {used}");
    assert!(used > 0 && used < size / 2, "{size} bytes of JSON take {used}");
}

#[test]
fn sigterm_under_load_loses_no_acknowledged_write_and_ends_well() {
    let (_directory, server) = start(&[]);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..12_u64)
        .map(|client| {
            let (mut connection, stop, count) = (server.connect(), stop.clone(), count.clone());
            std::thread::spawn(move || {
                let mut acknowledged = Vec::new();
                for n in 0.. {
                    let (path, seed) = (format!("/demo/client-{client}/{n}"), client * 100_000 + n);
                    let length = [100, 3_000, 50_000, 400_000][usize::try_from(seed % 4).expect("small")];
                    match connection.put(&path, &incompressible(seed, length)) {
                        Ok(answer) if answer.status == 200 => acknowledged.push((path, seed, length)),
                        // It drains: what has no answer, or a refusal, is not promised.
                        Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                        Err(_) => break,
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                acknowledged
            })
        })
        .collect();
    while count.load(Ordering::Relaxed) < 300 {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let data = server.data.clone();
    let began = Instant::now();
    server.stop().expect("exit code 0");
    let drained = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let acknowledged: Vec<_> = clients.into_iter().flat_map(|client| client.join().expect("a client ends")).collect();
    assert!(drained < Duration::from_secs(20), "it took {} s", drained.as_secs());
    assert!(acknowledged.len() > 250, "{} writes", acknowledged.len());
    let server = Server::start(&data).expect("starts");
    let mut connection = server.connect();
    for (path, seed, length) in &acknowledged {
        assert!(get(&mut connection, path) == incompressible(*seed, *length), "{path} holds other bytes");
    }
    eprintln!("sigterm: {} acknowledged, drained in {} ms", acknowledged.len(), drained.as_millis());
}

/// A server whose two outputs are kept apart.
struct Started {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Started {
    fn new(directory: &Path, data: &Path, address: &str, admin: &str, variables: &[(&str, &str)]) -> Self {
        let (stdout, stderr) = (directory.join("stdout"), directory.join("stderr"));
        let child = Command::new(program().expect("is built"))
            .arg("--data")
            .arg(data)
            .args(["--listen", address, "--admin-listen", admin])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&stdout).expect("a file"))
            .stderr(std::fs::File::create(&stderr).expect("a file"))
            .spawn()
            .expect("runs");
        Self { child, stdout, stderr }
    }

    /// Waits until it has said all it says at a start, ends it, and returns that.
    fn said(mut self) -> String {
        let began = Instant::now();
        let mut last = String::new();
        loop {
            std::thread::park_timeout(Duration::from_millis(100));
            let text = std::fs::read_to_string(&self.stdout).expect("reads");
            if !text.is_empty() && text == last {
                break;
            }
            last = text;
            let ended = self.child.try_wait().expect("is ours");
            assert!(ended.is_none(), "it ended: {}", std::fs::read_to_string(&self.stderr).expect("reads"));
            assert!(began.elapsed() < Duration::from_secs(30), "it says nothing");
        }
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("runs");
        assert!(self.child.wait().expect("ends").success());
        last
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("is there").permissions().mode() & 0o777
}

#[test]
fn the_first_start_says_what_to_try_and_later_ones_are_short() {
    let (directory, data) = directory();
    let first = Started::new(directory.path(), &data, "127.0.0.1:0", "127.0.0.1:0", &[]).said();
    assert!(first.lines().count() <= 25, "{first}");
    assert!(first.contains("first-run.env; set +a") && first.contains("--aws-sigv4"), "{first}");
    assert!(first.contains("aws --endpoint-url"), "{first}");
    let environment = std::fs::read_to_string(data.join("first-run.env")).expect("is there");
    let names: Vec<_> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let expected = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "HOLDFAST_ADMIN_URL",
        "HOLDFAST_ADMIN_TOKEN",
    ];
    assert_eq!(names, expected);
    // Not a terminal: where they are, not what they are.
    for line in environment.lines().filter(|line| line.contains("SECRET") || line.contains("TOKEN")) {
        let secret = line.split_once('=').expect("a value").1.trim_matches(['\'', '"']);
        assert!(secret.len() > 20 && !first.contains(secret));
    }
    assert_eq!(mode(&data), 0o700);
    assert_eq!((mode(&data.join("first-run.env")), mode(&data.join("keys").join("root.key"))), (0o600, 0o600));
    for file in files(&data.join("keys")) {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    let later = Started::new(directory.path(), &data, "127.0.0.1:0", "127.0.0.1:0", &[]).said();
    assert_eq!(later.lines().count(), 3, "{later}");
    let kept = std::fs::read_to_string(data.join("first-run.env")).expect("is there");
    let secrets = |text: &str| text.lines().filter(|line| !line.contains("URL")).collect::<Vec<_>>().join("\n");
    assert_eq!(secrets(&kept), secrets(&environment), "later starts make no new keys");
}

#[test]
fn a_second_server_on_the_same_directory_or_port_says_so_in_one_line() {
    let (directory, server) = start(&[]);
    let run = |data: &Path, address: &str| -> Output {
        let mut command = Command::new(program().expect("is built"));
        let command = command.arg("--data").arg(data).args(["--listen", address, "--admin-listen", "127.0.0.1:0"]);
        command.stdin(Stdio::null()).env("HOLDFAST__LOG__LEVEL", "error").output().expect("runs")
    };
    let fails = |output: Output, expected: &str| {
        let text = String::from_utf8(output.stderr).expect("text");
        assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
        assert!(text.contains(expected) && output.stdout.is_empty(), "{text}");
    };
    fails(run(&server.data, "127.0.0.1:0"), &format!("is in use by another holdfast (pid {})", server.pid()));
    let free = directory.path().join("free");
    fails(run(&free, &server.address.to_string()), "choose another address with --listen");
    get(&mut server.connect(), "/demo");
}

#[test]
fn the_root_pair_of_the_environment_is_the_first_key() {
    let pair = [("HOLDFAST_ROOT_ACCESS_KEY", "OPERATORSKEY"), ("HOLDFAST_ROOT_SECRET_KEY", "operators-own-secret-key")];
    let (_directory, server) = start(&pair);
    assert_eq!(server.environment["AWS_ACCESS_KEY_ID"], pair[0].1);
    let credentials = Credentials { access_key: pair[0].1.to_owned(), secret: pair[1].1.to_owned() };
    put(&mut connect(&server, &credentials), "/demo/key", b"content");
    let wrong = Credentials { secret: "another-secret-of-somebody".to_owned(), ..credentials };
    refused(connect(&server, &wrong).get("/demo/key"), 403, "SignatureDoesNotMatch");
}

#[test]
fn probes_answer_anyone_and_figures_stand_on_the_admin_listener() {
    let (_directory, server) = start(&[]);
    put(&mut server.connect(), "/demo/key", b"content");
    let nobody = Credentials { access_key: String::new(), secret: String::new() };
    let mut public = Connection::new(server.address, nobody.clone());
    let mut admin = Connection::new(server.admin, nobody);
    for connection in [&mut public, &mut admin] {
        for path in ["/health", "/readyz"] {
            let answer = connection.plain("GET", path).expect("answers").ok().expect("well");
            let said: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert!(said["status"].is_string(), "{said}");
        }
    }
    let figures = admin.plain("GET", "/metrics").expect("answers").ok().expect("figures").text();
    let lines: Vec<_> = figures.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(lines.len() > 5 && figures.contains("# TYPE "), "{figures}");
    for line in lines {
        let value = line.rsplit_once(' ').expect("a value").1;
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(figures.contains("holdfast_"), "{figures}");
    let outside = public.plain("GET", "/metrics").expect("answers");
    assert!(outside.status >= 400 && !outside.text().contains("# TYPE"), "{}", outside.text());
    let unasked = admin.plain("GET", "/admin/api/v1/tenants").expect("answers");
    assert_eq!(unasked.status, 401, "{}", unasked.text());
}
