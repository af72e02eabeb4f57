//! What each listener answers.
//!
//! Owns: `/health`, `/readyz`, `/metrics`, and which door gets the rest.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use pipeline::Component;

use crate::metrics::Metrics;
use crate::rest::keep_rest;

/// Asks the store whether it can take a write now.
pub(crate) type Ready = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Component>> + Send>> + Send + Sync>;

/// S3 and the native API. `s3` gets every path that is not ours.
pub(crate) fn public(ready: &Ready, native: Router, s3: Router, metrics: &Metrics) -> Router {
    // As a service it gets `/api/v1/` too, which S3 would take for a bucket.
    let router = probes(ready).nest_service("/api/v1", native).fallback_service(s3);
    metrics.layer(router.layer(middleware::from_fn(end_unexpected)), "public")
}

/// Ends the connection after a final answer to `Expect: 100-continue` that no `100 Continue` went before: to a request
/// without a body, or refused before its body was asked for (RFC 9110, 10.1.1). botocore takes the next answer on such a
/// connection for the last one and waits for its end; and a refused body may or may not follow, which nobody can tell.
async fn end_unexpected(request: Request, next: Next) -> Response {
    let expects = request.headers().get(header::EXPECT).is_some_and(|expect| expect == "100-continue");
    let empty = http_body::Body::is_end_stream(request.body());
    let (parts, body) = request.into_parts();
    let (body, rest) = keep_rest(body);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if !response.status().is_success() {
        rest.drain(expects);
    }
    if expects && (empty || !response.status().is_success()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Administration and figures.
pub(crate) fn admin(ready: &Ready, admin: Router, reference: Router, metrics: &Metrics) -> Router {
    let figures = metrics.clone();
    let router = probes(ready)
        .route("/metrics", get(move || async move { figures.scrape() }))
        .nest("/admin/api/v1", admin)
        .nest("/admin", reference)
        .fallback(|| async { StatusCode::NOT_FOUND });
    metrics.layer(router, "admin")
}

fn probes(ready: &Ready) -> Router {
    let ready = Arc::clone(ready);
    Router::new().route("/health", get(|| async { json(StatusCode::OK, r#"{"status":"ok"}"#.to_owned()) })).route(
        "/readyz",
        get(move || {
            let components = ready();
            async move { readiness(&components.await) }
        }),
    )
}

/// The order of the fields is what the contract shows; scripts look for the text.
fn readiness(components: &[Component]) -> Response {
    let word = |ok: bool| if ok { "ok" } else { "failed" };
    let all = components.iter().all(|component| component.ok);
    let each: Vec<String> = components
        .iter()
        .map(|component| format!(r#"{{"name":"{}","status":"{}"}}"#, component.name, word(component.ok)))
        .collect();
    let status = if all { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, format!(r#"{{"status":"{}","components":[{}]}}"#, word(all), each.join(",")))
}

fn json(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn with(database: bool) -> Ready {
        Arc::new(move || {
            Box::pin(async move {
                vec![Component { name: "database", ok: database }, Component { name: "storage", ok: true }]
            })
        })
    }

    async fn ask(router: Router, path: &str) -> (u16, String) {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    fn door(name: &'static str) -> Router {
        Router::new().fallback(move |uri: http::Uri| async move { format!("{name} {}", uri.path()) })
    }

    fn public_listener(database: bool) -> Router {
        public(
            &with(database),
            door("native"),
            door("s3"),
            &Metrics::new(Default::default, Default::default, Default::default),
        )
    }

    #[tokio::test]
    async fn ready_says_which_part_is_not() {
        let ok = r#"{"status":"ok","components":[{"name":"database","status":"ok"},{"name":"storage","status":"ok"}]}"#;
        assert_eq!(ask(public_listener(true), "/readyz").await, (200, ok.to_owned()));
        let failed = ok.replacen("\"ok\"", "\"failed\"", 2);
        assert_eq!(ask(public_listener(false), "/readyz").await, (503, failed));
        assert_eq!(ask(public_listener(false), "/health").await.0, 200, "it lives, even when it is not ready");
    }

    #[tokio::test]
    async fn a_connection_ends_after_an_answer_that_no_continue_went_before() {
        let door = Router::new().fallback(|request: Request<Body>| async move {
            if request.uri().path() == "/refused" { StatusCode::FORBIDDEN } else { StatusCode::OK }
        });
        let ends = async |path: &str, expects: bool, body: &'static str| {
            let request = Request::builder().method("PUT").uri(path);
            let request = if expects { request.header("expect", "100-continue") } else { request };
            let request = request.body(Body::from(body)).expect("a request");
            let router = public(
                &with(true),
                Router::new(),
                door.clone(),
                &Metrics::new(Default::default, Default::default, Default::default),
            );
            router.oneshot(request).await.expect("an answer").headers().contains_key("connection")
        };
        assert!(ends("/empty", true, "").await);
        assert!(ends("/refused", true, "body").await);
        assert!(!ends("/stored", true, "body").await);
        assert!(!ends("/empty", false, "").await && !ends("/refused", false, "body").await);
    }

    #[tokio::test]
    async fn each_path_goes_to_its_door() {
        for (path, expected) in [
            ("/", "s3 /"),
            ("/bucket/key", "s3 /bucket/key"),
            ("/api/v1/buckets", "native /buckets"),
            ("/metrics", "s3 /metrics"),
            ("/admin/api/v1/tenants", "s3 /admin/api/v1/tenants"),
            ("/health/x", "s3 /health/x"),
        ] {
            assert_eq!(ask(public_listener(true), path).await, (200, expected.to_owned()), "{path}");
        }
        let reference = || Router::new().route("/docs", get(|| async { "reference" }));
        let admin = || {
            admin(
                &with(true),
                door("admin"),
                reference(),
                &Metrics::new(Default::default, Default::default, Default::default),
            )
        };
        assert_eq!(ask(admin(), "/admin/api/v1/tenants").await, (200, "admin /tenants".to_owned()));
        assert_eq!(ask(admin(), "/bucket/key").await.0, 404);
        assert_eq!(ask(admin(), "/admin/docs").await.1, "reference");
        assert_eq!(ask(admin(), "/admin/none").await.0, 404);
        assert!(ask(admin(), "/metrics").await.1.ends_with("# EOF\n"));
        assert_eq!(ask(admin(), "/readyz").await.0, 200);
    }
}
