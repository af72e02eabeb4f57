//! Condition keys: the facts of a request that conditions and variables name.
//!
//! Owns: their names, and what each is in a request. Does not own: comparing (`condition`).
//! Invariant: every key that parses is one that requests really have. One that could never be known would make a condition
//! that looks like protection and is none.

use schemas::{BucketName, ObjectKey, Time};

use super::Malformed;
use super::request::{Request, Requester, SignaturePlace, SignatureVersion};
use crate::policy::Resource;

/// A fact of a request, as conditions name it. Names do not care for upper and lower case; tag keys do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    CurrentTime,
    EpochTime,
    SourceIp,
    SecureTransport,
    PrincipalAccount,
    PrincipalArn,
    PrincipalType,
    PrincipalIsService,
    PrincipalServiceName,
    ViaService,
    ResourceAccount,
    SourceArn,
    SourceAccount,
    UserId,
    UserName,
    AuthType,
    SignatureVersion,
    SignatureAge,
    TlsVersion,
    Prefix,
    Version,
    CopySource,
    LockMode,
    LockUntil,
    LockDays,
    LegalHold,
    RequestTag(String),
    RequestTagKeys,
    ExistingTag(String),
    /// A header of this name.
    Header(&'static str),
    /// A parameter of the query.
    Query(&'static str),
}

const NAMES: &[(&str, Key)] = &[
    ("aws:CurrentTime", Key::CurrentTime),
    ("aws:EpochTime", Key::EpochTime),
    ("aws:PrincipalAccount", Key::PrincipalAccount),
    ("aws:PrincipalArn", Key::PrincipalArn),
    ("aws:PrincipalIsAWSService", Key::PrincipalIsService),
    ("aws:PrincipalServiceName", Key::PrincipalServiceName),
    ("aws:PrincipalType", Key::PrincipalType),
    ("aws:Referer", Key::Header("referer")),
    ("aws:ResourceAccount", Key::ResourceAccount),
    ("aws:SecureTransport", Key::SecureTransport),
    ("aws:SourceAccount", Key::SourceAccount),
    ("aws:SourceArn", Key::SourceArn),
    ("aws:SourceIp", Key::SourceIp),
    ("aws:UserAgent", Key::Header("user-agent")),
    ("aws:userid", Key::UserId),
    ("aws:username", Key::UserName),
    ("aws:ViaAWSService", Key::ViaService),
    ("s3:authType", Key::AuthType),
    ("s3:delimiter", Key::Query("delimiter")),
    ("s3:if-match", Key::Header("if-match")),
    ("s3:if-none-match", Key::Header("if-none-match")),
    ("s3:max-keys", Key::Query("max-keys")),
    ("s3:object-lock-legal-hold", Key::LegalHold),
    ("s3:object-lock-mode", Key::LockMode),
    ("s3:object-lock-remaining-retention-days", Key::LockDays),
    ("s3:object-lock-retain-until-date", Key::LockUntil),
    ("s3:prefix", Key::Prefix),
    ("s3:RequestObjectTagKeys", Key::RequestTagKeys),
    ("s3:ResourceAccount", Key::ResourceAccount),
    ("s3:signatureAge", Key::SignatureAge),
    ("s3:signatureversion", Key::SignatureVersion),
    ("s3:TlsVersion", Key::TlsVersion),
    ("s3:VersionId", Key::Version),
    ("s3:x-amz-acl", Key::Header("x-amz-acl")),
    ("s3:x-amz-content-sha256", Key::Header("x-amz-content-sha256")),
    ("s3:x-amz-copy-source", Key::CopySource),
    ("s3:x-amz-grant-full-control", Key::Header("x-amz-grant-full-control")),
    ("s3:x-amz-grant-read", Key::Header("x-amz-grant-read")),
    ("s3:x-amz-grant-read-acp", Key::Header("x-amz-grant-read-acp")),
    ("s3:x-amz-grant-write", Key::Header("x-amz-grant-write")),
    ("s3:x-amz-grant-write-acp", Key::Header("x-amz-grant-write-acp")),
    ("s3:x-amz-metadata-directive", Key::Header("x-amz-metadata-directive")),
    ("s3:x-amz-server-side-encryption", Key::Header("x-amz-server-side-encryption")),
    ("s3:x-amz-server-side-encryption-aws-kms-key-id", Key::Header("x-amz-server-side-encryption-aws-kms-key-id")),
    (
        "s3:x-amz-server-side-encryption-customer-algorithm",
        Key::Header("x-amz-server-side-encryption-customer-algorithm"),
    ),
    ("s3:x-amz-storage-class", Key::Header("x-amz-storage-class")),
];

/// One value of a key, in every spelling that policies may use for it: first the one that variables become.
pub(super) type Value = Vec<String>;

impl Key {
    /// # Errors
    /// A key that no request here has.
    pub(super) fn parse(name: &str) -> Result<Self, Malformed> {
        if let Some((kind, tag)) = name.split_once('/').filter(|(_, tag)| !tag.is_empty()) {
            match kind.to_ascii_lowercase().as_str() {
                "s3:requestobjecttag" => return Ok(Key::RequestTag(tag.to_owned())),
                "s3:existingobjecttag" => return Ok(Key::ExistingTag(tag.to_owned())),
                _ => {}
            }
        }
        let known = NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        known
            .map(|(_, key)| key.clone())
            .ok_or_else(|| Malformed::new(format!("Policy has an invalid condition key: {name}")))
    }

    /// Whether it is about the tags that an object has already.
    pub(super) fn is_existing_tag(&self) -> bool {
        matches!(self, Key::ExistingTag(_))
    }

    /// Whether one fixed value of it leaves only known people, places or purposes: what AWS counts when it asks whether a
    /// policy is public.
    pub(super) fn narrows(&self) -> bool {
        matches!(
            self,
            Key::SourceIp
                | Key::SourceArn
                | Key::SourceAccount
                | Key::UserId
                | Key::UserName
                | Key::PrincipalAccount
                | Key::PrincipalArn
                | Key::PrincipalServiceName
                | Key::Header("x-amz-server-side-encryption-aws-kms-key-id")
        )
    }

    /// The first of its values, as a variable has it.
    pub(super) fn variable(&self, request: &Request<'_>) -> Option<String> {
        self.values(request).into_iter().next()?.into_iter().next()
    }

    /// Its values in a request: none when the request does not have it, several for the keys of tags alone.
    pub(super) fn values(&self, request: &Request<'_>) -> Vec<Value> {
        if let Key::RequestTagKeys = self {
            return request.asked.tags.into_iter().flat_map(|tags| tags.keys()).map(|key| vec![key.clone()]).collect();
        }
        self.value(request).into_iter().filter(|value| !value.is_empty()).collect()
    }

    fn value(&self, request: &Request<'_>) -> Option<Value> {
        let Request { asked, circumstances, .. } = request;
        let truth = |value: bool| vec![value.to_string()];
        match self {
            Key::CurrentTime => Some(vec![iso(circumstances.now)]),
            Key::EpochTime => Some(vec![circumstances.now.seconds().to_string()]),
            Key::SourceIp => circumstances.source.map(|source| vec![source.to_canonical().to_string()]),
            Key::SecureTransport => Some(truth(circumstances.secure)),
            Key::TlsVersion => circumstances.tls_version.map(|version| vec![version.to_owned()]),
            Key::PrincipalType
            | Key::PrincipalAccount
            | Key::PrincipalArn
            | Key::PrincipalIsService
            | Key::PrincipalServiceName
            | Key::ViaService
            | Key::SourceArn
            | Key::SourceAccount
            | Key::UserId
            | Key::UserName => self.of_requester(request),
            Key::ResourceAccount => Some(accounts(request)),
            Key::AuthType => circumstances.signature.map(|signature| {
                vec![
                    match signature.place {
                        SignaturePlace::Header => "REST-HEADER",
                        SignaturePlace::Query => "REST-QUERY-STRING",
                        SignaturePlace::Form => "POST",
                    }
                    .to_owned(),
                ]
            }),
            Key::SignatureVersion => circumstances.signature.map(|signature| {
                vec![
                    match signature.version {
                        SignatureVersion::V2 => "AWS",
                        SignatureVersion::V4 => "AWS4-HMAC-SHA256",
                    }
                    .to_owned(),
                ]
            }),
            // Milliseconds, as AWS counts them.
            Key::SignatureAge => {
                let made = circumstances.signature?.made?;
                Some(vec![(circumstances.now.0.saturating_sub(made.0) / 1000).to_string()])
            }
            Key::Prefix => match asked.resource {
                Resource::Prefix(_, prefix) if !prefix.is_empty() => Some(vec![prefix.to_owned()]),
                _ => circumstances.said.query("prefix").map(|prefix| vec![prefix]),
            },
            Key::Version => asked.version.map(|version| vec![version.to_string()]),
            Key::CopySource => asked.copy_source.map(copied),
            Key::LockMode => asked.lock.mode.map(|mode| vec![mode.to_owned()]),
            Key::LockUntil => asked.lock.retain_until.map(|until| vec![iso(until)]),
            Key::LockDays => asked.lock.retain_until.map(|until| {
                vec![until.seconds().saturating_sub(circumstances.now.seconds()).div_ceil(86_400).to_string()]
            }),
            Key::LegalHold => asked.lock.legal_hold.map(|on| vec![if on { "ON" } else { "OFF" }.to_owned()]),
            Key::RequestTag(tag) => Some(vec![asked.tags?.get(tag)?.clone()]),
            Key::ExistingTag(tag) => Some(vec![request.existing_tags?.get(tag)?.clone()]),
            Key::RequestTagKeys => None,
            Key::Header(name) => circumstances.said.header(name).map(|value| vec![value]),
            Key::Query(name) => circumstances.said.query(name).map(|value| vec![value]),
        }
    }

    fn of_requester(&self, request: &Request<'_>) -> Option<Value> {
        let text = |text: &str| Some(vec![text.to_owned()]);
        match (self, request.requester) {
            (Key::PrincipalType, Requester::Anonymous) => text("Anonymous"),
            (Key::PrincipalType, Requester::User { .. }) => text("User"),
            (Key::PrincipalIsService, requester) => {
                text(if matches!(requester, Requester::Service { .. }) { "true" } else { "false" })
            }
            (Key::ViaService, _) => text("false"),
            (Key::PrincipalAccount, Requester::User { .. }) => Some(accounts(request)),
            (Key::PrincipalArn, Requester::User { user, .. }) => {
                let arn = |account| format!("arn:aws:iam::{account}:user/{user}");
                Some(accounts(request).iter().map(arn).chain([arn(&String::new())]).collect())
            }
            (Key::UserId | Key::UserName, Requester::User { user, .. }) => text(user.as_str()),
            (Key::UserId, Requester::Anonymous) => text("anonymous"),
            (Key::PrincipalServiceName, Requester::Service { name, .. }) => text(name),
            (Key::SourceArn, Requester::Service { source, .. }) => Some(vec![format!("arn:aws:s3:::{source}")]),
            // Where each user is an account of its own, the user's id; elsewhere the tenant's.
            (Key::SourceAccount, Requester::Service { source_owner, .. }) => {
                Some(accounts(request).into_iter().chain([source_owner.to_string()]).collect())
            }
            _ => None,
        }
    }
}

fn accounts(request: &Request<'_>) -> Value {
    vec![request.tenant.id.to_string(), request.tenant.name.to_string()]
}

fn copied((bucket, key): (&BucketName, &ObjectKey)) -> Value {
    vec![format!("{bucket}/{key}"), format!("/{bucket}/{key}")]
}

/// As AWS writes times: `2026-01-31T12:00:00Z`.
fn iso(time: Time) -> String {
    let seconds = i64::try_from(time.seconds()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}
