//! Prometheus figures: a layer that counts every request, and the process itself.
//!
//! Owns: names and labels. Every label has a small, fixed set of values: no tenant, bucket or path is one.
//! Does not own: what the store counts.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    listener: &'static str,
    operation: &'static str,
    status: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    listener: &'static str,
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: &'static str,
}

/// Seconds until the answer's head: 0.1 ms to 26 s.
fn seconds() -> Histogram {
    Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(0.0001, 4.0, 10))
}

/// All figures. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Answered, Counter>,
    seconds: Family<Operation, Histogram>,
    in_flight: Family<Listener, Gauge>,
    received: Family<Listener, Counter>,
    sent: Family<Listener, Counter>,
}

impl Metrics {
    /// Figures of requests, the process, and what the others tell.
    pub(crate) fn new(
        lifecycle: impl Fn() -> pipeline::LifecycleReport + Send + Sync + 'static,
        deliveries: impl Fn() -> notifier::NotifierFigures + Send + Sync + 'static,
        clock: impl Fn() -> pipeline::ClockFigures + Send + Sync + 'static,
    ) -> Self {
        let mut registry = Registry::with_prefix("holdfast");
        let requests = Family::default();
        let in_flight = Family::default();
        let (received, sent) = (Family::default(), Family::default());
        let family: Family<Operation, Histogram> = Family::new_with_constructor(seconds);
        registry.register("requests", "Requests answered", requests.clone());
        registry.register_with_unit("request", "Time until an answer began", Unit::Seconds, family.clone());
        registry.register("requests_in_flight", "Requests whose answer has not ended", in_flight.clone());
        registry.register_with_unit("received", "Bytes of request bodies read", Unit::Bytes, received.clone());
        registry.register_with_unit("sent", "Bytes of response bodies sent", Unit::Bytes, sent.clone());
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", version);
        registry.register_collector(Box::new(Process));
        registry.register_collector(Box::new(Lifecycle(Box::new(lifecycle))));
        registry.register_collector(Box::new(Deliveries(Box::new(deliveries))));
        registry.register_collector(Box::new(Clock(Box::new(clock))));
        Self { registry: Arc::new(registry), requests, seconds: family, in_flight, received, sent }
    }

    /// The answer to a scrape.
    pub(crate) fn scrape(&self) -> Response {
        let mut body = String::new();
        if text::encode(&mut body, &self.registry).is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    }

    /// Counts the requests of one listener.
    pub(crate) fn layer(&self, router: axum::Router, listener: &'static str) -> axum::Router {
        let counting = Counting { metrics: self.clone(), listener };
        router.layer(axum::middleware::from_fn_with_state(counting, count))
    }
}

#[derive(Clone)]
struct Counting {
    metrics: Metrics,
    listener: &'static str,
}

async fn count(State(counting): State<Counting>, request: Request, next: Next) -> Response {
    let Counting { metrics, listener } = counting;
    let label = Listener { listener };
    let operation = operation(request.method(), request.uri().path());
    let in_flight = InFlight::begin(metrics.in_flight.get_or_create(&label).clone());
    let received = metrics.received.get_or_create(&label).clone();
    let sent = metrics.sent.get_or_create(&label).clone();
    let begun = Instant::now();
    let request = request.map(|body| Body::new(Counted { inner: body, bytes: received, _until_dropped: None }));
    let response = next.run(request).await;
    metrics.seconds.get_or_create(&Operation { listener, operation }).observe(begun.elapsed().as_secs_f64());
    let status = u32::from(response.status().as_u16());
    metrics.requests.get_or_create(&Answered { listener, operation, status }).inc();
    response.map(|body| Body::new(Counted { inner: body, bytes: sent, _until_dropped: Some(in_flight) }))
}

/// A class of operations that method and shape of the path tell. With buckets in the host name a listing counts as a read.
fn operation(method: &Method, path: &str) -> &'static str {
    if matches!(path, "/health" | "/readyz" | "/metrics") {
        return "health";
    }
    let names_object = path.trim_start_matches('/').split_once('/').is_some_and(|(_, key)| !key.is_empty());
    match *method {
        Method::GET if names_object => "read",
        Method::GET => "list",
        Method::HEAD => "head",
        Method::PUT | Method::POST => "write",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// One request in flight, until dropped: also when the client goes away in the middle.
struct InFlight(Gauge);

impl InFlight {
    fn begin(gauge: Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A body whose bytes are counted as they pass. Its length is still known to whoever sends it.
struct Counted {
    inner: Body,
    bytes: Counter,
    _until_dropped: Option<InFlight>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.bytes.inc_by(data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What lifecycle rules did, read at each scrape.
struct Lifecycle(Box<dyn Fn() -> pipeline::LifecycleReport + Send + Sync>);

impl std::fmt::Debug for Lifecycle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Lifecycle")
    }
}

impl Collector for Lifecycle {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let done = (self.0)();
        for (name, help, count) in [
            ("lifecycle_looked_at", "Versions and uploads that rules were held against", done.looked_at),
            ("lifecycle_hidden", "Objects hidden by delete markers of rules", done.hidden),
            ("lifecycle_removed", "Versions and delete markers removed by rules", done.removed),
            ("lifecycle_aborted", "Uploads given up by rules", done.aborted),
            ("lifecycle_refused", "Versions that were due and are locked", done.refused),
        ] {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

/// What the notifier did and how it stands, read at each scrape.
struct Deliveries(Box<dyn Fn() -> notifier::NotifierFigures + Send + Sync>);

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Deliveries")
    }
}

impl Collector for Deliveries {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let figures = (self.0)();
        for (name, help, count) in [
            ("webhook_delivered", "Requests to webhooks that were taken", figures.delivered),
            ("webhook_failed", "Requests to webhooks that were not", figures.failed),
            ("webhook_parked", "Events that were set aside", figures.parked),
            ("webhook_stopped", "Subscriptions that stopped because of their receiver", figures.stopped),
        ] {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        for (name, help, value) in [
            ("webhook_subscriptions", "Subscriptions and replays that are told", figures.active),
            ("webhook_failing", "Those whose receiver takes nothing", figures.failing),
            ("webhook_lag_positions", "Positions that the furthest behind is behind", figures.lag_positions_max),
            ("nats_streams", "Streams that are published to", figures.streams),
            ("nats_failing", "Those that nothing can be published to now", figures.streams_failing),
            ("nats_lag_positions", "Positions that the furthest behind is behind", figures.streams_lag_max),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// How the retention clock stands, read at each scrape.
struct Clock(Box<dyn Fn() -> pipeline::ClockFigures + Send + Sync>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

impl Collector for Clock {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let pipeline::ClockFigures { retention, wall, frozen, .. } = (self.0)();
        let seconds = |us: u64| i64::try_from(us / 1_000_000).unwrap_or(i64::MAX);
        let behind = seconds(wall.0) - seconds(retention.0);
        let unit = Some(&Unit::Seconds);
        for (name, help, unit, value) in [
            ("clock_retention", "Retention clock, since 1970", unit, seconds(retention.0)),
            ("clock_behind", "What the retention clock is behind the wall clock", unit, behind),
            ("clock_frozen", "1 while nothing expires until the wall clock is acknowledged", None, i64::from(frozen)),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

/// What the kernel says about this process, read at each scrape.
#[derive(Debug)]
struct Process;

/// `/proc` counts CPU time in these, on every architecture (USER_HZ, part of the kernel's ABI).
const TICKS_PER_SECOND: f64 = 100.0;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let name = "process_cpu";
            let metric =
                encoder.encode_descriptor(name, "CPU time used", Some(&Unit::Seconds), counter.metric_type())?;
            counter.encode(metric)?;
        }
        if let Some(bytes) = resident_bytes() {
            let gauge = ConstGauge::new(bytes);
            let name = "process_resident_memory";
            let metric = encoder.encode_descriptor(name, "Memory in use", Some(&Unit::Bytes), gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name and may hold anything; the rest follows its last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks as f64 / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use axum::routing::any;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn requests_bytes_and_the_process_are_counted() {
        let done = pipeline::LifecycleReport { removed: 7, ..Default::default() };
        let clock = || pipeline::ClockFigures { wall: schemas::Time(9_000_000), frozen: true, ..Default::default() };
        let metrics = Metrics::new(move || done, Default::default, clock);
        let echo = axum::Router::new().fallback(any(|body: Bytes| async move { (StatusCode::CREATED, body) }));
        let app = metrics.layer(echo, "s3");
        let request = Request::builder().method("PUT").uri("/secret-bucket/secret-key?x=y").body(Body::from("12345"));
        let response = app.oneshot(request.expect("a request")).await.expect("an answer");
        assert_eq!(response.body().size_hint().exact(), Some(5), "its length is still known");
        let during = scraped(&metrics).await;
        assert!(during.contains("holdfast_requests_in_flight{listener=\"s3\"} 1"), "{during}");
        response.into_body().collect().await.expect("a body");
        let after = scraped(&metrics).await;
        for line in [
            "holdfast_requests_total{listener=\"s3\",operation=\"write\",status=\"201\"} 1",
            "holdfast_requests_in_flight{listener=\"s3\"} 0",
            "holdfast_received_bytes_total{listener=\"s3\"} 5",
            "holdfast_sent_bytes_total{listener=\"s3\"} 5",
            "holdfast_request_seconds_count{listener=\"s3\",operation=\"write\"} 1",
            "holdfast_process_cpu_seconds_total ",
            "holdfast_process_resident_memory_bytes ",
            "holdfast_lifecycle_removed_total 7",
            "holdfast_lifecycle_aborted_total 0",
            "holdfast_clock_retention_seconds 0",
            "holdfast_clock_behind_seconds 9",
            "holdfast_clock_frozen 1",
        ] {
            assert!(after.contains(line), "{line} is not in\n{after}");
        }
        assert!(!after.contains("secret"), "{after}");
    }

    async fn scraped(metrics: &Metrics) -> String {
        let bytes = metrics.scrape().into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[test]
    fn operations_by_method_and_shape() {
        for (method, path, expected) in [
            (Method::GET, "/b/k", "read"),
            (Method::GET, "/b/", "list"),
            (Method::GET, "/", "list"),
            (Method::HEAD, "/b/k", "head"),
            (Method::POST, "/b", "write"),
            (Method::DELETE, "/b/k", "delete"),
            (Method::OPTIONS, "/b/k", "other"),
            (Method::GET, "/readyz", "health"),
        ] {
            assert_eq!(operation(&method, path), expected, "{method} {path}");
        }
    }
}
