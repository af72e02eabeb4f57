//! `/api/v1` until the native API is there: an honest 501, in the form its errors will have.

use axum::Router;

use crate::problem::Problem;
use crate::request::{Options, accompany};

/// Answers everything under `/api/v1`. To be nested there.
pub fn native_router(options: Options) -> Router {
    Router::new()
        .fallback(|| async { Problem::not_implemented("the native API is not there yet; use S3") })
        .layer(axum::middleware::from_fn_with_state(options, accompany))
}
