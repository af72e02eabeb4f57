//! What becomes of a body that nobody reads to its end, whichever door refused it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body::{Body as _, Frame, SizeHint};
use parking_lot::Mutex;

/// What is read of a refused body, so that a client that only listens after sending hears why.
const DRAIN_BYTES_MAX: usize = 64 << 20;
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);

/// A body whose unread rest can be had back after whoever was given it has dropped it. One at its end has none.
pub(crate) fn keep_rest(body: Body) -> (Body, Rest) {
    let rest = Rest(Arc::default());
    if body.is_end_stream() {
        return (body, rest);
    }
    let lent = Lent { body: Some(body), begun: false, rest: rest.clone() };
    (Body::new(lent), rest)
}

/// What may be left of a body.
#[derive(Clone)]
pub(crate) struct Rest(Arc<Mutex<Option<(Body, bool)>>>);

impl Rest {
    /// Reads on, within bounds, while the answer goes out: a client that sends all before it listens would otherwise find a
    /// closed connection instead of the answer. A client that was never told to continue is left alone.
    pub(crate) fn drain(&self, expects_continue: bool) {
        let Some((body, begun)) = self.0.lock().take() else { return };
        if body.is_end_stream() || (expects_continue && !begun) {
            return;
        }
        tokio::spawn(async move {
            let read = async {
                let mut left = DRAIN_BYTES_MAX;
                let mut pieces = body.into_data_stream();
                while let Some(Ok(piece)) = pieces.next().await {
                    left = left.saturating_sub(piece.len());
                    if left == 0 {
                        break;
                    }
                }
            };
            // Dropping what is left closes the connection.
            let _ = tokio::time::timeout(DRAIN_TIME_MAX, read).await;
        });
    }
}

struct Lent {
    body: Option<Body>,
    begun: bool,
    rest: Rest,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.begun = true;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take() {
            *self.rest.0.lock() = Some((body, self.begun));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn the_rest_of_a_dropped_body_comes_back() {
        let (body, rest) = keep_rest(Body::from("abc"));
        assert!(rest.0.lock().is_none());
        drop(body);
        assert!(matches!(*rest.0.lock(), Some((_, false))));
        let (body, rest) = keep_rest(Body::from("abc"));
        assert_eq!(axum::body::to_bytes(body, 10).await.expect("a body"), "abc");
        assert!(matches!(*rest.0.lock(), Some((_, true))));
        let (body, rest) = keep_rest(Body::empty());
        drop(body);
        assert!(rest.0.lock().is_none(), "a body at its end is not kept");
    }

    /// A server that refuses everything before it reads any body.
    async fn refusing() -> TcpStream {
        let refuse = |request: axum::extract::Request| async move {
            let expects = request.headers().contains_key(http::header::EXPECT);
            let (body, rest) = keep_rest(request.into_body());
            drop(body);
            rest.drain(expects);
            http::StatusCode::FORBIDDEN
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(refuse)).await });
        TcpStream::connect(address).await.expect("a connection")
    }

    async fn heard(stream: &mut TcpStream) -> String {
        let mut bytes = vec![0; 1024];
        let count = stream.read(&mut bytes).await.expect("an answer");
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }

    #[tokio::test]
    async fn a_client_that_sends_all_before_it_listens_hears_the_answer_and_keeps_its_connection() {
        let mut stream = refusing().await;
        let body = vec![b'x'; 20 << 20];
        let head = format!("PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(&body).await.expect("sent whole");
        assert!(heard(&mut stream).await.starts_with("HTTP/1.1 403"));
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        assert!(heard(&mut stream).await.starts_with("HTTP/1.1 403"));
    }

    #[tokio::test]
    async fn a_client_that_waits_to_be_told_to_continue_is_refused_at_once() {
        let mut stream = refusing().await;
        let head = "PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.expect("sent");
        assert!(heard(&mut stream).await.starts_with("HTTP/1.1 403"));
    }
}
