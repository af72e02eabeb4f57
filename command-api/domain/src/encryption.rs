//! Server-side encryption: how new content is to be encrypted, and whether whoever comes may have what is.
//!
//! Owns: what wins of the request, its bucket and the operator's keys; which named keys there are; when a customer's key is
//! needed, missing or wrong.
//! Does not own: keys and sealing (vault). Whether a customer's key is the right one is told to the decision.

use schemas::event::{BucketEncryption, Encryption};

use crate::Refusal;

/// What a request says about the encryption of what it writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Asked {
    /// Nothing: as its bucket has it.
    #[default]
    Nothing,
    /// SSE-S3.
    Managed,
    /// SSE-KMS.
    Kms(AskedKms),
    /// SSE-C.
    Customer {
        /// The check of the customer's key, to be kept.
        key_check: Vec<u8>,
    },
}

/// What a request says about SSE-KMS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedKms {
    /// Which key, as the client names it; none for the default.
    pub key: Option<String>,
    /// The encryption context as the client sent it.
    pub context: Option<String>,
    /// Whether a bucket key is asked for, if that is said.
    pub bucket_key: Option<bool>,
}

/// The named keys that an operator configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KmsKeys {
    names: Vec<String>,
    default: Option<String>,
}

impl KmsKeys {
    /// The keys that exist, and the one that is meant where none is named.
    #[must_use]
    pub fn new(names: Vec<String>, default: Option<String>) -> Self {
        Self { names, default }
    }

    /// The key that a client means: by its name, or by an ARN or alias that ends in it.
    ///
    /// # Errors
    /// [`Refusal::KmsKeyNotFound`].
    pub fn find(&self, id: &str) -> Result<&str, Refusal> {
        let known = |name: &str| self.names.iter().find(|known| *known == name).map(String::as_str);
        let resource = id.strip_prefix("arn:").and_then(|arn| arn.splitn(5, ':').nth(4)).unwrap_or(id);
        let bare = resource.strip_prefix("key/").or_else(|| resource.strip_prefix("alias/")).unwrap_or(resource);
        known(id).or_else(|| known(resource)).or_else(|| known(bare)).ok_or(Refusal::KmsKeyNotFound)
    }
}

/// How new content is to be encrypted: as the request says, else as its bucket does, else by the bucket's own keys.
///
/// # Errors
/// [`Refusal::KmsKeyNotFound`] for a key that is not configured; [`Refusal::KmsKeyNotNamed`] where there is no default either.
pub fn choose(asked: Asked, bucket: Option<&BucketEncryption>, keys: &KmsKeys) -> Result<Encryption, Refusal> {
    let of_bucket = match bucket {
        Some(BucketEncryption::Kms { key, bucket_key }) => Some((key.as_deref(), *bucket_key)),
        Some(BucketEncryption::Managed) | None => None,
    };
    let asked = match (asked, of_bucket) {
        (Asked::Managed, _) | (Asked::Nothing, None) => return Ok(Encryption::Managed),
        (Asked::Customer { key_check }, _) => return Ok(Encryption::Customer { key_check }),
        (Asked::Nothing, Some(_)) => AskedKms::default(),
        (Asked::Kms(asked), _) => asked,
    };
    let named = asked.key.as_deref().or(of_bucket.and_then(|(key, _)| key)).or(keys.default.as_deref());
    let named = named.ok_or(Refusal::KmsKeyNotNamed)?;
    Ok(Encryption::Kms {
        key: keys.find(named)?.to_owned(),
        context: asked.context,
        bucket_key: asked.bucket_key.unwrap_or(of_bucket.is_some_and(|(_, bucket_key)| bucket_key)),
    })
}

/// Whether a bucket may be set to this: a default that no write could follow would refuse them all.
///
/// # Errors
/// As [`choose`].
pub fn check_default(bucket: &BucketEncryption, keys: &KmsKeys) -> Result<(), Refusal> {
    choose(Asked::Nothing, Some(bucket), keys).map(|_| ())
}

/// The customer's key that comes with a request, held against what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// No key came.
    Nothing,
    /// One came, and it is not the one.
    Other,
    /// The one.
    Right,
}

/// Whether a request that brings this key may have the content of an object.
///
/// # Errors
/// [`Refusal::InvalidRequest`], [`Refusal::WrongCustomerKey`].
pub fn check_read(encryption: &Encryption, presented: Presented) -> Result<(), Refusal> {
    match (encryption, presented) {
        (Encryption::Customer { .. }, Presented::Right) => Ok(()),
        (Encryption::Customer { .. }, Presented::Other) => Err(Refusal::WrongCustomerKey),
        (Encryption::Customer { .. }, Presented::Nothing) => Err(Refusal::InvalidRequest {
            reason: "The object was stored using a form of Server Side Encryption. The correct parameters must be \
                     provided to retrieve the object.",
        }),
        (Encryption::Managed | Encryption::Kms { .. }, Presented::Nothing) => Ok(()),
        (Encryption::Managed | Encryption::Kms { .. }, Presented::Other | Presented::Right) => {
            Err(Refusal::InvalidRequest { reason: "The encryption parameters are not applicable to this object." })
        }
    }
}

/// Whether a request that brings this key may add to an upload, or complete it.
///
/// # Errors
/// [`Refusal::InvalidRequest`].
pub fn check_upload(encryption: &Encryption, presented: Presented) -> Result<(), Refusal> {
    let refuse = |reason| Err(Refusal::InvalidRequest { reason });
    match (encryption, presented) {
        (Encryption::Customer { .. }, Presented::Right)
        | (Encryption::Managed | Encryption::Kms { .. }, Presented::Nothing) => Ok(()),
        (Encryption::Customer { .. }, Presented::Nothing) => refuse(
            "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate \
             encryption parameters.",
        ),
        (Encryption::Customer { .. }, Presented::Other) => {
            refuse("The provided encryption parameters did not match the ones used originally.")
        }
        (Encryption::Managed | Encryption::Kms { .. }, Presented::Other | Presented::Right) => refuse(
            "The multipart upload initiate did not request encryption with a customer's key. Please resend the request \
             without sending encryption parameters.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KmsKeys {
        KmsKeys::new(vec!["one".to_owned(), "two".to_owned(), "alias/three".to_owned()], None)
    }

    fn with_default() -> KmsKeys {
        KmsKeys { default: Some("two".to_owned()), ..keys() }
    }

    fn asked(key: Option<&str>) -> Asked {
        Asked::Kms(AskedKms { key: key.map(str::to_owned), ..AskedKms::default() })
    }

    fn bucket(key: Option<&str>) -> BucketEncryption {
        BucketEncryption::Kms { key: key.map(str::to_owned), bucket_key: true }
    }

    #[test]
    fn a_key_has_a_name_an_arn_and_an_alias() {
        for (id, found) in [
            ("one", Ok("one")),
            ("arn:aws:kms:eu-west-1:123456789012:key/one", Ok("one")),
            ("key/one", Ok("one")),
            ("alias/two", Ok("two")),
            ("arn:aws:kms:eu-west-1:123456789012:alias/two", Ok("two")),
            ("alias/three", Ok("alias/three")),
            ("arn:aws:kms:eu-west-1:123456789012:alias/three", Ok("alias/three")),
            ("three", Err(Refusal::KmsKeyNotFound)),
            ("four", Err(Refusal::KmsKeyNotFound)),
            ("arn:aws:kms:eu-west-1:123456789012:key/four", Err(Refusal::KmsKeyNotFound)),
            ("arn:one", Err(Refusal::KmsKeyNotFound)),
            ("", Err(Refusal::KmsKeyNotFound)),
        ] {
            assert_eq!(keys().find(id), found, "{id}");
        }
    }

    #[test]
    fn what_a_request_says_wins_over_what_its_bucket_says() {
        let customer = Asked::Customer { key_check: vec![1] };
        for default in [None, Some(BucketEncryption::Managed), Some(bucket(Some("one")))] {
            let chosen = |asked: Asked| choose(asked, default.as_ref(), &keys());
            assert_eq!(chosen(Asked::Managed), Ok(Encryption::Managed));
            assert_eq!(chosen(customer.clone()), Ok(Encryption::Customer { key_check: vec![1] }));
            let bucket_key = matches!(default, Some(BucketEncryption::Kms { .. }));
            let two = Encryption::Kms { key: "two".to_owned(), context: None, bucket_key };
            assert_eq!(chosen(asked(Some("two"))), Ok(two));
        }
        let said = AskedKms { key: Some("one".to_owned()), context: Some("e30=".to_owned()), bucket_key: Some(false) };
        let kept = Encryption::Kms { key: "one".to_owned(), context: Some("e30=".to_owned()), bucket_key: false };
        assert_eq!(choose(Asked::Kms(said), Some(&bucket(Some("two"))), &keys()), Ok(kept));
    }

    #[test]
    fn a_request_that_says_nothing_is_as_its_bucket_has_it() {
        let chosen = |default: Option<BucketEncryption>| choose(Asked::Nothing, default.as_ref(), &with_default());
        assert_eq!(chosen(None), Ok(Encryption::Managed));
        assert_eq!(chosen(Some(BucketEncryption::Managed)), Ok(Encryption::Managed));
        let under = |key: &str| Ok(Encryption::Kms { key: key.to_owned(), context: None, bucket_key: true });
        assert_eq!(chosen(Some(bucket(Some("one")))), under("one"));
        assert_eq!(chosen(Some(bucket(None))), under("two"));
        assert_eq!(check_default(&bucket(None), &with_default()), Ok(()));
        assert!(check_default(&bucket(None), &keys()).is_err());
        assert_eq!(check_default(&bucket(Some("four")), &keys()), Err(Refusal::KmsKeyNotFound));
    }

    #[test]
    fn a_key_that_nobody_named_is_the_buckets_then_the_operators_then_none() {
        assert_eq!(choose(asked(None), None, &with_default()), Ok(Encryption::kms("two")));
        let one = Encryption::Kms { key: "one".to_owned(), context: None, bucket_key: true };
        assert_eq!(choose(asked(None), Some(&bucket(Some("one"))), &with_default()), Ok(one));
        for default in [None, Some(BucketEncryption::Managed), Some(bucket(None))] {
            let refused = choose(asked(None), default.as_ref(), &keys());
            assert_eq!(refused, Err(Refusal::KmsKeyNotNamed));
        }
        assert_eq!(choose(asked(Some("four")), None, &with_default()), Err(Refusal::KmsKeyNotFound));
        assert_eq!(choose(Asked::Nothing, Some(&bucket(Some("four"))), &keys()), Err(Refusal::KmsKeyNotFound));
    }

    #[test]
    fn a_customers_key_opens_its_own_and_is_nothing_to_others() {
        let customer = Encryption::Customer { key_check: vec![1] };
        assert_eq!(check_read(&customer, Presented::Right), Ok(()));
        assert_eq!(check_read(&customer, Presented::Other), Err(Refusal::WrongCustomerKey));
        assert!(matches!(check_read(&customer, Presented::Nothing), Err(Refusal::InvalidRequest { .. })));
        assert_eq!(check_upload(&customer, Presented::Right), Ok(()));
        for presented in [Presented::Nothing, Presented::Other] {
            assert!(matches!(check_upload(&customer, presented), Err(Refusal::InvalidRequest { .. })));
        }
        for encryption in [Encryption::Managed, Encryption::kms("one")] {
            for check in [check_read, check_upload] {
                assert_eq!(check(&encryption, Presented::Nothing), Ok(()));
                for presented in [Presented::Other, Presented::Right] {
                    assert!(matches!(check(&encryption, presented), Err(Refusal::InvalidRequest { .. })));
                }
            }
        }
    }
}
