//! What is wrong with a configuration, in one sentence; and what is in force, as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;

use figment::error::Kind;
use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider};

use super::Settings;

/// Why a configuration cannot be used: one sentence with key, value and source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub(super) String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// Settings, and where each came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    figment: Figment,
}

/// Every key with its default, taken from the settings themselves.
pub(super) fn known_keys() -> &'static BTreeMap<String, serde_json::Value> {
    static KEYS: OnceLock<BTreeMap<String, serde_json::Value>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let mut keys = BTreeMap::new();
        let all = serde_json::to_value(Settings::default()).expect("settings are plain data");
        for (section, values) in all.as_object().into_iter().flatten() {
            for (key, value) in values.as_object().into_iter().flatten() {
                keys.insert(format!("{section}.{key}"), value.clone());
            }
        }
        keys
    })
}

impl Loaded {
    pub(super) fn check(figment: Figment) -> Result<Self, ConfigError> {
        let data = figment.data().map_err(|error| ConfigError(error.to_string()))?;
        check_keys(&figment, data.get(&Profile::Default).unwrap_or(&Dict::new()))?;
        let settings: Settings = figment.extract().map_err(|error| describe(&figment, &error))?;
        if let Some((key, rule)) = settings.violated() {
            return Err(ConfigError(sentence(&figment, key, rule)));
        }
        Ok(Self { settings, figment })
    }

    /// Where the value of a key came from.
    #[must_use]
    pub fn source(&self, key: &str) -> String {
        source(&self.figment, key)
    }

    /// Each key, its value and its source.
    #[must_use]
    pub fn table(&self) -> String {
        let rows: Vec<[String; 3]> =
            known_keys().keys().map(|key| [key.clone(), value_of(&self.figment, key), self.source(key)]).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (keys, values) = (width(0), width(1));
        let mut out = String::new();
        for [key, value, source] in &rows {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{key:keys$}  {value:values$}  {source}");
        }
        out
    }
}

fn check_keys(figment: &Figment, dict: &Dict) -> Result<(), ConfigError> {
    let sections: Vec<&str> = known_keys().keys().filter_map(|key| key.split('.').next()).collect();
    for (section, values) in dict {
        let Some(values) = values.as_dict() else {
            if sections.contains(&section.as_str()) {
                let from = tagged(figment, values);
                return Err(ConfigError(format!("`{section}` (from {from}) is a section and has no value of its own")));
            }
            return Err(unknown(section, &tagged(figment, values)));
        };
        if values.is_empty() && !sections.contains(&section.as_str()) {
            return Err(unknown(section, "the configuration file"));
        }
        for (key, value) in values {
            let full = format!("{section}.{key}");
            if !known_keys().contains_key(&full) {
                return Err(unknown(&full, &tagged(figment, value)));
            }
        }
    }
    Ok(())
}

fn unknown(key: &str, source: &str) -> ConfigError {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let near = |candidate: &str| {
        let whole = strsim::jaro_winkler(key, candidate);
        // The right name in the wrong section.
        whole.max(0.95 * strsim::jaro_winkler(&last(key), &last(candidate)))
    };
    let best = known_keys().keys().map(|candidate| (near(candidate), candidate)).max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = match best {
        Some((score, candidate)) if score >= 0.8 => format!("did you mean `{candidate}`?"),
        _ => "`--check-config` lists all keys".to_owned(),
    };
    ConfigError(format!("unknown key `{key}` (from {source}); {hint}"))
}

/// A dictionary has no tag of one source; the first value in it has.
fn tagged(figment: &Figment, value: &Value) -> String {
    let mut value = value;
    while let Some(first) = value.as_dict().and_then(|dict| dict.values().next()) {
        value = first;
    }
    let metadata = figment.get_metadata(value.tag());
    metadata.map_or_else(|| "an unknown source".to_owned(), |metadata| metadata.name.to_string())
}

fn source(figment: &Figment, key: &str) -> String {
    figment.find_value(key).map_or_else(|_| "default".to_owned(), |value| tagged(figment, first_item(&value)))
}

/// Items of a list carry the tag of their source, as the list does; an empty list has its own.
fn first_item(value: &Value) -> &Value {
    value.as_array().and_then(|items| items.first()).unwrap_or(value)
}

fn describe(figment: &Figment, error: &figment::Error) -> ConfigError {
    let key = error.path.iter().take(2).cloned().collect::<Vec<_>>().join(".");
    let rule = match &error.kind {
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("expected {expected}"),
        Kind::UnknownVariant(_, expected) => format!("expected one of {}", expected.join(", ")),
        Kind::Message(message) => message.clone(),
        other => other.to_string(),
    };
    ConfigError(sentence(figment, &key, &rule))
}

fn sentence(figment: &Figment, key: &str, rule: &str) -> String {
    let value = value_of(figment, key);
    format!("`{key}` is {value} (from {}): {rule}", source(figment, key))
}

/// A value as it is shown: what stands before an address's host may be a password.
fn value_of(figment: &Figment, key: &str) -> String {
    let value = figment.find_value(key).ok();
    let text = shown(value.as_ref());
    if !key.starts_with("nats.") { text } else { without_credentials(&text) }
}

/// Addresses without user, password or token.
fn without_credentials(text: &str) -> String {
    let mut parts = text.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', '"', ',']).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        out.push_str(if host > 0 { "://…@" } else { "://" });
        out.push_str(&part[host..]);
    }
    out
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Empty(..)) => "(unset)".to_owned(),
        Some(value) => serde_json::to_string(value).unwrap_or_else(|_| "(unprintable)".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_not_shown() {
        for (text, shown) in [
            (r#"["nats://a:secret@h:4222","tls://h2"]"#, r#"["nats://…@h:4222","tls://h2"]"#),
            (r#""nats://token@h""#, r#""nats://…@h""#),
            ("(unset)", "(unset)"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}
