//! Retention and legal hold of versions.
//!
//! Invariant: governance is never bypassed here. What binds a version can be prolonged by this API and not shortened.

use std::sync::Arc;

use domain::Refusal;
use http::{Method, StatusCode};
use pipeline::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::said::{RetentionBody, hold_name};
use super::{Answer, App, Entry, answer, entry, said, stored};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "retention";
const RETENTION: &str = "/buckets/{bucket}/object-retention/{key...}";
const HOLD: &str = "/buckets/{bucket}/object-legal-hold/{key...}";

pub(super) fn operations() -> Vec<Entry> {
    let version = |operation: Operation| {
        operation
            .query("versionId", json!({ "type": "string" }), "A version, instead of the current one.")
            .refuses(&[404, 405, 409])
    };
    let get = Operation::new(Method::GET, RETENTION, "getObjectRetention", TAG, "Get an object version's retention");
    let put = Operation::new(
        Method::PUT,
        RETENTION,
        "setObjectRetention",
        TAG,
        "Set an object version's retention (GOVERNANCE, COMPLIANCE or AUDIT_TRAIL)",
    )
    .about(
        "It may be prolonged, and neither shortened nor weakened. Governance is not bypassed here. Under AUDIT_TRAIL a version \
         can be overwritten and removed; what it was can be shown again until the date, for its content is kept.",
    )
    .takes::<RetentionBody>()
    .refuses(&[413]);
    let get_hold =
        Operation::new(Method::GET, HOLD, "getObjectLegalHold", TAG, "Get an object version's legal-hold status");
    let put_hold = Operation::new(
        Method::PUT,
        HOLD,
        "setObjectLegalHold",
        TAG,
        "Set an object version's legal-hold status (ON/OFF)",
    )
    .takes::<NewHold>()
    .refuses(&[413]);
    let position = &[answer::POSITION_TEXT];
    vec![
        entry(version(get).answers::<RetentionBody>(200, "Retention (mode and retainUntil)."), retention),
        entry(version(put).answers::<RetentionBody>(200, "Retention set.").with_headers(position), set_retention),
        entry(version(get_hold).answers::<Hold>(200, "Legal-hold status (ON/OFF)."), hold),
        entry(version(put_hold).answers::<Hold>(200, "Legal-hold set.").with_headers(position), set_hold),
    ]
}

/// Legal hold of a version.
#[derive(Serialize, ToSchema)]
struct Hold {
    /// `ON` or `OFF`.
    status: &'static str,
}

/// Legal hold of a version, as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewHold {
    /// `ON` or `OFF`.
    status: String,
}

async fn retention(app: Arc<App>, ask: Ask) -> Answer {
    let found = app.store.object_retention(ask.caller()?, ask.object_version()?).await?;
    let mut response = answer::json(StatusCode::OK, &RetentionBody::of(found.retention));
    stored::version(response.headers_mut(), found.version);
    Ok(response)
}

async fn set_retention(app: Arc<App>, mut ask: Ask) -> Answer {
    let object = ask.object_version()?;
    let retention = ask.json::<RetentionBody>().await?.parse()?;
    let amended = app.store.set_object_retention(ask.caller()?, object, Some(retention), false).await;
    let amended = amended.map_err(|error| match error {
        StoreError::Refused(Refusal::ObjectLocked) => Problem::new(
            StatusCode::FORBIDDEN,
            "retention_violation",
            "a retention may be prolonged, and neither shortened nor weakened",
        ),
        error => error.into(),
    })?;
    Ok(stored::amended(answer::json(StatusCode::OK, &RetentionBody::of(retention)), &amended))
}

async fn hold(app: Arc<App>, ask: Ask) -> Answer {
    let found = app.store.object_legal_hold(ask.caller()?, ask.object_version()?).await?;
    let mut response = answer::json(StatusCode::OK, &Hold { status: hold_name(found.on) });
    stored::version(response.headers_mut(), found.version);
    Ok(response)
}

async fn set_hold(app: Arc<App>, mut ask: Ask) -> Answer {
    let object = ask.object_version()?;
    let on = said::hold(&ask.json::<NewHold>().await?.status)?;
    let amended = app.store.set_object_legal_hold(ask.caller()?, object, on).await?;
    Ok(stored::amended(answer::json(StatusCode::OK, &Hold { status: hold_name(on) }), &amended))
}
