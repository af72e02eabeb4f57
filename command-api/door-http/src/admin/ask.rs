//! A request of an administrator, understood as far as every operation needs it.
//!
//! Owns: who asks, which tenant the path means, the body and its bound. Does not own: which token works (the store).

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::request::Parts;
use http::{HeaderMap, header};
use pipeline::{AdminCaller, Store, StoreError};
use schemas::{BucketName, RequestId, TenantName, UserId};
use serde::de::DeserializeOwned;

use crate::operation::Values;
use crate::problem::Problem;
use crate::query::Query;
use crate::request::source;

const TOKEN_PREFIX: &str = "lwadm_";
/// Most bytes of a body.
const JSON_BYTES_MAX: usize = 1 << 20;

/// A request.
pub(super) struct Ask {
    caller: Option<AdminCaller>,
    values: Values,
    pub(super) query: Query,
    body: Bytes,
}

/// The holder of a request's token.
///
/// # Errors
/// 401: it has none that works.
pub(super) fn caller(store: &Store, parts: &Parts, request: RequestId) -> Result<AdminCaller, Problem> {
    let token = bearer(&parts.headers).ok_or_else(Problem::unauthorized)?;
    let (id, role, tenant) = store.admin_credential(token)?.ok_or_else(Problem::unauthorized)?;
    Ok(AdminCaller { token: id, role, tenant, source: source(&parts.extensions), request })
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

impl Ask {
    pub(super) fn new(caller: Option<AdminCaller>, values: Values, query: Query, body: Bytes) -> Self {
        Self { caller, values, query, body }
    }

    /// Who asks.
    ///
    /// # Errors
    /// Nobody does: without a token nothing is done.
    pub(super) fn caller(&self) -> Result<&AdminCaller, Problem> {
        self.caller.as_ref().ok_or_else(Problem::unauthorized)
    }

    /// A piece of the path.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.get(name)
    }

    /// The tenant of the path, if the caller may know of it. To a token limited to one tenant every other name is 403,
    /// whether or not there is such a tenant.
    ///
    /// # Errors
    /// 403, 404.
    pub(super) async fn tenant(&self, store: &Store) -> Result<TenantName, Problem> {
        self.tenant_named(store, self.value("id")).await
    }

    /// The same of a tenant that is named elsewhere.
    ///
    /// # Errors
    /// 403, 404.
    pub(super) async fn tenant_named(&self, store: &Store, name: &str) -> Result<TenantName, Problem> {
        let caller = self.caller()?;
        let parsed = TenantName::parse(name);
        let Some(limit) = caller.tenant else {
            return parsed.map_err(|_| Problem::not_found());
        };
        let name = parsed.map_err(|_| Problem::forbidden())?;
        match store.get_tenant(caller, &name).await {
            Ok(info) if info.id == limit => Ok(name),
            Ok(_) | Err(StoreError::Refused(_)) => Err(Problem::forbidden()),
            Err(error) => Err(error.into()),
        }
    }

    /// The bucket of the path. What cannot be a name is no bucket.
    ///
    /// # Errors
    /// 404.
    pub(super) fn bucket(&self) -> Result<BucketName, Problem> {
        BucketName::parse(self.value("bucket")).map_err(|_| Problem::not_found())
    }

    /// The user of the path. What cannot be an id is no user.
    ///
    /// # Errors
    /// 404.
    pub(super) fn user(&self) -> Result<UserId, Problem> {
        UserId::parse(self.value("user")).map_err(|_| Problem::not_found())
    }

    /// The JSON body; none reads as `{}`.
    ///
    /// # Errors
    /// It is no JSON, or does not say what it should.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        crate::json::read(&self.body)
    }
}

/// Reads a body.
///
/// # Errors
/// It is too long, or breaks off.
pub(super) async fn read(body: Body) -> Result<Bytes, Problem> {
    let too_large = || Problem::payload_too_large(JSON_BYTES_MAX as u64);
    if body.size_hint().lower() > JSON_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let mut pieces = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Problem::invalid("the body is incomplete"))?;
        if whole.len() + piece.len() > JSON_BYTES_MAX {
            return Err(too_large());
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
