//! Who is asking: from a signature to a caller.
//!
//! Owns: looking the credential up and making the [`Caller`] of it. Does not own: how a signature is verified (`auth`), or
//! what the caller may do (the store).
//! Invariant: without a signature that holds there is no caller but an anonymous one, where the operator allows it, and
//! without a caller nothing is done.

use std::net::IpAddr;

use http::Uri;
use http::request::Parts;
use pipeline::{Caller, Credential, StoreError, Who};
use schemas::{AccessKeyId, RequestId, TenantId, TenantName};

use crate::auth::{AuthError, Presentation, Verified, Verifier, anonymous_payload};
use crate::errors::{DoorError, Failure};
use crate::service::Options;

pub(crate) struct Gate {
    verifier: Verifier,
    public_host: Option<String>,
    anonymous: Option<TenantName>,
}

impl Gate {
    pub(crate) fn new(options: &Options) -> Self {
        let public = options.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
        let public_host = public.and_then(|url| Some(url.authority()?.as_str().to_owned()));
        Self { verifier: Verifier::new(options.region.clone()), public_host, anonymous: options.anonymous.clone() }
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
        let Presentation::Signed(presented) = self.verifier.present(parts, visit.now_s)? else {
            return self.admit_anonymous(parts, visit, anonymous);
        };
        let access_key = presented.access_key.clone();
        let Some(credential) = credential(&access_key)? else {
            return Err(AuthError::InvalidAccessKeyId { access_key: access_key.as_str().to_owned() }.into());
        };
        // Where the host names the bucket, a signature for the public host says nothing of that bucket.
        let other_host = self.public_host.as_deref().filter(|_| !visit.by_host);
        let verified = self.verifier.verify(parts, &presented, &credential.secret, other_host)?;
        let caller = Caller {
            tenant: credential.tenant,
            who: Who::User {
                user: credential.user,
                display_name: credential.display_name,
                access_key,
                scopes: credential.scopes,
            },
            source: visit.source,
            request: visit.request,
        };
        Ok((caller, verified))
    }
}

impl Gate {
    /// A request without a credential, where the operator takes them: its tenant is the one they are for.
    fn admit_anonymous(
        &self,
        parts: &Parts,
        visit: Visit,
        tenant: impl FnOnce(&TenantName) -> Result<Option<TenantId>, StoreError>,
    ) -> Result<(Caller, Verified), Failure> {
        let payload = anonymous_payload(&parts.headers)?;
        let tenant = self.anonymous.as_ref().map(tenant).transpose()?.flatten();
        let tenant = tenant.ok_or(DoorError::Anonymous)?;
        let caller = Caller { tenant, who: Who::Anonymous, source: visit.source, request: visit.request };
        Ok((caller, Verified { payload, chunks: None }))
    }
}

/// When, where from and how a request came.
pub(crate) struct Visit {
    /// Wall clock, seconds of the Unix epoch.
    pub(crate) now_s: i64,
    /// Whether the host names the bucket.
    pub(crate) by_host: bool,
    /// What the request is called.
    pub(crate) request: RequestId,
    /// Where it came from.
    pub(crate) source: Option<IpAddr>,
}
