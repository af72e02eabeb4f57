//! The API itself: whether it lives, and what it can be asked.

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use schemas::event::AdminRole;
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry, json};
use crate::operation::{Content, Operation};

pub(super) fn operations() -> Vec<Entry> {
    let health = Operation::new(Method::GET, "/healthz", "getHealth", "system", "Whether the API answers")
        .open()
        .answers::<Health>(200, "It does.");
    let document = Operation::new(Method::GET, "/openapi.json", "getOpenApiDocument", "system", "This document")
        .open()
        .answers_with(200, "An OpenAPI 3.1 document.", Content::AnyJson);
    vec![entry(AdminRole::Viewer, health, healthz), entry(AdminRole::Viewer, document, openapi)]
}

/// Whether the API answers.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
}

async fn healthz(_: Arc<Admin>, _: Ask) -> Answer {
    Ok(json(StatusCode::OK, Health { status: "ok" }))
}

async fn openapi(admin: Arc<Admin>, _: Ask) -> Answer {
    let mut response = axum::response::Response::new(axum::body::Body::from(admin.document.clone()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
