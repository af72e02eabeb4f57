//! MessagePack as JSON text.
//!
//! Owns: one spelling for everything that a payload holds, so that two who read the same bytes write the same text.
//! Does not own: what the values mean. An event's fields come in the order and under the names in which they lie on disk, whichever
//! version reads them.
//!
//! Bytes become hex digits. Whole numbers beyond 2^53 - 1 become text: readers of JSON round them.

use std::fmt::Write;

/// Bytes that are not MessagePack as events have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payload is not MessagePack")]
pub struct NotMessagePack;

/// Deeper than any event goes.
const DEPTH_MAX: u8 = 32;
/// Whole numbers up to it are numbers in JSON.
const NUMBER_MAX: u64 = (1 << 53) - 1;

/// Appends a value as JSON.
pub(crate) fn transcode(bytes: &[u8], out: &mut String) -> Result<(), NotMessagePack> {
    let mut reader = Reader(bytes);
    reader.value(out, DEPTH_MAX, false)?;
    if reader.0.is_empty() { Ok(()) } else { Err(NotMessagePack) }
}

/// Appends a text, quoted.
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // All control characters, so that a line stays one and a terminal is left alone.
            control if control.is_control() => write(out, format_args!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}

pub(crate) fn write(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a String takes every text");
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], NotMessagePack> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(NotMessagePack)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], NotMessagePack> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(NotMessagePack)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A length of `N` bytes, big-endian.
    fn length<const N: usize>(&mut self) -> Result<usize, NotMessagePack> {
        Ok(self.take::<N>()?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    /// The next value; as the name of a field, where JSON knows texts alone.
    fn value(&mut self, out: &mut String, depth: u8, is_name: bool) -> Result<(), NotMessagePack> {
        let [marker] = self.take()?;
        match marker {
            0x00..=0x7f => unsigned(u64::from(marker), out, is_name),
            0xe0..=0xff => signed(i64::from(marker.cast_signed()), out, is_name),
            0xcc => unsigned(u64::from(u8::from_be_bytes(self.take()?)), out, is_name),
            0xcd => unsigned(u64::from(u16::from_be_bytes(self.take()?)), out, is_name),
            0xce => unsigned(u64::from(u32::from_be_bytes(self.take()?)), out, is_name),
            0xcf => unsigned(u64::from_be_bytes(self.take()?), out, is_name),
            0xd0 => signed(i64::from(i8::from_be_bytes(self.take()?)), out, is_name),
            0xd1 => signed(i64::from(i16::from_be_bytes(self.take()?)), out, is_name),
            0xd2 => signed(i64::from(i32::from_be_bytes(self.take()?)), out, is_name),
            0xd3 => signed(i64::from_be_bytes(self.take()?), out, is_name),
            0xa0..=0xbf => self.text(usize::from(marker & 0x1f), out)?,
            0xd9 => self.length::<1>().and_then(|length| self.text(length, out))?,
            0xda => self.length::<2>().and_then(|length| self.text(length, out))?,
            0xdb => self.length::<4>().and_then(|length| self.text(length, out))?,
            0xc4 => self.length::<1>().and_then(|length| self.digits(length, out))?,
            0xc5 => self.length::<2>().and_then(|length| self.digits(length, out))?,
            0xc6 => self.length::<4>().and_then(|length| self.digits(length, out))?,
            _ if is_name => return Err(NotMessagePack),
            0xc0 => out.push_str("null"),
            0xc2 => out.push_str("false"),
            0xc3 => out.push_str("true"),
            0x90..=0x9f => self.list(usize::from(marker & 0x0f), out, depth)?,
            0xdc => self.length::<2>().and_then(|length| self.list(length, out, depth))?,
            0xdd => self.length::<4>().and_then(|length| self.list(length, out, depth))?,
            0x80..=0x8f => self.fields(usize::from(marker & 0x0f), out, depth)?,
            0xde => self.length::<2>().and_then(|length| self.fields(length, out, depth))?,
            0xdf => self.length::<4>().and_then(|length| self.fields(length, out, depth))?,
            // Floats and extensions: no event has them.
            _ => return Err(NotMessagePack),
        }
        Ok(())
    }

    fn text(&mut self, length: usize, out: &mut String) -> Result<(), NotMessagePack> {
        let text = std::str::from_utf8(self.bytes(length)?).map_err(|_| NotMessagePack)?;
        quote(text, out);
        Ok(())
    }

    fn digits(&mut self, length: usize, out: &mut String) -> Result<(), NotMessagePack> {
        hex(self.bytes(length)?, out);
        Ok(())
    }

    fn list(&mut self, length: usize, out: &mut String, depth: u8) -> Result<(), NotMessagePack> {
        let depth = depth.checked_sub(1).ok_or(NotMessagePack)?;
        out.push('[');
        for index in 0..length {
            if index > 0 {
                out.push(',');
            }
            self.value(out, depth, false)?;
        }
        out.push(']');
        Ok(())
    }

    fn fields(&mut self, length: usize, out: &mut String, depth: u8) -> Result<(), NotMessagePack> {
        let depth = depth.checked_sub(1).ok_or(NotMessagePack)?;
        out.push('{');
        for index in 0..length {
            if index > 0 {
                out.push(',');
            }
            self.value(out, depth, true)?;
            out.push(':');
            self.value(out, depth, false)?;
        }
        out.push('}');
        Ok(())
    }
}

/// Appends bytes as hex digits, quoted.
pub(crate) fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.push('"');
}

fn unsigned(number: u64, out: &mut String, is_name: bool) {
    if is_name || number > NUMBER_MAX {
        write(out, format_args!("\"{number}\""))
    } else {
        write(out, format_args!("{number}"))
    }
}

fn signed(number: i64, out: &mut String, is_name: bool) {
    let text = is_name || number.unsigned_abs() > NUMBER_MAX;
    if text { write(out, format_args!("\"{number}\"")) } else { write(out, format_args!("{number}")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(hex_digits: &str, expected: Option<&str>) {
        let mut out = String::new();
        let done = transcode(&hex::decode(hex_digits).expect("hex"), &mut out);
        assert_eq!(done.ok().map(|()| out.as_str()), expected, "{hex_digits}");
    }

    #[test]
    fn each_kind_of_value() {
        check("00", Some("0"));
        check("7f", Some("127"));
        check("ff", Some("-1"));
        check("ccff", Some("255"));
        check("cdffff", Some("65535"));
        check("ceffffffff", Some("4294967295"));
        check("cf001fffffffffffff", Some("9007199254740991"));
        check("cf0020000000000000", Some("\"9007199254740992\""));
        check("d080", Some("-128"));
        check("d18000", Some("-32768"));
        check("d3ffdfffffffffffff", Some("\"-9007199254740993\""));
        check("c0", Some("null"));
        check("c2", Some("false"));
        check("c3", Some("true"));
        check("a0", Some("\"\""));
        check("a3220a5c", Some(r#""\"\u000a\\""#));
        check("d901c3", None);
        check("d902c3a9", Some("\"é\""));
        check("da0001c3", None);
        check("c402beef", Some("\"beef\""));
        check("9301a0c0", Some("[1,\"\",null]"));
        check("82a161010290", Some("{\"a\":1,\"2\":[]}"));
        check("81c401ff01", Some("{\"ff\":1}"));
        check("dc000101", Some("[1]"));
        check("de0001a16101", Some("{\"a\":1}"));
        for none in ["", "91", "0000", "a2c3", "81c001", "ca00000000", "c1", "d40000"] {
            check(none, None);
        }
        check(&"91".repeat(40), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = transcode(&bytes, &mut String::new());
        }
    }
}
