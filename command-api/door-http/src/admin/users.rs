//! Users of a tenant.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use pipeline::{AdminCaller, UserInfo};
use schemas::UserId;
use schemas::event::AdminRole;
use serde::{Deserialize, Serialize};

use super::installation::Installation;
use super::{Admin, auth, body};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Create {
    id: String,
    display_name: Option<String>,
    email: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    id: String,
    display_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    created_at: Option<String>,
}

impl From<UserInfo> for User {
    fn from(info: UserInfo) -> Self {
        Self {
            id: info.id.to_string(),
            display_name: info.display_name,
            email: info.email,
            created_at: body::timestamp(info.created),
        }
    }
}

pub(super) async fn create<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<User>), Problem> {
    auth::need(&caller, AdminRole::Operator)?;
    let tenant = auth::tenant(&admin, &caller, &id).await?;
    let create: Create = body::read(&bytes)?;
    let user = UserId::parse(&create.id).map_err(|error| Problem::invalid(error.to_string()))?;
    let display_name = create.display_name.unwrap_or_else(|| user.to_string());
    let info = admin.store.create_user(&caller, &tenant, user, display_name, create.email).await?;
    Ok((StatusCode::CREATED, Json(info.into())))
}

pub(super) async fn list<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
) -> Result<Json<serde_json::Value>, Problem> {
    let tenant = auth::tenant(&admin, &caller, &id).await?;
    let users: Vec<User> = admin.store.list_users(&caller, &tenant).await?.into_iter().map(User::from).collect();
    Ok(Json(serde_json::json!({ "users": users })))
}
