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

/// RFC 3339, UTC.
pub(crate) fn timestamp(time: Time) -> Option<String> {
    let microseconds = i64::try_from(time.0).ok()?;
    jiff::Timestamp::from_microsecond(microseconds).ok().map(|timestamp| timestamp.to_string())
}
