//! POST of a form: how a browser uploads a file without knowing a secret.
//!
//! Owns: which request is such a form, its fields, and its ways to answer. Does not own: the policy (`auth`), and what an object
//! may be (`object_write`: the form's fields are read as PutObject's headers).
//! Invariant: who asks is said in the form itself, so its fields, bounded, are the one thing this door reads before it knows
//! the sender. The file is not read before the policy allows the form.

mod fields;
mod framing;
mod part;

use std::sync::OnceLock;

use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, REFERER, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use pipeline::Written;
use schemas::event::Cause;
use schemas::{AccessKeyId, RequestId, TenantName};
use tracing::field;

pub(crate) use framing::{FIELDS_BYTES_MAX, FileError};

use crate::access_log::Known;
use crate::ask::Ask;
use crate::auth::{AuthError, FormFields, LengthRange, PayloadForm};
use crate::body::digests;
use crate::errors::{DoorError, Failure};
use crate::headers::refuse_unimplemented;
use crate::kept::Kept;
use crate::payload::{Opened, SINGLE_PUT_BYTES_MAX};
use crate::route::{Operation, Query, Target, select};
use crate::service::{App, Options, within_limit};
use crate::xml::{Xml, url_encoded};
use crate::{answer, bucket, front, object_write};

/// Whether the request is a form that says itself who sends it.
pub(crate) fn is_upload(parts: &Parts, options: &Options) -> bool {
    if parts.method != Method::POST || parts.headers.contains_key(AUTHORIZATION) {
        return false;
    }
    let target = Target::parse(front::host(parts), parts.uri.path(), &options.hosts);
    let query = Query::parse(parts.uri.query());
    let (Ok(target), Ok(query)) = (target, query) else { return false };
    matches!(select(&parts.method, &target, &query, &parts.headers), Ok(Operation::PostObject))
}

pub(crate) async fn upload(
    app: &App,
    parts: Parts,
    body: Body,
    request: &RequestId,
    kept: &Kept,
    known: &OnceLock<Known>,
) -> Result<Response, Failure> {
    tracing::Span::current().record("operation", field::debug(Operation::PostObject));
    let target = Target::parse(front::host(&parts), parts.uri.path(), &app.options.hosts)?;
    let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = content_type.and_then(part::boundary).ok_or(DoorError::MalformedPost)?;
    let form = framing::read(body, &boundary).await?;
    let fields = fields::with_file_name(form.fields, &form.file_name)?;
    let key = fields.get("key").ok_or(AuthError::MissingField { field: "key" })?.to_owned();
    let credential = fields.get("x-amz-credential").and_then(|credential| credential.split('/').next());
    if let Some(access_key) = credential.or_else(|| fields.get("AWSAccessKeyId")) {
        kept.claim(access_key);
    }
    let visit = front::visit(&parts, &target, &app.options, request);
    let credential = |access_key: &AccessKeyId| app.store.credential(access_key);
    let anonymous = |tenant: &TenantName| app.store.anonymous_tenant(tenant);
    let bucket = target.bucket.as_deref().unwrap_or_default();
    let (caller, allowed) = app.gate.admit_form(&fields, bucket, visit, credential, anonymous)?;
    tracing::Span::current().record("tenant", field::display(caller.tenant));
    let known = known.get_or_init(|| Known::by(&caller, target.bucket.as_deref(), Some(&key)));
    let _ = known.operation.set(Operation::PostObject);
    within_limit(app, &caller)?;
    let mut headers = fields::headers(&fields)?;
    // They say nothing of the object, and bucket policies ask for them.
    for name in [REFERER, USER_AGENT] {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    refuse_unimplemented(&headers)?;
    let place = Place::of(app, &parts, &target);
    let ask = Ask::new(caller, headers, Query::default(), Target { key: Some(key), ..target })?;
    bucket::expected_owner(app, &ask).await?;
    let allowed = LengthRange { most: allowed.most.min(SINGLE_PUT_BYTES_MAX), ..allowed };
    let stream = Box::pin(form.file.within(allowed));
    let written = object_write::write(app, &ask, Cause::Post, None, |headers| {
        Ok(Opened { stream, digests: digests(headers, PayloadForm::Unsigned)?, size_bytes: None })
    });
    let (written, customer) = written.await?;
    let mut response = answered(&fields, &ask, &place, &written);
    answer::customer(response.headers_mut(), customer.as_ref());
    Ok(response)
}

/// How the bucket was reached.
struct Place {
    /// `http://host`, without a slash.
    base: String,
    by_host: bool,
}

impl Place {
    fn of(app: &App, parts: &Parts, target: &Target) -> Self {
        if let Some(url) = &app.options.public_url {
            return Self { base: url.trim_end_matches('/').to_owned(), by_host: false };
        }
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| front::host(parts));
        Self { base: format!("http://{}", host.unwrap_or_default()), by_host: target.by_host }
    }

    fn location(&self, ask: &Ask) -> String {
        let key = url_encoded(ask.key().as_str());
        if self.by_host { format!("{}/{key}", self.base) } else { format!("{}/{}/{key}", self.base, ask.bucket()) }
    }
}

fn answered(fields: &FormFields, ask: &Ask, place: &Place, written: &Written) -> Response {
    let field = |name| fields.get(name).filter(|value| !value.is_empty());
    let redirect = field("success_action_redirect").or_else(|| field("redirect"));
    let redirect = redirect.and_then(|url| redirection(url, ask, written));
    let location = place.location(ask);
    let mut response = match (&redirect, field("success_action_status")) {
        (Some(_), _) => answer::empty(StatusCode::SEE_OTHER),
        (None, Some("200")) => answer::empty(StatusCode::OK),
        (None, Some("201")) => {
            let mut response = answer::xml(response_xml(ask, &location, written));
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        // Whatever else is asked for.
        (None, _) => answer::empty(StatusCode::NO_CONTENT),
    };
    answer::written_whole(response.headers_mut(), written);
    response.headers_mut().insert(LOCATION, redirect.unwrap_or_else(|| answer::text_value(location)));
    response
}

fn response_xml(ask: &Ask, location: &str, written: &Written) -> String {
    Xml::bare_document("PostResponse", |xml| {
        xml.text("Location", location);
        xml.text("Bucket", ask.bucket().as_str());
        xml.text("Key", ask.key().as_str());
        xml.value("ETag", format_args!("\"{}\"", written.etag));
    })
}

/// Where the browser goes next, told what was stored. None for what is no address: then there was no such field, as S3 has it.
fn redirection(url: &str, ask: &Ask, written: &Written) -> Option<HeaderValue> {
    let parsed: Uri = url.parse().ok()?;
    if !matches!(parsed.scheme_str()?, "http" | "https") {
        return None;
    }
    let (address, fragment) = url.split_once('#').map_or((url, None), |(address, fragment)| (address, Some(fragment)));
    let joint = if address.contains('?') { '&' } else { '?' };
    let (bucket, key) = (ask.bucket(), url_encoded(ask.key().as_str()));
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    let told = format!("{address}{joint}bucket={bucket}&key={key}&etag=%22{}%22{fragment}", written.etag);
    HeaderValue::from_str(&told).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn answer_to(list: &[(&str, &str)], place: &Place) -> Response {
        let list = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let ask = testing::ask("POST /bucket/a%20b", &[]);
        answered(&FormFields::new(list).expect("fields"), &ask, place, &testing::written())
    }

    fn by_path() -> Place {
        Place { base: "http://h:1".into(), by_host: false }
    }

    #[tokio::test]
    async fn what_a_form_is_answered() {
        insta::assert_snapshot!(testing::head(&answer_to(&[], &by_path())));
        for (asked, status) in [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)] {
            let response = answer_to(&[("Success_Action_Status", asked)], &by_path());
            assert_eq!(response.status(), status, "{asked}");
            let body = axum::body::to_bytes(response.into_body(), 1000).await.expect("a body");
            assert_eq!(body.is_empty(), asked != "201");
            if asked == "201" {
                insta::assert_snapshot!(String::from_utf8_lossy(&body));
            }
        }
        let by_host = Place { base: "http://bucket.h".into(), by_host: true };
        assert_eq!(answer_to(&[], &by_host).headers()[LOCATION], "http://bucket.h/a%20b");
    }

    #[test]
    fn a_form_may_lead_on() {
        let told = format!("bucket=bucket&key=a%20b&etag=%22{}%22", "ab".repeat(16));
        for (name, url, expected) in [
            ("success_action_redirect", "https://x.test/done", format!("https://x.test/done?{told}")),
            ("redirect", "http://x.test/?a=1#top", format!("http://x.test/?a=1&{told}#top")),
        ] {
            let response = answer_to(&[(name, url), ("success_action_status", "200")], &by_path());
            assert_eq!(response.status(), 303, "{url}");
            assert_eq!(response.headers()[LOCATION], expected);
        }
        for url in
            ["", "/done", "javascript:alert(1)", "http://x.test/\r\nset-cookie: a", "not an address", "ftp://x.test/"]
        {
            let response = answer_to(&[("success_action_redirect", url)], &by_path());
            assert_eq!(response.status(), 204, "{url}");
        }
    }
}
