//! GetObjectAttributes.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::LAST_MODIFIED;
use pipeline::{GetObject, ObjectInfo};
use schemas::action::Action;

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::{read_conditions, text_of};
use crate::service::App;
use crate::xml::Xml;

const PARTS_MAX: usize = 1000;
const NAMES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Which attributes, and which page of the parts.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    names: Vec<String>,
    max: usize,
    after: u16,
}

pub(crate) async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let wanted = wanted(ask)?;
    let customer = ask.reading_customer()?;
    let request = GetObject {
        bucket: ask.bucket(),
        key: ask.key(),
        version: ask.version()?,
        part_number: None,
        range: None,
        conditions: read_conditions(&ask.headers),
        customer_key: customer.map(|customer| customer.key),
    };
    app.store.may_with_version(
        &ask.caller,
        Action::GetObjectAttributes,
        (&request.bucket, &request.key, request.version),
    )?;
    let info = app.store.head_object(&ask.caller, request).await?.info;
    let mut response = answer::xml(attributes_xml(&info, &wanted));
    answer::version(response.headers_mut(), answer::VERSION_ID, info.version);
    response.headers_mut().insert(LAST_MODIFIED, answer::http_date(info.modified));
    Ok(response)
}

fn wanted(ask: &Ask) -> Result<Wanted, DoorError> {
    const NAME: &str = "x-amz-object-attributes";
    let values = ask.headers.get_all(NAME).iter().map(crate::headers::text);
    let list = values.collect::<Vec<_>>().join(",");
    let names: Vec<String> =
        list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() || names.iter().any(|name| !NAMES.contains(&name.as_str())) {
        return Err(DoorError::InvalidArgument { name: NAME, reason: "Invalid attribute name specified." });
    }
    let number = |name: &'static str, otherwise: u16| match text_of(&ask.headers, name) {
        None => Ok(otherwise),
        Some(text) => {
            let number = text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
            let number = number.ok_or(DoorError::InvalidArgument { name, reason: "Not a number of parts." })?;
            Ok::<_, DoorError>(u16::try_from(number).unwrap_or(u16::MAX))
        }
    };
    let max = usize::from(number("x-amz-max-parts", 1000)?).min(PARTS_MAX);
    Ok(Wanted { names, max, after: number("x-amz-part-number-marker", 0)? })
}

fn attributes_xml(info: &ObjectInfo, wanted: &Wanted) -> String {
    let is_wanted = |name: &str| wanted.names.iter().any(|other| other == name);
    Xml::document("GetObjectAttributesResponse", |xml| {
        if is_wanted("ETag") {
            xml.value("ETag", info.etag);
        }
        if is_wanted("Checksum")
            && let Some(shown) = answer::shown(&info.chosen_checksum, &info.checksums)
        {
            xml.group("Checksum", |xml| {
                answer::checksum_xml(xml, shown);
                xml.text("ChecksumType", shown.covers.as_str());
            });
        }
        if is_wanted("ObjectParts") && info.parts_count > 0 {
            xml.group("ObjectParts", |xml| parts_xml(xml, info, wanted));
        }
        if is_wanted("StorageClass") {
            xml.text("StorageClass", info.storage_class.as_str());
        }
        if is_wanted("ObjectSize") {
            xml.value("ObjectSize", info.size_bytes);
        }
    })
}

fn parts_xml(xml: &mut Xml, info: &ObjectInfo, wanted: &Wanted) {
    let mut rest = info.parts.iter().filter(|part| part.number > wanted.after);
    let page: Vec<_> = rest.by_ref().take(wanted.max).collect();
    xml.value("PartsCount", info.parts_count);
    xml.value("PartNumberMarker", wanted.after);
    xml.value("NextPartNumberMarker", page.last().map_or(wanted.after, |part| part.number));
    xml.value("MaxParts", wanted.max);
    xml.value("IsTruncated", wanted.max > 0 && rest.next().is_some());
    for part in page {
        xml.group("Part", |xml| {
            xml.value("PartNumber", part.number);
            xml.value("Size", part.size_bytes);
            if let Some(chosen) = info.chosen_checksum.as_ref().filter(|_| !part.digest.is_empty()) {
                xml.text(answer::checksum_element(chosen.algorithm), &STANDARD.encode(&part.digest));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use schemas::content::ChecksumAlgorithm;
    use schemas::event::CommittedPart;

    use super::*;
    use crate::testing;

    fn asked(headers: &[(&'static str, &str)]) -> Result<Wanted, DoorError> {
        wanted(&testing::ask("GET /bucket/key?attributes", headers))
    }

    #[test]
    fn a_page_of_parts() {
        let mut info = testing::object();
        info.chosen_checksum = Some(testing::checksum(ChecksumAlgorithm::Crc32, 3));
        info.parts_count = 3;
        info.parts = (1..=3).map(|number| CommittedPart { number, size_bytes: 5, digest: vec![1; 4] }).collect();
        let all = "ETag,Checksum, ObjectParts,StorageClass,ObjectSize";
        let page = [("x-amz-object-attributes", all), ("x-amz-max-parts", "1"), ("x-amz-part-number-marker", "1")];
        insta::assert_snapshot!(attributes_xml(&info, &asked(&page).expect("wanted")));
        let single = asked(&[("x-amz-object-attributes", "ObjectParts,ObjectSize")]).expect("wanted");
        insta::assert_snapshot!(attributes_xml(&testing::object(), &single));
    }

    #[test]
    fn what_cannot_be_wanted() {
        assert!(asked(&[]).is_err());
        assert!(asked(&[("x-amz-object-attributes", "ETag,Colour")]).is_err());
        assert!(asked(&[("x-amz-object-attributes", "ETag"), ("x-amz-max-parts", "-1")]).is_err());
    }
}
