//! What the fields of a form say, as headers of the PutObject that they ask for.
//!
//! A form is a PutObject in another envelope: reading its fields as headers makes every rule of the one hold for the other. The
//! headers of the request itself say nothing of the object: no policy covers them.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::auth::{AuthError, FormFields};
use crate::errors::{DoorError, Failure};
use crate::tagging::asked_tag;
use crate::xml;

/// Put in place of the name that the client gives its file.
const FILE_NAME: &str = "${filename}";

/// The fields with the file's name where they ask for it.
///
/// # Errors
/// A field given twice.
pub(super) fn with_file_name(fields: Vec<(String, String)>, file_name: &str) -> Result<FormFields, AuthError> {
    let signed = |name: &str| ["policy", "signature", "x-amz-signature"].iter().any(|it| it.eq_ignore_ascii_case(name));
    let replaced = fields.into_iter().map(|(name, value)| match signed(&name) {
        true => (name, value),
        false => (name, value.replace(FILE_NAME, file_name)),
    });
    Ok(FormFields::new(replaced.collect())?)
}

/// The headers of the PutObject. Fields that PutObject does not know, such as a form's submit button, say nothing.
///
/// # Errors
/// A value that no header can have, or tags that are none.
pub(super) fn headers(fields: &FormFields) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter() {
        let name = name.to_ascii_lowercase();
        let (name, value) = match name.as_str() {
            "acl" => ("x-amz-acl", value.to_owned()),
            "tagging" => ("x-amz-tagging", tags_as_query(value)?),
            // Of the signature, not of the object.
            "x-amz-algorithm" | "x-amz-credential" | "x-amz-date" | "x-amz-security-token" | "x-amz-signature" => {
                continue;
            }
            "x-amz-copy-source" => return Err(DoorError::NotImplemented { what: "x-amz-copy-source" }.into()),
            name if is_of_the_object(name) => (name, value.to_owned()),
            _ => continue,
        };
        const INVALID: DoorError = DoorError::InvalidArgument {
            name: "POST",
            reason: "A field of the form has a name or value no header can have.",
        };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| INVALID)?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| INVALID)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

fn is_of_the_object(name: &str) -> bool {
    const STANDARD: [&str; 9] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
        "if-match",
        "if-none-match",
    ];
    STANDARD.contains(&name) || ["x-amz-", "x-holdfast-", "x-lockwell-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Tags as the header has them, from the XML that the field has.
fn tags_as_query(text: &str) -> Result<String, xml::Malformed> {
    let root = xml::parse(text.as_bytes(), "Tagging")?;
    let set = root.child("TagSet")?.ok_or(xml::Malformed)?;
    let mut pairs = Vec::new();
    for tag in &set.children {
        let (name, value) = asked_tag(tag)?;
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        pairs.push(format!("{}={}", encoded(name), encoded(value)));
    }
    Ok(pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tags;

    fn fields(list: &[(&str, &str)], file_name: &str) -> FormFields {
        let list = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        with_file_name(list, file_name).expect("fields")
    }

    #[test]
    fn the_name_of_the_file_goes_everywhere_but_into_what_is_signed() {
        let fields = fields(
            &[
                ("key", "u/${filename}/${filename}"),
                ("policy", "${filename}"),
                ("Signature", "${filename}"),
                ("acl", "$x"),
            ],
            "f$1",
        );
        let values: Vec<_> = fields.iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["u/f$1/f$1", "${filename}", "${filename}", "$x"]);
        let twice = vec![("key".to_owned(), String::new()), ("Key".to_owned(), String::new())];
        assert!(with_file_name(twice, "").is_err());
    }

    #[test]
    fn fields_are_the_headers_of_a_put() {
        let fields = fields(
            &[
                ("key", "k"),
                ("ACL", "private"),
                ("Content-Type", " text/plain "),
                ("x-amz-meta-Name", "naïve"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-credential", "c"),
                ("X-Amz-Signature", "s"),
                ("AWSAccessKeyId", "a"),
                ("x-ignore-me", "i"),
                ("submit", "Upload"),
                ("tagging", "<Tagging><TagSet><Tag><Key>a &amp; b</Key><Value>=1</Value></Tag></TagSet></Tagging>"),
            ],
            "",
        );
        let headers = headers(&fields).expect("headers");
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = ["content-type", "x-amz-acl", "x-amz-meta-name", "x-amz-storage-class", "x-amz-tagging"];
        assert_eq!(names, expected);
        assert_eq!(headers["content-type"], "text/plain");
        assert_eq!(headers["x-amz-meta-name"].as_bytes(), "naïve".as_bytes());
        assert_eq!(tags(&headers), Ok([("a & b".to_owned(), "=1".to_owned())].into()));
    }

    #[test]
    fn fields_that_no_put_could_have() {
        for (name, value, code) in [
            ("Content-Type", "text/plain\r\nx-amz-acl: public-read", "InvalidArgument"),
            ("x-amz-meta-\u{e9}", "v", "InvalidArgument"),
            ("x-amz-meta- ", "v", "InvalidArgument"),
            ("x-amz-copy-source", "/b/k", "NotImplemented"),
            ("tagging", "a=b", "MalformedXML"),
            ("tagging", "<Tagging/>", "MalformedXML"),
            ("tagging", "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"),
        ] {
            let failure = headers(&fields(&[(name, value)], "")).expect_err(name);
            assert_eq!(failure.describe().code, code, "{name}: {value}");
        }
    }
}
