//! GetObjectTagging.

use axum::response::Response;
use pipeline::{ObjectVersion, TagSet};

use crate::answer;
use crate::ask::Ask;
use crate::errors::Failure;
use crate::object_read::asked_version;
use crate::service::App;
use crate::xml::Xml;

pub(crate) async fn of_object(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let request = ObjectVersion { bucket: ask.bucket(), key: ask.key(), version: asked_version(&ask.query)? };
    let found = app.store.object_tags(&ask.caller, request).await?;
    let mut response = answer::xml(tags_xml(&found));
    answer::version(response.headers_mut(), answer::VERSION_ID, found.version);
    Ok(response)
}

fn tags_xml(found: &TagSet) -> String {
    Xml::document("Tagging", |xml| {
        xml.group("TagSet", |xml| {
            for (name, value) in &found.tags {
                xml.group("Tag", |xml| {
                    xml.text("Key", name);
                    xml.text("Value", value);
                });
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_none() {
        let tags = [("a & b".to_owned(), "1".to_owned()), ("empty".to_owned(), String::new())].into();
        insta::assert_snapshot!(tags_xml(&TagSet { tags, version: None }));
        insta::assert_snapshot!(tags_xml(&TagSet { tags: [].into(), version: None }));
    }
}
