//! Access keys of a tenant. A secret leaves once, in the answer that makes the key.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use domain::Refusal;
use http::{HeaderValue, StatusCode, header};
use pipeline::{AccessKeyInfo, AccessKeyStatus, AdminCaller, CreateAccessKey, NewKey, StoreError};
use schemas::event::AdminRole;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, TenantName, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::installation::Installation;
use super::{Admin, auth, body};
use crate::problem::Problem;

/// Whose keys are when a request names nobody: the contract's tenants have no users.
const DEFAULT_USER: &str = "default";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=128;

// No Debug: it holds a secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Create {
    user: Option<String>,
    access_key_id: Option<String>,
    secret_key: Option<String>,
    scopes: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: Option<String>,
}

fn status(status: AccessKeyStatus) -> &'static str {
    match status {
        AccessKeyStatus::Active => "active",
        AccessKeyStatus::Disabled => "disabled",
        AccessKeyStatus::Revoked => "revoked",
    }
}

fn key_fields(info: &AccessKeyInfo) -> serde_json::Value {
    serde_json::json!({
        "id": info.id.as_str(),
        "accessKeyId": info.id.as_str(),
        "user": info.user.as_str(),
        "scopes": info.scopes.to_string(),
        "status": status(info.status),
        "createdAt": body::timestamp(info.created),
        "expiresAt": info.expires.and_then(body::timestamp),
    })
}

pub(super) async fn create<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Response, Problem> {
    auth::need(&caller, AdminRole::Operator)?;
    let tenant = auth::tenant(&admin, &caller, &id).await?;
    let Create { user, access_key_id, secret_key, scopes } = body::read(&bytes)?;
    let scopes = match scopes {
        Some(text) => text.parse::<Scopes>().map_err(|error| Problem::invalid(error.to_string()))?,
        None => Scopes::full(),
    };
    let key = pair(access_key_id, secret_key)?;
    let user = match user {
        Some(user) => UserId::parse(&user).map_err(|error| Problem::invalid(error.to_string()))?,
        None => default_user(&admin, &caller, &tenant).await?,
    };
    let request = CreateAccessKey { user, key, name: None, scopes, expires: None };
    let (info, secret) = admin.store.create_access_key(&caller, &tenant, request).await?;
    let mut fields = key_fields(&info);
    fields["secretKey"] = secret.expose_secret().into();
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::CREATED, no_store, Json(fields)).into_response())
}

fn pair(id: Option<String>, secret: Option<String>) -> Result<NewKey, Problem> {
    let (id, secret) = match (id, secret.map(SecretString::from)) {
        (Some(id), Some(secret)) => (id, secret),
        (None, None) => return Ok(NewKey::Made),
        _ => return Err(Problem::invalid("`accessKeyId` and `secretKey` come together or not at all")),
    };
    let id = AccessKeyId::parse(&id).map_err(|error| Problem::invalid(error.to_string()))?;
    let text = secret.expose_secret();
    if !SECRET_BYTES.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::invalid("`secretKey` must be 8 to 128 visible ASCII characters"));
    }
    Ok(NewKey::Chosen(id, secret))
}

async fn default_user<I: Installation>(
    admin: &Admin<I>,
    caller: &AdminCaller,
    tenant: &TenantName,
) -> Result<UserId, Problem> {
    let user = UserId::parse(DEFAULT_USER).map_err(|error| Problem::invalid(error.to_string()))?;
    let made = admin.store.create_user(caller, tenant, user.clone(), DEFAULT_USER.to_owned(), None).await;
    match made {
        Ok(_) | Err(StoreError::Refused(Refusal::UserExists)) => Ok(user),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn list<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
) -> Result<Json<serde_json::Value>, Problem> {
    let tenant = auth::tenant(&admin, &caller, &id).await?;
    let keys = admin.store.list_access_keys(&caller, &tenant).await?;
    let keys: Vec<_> = keys.iter().map(key_fields).collect();
    Ok(Json(serde_json::json!({ "keys": keys })))
}

fn parse_key(key: &str) -> Result<AccessKeyId, Problem> {
    AccessKeyId::parse(key).map_err(|_| Problem::not_found())
}

pub(super) async fn revoke<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path((id, key)): Path<(String, String)>,
    bytes: Bytes,
) -> Result<Json<serde_json::Value>, Problem> {
    auth::need(&caller, AdminRole::Operator)?;
    let tenant = auth::tenant(&admin, &caller, &id).await?;
    let reason = body::read::<Reason>(&bytes)?.reason;
    let info = admin.store.revoke_access_key(&caller, &tenant, &parse_key(&key)?, reason).await?;
    Ok(Json(key_fields(&info)))
}

pub(super) async fn disable<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path((id, key)): Path<(String, String)>,
) -> Result<Json<serde_json::Value>, Problem> {
    set_enabled(&admin, &caller, &id, &key, false).await
}

pub(super) async fn enable<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path((id, key)): Path<(String, String)>,
) -> Result<Json<serde_json::Value>, Problem> {
    set_enabled(&admin, &caller, &id, &key, true).await
}

async fn set_enabled<I: Installation>(
    admin: &Admin<I>,
    caller: &AdminCaller,
    id: &str,
    key: &str,
    enabled: bool,
) -> Result<Json<serde_json::Value>, Problem> {
    auth::need(caller, AdminRole::Operator)?;
    let tenant = auth::tenant(admin, caller, id).await?;
    let info = admin.store.set_access_key_enabled(caller, &tenant, &parse_key(key)?, enabled).await?;
    Ok(Json(key_fields(&info)))
}
