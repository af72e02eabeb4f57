//! `holdfast audit timeline`: who did what, page by page as the server finds it.
//!
//! Owns: the three forms. Does not own: what is found (`GET /admin/api/v1/audit`).

use std::io::{self, Write};

use anyhow::Context;
use http::Method;
use serde_json::Value;

use super::with_query;
use crate::admin_client::{self, Server};
use crate::args::{TimelineArgs, TimelineFormat};
use crate::commands::{printable, table};

/// Most entries that a page has.
const PAGE: &str = "1000";

/// Columns of a spreadsheet, and where in an entry they stand.
const COLUMNS: [(&str, &str); 15] = [
    ("time", "/time"),
    ("position", "/position"),
    ("actor_kind", "/actor/kind"),
    ("user", "/actor/user"),
    ("credential", "/actor/credential"),
    ("source", "/source"),
    ("surface", "/surface"),
    ("action", "/action"),
    ("bucket", "/bucket"),
    ("key", "/key"),
    ("version", "/versionId"),
    ("result", "/result"),
    ("status", "/status"),
    ("code", "/code"),
    ("request", "/requestId"),
];

pub(super) fn run(args: &TimelineArgs, server: &Server) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    let mut out = Out::new(args.format, io::stdout().lock());
    let mut cursor: Option<String> = None;
    loop {
        let path = with_query(
            "/audit",
            &[
                ("tenant", Some(args.tenant.as_str())),
                ("bucket", args.bucket.as_ref().map(schemas::BucketName::as_str)),
                ("key", args.key.as_deref()),
                ("prefix", args.prefix.as_deref()),
                ("actor", args.actor.as_deref()),
                ("from", args.from.as_deref()),
                ("to", args.to.as_deref()),
                ("order", Some("oldest")),
                ("limit", Some(PAGE)),
                ("cursor", cursor.as_deref()),
            ],
        );
        let page = runtime.block_on(admin_client::ask(server, Method::GET, &path, None))?;
        let entries = page["entries"].as_array().context("the server's answer is no page of the audit")?;
        match out.page(entries) {
            // The reader has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("writing the timeline")?,
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(()),
        }
    }
}

/// Where entries are written.
struct Out<W: Write> {
    format: TimelineFormat,
    has_head: bool,
    out: W,
}

impl<W: Write> Out<W> {
    fn new(format: TimelineFormat, out: W) -> Self {
        Self { format, has_head: false, out }
    }

    fn page(&mut self, entries: &[Value]) -> io::Result<()> {
        let is_first = !std::mem::replace(&mut self.has_head, true);
        match self.format {
            TimelineFormat::Table => {
                let head = ["TIME", "POSITION", "ACTOR", "ACTION", "BUCKET", "KEY", "RESULT", "SOURCE", "REQUEST"];
                let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
                if is_first || !rows.is_empty() {
                    self.out.write_all(table(if is_first { &head } else { &[] }, &rows).as_bytes())?;
                }
            }
            TimelineFormat::Jsonl => {
                for entry in entries {
                    writeln!(self.out, "{entry}")?;
                }
            }
            TimelineFormat::Csv => {
                let mut writer = csv::Writer::from_writer(&mut self.out);
                if is_first {
                    writer.write_record(COLUMNS.map(|(name, _)| name)).map_err(as_io)?;
                }
                for entry in entries {
                    writer.write_record(COLUMNS.map(|(_, place)| cell(entry, place))).map_err(as_io)?;
                }
                writer.flush()?;
            }
        }
        self.out.flush()
    }
}

fn as_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A field as text; nothing for what an entry does not say.
fn cell(entry: &Value, place: &str) -> String {
    match entry.pointer(place) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn row(entry: &Value) -> Vec<String> {
    let shown = |place: &str| match cell(entry, place) {
        nothing if nothing.is_empty() => "-".to_owned(),
        text => printable(&text),
    };
    let actor = match (cell(entry, "/actor/user"), cell(entry, "/actor/credential")) {
        (user, credential) if user.is_empty() && credential.is_empty() => shown("/actor/kind"),
        (user, credential) if user.is_empty() => printable(&format!("{}:{credential}", cell(entry, "/actor/kind"))),
        (user, _) => printable(&user),
    };
    let mut row = vec![shown("/time"), shown("/position"), actor];
    row.extend(["/action", "/bucket", "/key", "/result", "/source", "/requestId"].map(shown));
    row
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entries() -> Vec<Value> {
        vec![
            json!({ "time": "2026-01-01T00:00:00Z", "position": 7, "actor": { "kind": "user", "user": "ann",
                    "credential": "HFKEY" }, "action": "PutObject", "bucket": "data", "key": "a,\"b\"\u{1b}",
                    "result": "ok", "source": "10.0.0.1", "requestId": "r1" }),
            json!({ "time": "2026-01-01T00:00:01Z", "actor": { "kind": "admin", "credential": "abc" },
                    "action": "GetObject", "result": "denied", "status": 403 }),
        ]
    }

    fn written(format: TimelineFormat) -> String {
        let mut bytes = Vec::new();
        let mut out = Out::new(format, &mut bytes);
        let entries = entries();
        out.page(&entries[..1]).expect("writes");
        out.page(&entries[1..]).expect("writes");
        out.page(&[]).expect("writes");
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_timeline_in_each_form() {
        let head: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
        let lines = [
            head.join(","),
            "2026-01-01T00:00:00Z,7,user,ann,HFKEY,10.0.0.1,,PutObject,data,\"a,\"\"b\"\"\u{1b}\",,ok,,,r1".to_owned(),
            "2026-01-01T00:00:01Z,,admin,,abc,,,GetObject,,,,denied,403,,".to_owned(),
        ];
        assert_eq!(written(TimelineFormat::Csv), lines.join("\n") + "\n");
        let lines: Vec<Value> =
            written(TimelineFormat::Jsonl).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines, entries());
        let lines = [
            "TIME                  POSITION  ACTOR  ACTION     BUCKET  KEY     RESULT  SOURCE    REQUEST",
            "2026-01-01T00:00:00Z  7         ann    PutObject  data    a,\"b\"?  ok      10.0.0.1  r1",
            "2026-01-01T00:00:01Z  -  admin:abc  GetObject  -  -  denied  -  -",
        ];
        assert_eq!(written(TimelineFormat::Table), lines.join("\n") + "\n");
    }
}
