//! Whether a signature's claim holds: time, scope, completeness, and the signature itself.

use std::fmt;

use http::request::Parts;
use secrecy::SecretString;

use super::canonical::{canonical_request, string_to_sign};
use super::chunks::ChunkSigning;
use super::error::{AuthError, Place, SignatureMismatch};
use super::keys::{SigningKeys, is_signature};
use super::policy::PostPolicy;
use super::post::{FormFields, PostSigning, PresentedPost};
use super::present::{self, PayloadForm, Presentation, Presented};
use super::time::SKEW_MAX_S;
use super::version_2::{self, PresentedVersion2};

/// Longest life of a presigned URL: 7 days.
pub(super) const EXPIRES_MAX_S: i64 = 7 * 24 * 60 * 60;

/// Headers that change what a request does, by the beginning of their names: they count only if they are signed. An unsigned
/// `x-amz-copy-source` on a presigned PUT would make it a copy of anything its signer can read.
const SIGNED_PREFIXES: [&str; 3] = ["x-amz-", "x-holdfast-", "x-lockwell-"];

/// A signature that holds.
#[derive(Debug)]
pub struct Verified {
    /// What it says of the body.
    pub payload: PayloadForm,
    /// Verifies the chunks, if the payload's form has signed ones.
    pub chunks: Option<ChunkSigning>,
}

/// Verifies signatures. One for all requests: it remembers signing keys.
pub struct Verifier {
    region: Option<String>,
    accepts_version_2: bool,
    keys: SigningKeys,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("region", &self.region).finish_non_exhaustive()
    }
}

impl Verifier {
    /// With a `region`, signatures for any other are refused; without, all are taken.
    #[must_use]
    pub fn new(region: Option<String>) -> Self {
        Self { region, accepts_version_2: true, keys: SigningKeys::new() }
    }

    /// The same that takes signatures of Version 2 or not. They have no region.
    #[must_use]
    pub fn accepting_version_2(self, accepts_version_2: bool) -> Self {
        Self { accepts_version_2, ..self }
    }

    /// What the request claims, after every check that needs no secret. `now_s`: the wall clock, seconds of the Unix epoch.
    ///
    /// # Errors
    /// All of [`AuthError`] but [`AuthError::SignatureDoesNotMatch`]; [`AuthError::InvalidAccessKeyId`] only for an id that no key
    /// can have.
    pub fn present(&self, parts: &Parts, now_s: i64) -> Result<Presentation, AuthError> {
        let presentation = present::read(parts)?;
        match &presentation {
            Presentation::Anonymous => {}
            Presentation::Signed(presented) => {
                self.check_scope(&presented.region, &presented.date, presented.timestamp.date(), presented.place())?;
                check_time(presented, now_s)?;
                check_complete(parts, presented)?;
            }
            Presentation::SignedVersion2(_) if !self.accepts_version_2 => return Err(AuthError::UnsupportedMechanism),
            Presentation::SignedVersion2(presented) => presented.check(parts, now_s)?,
        }
        Ok(presentation)
    }

    /// Whether the request was signed with `secret`. `other_host` is the host of `server.public_url`, under which a client behind
    /// a proxy may have signed when the proxy changed `Host`.
    ///
    /// `other_host` must be given only when the bucket was read from the path. Where `Host` names the bucket, a signature for
    /// another host says nothing about that bucket: `GET /a/b` signed for the public host would open key `a/b` of any bucket.
    ///
    /// # Errors
    /// [`AuthError::SignatureDoesNotMatch`].
    pub fn verify(
        &self,
        parts: &Parts,
        presented: &Presented,
        secret: &SecretString,
        other_host: Option<&str>,
    ) -> Result<Verified, AuthError> {
        let Presented { access_key, date, region, .. } = presented;
        self.keys.with(access_key, secret, date, region, |key| {
            let canonical = canonical_request(parts, presented, None);
            let text = string_to_sign(presented, &canonical);
            let mut expected = key.sign(text.as_bytes());
            let mut holds = is_signature(&expected, &presented.signature.0);
            if let (false, Some(host)) = (holds, other_host) {
                let canonical = canonical_request(parts, presented, Some(host));
                expected = key.sign(string_to_sign(presented, &canonical).as_bytes());
                holds = is_signature(&expected, &presented.signature.0);
            }
            if !holds {
                return Err(AuthError::SignatureDoesNotMatch(Box::new(SignatureMismatch {
                    access_key: access_key.clone(),
                    string_to_sign: text,
                    canonical_request: Some(canonical),
                    signature_provided: presented.signature.0.clone(),
                })));
            }
            let chunks = presented
                .payload
                .has_signed_chunks()
                .then(|| ChunkSigning::new(key.clone(), presented.timestamp.text.clone(), presented.scope(), expected));
            Ok(Verified { payload: presented.payload, chunks })
        })
    }

    /// Whether a request of Version 2 was signed with `secret`. `host_bucket` is the bucket that `Host` names, if it names one:
    /// it is signed in its stead.
    ///
    /// # Errors
    /// [`AuthError::SignatureDoesNotMatch`].
    pub fn verify_version_2(
        &self,
        parts: &Parts,
        presented: &PresentedVersion2,
        secret: &SecretString,
        host_bucket: Option<&str>,
    ) -> Result<Verified, AuthError> {
        presented.verify(parts, secret, host_bucket)?;
        Ok(Verified { payload: presented.payload, chunks: None })
    }

    /// What a POST form claims; none if it has neither policy nor signature. The policy's own time limit is the form's:
    /// there is no other.
    ///
    /// # Errors
    /// [`AuthError::MissingField`], [`AuthError::Malformed`], [`AuthError::WrongRegion`], [`AuthError::InvalidToken`],
    /// [`AuthError::UnsupportedMechanism`], [`AuthError::SeveralMechanisms`], [`AuthError::InvalidAccessKeyId`].
    pub fn present_post(&self, fields: &FormFields) -> Result<Option<PresentedPost>, AuthError> {
        let presented = PresentedPost::read(fields)?;
        match presented.as_ref().map(|presented| &presented.signing) {
            Some(PostSigning::Version4 { date, region, timestamp }) => {
                self.check_scope(region, date, timestamp.date(), Place::Form)?;
            }
            Some(PostSigning::Version2) if !self.accepts_version_2 => return Err(AuthError::UnsupportedMechanism),
            Some(PostSigning::Version2) | None => {}
        }
        Ok(presented)
    }

    /// Whether the form's policy was signed with `secret`, and the policy. It still has to be checked against the form
    /// ([`PostPolicy::check`]).
    ///
    /// # Errors
    /// [`AuthError::SignatureDoesNotMatch`]; [`AuthError::Policy`] if what was signed is not a policy.
    pub fn verify_post_policy(
        &self,
        presented: &PresentedPost,
        secret: &SecretString,
    ) -> Result<PostPolicy, AuthError> {
        let PresentedPost { access_key, signing, policy, signature } = presented;
        let mismatch = || {
            AuthError::SignatureDoesNotMatch(Box::new(SignatureMismatch {
                access_key: access_key.clone(),
                string_to_sign: policy.clone(),
                canonical_request: None,
                signature_provided: signature.0.clone(),
            }))
        };
        match signing {
            PostSigning::Version4 { date, region, .. } => {
                self.keys.with(access_key, secret, date, region, |key| {
                    is_signature(&key.sign(policy.as_bytes()), &signature.0).then_some(()).ok_or_else(mismatch)
                })?;
            }
            PostSigning::Version2 if version_2::is_signature(secret, policy.as_bytes(), &signature.0) => {}
            PostSigning::Version2 => return Err(mismatch()),
        }
        Ok(PostPolicy::parse(policy)?)
    }

    fn check_scope(&self, region: &str, date: &str, timestamp_date: &str, place: Place) -> Result<(), AuthError> {
        if let Some(expected) = &self.region
            && expected != region
        {
            return Err(AuthError::WrongRegion { expected: expected.clone(), presented: region.to_owned() });
        }
        if date != timestamp_date {
            let why = format!(
                "Invalid credential date \"{date}\". This date is not the same as X-Amz-Date: \"{timestamp_date}\"."
            );
            return Err(AuthError::Malformed { place, why });
        }
        Ok(())
    }
}

fn check_time(presented: &Presented, now_s: i64) -> Result<(), AuthError> {
    let signed_s = presented.timestamp.seconds;
    let request_time = || presented.timestamp.text.clone();
    let Some(expires_in_s) = presented.expires else {
        return presented.timestamp.check_skew(now_s);
    };
    if signed_s > now_s.saturating_add(SKEW_MAX_S) {
        return Err(AuthError::NotYetValid { request_time: request_time(), server_time_s: now_s });
    }
    let expired_at_s = signed_s.saturating_add(expires_in_s);
    if now_s > expired_at_s {
        return Err(AuthError::Expired { expires_in_s: Some(expires_in_s), expired_at_s, server_time_s: now_s });
    }
    Ok(())
}

fn check_complete(parts: &Parts, presented: &Presented) -> Result<(), AuthError> {
    let is_signed = |name: &str| presented.signed_headers.binary_search_by(|signed| signed.as_str().cmp(name)).is_ok();
    // Header names arrive in lower case.
    let must_be_signed = |name: &&str| SIGNED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let mut names: Vec<String> = parts
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(must_be_signed)
        .chain(["host"])
        .filter(|name| !is_signed(name))
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Ok(());
    }
    names.sort_unstable();
    Err(AuthError::HeadersNotSigned { names })
}
