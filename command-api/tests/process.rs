//! The binary as an operator meets it: exit codes, and one clear line for each thing that can be wrong.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `holdfast` with these words in an environment of nothing but `variables`.
fn holdfast(words: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(words)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs")
}

/// It ends with this code and one line on stderr, which is returned.
#[track_caller]
fn fails(output: &Output, code: i32) -> String {
    let stderr = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(output.stdout.is_empty(), "nothing on stdout");
    let line = stderr.strip_suffix('\n').expect("a line");
    assert!(!line.contains('\n'), "one line, but: {line}");
    line.to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[test]
fn check_config_shows_the_settings_and_makes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let output = holdfast(&["--check-config", "--data", text(&data)], &[("HOLDFAST__SERVER__REGION", "eu-central-1")]);
    let table = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{table}");
    let region = table.lines().find(|line| line.starts_with("server.region ")).expect("a line");
    let words: Vec<&str> = region.split_whitespace().collect();
    assert_eq!(words, ["server.region", "\"eu-central-1\"", "HOLDFAST__SERVER__REGION"]);
    assert!(!data.exists());
}

#[test]
fn a_wrong_setting_is_one_line_and_exit_code_1() {
    let output = holdfast(&["serve", "--check-config"], &[("HOLDFAST__SERVER__REGON", "x")]);
    assert_eq!(
        fails(&output, 1),
        "holdfast: unknown key `server.regon` (from HOLDFAST__SERVER__REGON); did you mean `server.region`?"
    );
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("holdfast.toml");
    std::fs::write(&file, "[server\n").expect("writes");
    let line = fails(&holdfast(&["--config", text(&file)], &[]), 1);
    assert!(line.starts_with("holdfast: configuration file ") && line.contains("line 1"), "{line}");
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    assert_eq!(holdfast(&["frobnicate"], &[]).status.code(), Some(2));
    assert_eq!(holdfast(&["--listen", "nowhere"], &[]).status.code(), Some(2));
    assert_eq!(holdfast(&["--version"], &[]).status.code(), Some(0));
}

#[test]
fn a_directory_in_use_is_one_line_with_the_other_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let lock = std::fs::File::create(dir.path().join("lock")).expect("a file");
    std::fs::write(dir.path().join("lock"), "4711\n").expect("writes");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("locks");
    let words = ["--data", text(dir.path()), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let line = fails(&holdfast(&words, &[("HOLDFAST__LOG__LEVEL", "error")]), 1);
    assert_eq!(
        line,
        format!("holdfast: data directory {} is in use by another holdfast (pid 4711)", dir.path().display())
    );
}

#[test]
fn a_port_in_use_is_one_line_with_the_flag_to_choose_another() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let held = TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = held.local_addr().expect("an address").to_string();
    for (words, flag) in [
        (["--listen", &address, "--admin-listen", "127.0.0.1:0"], "--listen"),
        (["--listen", "127.0.0.1:0", "--admin-listen", &address], "--admin-listen"),
    ] {
        let words = [&["--data", text(&data)], words.as_slice()].concat();
        let line = fails(&holdfast(&words, &[]), 1);
        let expected = format!("{address} is in use by another program; choose another address with {flag}");
        assert_eq!(line, format!("holdfast: {expected}"));
    }
}

#[test]
fn others_can_reach_it_only_when_that_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let line = fails(&holdfast(&["--data", text(&data), "--listen", "0.0.0.0:0"], &[]), 1);
    assert!(line.contains("--allow-plaintext"), "{line}");
    assert!(!data.exists(), "nothing was made");
}

#[test]
fn half_a_root_key_pair_is_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let secret = "a-secret-of-the-operator";
    let output = holdfast(&["--data", text(&data)], &[("HOLDFAST_ROOT_SECRET_KEY", secret)]);
    let line = fails(&output, 1);
    assert!(line.contains("HOLDFAST_ROOT_ACCESS_KEY") && !line.contains(secret), "{line}");
    assert!(!data.exists());
}

#[test]
fn a_command_without_a_server_is_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let line = fails(&holdfast(&["tenant", "list", "--data", text(dir.path())], &[]), 1);
    assert!(line.contains("HOLDFAST_ADMIN_URL"), "{line}");
    let free = TcpListener::bind("127.0.0.1:0").expect("binds").local_addr().expect("an address");
    let url = format!("http://{free}");
    let variables = [("HOLDFAST_ADMIN_URL", url.as_str()), ("HOLDFAST_ADMIN_TOKEN", "lwadm_do-not-show-me")];
    let line = fails(&holdfast(&["tenant", "list"], &variables), 1);
    assert_eq!(line, format!("holdfast: no server answers at {url}: is it running?"));
}
