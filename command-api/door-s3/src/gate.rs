//! Who is asking: from a signature to a caller.
//!
//! Owns: looking the credential up and making the [`Caller`] of it. Does not own: how a signature is verified (`auth`), or
//! what the caller may do (the store).
//! Invariant: without a signature that holds there is no caller, and without a caller nothing is done.

use std::net::IpAddr;

use http::Uri;
use http::request::Parts;
use pipeline::{Caller, Credential, StoreError};
use schemas::{AccessKeyId, RequestId};

use crate::auth::{AuthError, Presentation, Verified, Verifier};
use crate::errors::{DoorError, Failure};
use crate::service::Options;

pub(crate) struct Gate {
    verifier: Verifier,
    public_host: Option<String>,
}

impl Gate {
    pub(crate) fn new(options: &Options) -> Self {
        let public = options.public_url.as_deref().and_then(|url| url.parse::<Uri>().ok());
        let public_host = public.and_then(|url| Some(url.authority()?.as_str().to_owned()));
        Self { verifier: Verifier::new(options.region.clone()), public_host }
    }

    /// # Errors
    /// The signature does not hold, there is none, or its key does not work.
    pub(crate) fn admit(
        &self,
        parts: &Parts,
        visit: Visit,
        credential: impl FnOnce(&AccessKeyId) -> Result<Option<Credential>, StoreError>,
    ) -> Result<(Caller, Verified), Failure> {
        let Presentation::Signed(presented) = self.verifier.present(parts, visit.now_s)? else {
            return Err(DoorError::Anonymous.into());
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
            user: credential.user,
            display_name: credential.display_name,
            access_key,
            scopes: credential.scopes,
            source: visit.source,
            request: visit.request,
        };
        Ok((caller, verified))
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
