//! Log lines: on stderr, so that stdout is the banner's.

use std::fmt::{self, Write};
use std::io::IsTerminal;

use anyhow::Context;
use tracing::field::{Field, Visit};
use tracing::span::Record;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormattedFields;
use tracing_subscriber::fmt::format::{FormatFields, Writer};

use crate::config::{Log, LogFormat};

pub(crate) fn start(settings: &Log) -> anyhow::Result<()> {
    // The storage engine tells of every table it makes: only what goes wrong there concerns an operator. Directives behind
    // these win, so `log.level` can still ask for more.
    let level = format!("fjall=warn,lsm_tree=warn,{}", settings.level);
    let filter: EnvFilter = level.parse().context("log.level")?;
    let terminal = std::io::stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        lines.json().flatten_event(true).fmt_fields(SpanFields).try_init()
    } else {
        lines.with_ansi(terminal).with_target(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("log lines cannot be started: {error}"))
}

/// Fields of a span as a JSON object that grows at its end. Every request has a span and few say anything in it: the
/// subscriber's own form is read and written anew with each field.
struct SpanFields;

impl<'w> FormatFields<'w> for SpanFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut object = Object { writer: &mut writer, is_empty: true, result: Ok(()) };
        fields.record(&mut object);
        let Object { is_empty, result, .. } = object;
        result?;
        writer.write_str(if is_empty { "{}" } else { "}" })
    }

    fn add_fields(&self, current: &'w mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let text = &mut current.fields;
        let before = text.len();
        // What was recorded before ends the object.
        let is_empty = before <= "{}".len();
        text.truncate(if is_empty { 0 } else { before - 1 });
        let mut object = Object { writer: text, is_empty, result: Ok(()) };
        fields.record(&mut object);
        let Object { is_empty, result, .. } = object;
        text.push_str(if is_empty { "{}" } else { "}" });
        result
    }
}

/// Writes fields behind each other.
struct Object<'w, W> {
    writer: &'w mut W,
    is_empty: bool,
    result: fmt::Result,
}

impl<W: Write> Visit for Object<'_, W> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.result.is_err() {
            return;
        }
        let before = if std::mem::take(&mut self.is_empty) { '{' } else { ',' };
        // A field's name is an identifier.
        self.result = write!(self.writer, "{before}\"{}\":\"", field.name())
            .and_then(|()| write!(Escaping(self.writer), "{value:?}"))
            .and_then(|()| self.writer.write_char('"'));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// Writes what stands in a JSON string.
struct Escaping<'w, W>(&'w mut W);

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|char: char| char < ' ' || char == '"' || char == '\\') {
            self.0.write_str(&rest[..at])?;
            // One byte: all that is escaped is ASCII.
            write!(self.0, "\\u{:04x}", rest.as_bytes()[at])?;
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::field::Empty;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("a lock").extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_says_what_its_span_knows_by_then() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let subscriber = subscriber.json().flatten_event(true).fmt_fields(SpanFields).without_time().finish();
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!("s3", request_id = %"a\"\\\n", tenant = Empty, operation = Empty, count = 3);
            span.in_scope(|| tracing::info!("first"));
            span.record("tenant", tracing::field::display(7));
            span.record("operation", "Get");
            span.in_scope(|| tracing::info!("second"));
            let empty = tracing::info_span!("empty", later = Empty);
            empty.in_scope(|| tracing::info!("third"));
            empty.record("later", true);
            empty.in_scope(|| tracing::info!("fourth"));
        });
        let lines = String::from_utf8(lines.0.lock().expect("a lock").clone()).expect("text");
        let spans: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["span"].take())
            .collect();
        let of = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(spans[0], of(r#"{"name":"s3","request_id":"a\"\\\n","count":"3"}"#));
        let second = r#"{"name":"s3","request_id":"a\"\\\n","count":"3","tenant":"7","operation":"Get"}"#;
        assert_eq!(spans[1], of(second));
        assert_eq!(spans[2], of(r#"{"name":"empty"}"#));
        assert_eq!(spans[3], of(r#"{"name":"empty","later":"true"}"#));
    }
}
