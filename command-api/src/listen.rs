//! Listening: accept, bound, drain.
//!
//! Owns: sockets and connections, their limits, the end of both.
//! Does not own: what is answered.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::patience::{Patience, PatientBody, PatientStream};
use crate::room::{Attended, Room, Stay};

const HEADER_BYTES_MAX: usize = 64 << 10;
/// Also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Binds, or says in one line why not.
pub(crate) async fn bind(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            anyhow::bail!("{address} is in use by another program; choose another address with {what}")
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

/// Serves until `shutdown` turns true (or its sender is gone), then lets requests end for up to `drain`. Returns whether
/// all did. Of more than `connections_max` at a time one waits here, and the others in the kernel's queue.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
    drain: Duration,
    patience: Patience,
    connections_max: usize,
) -> bool {
    let room = Room::new(connections_max);
    let mut connections = JoinSet::new();
    loop {
        // Ended ones are taken out as we go: a set that only grows is a leak.
        while connections.try_join_next().is_some() {}
        // Nobody has to go before somebody comes.
        let next = async {
            let accepted = listener.accept().await?;
            Ok::<_, std::io::Error>((accepted, room.enter().await))
        };
        let next = tokio::select! {
            () = stopped(&mut shutdown) => break,
            next = next => next,
        };
        match next {
            Ok(((stream, peer), stay)) => {
                connections.spawn(serve(stream, peer, stay, router.clone(), shutdown.clone(), patience));
            }
            Err(error) => {
                // Mostly too many open files: without a pause this loop would burn a core until one is closed.
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    tokio::time::timeout(drain, all).await.is_ok()
}

async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it whoever could let us go on.
    let _ = shutdown.wait_for(|&stop| stop).await;
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    stay: Stay,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
    patience: Patience,
) {
    // Small answers must not wait for the client's acknowledgement of the head.
    let _ = stream.set_nodelay(true);
    let guest = stay.guest();
    let sent = guest.clone();
    let stream = PatientStream::new(stream, patience.answer_idle, move || sent.flushed());
    let service = service_fn(|request: Request<Incoming>| {
        guest.serves();
        let mut request = request.map(|body| match http_body::Body::is_end_stream(&body) {
            true => Body::empty(),
            false => Body::new(PatientBody::new(body, patience.body_idle)),
        });
        request.extensions_mut().insert(ConnectInfo(peer));
        let (answer, guest) = (router.clone().oneshot(request), guest.clone());
        async move { answer.await.map(|answer| answer.map(|body| Attended::new(body, guest))) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_header_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = guest.told_to_leave() => Ok(()),
        () = stopped(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::Notify;

    use super::*;
    use crate::room::KNOWN_WAITED_MIN;

    const PATIENCE: Patience =
        Patience { body_idle: Duration::from_millis(200), answer_idle: Duration::from_millis(200) };

    const CONNECTIONS_MAX: usize = 4;

    async fn start(
        router: Router,
        drain: Duration,
    ) -> (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<bool>) {
        let listener = bind("127.0.0.1:0".parse().expect("an address"), "--listen").await.expect("binds");
        let address = listener.local_addr().expect("an address");
        let (stop, shutdown) = watch::channel(false);
        (address, stop, tokio::spawn(accept(listener, router, shutdown, drain, PATIENCE, CONNECTIONS_MAX)))
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(text.as_bytes()).await.expect("sends");
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("reads");
        text
    }

    #[tokio::test]
    async fn an_address_in_use_is_one_clear_line() {
        let held = bind("127.0.0.1:0".parse().expect("an address"), "--listen").await.expect("binds");
        let address = held.local_addr().expect("an address");
        let error = bind(address, "--listen").await.expect_err("is in use").to_string();
        assert_eq!(error, format!("{address} is in use by another program; choose another address with --listen"));
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_and_nobody_new_is_let_in() {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let router = Router::new().route("/", {
            let (begun, go) = (Arc::clone(&begun), Arc::clone(&go));
            get(move || async move {
                begun.notify_one();
                go.notified().await;
                "late"
            })
        });
        let (address, stop, server) = start(router, Duration::from_secs(10)).await;
        let stream = send(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let idle = send(address, "").await;
        begun.notified().await;
        stop.send(true).expect("stops");
        // The idle connection's end shows that the server has seen the signal.
        assert_eq!(rest(idle).await, "");
        assert!(TcpStream::connect(address).await.is_err(), "the socket is closed");
        go.notify_one();
        assert!(rest(stream).await.ends_with("late"));
        assert!(server.await.expect("ends"), "all requests ended");
    }

    #[tokio::test]
    async fn a_request_that_never_ends_does_not_keep_the_server() {
        let begun = Arc::new(Notify::new());
        let router = Router::new().route("/", {
            let begun = Arc::clone(&begun);
            get(move || async move {
                begun.notify_one();
                std::future::pending::<()>().await;
            })
        });
        let (address, stop, server) = start(router, Duration::from_millis(50)).await;
        let _stream = send(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        begun.notified().await;
        stop.send(true).expect("stops");
        assert!(!server.await.expect("ends"), "one request was cut off");
    }

    /// What a handler sees that reads the whole body.
    async fn echo(request: Request<Body>) -> String {
        match axum::body::to_bytes(request.into_body(), usize::MAX).await {
            Ok(bytes) => format!("read {}", bytes.len()),
            Err(error) => format!("stalled {}", pipeline::limits::is_stalled(&error)),
        }
    }

    #[tokio::test]
    async fn a_client_that_stops_in_the_middle_of_its_body_hears_it_and_its_connection_ends() {
        let router = Router::new().fallback(echo);
        let (address, _stop, _server) = start(router, Duration::ZERO).await;
        let head = "PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n";
        assert!(rest(send(address, &format!("{head}12345")).await).await.ends_with("stalled true"));
        let whole = send(address, &format!("{head}1234567890GET / HTTP/1.0\r\n\r\n")).await;
        assert!(rest(whole).await.contains("read 10"));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_its_answer_is_left() {
        let (sent, mut done) = tokio::sync::mpsc::channel::<()>(1);
        let router = Router::new().fallback(move || {
            // Dropped with the answer, read or not.
            let sent = sent.clone();
            async move {
                let pieces = futures_util::stream::repeat_with(move || {
                    let _held = &sent;
                    Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0; 1 << 16]))
                });
                Body::from_stream(pieces)
            }
        });
        let (address, stop, server) = start(router, Duration::from_secs(60)).await;
        let stream = send(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        stop.send(true).expect("stops");
        assert!(server.await.expect("ends"), "an answer without end was given up");
        assert_eq!(done.recv().await, None, "and dropped");
        drop(stream);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_never_ends_is_cut_off() {
        let (address, _stop, _server) = start(Router::new(), Duration::ZERO).await;
        // Time goes on by itself when everybody waits: without a bound this would wait for ever.
        let stream = send(address, "GET / HTTP/1.1\r\nhost: ").await;
        let text = rest(stream).await;
        assert!(!text.contains("200"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_when_there_is_no_room_takes_the_place_of_those_that_ask_for_nothing() {
        let go = Arc::new(tokio::sync::Semaphore::new(0));
        let waiting = Arc::clone(&go);
        let slow = move || async move {
            waiting.acquire().await.expect("is not closed").forget();
            "slow"
        };
        let router = Router::new().route("/", get(|| async { "at once" })).route("/slow", get(slow));
        let (address, _stop, _server) = start(router, Duration::ZERO).await;
        let began = tokio::time::Instant::now();
        // All the room there is: one that says nothing, half a head, one that was answered, one in the middle of its request.
        let silent = send(address, "").await;
        let half = send(address, "GET / HTTP/1.1\r\nhost: ").await;
        let mut answered = send(address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut piece = [0; 1024];
        assert!(answered.read(&mut piece).await.expect("reads") > 0);
        let request = "GET /slow HTTP/1.0\r\nhost: x\r\n\r\n";
        let mut busy = vec![send(address, request).await];
        busy.extend([send(address, request).await, send(address, request).await]);
        for idle in [silent, half] {
            assert_eq!(rest(idle).await, "", "it was ended");
        }
        assert!(began.elapsed() < KNOWN_WAITED_MIN, "those that never asked go first");
        busy.push(send(address, request).await);
        assert_eq!(rest(answered).await, "", "it was ended");
        assert!(began.elapsed() < HEADER_TIMEOUT, "not because of its own time");
        go.add_permits(busy.len());
        for request in busy {
            assert!(rest(request).await.ends_with("slow"), "who is in the middle of a request stays");
        }
    }

    #[tokio::test]
    async fn headers_over_their_bound_are_refused() {
        let (address, _stop, _server) = start(Router::new(), Duration::ZERO).await;
        let long = "a".repeat(HEADER_BYTES_MAX);
        let stream = send(address, &format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\n\r\n")).await;
        assert!(rest(stream).await.starts_with("HTTP/1.1 431 "));
    }
}
