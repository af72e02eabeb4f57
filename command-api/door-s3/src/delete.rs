//! DeleteObject and DeleteObjects.

use axum::response::Response;
use http::{HeaderValue, StatusCode};
use pipeline::{DeleteObject, Deleted, WriteConditions};
use schemas::{ObjectKey, VersionId};

use crate::access_log;
use crate::answer;
use crate::ask::{Ask, object_key, version_id};
use crate::errors::{DoorError, Failure};
use crate::headers::{bypass_governance, etag_condition, seconds, write_conditions};
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Element, Xml};

const OBJECTS_MAX: usize = 1000;

pub(crate) async fn one(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let request = DeleteObject {
        bucket: ask.bucket(),
        key: ask.key(),
        version: ask.version()?,
        conditions: write_conditions(&ask.headers)?,
        bypass_governance: bypass_governance(&ask.headers),
    };
    let deleted = app.store.delete_object(&ask.caller, request).await?;
    Ok(deleted_answer(&deleted))
}

fn deleted_answer(deleted: &Deleted) -> Response {
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    answer::version(headers, answer::VERSION_ID, deleted.version);
    if deleted.delete_marker {
        headers.insert(answer::DELETE_MARKER, HeaderValue::from_static("true"));
    }
    if let Some(position) = deleted.position {
        answer::position(headers, position);
    }
    response
}

/// One object of many, as the client named it.
#[derive(Debug)]
struct Named {
    key: String,
    version: Option<String>,
    /// What it means, or why it means nothing. That concerns this object alone.
    meant: Result<(ObjectKey, Option<VersionId>, WriteConditions), DoorError>,
}

pub(crate) async fn many(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read_verified(&ask.headers, XML_BYTES_MAX).await?;
    let (quiet, named) = asked(&body)?;
    let keys: Vec<_> = named.iter().filter_map(|named| named.meant.clone().ok()).collect();
    let bypass = bypass_governance(&ask.headers);
    let mut answers = app.store.delete_objects(&ask.caller, &ask.bucket(), keys, bypass).await?.into_iter();
    let mut results = Vec::with_capacity(named.len());
    for named in named {
        let result = match &named.meant {
            Err(error) => Err(Failure::from(error.clone())),
            Ok(_) => answers.next().unwrap_or(Err(pipeline::StoreError::Unavailable)).map_err(Failure::from),
        };
        if let Err(failure) = &result {
            failure.log();
        }
        results.push((named, result));
    }
    let position = results.iter().filter_map(|(_, result)| result.as_ref().ok()?.position).max();
    let mut response = answer::xml(results_xml(&results, quiet));
    response.extensions_mut().insert(batch(&results));
    if let Some(position) = position {
        answer::position(response.headers_mut(), position);
    }
    Ok(response)
}

/// What access logs say of each.
fn batch(results: &[(Named, Result<Deleted, Failure>)]) -> access_log::Batch {
    let each = results.iter().map(|(named, result)| access_log::Deleted {
        key: named.key.clone(),
        version: named.version.clone(),
        code: result.as_ref().err().map(|failure| failure.describe().code),
    });
    access_log::Batch(each.collect())
}

fn asked(body: &[u8]) -> Result<(bool, Vec<Named>), Failure> {
    let root = xml::parse(body, "Delete")?;
    let quiet = root.child_text("Quiet")?.is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
    let objects: Vec<_> = root.children.iter().filter(|child| child.name == "Object").collect();
    if objects.is_empty() || objects.len() > OBJECTS_MAX {
        return Err(DoorError::MalformedXml.into());
    }
    Ok((quiet, objects.into_iter().map(named).collect::<Result<_, _>>()?))
}

fn named(object: &Element) -> Result<Named, Failure> {
    let key = object.child_text("Key")?.ok_or(DoorError::MalformedXml)?.to_owned();
    let version = object.child_text("VersionId")?.map(str::to_owned);
    let etag = object.child_text("ETag")?;
    let size = object.child_text("Size")?;
    let modified = object.child_text("LastModifiedTime")?;
    let meant = || {
        let size = size.map(|text| {
            let reason = "Size is not a number";
            text.trim().parse().map_err(|_| DoorError::InvalidArgument { name: "Size", reason })
        });
        let modified = modified.map(|text| {
            let reason = "LastModifiedTime is not a time";
            seconds(text).ok_or(DoorError::InvalidArgument { name: "LastModifiedTime", reason })
        });
        let conditions = WriteConditions {
            if_match: etag.map(etag_condition),
            if_none_match: None,
            if_match_size: size.transpose()?,
            if_match_last_modified_s: modified.transpose()?,
        };
        Ok((object_key(&key)?, version.as_deref().map(version_id).transpose()?, conditions))
    };
    let meant = meant();
    Ok(Named { key, version, meant })
}

fn results_xml(results: &[(Named, Result<Deleted, Failure>)], quiet: bool) -> String {
    Xml::document("DeleteResult", |xml| {
        for (named, result) in results {
            match result {
                Ok(_) if quiet => {}
                Ok(deleted) => xml.group("Deleted", |xml| deleted_xml(xml, named, deleted)),
                Err(failure) => xml.group("Error", |xml| {
                    let described = failure.describe();
                    xml.text("Key", &named.key);
                    xml.optional("VersionId", named.version.as_deref());
                    xml.text("Code", described.code);
                    xml.text("Message", &described.message);
                }),
            }
        }
    })
}

fn deleted_xml(xml: &mut Xml, named: &Named, deleted: &Deleted) {
    xml.text("Key", &named.key);
    xml.optional("VersionId", named.version.as_deref());
    if deleted.delete_marker {
        xml.value("DeleteMarker", true);
        xml.optional("DeleteMarkerVersionId", deleted.version);
    }
}

#[cfg(test)]
mod tests {
    use domain::Refusal;
    use pipeline::{ETagCondition, StoreError};
    use schemas::Position;

    use super::*;
    use crate::testing;

    fn read(inner: &str) -> Result<(bool, Vec<Named>), &'static str> {
        asked(format!("<Delete>{inner}</Delete>").as_bytes()).map_err(|failure| failure.describe().code)
    }

    #[test]
    fn what_is_to_be_deleted() {
        let (quiet, named) = read(
            "<Object><Key>a</Key></Object><Quiet>true</Quiet>\
             <Object><Key><![CDATA[<b>]]></Key><VersionId>null</VersionId><ETag>\"x\"</ETag><Size>3</Size>\
             <LastModifiedTime>1970-01-01T00:00:09Z</LastModifiedTime></Object>",
        )
        .expect("a request");
        assert!(quiet);
        let (key, version, conditions) = named[1].meant.clone().expect("an object");
        assert_eq!((key.as_str(), version), ("<b>", Some(VersionId::Null)));
        assert_eq!(conditions.if_match, Some(ETagCondition::OneOf(vec!["x".into()])));
        assert_eq!((conditions.if_match_size, conditions.if_match_last_modified_s), (Some(3), Some(9)));
    }

    #[test]
    fn a_thousand_and_no_more_and_not_none() {
        let objects = |count| "<Object><Key>k</Key></Object>".repeat(count);
        assert_eq!(read(&objects(1000)).map(|(_, named)| named.len()), Ok(1000));
        for bad in
            [objects(1001), objects(0), "<Object></Object>".into(), "<Object><Key>a</Key><Key>b</Key></Object>".into()]
        {
            assert_eq!(read(&bad).map(|_| ()), Err("MalformedXML"));
        }
    }

    #[test]
    fn an_object_that_makes_no_sense_spoils_no_other() {
        let long = "k".repeat(1025);
        let (_, named) = read(&format!(
            "<Object><Key></Key></Object><Object><Key>{long}</Key></Object>\
             <Object><Key>a</Key><VersionId>x</VersionId></Object>\
             <Object><Key>a</Key><Size>big</Size></Object><Object><Key>a</Key></Object>"
        ))
        .expect("a request");
        let codes: Vec<_> =
            named.iter().map(|named| named.meant.as_ref().err().map(|error| error.describe().code)).collect();
        let invalid = Some("InvalidArgument");
        assert_eq!(codes, [invalid, Some("KeyTooLongError"), invalid, invalid, None]);
    }

    #[test]
    fn answers_in_the_order_asked() {
        let named = |key: &str, version: Option<&str>| Named {
            key: key.into(),
            version: version.map(str::to_owned),
            meant: Ok((ObjectKey::parse(key).expect("a key"), None, WriteConditions::default())),
        };
        let deleted = |version, delete_marker| Ok(Deleted { version, delete_marker, position: Some(Position(1)) });
        let results = vec![
            (named("plain", None), deleted(None, false)),
            (named("marked", None), deleted(Some(testing::version()), true)),
            (named("version", Some("null")), deleted(Some(VersionId::Null), false)),
            (named("locked", None), Err(Failure::Store(StoreError::Refused(Refusal::ObjectLocked)))),
        ];
        insta::assert_snapshot!(results_xml(&results, false));
        insta::assert_snapshot!(results_xml(&results, true));
        let one = Deleted { version: Some(testing::version()), delete_marker: true, position: Some(Position(9)) };
        insta::assert_snapshot!(testing::head(&deleted_answer(&one)));
    }
}
