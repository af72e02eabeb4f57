//! Admin tokens. The text of one leaves once, in the answer that makes it.

use std::sync::Arc;

use axum::response::IntoResponse;
use http::{HeaderValue, Method, StatusCode, header};
use pipeline::{AdminTokenInfo, NewAdminToken};
use schemas::TenantName;
use schemas::event::AdminRole;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, json, whole};
use crate::json::{parse_time, timestamp};
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let op = |method, path, id, summary| Operation::new(method, path, id, "tokens", summary);
    let list = op(Method::GET, "/tokens", "listAdminTokens", "Admin tokens").answers::<TokenList>(200, "Tokens by id.");
    let create = op(Method::POST, "/tokens", "createAdminToken", "Make an admin token")
        .about("Its text is in this answer and in no other.")
        .takes::<NewToken>()
        .answers::<TokenWithText>(201, "The token.")
        .refuses(&[404, 413, 507]);
    let revoke = op(Method::DELETE, "/tokens/{token}", "revokeAdminToken", "End an admin token for good")
        .answers_empty(204, "Ended.")
        .refuses(&[404, 507]);
    vec![
        whole(AdminRole::Owner, list, self::list),
        whole(AdminRole::Owner, create, self::create),
        whole(AdminRole::Owner, revoke, self::revoke),
    ]
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Role {
    /// Read.
    Viewer,
    /// And make tenants, users and keys, set quotas, run upkeep.
    Operator,
    /// And disable and delete tenants, and make tokens.
    Owner,
}

/// A new token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewToken {
    /// What it may do.
    role: Role,
    /// For people.
    name: Option<String>,
    /// The one tenant that it may see; all without it.
    tenant: Option<String>,
    /// When it ends, if it does.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// What records call it.
    id: String,
    /// What it may do.
    role: Role,
    /// For people.
    name: String,
    /// The one tenant that it may see, if it is limited.
    tenant: Option<String>,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: Option<String>,
    /// When it ends, if it does.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

/// A token and its text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokenWithText {
    #[serde(flatten)]
    about: Token,
    /// Its text (`lwadm_...`).
    #[schema(format = Password)]
    token: String,
}

/// Tokens.
#[derive(Serialize, ToSchema)]
struct TokenList {
    tokens: Vec<Token>,
}

impl Token {
    fn of(info: AdminTokenInfo) -> Self {
        Self {
            id: info.id,
            role: match info.role {
                AdminRole::Viewer => Role::Viewer,
                AdminRole::Operator => Role::Operator,
                AdminRole::Owner => Role::Owner,
            },
            name: info.name,
            tenant: info.tenant.map(|tenant| tenant.to_string()),
            status: match (info.revoked, info.expired) {
                (true, _) => "revoked",
                (false, true) => "expired",
                (false, false) => "active",
            },
            created_at: timestamp(info.created),
            expires_at: info.expires.and_then(timestamp),
        }
    }
}

async fn list(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tokens = admin.store.list_admin_tokens(ask.caller()?).await?.into_iter().map(Token::of).collect();
    Ok(json(StatusCode::OK, TokenList { tokens }))
}

async fn create(admin: Arc<Admin>, ask: Ask) -> Answer {
    let NewToken { role, name, tenant, expires_at } = ask.json()?;
    let tenant = match tenant {
        Some(name) => Some(TenantName::parse(&name).map_err(|error| Problem::invalid(error.to_string()))?),
        None => None,
    };
    let expires = expires_at.as_deref().map(|text| parse_time("expiresAt", text)).transpose()?;
    let role = match role {
        Role::Viewer => AdminRole::Viewer,
        Role::Operator => AdminRole::Operator,
        Role::Owner => AdminRole::Owner,
    };
    let new = NewAdminToken { role, name: name.unwrap_or_default(), tenant, expires };
    let (info, text) = admin.store.make_admin_token(ask.caller()?, new).await?;
    let answer = TokenWithText { about: Token::of(info), token: text.expose_secret().to_owned() };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, json(StatusCode::CREATED, answer)).into_response())
}

async fn revoke(admin: Arc<Admin>, ask: Ask) -> Answer {
    admin.store.revoke_admin_token(ask.caller()?, ask.value("token")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
