//! Users of a tenant.

use std::sync::Arc;

use axum::response::IntoResponse;
use http::{Method, StatusCode};
use pipeline::UserInfo;
use schemas::UserId;
use schemas::event::AdminRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry, json};
use crate::json::timestamp;
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let op = |method, path, id, summary| Operation::new(method, path, id, "users", summary).refuses(&[404]);
    let list = op(Method::GET, "/tenants/{id}/users", "listUsers", "Users of a tenant")
        .answers::<UserList>(200, "Users by id.");
    let create = op(Method::POST, "/tenants/{id}/users", "createUser", "Make a user")
        .takes::<NewUser>()
        .answers::<User>(201, "The user.")
        .refuses(&[409, 413, 507]);
    let delete = op(Method::DELETE, "/tenants/{id}/users/{user}", "deleteUser", "Delete a user")
        .about("Its keys stop working. What it owns keeps naming it, and its id is not given again.")
        .answers_empty(204, "Deleted.")
        .refuses(&[507]);
    vec![
        entry(AdminRole::Viewer, list, self::list),
        entry(AdminRole::Operator, create, self::create),
        entry(AdminRole::Operator, delete, self::delete),
    ]
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewUser {
    /// 1 to 128 letters, digits and `._@+=,-`.
    id: String,
    /// For people; the id if none is given.
    display_name: Option<String>,
    /// Where mail goes: an ACL may name a user by it.
    email: Option<String>,
}

/// A user.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct User {
    /// Unique in its tenant.
    id: String,
    /// For people.
    display_name: String,
    /// Where mail goes, if given.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: Option<String>,
}

/// Users.
#[derive(Serialize, ToSchema)]
struct UserList {
    users: Vec<User>,
}

impl From<UserInfo> for User {
    fn from(info: UserInfo) -> Self {
        let UserInfo { id, display_name, email, created } = info;
        Self { id: id.to_string(), display_name, email, created_at: timestamp(created) }
    }
}

async fn list(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenant = ask.tenant(&admin.store).await?;
    let users = admin.store.list_users(ask.caller()?, &tenant).await?.into_iter().map(User::from).collect();
    Ok(json(StatusCode::OK, UserList { users }))
}

async fn create(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenant = ask.tenant(&admin.store).await?;
    let NewUser { id, display_name, email } = ask.json()?;
    let user = UserId::parse(&id).map_err(|error| Problem::invalid(error.to_string()))?;
    let display_name = display_name.unwrap_or_else(|| user.to_string());
    let info = admin.store.create_user(ask.caller()?, &tenant, user, display_name, email).await?;
    Ok(json(StatusCode::CREATED, User::from(info)))
}

async fn delete(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenant = ask.tenant(&admin.store).await?;
    admin.store.delete_user(ask.caller()?, &tenant, &ask.user()?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
