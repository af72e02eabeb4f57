//! Keys of a tenant. A secret leaves once, in the answer that makes it.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use domain::Refusal;
use http::{HeaderValue, Method, StatusCode, header};
use pipeline::{AccessKeyInfo, AccessKeyStatus, CreateAccessKey, NewKey, NewSecret, StoreError};
use schemas::event::AdminRole;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, TenantName, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry, json};
use crate::json::{parse_time, timestamp};
use crate::operation::Operation;
use crate::problem::Problem;

/// Whose keys are when a request names nobody: the contract's tenants have no users.
const DEFAULT_USER: &str = "default";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 8..=128;

pub(super) fn operations() -> Vec<Entry> {
    let op = |method, path, id, summary| Operation::new(method, path, id, "keys", summary).refuses(&[404]);
    let list =
        op(Method::GET, "/tenants/{id}/keys", "listKeys", "Keys of a tenant").answers::<KeyList>(200, "Keys by id.");
    let create = op(Method::POST, "/tenants/{id}/keys", "createKey", "Make a key")
        .about("The secret is in this answer and in no other.")
        .may_take::<NewAccessKey>()
        .answers::<KeyWithSecret>(201, "The key and its secret.")
        .refuses(&[409, 413, 507]);
    let revoke = op(Method::POST, "/tenants/{id}/keys/{key}/revoke", "revokeKey", "End a key for good")
        .about("Its tokens and signed URLs end with it, at their next use.")
        .may_take::<WhyRevoked>()
        .answers::<Key>(200, "The key.")
        .refuses(&[413, 507]);
    let rotate = op(Method::POST, "/tenants/{id}/keys/{key}/rotate", "rotateKey", "Give a key another secret")
        .about("The old secret, and the tokens and signed URLs made with it, end at once.")
        .answers::<KeyWithSecret>(200, "The key and its new secret.")
        .refuses(&[409, 507]);
    let disable = op(Method::POST, "/tenants/{id}/keys/{key}/disable", "disableKey", "Stop a key")
        .answers::<Key>(200, "The key.")
        .refuses(&[409, 507]);
    let enable = op(Method::POST, "/tenants/{id}/keys/{key}/enable", "enableKey", "Let a key work again")
        .answers::<Key>(200, "The key.")
        .refuses(&[409, 507]);
    vec![
        entry(AdminRole::Viewer, list, self::list),
        entry(AdminRole::Operator, create, self::create),
        entry(AdminRole::Operator, revoke, self::revoke),
        entry(AdminRole::Operator, rotate, self::rotate),
        entry(AdminRole::Operator, disable, |admin, ask| set_enabled(admin, ask, false)),
        entry(AdminRole::Operator, enable, |admin, ask| set_enabled(admin, ask, true)),
    ]
}

/// What kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyType {
    /// Signs requests (S3), or is exchanged for tokens.
    Access,
    /// Is sent with requests as a bearer token (`hfsk_...`).
    Api,
}

// No Debug: it holds a secret.
/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewAccessKey {
    /// Whose; without it, the user `default`, who is made when there is none.
    user: Option<String>,
    /// Its id, chosen; with `secretKey` or not at all.
    access_key_id: Option<String>,
    /// Its secret, chosen: 8 to 128 visible ASCII characters.
    #[schema(format = Password)]
    secret_key: Option<String>,
    /// What it may do, such as `op=read:bucket=data,op=write:bucket=data`; everything in the tenant if it is left out.
    scopes: Option<String>,
    /// For people.
    name: Option<String>,
    /// When it ends, if it does.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// `access` if it is left out.
    #[serde(rename = "type")]
    kind: Option<KeyType>,
}

/// Why a key is revoked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WhyRevoked {
    /// For whoever reads the history.
    reason: Option<String>,
}

/// A key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Key {
    /// Its id.
    id: String,
    /// Its id.
    access_key_id: String,
    /// Whose.
    user: String,
    /// What it may do.
    scopes: String,
    /// For people.
    name: Option<String>,
    /// What kind.
    #[serde(rename = "type")]
    kind: KeyType,
    /// `active`, `disabled` or `revoked`.
    status: &'static str,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// When it ends, if it does.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When its secret was last replaced, if it was.
    #[schema(format = DateTime)]
    rotated_at: Option<String>,
}

/// A key and its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeyWithSecret {
    #[serde(flatten)]
    key: Key,
    /// The secret; of an API key its whole text.
    #[schema(format = Password)]
    secret_key: String,
}

/// Keys.
#[derive(Serialize, ToSchema)]
struct KeyList {
    keys: Vec<Key>,
}

impl From<AccessKeyInfo> for Key {
    fn from(info: AccessKeyInfo) -> Self {
        Self {
            id: info.id.to_string(),
            access_key_id: info.id.to_string(),
            user: info.user.to_string(),
            scopes: info.scopes.to_string(),
            name: info.name,
            kind: if info.api { KeyType::Api } else { KeyType::Access },
            status: match info.status {
                AccessKeyStatus::Active => "active",
                AccessKeyStatus::Disabled => "disabled",
                AccessKeyStatus::Revoked => "revoked",
            },
            created_at: timestamp(info.created),
            expires_at: info.expires.and_then(timestamp),
            rotated_at: info.rotated.and_then(timestamp),
        }
    }
}

async fn list(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenant = ask.tenant(&admin.store).await?;
    let keys = admin.store.list_access_keys(ask.caller()?, &tenant).await?.into_iter().map(Key::from).collect();
    Ok(json(StatusCode::OK, KeyList { keys }))
}

async fn create(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenant = ask.tenant(&admin.store).await?;
    let NewAccessKey { user, access_key_id, secret_key, scopes, name, expires_at, kind } = ask.json()?;
    let scopes = match scopes {
        Some(text) => text.parse::<Scopes>().map_err(|error| Problem::invalid(error.to_string()))?,
        None => Scopes::full(),
    };
    let expires = expires_at.as_deref().map(|text| parse_time("expiresAt", text)).transpose()?;
    let key = new_key(kind.unwrap_or(KeyType::Access), access_key_id, secret_key)?;
    let of_default = user.is_none();
    let user = match user {
        Some(user) => UserId::parse(&user).map_err(|error| Problem::invalid(error.to_string()))?,
        None => default_user(&admin, &ask, &tenant).await?,
    };
    let request = CreateAccessKey { user, key, name, scopes, expires };
    let made = match admin.store.create_access_key(ask.caller()?, &tenant, request).await {
        Err(StoreError::Refused(Refusal::NoSuchUser)) if of_default => {
            return Err(Problem::invalid(
                "the user `default` was deleted, and its id is not given again: name a `user`",
            ));
        }
        made => made?,
    };
    Ok(shown_once(StatusCode::CREATED, made))
}

fn shown_once(status: StatusCode, (info, secret): NewSecret) -> Response {
    let answer = KeyWithSecret { key: info.into(), secret_key: secret.expose_secret().to_owned() };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (no_store, json(status, answer)).into_response()
}

fn new_key(kind: KeyType, id: Option<String>, secret: Option<String>) -> Result<NewKey, Problem> {
    let (id, secret) = match (kind, id, secret.map(SecretString::from)) {
        (KeyType::Access, Some(id), Some(secret)) => (id, secret),
        (KeyType::Access, None, None) => return Ok(NewKey::Made),
        (KeyType::Api, None, None) => return Ok(NewKey::Api),
        (KeyType::Api, ..) => return Err(Problem::invalid("the secret of an API key is made, and not chosen")),
        _ => return Err(Problem::invalid("`accessKeyId` and `secretKey` come together or not at all")),
    };
    let id = AccessKeyId::parse(&id).map_err(|error| Problem::invalid(error.to_string()))?;
    let text = secret.expose_secret();
    if !SECRET_BYTES.contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::invalid("`secretKey` must be 8 to 128 visible ASCII characters"));
    }
    Ok(NewKey::Chosen(id, secret))
}

async fn default_user(admin: &Admin, ask: &Ask, tenant: &TenantName) -> Result<UserId, Problem> {
    let user = UserId::parse(DEFAULT_USER).map_err(|error| Problem::invalid(error.to_string()))?;
    let made = admin.store.create_user(ask.caller()?, tenant, user.clone(), DEFAULT_USER.to_owned(), None).await;
    match made {
        Ok(_) | Err(StoreError::Refused(Refusal::UserExists)) => Ok(user),
        Err(error) => Err(error.into()),
    }
}

/// The key of the path. What cannot be an id is no key.
fn key(ask: &Ask) -> Result<AccessKeyId, Problem> {
    AccessKeyId::parse(ask.value("key")).map_err(|_| Problem::not_found())
}

async fn revoke(admin: Arc<Admin>, ask: Ask) -> Answer {
    let (tenant, key) = (ask.tenant(&admin.store).await?, key(&ask)?);
    let WhyRevoked { reason } = ask.json()?;
    let info = admin.store.revoke_access_key(ask.caller()?, &tenant, &key, reason).await?;
    Ok(json(StatusCode::OK, Key::from(info)))
}

async fn rotate(admin: Arc<Admin>, ask: Ask) -> Answer {
    let (tenant, key) = (ask.tenant(&admin.store).await?, key(&ask)?);
    let made = admin.store.rotate_access_key(ask.caller()?, &tenant, &key).await?;
    Ok(shown_once(StatusCode::OK, made))
}

async fn set_enabled(admin: Arc<Admin>, ask: Ask, enabled: bool) -> Answer {
    let (tenant, key) = (ask.tenant(&admin.store).await?, key(&ask)?);
    let info = admin.store.set_access_key_enabled(ask.caller()?, &tenant, &key, enabled).await?;
    Ok(json(StatusCode::OK, Key::from(info)))
}
