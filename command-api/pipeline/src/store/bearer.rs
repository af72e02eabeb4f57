//! Signed texts that stand for a credential: bearer tokens (`lwtk_`) and signed URLs (`lwurl_`) of the native API.
//!
//! Owns: their form, their keys, whether the access key behind one still works, and the register of signed URLs.
//! Does not own: what they are for (doors), what the holder may do: that is asked of the key's scopes at every use.
//! Invariant: nothing that a text says is believed before its MAC has held, and no two texts stand for the same payload: both
//! parts are base64 in its one canonical spelling.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Refusal;
use domain::policy::{Resource, authorise};
use event_log::Rows;
use hmac::{Hmac, KeyInit, Mac};
use projections::{query, row};
use schemas::action::Action;
use schemas::event::{SignedUrlRevoked, UrlSigned};
use schemas::{AccessKeyId, BucketName, TenantId, Time, UploadId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Request, Store, internal, rows_error, situation};
use crate::api::{Caller, Credential, Holder, SignedUrlInfo, StoreError};

/// Registered URLs that are looked at together.
const LIST_STEP: usize = 1_000;
/// Form of a payload. Part of the format: another form has another number.
const VERSION: u8 = 1;

/// What a text is for. Each purpose has a key of its own, so that none can stand for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Token,
    Url,
}

impl Purpose {
    fn prefix(self) -> &'static str {
        match self {
            Self::Token => "lwtk_",
            Self::Url => "lwurl_",
        }
    }

    /// Name of the key in the vault. Part of the format.
    fn key_name(self) -> &'static str {
        match self {
            Self::Token => "native-token",
            Self::Url => "native-signed-url",
        }
    }
}

/// Why a text stands for nobody.
#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    /// It is none of ours, or was changed. Another one is needed.
    #[error("not a token of this server")]
    Unknown,
    /// It was one until its time ended. A new one can be had with the same access key.
    #[error("the token has expired")]
    Expired,
    /// Its access key was revoked, disabled or has expired, or its user or tenant is gone or disabled.
    #[error("the access key of the token does not work any more")]
    KeyGone,
    /// It is a signed URL's, and was revoked.
    #[error("the address was revoked")]
    Revoked,
    /// The store could not tell.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whoever a text stands for: the access key, with what it may do now.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// The access key.
    pub access_key: AccessKeyId,
    /// Who it is now.
    pub holder: Holder,
}

/// A new text, and when it ends.
#[derive(Debug, Clone)]
pub struct Minted {
    /// The text. A secret: it is shown to its owner once.
    pub text: String,
    /// When it ends.
    pub expires: Time,
}

/// What a signed URL is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUrl {
    /// `GET` or `PUT`.
    pub method: String,
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: String,
    /// The upload and the number of the part that is put, where it is one.
    pub part: Option<(UploadId, u16)>,
    /// Most bytes that may be put.
    pub bytes_max: Option<u64>,
    /// The type that what is put must have.
    pub content_type: Option<String>,
}

/// What both payloads say of their holder.
#[derive(Clone, Serialize, Deserialize)]
struct Claims {
    v: u8,
    kid: String,
    /// Decimal: a JSON number has too few digits for some clients that look into it.
    tid: String,
    exp: u64,
    jti: String,
    /// When the access key got its secret, if it is not its first: another secret ends what the old one stood for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rot: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct TokenPayload {
    #[serde(flatten)]
    claims: Claims,
    iat: u64,
}

#[derive(Serialize, Deserialize)]
struct UrlPayload {
    #[serde(flatten)]
    claims: Claims,
    m: String,
    b: BucketName,
    k: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<(String, u16)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ct: Option<String>,
}

impl Store {
    /// A bearer token for an access key: it works for `ttl_s` seconds, as long as the key does.
    ///
    /// # Errors
    /// [`StoreError`] when the signing key cannot be had.
    pub fn mint_token(
        &self,
        access_key: &AccessKeyId,
        credential: &Credential,
        ttl_s: u64,
    ) -> Result<Minted, StoreError> {
        let now = self.inner.clock.wall();
        let claims = self.claims(access_key, credential.tenant, now, ttl_s, (self.new_jti(), credential.rotated));
        let expires = claims.ends();
        let text = self.sealed(Purpose::Token, &TokenPayload { claims, iat: now.seconds() })?;
        Ok(Minted { text, expires })
    }

    /// Whoever a bearer token stands for, with what its access key may do now.
    ///
    /// # Errors
    /// [`BearerError`].
    pub fn token_bearer(&self, text: &str) -> Result<Bearer, BearerError> {
        let payload: TokenPayload = self.unsealed(Purpose::Token, text)?;
        self.bearer(&payload.claims)
    }

    /// Whoever an API key's text stands for.
    ///
    /// # Errors
    /// [`BearerError`].
    pub fn api_key_bearer(&self, text: &str) -> Result<Bearer, BearerError> {
        let (access_key, holder) = self.api_key(text)?.ok_or(BearerError::Unknown)?;
        Ok(Bearer { access_key, holder })
    }

    /// Tokens of signed URLs, for the caller's access key and one bucket. They are registered together: listed, counted and
    /// revoked as one.
    ///
    /// # Errors
    /// [`StoreError`]: none works then.
    pub async fn sign_urls(
        &self,
        caller: &Caller,
        urls: Vec<SignedUrl>,
        ttl_s: u64,
    ) -> Result<(String, Vec<Minted>), StoreError> {
        let (Some(access_key), Some(first)) = (caller.access_key(), urls.first().cloned()) else {
            return Err(Refusal::AccessDenied.into());
        };
        let count = u32::try_from(urls.len()).map_err(|error| internal(&error))?;
        let (now, id) = (self.inner.clock.wall(), self.new_jti());
        let rotated = caller.circumstances.key.rotated;
        let claims = self.claims(access_key, caller.tenant, now, ttl_s, (id.clone(), rotated));
        let expires = claims.ends();
        let seal = |url: SignedUrl| {
            let SignedUrl { method, bucket, key, part, bytes_max, content_type } = url;
            let part = part.map(|(upload, number)| (upload.to_string(), number));
            let claims = claims.clone();
            let payload = UrlPayload { claims, m: method, b: bucket, k: key, part, max: bytes_max, ct: content_type };
            Ok(Minted { text: self.sealed(Purpose::Url, &payload)?, expires })
        };
        let minted = urls.into_iter().map(seal).collect::<Result<Vec<_>, StoreError>>()?;
        let signed = UrlSigned {
            id: id.clone(),
            user: caller.user(),
            access_key: access_key.clone(),
            method: first.method,
            bucket: first.bucket,
            key: first.key,
            count,
            expires,
        };
        // Before the first of them is handed out: one that is not registered does not work.
        let signer = caller.clone();
        let decide = move |rows: &dyn Rows| {
            situation::still_works(rows, &signer)?;
            Ok(vec![signed.clone().into()])
        };
        self.inner.tenant_command(Request::of(caller), decide).await?;
        Ok((id, minted))
    }

    /// Whoever the token of a signed URL stands for, and what it is good for.
    ///
    /// # Errors
    /// [`BearerError`].
    pub fn signed_url_bearer(&self, text: &str) -> Result<(Bearer, SignedUrl), BearerError> {
        let UrlPayload { claims, m, b, k, part, max, ct } = self.unsealed(Purpose::Url, text)?;
        let part = match part {
            Some((upload, number)) => Some((upload.parse().map_err(|_| BearerError::Unknown)?, number)),
            None => None,
        };
        let url = SignedUrl { method: m, bucket: b, key: k, part, bytes_max: max, content_type: ct };
        let bearer = self.bearer(&claims)?;
        let snapshot = self.inner.log.snapshot();
        let registered = query::signed_url(snapshot.as_ref(), bearer.holder.tenant, claims.ends(), &claims.jti);
        match registered.map_err(rows_error)? {
            Some(row) if row.revoked.is_none() => Ok((bearer, url)),
            Some(_) => Err(BearerError::Revoked),
            None => Err(BearerError::Unknown),
        }
    }

    /// Signed URLs that work, by their end: those of the caller's user, and of every user to one who administers the tenant
    /// as a whole. `after` is the last one of the page before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_signed_urls(
        &self,
        caller: &Caller,
        after: Option<(Time, String)>,
        max: usize,
    ) -> Result<(Vec<SignedUrlInfo>, bool), StoreError> {
        let all = sees_all(caller)?;
        let (user, now, snapshot) = (caller.user(), self.inner.clock.wall(), self.inner.log.snapshot());
        let (mut found, mut after) = (Vec::new(), after);
        loop {
            let from = after.as_ref().map(|(expires, id)| (*expires, id.as_str()));
            let page =
                query::signed_urls(snapshot.as_ref(), caller.tenant, now, from, LIST_STEP).map_err(rows_error)?;
            let last = page.len() < LIST_STEP;
            after = page.last().map(|(expires, id, _)| (*expires, id.clone()));
            for (expires, id, row) in page {
                if row.revoked.is_none() && (all || row.user == user) {
                    if found.len() == max {
                        return Ok((found, true));
                    }
                    found.push(info(expires, id, row));
                }
            }
            if last {
                return Ok((found, false));
            }
        }
    }

    /// Ends signed URLs before their time, all that were made in one call.
    ///
    /// # Errors
    /// [`Refusal::NoSuchSignedUrl`] for an id that the caller does not see.
    pub async fn revoke_signed_url(&self, caller: &Caller, id: &str) -> Result<(), StoreError> {
        let all = sees_all(caller)?;
        let mut after: Option<(Time, String)> = None;
        let snapshot = self.inner.log.snapshot();
        let expires = loop {
            let from = after.as_ref().map(|(expires, id)| (*expires, id.as_str()));
            let now = self.inner.clock.wall();
            let page =
                query::signed_urls(snapshot.as_ref(), caller.tenant, now, from, LIST_STEP).map_err(rows_error)?;
            let found = page.iter().find(|(_, of, row)| of == id && (all || row.user == caller.user()));
            if let Some((expires, _, _)) = found {
                break *expires;
            }
            after = page.last().map(|(expires, id, _)| (*expires, id.clone()));
            if page.len() < LIST_STEP {
                return Err(Refusal::NoSuchSignedUrl.into());
            }
        };
        drop(snapshot);
        let (tenant, id) = (caller.tenant, id.to_owned());
        self.inner
            .tenant_command(Request::of(caller), move |rows| {
                let row = query::signed_url(rows, tenant, expires, &id).map_err(rows_error)?;
                let revoked = SignedUrlRevoked { id: id.clone(), expires, erased: false };
                Ok(if row.is_some_and(|row| row.revoked.is_none()) { vec![revoked.into()] } else { vec![] })
            })
            .await?;
        Ok(())
    }

    fn new_jti(&self) -> String {
        hex::encode(self.inner.ids.bytes::<16>())
    }

    /// What is said of a key whose secret was looked at: not of the one that it may have now.
    fn claims(
        &self,
        access_key: &AccessKeyId,
        tenant: TenantId,
        now: Time,
        ttl_s: u64,
        (jti, rotated): (String, Option<Time>),
    ) -> Claims {
        Claims {
            v: VERSION,
            kid: access_key.to_string(),
            tid: tenant.to_string(),
            exp: now.seconds().saturating_add(ttl_s),
            jti,
            rot: rotated.map(|rotated| rotated.0),
        }
    }

    fn mac(&self, purpose: Purpose, encoded: &str) -> Result<Hmac<Sha256>, StoreError> {
        let key = self.inner.contents.vault.derive(TenantId::SYSTEM, purpose.key_name());
        let key = key.map_err(|error| internal(&error))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_slice()).expect("HMAC takes keys of any length");
        mac.update(encoded.as_bytes());
        Ok(mac)
    }

    fn sealed(&self, purpose: Purpose, payload: &impl Serialize) -> Result<String, StoreError> {
        let payload = serde_json::to_vec(payload).map_err(|error| internal(&error))?;
        let encoded = URL_SAFE_NO_PAD.encode(payload);
        let mac = self.mac(purpose, &encoded)?.finalize().into_bytes();
        Ok(format!("{}{encoded}.{}", purpose.prefix(), URL_SAFE_NO_PAD.encode(mac)))
    }

    fn unsealed<T: DeserializeOwned>(&self, purpose: Purpose, text: &str) -> Result<T, BearerError> {
        let rest = text.strip_prefix(purpose.prefix()).ok_or(BearerError::Unknown)?;
        let (encoded, mac) = rest.split_once('.').ok_or(BearerError::Unknown)?;
        // This decoder takes the canonical spelling alone: no padding, no stray bits behind the last byte.
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| BearerError::Unknown)?;
        // Compares in a time that says nothing of where they differ.
        self.mac(purpose, encoded)?.verify_slice(&mac).map_err(|_| BearerError::Unknown)?;
        let payload = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| BearerError::Unknown)?;
        serde_json::from_slice(&payload).map_err(|_| BearerError::Unknown)
    }

    fn bearer(&self, claims: &Claims) -> Result<Bearer, BearerError> {
        if claims.v != VERSION {
            return Err(BearerError::Unknown);
        }
        if self.inner.clock.wall().seconds() >= claims.exp {
            return Err(BearerError::Expired);
        }
        let access_key = AccessKeyId::parse(&claims.kid).map_err(|_| BearerError::Unknown)?;
        let holder = self.holder(&access_key)?.ok_or(BearerError::KeyGone)?;
        // A key of this id that another tenant made since then is another key.
        if holder.tenant.to_string() != claims.tid {
            return Err(BearerError::Unknown);
        }
        if holder.rotated.map(|rotated| rotated.0) != claims.rot {
            return Err(BearerError::KeyGone);
        }
        Ok(Bearer { access_key, holder })
    }
}

impl Claims {
    fn ends(&self) -> Time {
        Time(self.exp.saturating_mul(1_000_000))
    }
}

/// Whether the caller sees what others signed: an administrator of the tenant as a whole does.
pub(super) fn sees_all(caller: &Caller) -> Result<bool, Refusal> {
    let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
    let administers = authorise(scopes, Action::ManageKeys, Resource::Tenant).is_ok();
    Ok(administers && "op=admin".parse().is_ok_and(|whole: schemas::scope::Scopes| whole.within(scopes)))
}

fn info(expires: Time, id: String, row: row::SignedUrl) -> SignedUrlInfo {
    let row::SignedUrl { user, access_key, method, bucket, key, count, created, .. } = row;
    SignedUrlInfo { id, user, access_key, method, bucket, key, count, created, expires }
}
