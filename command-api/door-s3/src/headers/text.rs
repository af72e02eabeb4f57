//! Header values as text, without loss.
//!
//! HTTP gives bytes; the store keeps text. UTF-8 stays what it is. Bytes that are not UTF-8 (old clients send Latin-1) are
//! each kept as one character of a private range, so that the very same bytes can be answered.

use http::{HeaderMap, HeaderValue};

/// Byte 0x80 of a value that is not UTF-8. Part of the format: objects keep such text.
const ESCAPED: u32 = 0xf780;

fn is_escaped(character: char) -> bool {
    (ESCAPED..ESCAPED + 0x80).contains(&u32::from(character))
}

/// The value as text.
pub(crate) fn text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) if !text.contains(is_escaped) => text.to_owned(),
        _ => {
            let escape = |&byte: &u8| match byte {
                0..0x80 => char::from(byte),
                _ => char::from_u32(ESCAPED + u32::from(byte - 0x80)).expect("0xf780 to 0xf7ff are characters"),
            };
            value.as_bytes().iter().map(escape).collect()
        }
    }
}

/// The text as the value it came from. None for text that no header can carry (it did not come from one).
pub(crate) fn from_text(text: &str) -> Option<HeaderValue> {
    if !text.contains(is_escaped) {
        return HeaderValue::from_bytes(text.as_bytes()).ok();
    }
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        if is_escaped(character) {
            let low = u8::try_from(u32::from(character) - ESCAPED).ok()?;
            bytes.push(0x80 + low);
        } else {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    HeaderValue::from_bytes(&bytes).ok()
}

/// The first value of a header, as text.
pub(crate) fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn utf_8_stays_readable() {
        assert_eq!(text(&HeaderValue::from_bytes("naïve €".as_bytes()).expect("a value")), "naïve €");
    }

    proptest! {
        #[test]
        fn every_value_is_answered_byte_for_byte(bytes: Vec<u8>) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                prop_assert_eq!(from_text(&text(&value)), Some(value));
            }
        }

        #[test]
        fn also_those_that_look_escaped(value in "[a\u{f77f}-\u{f800}é]*") {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            prop_assert_eq!(from_text(&text(&value)), Some(value));
        }
    }
}
