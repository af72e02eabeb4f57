//! One tenant's stream: made when it is missing, read from its end, written behind its end.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{Context, GetStreamError, GetStreamErrorKind, PublishErrorKind};
use async_nats::jetstream::message::{PublishMessage, StreamMessage};
use async_nats::jetstream::stream::{
    Config, Info, LastRawMessageError, LastRawMessageErrorKind, State, StorageType, Stream,
};
use schemas::{EventId, TenantId, TenantName};

use super::connect::Away;
use super::options::Options;
use super::subject::{self, filter_of, stream_name, subject_of};
use super::{FeedError, Message};

/// Why a tenant's events are not published now. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Not this tenant's concern alone, and said already where it was noticed.
    #[error("{}", .0.0)]
    Away(Away),
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Somebody else's stream. Events published into it would be lost among others.
    #[error("the stream {name} exists with the subjects {found:?} instead of {wanted}")]
    OtherSubjects { name: String, found: Vec<String>, wanted: String },
    /// The stream's last message cannot be read: it was deleted, or whoever answered does not have it yet.
    #[error("the last message of the stream {name} cannot be read")]
    EndUnread { name: String },
    /// Nobody answers for the stream: it was deleted, or its servers elect a leader.
    #[error("the stream {name} is not there now")]
    Absent { name: String },
    /// Published in between: another publisher, or an own message that was thought lost.
    #[error("the stream {name} has grown by a message that was not expected")]
    Grown { name: String },
    #[error("{what}")]
    Server { what: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

fn server(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Trouble {
    Trouble::Server { what, source: source.into() }
}

/// What a tenant's stream and subjects are called.
pub(super) struct Names {
    tenant: TenantId,
    tenant_name: TenantName,
    pub(super) stream: String,
    filter: String,
}

impl Names {
    pub(super) fn new(prefix: &str, tenant: TenantId, name: &TenantName) -> Self {
        Self {
            tenant,
            tenant_name: name.clone(),
            stream: stream_name(prefix, name.as_str()),
            filter: filter_of(name.as_str()),
        }
    }
}

/// A stream that is there and ours.
pub(super) struct Tail<'a> {
    names: &'a Names,
    jetstream: &'a Context,
    stream: Stream<Info>,
}

/// A stream's last sequence number: acknowledged, or read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Last(u64);

impl<'a> Tail<'a> {
    /// Finds the stream, or makes it.
    pub(super) async fn open(jetstream: &'a Context, names: &'a Names, options: &Options) -> Result<Self, Trouble> {
        let stream = match jetstream.get_stream(&names.stream).await {
            Ok(stream) => stream,
            // Only the servers' leader says so, and it knows all streams. Should it not, making one that exists fails.
            Err(error) if is_missing(&error) => {
                let made = jetstream.create_stream(config(names, options)).await;
                made.map_err(|error| server("the stream cannot be made", error))?
            }
            Err(error) => return Err(server("the stream cannot be asked for", error)),
        };
        let found = &stream.cached_info().config.subjects;
        if *found != [names.filter.as_str()] {
            let (name, found, wanted) = (names.stream.clone(), found.clone(), names.filter.clone());
            return Err(Trouble::OtherSubjects { name, found, wanted });
        }
        Ok(Self { names, jetstream, stream })
    }

    /// Its bounds when it was opened.
    pub(super) fn state(&self) -> &State {
        &self.stream.cached_info().state
    }

    /// The last sequence number when it was opened, of a message that is there or was.
    pub(super) fn last(&self) -> Last {
        Last(self.state().last_sequence)
    }

    /// What was published under a sequence number.
    pub(super) async fn at(&self, sequence: u64) -> Result<Kept, Trouble> {
        self.kept(self.stream.get_raw_message(sequence).await)
    }

    /// The last message that is still there.
    pub(super) async fn newest(&self) -> Result<Kept, Trouble> {
        self.kept(self.stream.get_last_raw_message_by_subject(&self.names.filter).await)
    }

    fn kept(&self, read: Read) -> Result<Kept, Trouble> {
        let message = match read {
            Ok(message) => message,
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => return Ok(Kept::Nothing),
            Err(error) => return Err(server("the stream's messages cannot be read", error)),
        };
        let id = message.headers.get(async_nats::header::NATS_MESSAGE_ID);
        let id = id.and_then(|id| subject::parse_message_id(self.names.tenant, id.as_str()));
        Ok(id.map_or(Kept::Other { sequence: message.sequence }, |id| Kept::Ours { sequence: message.sequence, id }))
    }

    /// Publishes one message behind `last`, waits until it is kept, and returns the sequence number to expect next.
    pub(super) async fn publish(&self, message: Message, last: Last) -> Result<Last, Trouble> {
        let Names { tenant, tenant_name, stream, .. } = self.names;
        let subject = subject_of(tenant_name.as_str(), message.bucket.as_ref(), message.event_type);
        let publish = PublishMessage::build()
            .message_id(subject::message_id(*tenant, message.id))
            .expected_stream(stream)
            .expected_last_sequence(last.0)
            .header("Content-Type", "application/cloudevents+json")
            .payload(message.body);
        let sent = self.jetstream.send_publish(subject, publish).await;
        let sent = match sent {
            Ok(sent) => sent.await,
            Err(error) => Err(error),
        };
        let name = || stream.clone();
        match sent {
            // The server knew the message: it was kept before. If behind `last`, that is the end now.
            Ok(taken) if taken.duplicate => Ok(Last(last.0.max(taken.sequence))),
            Ok(taken) => Ok(Last(taken.sequence)),
            Err(error) => Err(match error.kind() {
                PublishErrorKind::WrongLastSequence => Trouble::Grown { name: name() },
                PublishErrorKind::StreamNotFound => Trouble::Absent { name: name() },
                PublishErrorKind::WrongLastMessageId
                | PublishErrorKind::TimedOut
                | PublishErrorKind::BrokenPipe
                | PublishErrorKind::MaxAckPending
                | PublishErrorKind::MaxPayloadExceeded
                | PublishErrorKind::Other => server("an event was not taken", error),
            }),
        }
    }

    pub(super) fn end_unread(&self) -> Trouble {
        Trouble::EndUnread { name: self.names.stream.clone() }
    }
}

fn is_missing(error: &GetStreamError) -> bool {
    matches!(error.kind(), GetStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

type Read = Result<StreamMessage, LastRawMessageError>;

/// What a sequence number holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Deleted, or never there.
    Nothing,
    /// Not written by this tenant's publisher.
    Other { sequence: u64 },
    /// This tenant's event.
    Ours { sequence: u64, id: EventId },
}

fn config(names: &Names, options: &Options) -> Config {
    Config {
        name: names.stream.clone(),
        subjects: vec![names.filter.clone()],
        description: Some(format!("Events of the tenant {}", names.tenant_name)),
        storage: StorageType::File,
        num_replicas: options.replicas,
        max_age: options.max_age,
        allow_direct: true,
        ..Config::default()
    }
}
