//! What a request says about encryption: SSE-S3, SSE-KMS, SSE-C. Its names are those of headers and, in a form, of fields: the
//! caller looks them up.
//!
//! Owns: their syntax, and which of them contradict each other. Does not own: which keys there are, whether a key is right.
//! Invariant: a customer's key is wiped when it was read; what is left of it is handed on and cannot be printed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use md5::{Digest, Md5};
use pipeline::{AskedEncryption, CustomerKey};
use zeroize::Zeroizing;

use crate::errors::DoorError;

const SSE: &str = "x-amz-server-side-encryption";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// Most bytes of an encryption context as it is sent: it is kept with the object.
const CONTEXT_BYTES_MAX: usize = 4096;

/// Looks up a header or field by its name in lower case.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The three names that a customer's key comes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CustomerNames {
    algorithm: &'static str,
    key: &'static str,
    md5: &'static str,
}

/// Of the object that is written or read.
pub(crate) const CUSTOMER: CustomerNames = CustomerNames {
    algorithm: "x-amz-server-side-encryption-customer-algorithm",
    key: "x-amz-server-side-encryption-customer-key",
    md5: "x-amz-server-side-encryption-customer-key-md5",
};

/// Of the object that is copied.
pub(crate) const COPY_SOURCE_CUSTOMER: CustomerNames = CustomerNames {
    algorithm: "x-amz-copy-source-server-side-encryption-customer-algorithm",
    key: "x-amz-copy-source-server-side-encryption-customer-key",
    md5: "x-amz-copy-source-server-side-encryption-customer-key-md5",
};

/// Keeps customers' keys out of anything that prints headers.
pub(crate) fn hide_keys(headers: &mut HeaderMap) {
    for names in [CUSTOMER, COPY_SOURCE_CUSTOMER] {
        if let Some(key) = headers.get_mut(names.key) {
            key.set_sensitive(true);
        }
    }
}

/// A customer's key, and what is answered of it.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) key: CustomerKey,
    /// MD5 of the key, in base64.
    pub(crate) md5: String,
}

/// A customer's key, if one comes.
///
/// # Errors
/// Not all three names, another algorithm than AES256, a key that is not 32 bytes, or not the key of its MD5.
pub(crate) fn customer(names: CustomerNames, value: Lookup<'_>) -> Result<Option<Customer>, DoorError> {
    let invalid = |name, reason| Err(DoorError::InvalidArgument { name, reason });
    let (algorithm, key, md5) = (value(names.algorithm), value(names.key).map(Zeroizing::new), value(names.md5));
    if algorithm.is_none() && key.is_none() && md5.is_none() {
        return Ok(None);
    }
    if algorithm.as_deref() != Some("AES256") {
        let reason = "Requests specifying Server Side Encryption with Customer provided keys must provide a valid \
                      encryption algorithm.";
        return invalid(names.algorithm, reason);
    }
    let Some(key) = key else {
        let reason = "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate \
                      secret key.";
        return invalid(names.key, reason);
    };
    let Some(md5) = md5 else {
        let reason = "Requests specifying Server Side Encryption with Customer provided keys must provide the client \
                      calculated MD5 of the secret key.";
        return invalid(names.md5, reason);
    };
    let bytes = STANDARD.decode(key.trim()).map(Zeroizing::new).unwrap_or_default();
    let Ok(bytes) = <&[u8; 32]>::try_from(bytes.as_slice()) else {
        return invalid(names.key, "The secret key was invalid for the specified algorithm.");
    };
    let digest: [u8; 16] = Md5::digest(bytes).into();
    if STANDARD.decode(md5.trim()).ok().as_deref() != Some(&digest[..]) {
        let reason = "The calculated MD5 hash of the key did not match the hash that was provided.";
        return invalid(names.md5, reason);
    }
    Ok(Some(Customer { key: CustomerKey::new(bytes), md5: STANDARD.encode(digest) }))
}

/// How what is written is to be encrypted, with the customer's key if one came.
///
/// # Errors
/// Headers that contradict each other, or values that cannot be.
pub(crate) fn asked(value: Lookup<'_>, customer: Option<&Customer>) -> Result<AskedEncryption, DoorError> {
    let invalid = |name, reason| Err(DoorError::InvalidArgument { name, reason });
    let method = value(SSE);
    if method.is_some() && customer.is_some() {
        let reason = "Server Side Encryption with Customer provided key is incompatible with the encryption method \
                      specified";
        return invalid(SSE, reason);
    }
    let by_kms = match method.as_deref() {
        None | Some("AES256") => false,
        Some("aws:kms") => true,
        Some("aws:kms:dsse") => return Err(DoorError::NotImplemented { what: SSE }),
        Some(_) => return invalid(SSE, "The encryption method specified is not supported"),
    };
    let (key, context) = (value(KMS_KEY).filter(|key| !key.is_empty()), value(CONTEXT));
    let bucket_key = match value(BUCKET_KEY).map(|text| text.to_ascii_lowercase()).as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return invalid(BUCKET_KEY, "The value must be true or false."),
    };
    if by_kms {
        context.as_deref().map(check_context).transpose()?;
        return Ok(AskedEncryption::Kms { key, context, bucket_key });
    }
    if key.is_some() {
        return invalid(SSE, "A KMS key needs aws:kms as its encryption method.");
    }
    if context.is_some() {
        return invalid(SSE, "An encryption context needs aws:kms as its encryption method.");
    }
    Ok(match (customer, method) {
        (Some(customer), _) => AskedEncryption::Customer(customer.key.clone()),
        (None, Some(_)) => AskedEncryption::Managed,
        (None, None) => AskedEncryption::Nothing,
    })
}

/// Base64 of a JSON object whose values are strings.
fn check_context(text: &str) -> Result<(), DoorError> {
    let pairs = STANDARD.decode(text).ok().filter(|_| text.len() <= CONTEXT_BYTES_MAX);
    let pairs = pairs.and_then(|json| serde_json::from_slice::<BTreeMap<String, String>>(&json).ok());
    let reason = "The encryption context must be base64 of a JSON object of strings.";
    pairs.map(|_| ()).ok_or(DoorError::InvalidArgument { name: CONTEXT, reason })
}

/// Refuses what only writes may say: an object is read as it was encrypted.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn refuse_on_read(value: Lookup<'_>) -> Result<(), DoorError> {
    let reason = "x-amz-server-side-encryption header is not supported for this operation.";
    match value(SSE).or_else(|| value(KMS_KEY)) {
        Some(_) => Err(DoorError::InvalidArgument { name: SSE, reason }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=";
    const MD5: &str = "DWygnHRtgiJ77HCm+1rvHw==";

    fn among<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
    }

    fn code<T>(result: Result<T, DoorError>) -> Result<T, &'static str> {
        result.map_err(|error| error.describe().code)
    }

    #[test]
    fn a_customers_key_comes_whole_or_not_at_all() {
        let read = |pairs: &[(&str, &str)]| {
            let named = |(name, value): &(&str, &str)| {
                let name = match *name {
                    "algorithm" => CUSTOMER.algorithm,
                    "key" => CUSTOMER.key,
                    _ => CUSTOMER.md5,
                };
                (name, (*value).to_owned())
            };
            let pairs: BTreeMap<_, _> = pairs.iter().map(named).collect();
            code(customer(CUSTOMER, &|name| pairs.get(name).cloned()))
        };
        assert!(read(&[]).expect("none").is_none());
        let found = read(&[("algorithm", "AES256"), ("key", KEY), ("md5", MD5)]).expect("read").expect("a key");
        assert_eq!(found.md5, MD5);
        assert_eq!(format!("{found:?}"), format!("Customer {{ key: CustomerKey(…), md5: {MD5:?} }}"));
        for bad in [
            &[("algorithm", "AES256")][..],
            &[("algorithm", "AES256"), ("key", KEY)],
            &[("algorithm", "AES256"), ("md5", MD5)],
            &[("key", KEY), ("md5", MD5)],
            &[("algorithm", "AES128"), ("key", KEY), ("md5", MD5)],
            &[("algorithm", "AES256"), ("key", KEY), ("md5", "AAAAAAAAAAAAAAAAAAAAAA==")],
            &[("algorithm", "AES256"), ("key", KEY), ("md5", "x")],
            &[("algorithm", "AES256"), ("key", "AAAA"), ("md5", MD5)],
            &[("algorithm", "AES256"), ("key", "not base64"), ("md5", MD5)],
            &[("algorithm", "AES256"), ("key", ""), ("md5", "1B2M2Y8AsgTpgAmY7PhCfg==")],
        ] {
            assert_eq!(read(bad).map(|_| ()), Err("InvalidArgument"), "{bad:?}");
        }
    }

    #[test]
    fn what_a_write_may_ask() {
        let read = |pairs: &[(&str, &str)]| code(asked(&among(pairs), None));
        assert!(matches!(read(&[]), Ok(AskedEncryption::Nothing)));
        assert!(matches!(read(&[(SSE, "AES256")]), Ok(AskedEncryption::Managed)));
        let kms = read(&[(SSE, "aws:kms"), (KMS_KEY, "one"), (CONTEXT, "eyJhIjoiYiJ9"), (BUCKET_KEY, "True")]);
        let Ok(AskedEncryption::Kms { key, context, bucket_key }) = kms else { panic!("{kms:?}") };
        assert_eq!((key.as_deref(), context.as_deref(), bucket_key), (Some("one"), Some("eyJhIjoiYiJ9"), Some(true)));
        assert!(matches!(
            read(&[(SSE, "aws:kms"), (KMS_KEY, "")]),
            Ok(AskedEncryption::Kms { key: None, context: None, bucket_key: None })
        ));
        for (bad, expected) in [
            (&[(SSE, "aws:kms:dsse")][..], "NotImplemented"),
            (&[(SSE, "aes:kms")], "InvalidArgument"),
            (&[(SSE, "")], "InvalidArgument"),
            (&[(KMS_KEY, "one")], "InvalidArgument"),
            (&[(SSE, "AES256"), (KMS_KEY, "one")], "InvalidArgument"),
            (&[(SSE, "AES256"), (CONTEXT, "e30=")], "InvalidArgument"),
            (&[(SSE, "aws:kms"), (CONTEXT, "{}")], "InvalidArgument"),
            (&[(SSE, "aws:kms"), (CONTEXT, "eyJhIjoxfQ==")], "InvalidArgument"),
            (&[(SSE, "aws:kms"), (BUCKET_KEY, "yes")], "InvalidArgument"),
        ] {
            assert_eq!(read(bad).map(|_| ()), Err(expected), "{bad:?}");
        }
        let long = STANDARD.encode(format!("{{\"a\":\"{}\"}}", "b".repeat(3100)));
        assert_eq!(read(&[(SSE, "aws:kms"), (CONTEXT, &long)]).map(|_| ()), Err("InvalidArgument"));
    }

    #[test]
    fn a_customers_key_goes_with_no_other_method() {
        let customer = Customer { key: CustomerKey::new(&[1; 32]), md5: MD5.to_owned() };
        let read = |pairs: &[(&str, &str)]| code(asked(&among(pairs), Some(&customer)));
        assert!(matches!(read(&[]), Ok(AskedEncryption::Customer(_))));
        for method in ["AES256", "aws:kms", "aws:kms:dsse"] {
            assert_eq!(read(&[(SSE, method)]).map(|_| ()), Err("InvalidArgument"), "{method}");
        }
        assert_eq!(read(&[(KMS_KEY, "one")]).map(|_| ()), Err("InvalidArgument"));
    }

    #[test]
    fn a_read_does_not_say_how_to_encrypt() {
        assert_eq!(refuse_on_read(&among(&[])), Ok(()));
        for name in [SSE, KMS_KEY] {
            assert_eq!(code(refuse_on_read(&among(&[(name, "AES256")]))), Err("InvalidArgument"));
        }
    }
}
