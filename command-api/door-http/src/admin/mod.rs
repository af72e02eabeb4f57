//! `/admin/api/v1`: tenants, users, access keys, usage, upkeep. `{id}` in a path is the tenant's name.
//!
//! Owns: routes and the role each needs.
//! Does not own: what the commands do.

mod auth;
mod installation;
mod keys;
mod tenants;
#[cfg(test)]
mod tests;
mod upkeep;
mod users;

use std::sync::Arc;

use axum::routing::{delete, get, post};
use axum::{Json, Router, middleware};
use pipeline::Store;

use crate::json as body;
use crate::problem::Problem;
use crate::request::{Options, accompany};
use auth::{Limits, authenticate};
use installation::Installation;

/// What handlers hold.
struct Admin<I> {
    store: I,
    options: Options,
    limits: Limits,
}

/// The admin API. To be nested at `/admin/api/v1`.
pub fn admin_router(store: Store, options: Options) -> Router {
    router(store, options)
}

fn router<I: Installation>(store: I, options: Options) -> Router {
    let admin = Arc::new(Admin { store, options: options.clone(), limits: Limits::default() });
    let guarded = Router::new()
        .route("/tenants", get(tenants::list::<I>).post(tenants::create::<I>))
        .route("/tenants/{id}", get(tenants::get::<I>).delete(later))
        .route("/tenants/{id}/disable", post(tenants::disable::<I>))
        .route("/tenants/{id}/enable", post(tenants::enable::<I>))
        .route("/tenants/{id}/usage", get(tenants::usage::<I>))
        .route("/tenants/{id}/users", get(users::list::<I>).post(users::create::<I>))
        .route("/tenants/{id}/users/{user}", delete(later))
        .route("/tenants/{id}/keys", get(keys::list::<I>).post(keys::create::<I>))
        .route("/tenants/{id}/keys/{key}/revoke", post(keys::revoke::<I>))
        .route("/tenants/{id}/keys/{key}/disable", post(keys::disable::<I>))
        .route("/tenants/{id}/keys/{key}/enable", post(keys::enable::<I>))
        .route("/usage", get(tenants::usage_of_all::<I>))
        .route("/rebuild", post(upkeep::rebuild::<I>))
        .route("/sweep", post(upkeep::sweep::<I>))
        .route("/lifecycle", post(upkeep::lifecycle::<I>))
        // Named by the contract, not there yet: 501 and not 404, so that a client knows which.
        .route("/tenants/{id}/keys/{key}/rotate", post(later))
        .route("/tenants/{id}/quota", get(later).put(later).delete(later))
        .route("/tenants/{id}/usage/windows", get(later))
        .route("/audit", get(later))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&admin), authenticate::<I>));
    Router::new()
        .route("/healthz", get(|| async { Json(serde_json::json!({ "status": "ok" })) }))
        .merge(guarded)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .fallback(|| async { Problem::not_found() })
        .layer(middleware::from_fn_with_state(options, accompany))
        .with_state(admin)
}

async fn later() -> Problem {
    Problem::not_implemented("this operation is not there yet")
}
