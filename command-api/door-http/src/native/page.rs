//! Pages of lists: how long they are, and where the next one begins.
//!
//! Owns: continuation tokens: opaque, so that what they hold may change.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::Position;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::query::Query;

/// Most entries of a page.
const MOST: usize = 1_000;
/// Form of a token. Another form has another number.
const OF_NOW: u8 = 1;
/// With the position of a moment of the past, whose pages go on there.
const OF_THEN: u8 = 2;

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
    match after_at(query)? {
        Some((_, Some(_))) => Err(foreign()),
        found => Ok(found.map(|(after, _)| after)),
    }
}

fn foreign() -> Problem {
    Problem::invalid("`continuationToken` is none of this list")
}

/// The same, and the moment of the past that the pages show, if they show one.
///
/// # Errors
/// A token that is none of ours.
pub(super) fn after_at(query: &Query) -> Result<Option<(String, Option<Position>)>, Problem> {
    let Some(token) = query.get("continuationToken")? else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
    let text = |after: &[u8]| String::from_utf8(after.to_vec()).map_err(|_| foreign());
    match bytes.split_first() {
        Some((&OF_NOW, after)) => Ok(Some((text(after)?, None))),
        Some((&OF_THEN, rest)) => {
            let (at, after) = rest.split_first_chunk().ok_or_else(foreign)?;
            Ok(Some((text(after)?, Some(Position(u64::from_be_bytes(*at))))))
        }
        _ => Err(foreign()),
    }
}

/// What says where the next page begins.
pub(super) fn token(after: &str) -> String {
    token_at(after, None)
}

/// The same of pages that show a moment of the past.
pub(super) fn token_at(after: &str, at: Option<Position>) -> String {
    URL_SAFE_NO_PAD.encode(match at {
        None => [&[OF_NOW], after.as_bytes()].concat(),
        Some(at) => [&[OF_THEN], &at.0.to_be_bytes()[..], after.as_bytes()].concat(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_where_to_go_on_and_a_foreign_one_nothing() {
        let of = |text: &str| after(&Query::parse(Some(text)).expect("a query"));
        assert_eq!(of(&format!("continuationToken={}", token("é\n"))), Ok(Some("é\n".to_owned())));
        assert_eq!(of(""), Ok(None));
        let then = after_at(
            &Query::parse(Some(&format!("continuationToken={}", token_at("é", Some(Position(7)))))).expect("a query"),
        );
        assert_eq!(then, Ok(Some(("é".to_owned(), Some(Position(7))))));
        for foreign in ["", "AgAA", "x", "AA", "Av8", "AQ=="] {
            assert!(of(&format!("continuationToken={foreign}")).is_err(), "{foreign}");
        }
    }
}
