//! Values with a form of their own.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How long what was overwritten or deleted can still be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// So many seconds; 0 keeps nothing.
    Seconds(u64),
    /// Without end.
    Forever,
}

impl Default for Window {
    fn default() -> Self {
        Self::Seconds(7 * DAY_S)
    }
}

const DAY_S: u64 = 86_400;
const UNITS: [(char, u64); 5] = [('w', 7 * DAY_S), ('d', DAY_S), ('h', 3600), ('m', 60), ('s', 1)];

impl Window {
    /// In seconds; without end is the largest number.
    #[must_use]
    pub fn seconds(self) -> u64 {
        match self {
            Self::Seconds(seconds) => seconds,
            Self::Forever => u64::MAX,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "0" => return Some(Self::Seconds(0)),
            "forever" => return Some(Self::Forever),
            _ => {}
        }
        // A number without a unit would be days to one reader and seconds to the next.
        let (unit, unit_s) = *UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(unit_s).map(Self::Seconds)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Seconds(0) => f.write_str("0"),
            Self::Seconds(seconds) => {
                let fits = |(_, unit_s): &&(char, u64)| seconds % unit_s == 0;
                // Days before weeks: `7d` is how the default is written.
                let (unit, unit_s) = UNITS.iter().skip(1).find(fits).copied().unwrap_or(('s', 1));
                write!(f, "{}{unit}", seconds / unit_s)
            }
        }
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WindowVisitor;
        impl Visitor<'_> for WindowVisitor {
            type Value = Window;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"7d\" or \"12h\", or \"0\", or \"forever\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Window, E> {
                Window::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Window, E> {
                if number == 0 {
                    Ok(Window::Seconds(0))
                } else {
                    Err(E::invalid_value(de::Unexpected::Unsigned(number), &self))
                }
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Window, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(WindowVisitor)
    }
}

/// A length of time that ends: `1h`, `15m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "Window")]
pub struct Span {
    /// Its seconds.
    pub seconds: u64,
}

impl From<Span> for Window {
    fn from(span: Span) -> Self {
        Self::Seconds(span.seconds)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Window::deserialize(deserializer)? {
            Window::Seconds(seconds) => Ok(Self { seconds }),
            Window::Forever => {
                let expected = "a duration such as \"1h\" or \"15m\"";
                Err(de::Error::invalid_value(de::Unexpected::Str("forever"), &expected))
            }
        }
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For eyes.
    Pretty,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_back_and_need_a_unit() {
        for (text, seconds) in [("7d", 604_800), ("12h", 43_200), ("90m", 5400), ("5s", 5), ("0", 0)] {
            let window = Window::parse(text).expect(text);
            assert_eq!((window.seconds(), window.to_string().as_str()), (seconds, text));
        }
        assert_eq!(Window::parse("2w").map(|window| window.to_string()).as_deref(), Some("14d"));
        assert_eq!(Window::parse("forever"), Some(Window::Forever));
        for text in ["", "7", "d", "-1d", "7 d", "7dd", "1.5d", "99999999999999999999d", "never"] {
            assert_eq!(Window::parse(text), None, "{text}");
        }
    }
}
