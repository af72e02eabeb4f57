//! Who asks on the admin listener.
//!
//! Owns: reading the bearer token, the rate limit per token, the tenant limit.
//! Does not own: which token works (the store), which role an operation needs (each handler says).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use parking_lot::Mutex;
use pipeline::{AdminCaller, StoreError};
use schemas::event::AdminRole;
use schemas::{RequestId, TenantName};

use super::Admin;
use super::installation::Installation;
use crate::problem::Problem;

const TOKEN_PREFIX: &str = "lwadm_";
const REQUESTS_PER_MINUTE: u32 = 600;
const MINUTE_US: u64 = 60_000_000;

/// The middleware: without a working token a request goes no further.
pub(super) async fn authenticate<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match caller(&admin, &request) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    if let Err(retry_after_s) = admin.limits.take(&caller.token, (admin.options.clock)()) {
        return Problem::rate_limited(retry_after_s).into_response();
    }
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let (token, role) = (caller.token.clone(), caller.role);
    request.extensions_mut().insert(caller);
    let response = next.run(request).await;
    tracing::info!(admin = token, ?role, %method, route, status = response.status().as_u16(), "admin request");
    response
}

fn caller<I: Installation>(admin: &Admin<I>, request: &Request) -> Result<AdminCaller, Problem> {
    let token = bearer(request.headers()).ok_or_else(Problem::unauthorized)?;
    let (id, role, tenant) = admin.store.credential(token)?.ok_or_else(Problem::unauthorized)?;
    let extensions = request.extensions();
    let Some(request_id) = extensions.get::<RequestId>().cloned() else {
        return Err(StoreError::Internal { what: "a request without an id".to_owned() }.into());
    };
    let source = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    Ok(AdminCaller { token: id, role, tenant, source, request: request_id })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    // Two of them: somebody between us and the client and we could read different ones.
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(TOKEN_PREFIX)).then_some(token)
}

/// Refuses a role that is too low.
pub(super) fn need(caller: &AdminCaller, role: AdminRole) -> Result<(), Problem> {
    if caller.role >= role { Ok(()) } else { Err(Problem::forbidden()) }
}

/// The tenant of a path, if the caller may know of it. To a token limited to one tenant every other name is 403, whether
/// or not there is such a tenant.
pub(super) async fn tenant<I: Installation>(
    admin: &Admin<I>,
    caller: &AdminCaller,
    name: &str,
) -> Result<TenantName, Problem> {
    let parsed = TenantName::parse(name);
    let Some(limit) = caller.tenant else {
        return parsed.map_err(|_| Problem::not_found());
    };
    let name = parsed.map_err(|_| Problem::forbidden())?;
    match admin.store.get_tenant(caller, &name).await {
        Ok(info) if info.id == limit => Ok(name),
        Ok(_) | Err(StoreError::Refused(_)) => Err(Problem::forbidden()),
        Err(error) => Err(error.into()),
    }
}

/// Refuses what concerns all tenants to a token limited to one.
pub(super) fn whole(caller: &AdminCaller) -> Result<(), Problem> {
    if caller.tenant.is_none() { Ok(()) } else { Err(Problem::forbidden()) }
}

/// Requests per token and minute.
///
/// Bounded by the number of tokens: only ids of working ones get here.
#[derive(Default)]
pub(super) struct Limits {
    windows: Mutex<HashMap<String, (u64, u32)>>,
}

impl Limits {
    /// Counts a request, or says after how many seconds to come back.
    fn take(&self, token: &str, now_us: u64) -> Result<(), u64> {
        let window = now_us / MINUTE_US;
        let mut windows = self.windows.lock();
        let entry = windows.entry(token.to_owned()).or_default();
        if entry.0 != window {
            *entry = (window, 0);
        }
        if entry.1 >= REQUESTS_PER_MINUTE {
            return Err(((window + 1) * MINUTE_US - now_us).div_ceil(1_000_000));
        }
        entry.1 += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_asks_too_often_waits_for_the_next_minute_and_no_other_does() {
        let limits = Limits::default();
        let at = 5 * MINUTE_US + 20_000_000;
        for _ in 0..REQUESTS_PER_MINUTE {
            assert_eq!(limits.take("a", at), Ok(()));
        }
        assert_eq!(limits.take("a", at), Err(40));
        assert_eq!(limits.take("b", at), Ok(()));
        assert_eq!(limits.take("a", 6 * MINUTE_US), Ok(()));
    }
}
