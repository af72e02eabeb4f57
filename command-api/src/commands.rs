//! Administrative commands: find the server, ask, show the answer.
//!
//! Owns: where server and token come from, what answers look like to people.
//! Does not own: the wire ([`crate::admin_client`]).

use std::path::{Path, PathBuf};

use anyhow::Context;
use http::Method;
use serde_json::Value;

use crate::admin_client::{self, Server};
use crate::args::How;
use crate::run_env::{FILE_NAME, RunEnv};

/// One question to the admin API. Its body may hold a secret: Debug leaves it out.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    view: View,
    how: How,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

/// What an answer is shown as.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    Tenant,
    Tenants,
    User,
    Users,
    NewKey,
    Key,
    Keys,
    Backup,
    KeyCopy,
    Json,
}

impl Request {
    pub(crate) fn get(path: &str, view: View, how: How) -> Self {
        Self { method: Method::GET, path: path.to_owned(), body: None, view, how }
    }

    pub(crate) fn post(path: &str, body: Value, view: View, how: How) -> Self {
        Self { method: Method::POST, path: path.to_owned(), body: Some(body), view, how }
    }
}

pub(crate) fn run(request: Request, environment: &[(String, String)]) -> anyhow::Result<()> {
    let server = find(&request.how, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    let answer = runtime.block_on(admin_client::ask(&server, request.method, &request.path, request.body))?;
    print(&answer, request.view, request.how.json);
    Ok(())
}

/// Shows an answer, of the server or of this process.
pub(crate) fn print(answer: &Value, view: View, json: bool) {
    let text = if json { format!("{answer:#}\n") } else { show(view, answer) };
    // A closed pipe is the reader's choice.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
}

/// The server that a command is for.
pub(crate) fn find(how: &How, environment: &[(String, String)]) -> anyhow::Result<Server> {
    let variable = |name: &str| {
        let found = environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        found.filter(|value| !value.is_empty())
    };
    let url = variable("HOLDFAST_ADMIN_URL");
    let token = variable("HOLDFAST_ADMIN_TOKEN");
    // A token is never sent to a server that somebody else named.
    match (url, token) {
        (Some(url), Some(token)) => return Server::new(&url, token.into()),
        (None, None) => {}
        _ => anyhow::bail!("HOLDFAST_ADMIN_URL and HOLDFAST_ADMIN_TOKEN come together or not at all"),
    }
    let data = how.data.clone().or_else(|| variable("HOLDFAST__STORAGE__DATA").map(PathBuf::from));
    let file = data.as_deref().unwrap_or(Path::new("holdfast-data")).join(FILE_NAME);
    let env = RunEnv::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let env = env.with_context(|| {
        format!(
            "no server is named: set HOLDFAST_ADMIN_URL and HOLDFAST_ADMIN_TOKEN, or --data ({} is not there)",
            file.display()
        )
    })?;
    Server::new(&env.admin_url, env.admin_token)
}

fn show(view: View, answer: &Value) -> String {
    match view {
        View::Tenant => table(&[], &[tenant(answer)]),
        View::Tenants => table(&["TENANT", "STATE", "CREATED"], &rows(answer, "tenants", tenant)),
        View::User => table(&[], &[user(answer)]),
        View::Users => table(&["USER", "NAME", "CREATED"], &rows(answer, "users", user)),
        View::Key => table(&[], &[key(answer)]),
        View::Keys => table(&["ACCESS KEY", "USER", "STATE", "SCOPES"], &rows(answer, "keys", key)),
        View::NewKey => format!(
            "access key  {}\nsecret key  {}\nThe secret is shown this once.\n",
            text(answer, "accessKeyId"),
            text(answer, "secretKey")
        ),
        View::Backup => format!(
            "run {} of {}: {} records and {} rows were new, {} bytes were written; the backup has {} bytes\n",
            answer["run"],
            text(answer, "madeAt"),
            answer["records"],
            answer["rows"],
            answer["writtenBytes"],
            answer["bytes"]
        ),
        View::KeyCopy => format!(
            "{} key files copied to {}, until {}; the root key is not among them\n",
            answer["files"],
            text(answer, "folder"),
            text(answer, "endsAt")
        ),
        View::Json => format!("{answer:#}\n"),
    }
}

fn text(answer: &Value, field: &str) -> String {
    printable(answer[field].as_str().unwrap_or("-"))
}

/// Names for people come from others: no control character reaches the terminal.
pub(crate) fn printable(value: &str) -> String {
    value.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

fn tenant(answer: &Value) -> Vec<String> {
    let state = if answer["disabled"] == true { "disabled" } else { "active" };
    vec![text(answer, "id"), state.to_owned(), text(answer, "createdAt")]
}

fn user(answer: &Value) -> Vec<String> {
    vec![text(answer, "id"), text(answer, "displayName"), text(answer, "createdAt")]
}

fn key(answer: &Value) -> Vec<String> {
    ["accessKeyId", "user", "status", "scopes"].map(|field| text(answer, field)).to_vec()
}

fn rows(answer: &Value, list: &str, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    answer[list].as_array().into_iter().flatten().map(row).collect()
}

pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|&title| title.to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).filter(|head| !head.is_empty()).chain(rows).collect();
    let columns = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for line in lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn how(data: Option<&Path>) -> How {
        How { data: data.map(Path::to_owned), json: false }
    }

    fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_names_the_server_before_the_file_does() {
        let dir = tempfile::tempdir().expect("a directory");
        crate::run_env::tests::sample().write(&dir.path().join(FILE_NAME)).expect("writes");
        let named = variables(&[("HOLDFAST_ADMIN_URL", "http://other:1/"), ("HOLDFAST_ADMIN_TOKEN", "lwadm_x")]);
        let url = |environment: &[(String, String)]| find(&how(Some(dir.path())), environment).map(|server| server.url);
        assert_eq!(url(&named).expect("found"), "http://other:1");
        assert_eq!(url(&[]).expect("found"), "http://127.0.0.1:9001");
        assert!(url(&named[..1]).is_err(), "a URL alone would get the token of another server");
        let from_setting = variables(&[("HOLDFAST__STORAGE__DATA", &dir.path().display().to_string())]);
        assert_eq!(find(&how(None), &from_setting).expect("found").url, "http://127.0.0.1:9001");
    }

    #[test]
    fn without_a_server_the_line_says_what_to_set() {
        let dir = tempfile::tempdir().expect("a directory");
        let error = find(&how(Some(dir.path())), &[]).expect_err("none").to_string();
        assert!(error.contains("HOLDFAST_ADMIN_URL") && error.contains("--data"), "{error}");
    }

    #[test]
    fn answers_are_tables() {
        let answer = json!({ "keys": [
            { "accessKeyId": "HFONE", "user": "ann", "status": "active", "scopes": "op=read" },
            { "accessKeyId": "HFLONGER", "user": "b\u{1b}[2J", "status": "revoked", "scopes": "op=write" },
        ] });
        let lines = [
            "ACCESS KEY  USER   STATE    SCOPES",
            "HFONE       ann    active   op=read",
            "HFLONGER    b?[2J  revoked  op=write",
        ];
        assert_eq!(show(View::Keys, &answer), lines.join("\n") + "\n");
        let one = json!({ "id": "acme", "disabled": true, "createdAt": "2026-01-01T00:00:00Z" });
        assert_eq!(show(View::Tenant, &one), "acme  disabled  2026-01-01T00:00:00Z\n");
    }
}
