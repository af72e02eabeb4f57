//! Writing XML by hand: the answers are flat, and a listing of a thousand keys is the hottest text the door makes.

use std::fmt::{Display, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemas::Time;

const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// What `encoding-type=url` leaves as it is: RFC 3986 unreserved characters and `/`.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A document in the making.
pub(crate) struct Xml {
    out: String,
}

impl Xml {
    /// A document whose root has S3's namespace.
    pub(crate) fn document(root: &'static str, content: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml { out: String::with_capacity(512) };
        let _ = write!(xml.out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root} xmlns=\"{NAMESPACE}\">");
        content(&mut xml);
        let _ = write!(xml.out, "</{root}>");
        xml.out
    }

    /// A document whose root has no namespace: errors.
    pub(crate) fn bare_document(root: &'static str, content: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml { out: String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") };
        xml.group(root, content);
        xml.out
    }

    /// An element with elements in it.
    pub(crate) fn group(&mut self, name: &'static str, content: impl FnOnce(&mut Xml)) {
        let _ = write!(self.out, "<{name}>");
        content(self);
        let _ = write!(self.out, "</{name}>");
    }

    /// Text of the element that is open.
    pub(crate) fn content(&mut self, text: &str) {
        escape(&mut self.out, text);
    }

    /// An element with text in it.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        let _ = write!(self.out, "<{name}>");
        escape(&mut self.out, text);
        let _ = write!(self.out, "</{name}>");
    }

    /// An element with a number or another value in it that shows itself.
    pub(crate) fn value(&mut self, name: &str, value: impl Display) {
        self.text(name, &value.to_string());
    }

    /// The same, unless there is no value.
    pub(crate) fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.value(name, value);
        }
    }

    /// `Owner` or `Initiator`.
    pub(crate) fn person(&mut self, name: &'static str, id: &str, display_name: &str) {
        self.group(name, |xml| {
            xml.text("ID", id);
            xml.text("DisplayName", display_name);
        });
    }

    /// `Grantee` that is a user.
    pub(crate) fn grantee(&mut self, id: &str, display_name: &str) {
        self.out
            .push_str("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\">");
        self.text("ID", id);
        self.text("DisplayName", display_name);
        self.out.push_str("</Grantee>");
    }

    /// `Grantee` that is a group.
    pub(crate) fn grantee_group(&mut self, uri: &str) {
        self.out.push_str("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\">");
        self.text("URI", uri);
        self.out.push_str("</Grantee>");
    }
}

/// Characters that XML 1.0 cannot hold become references all the same, as AWS writes them: a client that may meet such
/// keys asks for `encoding-type=url`. A bare carriage return would be read as a line feed.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\x1f' | '\u{7f}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            _ => out.push(character),
        }
    }
}

/// A key under `encoding-type=url`. A space is `%20`, which every decoder reads alike, with or without `+` for a space.
pub(crate) fn url_encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// `2009-10-12T17:50:30.000Z`.
pub(crate) fn timestamp(time: Time) -> String {
    let milliseconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
    format!("{timestamp:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_so_that_it_reads_back() {
        let document = Xml::bare_document("R", |xml| xml.text("K", "a<b>&\"'\r\n\u{1}é"));
        assert!(document.ends_with("<R><K>a&lt;b&gt;&amp;&quot;'&#13;\n&#1;é</K></R>"), "{document}");
    }

    #[test]
    fn keys_under_encoding_type_url() {
        for (key, expected) in
            [("foo+1/bar", "foo%2B1/bar"), ("quux ab/thud", "quux%20ab/thud"), ("é\n\u{1}~-._*", "%C3%A9%0A%01~-._%2A")]
        {
            assert_eq!(url_encoded(key), expected);
        }
    }

    #[test]
    fn timestamps_have_milliseconds() {
        for (microseconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_255_369_830_000_000, "2009-10-12T17:50:30.000Z"),
            (1_255_369_830_129_999, "2009-10-12T17:50:30.129Z"),
        ] {
            assert_eq!(timestamp(Time(microseconds)), expected);
        }
    }
}
