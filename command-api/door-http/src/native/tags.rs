//! Tags of objects and of their versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry, stored};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "tags";
const PATH: &str = "/buckets/{bucket}/object-tags/{key...}";

pub(super) fn operations() -> Vec<Entry> {
    let version = |operation: Operation| {
        operation
            .query("versionId", json!({ "type": "string" }), "A version, instead of the current one.")
            .refuses(&[404, 405])
    };
    let get = Operation::new(Method::GET, PATH, "getObjectTags", TAG, "Get an object's tag set");
    let put = Operation::new(Method::PUT, PATH, "setObjectTags", TAG, "Replace an object's tag set")
        .about("At most 10, names of 1 to 128 characters, values of at most 256.")
        .takes::<NewTags>()
        .refuses(&[413]);
    let delete = Operation::new(Method::DELETE, PATH, "deleteObjectTags", TAG, "Delete an object's tag set");
    vec![
        entry(version(get).answers::<TagSet>(200, "Tag set."), self::get),
        entry(version(put).answers::<TagSet>(200, "Tag set stored.").with_headers(&[answer::POSITION_TEXT]), self::put),
        entry(version(delete).answers_empty(204, "Deleted.").with_headers(&[answer::POSITION_TEXT]), self::delete),
    ]
}

/// Tags, by name.
#[derive(Serialize, ToSchema)]
struct TagSet {
    tags: BTreeMap<String, String>,
}

/// Tags as they are to be: by name, or as a list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTags {
    tags: GivenTags,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum GivenTags {
    ByName(BTreeMap<String, String>),
    List(Vec<OneTag>),
}

/// A tag.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OneTag {
    key: String,
    value: String,
}

impl GivenTags {
    fn tags(self) -> Result<BTreeMap<String, String>, Problem> {
        match self {
            Self::ByName(tags) => Ok(tags),
            Self::List(list) => {
                let mut tags = BTreeMap::new();
                for OneTag { key, value } in list {
                    if tags.insert(key, value).is_some() {
                        return Err(Problem::invalid("a tag is there twice"));
                    }
                }
                Ok(tags)
            }
        }
    }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let found = app.store.object_tags(ask.caller()?, ask.object_version()?).await?;
    let mut response = answer::json(StatusCode::OK, &TagSet { tags: found.tags });
    stored::version(response.headers_mut(), found.version);
    Ok(response)
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let object = ask.object_version()?;
    let tags = ask.json::<NewTags>().await?.tags.tags()?;
    let amended = app.store.set_object_tags(ask.caller()?, object, tags.clone()).await?;
    Ok(stored::amended(answer::json(StatusCode::OK, &TagSet { tags }), &amended))
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    let amended = app.store.remove_object_tags(ask.caller()?, ask.object_version()?).await?;
    Ok(stored::amended(answer::empty(StatusCode::NO_CONTENT), &amended))
}
