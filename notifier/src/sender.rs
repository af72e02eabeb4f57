//! One attempt: a signed request, and what came of it.
//!
//! Owns: headers, the time limit, reading what the receiver says.
//! Does not own: when to try again, which event.
//! Invariant: no secret, URL or body stands in an error that it gives.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use schemas::subscription::PayloadFormat;
use schemas::{Position, Time};

use crate::clock::Clock;
use crate::egress::{EgressError, Resolver};
use crate::signature::Signer;
use crate::translation::content_type;

/// What one request carries.
pub(crate) struct Outgoing {
    pub(crate) url: Arc<Url>,
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) format: PayloadFormat,
    pub(crate) body: Bytes,
    /// Which attempt, from 1.
    pub(crate) attempt: u32,
    pub(crate) position: Option<Position>,
    pub(crate) prev: Option<Position>,
    pub(crate) replay: Option<String>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) at: Time,
    pub(crate) latency_us: u64,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    /// How long the receiver asks to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

impl Outcome {
    pub(crate) fn is_success(&self) -> bool {
        self.error.is_none()
    }

    /// The receiver does not want to hear anything any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.status == Some(StatusCode::GONE.as_u16())
    }
}

/// A longer `Retry-After` is taken for this long.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Sends. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client,
    resolver: Resolver,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl Sender {
    pub(crate) fn new(resolver: Resolver, timeout: Duration, clock: Arc<dyn Clock>) -> Result<Self, EgressError> {
        let client = crate::egress::client(&resolver, timeout)?;
        Ok(Self { client, resolver, timeout, clock })
    }

    pub(crate) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// Sends once. Takes no longer than the time limit.
    pub(crate) async fn send(&self, signer: &Signer, outgoing: Outgoing) -> Outcome {
        let (at, began_us) = (self.clock.wall(), self.clock.monotonic_us());
        let answered = match self.resolver.guard().check_url(&outgoing.url) {
            // The limit of the client counts from the request; names are resolved before it.
            Ok(()) => tokio::time::timeout(self.timeout, self.request(signer, outgoing, at).send()).await,
            Err(error) => Ok(Err(SendError::Refused(error))),
        };
        let latency_us = self.clock.monotonic_us().saturating_sub(began_us);
        let failed = |error: String| Outcome { at, latency_us, status: None, error: Some(error), retry_after: None };
        match answered {
            Err(_) => failed(format!("no answer within {} s", self.timeout.as_secs())),
            Ok(Err(error)) => failed(error.explained(self.timeout)),
            Ok(Ok(response)) => outcome(response, at, latency_us, self.clock.wall()),
        }
    }

    fn request(&self, signer: &Signer, outgoing: Outgoing, at: Time) -> Prepared {
        let signed = signer.sign(&outgoing.id, at, &outgoing.body);
        let mut request = self
            .client
            .post(Url::clone(&outgoing.url))
            .header(CONTENT_TYPE, HeaderValue::from_static(content_type(outgoing.format)))
            .header("webhook-id", outgoing.id)
            .header("webhook-timestamp", at.seconds())
            .header("webhook-signature", signed.standard)
            .header("x-signature", signed.plain)
            .header("x-webhook-timestamp", at.seconds())
            .header("x-holdfast-event", outgoing.event_type)
            .header("x-holdfast-attempt", outgoing.attempt);
        let positions = [("x-holdfast-position", outgoing.position), ("x-holdfast-prev", outgoing.prev)];
        for (name, position) in positions {
            if let Some(position) = position {
                request = request.header(HeaderName::from_static(name), position.0);
            }
        }
        if let Some(replay) = outgoing.replay {
            request = request.header("x-holdfast-replay", replay);
        }
        Prepared(request.body(outgoing.body))
    }
}

struct Prepared(reqwest::RequestBuilder);

impl Prepared {
    async fn send(self) -> Result<Response, SendError> {
        self.0.send().await.map_err(SendError::Failed)
    }
}

enum SendError {
    Refused(EgressError),
    Failed(reqwest::Error),
}

impl SendError {
    /// For the delivery log: what happened, without the address, which its owner knows.
    fn explained(&self, timeout: Duration) -> String {
        let error = match self {
            Self::Refused(error) => return error.to_string(),
            Self::Failed(error) => error,
        };
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(cause) = source {
            if let Some(refused) = cause.downcast_ref::<EgressError>() {
                return refused.to_string();
            }
            if let Some(error) = cause.downcast_ref::<std::io::Error>() {
                return format!("the connection failed: {}", error.kind());
            }
            source = cause.source();
        }
        if error.is_timeout() {
            format!("no answer within {} s", timeout.as_secs())
        } else if error.is_connect() {
            "the connection failed".to_owned()
        } else {
            "the receiver broke the connection off".to_owned()
        }
    }
}

fn outcome(response: Response, at: Time, latency_us: u64, now: Time) -> Outcome {
    let status = response.status();
    let slow_down = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let asked = response.headers().get(RETRY_AFTER).filter(|_| slow_down).and_then(|value| value.to_str().ok());
    let retry_after = asked.and_then(|text| retry_after(text, now));
    let error = (!status.is_success()).then(|| format!("the receiver answered {}", status.as_u16()));
    if status.is_success() {
        drain(response);
    }
    Outcome { at, latency_us, status: Some(status.as_u16()), error, retry_after }
}

/// Bytes of an answer that are read so that its connection can be used again.
const DRAINED_MAX: u64 = 16 * 1024;

/// Nobody needs what the receiver says; its connection is worth keeping when that is short.
fn drain(mut response: Response) {
    match response.content_length() {
        // An empty answer's connection goes back by itself.
        Some(0) => {}
        Some(length) if length > DRAINED_MAX => {}
        _ => {
            tokio::spawn(async move {
                let mut read = 0;
                while let Ok(Some(piece)) = response.chunk().await {
                    read += piece.len() as u64;
                    if read > DRAINED_MAX {
                        return;
                    }
                }
            });
        }
    }
}

/// Seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(text: &str, now: Time) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let until = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(until.saturating_sub(Duration::from_micros(now.0)).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Time(1_445_412_480_000_000);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("999999999", Some(86_400)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30)),
            ("Wed, 21 Oct 2015 07:27:30 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
