//! The server itself: whether it lives, and what it can be asked.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::{Content, Operation};

pub(super) fn operations() -> Vec<Entry> {
    let health = Operation::new(Method::GET, "/healthz", "getHealth", "system", "Whether the API answers")
        .open()
        .answers::<Health>(200, "It does.");
    let document = Operation::new(Method::GET, "/openapi.json", "getOpenApiDocument", "system", "This document")
        .open()
        .answers_with(200, "An OpenAPI 3.1 document.", Content::AnyJson);
    vec![entry(health, healthz), entry(document, openapi)]
}

/// Whether the API answers.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

async fn healthz(_: Arc<App>, _: Ask) -> Answer {
    Ok(answer::json(StatusCode::OK, &Health { status: "ok" }))
}

async fn openapi(app: Arc<App>, _: Ask) -> Answer {
    let mut response = Response::new(Body::from(app.document.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
