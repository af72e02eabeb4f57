//! The head of one part of a form: which field it is, and what its file is called.

use percent_encoding::percent_decode_str;

/// What the head of a part says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartHead {
    /// The field.
    pub(super) name: String,
    /// What the client calls the file, without the folders it lies in. Clients give one to fields that are no files too.
    pub(super) file_name: Option<String>,
}

impl PartHead {
    /// Reads the lines of a head. None for what is not a field of a form.
    pub(super) fn parse(head: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(head).ok()?;
        let mut disposition = None;
        for line in text.split("\r\n") {
            let (name, value) = line.split_once(':')?;
            match name.trim().to_ascii_lowercase().as_str() {
                "content-disposition" if disposition.is_some() => return None,
                "content-disposition" => disposition = Some(value),
                // Nobody sends other encodings any more, and storing one undecoded would store another file.
                "content-transfer-encoding" if !is_plain(value) => return None,
                _ => {}
            }
        }
        Self::from_disposition(disposition?)
    }

    fn from_disposition(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return None;
        }
        let (mut name, mut file_name, mut extended) = (None, None, None);
        let mut rest = rest.trim_start();
        while !rest.is_empty() {
            let (attribute, after) = rest.split_once('=')?;
            let (value, after) = value(after.trim_start())?;
            let slot = match attribute.trim().to_ascii_lowercase().as_str() {
                "name" => &mut name,
                "filename" => &mut file_name,
                "filename*" => &mut extended,
                _ => &mut None,
            };
            if slot.replace(value).is_some() {
                return None;
            }
            let after = after.trim_start();
            rest = if after.is_empty() { after } else { after.strip_prefix(';')?.trim_start() };
        }
        let extended = extended.and_then(|value| decode_extended(&value));
        let base = |path: String| path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        Some(Self { name: name?, file_name: file_name.or(extended).map(base) })
    }
}

fn is_plain(encoding: &str) -> bool {
    ["binary", "8bit", "7bit"].iter().any(|plain| encoding.trim().eq_ignore_ascii_case(plain))
}

/// A quoted or bare value, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return Some((text[..end].trim_end().to_owned(), &text[end..]));
    };
    let mut out = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((out, &quoted[at + 1..])),
            // Backslashes of a path on Windows stand for themselves.
            '\\' if characters.peek().is_some_and(|(_, next)| *next == '"') => {
                out.extend(characters.next().map(|(_, next)| next));
            }
            _ => out.push(character),
        }
    }
    None
}

/// `UTF-8''na%C3%AFve.txt`.
fn decode_extended(text: &str) -> Option<String> {
    let (charset, rest) = text.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let decoded = percent_decode_str(encoded).decode_utf8().ok()?;
    charset.eq_ignore_ascii_case("utf-8").then(|| decoded.into_owned())
}

/// The boundary that a Content-Type names.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let (_, parameters) = content_type.split_once(';')?;
    let mut rest = parameters.trim_start();
    while !rest.is_empty() {
        let (attribute, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        if attribute.trim().eq_ignore_ascii_case("boundary") {
            // RFC 2046 has 70 characters; some clients take more. A carriage return in it would break the search for it.
            let sane = (1..=200).contains(&value.len()) && value.bytes().all(|byte| (b' '..0x7f).contains(&byte));
            return sane.then_some(value);
        }
        let after = after.trim_start();
        rest = if after.is_empty() { after } else { after.strip_prefix(';')?.trim_start() };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_parts() {
        for (head, name, file_name) in [
            ("Content-Disposition: form-data; name=\"key\"", "key", None),
            ("content-disposition:form-data;name=key", "key", None),
            ("Content-Type: text/plain\r\nContent-Disposition: form-data; name=\"a;b=c\"", "a;b=c", None),
            ("Content-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"", "file", Some("a b.txt")),
            ("Content-Disposition: form-data; filename=\"C:\\dir\\a.txt\"; name=\"file\"", "file", Some("a.txt")),
            ("Content-Disposition: form-data; name=file; filename=/home/u/a.txt ; x=y", "file", Some("a.txt")),
            ("Content-Disposition: form-data; name=\"q\\\"q\"; filename=\"\"", "q\"q", Some("")),
            ("Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''na%C3%AFve", "file", Some("naïve")),
            ("Content-Disposition: form-data; name=\"file\"; filename=\"naïve\"", "file", Some("naïve")),
            ("Content-Disposition: form-data; name=\"f\"\r\nContent-Transfer-Encoding: 8bit", "f", None),
        ] {
            let expected = PartHead { name: name.to_owned(), file_name: file_name.map(str::to_owned) };
            assert_eq!(PartHead::parse(head.as_bytes()), Some(expected), "{head}");
        }
        for head in [
            "",
            "Content-Type: text/plain",
            "Content-Disposition: attachment; name=\"f\"",
            "Content-Disposition: form-data",
            "Content-Disposition: form-data; filename=\"f\"",
            "Content-Disposition: form-data; name=\"f",
            "Content-Disposition: form-data; name=\"f\"x",
            "Content-Disposition: form-data; name=\"f\"; name=\"g\"",
            "Content-Disposition: form-data; name=\"f\"\r\nContent-Disposition: form-data; name=\"g\"",
            "Content-Disposition: form-data; name=\"f\"\r\nContent-Transfer-Encoding: base64",
            "no header",
        ] {
            assert_eq!(PartHead::parse(head.as_bytes()), None, "{head}");
        }
        assert_eq!(PartHead::parse(b"Content-Disposition: form-data; name=\"\xff\""), None);
    }

    #[test]
    fn boundaries() {
        let long = "b".repeat(201);
        for (content_type, expected) in [
            ("multipart/form-data; boundary=----x1", Some("----x1")),
            ("multipart/form-data; charset=utf-8; Boundary=\"a b\"; x=y", Some("a b")),
            ("multipart/form-data;boundary=a", Some("a")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data; boundary=\"a", None),
            ("multipart/form-data; boundary=\u{e9}", None),
            (&format!("multipart/form-data; boundary={long}"), None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), expected, "{content_type}");
        }
    }
}
