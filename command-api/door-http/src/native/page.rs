//! Pages of lists: how long they are, and where the next one begins.
//!
//! Owns: continuation tokens: opaque, so that what they hold may change.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::query::Query;

/// Most entries of a page.
const MOST: usize = 1_000;
/// Form of a token. Another form has another number.
const VERSION: u8 = 1;

/// Of a parameter that bounds a page.
pub(super) fn schema() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": MOST, "default": MOST })
}

/// # Errors
/// No number from 1 up.
pub(super) fn size(query: &Query, name: &str) -> Result<usize, Problem> {
    query.bounded(name, 1, MOST)
}

/// Where the page begins, as `continuationToken` says.
///
/// # Errors
/// A token that is none of ours.
pub(super) fn after(query: &Query) -> Result<Option<String>, Problem> {
    let foreign = || Problem::invalid("`continuationToken` is none of this list");
    let Some(token) = query.get("continuationToken")? else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
    match bytes.split_first() {
        Some((&VERSION, after)) => String::from_utf8(after.to_vec()).map(Some).map_err(|_| foreign()),
        _ => Err(foreign()),
    }
}

/// What says where the next page begins.
pub(super) fn token(after: &str) -> String {
    URL_SAFE_NO_PAD.encode([&[VERSION], after.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_to_go_on_and_a_foreign_one_nothing() {
        let of = |text: &str| after(&Query::parse(Some(text)).expect("a query"));
        assert_eq!(of(&format!("continuationToken={}", token("é\n"))), Ok(Some("é\n".to_owned())));
        assert_eq!(of(""), Ok(None));
        for foreign in ["", "x", "AA", "Av8", "AQ=="] {
            assert!(of(&format!("continuationToken={foreign}")).is_err(), "{foreign}");
        }
    }
}
