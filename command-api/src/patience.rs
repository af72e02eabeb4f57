//! How long a client may keep a connection busy without doing anything.
//!
//! Owns: bodies that stop in the middle, answers that nobody reads. Does not own: heads that come slowly (`listen`), what a
//! request is answered whose body stopped (doors).
//! Invariant: time counts only while the client is waited for: never while the server itself is slow.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use pipeline::limits::BodyStalled;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long clients are waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the next bytes of a body.
    pub(crate) body_idle: Duration,
    /// For room to send more of an answer.
    pub(crate) answer_idle: Duration,
}

/// Time since somebody began to wait. Moving on costs nothing: the timer is set anew when it ends early.
struct Wait {
    most: Duration,
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Wait {
    fn new(most: Duration) -> Self {
        Self { most, since: None, timer: None }
    }

    /// What was waited for came.
    fn moved(&mut self) {
        self.since = None;
    }

    /// Ready when it has not come for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let end = *self.since.get_or_insert_with(Instant::now) + self.most;
        loop {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            timer.as_mut().reset(end);
        }
    }
}

/// A request's body that ends with [`BodyStalled`] when the client stops sending.
pub(crate) struct PatientBody<B> {
    body: B,
    wait: Wait,
    stalled: bool,
}

impl<B> PatientBody<B> {
    pub(crate) fn new(body: B, idle: Duration) -> Self {
        Self { body, wait: Wait::new(idle), stalled: false }
    }
}

impl<B> HttpBody for PatientBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.stalled {
            return Poll::Ready(None);
        }
        let polled = pin!(&mut self.body).poll_frame(cx);
        if let Poll::Ready(frame) = polled {
            self.wait.moved();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match self.wait.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                self.stalled = true;
                Poll::Ready(Some(Err(BodyStalled.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stalled || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection that breaks when the client stops reading.
pub(crate) struct PatientStream<S, F> {
    stream: S,
    wait: Wait,
    flushed: F,
}

impl<S, F> PatientStream<S, F> {
    /// `flushed` hears when all that was written is sent.
    pub(crate) fn new(stream: S, idle: Duration, flushed: F) -> Self {
        Self { stream, wait: Wait::new(idle), flushed }
    }

    fn watch<T>(&mut self, polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.wait.moved();
            return polled;
        }
        match self.wait.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading"))),
        }
    }
}

impl<S: AsyncRead + Unpin, F: Unpin> AsyncRead for PatientStream<S, F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin, F: Fn() + Unpin> AsyncWrite for PatientStream<S, F> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = pin!(&mut self.stream).poll_write(cx, buf);
        self.watch(polled, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = pin!(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(polled, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = pin!(&mut self.stream).poll_flush(cx);
        if matches!(polled, Poll::Ready(Ok(()))) {
            (self.flushed)();
        }
        self.watch(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = pin!(&mut self.stream).poll_shutdown(cx);
        self.watch(polled, cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    /// A body that takes so many seconds for each of its pieces.
    fn slow(seconds: &'static [u64]) -> Body {
        let pieces = futures_util::stream::iter(seconds).then(|seconds| async {
            tokio::time::sleep(Duration::from_secs(*seconds)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
        });
        Body::from_stream(pieces)
    }

    use futures_util::StreamExt;

    async fn read(seconds: &'static [u64]) -> Result<usize, bool> {
        let whole = PatientBody::new(slow(seconds), IDLE).collect().await;
        let stalled = |error: Box<dyn std::error::Error + Send + Sync>| pipeline::limits::is_stalled(error.as_ref());
        whole.map(|whole| whole.to_bytes().len()).map_err(stalled)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_be_slow_and_must_not_stop() {
        assert_eq!(read(&[59, 59, 59]).await, Ok(3));
        assert_eq!(read(&[1, 61]).await, Err(true));
        assert_eq!(read(&[61]).await, Err(true));
    }

    #[tokio::test(start_paused = true)]
    async fn time_counts_only_while_the_client_is_waited_for() {
        let mut body = PatientBody::new(slow(&[1, 1]), IDLE);
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(body.frame().await.is_some_and(|frame| frame.is_ok()), "the server was busy, not the client");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_breaks_when_nobody_reads_and_not_when_somebody_reads_slowly() {
        let (server, mut client) = tokio::io::duplex(10);
        let mut server = PatientStream::new(server, IDLE, || {});
        let writing = tokio::spawn(async move { server.write_all(&[0; 100]).await.map_err(|error| error.kind()) });
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            client.read_exact(&mut [0; 10]).await.expect("reads");
        }
        assert_eq!(writing.await.expect("ends"), Ok(()));
        let (server, _client) = tokio::io::duplex(10);
        let mut server = PatientStream::new(server, IDLE, || {});
        assert_eq!(server.write_all(&[0; 100]).await.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }
}
