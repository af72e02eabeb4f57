//! Who is asking: from a bearer token to a caller.
//!
//! Owns: which kinds of token there are, and making the [`Caller`] of what one stands for.
//! Does not own: whether a token holds (the store), what the caller may do.
//! Invariant: without a token that holds there is no caller.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, header};
use pipeline::{Bearer, BearerError, Caller, Circumstances, Store, Who};

use schemas::AccessKeyId;

use super::ask::{Visit, Words, unauthorized};
use crate::problem::Problem;

/// Tokens of `/auth/token`.
const TOKEN: &str = "lwtk_";
/// API keys.
const API_KEY: &str = "hfsk_";

/// The caller of a request that comes with a bearer token.
///
/// # Errors
/// 401: it comes with none that works.
pub(super) fn bearer(store: &Store, visit: &Visit, words: &Arc<Words>) -> Result<Caller, Problem> {
    let text = authorization(&words.headers, "bearer").ok_or_else(unauthorized)?;
    // Each kind of token names itself.
    let bearer = match text {
        token if token.starts_with(TOKEN) => store.token_bearer(token).map_err(refused)?,
        key if key.starts_with(API_KEY) => store.api_key_bearer(key).map_err(refused)?,
        _ => return Err(unauthorized()),
    };
    let caller = caller(bearer, visit, words);
    visit.trace.caller(&caller);
    store.limits().of_key(caller.access_key().map_or("", AccessKeyId::as_str))?;
    Ok(caller)
}

/// What follows a scheme in `Authorization`; none without it.
pub(super) fn authorization<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    // Two of them: somebody between us and the client and we could read different ones.
    if values.next().is_some() {
        return None;
    }
    let (said, rest) = value.split_once(' ')?;
    said.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// Whoever a credential stands for, with what it may do now.
pub(super) fn caller(bearer: Bearer, visit: &Visit, words: &Arc<Words>) -> Caller {
    let Bearer { access_key, holder } = bearer;
    let key = holder.key_then();
    Caller {
        tenant: holder.tenant,
        who: Who::User { user: holder.user, display_name: holder.display_name, access_key, scopes: holder.scopes },
        source: visit.source,
        request: visit.request.clone(),
        circumstances: Circumstances { key, ..visit.circumstances(words) },
    }
}

pub(super) fn refused(error: BearerError) -> Problem {
    let denied = |code, message: &str| Problem::new(StatusCode::UNAUTHORIZED, code, message);
    match error {
        BearerError::Unknown => unauthorized(),
        BearerError::Expired => denied("token_expired", "the token has expired"),
        BearerError::Revoked => denied("url_revoked", "the address was revoked"),
        BearerError::KeyGone => denied("access_key_revoked", "the access key of the token does not work any more"),
        BearerError::Store(error) => error.into(),
    }
}
