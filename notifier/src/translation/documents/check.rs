//! Whether a body is as its schema says: types, constants, and which members there are. More strictly than JSON Schema: a
//! member that a schema does not have is a fault here, though receivers should let it pass. Formats, patterns and bounds are
//! not looked at.

use serde_json::Value;

/// Checks a body whose `type` names its schema.
pub(super) fn of_type(document: &Value, body: &Value) {
    let found = faults(document, body);
    assert!(found.is_empty(), "{found:?}: {body}");
}

/// Checks a body of the one shape that a document has.
pub(super) fn whole(document: &Value, body: &Value) {
    let mut found = Vec::new();
    check(document, vec![document], body, "", &mut found);
    assert!(found.is_empty(), "{found:?}: {body}");
}

/// What of a body is not as its type's schema says.
pub(super) fn faults(document: &Value, body: &Value) -> Vec<String> {
    let name = body["type"].as_str().expect("a type");
    let reference = format!("#/$defs/{name}");
    let is_listed = document["oneOf"].as_array().expect("types").iter().any(|one| one["$ref"] == *reference);
    assert!(is_listed, "{name} is not in the document");
    let mut found = Vec::new();
    check(document, vec![&document["$defs"][name]], body, "", &mut found);
    found
}

/// Checks a value against all of several schemas.
fn check(document: &Value, schemas: Vec<&Value>, value: &Value, path: &str, found: &mut Vec<String>) {
    let mut all = Vec::new();
    schemas.into_iter().for_each(|schema| expand(document, schema, &mut all));
    let typed = |schema: &&Value| schema.get("type").is_none_or(|kind| is_of(kind, value));
    let constant = |schema: &&Value| schema.get("const").is_none_or(|constant| constant == value);
    if !all.iter().all(|schema| typed(schema) && constant(schema)) {
        found.push(format!("{path} is not of its type"));
        return;
    }
    for required in all.iter().filter_map(|schema| schema["required"].as_array()).flatten() {
        let name = required.as_str().expect("a name");
        if value.get(name).is_none() {
            found.push(format!("{path} has no {name}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let of_member = |schema: &&'_ Value| -> Option<Value> {
            schema["properties"].get(name).or_else(|| schema.get("additionalProperties")).cloned()
        };
        let schemas: Vec<_> = all.iter().filter_map(of_member).collect();
        if schemas.is_empty() {
            found.push(format!("{path}/{name} is not in the schema"));
        }
        check(document, schemas.iter().collect(), member, &format!("{path}/{name}"), found);
    }
    for item in value.as_array().into_iter().flatten() {
        let items = all.iter().filter_map(|schema| schema.get("items")).collect();
        check(document, items, item, &format!("{path}[]"), found);
    }
}

/// A schema and all that it refers to.
fn expand<'a>(document: &'a Value, schema: &'a Value, all: &mut Vec<&'a Value>) {
    all.push(schema);
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).expect("a definition");
        expand(document, target, all);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        expand(document, part, all);
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}
