//! ListObjectVersions.

use axum::response::Response;
use pipeline::{ListPage, ListVersions, ListedVersion};

use crate::answer;
use crate::ask::{Ask, version_id};
use crate::errors::{DoorError, Failure};
use crate::list::{Encoding, PAGE_MAX, bounded, checksum_xml};
use crate::names::Names;
use crate::service::App;
use crate::xml::{Xml, timestamp};

pub(crate) async fn list(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let request = asked(ask)?;
    let encoding = Encoding::asked(&ask.query)?;
    let page = app.store.list_versions(&ask.caller, request.clone()).await?;
    let names = Names::of(app, ask, page.entries.iter().map(|entry| &entry.owner))?;
    Ok(answer::xml(page_xml(&names, &request, encoding, &page)))
}

fn asked(ask: &Ask) -> Result<ListVersions, DoorError> {
    let after = ask.query.filled("key-marker").map(str::to_owned);
    let after_version = ask.query.filled("version-id-marker").map(version_id).transpose()?;
    if after_version.is_some() && after.is_none() {
        let reason = "A version-id marker cannot be specified without a key marker.";
        return Err(DoorError::InvalidArgument { name: "version-id-marker", reason });
    }
    Ok(ListVersions {
        bucket: ask.bucket(),
        prefix: ask.query.get("prefix").unwrap_or_default().to_owned(),
        delimiter: ask.query.filled("delimiter").map(str::to_owned),
        after,
        after_version,
        max: bounded(&ask.query, "max-keys", PAGE_MAX)?,
    })
}

fn page_xml(names: &Names, request: &ListVersions, encoding: Encoding, page: &ListPage<ListedVersion>) -> String {
    let truncated = page.truncated && request.max > 0;
    Xml::document("ListVersionsResult", |xml| {
        xml.text("Name", request.bucket.as_str());
        encoding.text(xml, "Prefix", &request.prefix);
        encoding.text(xml, "KeyMarker", request.after.as_deref().unwrap_or_default());
        xml.text("VersionIdMarker", &request.after_version.map(|version| version.to_string()).unwrap_or_default());
        encoding.optional(xml, "NextKeyMarker", page.next_after.as_deref().filter(|_| truncated));
        xml.optional("NextVersionIdMarker", page.next_version.filter(|_| truncated));
        xml.value("MaxKeys", request.max);
        encoding.optional(xml, "Delimiter", request.delimiter.as_deref());
        encoding.mention(xml);
        xml.value("IsTruncated", truncated);
        for version in &page.entries {
            xml.group(if version.is_marker { "DeleteMarker" } else { "Version" }, |xml| {
                entry(xml, names, encoding, version);
            });
        }
        encoding.groups(xml, &page.common_prefixes);
    })
}

fn entry(xml: &mut Xml, names: &Names, encoding: Encoding, version: &ListedVersion) {
    encoding.text(xml, "Key", version.key.as_str());
    xml.value("VersionId", version.version);
    xml.value("IsLatest", version.is_latest);
    xml.text("LastModified", &timestamp(version.modified));
    if !version.is_marker {
        xml.value("ETag", format_args!("\"{}\"", version.etag));
        checksum_xml(xml, version.checksum);
        xml.value("Size", version.size_bytes);
    }
    xml.person("Owner", version.owner.as_str(), names.get(&version.owner));
    if !version.is_marker {
        xml.text("StorageClass", version.storage_class.as_str());
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::StorageClass;
    use schemas::{ObjectKey, Time, UserId, VersionId};

    use super::*;
    use crate::testing;

    #[test]
    fn a_page_of_versions() {
        let entry = |key: &str, version, is_marker| ListedVersion {
            key: ObjectKey::parse(key).expect("a key"),
            version,
            is_latest: is_marker,
            is_marker,
            size_bytes: if is_marker { 0 } else { 3 },
            etag: testing::etag(),
            modified: Time(1_255_369_830_000_000),
            storage_class: StorageClass::StandardIa,
            owner: UserId::parse("someone").expect("a user"),
            checksum: None,
        };
        let page = ListPage {
            entries: vec![entry("a", testing::version(), true), entry("a", VersionId::Null, false)],
            common_prefixes: vec![],
            truncated: true,
            next_after: Some("a".into()),
            next_version: Some(VersionId::Null),
        };
        let ask = testing::ask("GET /bucket?versions&key-marker=0&version-id-marker=null", &[]);
        let request = asked(&ask).expect("a request");
        insta::assert_snapshot!(page_xml(&testing::names(), &request, Encoding::Plain, &page));
    }

    #[test]
    fn markers_that_make_no_sense() {
        for query in ["version-id-marker=null", "key-marker=a&version-id-marker=x"] {
            assert!(asked(&testing::ask(&format!("GET /bucket?versions&{query}"), &[])).is_err(), "{query}");
        }
    }
}
