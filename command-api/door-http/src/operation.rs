//! Operations: what an API can be asked, said once, for routing and for its document.
//!
//! Owns: the words in which an operation describes itself, and finding the one that a request means.
//! Does not own: doing it (each API's handlers), writing the document ([`crate::openapi`]).
//! Invariant: a path is taken as it came. It is split at its slashes first and each piece is decoded once, so that an escaped
//! slash, two slashes in a row, `.` and `..` stay what they are.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::query::percent_decode;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whoever comes with a bearer token.
    Bearer,
    /// Anybody; what else it takes, the operation says.
    Open,
}

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Path,
    Query,
    Header,
}

/// A parameter of an operation.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) place: Place,
    pub(crate) name: &'static str,
    pub(crate) schema: Value,
    pub(crate) description: &'static str,
}

/// What a body holds, of a request or of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// JSON of a named schema.
    Json(String),
    /// Bytes that are to be stored.
    Bytes,
    /// Bytes of an object, of whatever type it was stored with.
    Stored,
    /// Any JSON.
    AnyJson,
    /// A ZIP archive.
    Zip,
    /// Text.
    Text,
    /// A compressed tar archive.
    Export,
    /// JSON of a named schema, or server-sent events.
    JsonOrEvents(String),
}

/// What an operation answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    pub(crate) content: Option<Content>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
}

/// Named schemas, as the document has them.
pub(crate) type Schemas = BTreeMap<String, Value>;

/// What can be asked.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// Such as `/buckets/{bucket}/objects/{key...}`; `...` marks the rest of the path, slashes included.
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) tag: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) description: &'static str,
    pub(crate) access: Access,
    pub(crate) parameters: Vec<Parameter>,
    /// The request's body, and whether there must be one.
    pub(crate) body: Option<(Content, bool)>,
    pub(crate) answers: Vec<Answer>,
    /// Statuses of the problems that it may answer beside those that any operation may.
    pub(crate) problems: Vec<u16>,
    pub(crate) schemas: Schemas,
    shaped: Option<Shaped>,
}

/// A piece of the path that has to look like something, or the path is another one's.
type Shaped = (&'static str, fn(&str) -> bool);

impl Operation {
    /// One that a bearer asks for.
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        id: &'static str,
        tag: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            path,
            id,
            tag,
            summary,
            description: "",
            access: Access::Bearer,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
            schemas: Schemas::new(),
            shaped: None,
        }
    }

    /// For anybody.
    pub(crate) fn open(self) -> Self {
        Self { access: Access::Open, ..self }
    }

    /// More than one line about it.
    pub(crate) fn about(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// What a piece of its path must look like.
    pub(crate) fn shaped(self, name: &'static str, looks: fn(&str) -> bool) -> Self {
        Self { shaped: Some((name, looks)), ..self }
    }

    fn parameter(mut self, place: Place, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameters.push(Parameter { place, name, schema, description });
        self
    }

    /// A piece of the path. Each is text unless something else is said here.
    pub(crate) fn path(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameter(Place::Path, name, schema, description)
    }

    /// A parameter of the query.
    pub(crate) fn query(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameter(Place::Query, name, schema, description)
    }

    /// A header of the request.
    pub(crate) fn header(self, name: &'static str, schema: Value, description: &'static str) -> Self {
        self.parameter(Place::Header, name, schema, description)
    }

    /// A body of JSON that has to come.
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some((Content::Json(self.learn::<T>()), true));
        self
    }

    /// A body of JSON that may come.
    pub(crate) fn may_take<T: ToSchema>(mut self) -> Self {
        self.body = Some((Content::Json(self.learn::<T>()), false));
        self
    }

    /// A body of any JSON.
    pub(crate) fn takes_any_json(self) -> Self {
        Self { body: Some((Content::AnyJson, true)), ..self }
    }

    /// A body of bytes.
    pub(crate) fn takes_bytes(self) -> Self {
        Self { body: Some((Content::Bytes, true)), ..self }
    }

    /// An answer of JSON.
    pub(crate) fn answers<T: ToSchema>(mut self, status: u16, description: &'static str) -> Self {
        let content = Some(Content::Json(self.learn::<T>()));
        self.answers.push(Answer { status, description, content, headers: Vec::new() });
        self
    }

    /// An answer of JSON, or of server-sent events where those are asked for.
    pub(crate) fn answers_or_follows<T: ToSchema>(mut self, status: u16, description: &'static str) -> Self {
        let content = Some(Content::JsonOrEvents(self.learn::<T>()));
        self.answers.push(Answer { status, description, content, headers: Vec::new() });
        self
    }

    /// An answer without a body.
    pub(crate) fn answers_empty(mut self, status: u16, description: &'static str) -> Self {
        self.answers.push(Answer { status, description, content: None, headers: Vec::new() });
        self
    }

    /// An answer of something else.
    pub(crate) fn answers_with(mut self, status: u16, description: &'static str, content: Content) -> Self {
        self.answers.push(Answer { status, description, content: Some(content), headers: Vec::new() });
        self
    }

    /// Headers of the last answer.
    pub(crate) fn with_headers(mut self, headers: &[(&'static str, &'static str)]) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers.extend_from_slice(headers);
        }
        self
    }

    /// Problems that it may answer.
    pub(crate) fn refuses(mut self, statuses: &[u16]) -> Self {
        self.problems.extend_from_slice(statuses);
        self
    }

    fn learn<T: ToSchema>(&mut self) -> String {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        for (name, schema) in all {
            let schema = serde_json::to_value(schema).expect("a schema is JSON");
            self.schemas.insert(name, schema);
        }
        T::name().into_owned()
    }
}

/// Operations and what does them, in the order in which they are tried.
pub(crate) struct Routes<H>(Vec<(Operation, H)>);

/// What a path and a method mean.
pub(crate) struct Found<'r, H> {
    pub(crate) operation: &'r Operation,
    pub(crate) handler: &'r H,
    pub(crate) values: Values,
}

/// What the path says, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Values(Vec<(&'static str, String)>);

impl Values {
    /// The value of a piece of the path; empty if it has none of this name.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| value.as_str())
    }

    /// The same, if there is one.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_str())
    }
}

impl<H> Routes<H> {
    /// Of two operations that fit, the first is meant.
    pub(crate) fn new(operations: Vec<(Operation, H)>) -> Self {
        Self(operations)
    }

    /// All of them, with what does them.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> impl Iterator<Item = &(Operation, H)> {
        self.0.iter()
    }

    pub(crate) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.0.iter().map(|(operation, _)| operation)
    }

    /// The operation that a method and a raw path mean.
    ///
    /// # Errors
    /// 404 for a path that none has, 405 for one that others have, 400 for one that cannot be decoded.
    pub(crate) fn find(&self, method: &Method, raw_path: &str) -> Result<Found<'_, H>, Problem> {
        let mut allowed: Vec<&str> = Vec::new();
        for (operation, handler) in &self.0 {
            let Some(raw) = fit(operation, raw_path) else { continue };
            if operation.method != *method {
                allowed.push(operation.method.as_str());
                continue;
            }
            let decoded = raw.into_iter().map(|(name, raw)| Ok((name, percent_decode(raw)?)));
            let values = Values(decoded.collect::<Result<_, Problem>>()?);
            return Ok(Found { operation, handler, values });
        }
        if allowed.is_empty() {
            return Err(Problem::not_found());
        }
        allowed.sort_unstable();
        allowed.dedup();
        Err(Problem::method_not_allowed_but(&allowed))
    }

    /// Whether some operation has the path, and what the path then says. For what is asked before the method is.
    pub(crate) fn values(&self, raw_path: &str) -> Option<Values> {
        let raw = self.0.iter().find_map(|(operation, _)| fit(operation, raw_path))?;
        let decoded = raw.into_iter().map(|(name, raw)| Some((name, percent_decode(raw).ok()?)));
        decoded.collect::<Option<_>>().map(Values)
    }
}

/// The pieces of a path by the names that the operation has for them, raw; none if the path is not its own.
fn fit<'p>(operation: &Operation, raw_path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
    let mut rest = Some(raw_path.strip_prefix('/')?);
    let mut found = Vec::new();
    for piece in operation.path.strip_prefix('/')?.split('/') {
        let raw = rest?;
        let name = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
        if let Some(name) = name.and_then(|name| name.strip_suffix("...")) {
            found.push((name, raw));
            rest = None;
            continue;
        }
        let (here, behind) = raw.split_once('/').map_or((raw, None), |(here, behind)| (here, Some(behind)));
        match name {
            Some(name) => {
                let misshaped = operation.shaped.is_some_and(|(of, looks)| of == name && !looks(here));
                if here.is_empty() || misshaped {
                    return None;
                }
                found.push((name, here));
            }
            None if is_literal(here, piece) => {}
            None => return None,
        }
        rest = behind;
    }
    if rest.is_some() { None } else { Some(found) }
}

/// Some clients escape the colon of `objects:batchDelete`.
fn is_literal(raw: &str, literal: &str) -> bool {
    raw == literal || (literal.contains(':') && raw.replace("%3A", ":").replace("%3a", ":") == literal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes<u8> {
        let operation = |method: &str, path, id| {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            Operation::new(method, path, id, "tag", "summary")
        };
        Routes::new(vec![
            (operation("GET", "/things", "list"), 0),
            (operation("GET", "/things/{thing}", "get"), 1),
            (operation("POST", "/things/{thing}/parts:drop", "drop"), 2),
            (
                operation("POST", "/things/{thing}/up/{id}/end/{key...}", "end")
                    .shaped("id", |text| text.starts_with("mpu_")),
                3,
            ),
            (operation("POST", "/things/{thing}/up/{key...}", "begin"), 4),
            (operation("DELETE", "/things/{thing}/up/{id}/{key...}", "give up"), 5),
        ])
    }

    fn check(method: &str, path: &str, expected: Result<(u8, &[&str]), &str>) {
        let routes = routes();
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let found = routes.find(&method, path);
        match (found, expected) {
            (Ok(found), Ok((handler, values))) => {
                let said: Vec<_> = found.values.0.iter().map(|(_, value)| value.as_str()).collect();
                assert_eq!((*found.handler, said.as_slice()), (handler, values), "{method} {path}");
            }
            (Err(problem), Err(expected)) => assert_eq!(problem.code, expected, "{method} {path}"),
            (Ok(found), Err(expected)) => panic!("{method} {path} is {} and not {expected}", found.operation.id),
            (Err(problem), Ok(_)) => panic!("{method} {path}: {problem:?}"),
        }
    }

    #[test]
    fn a_path_means_what_it_says_as_it_came() {
        check("GET", "/things", Ok((0, &[])));
        check("GET", "/things/a%20b", Ok((1, &["a b"])));
        check("POST", "/things/a/parts:drop", Ok((2, &["a"])));
        check("POST", "/things/a/parts%3adrop", Ok((2, &["a"])));
        check("POST", "/things/a/up/k", Ok((4, &["a", "k"])));
        for (raw, key) in [
            ("x//y", "x//y"),
            ("/x", "/x"),
            ("x/../y/./", "x/../y/./"),
            ("x%2Fy", "x/y"),
            ("%252F", "%2F"),
            ("a+b", "a+b"),
            ("", ""),
        ] {
            check("POST", &format!("/things/a/up/{raw}"), Ok((4, &["a", key])));
        }
    }

    #[test]
    fn a_key_that_only_looks_like_an_end_is_a_key() {
        check("POST", "/things/a/up/mpu_1/end/k/l", Ok((3, &["a", "mpu_1", "k/l"])));
        check("POST", "/things/a/up/a/end/b", Ok((4, &["a", "a/end/b"])));
        check("POST", "/things/a/up/mpu_1%2Fend%2Fb", Ok((4, &["a", "mpu_1/end/b"])));
        check("POST", "/things/a/up/mpu_1/end", Ok((4, &["a", "mpu_1/end"])));
        check("DELETE", "/things/a/up/any/k", Ok((5, &["a", "any", "k"])));
    }

    #[test]
    fn what_is_not_there_and_what_is_there_for_others() {
        for path in ["/", "", "/thing", "/things/", "/things/a/", "/things//up/k", "/things/a/parts", "/Things"] {
            check("GET", path, Err("not_found"));
        }
        check("PUT", "/things", Err("method_not_allowed"));
        check("GET", "/things/a/up/k", Err("method_not_allowed"));
        let Err(problem) = routes().find(&Method::GET, "/things/a/up/x/k") else { panic!("it is found") };
        assert_eq!(problem.headers[0].1, "DELETE, POST");
        check("GET", "/things/%zz", Err("invalid_request"));
        check("GET", "/things/%ff", Err("invalid_request"));
        check("GET", "/things/a%", Err("invalid_request"));
    }
}
