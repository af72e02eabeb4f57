//! The interactive reference: a page that shows an API's OpenAPI document and lets operations be tried.
//!
//! Owns: the page and its two assets. Does not own: the document, which the page fetches.
//! Invariant: the page needs nothing but this server, and may load nothing else: its policy forbids it.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, HeaderValue, header};

const PAGE: &str = include_str!("docs/page.html");
const STYLE: &str = include_str!("docs/page.css");
const SCRIPT: &str = include_str!("docs/page.js");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `/docs` and what it loads. `document` is where the OpenAPI document is, as the page sees it.
pub(crate) fn router(document: &'static str) -> Router {
    Router::new()
        .route("/docs", get(move || async move { asset("text/html; charset=utf-8", page(document)) }))
        .route("/docs/page.css", get(|| async { asset("text/css; charset=utf-8", STYLE.to_owned()) }))
        .route("/docs/page.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT.to_owned()) }))
}

fn page(document: &str) -> String {
    let page = PAGE.replacen("<title>", &format!("<meta name=\"openapi\" content=\"{document}\">\n<title>"), 1);
    page.replacen("href=\"openapi.json\"", &format!("href=\"{document}\""), 1)
}

fn asset(kind: &'static str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cache-control"), HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for text in [PAGE, STYLE, SCRIPT] {
            assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("//cdn"), "{text}");
        }
        let page = page("api/v1/openapi.json");
        assert!(page.contains("content=\"api/v1/openapi.json\"") && page.contains("href=\"api/v1/openapi.json\""));
    }
}
