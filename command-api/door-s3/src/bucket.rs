//! Buckets: create, head, delete, list, location, versioning.

use axum::response::Response;
use domain::Refusal;
use http::header::LOCATION;
use http::{HeaderName, HeaderValue, StatusCode};
use pipeline::{BucketInfo, Caller, CreateBucket, StoreError};
use schemas::event::Versioning;

use crate::acl::asked_acl;
use crate::answer::{self, text_value};
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::text_of;
use crate::list::{Token, bounded};
use crate::ownership;
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Xml, timestamp};

const REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");
/// Most buckets of a page, and of an answer to a client that does not page.
const PAGE_MAX: usize = 10_000;
/// Where creating one's own bucket again succeeds, as it always did there, and where buckets have no location.
const CLASSIC_REGION: &str = "us-east-1";

/// `x-amz-expected-bucket-owner`, on any operation with a bucket.
pub(crate) async fn expected_owner(app: &App, ask: &Ask) -> Result<(), Failure> {
    let Some(expected) = text_of(&ask.headers, "x-amz-expected-bucket-owner") else { return Ok(()) };
    if ask.has_bucket() { owned_by(app, &ask.caller, &ask.bucket(), &expected).await } else { Ok(()) }
}

/// # Errors
/// The bucket belongs to someone else.
pub(crate) async fn owned_by(
    app: &App,
    caller: &Caller,
    bucket: &schemas::BucketName,
    expected: &str,
) -> Result<(), Failure> {
    Ok(app.store.expect_bucket_owner(caller, bucket, expected).await?)
}

pub(crate) async fn list(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let prefix = ask.query.get("prefix").unwrap_or_default();
    let max = bounded(&ask.query, "max-buckets", PAGE_MAX)?.max(1);
    let after = ask.query.filled("continuation-token").map(Token::decode).transpose()?.map(|token| token.after);
    let (mut buckets, truncated) = app.store.list_buckets(&ask.caller, prefix, after.as_deref(), max).await?;
    let next = buckets.last().filter(|_| truncated).map(|bucket| Token::encode(bucket.name.as_str(), None));
    if let Some(region) = ask.query.filled("bucket-region") {
        buckets.retain(|bucket| bucket.region == region);
    }
    Ok(answer::xml(buckets_xml(&ask.caller, &buckets, prefix, next)))
}

fn buckets_xml(caller: &Caller, buckets: &[BucketInfo], prefix: &str, next: Option<String>) -> String {
    Xml::document("ListAllMyBucketsResult", |xml| {
        xml.person("Owner", caller.user().as_str(), caller.display_name());
        xml.group("Buckets", |xml| {
            for bucket in buckets {
                xml.group("Bucket", |xml| {
                    xml.text("Name", bucket.name.as_str());
                    xml.text("CreationDate", &timestamp(bucket.created));
                    xml.text("BucketRegion", &bucket.region);
                });
            }
        });
        xml.optional("Prefix", Some(prefix).filter(|prefix| !prefix.is_empty()));
        xml.optional("ContinuationToken", next);
    })
}

pub(crate) async fn create(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read(&ask.headers, XML_BYTES_MAX).await?;
    let region = location_constraint(&body)?;
    if let (Some(asked), Some(only)) = (&region, &app.options.region)
        && asked != only
    {
        return Err(DoorError::IllegalLocation { constraint: asked.clone() }.into());
    }
    let request = CreateBucket {
        name: ask.bucket(),
        versioning: None,
        object_lock: flag(ask, "x-amz-bucket-object-lock-enabled")?,
        ownership: ownership::asked_of_new(&ask.headers)?,
        acl: asked_acl(&ask.headers)?,
        region: Some(region.unwrap_or_else(|| app.options.default_region.clone())),
        base: None,
    };
    let plain =
        !request.object_lock && request.ownership.is_none() && request.region.as_deref() == Some(CLASSIC_REGION);
    match app.store.create_bucket(&ask.caller, request).await {
        Ok(_) => {}
        Err(StoreError::Refused(Refusal::BucketAlreadyOwnedByYou)) if plain => {}
        Err(error) => return Err(error.into()),
    }
    let mut response = answer::empty(StatusCode::OK);
    response.headers_mut().insert(LOCATION, text_value(format_args!("/{}", ask.bucket())));
    Ok(response)
}

fn location_constraint(body: &[u8]) -> Result<Option<String>, Failure> {
    if body.is_empty() {
        return Ok(None);
    }
    let root = xml::parse(body, "CreateBucketConfiguration")?;
    for (name, what) in [("Location", "Location"), ("Bucket", "Bucket"), ("Tags", "Tags")] {
        if root.child(name)?.is_some() {
            return Err(DoorError::NotImplemented { what }.into());
        }
    }
    let constraint = root.child_text("LocationConstraint")?.map(str::trim);
    let constraint = constraint.filter(|text| !text.is_empty()).map(str::to_owned);
    // It is kept with the bucket and answered in a header.
    let sane =
        |text: &String| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    match constraint {
        Some(text) if !sane(&text) => Err(DoorError::IllegalLocation { constraint: text }.into()),
        constraint => Ok(constraint),
    }
}

fn flag(ask: &Ask, name: &'static str) -> Result<bool, DoorError> {
    match text_of(&ask.headers, name).map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(DoorError::InvalidArgument { name, reason: "The value must be true or false." }),
    }
}

pub(crate) async fn head(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let info = app.store.head_bucket(&ask.caller, &ask.bucket()).await?;
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(REGION, text_value(&info.region));
    headers.insert(HeaderName::from_static("x-amz-access-point-alias"), HeaderValue::from_static("false"));
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Ok(response)
}

pub(crate) async fn delete(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let position = app.store.delete_bucket(&ask.caller, &ask.bucket()).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

pub(crate) async fn location(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let info = app.store.head_bucket(&ask.caller, &ask.bucket()).await?;
    Ok(answer::xml(location_xml(&info.region)))
}

fn location_xml(region: &str) -> String {
    let shown = if region == CLASSIC_REGION { "" } else { region };
    Xml::document("LocationConstraint", |xml| xml.content(shown))
}

pub(crate) async fn versioning(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let info = app.store.head_bucket(&ask.caller, &ask.bucket()).await?;
    Ok(answer::xml(versioning_xml(info.versioning)))
}

fn versioning_xml(versioning: Versioning) -> String {
    Xml::document("VersioningConfiguration", |xml| match versioning {
        Versioning::Unversioned => {}
        Versioning::Enabled => xml.text("Status", "Enabled"),
        Versioning::Suspended => xml.text("Status", "Suspended"),
    })
}

pub(crate) async fn set_versioning(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read(&ask.headers, XML_BYTES_MAX).await?;
    let versioning = asked_versioning(&body)?;
    let position = app.store.set_versioning(&ask.caller, &ask.bucket(), versioning).await?;
    Ok(answer::changed(StatusCode::OK, position))
}

fn asked_versioning(body: &[u8]) -> Result<Versioning, Failure> {
    let root = xml::parse(body, "VersioningConfiguration")?;
    match root.child_text("MfaDelete")?.map(str::trim) {
        None | Some("Disabled") => {}
        Some("Enabled") => return Err(DoorError::NotImplemented { what: "MfaDelete" }.into()),
        Some(_) => return Err(DoorError::MalformedXml.into()),
    }
    match root.child_text("Status")?.map(str::trim) {
        Some("Enabled") => Ok(Versioning::Enabled),
        Some("Suspended") => Ok(Versioning::Suspended),
        Some(_) => Err(DoorError::MalformedXml.into()),
        None => Err(DoorError::IllegalVersioning.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_list_of_buckets() {
        let buckets = [testing::bucket("one"), testing::bucket("two")];
        insta::assert_snapshot!(buckets_xml(&testing::caller(), &buckets, "", Some("TOKEN".into())));
        insta::assert_snapshot!(buckets_xml(&testing::caller(), &[], "p", None));
    }

    #[test]
    fn location_and_versioning() {
        let documents = [
            location_xml("us-east-1"),
            location_xml("eu-west-1"),
            versioning_xml(Versioning::Unversioned),
            versioning_xml(Versioning::Enabled),
            versioning_xml(Versioning::Suspended),
        ];
        insta::assert_snapshot!(documents.join("\n"));
    }

    #[test]
    fn where_a_bucket_is_to_be() {
        let read = |body: &str| location_constraint(body.as_bytes()).map_err(|failure| failure.describe().code);
        let with = |inner: &str| read(&format!("<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>"));
        assert_eq!(read(""), Ok(None));
        assert_eq!(with(""), Ok(None));
        assert_eq!(with("<LocationConstraint>eu-west-1</LocationConstraint>"), Ok(Some("eu-west-1".into())));
        assert_eq!(with("<LocationConstraint/>"), Ok(None));
        assert_eq!(with("<LocationConstraint>é</LocationConstraint>"), Err("IllegalLocationConstraintException"));
        assert_eq!(with("<Bucket><Type>Directory</Type></Bucket>"), Err("NotImplemented"));
        assert_eq!(read("nonsense"), Err("MalformedXML"));
    }

    #[test]
    fn versioning_that_is_asked_for() {
        let read = |inner: &str| {
            let body = format!("<VersioningConfiguration>{inner}</VersioningConfiguration>");
            asked_versioning(body.as_bytes()).map_err(|failure| failure.describe().code)
        };
        assert_eq!(read("<Status>Enabled</Status>"), Ok(Versioning::Enabled));
        assert_eq!(read("<MfaDelete>Disabled</MfaDelete><Status>Suspended</Status>"), Ok(Versioning::Suspended));
        assert_eq!(read("<MfaDelete>Enabled</MfaDelete><Status>Enabled</Status>"), Err("NotImplemented"));
        assert_eq!(read("<Status>enabled</Status>"), Err("MalformedXML"));
        assert_eq!(read(""), Err("IllegalVersioningConfigurationException"));
    }
}
