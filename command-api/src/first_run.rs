//! The first start: tenant, user, access key, admin token, bucket, and the file that keeps their secrets.
//!
//! Owns: the order of it, so that a crash anywhere is made good by the next start.
//! Does not own: how each is made.
//! Invariant: a secret is durable before anything is made with it. `first-run.env.pending` stands from then until all is
//! made; renaming it to `first-run.env` ends the first start.

use std::future::Future;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemas::{AccessKeyId, BucketName, TenantName, UserId};
use secrecy::{ExposeSecret, SecretString};

use crate::run_env::{self, FILE_NAME, RunEnv};

const PENDING: &str = "first-run.env.pending";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What is made first. Each call makes the thing or finds it made by an earlier, interrupted one.
pub(crate) trait Installer {
    /// Whether nobody has ever made a tenant.
    fn is_empty(&self) -> impl Future<Output = anyhow::Result<bool>>;
    fn tenant(&self, tenant: &TenantName) -> impl Future<Output = anyhow::Result<()>>;
    fn user(&self, tenant: &TenantName, user: &UserId) -> impl Future<Output = anyhow::Result<()>>;
    fn access_key(
        &self,
        tenant: &TenantName,
        user: &UserId,
        id: &AccessKeyId,
        secret: &SecretString,
    ) -> impl Future<Output = anyhow::Result<()>>;
    fn admin_token(&self, token: &SecretString) -> impl Future<Output = anyhow::Result<()>>;
    fn bucket(
        &self,
        tenant: &TenantName,
        user: &UserId,
        access_key: &AccessKeyId,
        bucket: &BucketName,
    ) -> impl Future<Output = anyhow::Result<()>>;
}

/// The key pair of the first user, when the operator chose one.
#[derive(Debug, Clone)]
pub(crate) struct RootPair {
    pub(crate) access_key: AccessKeyId,
    pub(crate) secret_key: SecretString,
}

impl RootPair {
    /// From `HOLDFAST_ROOT_ACCESS_KEY` and `HOLDFAST_ROOT_SECRET_KEY`: both or neither.
    pub(crate) fn from_environment(environment: &[(String, String)]) -> anyhow::Result<Option<Self>> {
        let find = |name: &str| environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        match (find("HOLDFAST_ROOT_ACCESS_KEY"), find("HOLDFAST_ROOT_SECRET_KEY")) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => {
                let access_key = AccessKeyId::parse(id).context("HOLDFAST_ROOT_ACCESS_KEY")?;
                // The text itself stays out of the message.
                anyhow::ensure!(
                    (8..=128).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()),
                    "HOLDFAST_ROOT_SECRET_KEY must be 8 to 128 visible ASCII characters"
                );
                Ok(Some(Self { access_key, secret_key: secret.into() }))
            }
            _ => anyhow::bail!("HOLDFAST_ROOT_ACCESS_KEY and HOLDFAST_ROOT_SECRET_KEY come together or not at all"),
        }
    }
}

/// How clients reach this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) endpoint_url: String,
    pub(crate) admin_url: String,
    pub(crate) region: String,
}

/// What kind of start this was.
#[derive(Debug)]
pub(crate) enum Start {
    /// Everything was made now.
    First(RunEnv),
    /// There was an installation.
    Later,
}

/// Makes the first start happen, or finishes one that was cut off, or sees that it is long past.
pub(crate) async fn ensure(
    installer: &impl Installer,
    dir: &Path,
    given: Option<RootPair>,
    endpoints: &Endpoints,
    entropy: &dyn Fn(&mut [u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Start> {
    let pending = dir.join(PENDING);
    let found = RunEnv::read(&pending).with_context(|| format!("reading {}", pending.display()))?;
    let interrupted = found.is_some();
    if !interrupted && !installer.is_empty().await? {
        refresh(dir, endpoints);
        return Ok(Start::Later);
    }
    let env = match found {
        Some(env) => at(env, endpoints),
        None => fresh(given, endpoints, entropy)?,
    };
    env.write(&pending).with_context(|| format!("writing {}", pending.display()))?;
    install(installer, &env).await.context("first start")?;
    run_env::rename(&pending, &dir.join(FILE_NAME)).context("ending the first start")?;
    Ok(Start::First(env))
}

async fn install(installer: &impl Installer, env: &RunEnv) -> anyhow::Result<()> {
    let (tenant, user) = (TenantName::parse("default")?, UserId::parse("admin")?);
    let (key, bucket) = (AccessKeyId::parse(&env.access_key)?, BucketName::parse("demo")?);
    installer.tenant(&tenant).await.context("creating tenant default")?;
    installer.user(&tenant, &user).await.context("creating user admin")?;
    installer.access_key(&tenant, &user, &key, &env.secret_key).await.context("creating the access key")?;
    installer.admin_token(&env.admin_token).await.context("creating the admin token")?;
    installer.bucket(&tenant, &user, &key, &bucket).await.context("creating bucket demo")
}

/// Addresses may change from start to start; whoever sources the file wants today's. The operator may have deleted or
/// changed it: then it is theirs.
fn refresh(dir: &Path, endpoints: &Endpoints) {
    let path = dir.join(FILE_NAME);
    let Ok(Some(env)) = RunEnv::read(&path) else { return };
    let now = at(env.clone(), endpoints);
    if (&now.endpoint_url, &now.admin_url, &now.region) == (&env.endpoint_url, &env.admin_url, &env.region) {
        return;
    }
    if let Err(error) = now.write(&path) {
        tracing::warn!(%error, "first-run.env still names the addresses of an earlier start");
    }
}

fn at(env: RunEnv, endpoints: &Endpoints) -> RunEnv {
    let Endpoints { endpoint_url, admin_url, region } = endpoints.clone();
    RunEnv { endpoint_url, admin_url, region, ..env }
}

fn fresh(
    given: Option<RootPair>,
    endpoints: &Endpoints,
    entropy: &dyn Fn(&mut [u8]) -> anyhow::Result<()>,
) -> anyhow::Result<RunEnv> {
    let pair = match given {
        Some(pair) => pair,
        None => RootPair {
            access_key: AccessKeyId::parse(&format!("HF{}", random(BASE32, 18, entropy)?.expose_secret()))?,
            secret_key: random(BASE64, 40, entropy)?,
        },
    };
    let mut token = [0; 32];
    entropy(&mut token)?;
    let Endpoints { endpoint_url, admin_url, region } = endpoints.clone();
    Ok(RunEnv {
        access_key: pair.access_key.to_string(),
        secret_key: pair.secret_key,
        endpoint_url,
        region,
        admin_url,
        admin_token: format!("lwadm_{}", URL_SAFE_NO_PAD.encode(token)).into(),
    })
}

/// `len` characters of an alphabet whose size divides 256, so that none is more likely than another.
fn random<const N: usize>(
    alphabet: &[u8; N],
    len: usize,
    entropy: &dyn Fn(&mut [u8]) -> anyhow::Result<()>,
) -> anyhow::Result<SecretString> {
    const { assert!(256 % N == 0) };
    let mut bytes = vec![0; len];
    entropy(&mut bytes)?;
    let text: String = bytes.iter().map(|&byte| char::from(alphabet[usize::from(byte) % N])).collect();
    Ok(text.into())
}

#[cfg(test)]
mod tests;
