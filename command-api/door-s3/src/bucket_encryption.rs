//! The default encryption of a bucket: get, put, delete.

use axum::response::Response;
use domain::bucket_setting::Configuration;
use http::StatusCode;
use schemas::action::Action;
use schemas::event::{BucketEncryption, Event, Setting};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Element, Xml};

const DOCUMENT: &str = "ServerSideEncryptionConfiguration";

pub(crate) async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let action = Action::GetEncryptionConfiguration;
    let set = app.store.bucket_setting(&ask.caller, &ask.bucket(), action, Setting::Encryption).await?;
    match set.as_deref() {
        Some(Event::BucketEncryptionSet(set)) if let Some(encryption) = &set.encryption => {
            Ok(answer::xml(document(encryption)))
        }
        // AWS has set every bucket to SSE-S3 since 2023; suites expect what it said before.
        _ => Err(DoorError::NotConfigured {
            code: "ServerSideEncryptionConfigurationNotFoundError",
            message: "The server side encryption configuration was not found",
        }
        .into()),
    }
}

pub(crate) async fn put(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let encryption = asked(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
    configure(app, ask, Some(encryption), StatusCode::OK).await
}

pub(crate) async fn delete(app: &App, ask: &Ask) -> Result<Response, Failure> {
    configure(app, ask, None, StatusCode::NO_CONTENT).await
}

async fn configure(
    app: &App,
    ask: &Ask,
    encryption: Option<BucketEncryption>,
    status: StatusCode,
) -> Result<Response, Failure> {
    let action = Action::PutEncryptionConfiguration;
    let configuration = Configuration::Encryption(encryption);
    let position = app.store.configure_bucket(&ask.caller, &ask.bucket(), action, configuration).await?;
    Ok(answer::changed(status, position))
}

fn document(encryption: &BucketEncryption) -> String {
    let (algorithm, key, bucket_key) = match encryption {
        BucketEncryption::Managed => ("AES256", None, false),
        BucketEncryption::Kms { key, bucket_key } => ("aws:kms", key.as_deref(), *bucket_key),
    };
    Xml::document(DOCUMENT, |xml| {
        xml.group("Rule", |xml| {
            xml.group("ApplyServerSideEncryptionByDefault", |xml| {
                xml.text("SSEAlgorithm", algorithm);
                xml.optional("KMSMasterKeyID", key);
            });
            xml.value("BucketKeyEnabled", bucket_key);
        });
    })
}

/// One rule, as S3 has it.
fn asked(body: &[u8]) -> Result<BucketEncryption, Failure> {
    let root = xml::parse(body, DOCUMENT)?;
    let rule = root.child("Rule")?.ok_or(DoorError::MalformedXml)?;
    // It would forbid what is accepted.
    if rule.child("BlockedEncryptionTypes")?.is_some() {
        return Err(DoorError::NotImplemented { what: "BlockedEncryptionTypes" }.into());
    }
    let default = rule.child("ApplyServerSideEncryptionByDefault")?.ok_or(DoorError::MalformedXml)?;
    let key = trimmed(default, "KMSMasterKeyID")?.filter(|key| !key.is_empty()).map(str::to_owned);
    let bucket_key = match trimmed(rule, "BucketKeyEnabled")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(DoorError::MalformedXml.into()),
    };
    match trimmed(default, "SSEAlgorithm")? {
        Some("AES256") if key.is_some() => {
            let reason = "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms";
            Err(DoorError::InvalidArgument { name: "KMSMasterKeyID", reason }.into())
        }
        // A bucket key is of no use then; AWS takes it too and answers false.
        Some("AES256") => Ok(BucketEncryption::Managed),
        Some("aws:kms") => Ok(BucketEncryption::Kms { key, bucket_key }),
        Some("aws:kms:dsse") => Err(DoorError::NotImplemented { what: "aws:kms:dsse" }.into()),
        _ => Err(DoorError::MalformedXml.into()),
    }
}

fn trimmed<'a>(element: &'a Element, name: &str) -> Result<Option<&'a str>, Failure> {
    Ok(element.child_text(name)?.map(str::trim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rule: &str) -> Result<BucketEncryption, &'static str> {
        let body = format!("<{DOCUMENT}>{rule}</{DOCUMENT}>");
        asked(body.as_bytes()).map_err(|failure| failure.describe().code)
    }

    fn rule(default: &str, rest: &str) -> String {
        let name = "ApplyServerSideEncryptionByDefault";
        format!("<Rule><{name}>{default}</{name}>{rest}</Rule>")
    }

    #[test]
    fn what_may_be_set() {
        const AES: &str = "<SSEAlgorithm>AES256</SSEAlgorithm>";
        const KMS: &str = "<SSEAlgorithm>aws:kms</SSEAlgorithm>";
        const KEY: &str = "<KMSMasterKeyID> one </KMSMasterKeyID>";
        const BUCKET_KEY: &str = "<BucketKeyEnabled>true</BucketKeyEnabled>";
        let kms = |key: Option<&str>, bucket_key| BucketEncryption::Kms { key: key.map(str::to_owned), bucket_key };
        for (asked, expected) in [
            (rule(AES, ""), Ok(BucketEncryption::Managed)),
            (rule(AES, BUCKET_KEY), Ok(BucketEncryption::Managed)),
            (rule(KMS, ""), Ok(kms(None, false))),
            (rule(&format!("{KMS}{KEY}"), BUCKET_KEY), Ok(kms(Some("one"), true))),
            (rule(&format!("{AES}{KEY}"), ""), Err("InvalidArgument")),
            (rule("<SSEAlgorithm>aws:kms:dsse</SSEAlgorithm>", ""), Err("NotImplemented")),
            (rule(AES, "<BlockedEncryptionTypes/>"), Err("NotImplemented")),
            (rule("<SSEAlgorithm>none</SSEAlgorithm>", ""), Err("MalformedXML")),
            (rule("", ""), Err("MalformedXML")),
            (rule(AES, "<BucketKeyEnabled>yes</BucketKeyEnabled>"), Err("MalformedXML")),
            ("<Rule/>".to_owned(), Err("MalformedXML")),
            (rule(AES, "").repeat(2), Err("MalformedXML")),
            (String::new(), Err("MalformedXML")),
        ] {
            assert_eq!(read(&asked), expected, "{asked}");
        }
    }

    #[test]
    fn what_is_answered_reads_back() {
        let kms = BucketEncryption::Kms { key: Some("one".to_owned()), bucket_key: true };
        for set in [BucketEncryption::Managed, kms, BucketEncryption::Kms { key: None, bucket_key: false }] {
            let document = document(&set);
            assert_eq!(asked(document.as_bytes()).map_err(|failure| failure.describe().code), Ok(set));
            assert!(document.contains("<BucketKeyEnabled>"), "{document}");
        }
    }
}
