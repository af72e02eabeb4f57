//! Copies within a tenant.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use pipeline::{AskedEncryption, Caller, CopyObject, ETagCondition, LockAsked, ReadConditions, Said, WriteConditions};
use schemas::event::{Headers, Metadata};
use serde::Deserialize;
use utoipa::ToSchema;

use super::ask::{Ask, bucket_name, object_key, version_id};
use super::said::{etag_condition, seconds};
use super::stored::{self, WrittenObject};
use super::{Answer, App, Entry, entry};
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let copy = Operation::new(
        Method::POST,
        "/buckets/{bucket}/object-copy/{key...}",
        "copyObject",
        "objects",
        "Server-side copy an object (same-tenant)",
    )
    .about(
        "The path names the copy, the body its source. `ifMatch` and its fellows are held against the source, `requireAbsent` and \
         `requireMatchEtag` against what the copy would replace. `contentType` and `metadata` replace what the source has; tags \
         are copied.",
    )
    .takes::<Copy>()
    .answers::<WrittenObject>(200, "Copied.")
    .with_headers(&stored::WRITTEN_TEXT)
    .refuses(&[404, 405, 409, 410, 412, 413, 507]);
    vec![entry(copy, run)]
}

/// What is to be copied, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Copy {
    source_bucket: String,
    source_key: String,
    /// A version, instead of the current one.
    source_version_id: Option<String>,
    /// `COPY` or `REPLACE`.
    metadata_directive: Option<String>,
    /// What the copy is, with `REPLACE`.
    content_type: Option<String>,
    /// What is said of the copy, with `REPLACE`.
    metadata: Option<BTreeMap<String, String>>,
    /// The source must have this entity tag.
    if_match: Option<String>,
    /// The source must have another one.
    if_none_match: Option<String>,
    /// The source must have been made since: an HTTP date or RFC 3339.
    if_modified_since: Option<String>,
    /// The source must not have been.
    if_unmodified_since: Option<String>,
    /// There must be nothing where the copy goes.
    #[serde(default)]
    require_absent: bool,
    /// There must be an object with this entity tag where the copy goes.
    require_match_etag: Option<String>,
}

impl Copy {
    /// What replaces the source's metadata, if something does.
    fn metadata(&self) -> Result<Option<Metadata>, Problem> {
        let said = self.content_type.is_some() || self.metadata.is_some();
        let replaces = match self.metadata_directive.as_deref() {
            Some("REPLACE") => true,
            Some("COPY") if said => {
                return Err(Problem::invalid("with COPY the source's `contentType` and `metadata` are kept"));
            }
            Some("COPY") => false,
            Some(_) => return Err(Problem::invalid("`metadataDirective` must be COPY or REPLACE")),
            None => said,
        };
        if !replaces {
            return Ok(None);
        }
        let user = metadata(self.metadata.clone().unwrap_or_default())?;
        let headers = Headers { content_type: content_type(self.content_type.clone())?, ..Headers::default() };
        Ok(Some(Metadata { headers, user }))
    }

    fn source_conditions(&self) -> Result<ReadConditions, Problem> {
        let date = |name: &str, text: &Option<String>| {
            let bad = || Problem::invalid(format!("`{name}` is no date"));
            text.as_deref().map(|text| seconds(text).ok_or_else(bad)).transpose()
        };
        Ok(ReadConditions {
            if_match: self.if_match.as_deref().map(etag_condition),
            if_none_match: self.if_none_match.as_deref().map(etag_condition),
            if_modified_since_s: date("ifModifiedSince", &self.if_modified_since)?,
            if_unmodified_since_s: date("ifUnmodifiedSince", &self.if_unmodified_since)?,
        })
    }

    fn conditions(&self) -> WriteConditions {
        WriteConditions {
            if_match: self.require_match_etag.as_deref().map(etag_condition),
            if_none_match: self.require_absent.then_some(ETagCondition::Any),
            ..WriteConditions::default()
        }
    }
}

/// Metadata out of a body: its names become those of headers.
///
/// # Errors
/// A name that no header can have, or text that none can carry.
pub(super) fn metadata(said: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Problem> {
    let mut user = BTreeMap::new();
    for (name, value) in said {
        let name = name.to_ascii_lowercase();
        if http::HeaderName::try_from(&name).is_err() || http::HeaderValue::from_bytes(value.as_bytes()).is_err() {
            return Err(Problem::invalid("names and values of metadata are those of headers"));
        }
        if user.insert(name, value).is_some() {
            return Err(Problem::invalid("metadata has a name twice: upper and lower case are the same"));
        }
    }
    Ok(user)
}

/// # Errors
/// Text that no header can carry.
pub(super) fn content_type(said: Option<String>) -> Result<Option<String>, Problem> {
    match said {
        Some(text) if http::HeaderValue::from_bytes(text.as_bytes()).is_err() => {
            Err(Problem::invalid("`contentType` cannot stand in a header"))
        }
        said => Ok(said.filter(|text| !text.is_empty())),
    }
}

/// What the body says in the words of policies, before what the request's own headers say.
#[derive(Debug)]
struct SaidByBody {
    headers: Vec<(&'static str, String)>,
    rest: Option<Arc<dyn Said>>,
}

impl Said for SaidByBody {
    fn header(&self, name: &str) -> Option<String> {
        // The conditions of a copy or move stand in its body: what headers say of the like has no effect.
        if ["if-match", "if-none-match", "x-amz-metadata-directive"].contains(&name) {
            return self.headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.clone());
        }
        self.rest.as_ref()?.header(name)
    }

    fn query(&self, name: &str) -> Option<String> {
        self.rest.as_ref()?.query(name)
    }
}

/// The caller as a body makes it speak to policies, by names of headers: what headers say of conditions it says no more.
pub(super) fn saying(caller: &Caller, headers: Vec<(&'static str, String)>) -> Caller {
    let mut caller = caller.clone();
    let rest = caller.circumstances.said.take();
    caller.circumstances.said = Some(Arc::new(SaidByBody { headers, rest }));
    caller
}

/// What conditions on the destination are in headers.
pub(super) fn destination(require_absent: bool, require_match_etag: Option<&str>) -> Vec<(&'static str, String)> {
    let absent = require_absent.then(|| ("if-none-match", "*".to_owned()));
    absent.into_iter().chain(require_match_etag.map(|etag| ("if-match", etag.to_owned()))).collect()
}

async fn run(app: Arc<App>, mut ask: Ask) -> Answer {
    let (bucket, key) = (ask.bucket()?, ask.key()?);
    let copy: Copy = ask.json().await?;
    let metadata = copy.metadata()?;
    let mut said = destination(copy.require_absent, copy.require_match_etag.as_deref());
    let directive = if metadata.is_some() { "REPLACE" } else { "COPY" };
    said.push(("x-amz-metadata-directive", directive.to_owned()));
    let caller = saying(ask.caller()?, said);
    let request = CopyObject {
        source_bucket: bucket_name(&copy.source_bucket)?,
        source_key: object_key(&copy.source_key)?,
        source_version: copy.source_version_id.as_deref().map(version_id).transpose()?,
        source_conditions: copy.source_conditions()?,
        bucket: bucket.clone(),
        key: key.clone(),
        metadata,
        tags: None,
        lock: LockAsked::default(),
        storage_class: None,
        acl: None,
        checksum_algorithm: None,
        conditions: copy.conditions(),
        encryption: AskedEncryption::Nothing,
        source_customer_key: None,
    };
    let copied = app.store.copy_object(&caller, request).await?;
    Ok(stored::written(&app, &caller, (&bucket, &key), &copied.written).await)
}
