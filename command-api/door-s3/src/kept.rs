//! What is kept of a request for when it has been answered: its body and most headers are used up by then.
//!
//! Owns: what a request says of itself before anybody believed it.
//! Does not own: whether any of it is true (`gate`). Nothing is granted by what stands here.

use std::net::IpAddr;
use std::sync::OnceLock;

use http::header::{
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderName,
    ORIGIN, REFERER, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderValue, Method, Uri, Version};
use schemas::{AccessKeyId, TenantId};

use crate::auth::decode_query;
use crate::errors::{DoorError, Failure};
use crate::front;
use crate::route::Target;
use crate::service::App;

/// A request as it came.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) version: Version,
    source: Option<IpAddr>,
    is_copy: bool,
    /// The access key that its form names: a form is a body, and comes later.
    form_key: OnceLock<String>,
    headers: [Option<HeaderValue>; NAMES.len()],
}

/// Headers that are kept.
static NAMES: [HeaderName; 9] = [
    HOST,
    AUTHORIZATION,
    ORIGIN,
    ACCESS_CONTROL_REQUEST_METHOD,
    ACCESS_CONTROL_REQUEST_HEADERS,
    REFERER,
    USER_AGENT,
    CONTENT_LENGTH,
    DECODED_LENGTH,
];

const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");

impl Kept {
    pub(crate) fn of(parts: &Parts) -> Self {
        Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            source: front::source(parts),
            is_copy: parts.headers.contains_key("x-amz-copy-source"),
            form_key: OnceLock::new(),
            headers: NAMES.each_ref().map(|name| parts.headers.get(name).cloned()),
        }
    }

    /// Notes the access key that its form names.
    pub(crate) fn claim(&self, access_key: &str) {
        self.form_key.get_or_init(|| access_key.to_owned());
    }

    /// Where it came from.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Whether it names something to copy.
    pub(crate) fn is_copy(&self) -> bool {
        self.is_copy
    }

    /// The page that led to it.
    pub(crate) fn referer(&self) -> Option<&str> {
        self.text(&REFERER)
    }

    /// The program that sent it.
    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.text(&USER_AGENT)
    }

    /// Bytes of its body, as announced.
    pub(crate) fn body_bytes(&self) -> Option<u64> {
        self.text(&DECODED_LENGTH).or_else(|| self.text(&CONTENT_LENGTH))?.parse().ok()
    }

    /// How it is signed, as access logs say it: version and place.
    pub(crate) fn signature(&self) -> (&'static str, &'static str) {
        let query = self.uri.query().unwrap_or_default();
        match self.text(&AUTHORIZATION) {
            Some(authorization) if authorization.starts_with("AWS ") => ("SigV2", "AuthHeader"),
            Some(authorization) if !authorization.is_empty() => ("SigV4", "AuthHeader"),
            _ if query.contains("X-Amz-Signature=") => ("SigV4", "QueryString"),
            _ if query.contains("AWSAccessKeyId=") => ("SigV2", "QueryString"),
            _ => ("-", "-"),
        }
    }

    fn text(&self, name: &HeaderName) -> Option<&str> {
        let place = NAMES.iter().position(|kept| kept == name)?;
        self.headers[place].as_ref()?.to_str().ok()
    }

    /// The host that it is for. HTTP/2 names it in the request line.
    pub(crate) fn host(&self) -> Option<&str> {
        self.text(&HOST).or_else(|| self.uri.authority().map(http::uri::Authority::as_str))
    }

    /// Where the page is from that made a browser send it.
    pub(crate) fn origin(&self) -> Option<&str> {
        self.text(&ORIGIN).filter(|origin| !origin.is_empty())
    }

    /// The method that the request after a preflight would have.
    pub(crate) fn preflight_method(&self) -> Option<&str> {
        self.text(&ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The headers that it would have, in lower case.
    pub(crate) fn preflight_headers(&self) -> Vec<String> {
        let names = self.text(&ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let names = names.split(',').map(|name| name.trim().to_ascii_lowercase());
        names.filter(|name| !name.is_empty()).collect()
    }

    /// # Errors
    /// The address cannot be read.
    pub(crate) fn target(&self, app: &App) -> Result<Target, DoorError> {
        Target::parse(self.host(), self.uri.path(), &app.options.hosts)
    }

    /// The tenant that the request is said to be for: of the access key it names, else of its host, else the one that requests
    /// without a credential are for.
    ///
    /// # Errors
    /// Rows cannot be read.
    pub(crate) fn claimed_tenant(&self, app: &App, target: &Target) -> Result<Option<TenantId>, Failure> {
        if let Some(key) = self.claimed_key() {
            let Ok(key) = AccessKeyId::parse(&key) else { return Ok(None) };
            return Ok(app.store.credential(&key)?.map(|credential| credential.tenant));
        }
        let Some(name) = app.options.tenant_without_credential(self.host(), target) else { return Ok(None) };
        Ok(app.store.anonymous_tenant(name)?)
    }

    /// The access key that it names, in whichever place a signature can stand.
    pub(crate) fn claimed_key(&self) -> Option<String> {
        if let Some(key) = self.form_key.get() {
            return Some(key.clone());
        }
        if let Some(authorization) = self.text(&AUTHORIZATION) {
            let (_, rest) = authorization.split_once(' ')?;
            let version_4 = rest.split(',').find_map(|part| part.trim().strip_prefix("Credential="));
            let (key, _) = match version_4 {
                Some(credential) => credential.split_once('/')?,
                None => rest.split_once(':')?,
            };
            return Some(key.trim().to_owned());
        }
        decode_query(self.uri.query()?).find_map(|(name, value)| {
            let value = String::from_utf8(value).ok()?;
            match name.as_slice() {
                b"X-Amz-Credential" => Some(value.split('/').next().unwrap_or_default().to_owned()),
                b"AWSAccessKeyId" => Some(value),
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(address: &str, headers: &[(&str, &str)]) -> Kept {
        let mut request = http::Request::builder().method("GET").uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Kept::of(&request.body(()).expect("a request").into_parts().0)
    }

    #[test]
    fn the_access_key_that_a_request_names() {
        let in_header = |value: &str| kept("/b/k?AWSAccessKeyId=OTHER", &[("authorization", value)]).claimed_key();
        let version_4 = "AWS4-HMAC-SHA256 SignedHeaders=host, Credential=KEY/20240101/r/s3/aws4_request,Signature=0";
        assert_eq!(in_header(version_4).as_deref(), Some("KEY"));
        assert_eq!(in_header("AWS KEY:signature").as_deref(), Some("KEY"));
        assert_eq!(in_header("Bearer token"), None);
        for (address, expected) in [
            ("/b/k?X-Amz-Credential=KEY%2F20240101%2Fr%2Fs3%2Faws4_request&X-Amz-Expires=1", Some("KEY")),
            ("/b/k?Expires=1&AWSAccessKeyId=KEY", Some("KEY")),
            ("/b/k?prefix=AWSAccessKeyId", None),
            ("/b/k", None),
        ] {
            assert_eq!(kept(address, &[]).claimed_key().as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn headers_of_a_preflight() {
        let names = |value| kept("/b", &[("access-control-request-headers", value)]).preflight_headers();
        assert_eq!(names("Content-Type, x-amz-date,,"), ["content-type", "x-amz-date"]);
        assert!(names("").is_empty());
        assert_eq!(kept("/b", &[("origin", "")]).origin(), None);
        assert_eq!(kept("http://authority.example/b", &[]).host(), Some("authority.example"));
    }
}
