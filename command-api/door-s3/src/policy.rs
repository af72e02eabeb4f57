//! Bucket policies, their status, and the public access block.
//!
//! Owns: their forms on the wire. A policy is JSON and goes in and out as it was written.
//! Does not own: what a policy may say (domain), whom it lets in (the store, at every operation).

use axum::response::Response;
use domain::Refusal;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use pipeline::{BucketPolicy, Configuration, StoreError};
use schemas::BucketName;
use schemas::acl::PublicAccessBlock;
use schemas::action::Action;
use schemas::event::{Event, Setting};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::text_of;
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Xml};

/// What is asked of a bucket's access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    GetPolicy,
    PutPolicy,
    DeletePolicy,
    GetPolicyStatus,
    GetPublicAccessBlock,
    PutPublicAccessBlock,
    DeletePublicAccessBlock,
}

impl Access {
    /// As method and query name it.
    pub(crate) fn parse(method: &Method, name: &str) -> Option<Self> {
        match (method.as_str(), name) {
            ("GET", "policy") => Some(Self::GetPolicy),
            ("PUT", "policy") => Some(Self::PutPolicy),
            ("DELETE", "policy") => Some(Self::DeletePolicy),
            ("GET", "policyStatus") => Some(Self::GetPolicyStatus),
            ("GET", "publicAccessBlock") => Some(Self::GetPublicAccessBlock),
            ("PUT", "publicAccessBlock") => Some(Self::PutPublicAccessBlock),
            ("DELETE", "publicAccessBlock") => Some(Self::DeletePublicAccessBlock),
            _ => None,
        }
    }
}

pub(crate) async fn of_bucket(app: &App, ask: &Ask, access: Access, payload: Payload) -> Result<Response, Failure> {
    let bucket = &ask.bucket();
    match access {
        Access::GetPolicy => get_policy(app, ask, bucket).await,
        Access::PutPolicy => put_policy(app, ask, bucket, payload).await,
        Access::DeletePolicy => {
            let set = Configuration::Policy(None);
            let position = app.store.configure_bucket(&ask.caller, bucket, Action::DeleteBucketPolicy, set).await?;
            Ok(answer::changed(StatusCode::NO_CONTENT, position))
        }
        Access::GetPolicyStatus => {
            let public = app.store.bucket_is_public(&ask.caller, bucket).await?;
            Ok(answer::xml(Xml::document("PolicyStatus", |xml| xml.value("IsPublic", public))))
        }
        Access::GetPublicAccessBlock => {
            let block = app.store.bucket_public_access_block(&ask.caller, bucket).await?;
            let block = block.ok_or(DoorError::NotConfigured {
                code: "NoSuchPublicAccessBlockConfiguration",
                message: "The public access block configuration was not found",
            })?;
            Ok(answer::xml(block_xml(block)))
        }
        Access::PutPublicAccessBlock => {
            let block = asked_block(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
            set_block(app, ask, Some(block), StatusCode::OK).await
        }
        Access::DeletePublicAccessBlock => set_block(app, ask, None, StatusCode::NO_CONTENT).await,
    }
}

async fn get_policy(app: &App, ask: &Ask, bucket: &BucketName) -> Result<Response, Failure> {
    let set = app.store.bucket_setting(&ask.caller, bucket, Action::GetBucketPolicy, Setting::Policy).await?;
    let policy = match set.as_deref() {
        Some(Event::BucketPolicySet(set)) => set.policy.clone(),
        _ => None,
    };
    let policy = policy
        .ok_or(DoorError::NotConfigured { code: "NoSuchBucketPolicy", message: "The bucket policy does not exist" })?;
    let mut response = Response::new(policy.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

async fn put_policy(app: &App, ask: &Ask, bucket: &BucketName, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read(&ask.headers, XML_BYTES_MAX).await?;
    let text = std::str::from_utf8(&body).map_err(|_| {
        Failure::from(StoreError::from(Refusal::MalformedPolicy { reason: "Policies must be UTF-8".to_owned() }))
    })?;
    let policy = BucketPolicy { text: text.to_owned(), binds_owner: binds_owner(ask)? };
    let position = app.store.put_bucket_policy(&ask.caller, bucket, policy).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

/// Whether the client knows that it may shut itself out.
fn binds_owner(ask: &Ask) -> Result<bool, DoorError> {
    const NAME: &str = "x-amz-confirm-remove-self-bucket-access";
    match text_of(&ask.headers, NAME).map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(DoorError::InvalidArgument { name: NAME, reason: "The value must be true or false." }),
    }
}

async fn set_block(
    app: &App,
    ask: &Ask,
    block: Option<PublicAccessBlock>,
    status: StatusCode,
) -> Result<Response, Failure> {
    // AWS knows one action for both.
    let (set, action) = (Configuration::PublicAccessBlock(block), Action::PutBucketPublicAccessBlock);
    let position = app.store.configure_bucket(&ask.caller, &ask.bucket(), action, set).await?;
    Ok(answer::changed(status, position))
}

const ROOT: &str = "PublicAccessBlockConfiguration";

fn block_xml(block: PublicAccessBlock) -> String {
    Xml::document(ROOT, |xml| {
        xml.value("BlockPublicAcls", block.block_public_acls);
        xml.value("IgnorePublicAcls", block.ignore_public_acls);
        xml.value("BlockPublicPolicy", block.block_public_policy);
        xml.value("RestrictPublicBuckets", block.restrict_public_buckets);
    })
}

/// What is not said is not blocked.
fn asked_block(body: &[u8]) -> Result<PublicAccessBlock, Failure> {
    let root = xml::parse(body, ROOT)?;
    let flag = |name| match root.child_text(name)?.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Failure::from(DoorError::MalformedXml)),
    };
    Ok(PublicAccessBlock {
        block_public_acls: flag("BlockPublicAcls")?,
        ignore_public_acls: flag("IgnorePublicAcls")?,
        block_public_policy: flag("BlockPublicPolicy")?,
        restrict_public_buckets: flag("RestrictPublicBuckets")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_public_access_block_reads_back() {
        for number in 0..16u8 {
            let bit = |index: u8| number & (1 << index) != 0;
            let block = PublicAccessBlock {
                block_public_acls: bit(0),
                ignore_public_acls: bit(1),
                block_public_policy: bit(2),
                restrict_public_buckets: bit(3),
            };
            assert_eq!(asked_block(block_xml(block).as_bytes()).expect("reads"), block);
        }
        assert!(block_xml(PublicAccessBlock::ALL).contains("<RestrictPublicBuckets>true</RestrictPublicBuckets>"));
    }

    #[test]
    fn what_is_not_said_is_not_blocked_and_nonsense_is_refused() {
        let some = format!("<{ROOT}><BlockPublicAcls> TRUE </BlockPublicAcls></{ROOT}>");
        let expected = PublicAccessBlock { block_public_acls: true, ..PublicAccessBlock::default() };
        assert_eq!(asked_block(some.as_bytes()).expect("reads"), expected);
        for bad in [String::new(), "<Other/>".to_owned(), some.replace("TRUE", "yes")] {
            assert!(asked_block(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn shutting_oneself_out_takes_a_clear_word() {
        let said = |value: &'static str| {
            binds_owner(&testing::ask("PUT /bucket?policy", &[("x-amz-confirm-remove-self-bucket-access", value)]))
        };
        assert!(said("true").expect("a word") && said("TRUE").expect("a word") && !said("false").expect("a word"));
        assert!(said("1").is_err());
        assert!(!binds_owner(&testing::ask("PUT /bucket?policy", &[])).expect("nothing said"));
    }
}
