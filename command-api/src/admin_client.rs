//! The client side of the admin API: one request, one answer, one line when it fails.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

const ANSWER_BYTES_MAX: usize = 64 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server and the token for it.
#[derive(Debug)]
pub(crate) struct Server {
    /// Without a slash at its end.
    pub(crate) url: String,
    token: SecretString,
}

impl Server {
    pub(crate) fn new(url: &str, token: SecretString) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/').to_owned();
        let uri: Uri = url.parse().with_context(|| format!("the admin URL {url} is not one"))?;
        match uri.scheme_str() {
            Some("http") => Ok(Self { url, token }),
            // The admin listener has no TLS; a tunnel or ssh brings it near.
            _ => bail!("the admin URL {url} must begin with http://"),
        }
    }
}

/// Asks. An upkeep command may take as long as it takes; only connecting has a time limit.
pub(crate) async fn ask(server: &Server, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let response = send(server, method, path, body).await?;
    let status = response.status();
    let bytes = whole(server, response).await?;
    if status.is_success() {
        return serde_json::from_slice(&bytes).with_context(|| format!("{} is no holdfast", server.url));
    }
    bail!("{}", refusal(status.as_u16(), &bytes))
}

/// Asks for more than fits into memory: hands the answer on piece by piece.
pub(crate) async fn download(
    server: &Server,
    method: Method,
    path: &str,
    mut take: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let response = send(server, method, path, None).await?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        bail!("{}", refusal(status, &whole(server, response).await?));
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.with_context(|| format!("the answer of {} broke off", server.url))?;
        if let Some(piece) = frame.data_ref() {
            take(piece)?;
        }
    }
    Ok(())
}

async fn whole(server: &Server, response: Response<Incoming>) -> anyhow::Result<Bytes> {
    match Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => bail!("the answer of {} broke off: {error}", server.url),
    }
}

async fn send(server: &Server, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Response<Incoming>> {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let mut request = Request::builder().method(method).uri(format!("{}/admin/api/v1{path}", server.url));
    let mut authorization = header::HeaderValue::from_str(&format!("Bearer {}", server.token.expose_secret()))
        .context("HOLDFAST_ADMIN_TOKEN has characters that no token has")?;
    authorization.set_sensitive(true);
    request = request.header(header::AUTHORIZATION, authorization);
    let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
    if !bytes.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(bytes)).context("the request cannot be made")?;
    match client.request(request).await {
        Ok(response) => Ok(response),
        Err(error) if error.is_connect() => bail!("no server answers at {}: is it running?", server.url),
        Err(error) => Err(error).with_context(|| format!("asking {}", server.url)),
    }
}

/// One line of a problem document, or of whatever else answered.
fn refusal(status: u16, bytes: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(message) = problem["message"].as_str() else { return format!("refused with status {status}") };
    let code = problem["code"].as_str().unwrap_or("unknown");
    let request = problem["requestId"].as_str().unwrap_or("unknown");
    format!("{message} ({status} {code}, request {request})")
}

#[cfg(test)]
mod tests {
    use axum::Json;
    use axum::routing::{get, post};
    use serde_json::json;

    use super::*;

    async fn server() -> (String, tokio::sync::watch::Sender<bool>) {
        let app = axum::Router::new()
            .route(
                "/admin/api/v1/echo",
                post(|headers: http::HeaderMap, Json(body): Json<Value>| async move {
                    Json(json!({ "token": headers["authorization"].to_str().ok(), "body": body }))
                }),
            )
            .route(
                "/admin/api/v1/no",
                get(|| async {
                    let problem = json!({ "code": "not_found", "message": "no such tenant", "requestId": "req_1" });
                    (http::StatusCode::NOT_FOUND, problem.to_string())
                }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let (stop, shutdown) = tokio::sync::watch::channel(false);
        let idle = Duration::from_secs(60);
        let patience = crate::patience::Patience { body_idle: idle, answer_idle: idle };
        tokio::spawn(crate::listen::accept(listener, app, shutdown, Duration::ZERO, patience, 4));
        (format!("http://{address}/"), stop)
    }

    #[tokio::test]
    async fn token_and_body_arrive_and_refusals_are_one_line() {
        let (url, _stop) = server().await;
        let server = Server::new(&url, "lwadm_x".into()).expect("a server");
        let answer = ask(&server, Method::POST, "/echo", Some(json!({ "a": 1 }))).await.expect("answers");
        assert_eq!(answer, json!({ "token": "Bearer lwadm_x", "body": { "a": 1 } }));
        let error = ask(&server, Method::GET, "/no", None).await.expect_err("is refused").to_string();
        assert_eq!(error, "no such tenant (404 not_found, request req_1)");
        let error = ask(&server, Method::GET, "/nowhere", None).await.expect_err("is refused").to_string();
        assert_eq!(error, "refused with status 404");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_one_clear_line() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let server = Server::new(&format!("http://{address}"), "lwadm_x".into()).expect("a server");
        let error = ask(&server, Method::GET, "/tenants", None).await.expect_err("nobody").to_string();
        assert_eq!(error, format!("no server answers at http://{address}: is it running?"));
        assert!(!format!("{server:?}").contains("lwadm_x"));
        assert!(Server::new("https://x", "lwadm_x".into()).is_err());
    }
}
