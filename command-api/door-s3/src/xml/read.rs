//! Reading XML that clients send.
//!
//! Invariants: no document type, no entities but the five and character references, at most [`DEPTH_MAX`] deep and
//! [`ELEMENTS_MAX`] in all; the caller has bounded the body. Namespaces and attributes mean nothing here.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper than any request of S3.
const DEPTH_MAX: usize = 16;
/// More than a completion of 10,000 parts with every optional element needs.
const ELEMENTS_MAX: usize = 120_000;

/// The text is not the XML it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// An element with what is in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    /// Name without a namespace prefix.
    pub(crate) name: String,
    /// Its text, CDATA included.
    pub(crate) text: String,
    /// Elements in it.
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The only child of this name, if there is one.
    ///
    /// # Errors
    /// There are several.
    pub(crate) fn child(&self, name: &str) -> Result<Option<&Element>, Malformed> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        match (found.next(), found.next()) {
            (child, None) => Ok(child),
            _ => Err(Malformed),
        }
    }

    /// The text of the only child of this name.
    ///
    /// # Errors
    /// There are several, or it has elements in it.
    pub(crate) fn child_text(&self, name: &str) -> Result<Option<&str>, Malformed> {
        match self.child(name)? {
            Some(child) if !child.children.is_empty() => Err(Malformed),
            child => Ok(child.map(|child| child.text.as_str())),
        }
    }
}

/// Reads a document whose root has this name.
///
/// # Errors
/// It is not well-formed, has another root, or uses what no request of S3 needs.
pub(crate) fn parse(body: &[u8], root: &str) -> Result<Element, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    // The document itself, so that the root is a child like any other.
    let mut open = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|_| Malformed)?;
        let current = open.last_mut().ok_or(Malformed)?;
        match event {
            Event::Start(start) => {
                elements += 1;
                if open.len() > DEPTH_MAX || elements > ELEMENTS_MAX {
                    return Err(Malformed);
                }
                let name = start.local_name().as_ref().to_owned();
                open.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let element = open.pop().ok_or(Malformed)?;
                open.last_mut().ok_or(Malformed)?.children.push(element);
            }
            Event::Text(text) => current.text.push_str(&text.xml10_content()),
            Event::CData(text) => current.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => current.text.push(referred(&reference)?),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::DocType(_) => return Err(Malformed),
            Event::Eof => break,
            Event::Empty(_) => return Err(Malformed),
        }
    }
    let document = open.pop().filter(|_| open.is_empty()).ok_or(Malformed)?;
    let mut roots = document.children;
    let element = roots.pop().filter(|element| element.name == root && roots.is_empty()).ok_or(Malformed)?;
    if document.text.trim_matches(['\u{feff}', ' ', '\t', '\n', '\r']).is_empty() {
        Ok(element)
    } else {
        Err(Malformed)
    }
}

fn referred(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, Malformed> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| Malformed)? {
        return Ok(character);
    }
    match &**reference {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::xml::Xml;

    fn key(body: &str) -> Result<String, Malformed> {
        Ok(parse(body.as_bytes(), "Delete")?.child_text("Key")?.unwrap_or_default().to_owned())
    }

    #[test]
    fn text_cdata_references_and_namespaces() {
        for (body, expected) in [
            ("<Delete><Key>a</Key></Delete>", "a"),
            ("<?xml version=\"1.0\"?>\n<Delete xmlns=\"x\"><Key> a </Key></Delete>\n", " a "),
            ("<s3:Delete xmlns:s3=\"x\"><s3:Key>a</s3:Key></s3:Delete>", "a"),
            ("<Delete><Key>a<![CDATA[<b>&amp;]]>c</Key></Delete>", "a<b>&amp;c"),
            ("<Delete><Key>&lt;&amp;&#65;&#x1;&apos;</Key></Delete>", "<&A\u{1}'"),
            ("<Delete><!-- no --><Key/></Delete>", ""),
            ("<Delete></Delete>", ""),
        ] {
            assert_eq!(key(body).as_deref(), Ok(expected), "{body}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        let deep = format!("<Delete>{}{}</Delete>", "<a>".repeat(20), "</a>".repeat(20));
        for body in [
            "",
            "text",
            "<Other/>",
            "<Delete>",
            "<Delete><Key></Delete></Key>",
            "<Delete/><Delete/>",
            "<Delete/>text",
            "</Delete>",
            "<Delete><Key>&unknown;</Key></Delete>",
            "<!DOCTYPE d [<!ENTITY e \"x\">]><Delete><Key>&e;</Key></Delete>",
            "<Delete><Key>a</Key><Key>b</Key></Delete>",
            "<Delete><Key><a/></Key></Delete>",
            &deep,
        ] {
            assert_eq!(key(body), Err(Malformed), "{body}");
        }
        assert_eq!(parse(b"<Delete>\xff</Delete>", "Delete"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn what_the_door_writes_it_reads(text in "[^\u{0}]*") {
            let document = Xml::bare_document("R", |xml| xml.text("K", &text));
            let root = parse(document.as_bytes(), "R");
            prop_assert_eq!(root.and_then(|root| Ok(root.child_text("K")?.map(str::to_owned))), Ok(Some(text)));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(body: Vec<u8>) {
            let _ = parse(&body, "R");
        }
    }
}
