//! JSON on the wire: small objects read strictly, times as text.

use bytes::Bytes;
use schemas::Time;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// Reads a JSON object. Unknown fields are errors: what has no effect is refused and not ignored. No body reads as `{}`.
pub(crate) fn read<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| {
        // Category and place only: serde's text may repeat the value, and a value may be a secret.
        let what = match error.classify() {
            serde_json::error::Category::Data => field_of(&error.to_string()),
            _ => "the body is not JSON".to_owned(),
        };
        Problem::invalid(what)
    })
}

/// Names of fields are ours and safe to repeat; the rest of serde's message is not.
fn field_of(message: &str) -> String {
    match message.split_once('`') {
        Some((start @ ("unknown field " | "missing field "), rest)) => {
            format!("{start}`{}`", rest.split('`').next().unwrap_or_default())
        }
        _ => "a field of the body has a wrong type".to_owned(),
    }
}

/// A time that a body says, RFC 3339.
///
/// # Errors
/// Text that is none, or one before 1970.
pub(crate) fn parse_time(field: &str, text: &str) -> Result<Time, Problem> {
    let bad = || Problem::invalid(format!("`{field}` must be a time such as 2030-01-31T12:00:00Z"));
    let time: jiff::Timestamp = text.parse().map_err(|_| bad())?;
    u64::try_from(time.as_microsecond()).map(Time).map_err(|_| bad())
}

/// RFC 3339, UTC.
pub(crate) fn timestamp(time: Time) -> Option<String> {
    let microseconds = i64::try_from(time.0).ok()?;
    jiff::Timestamp::from_microsecond(microseconds).ok().map(|timestamp| timestamp.to_string())
}
