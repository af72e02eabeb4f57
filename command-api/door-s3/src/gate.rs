//! Who is asking: from a signature to a caller.
//!
//! Owns: looking the credential up and making the [`Caller`] of it. Does not own: how a signature is verified (`auth`), or
//! what the caller may do (the store).
//! Invariant: without a signature that holds there is no caller but an anonymous one, where the operator allows it, and
//! without a caller nothing is done.

use std::net::IpAddr;

use http::Uri;
use http::request::Parts;
use pipeline::{Caller, Circumstances, Credential, Signature, SignaturePlace, SignatureVersion, StoreError, Who};
use schemas::{AccessKeyId, RequestId, TenantId, TenantName, Time};

use crate::auth::{
    AuthError, FormFields, LengthRange, Place, Presentation, Timestamp, Verified, Verifier, anonymous_payload,
};
use crate::errors::{DoorError, Failure};
use crate::service::Options;

pub(crate) struct Gate {
    verifier: Verifier,
    public_host: Option<String>,
    allow_anonymous: bool,
}

impl Gate {
    pub(crate) fn new(options: &Options) -> Self {
        let public = options.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
        let public_host = public.and_then(|url| Some(url.authority()?.as_str().to_owned()));
        let verifier = Verifier::new(options.region.clone()).accepting_version_2(options.allow_sigv2);
        Self { verifier, public_host, allow_anonymous: options.allow_anonymous }
    }

    /// # Errors
    /// The signature does not hold, there is none, or its key does not work.
    pub(crate) fn admit(
        &self,
        parts: &Parts,
        visit: Visit,
        credential: impl FnOnce(&AccessKeyId) -> Result<Option<Credential>, StoreError>,
        anonymous: impl FnOnce(&TenantName) -> Result<Option<TenantId>, StoreError>,
    ) -> Result<(Caller, Verified), Failure> {
        match self.verifier.present(parts, visit.now_s)? {
            Presentation::Anonymous => {
                let payload = anonymous_payload(&parts.headers)?;
                Ok((self.anonymous_caller(visit, anonymous)?, Verified { payload, chunks: None }))
            }
            Presentation::Signed(presented) => {
                let credential = found(&presented.access_key, credential)?;
                // Where the host names the bucket, a signature for the public host says nothing of that bucket.
                let other_host = self.public_host.as_deref().filter(|_| visit.host_bucket.is_none());
                let verified = self.verifier.verify(parts, &presented, &credential.secret, other_host)?;
                let signature = signature(SignatureVersion::V4, presented.place(), Some(&presented.timestamp));
                Ok((visit.caller(credential, presented.access_key, signature), verified))
            }
            Presentation::SignedVersion2(presented) => {
                let credential = found(&presented.access_key, credential)?;
                let host_bucket = visit.host_bucket.as_deref();
                let verified = self.verifier.verify_version_2(parts, &presented, &credential.secret, host_bucket)?;
                // One in a query says when it ends and not when it was made.
                let place = if presented.made().is_some() { Place::Header } else { Place::Query };
                let signature = signature(SignatureVersion::V2, place, presented.made());
                Ok((visit.caller(credential, presented.access_key, signature), verified))
            }
        }
    }

    /// The same of a form for `bucket`, which carries its signature in its fields; and how long its file may be. A form without
    /// one is a request without a credential.
    ///
    /// # Errors
    /// As [`Gate::admit`], or the form is not what its policy allows.
    pub(crate) fn admit_form(
        &self,
        fields: &FormFields,
        bucket: &str,
        visit: Visit,
        credential: impl FnOnce(&AccessKeyId) -> Result<Option<Credential>, StoreError>,
        anonymous: impl FnOnce(&TenantName) -> Result<Option<TenantId>, StoreError>,
    ) -> Result<(Caller, LengthRange), Failure> {
        let Some(presented) = self.verifier.present_post(fields)? else {
            return Ok((self.anonymous_caller(visit, anonymous)?, LengthRange::ANY));
        };
        let credential = found(&presented.access_key, credential)?;
        let policy = self.verifier.verify_post_policy(&presented, &credential.secret)?;
        policy.check(fields, bucket, visit.now_s).map_err(AuthError::Policy)?;
        let version = if presented.is_version_2() { SignatureVersion::V2 } else { SignatureVersion::V4 };
        let signature = signature(version, Place::Form, presented.made());
        Ok((visit.caller(credential, presented.access_key, signature), policy.length_range()))
    }

    /// A request without a credential, where the operator takes them: its tenant is the one they are for.
    fn anonymous_caller(
        &self,
        visit: Visit,
        tenant: impl FnOnce(&TenantName) -> Result<Option<TenantId>, StoreError>,
    ) -> Result<Caller, Failure> {
        let named = visit.unsigned.as_ref().filter(|_| self.allow_anonymous);
        let tenant = named.map(tenant).transpose()?.flatten();
        let tenant = tenant.ok_or(DoorError::Anonymous)?;
        let circumstances = visit.circumstances(None);
        Ok(Caller { tenant, who: Who::Anonymous, source: visit.source, request: visit.request, circumstances })
    }
}

fn found(
    access_key: &AccessKeyId,
    credential: impl FnOnce(&AccessKeyId) -> Result<Option<Credential>, StoreError>,
) -> Result<Credential, Failure> {
    let invalid = || AuthError::InvalidAccessKeyId { access_key: access_key.as_str().to_owned() };
    Ok(credential(access_key)?.ok_or_else(invalid)?)
}

/// How and when a request was signed, as policies ask for it.
fn signature(version: SignatureVersion, place: Place, made: Option<&Timestamp>) -> Signature {
    let place = match place {
        Place::Header => SignaturePlace::Header,
        Place::Query => SignaturePlace::Query,
        Place::Form => SignaturePlace::Form,
    };
    let time =
        |made: &Timestamp| Time(u64::try_from(made.unix_seconds()).unwrap_or_default().saturating_mul(1_000_000));
    Signature { version, place, made: made.map(time) }
}

/// When, where from and how a request came.
pub(crate) struct Visit {
    /// Wall clock, seconds of the Unix epoch.
    pub(crate) now_s: i64,
    /// The bucket, if the host names it.
    pub(crate) host_bucket: Option<String>,
    /// The tenant that it is for if it has no credential.
    pub(crate) unsigned: Option<TenantName>,
    /// What the request is called.
    pub(crate) request: RequestId,
    /// Where it came from.
    pub(crate) source: Option<IpAddr>,
    /// Whether by TLS, as far as it is known.
    pub(crate) secure: bool,
}

impl Visit {
    fn circumstances(&self, signature: Option<Signature>) -> Circumstances {
        Circumstances { secure: self.secure, signature, ..Circumstances::default() }
    }

    fn caller(self, credential: Credential, access_key: AccessKeyId, signature: Signature) -> Caller {
        Caller {
            circumstances: self.circumstances(Some(signature)),
            tenant: credential.tenant,
            who: Who::User {
                user: credential.user,
                display_name: credential.display_name,
                access_key,
                scopes: credential.scopes,
            },
            source: self.source,
            request: self.request,
        }
    }
}
