//! CORS: a bucket's rules answer for its paths here as they do for S3's.
//!
//! Owns: the headers of answers to pages of other origins. Does not own: which rule allows what (`domain::cors`).
//! Invariant: an answer opens nothing: what a request may do is decided as if CORS did not exist.

use std::sync::Arc;

use axum::response::Response;
use domain::cors::{Allowed, Asked, allow};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderName, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use schemas::event::{CorsMethod, CorsRule, Event};
use schemas::{BucketName, TenantId};

use super::{App, answer, raw_path};
use crate::problem::Problem;
use crate::query::Query;

/// What the answer depends on: caches must not give one origin the answer of another.
const VARIES: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

/// What is kept of a request for its answer: by then the rest is used up.
pub(super) struct Page {
    origin: String,
    /// What a preflight asks for, or the request's own method.
    method: String,
    headers: Vec<String>,
    bucket: BucketName,
    /// The tenant that the request is said to be for, whoever it turns out to come from.
    claimed: Option<TenantId>,
}

impl Page {
    /// None for a request that no page of another origin sent, or that is on no bucket.
    pub(super) fn of(app: &App, parts: &Parts) -> Option<Self> {
        let text = |name: &HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let origin = text(&ORIGIN).filter(|origin| !origin.is_empty())?;
        let values = app.routes.values(raw_path(parts))?;
        let bucket = BucketName::parse(values.find("bucket")?).ok()?;
        let names = text(&ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let names = names.split(',').map(|name| name.trim().to_ascii_lowercase());
        let host = text(&HOST).or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
        Some(Self {
            origin: origin.to_owned(),
            method: text(&ACCESS_CONTROL_REQUEST_METHOD).unwrap_or(parts.method.as_str()).to_owned(),
            headers: names.filter(|name| !name.is_empty()).collect(),
            bucket,
            claimed: claimed(app, parts.uri.query(), host),
        })
    }

    /// Whether it is asked for before the request is sent.
    pub(super) fn is_preflight(parts: &Parts) -> bool {
        parts.method == http::Method::OPTIONS && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// Answers a preflight. Nobody is asked who they are: browsers send no credential with it.
    ///
    /// # Errors
    /// 403: no rule allows it. A bucket that is not there, or whose tenant cannot be told, is like one without rules.
    pub(super) fn preflight(&self, app: &App) -> Result<Response, Problem> {
        let forbidden = || {
            let message = "no CORS rule of the bucket allows this";
            Problem::new(StatusCode::FORBIDDEN, "forbidden", message)
        };
        let rules = Rules::of(app, self.claimed.ok_or_else(forbidden)?, &self.bucket)?;
        let allowed = self.allowed(rules.get().ok_or_else(forbidden)?).ok_or_else(forbidden)?;
        let mut response = answer::empty(StatusCode::OK);
        self.write(response.headers_mut(), &allowed);
        Ok(response)
    }

    /// Adds what a page needs to read an answer, of whatever status. `known` is the tenant of the sender, if it is known.
    pub(super) fn decorate(&self, app: &App, known: Option<TenantId>, headers: &mut HeaderMap) -> Result<(), Problem> {
        let Some(tenant) = known.or(self.claimed) else { return Ok(()) };
        let rules = Rules::of(app, tenant, &self.bucket)?;
        let Some(rules) = rules.get() else { return Ok(()) };
        headers.append(VARY, VARIES);
        if let Some(allowed) = self.allowed(rules) {
            self.write(headers, &allowed);
        }
        Ok(())
    }

    fn allowed<'r>(&self, rules: &'r [CorsRule]) -> Option<Allowed<'r>> {
        let method = CorsMethod::parse(&self.method)?;
        allow(rules, &Asked { origin: &self.origin, method, headers: &self.headers })
    }

    fn write(&self, answer: &mut HeaderMap, allowed: &Allowed<'_>) {
        let rule = allowed.rule;
        if allowed.any_origin {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        } else {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, answer::text_value(&self.origin));
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        let methods: Vec<&str> = rule.methods.iter().map(|method| method.as_str()).collect();
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, answer::text_value(methods.join(", ")));
        if !self.headers.is_empty() {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, answer::text_value(self.headers.join(", ")));
        }
        if !rule.exposed.is_empty() {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, answer::text_value(rule.exposed.join(", ")));
        }
        if let Some(seconds) = rule.max_age_s {
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
        answer.entry(VARY).or_insert(VARIES);
    }
}

/// Of the token of a signed URL, else of the host, else the one that requests without a credential are for.
fn claimed(app: &App, query: Option<&str>, host: Option<&str>) -> Option<TenantId> {
    if let Some(token) = Query::parse(query).ok().as_ref().and_then(|query| query.first("token")) {
        return app.store.signed_url_bearer(token).ok().map(|(bearer, _)| bearer.holder.tenant);
    }
    let host = host.map(|host| without_port(host).to_ascii_lowercase());
    let by_host = host.and_then(|host| app.options.tenant_hosts.get(&host));
    let name = by_host.or(app.options.anonymous_tenant.as_ref())?;
    app.store.anonymous_tenant(name).ok().flatten()
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand within brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The rules of a bucket, as the event that set them has them.
struct Rules(Option<Arc<Event>>);

impl Rules {
    fn of(app: &App, tenant: TenantId, bucket: &BucketName) -> Result<Self, Problem> {
        Ok(Self(app.store.cors_rules(tenant, bucket)?))
    }

    fn get(&self) -> Option<&[CorsRule]> {
        match self.0.as_deref() {
            Some(Event::BucketCorsSet(set)) => set.rules.as_deref(),
            _ => None,
        }
    }
}
