//! From a policy's text to what it says. Strict: what is not understood whole is refused whole.

use std::collections::BTreeSet;

use schemas::BucketName;
use schemas::action::Action;

use super::condition::Condition;
use super::json::Json;
use super::pattern::{Pattern, Syntax};
use super::principal::{self, Principals};
use super::{Effect, Malformed, Policy, Resources, Statement, TEXT_BYTES_MAX};

const RESOURCE: &str = "arn:aws:s3:::";

impl Policy {
    /// Reads the policy of a bucket.
    ///
    /// # Errors
    /// What about the text is no policy for this bucket.
    pub fn parse(text: &str, bucket: &BucketName) -> Result<Self, Malformed> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Malformed::new("Policies must have at most 20480 bytes"));
        }
        let json = serde_json::from_str(text);
        let json = json.map_err(|error| Malformed::new(format!("Policies must be valid JSON: {error}")))?;
        let Json::Object(fields) = json else { return Err(Malformed::new("Policies must be a JSON object")) };
        let (mut statements, mut variables) = (None, false);
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("Version", Json::Text(version)) if version == "2012-10-17" => variables = true,
                // Before 2012 `${` meant itself.
                ("Version", Json::Text(version)) if version == "2008-10-17" => {}
                ("Version", _) => return Err(Malformed::new("The policy must contain a valid version string")),
                ("Id", Json::Text(_)) => {}
                ("Statement", value) => statements = Some(value.one_or_many()),
                (other, _) => return Err(Malformed::new(format!("Unknown or invalid field {other}"))),
            }
        }
        let statements = statements.ok_or_else(|| Malformed::new("Missing required field Statement"))?;
        if statements.is_empty() {
            return Err(Malformed::new("Statement is empty"));
        }
        let statements = statements.into_iter().map(|statement| parse_statement(statement, bucket, variables));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }
}

fn parse_statement(json: Json, bucket: &BucketName, variables: bool) -> Result<Statement, Malformed> {
    let Json::Object(fields) = json else { return Err(Malformed::new("A statement must be a JSON object")) };
    let (mut effect, mut principals, mut actions, mut resources) = (None, None, None, None);
    let mut conditions = Vec::new();
    for (name, value) in fields {
        // Of a field and its negation a statement has one.
        let twice = match name.as_str() {
            "Sid" if matches!(value, Json::Text(_)) => false,
            "Effect" => effect.replace(parse_effect(&value)?).is_some(),
            "Principal" => principals.replace(Principals::Only(principal::parse(value)?)).is_some(),
            "NotPrincipal" => principals.replace(Principals::AllBut(principal::parse(value)?)).is_some(),
            "Action" => actions.replace(parse_actions(value)?).is_some(),
            "NotAction" => actions.replace(all_but(&parse_actions(value)?)).is_some(),
            "Resource" => resources.replace(Resources::Only(parse_resources(value, bucket, variables)?)).is_some(),
            "NotResource" => resources.replace(Resources::AllBut(parse_resources(value, bucket, variables)?)).is_some(),
            "Condition" => {
                conditions = parse_conditions(value, variables)?;
                false
            }
            other => return Err(Malformed::new(format!("Unknown or invalid field {other}"))),
        };
        if twice {
            return Err(Malformed::new(format!("{name} and its negation exclude each other")));
        }
    }
    let missing = |field| move || Malformed::new(format!("Missing required field {field}"));
    let statement = Statement {
        effect: effect.ok_or_else(missing("Effect"))?,
        principals: principals.ok_or_else(missing("Principal"))?,
        actions: actions.ok_or_else(missing("Action"))?,
        resources: resources.ok_or_else(missing("Resource"))?,
        conditions,
    };
    // As in AWS: it would let in whoever was forgotten.
    if let (Effect::Allow, Principals::AllBut(_)) = (statement.effect, &statement.principals) {
        return Err(Malformed::new("Allow with NotPrincipal is not allowed"));
    }
    Ok(statement)
}

fn parse_effect(value: &Json) -> Result<Effect, Malformed> {
    match value {
        Json::Text(text) if text == "Allow" => Ok(Effect::Allow),
        Json::Text(text) if text == "Deny" => Ok(Effect::Deny),
        _ => Err(Malformed::new("Invalid effect")),
    }
}

fn texts(value: Json, what: &str) -> Result<Vec<String>, Malformed> {
    let values = value.one_or_many();
    if values.is_empty() {
        return Err(Malformed::new(format!("{what} is empty")));
    }
    let text = |value: Json| value.text().ok_or_else(|| Malformed::new(format!("{what} must be text")));
    values.into_iter().map(text).collect()
}

/// The actions that names and patterns stand for. A name that stands for none would be without effect.
fn parse_actions(value: Json) -> Result<BTreeSet<Action>, Malformed> {
    let mut actions = BTreeSet::new();
    for name in texts(value, "Action")? {
        let pattern = Pattern::parse(&name.to_ascii_lowercase(), Syntax { wildcards: true, variables: false })?;
        let meant = |action: &&Action| pattern.matches(&action.as_str().to_ascii_lowercase(), &|_| None);
        let mut found = Action::ALL.iter().filter(meant).peekable();
        if found.peek().is_none() {
            return Err(Malformed::new(format!("Policy has invalid action: {name}")));
        }
        actions.extend(found);
    }
    Ok(actions)
}

fn all_but(actions: &BTreeSet<Action>) -> BTreeSet<Action> {
    Action::ALL.iter().filter(|action| !actions.contains(action)).copied().collect()
}

/// The names, after the ARN's beginning, of this bucket and its objects.
fn parse_resources(value: Json, bucket: &BucketName, variables: bool) -> Result<Vec<Pattern>, Malformed> {
    let parse = |arn: String| {
        let invalid = || Malformed::new(format!("Policy has invalid resource: {arn}"));
        let name = if arn == "*" { "*" } else { arn.strip_prefix(RESOURCE).ok_or_else(invalid)? };
        let pattern = Pattern::parse(name, Syntax { wildcards: true, variables })?;
        let of_bucket = pattern.may_be(bucket.as_str()) || pattern.may_begin(&format!("{bucket}/"));
        if of_bucket { Ok(pattern) } else { Err(invalid()) }
    };
    texts(value, "Resource")?.into_iter().map(parse).collect()
}

fn parse_conditions(value: Json, variables: bool) -> Result<Vec<Condition>, Malformed> {
    let object = |value| match value {
        Json::Object(fields) => Ok(fields),
        _ => Err(Malformed::new("A condition must be a JSON object")),
    };
    let mut conditions = Vec::new();
    for (operator, keys) in object(value)? {
        for (key, values) in object(keys)? {
            let text = |value: Json| value.scalar().ok_or_else(|| Malformed::new(format!("Invalid value of {key}")));
            let values = values.one_or_many().into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
            conditions.push(Condition::parse(&operator, &key, &values, variables)?);
        }
    }
    Ok(conditions)
}
