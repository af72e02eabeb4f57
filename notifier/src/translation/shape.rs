//! Fields of bodies: how they are written, and what the published schemas say of them.
//!
//! Owns: the one definition of a structure that both its body and its schema come from, so that neither can say what the
//! other does not.
//! Invariant: what is not there is left out; nothing is written as `null`.

use std::borrow::Cow;
use std::collections::BTreeMap;

#[cfg(test)]
use serde_json::{Value, json};

use super::text::{EventRef, Moment, Text};

/// What can be a field.
pub(crate) trait Field {
    /// Whether it is left out.
    fn is_absent(&self) -> bool {
        false
    }

    /// Its JSON Schema.
    #[cfg(test)]
    fn shape() -> Value;

    /// Whether it may be left out.
    #[cfg(test)]
    fn is_optional() -> bool {
        false
    }
}

/// Structures of bodies. Names are written in camel case; what is written about fields stands in the schemas too.
macro_rules! shapes {
    ($(
        $(#[doc = $about:literal])+
        struct $name:ident $(<$life:lifetime>)? { $( $(#[doc = $doc:literal])+ $field:ident: $type:ty, )* }
    )*) => {$(
        $(#[doc = $about])+
        #[derive(Debug, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub(crate) struct $name $(<$life>)? {
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "crate::translation::shape::Field::is_absent")]
                pub(crate) $field: $type,
            )*
        }

        impl $(<$life>)? crate::translation::shape::Field for $name $(<$life>)? {
            #[cfg(test)]
            fn shape() -> serde_json::Value {
                use crate::translation::shape::{Field, object};
                object(&[$((
                    stringify!($field),
                    concat!($($doc),+),
                    <$type as Field>::shape(),
                    <$type as Field>::is_optional(),
                )),*])
            }
        }
    )*};
}
pub(crate) use shapes;

macro_rules! plain {
    ($($type:ty => $shape:tt,)*) => {$(
        impl Field for $type {
            #[cfg(test)]
            fn shape() -> Value {
                json!($shape)
            }
        }
    )*};
}

plain! {
    bool => { "type": "boolean" },
    u8 => { "type": "integer", "minimum": 0 },
    u16 => { "type": "integer", "minimum": 0 },
    u32 => { "type": "integer", "minimum": 0 },
    u64 => { "type": "integer", "minimum": 0 },
    usize => { "type": "integer", "minimum": 0 },
    String => { "type": "string" },
    &str => { "type": "string" },
    Cow<'_, str> => { "type": "string" },
    Moment => { "type": "string", "format": "date-time" },
    EventRef => { "type": "string", "pattern": "^evt_[0-9]+_[0-9]+_[0-9]+$" },
    BTreeMap<String, String> => { "type": "object", "additionalProperties": { "type": "string" } },
}

impl<T> Field for Text<T> {
    #[cfg(test)]
    fn shape() -> Value {
        json!({ "type": "string" })
    }
}

impl<T: Field> Field for &T {
    #[cfg(test)]
    fn shape() -> Value {
        T::shape()
    }
}

impl<T: Field> Field for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }

    #[cfg(test)]
    fn shape() -> Value {
        T::shape()
    }

    #[cfg(test)]
    fn is_optional() -> bool {
        true
    }
}

impl<T: Field> Field for Vec<T> {
    #[cfg(test)]
    fn shape() -> Value {
        json!({ "type": "array", "items": T::shape() })
    }
}

impl<T: Field> Field for &[T] {
    #[cfg(test)]
    fn shape() -> Value {
        json!({ "type": "array", "items": T::shape() })
    }
}

/// The schema of a structure: each field's name as Rust has it, what is written about it, its schema, whether it may be left
/// out.
#[cfg(test)]
pub(crate) fn object(fields: &[(&str, &str, Value, bool)]) -> Value {
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    for (field, about, shape, is_optional) in fields {
        let name = camel_case(field);
        let mut shape = shape.clone();
        shape["description"] = about.trim().into();
        if !is_optional {
            required.push(Value::from(name.clone()));
        }
        properties.insert(name, shape);
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    schema
}

/// As serde writes it.
#[cfg(test)]
fn camel_case(field: &str) -> String {
    let mut words = field.trim_start_matches("r#").split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + &head.to_ascii_uppercase() + tail
    })
}
