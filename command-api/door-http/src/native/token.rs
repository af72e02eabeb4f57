//! `POST /auth/token`: an access key becomes a token.

use std::sync::Arc;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderValue, Method, StatusCode, header};
use pipeline::Credential;
use pipeline::audit::{Asker, AskerKind};
use schemas::AccessKeyId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::{Answer, App, Entry, answer, entry, gate};
use crate::native::ask::Ask;
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let mint = Operation::new(Method::POST, "/auth/token", "createToken", "auth", "Exchange an access key for a token")
        .about(
            "The access key comes as `Authorization: Basic` of `accessKeyId:secretKey`, or as JSON. The secret is sent once: use \
             TLS. At most 60 requests a minute for one access key.",
        )
        .open()
        .may_take::<AccessKey>()
        .answers::<Token>(200, "The token.")
        .refuses(&[401, 413, 429]);
    vec![entry(mint, create)]
}

// No Debug: it holds a secret.
/// An access key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AccessKey {
    /// Id of the access key.
    access_key_id: String,
    /// Its secret.
    #[schema(format = Password)]
    secret_key: String,
}

/// A bearer token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Token {
    /// The token, to be sent as `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: u64,
    /// When it ends.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// RFC 7617 means base64 with padding; clients leave it out.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Most bytes of a body: it comes from anybody.
const JSON_BYTES_MAX: usize = 4 << 10;

async fn create(app: Arc<App>, mut ask: Ask) -> Answer {
    let (access_key, secret) = match gate::authorization(&ask.words.headers, "basic") {
        Some(text) => basic(text).ok_or_else(unauthorized)?,
        None => {
            let AccessKey { access_key_id, secret_key } = ask.json_within(JSON_BYTES_MAX).await?;
            (access_key_id, SecretString::from(secret_key))
        }
    };
    // What cannot be an access key is none.
    let access_key = AccessKeyId::parse(&access_key).map_err(|_| unauthorized())?;
    let trace = ask.visit.trace.clone();
    trace.asker(Asker::claiming(Some(access_key.as_str())));
    let credential = app.store.credential(&access_key)?;
    let credential = credential.filter(|credential| is_secret(credential, &secret));
    // Who has not the secret uses up nobody's requests but those of where he is.
    let right = credential.is_some();
    app.store.limits().of_token_requests(access_key.as_str(), ask.visit.source.filter(|_| !right), right)?;
    let Some(credential) = credential else {
        tracing::info!("a token was refused");
        return Err(unauthorized());
    };
    trace.tenant(credential.tenant);
    let (user, key) = (Some(credential.user.to_string()), Some(access_key.to_string()));
    trace.asker(Asker { kind: AskerKind::User, user, credential: key });
    let ttl_s = app.options.token_ttl_s;
    let minted = app.store.mint_token(&access_key, &credential, ttl_s)?;
    tracing::info!(tenant = %credential.tenant, %access_key, "a token was made");
    let token = Token {
        access_token: minted.text,
        token_type: "Bearer",
        expires_in: ttl_s,
        expires_at: answer::time(minted.expires),
    };
    let mut response = answer::json(StatusCode::OK, &token);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// One message for all: nobody learns which access keys there are.
fn unauthorized() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "a working access key is needed")
}

fn basic(text: &str) -> Option<(String, SecretString)> {
    let pair = String::from_utf8(BASIC.decode(text).ok()?).ok()?;
    let (access_key, secret) = pair.split_once(':')?;
    Some((access_key.to_owned(), SecretString::from(secret.to_owned())))
}

/// Takes as long wherever they differ.
fn is_secret(credential: &Credential, secret: &SecretString) -> bool {
    credential.secret.expose_secret().as_bytes().ct_eq(secret.expose_secret().as_bytes()).into()
}
