//! `/keys`: users look after their own keys.
//!
//! Owns: their form in JSON. Does not own: who may manage which key, making secrets (the store).
//! Invariant: a secret is in the one answer that made it, which no cache keeps.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use pipeline::{AccessKeyInfo, AccessKeyStatus, CreateAccessKey, NewKey, NewSecret};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, Time};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "keys";
const NAME_CHARS_MAX: usize = 128;

pub(super) fn operations() -> Vec<Entry> {
    let of_key = |method, path, id, summary| Operation::new(method, path, id, TAG, summary).refuses(&[404]);
    let list = Operation::new(Method::GET, "/keys", "listKeys", TAG, "List your keys")
        .about(
            "Keys of the user that the credential belongs to, those with which no more can be done than with the credential \
             itself. Managing keys takes the operation `admin`.",
        )
        .answers::<KeyList>(200, "The keys, by id.");
    let create = Operation::new(Method::POST, "/keys", "createKey", TAG, "Create a key")
        .about(
            "Of the user that the credential belongs to, for no more than the credential may do itself. The secret is in this \
             answer and in no other.",
        )
        .takes::<NewKeyBody>()
        .answers::<KeyWithSecret>(201, "The key with its secret.")
        .refuses(&[409, 413]);
    let get = of_key(Method::GET, "/keys/{keyId}", "getKey", "Get a key").answers::<Key>(200, "The key.");
    let revoke = of_key(Method::DELETE, "/keys/{keyId}", "revokeKey", "Revoke a key")
        .about("For good. What was issued with it stops working at once.")
        .answers_empty(204, "Revoked.");
    let rotate = of_key(Method::POST, "/keys/{keyId}/rotate", "rotateKey", "Give a key another secret")
        .about("The old secret, and the tokens and signed URLs that were made with it, stop working at once.")
        .answers::<KeyWithSecret>(200, "The key with its new secret.")
        .refuses(&[409]);
    vec![
        entry(list, self::list),
        entry(create, self::create),
        entry(get, self::get),
        entry(revoke, self::revoke),
        entry(rotate, self::rotate),
    ]
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Key {
    /// Its id.
    id: String,
    /// The same by the name that it has where requests are signed.
    access_key_id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `access`: it signs requests and is exchanged for tokens. `api`: it is itself sent as a bearer token.
    r#type: &'static str,
    /// Whose it is.
    user: String,
    /// What it may do: `op=read:bucket=data:prefix=in/,op=write`.
    scopes: String,
    /// `active`, `disabled`, `revoked` or `expired`.
    status: &'static str,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// When it got its present secret, if that is not its first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    rotated_at: Option<String>,
    /// Whether this request was made with it.
    current: bool,
}

/// Keys.
#[derive(Serialize, ToSchema)]
struct KeyList {
    /// By id.
    keys: Vec<Key>,
}

/// A key that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewKeyBody {
    /// What people are to call it: up to 128 characters.
    name: Option<String>,
    /// `access` (the default) signs requests; `api` is itself sent as a bearer token.
    r#type: Option<String>,
    /// What it may do; as much as the credential if nothing is said.
    scopes: Option<String>,
    /// When it ends; never if nothing is said.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

// No Debug: it holds a secret.
/// A key with its secret, shown once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeyWithSecret {
    #[serde(flatten)]
    key: Key,
    /// The secret of an access key.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_key: Option<String>,
    /// The text of an API key, `hfsk_...`: to be sent as `Authorization: Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
}

fn shown(app: &App, ask: &Ask, info: &AccessKeyInfo) -> Result<Key, Problem> {
    let now = Time((app.options.clock)());
    let status = match info.status {
        AccessKeyStatus::Revoked => "revoked",
        _ if info.expires.is_some_and(|expires| expires <= now) => "expired",
        AccessKeyStatus::Disabled => "disabled",
        AccessKeyStatus::Active => "active",
    };
    Ok(Key {
        id: info.id.to_string(),
        access_key_id: info.id.to_string(),
        name: info.name.clone(),
        r#type: if info.api { "api" } else { "access" },
        user: info.user.to_string(),
        scopes: info.scopes.to_string(),
        status,
        created_at: answer::time(info.created),
        expires_at: info.expires.map(answer::time),
        rotated_at: info.rotated.map(answer::time),
        current: ask.caller()?.access_key() == Some(&info.id),
    })
}

fn with_secret(app: &App, ask: &Ask, status: StatusCode, (info, secret): &NewSecret) -> Result<Response, Problem> {
    let text = secret.expose_secret().to_owned();
    let (secret_key, api_key) = if info.api { (None, Some(text)) } else { (Some(text), None) };
    let mut response = answer::json(status, &KeyWithSecret { key: shown(app, ask, info)?, secret_key, api_key });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The key of the path. What cannot be one is none.
fn key_id(ask: &Ask) -> Result<AccessKeyId, Problem> {
    AccessKeyId::parse(ask.values.get("keyId")).map_err(|_| Problem::not_found())
}

async fn list(app: Arc<App>, ask: Ask) -> Answer {
    let keys = app.store.list_own_keys(ask.caller()?).await?;
    let keys = keys.iter().map(|info| shown(&app, &ask, info)).collect::<Result<_, _>>()?;
    Ok(answer::json(StatusCode::OK, &KeyList { keys }))
}

async fn create(app: Arc<App>, mut ask: Ask) -> Answer {
    let NewKeyBody { name, r#type, scopes, expires_at } = ask.json().await?;
    let caller = ask.caller()?;
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > NAME_CHARS_MAX) {
        return Err(Problem::invalid("`name` must have 1 to 128 characters"));
    }
    let key = match r#type.as_deref() {
        None | Some("access") => NewKey::Made,
        Some("api") => NewKey::Api,
        Some(_) => return Err(Problem::invalid("`type` must be `access` or `api`")),
    };
    let scopes = match scopes {
        Some(text) => text.parse::<Scopes>().map_err(|error| Problem::invalid(error.to_string()))?,
        None => caller.scopes().cloned().ok_or_else(Problem::forbidden)?,
    };
    let expires = expires_at.map(|text| end(&text, (app.options.clock)())).transpose()?;
    let request = CreateAccessKey { user: caller.user(), key, name, scopes, expires };
    let made = app.store.create_own_key(caller, request).await?;
    with_secret(&app, &ask, StatusCode::CREATED, &made)
}

fn end(text: &str, now_us: u64) -> Result<Time, Problem> {
    let end = text.trim().parse::<jiff::Timestamp>().ok().and_then(|end| u64::try_from(end.as_microsecond()).ok());
    let end = end.ok_or_else(|| Problem::invalid("`expiresAt` must be a time as RFC 3339 writes it"))?;
    if end <= now_us { Err(Problem::invalid("`expiresAt` must be in the future")) } else { Ok(Time(end)) }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let info = app.store.own_key(ask.caller()?, &key_id(&ask)?).await?;
    Ok(answer::json(StatusCode::OK, &shown(&app, &ask, &info)?))
}

async fn revoke(app: Arc<App>, ask: Ask) -> Answer {
    app.store.revoke_own_key(ask.caller()?, &key_id(&ask)?, None).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn rotate(app: Arc<App>, ask: Ask) -> Answer {
    let made = app.store.rotate_own_key(ask.caller()?, &key_id(&ask)?).await?;
    with_secret(&app, &ask, StatusCode::OK, &made)
}
