//! A small client of the admin API, and of the native API.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{Connection, Credentials, Server};

/// A client of HTTP. Where the program is built beside it, it has TLS and must be told by whom.
fn client() -> reqwest::Client {
    // Another client may have said so already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// A connection with a token.
pub struct Admin {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Admin {
    /// With the token of the first start.
    ///
    /// # Errors
    /// When there is none.
    pub fn new(server: &Server) -> Result<Self> {
        let token = server.environment.get("HOLDFAST_ADMIN_TOKEN").context("an admin token")?;
        Self::with_token(server, token)
    }

    /// With a token that is known.
    ///
    /// # Errors
    /// When there is no runtime to be had.
    pub fn with_token(server: &Server, token: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let base = format!("http://{}/admin/api/v1", server.admin);
        Ok(Self { runtime, client: client(), base, token: token.to_owned() })
    }

    /// Of the native API, with a token for an access key.
    ///
    /// # Errors
    /// When there is no token to be had.
    pub fn native(server: &Server, credentials: &Credentials) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (client, base) = (client(), format!("http://{}/api/v1", server.address));
        let Credentials { access_key, secret, .. } = credentials;
        let answer: Value = runtime.block_on(async {
            let asked = client.post(format!("{base}/auth/token")).basic_auth(access_key, Some(secret)).send().await?;
            Ok::<_, anyhow::Error>(asked.error_for_status()?.json().await?)
        })?;
        let token = answer["accessToken"].as_str().context("an access token")?.to_owned();
        Ok(Self { runtime, client, base, token })
    }

    /// Posts to a path of the API; none when the connection broke.
    ///
    /// # Errors
    /// Any answer but a success.
    pub fn post(&self, path: &str, body: &Value) -> Result<Option<Value>> {
        let url = format!("{}{path}", self.base);
        self.runtime.block_on(async {
            let Ok(answer) = self.client.post(url).bearer_auth(&self.token).json(body).send().await else {
                return Ok(None);
            };
            let status = answer.status();
            let Ok(body) = answer.bytes().await else { return Ok(None) };
            if !status.is_success() {
                bail!("{path} answered {status}: {}", String::from_utf8_lossy(&body));
            }
            Ok(Some(serde_json::from_slice(&body)?))
        })
    }

    /// Gets a path of the API.
    ///
    /// # Errors
    /// Any answer but a success.
    pub fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        self.runtime.block_on(async {
            let answer = self.client.get(url).bearer_auth(&self.token).send().await?;
            Ok(answer.error_for_status()?.json().await?)
        })
    }
}

/// Whether a key works: as was acknowledged, and as was asked for without an answer.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    acknowledged: Option<bool>,
    asked: Option<bool>,
}

/// Access keys that are made and revoked, and what is known of each.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, Standing>);

const SECRET: &str = "a-secret-of-the-suite";

impl Keys {
    /// Makes a key, or revokes the one made before. False when the connection broke.
    ///
    /// # Errors
    /// Any answer but a success.
    pub fn step(&mut self, admin: &Admin) -> Result<bool> {
        let last = self.0.iter_mut().next_back().filter(|(_, standing)| standing.acknowledged == Some(true));
        let (path, body, id, works) = match last {
            Some((id, _)) => (format!("/tenants/default/keys/{id}/revoke"), json!({}), id.clone(), false),
            None => {
                let id = format!("HFSUITE{:06}", self.0.len());
                ("/tenants/default/keys".to_owned(), json!({ "accessKeyId": id, "secretKey": SECRET }), id, true)
            }
        };
        let standing = self.0.entry(id).or_default();
        standing.asked = Some(works);
        let answered = admin.post(&path, &body)?.is_some();
        if answered {
            *standing = Standing { acknowledged: Some(works), asked: None };
        }
        Ok(answered)
    }

    /// Each key works as acknowledged, or as asked for; then that is what is known.
    ///
    /// # Errors
    /// A key that does neither.
    pub fn check(&mut self, server: &Server) -> Result<()> {
        for (id, standing) in &mut self.0 {
            let credentials = Credentials { access_key: id.clone(), secret: SECRET.to_owned() };
            let status = Connection::new(server.address, credentials).get("/")?.status;
            let works = match status {
                200 => true,
                403 => false,
                status => bail!("key {id} answered {status}"),
            };
            // A key that was never made works as little as one that was revoked.
            let expected = standing.acknowledged.unwrap_or(false);
            if works != expected && standing.asked != Some(works) {
                bail!("key {id} works: {works}, and is known as {standing:?}");
            }
            *standing = Standing { acknowledged: standing.acknowledged.map(|_| works).or(Some(works)), asked: None };
        }
        Ok(())
    }

    /// How many were made.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
