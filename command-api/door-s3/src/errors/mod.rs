//! Errors on their way out: one place that knows status, code and sentence of each.
//!
//! Owns: the mapping, the XML of an error, the log line of those that an operator must see.
//! Does not own: deciding that something is wrong.
//! Invariant: what an internal error says goes to the log and never to a client; no object's name goes to the log.

mod described;
mod door;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use pipeline::StoreError;

pub(crate) use described::Described;
pub(crate) use door::DoorError;

use crate::auth::AuthError;
use crate::body::BodyHeaderError;
use crate::xml::Xml;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The sender is not who it says it is.
    Auth(AuthError),
    /// What its headers say of the body makes no sense.
    Body(BodyHeaderError),
    /// The door could not make sense of it, or does not do it.
    Door(DoorError),
    /// The store said no, or could not.
    Store(StoreError),
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<BodyHeaderError> for Failure {
    fn from(error: BodyHeaderError) -> Self {
        Self::Body(error)
    }
}

impl From<DoorError> for Failure {
    fn from(error: DoorError) -> Self {
        Self::Door(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<crate::xml::Malformed> for DoorError {
    fn from(_: crate::xml::Malformed) -> Self {
        Self::MalformedXml
    }
}

impl From<crate::xml::Malformed> for Failure {
    fn from(malformed: crate::xml::Malformed) -> Self {
        Self::Door(malformed.into())
    }
}

impl Failure {
    /// Status, code, sentence, and what else an answer carries.
    pub(crate) fn describe(&self) -> Described {
        match self {
            Self::Auth(error) => described::auth(error),
            Self::Body(error) => described::body_header(error),
            Self::Door(error) => error.describe(),
            Self::Store(error) => described::store(error),
        }
    }

    /// Writes what an operator must know. Called once, where the error ends.
    pub(crate) fn log(&self) {
        match self {
            Self::Store(StoreError::Corrupt { what }) => tracing::error!(what, "stored data is damaged"),
            Self::Store(StoreError::Internal { what }) => tracing::error!(what, "internal error"),
            Self::Store(StoreError::DiskFull) => tracing::warn!("the disk is full"),
            Self::Store(StoreError::Unavailable) => tracing::warn!("the store is not available"),
            Self::Store(StoreError::Refused(_) | StoreError::Busy { .. } | StoreError::Body(_))
            | Self::Auth(_)
            | Self::Body(_)
            | Self::Door(_) => {}
        }
    }

    /// The answer. `resource` is the path as it came.
    pub(crate) fn answer(&self, method: &Method, resource: &str, request_id: &str, host_id: &str) -> Response {
        let Described { status, code, message, fields, headers } = self.describe();
        // A HEAD has no body by definition; a 304 by RFC 9110 section 15.4.5.
        let body = if method == Method::HEAD || status == http::StatusCode::NOT_MODIFIED {
            Body::empty()
        } else {
            Body::from(Xml::bare_document("Error", |xml| {
                xml.text("Code", code);
                xml.text("Message", &message);
                for (name, value) in &fields {
                    xml.text(name, value);
                }
                xml.text("Resource", resource);
                xml.text("RequestId", request_id);
                xml.text("HostId", host_id);
            }))
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if status != http::StatusCode::NOT_MODIFIED {
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// `Retry-After`, whole seconds, at least one.
fn retry_after(milliseconds: u64) -> (HeaderName, HeaderValue) {
    (RETRY_AFTER, HeaderValue::from(milliseconds.div_ceil(1000).max(1)))
}
