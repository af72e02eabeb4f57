//! Where values come from, one layer a source, so that each value can name its own.

use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::util::nest;
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::report::{ConfigError, Loaded, known_keys};
use super::{LogFormat, Settings};

const ENV_PREFIX: &str = "HOLDFAST__";

/// Everything that configuration is made of.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// `--config`
    pub file: Option<PathBuf>,
    /// The environment; only what begins with `HOLDFAST__` is looked at.
    pub environment: Vec<(String, String)>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<std::net::SocketAddr>,
    /// `--admin-listen`
    pub admin_listen: Option<std::net::SocketAddr>,
    /// `--allow-plaintext`
    pub allow_plaintext: bool,
    /// `--log-format`
    pub log_format: Option<LogFormat>,
}

/// One source: a file, a variable, a flag.
struct Layer {
    source: String,
    dict: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

impl Layer {
    fn one(source: impl Into<String>, key: &str, value: Value) -> Self {
        let dict = nest(key, value).into_dict().unwrap_or_default();
        Self { source: source.into(), dict }
    }
}

/// Merges all layers, then checks keys, types and bounds.
///
/// # Errors
/// One sentence that names key, value and source.
pub fn load(inputs: &Inputs) -> Result<Loaded, ConfigError> {
    let mut figment = Figment::from(Defaults);
    if let Some(path) = &inputs.file {
        figment = figment.merge(file(path)?);
    }
    for (name, text) in &inputs.environment {
        if let Some(layer) = variable(name, text) {
            figment = figment.merge(layer);
        }
    }
    for layer in flags(inputs)? {
        figment = figment.merge(layer);
    }
    Loaded::check(figment)
}

struct Defaults;

impl Provider for Defaults {
    fn metadata(&self) -> Metadata {
        Metadata::named("default")
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Serialized::defaults(Settings::default()).data()
    }
}

fn file(path: &Path) -> Result<Layer, ConfigError> {
    let source = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError(format!("configuration file {source} cannot be read: {error}")))?;
    let mut data = Toml::string(&text).data().map_err(|error| {
        // A picture of the line follows in the middle; the first line has the place, the last one the reason.
        let text = error.to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (first, last) = (lines.next().unwrap_or_default(), lines.next_back().unwrap_or_default());
        ConfigError(format!("configuration file {source}: {first}: {last}"))
    })?;
    Ok(Layer { source, dict: data.remove(&Profile::Default).unwrap_or_default() })
}

fn variable(name: &str, text: &str) -> Option<Layer> {
    let key = name.strip_prefix(ENV_PREFIX)?.to_ascii_lowercase().replace("__", ".");
    if key.is_empty() || key.split('.').any(str::is_empty) {
        // Kept as it is, so that the check of keys names the variable.
        return Some(Layer { source: name.to_owned(), dict: Dict::from([(key, Value::from(text))]) });
    }
    Some(Layer::one(name, &key, typed(&key, text)))
}

/// Text of the environment as the kind of value that its key has.
fn typed(key: &str, text: &str) -> Value {
    match known_keys().get(key) {
        Some(serde_json::Value::Array(_)) => {
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect::<Vec<_>>().into()
        }
        Some(serde_json::Value::Object(_)) => {
            let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
            // A pair that is none stays what it is: its value cannot be used, and the sentence about it shows it.
            let pairs: Option<Dict> = pairs
                .map(|pair| {
                    pair.split_once('=').map(|(name, value)| (name.trim().to_owned(), Value::from(value.trim())))
                })
                .collect();
            pairs.map_or_else(|| Value::from(text), Value::from)
        }
        Some(serde_json::Value::Bool(_)) => text.parse::<bool>().map_or_else(|_| Value::from(text), Value::from),
        Some(serde_json::Value::Number(_)) => text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from),
        _ => Value::from(text),
    }
}

fn flags(inputs: &Inputs) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = Vec::new();
    if let Some(data) = &inputs.data {
        let text = data.to_str().ok_or_else(|| ConfigError("--data is not UTF-8".to_owned()))?;
        layers.push(Layer::one("--data", "storage.data", Value::from(text)));
    }
    if let Some(address) = inputs.listen {
        layers.push(Layer::one("--listen", "server.listen_addr", Value::from(address.to_string())));
    }
    if let Some(address) = inputs.admin_listen {
        layers.push(Layer::one("--admin-listen", "server.web_addr", Value::from(address.to_string())));
    }
    if inputs.allow_plaintext {
        layers.push(Layer::one("--allow-plaintext", "server.allow_plaintext", Value::from(true)));
    }
    if let Some(format) = inputs.log_format {
        let value = Value::serialize(format).map_err(|error| ConfigError(error.to_string()))?;
        layers.push(Layer::one("--log-format", "log.format", value));
    }
    Ok(layers)
}
