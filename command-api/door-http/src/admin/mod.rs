//! `/admin/api/v1`: tenants, users, keys, quotas, usage, tokens, upkeep. `{id}` in a path is the tenant's name.
//!
//! Owns: the way of a request through the door, the list of what can be asked, and the role each operation needs.
//! Does not own: what the commands do; which token works (the store).
//! Invariant: nothing but `/healthz` and `/openapi.json` is answered without a working token of the role that it needs.

mod ask;
mod backups;
mod clock;
mod erasures;
mod exports;
mod keys;
mod quotas;
mod records;
mod system;
mod tenants;
#[cfg(test)]
mod tests;
mod tokens;
mod upkeep;
mod usage;
mod users;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use pipeline::Store;
use pipeline::audit::{Surface, Trace};
use schemas::TenantName;
use schemas::event::AdminRole;
use tracing::{Instrument, field};

use crate::audited::{audited, begun};
use crate::docs;
use crate::openapi::{self, About};
use crate::operation::{Access, Operation, Routes, Values};
use crate::problem::Problem;
use crate::query::Query;
use crate::request::{Options, X_REQUEST_ID};
use ask::Ask;

/// What a handler makes of a request.
type Answer = Result<Response, Problem>;
type Future = Pin<Box<dyn std::future::Future<Output = Answer> + Send>>;

/// What does an operation, and whom it asks for.
struct Handler {
    role: AdminRole,
    scope: Scope,
    run: Box<dyn Fn(Arc<Admin>, Ask) -> Future + Send + Sync>,
}

/// What of the installation an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// The tenant that the path names, or what the token may see of all.
    Tenant,
    /// All of it: a token limited to one tenant is refused.
    Whole,
}

/// An operation and what does it.
type Entry = (Operation, Handler);

/// What every operation needs of the server.
struct Admin {
    store: Store,
    options: Options,
    routes: Routes<Handler>,
    document: Bytes,
}

/// The admin API. To be nested at `/admin/api/v1`.
pub fn admin_router(store: Store, options: Options) -> Router {
    let routes = routes();
    let document = openapi::text(&ABOUT, routes.operations());
    let admin = Arc::new(Admin { store: store.clone(), options: options.clone(), routes, document });
    let router = Router::new().fallback(move |request: Request| serve(Arc::clone(&admin), request));
    audited(router, &store, &options, Surface::Admin)
}

/// The admin API's interactive reference. To be nested at `/admin`.
pub fn admin_reference() -> Router {
    docs::router("api/v1/openapi.json")
}

/// Everything that can be asked.
fn routes() -> Routes<Handler> {
    let all = [
        system::operations(),
        tenants::operations(),
        erasures::operations(),
        quotas::operations(),
        usage::operations(),
        users::operations(),
        keys::operations(),
        tokens::operations(),
        upkeep::operations(),
        clock::operations(),
        backups::operations(),
        records::operations(),
        exports::operations(),
    ];
    Routes::new(all.into_iter().flatten().collect())
}

/// An operation on one tenant, or on what the token may see.
fn entry<F, Done>(role: AdminRole, operation: Operation, run: F) -> Entry
where
    F: Fn(Arc<Admin>, Ask) -> Done + Send + Sync + 'static,
    Done: std::future::Future<Output = Answer> + Send + 'static,
{
    let run = Box::new(move |admin, ask| Box::pin(run(admin, ask)) as Future);
    (operation, Handler { role, scope: Scope::Tenant, run })
}

/// An operation on the installation.
fn whole<F, Done>(role: AdminRole, operation: Operation, run: F) -> Entry
where
    F: Fn(Arc<Admin>, Ask) -> Done + Send + Sync + 'static,
    Done: std::future::Future<Output = Answer> + Send + 'static,
{
    let (operation, handler) = entry(role, operation, run);
    (operation, Handler { scope: Scope::Whole, ..handler })
}

const ABOUT: About = About {
    title: "Holdfast admin API",
    description: "Tenants, their users, keys and quotas, and the upkeep of the installation. Keep its listener private. A viewer \
                  reads, an operator also makes tenants, users and keys, sets quotas and runs upkeep, an owner also disables and \
                  deletes tenants, makes admin tokens and acknowledges the clock. A token may be limited to one tenant; what concerns others is 403 to it, \
                  whether it exists or not.",
    server: "/admin/api/v1",
    scheme: ("adminToken", "An admin token (`lwadm_...`). The first is made at the first start."),
    tags: &[
        ("system", "The server itself."),
        ("tenants", "Tenants, their quotas and what they hold."),
        ("users", "Users of a tenant."),
        ("keys", "Access keys and API keys of a tenant."),
        ("tokens", "Admin tokens."),
        ("records", "What was asked and done, what was used, and how the server fares."),
        ("upkeep", "Work on the whole installation."),
    ],
    answer_headers: &[("X-Request-Id", "What the request is called in logs and errors.")],
};

async fn serve(admin: Arc<Admin>, request: Request) -> Response {
    let (id, trace) = begun(&request, &admin.options);
    // The operation's name and not the path: names of tenants and keys stay out of the log.
    let span = tracing::info_span!("admin", request_id = %id, token = field::Empty, operation = field::Empty);
    let method = request.method().clone();
    let shown = format!("req_{id}");
    let done = run(&admin, id, &trace, request).instrument(span.clone()).await;
    let mut response = done.unwrap_or_else(|problem| problem.render_for(&method, &shown));
    let _entered = span.entered();
    tracing::info!(status = response.status().as_u16(), "admin request");
    if let Ok(value) = HeaderValue::from_str(&shown) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

async fn run(admin: &Arc<Admin>, id: schemas::RequestId, trace: &Trace, request: Request) -> Answer {
    let (parts, body) = request.into_parts();
    // Who comes without a token does not learn what there is.
    let found = admin.routes.find(&parts.method, parts.uri.path());
    if let Ok(found) = &found {
        trace.action(found.operation.id);
    }
    let open = found.as_ref().is_ok_and(|found| found.operation.access == Access::Open);
    let caller = if open { None } else { Some(ask::caller(&admin.store, &parts, id)?) };
    if let Some(caller) = &caller {
        trace.admin(caller);
        tracing::Span::current().record("token", caller.token.as_str());
        admin.store.limits().of_admin(&caller.token)?;
    }
    let found = found?;
    tracing::Span::current().record("operation", found.operation.id);
    if caller.is_some() {
        about(admin, trace, &found.values);
    }
    let Handler { role, scope, run } = found.handler;
    if let Some(caller) = &caller
        && (caller.role < *role || (*scope == Scope::Whole && caller.tenant.is_some()))
    {
        return Err(Problem::forbidden());
    }
    let query = Query::parse(parts.uri.query())?;
    let body = if found.operation.body.is_some() { ask::read(body).await? } else { Bytes::new() };
    run(Arc::clone(admin), Ask::new(caller, found.values, query, body)).await
}

/// Which tenant and bucket it is about, for the audit: a denial too is that tenant's matter.
fn about(admin: &Admin, trace: &Trace, values: &Values) {
    // That a tenant cannot be read is the handler's to say.
    let tenant = TenantName::parse(values.get("id")).ok().and_then(|name| admin.store.tenant_id(&name).ok().flatten());
    if let Some(tenant) = tenant {
        trace.tenant(tenant);
    }
    trace.resource(values.find("bucket"), values.find("key"), None);
}

/// An answer of JSON.
fn json(status: http::StatusCode, value: impl serde::Serialize) -> Response {
    (status, axum::Json(value)).into_response()
}
