//! The OpenAPI document of an API, written from its operations.
//!
//! Owns: the form of the document. Does not own: what it says: that is the table that requests are routed by.
//! Invariant: an operation that can be asked is in the document, and none else is: both come from one list.

use bytes::Bytes;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

use crate::operation::{Access, Answer, Content, Operation, Parameter, Place, Schemas};
use crate::problem::Body;

/// What a document says beside its operations.
pub(crate) struct About {
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    /// Where its paths begin.
    pub(crate) server: &'static str,
    /// Name and description of the security scheme.
    pub(crate) scheme: (&'static str, &'static str),
    /// Tags in the order in which they are shown.
    pub(crate) tags: &'static [(&'static str, &'static str)],
    /// Headers that any answer has.
    pub(crate) answer_headers: &'static [(&'static str, &'static str)],
}

/// Problems of any operation, and of those that need a token.
const OF_ANY: [u16; 3] = [400, 500, 503];
const OF_BEARERS: [u16; 3] = [401, 403, 429];

/// The document as it is served. Ends with a line feed, as files do.
pub(crate) fn text<'o>(about: &About, operations: impl Iterator<Item = &'o Operation>) -> Bytes {
    let text = serde_json::to_string_pretty(&document(about, operations)).expect("a document is JSON");
    Bytes::from(text + "\n")
}

/// The document.
fn document<'o>(about: &About, operations: impl Iterator<Item = &'o Operation>) -> Value {
    let mut paths = Map::new();
    let mut schemas = Schemas::new();
    let mut problems = Map::new();
    let problem = serde_json::to_value(<Body<'_> as PartialSchema>::schema()).expect("a schema is JSON");
    schemas.insert("Problem".to_owned(), problem);
    for operation in operations {
        let path = operation.path.replace("...}", "}");
        let item = paths.entry(path).or_insert_with(|| json!({}));
        let described = described(about, operation);
        for response in described["responses"].as_object().into_iter().flat_map(Map::values) {
            if let Some(name) = response["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
                problems.entry(name.to_owned()).or_insert_with(|| shared(about, name));
            }
        }
        item[operation.method.as_str().to_ascii_lowercase()] = described;
        for (name, schema) in &operation.schemas {
            let known = schemas.insert(name.clone(), schema.clone());
            debug_assert!(known.is_none_or(|known| known == *schema), "two schemas are called {name}");
        }
    }
    let of_any = headers(about.answer_headers, false);
    let (scheme, of_scheme) = about.scheme;
    let tags: Vec<Value> =
        about.tags.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": about.title,
            "description": about.description,
            "version": "1",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": about.server }],
        "tags": tags,
        "security": [{ scheme: [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { scheme: { "type": "http", "scheme": "bearer", "description": of_scheme } },
            "headers": of_any,
            "responses": problems,
            "schemas": schemas,
        },
    })
}

fn described(about: &About, operation: &Operation) -> Value {
    let mut item = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
    });
    if !operation.description.is_empty() {
        item["description"] = operation.description.into();
    }
    if operation.access == Access::Open {
        item["security"] = json!([]);
    }
    let wild = operation.path.contains("...}");
    if wild {
        // Pages show the rest of a path by a star. Clients escape the slashes of its value, or send them as they are.
        let shown = operation.path.rsplit_once('{').map_or(operation.path, |(before, _)| before);
        item["x-holdfast-shown-path"] = format!("{shown}*").into();
    }
    let parameters = parameters(operation);
    if !parameters.is_empty() {
        item["parameters"] = parameters.into();
    }
    if let Some((body, required)) = &operation.body {
        item["requestBody"] = json!({ "required": required, "content": content(body) });
    }
    let mut responses = Map::new();
    for answer in &operation.answers {
        responses.insert(answer.status.to_string(), answered(about, answer));
    }
    let of_bearers = if operation.access == Access::Bearer { &OF_BEARERS[..] } else { &[] };
    for status in OF_ANY.iter().chain(of_bearers).chain(&operation.problems) {
        let has_body = *status != 304 && operation.method != http::Method::HEAD;
        let kind = if has_body { "Problem" } else { "Bare" };
        let reference = json!({ "$ref": format!("#/components/responses/{kind}{status}") });
        responses.entry(status.to_string()).or_insert(reference);
    }
    item["responses"] = responses.into();
    item
}

fn parameters(operation: &Operation) -> Vec<Value> {
    let names = operation.path.split('/').filter_map(|piece| piece.strip_prefix('{')?.strip_suffix('}'));
    let of_path = names.map(|name| {
        let name = name.strip_suffix("...").unwrap_or(name);
        let said = operation.parameters.iter().find(|it| it.place == Place::Path && it.name == name);
        let (schema, description) = match said {
            Some(Parameter { schema, description, .. }) => (schema.clone(), *description),
            None => (json!({ "type": "string" }), usual(name)),
        };
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
    });
    let others = operation.parameters.iter().filter(|it| it.place != Place::Path).map(|it| {
        let place = if it.place == Place::Query { "query" } else { "header" };
        let required = it.schema.get("x-required").is_some();
        let mut schema = it.schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("x-required");
        }
        json!({ "name": it.name, "in": place, "required": required, "description": it.description, "schema": schema })
    });
    of_path.chain(others).collect()
}

/// What pieces of paths are, where an operation does not say more.
fn usual(name: &str) -> &'static str {
    match name {
        "bucket" => "Bucket name.",
        "key" => "Object key. It may have slashes, escaped or not; it is decoded once and never normalised.",
        "uploadId" => "Multipart upload id.",
        _ => "",
    }
}

fn answered(about: &About, answer: &Answer) -> Value {
    let mut all = headers(about.answer_headers, true);
    if let (Some(all), Value::Object(own)) = (all.as_object_mut(), headers(&answer.headers, false)) {
        all.extend(own);
    }
    let mut item = json!({ "description": answer.description, "headers": all });
    if let Some(of_answer) = &answer.content {
        item["content"] = content(of_answer);
    }
    item
}

/// Headers in full, or those of any answer by reference.
fn headers(all: &[(&str, &str)], by_reference: bool) -> Value {
    let each = all.iter().map(|(name, description)| {
        let full = || json!({ "description": description, "schema": { "type": "string" } });
        let reference = || json!({ "$ref": format!("#/components/headers/{name}") });
        ((*name).to_owned(), if by_reference { reference() } else { full() })
    });
    Value::Object(each.collect())
}

/// A problem's answer, as many operations share it: `Problem404`, or `Bare304` of one without a body.
fn shared(about: &About, name: &str) -> Value {
    let status = name.trim_start_matches(char::is_alphabetic).parse().unwrap_or_default();
    let mut answer = json!({ "description": reason(status), "headers": headers(about.answer_headers, true) });
    if name.starts_with("Problem") {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        answer["content"] = json!({ "application/problem+json": { "schema": schema } });
    }
    answer
}

fn content(content: &Content) -> Value {
    match content {
        Content::Json(name) => {
            json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } })
        }
        Content::JsonOrEvents(name) => json!({
            "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } },
            "text/event-stream": { "schema": { "type": "string" } },
        }),
        Content::AnyJson => json!({ "application/json": { "schema": { "type": "object" } } }),
        Content::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Content::Zip => json!({ "application/zip": { "schema": { "type": "string", "format": "binary" } } }),
        Content::Export => json!({ "application/zstd": { "schema": { "type": "string", "format": "binary" } } }),
        Content::Bytes => {
            json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } })
        }
        // Any type; and one that generators know what to do with.
        Content::Stored => {
            let bytes = json!({ "schema": { "type": "string", "format": "binary" } });
            json!({ "*/*": bytes, "application/octet-stream": bytes })
        }
    }
}

/// What a status of a problem means here.
fn reason(status: u16) -> &'static str {
    match status {
        304 => "Not modified: the caller has this object already.",
        400 => "The request makes no sense.",
        401 => "No working credential came with it.",
        403 => "The credential does not grant it, or a policy or lock forbids it.",
        404 => "There is no such thing in the caller's tenant.",
        405 => "The version is a delete marker.",
        409 => "The state of things does not allow it.",
        410 => "The content was erased.",
        411 => "The body's length was not said.",
        412 => "A precondition does not hold.",
        413 => "The body is too large.",
        416 => "The object has no such bytes.",
        422 => "A value is outside its bounds.",
        429 => "Too many requests.",
        500 => "The server failed.",
        501 => "Not implemented.",
        503 => "The server cannot do it now.",
        507 => "Over quota, or the disk is full.",
        _ => "A problem.",
    }
}

/// Compares a document with the one that is committed. With `HOLDFAST_GOLDEN=write` it is written instead, to be reviewed as a
/// diff.
#[cfg(test)]
pub(crate) fn check_committed(name: &str, text: &[u8]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi").join(name);
    if std::env::var_os("HOLDFAST_GOLDEN").is_some_and(|said| said == "write") {
        std::fs::write(&path, text).expect("writes");
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(committed == text, "{name} is not what the operations say: write it anew with HOLDFAST_GOLDEN=write");
}
