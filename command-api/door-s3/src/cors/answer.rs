//! Preflights, and the headers of answers to pages of other origins.

use axum::response::Response;
use domain::cors::{Allowed, Asked, allow};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use schemas::TenantId;
use schemas::event::{CorsMethod, CorsRule, Event};

use crate::answer::{self, text_value};
use crate::errors::{DoorError, Failure};
use crate::kept::Kept;
use crate::service::App;

/// What the answer depends on: caches must not give one origin the answer of another.
const VARIES: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

/// Answers OPTIONS. Nobody is asked who they are: browsers send no credential with a preflight.
///
/// # Errors
/// It is no preflight, or no rule allows what it asks for. A bucket that is not there, or whose tenant cannot be told, is like
/// one without rules: a stranger learns of no bucket that opens nothing to pages.
pub(crate) fn preflight(app: &App, kept: &Kept) -> Result<Response, Failure> {
    let origin = kept.origin().ok_or(DoorError::PreflightWithoutOrigin)?;
    let method = kept.preflight_method().and_then(CorsMethod::parse).ok_or(DoorError::PreflightMethod)?;
    let target = kept.target(app)?;
    let resource = if target.key.is_some() { "OBJECT" } else { "BUCKET" };
    let tenant = kept.claimed_tenant(app, &target)?;
    let rules = match (tenant, &target.bucket) {
        (Some(tenant), Some(bucket)) => Rules::of(app, tenant, bucket)?,
        _ => Rules(None),
    };
    let rules = rules.get().ok_or(DoorError::CorsNotEnabled { method: method.as_str(), resource })?;
    let headers = kept.preflight_headers();
    let allowed = allow(rules, &Asked { origin, method, headers: &headers });
    let allowed = allowed.ok_or(DoorError::CorsForbidden { method: method.as_str(), resource })?;
    let mut response = answer::empty(StatusCode::OK);
    write(response.headers_mut(), origin, &allowed, &headers);
    Ok(response)
}

/// Adds what a page of another origin needs to read an answer, of whatever status. `known` is the tenant of the request's
/// sender, if the sender is known.
///
/// # Errors
/// The rules cannot be read.
pub(crate) fn decorate(app: &App, kept: &Kept, known: Option<TenantId>, answer: &mut HeaderMap) -> Result<(), Failure> {
    let Some(origin) = kept.origin() else { return Ok(()) };
    // An address that cannot be read has no bucket, and its answer says so already.
    let Ok(target) = kept.target(app) else { return Ok(()) };
    let Some(bucket) = &target.bucket else { return Ok(()) };
    let tenant = match known {
        Some(tenant) => Some(tenant),
        None => kept.claimed_tenant(app, &target)?,
    };
    let Some(tenant) = tenant else { return Ok(()) };
    let rules = Rules::of(app, tenant, bucket)?;
    let Some(rules) = rules.get() else { return Ok(()) };
    answer.append(VARY, VARIES);
    // As in S3: a request that says what it would be in a preflight is taken for that.
    let method = kept.preflight_method().unwrap_or(kept.method.as_str());
    let headers = kept.preflight_headers();
    if let Some(method) = CorsMethod::parse(method)
        && let Some(allowed) = allow(rules, &Asked { origin, method, headers: &headers })
    {
        write(answer, origin, &allowed, &headers);
    }
    Ok(())
}

/// The rules of a bucket, as the event that set them has them.
struct Rules(Option<std::sync::Arc<Event>>);

impl Rules {
    fn of(app: &App, tenant: TenantId, bucket: &str) -> Result<Self, Failure> {
        // A name that is none has no rules.
        let Ok(bucket) = schemas::BucketName::parse(bucket) else { return Ok(Self(None)) };
        Ok(Self(app.store.cors_rules(tenant, &bucket)?))
    }

    fn get(&self) -> Option<&[CorsRule]> {
        match self.0.as_deref() {
            Some(Event::BucketCorsSet(set)) => set.rules.as_deref(),
            _ => None,
        }
    }
}

fn write(answer: &mut HeaderMap, origin: &str, allowed: &Allowed<'_>, headers: &[String]) {
    let rule = allowed.rule;
    if allowed.any_origin {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, text_value(origin));
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let methods: Vec<&str> = rule.methods.iter().map(|method| method.as_str()).collect();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, text_value(methods.join(", ")));
    if !headers.is_empty() {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, text_value(headers.join(", ")));
    }
    if !rule.exposed.is_empty() {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, text_value(rule.exposed.join(", ")));
    }
    if let Some(seconds) = rule.max_age_s {
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
    }
    answer.entry(VARY).or_insert(VARIES);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(origins: &[&str], origin: &str, headers: &[&str]) -> String {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rule = CorsRule {
            id: None,
            origins: texts(origins),
            methods: vec![CorsMethod::Get, CorsMethod::Head],
            headers: texts(&["*"]),
            exposed: texts(&["ETag", "x-amz-version-id"]),
            max_age_s: Some(60),
        };
        let headers = texts(headers);
        let rules = [rule];
        let allowed = allow(&rules, &Asked { origin, method: CorsMethod::Get, headers: &headers }).expect("allowed");
        let mut response = answer::empty(StatusCode::OK);
        write(response.headers_mut(), origin, &allowed, &headers);
        crate::testing::head(&response)
    }

    #[test]
    fn what_an_answer_carries() {
        insta::assert_snapshot!(written(&["https://a.example"], "https://a.example", &["content-type", "x-amz-date"]));
        insta::assert_snapshot!(written(&["*"], "https://a.example", &[]));
    }
}
