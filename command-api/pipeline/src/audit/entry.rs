//! One request, as the access log keeps it.
//!
//! Owns: the shape of an entry, its bounds, its sealed form.
//! Does not own: when one is kept.
//! Invariant: no secret, signature or token has a field to stand in.

use std::net::IpAddr;

use event_log::Table;
use schemas::{Position, RequestId, TenantId, Time};
use serde::{Deserialize, Serialize};
use vault::{Vault, VaultError};

use crate::api::{AdminCaller, Caller, SignaturePlace, Who};

/// Requests that no event of a log speaks of. Key: tenant, time, request id.
pub(crate) const ACCESS: Table = Table { name: "access" };

/// Purpose of sealed entries in the vault. Part of the format.
const PURPOSE: &str = "access-log";
/// Shape of an entry. Part of the format.
const VERSION: u8 = 1;

/// Bytes of texts that clients choose, at most: together they stay far below a row's bound.
const NAME_BYTES_MAX: usize = 255;
const KEY_BYTES_MAX: usize = 1_024;

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// S3, on the public listener.
    S3,
    /// The native API, on the public listener.
    Native,
    /// The admin API.
    Admin,
}

impl Surface {
    /// All of them.
    pub const ALL: [Surface; 3] = [Surface::S3, Surface::Native, Surface::Admin];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Surface::S3 => "s3",
            Surface::Native => "native",
            Surface::Admin => "admin",
        }
    }
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It was done.
    Ok,
    /// Its sender may not, or nobody knows who that is.
    Denied,
    /// Anything else that is no success.
    Error,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Verdict; 3] = [Verdict::Ok, Verdict::Denied, Verdict::Error];

    /// Of an HTTP status.
    #[must_use]
    pub fn of(status: u16) -> Self {
        match status {
            ..=399 => Self::Ok,
            401 | 403 => Self::Denied,
            _ => Self::Error,
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Denied => "denied",
            Verdict::Error => "error",
        }
    }

    /// What has this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == name)
    }
}

/// What kind of operation a request is, for metering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// One object or setting is looked at.
    Read,
    /// Something is made or changed.
    Write,
    /// Names are listed.
    List,
    /// Something is removed.
    Delete,
}

impl Class {
    /// Of an operation's HTTP method and name: `GetObject`, `listBuckets`, `objects:batchDelete`.
    #[must_use]
    pub fn of(method: &str, action: &str) -> Self {
        let name = action.to_ascii_lowercase();
        match method {
            "GET" | "HEAD" if name.starts_with("list") => Self::List,
            "GET" | "HEAD" | "OPTIONS" => Self::Read,
            "DELETE" => Self::Delete,
            // Asked for with a body, and nothing changes.
            "POST" if name.starts_with("zip") => Self::Read,
            _ if name.starts_with("delete") || name.starts_with("batchdelete") || name.contains(":batchdelete") => {
                Self::Delete
            }
            _ => Self::Write,
        }
    }
}

/// What somebody is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AskerKind {
    /// Nobody knows who it is: the credential does not hold, or there was none where one is needed.
    #[default]
    Unknown,
    /// A request without a credential, where those are taken.
    Anonymous,
    /// A user, by an access key or a token of one.
    User,
    /// Whoever holds an address that a user signed.
    SignedUrl,
    /// A holder of an admin token.
    Admin,
    /// The server itself.
    System,
}

impl AskerKind {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AskerKind::Unknown => "unknown",
            AskerKind::Anonymous => "anonymous",
            AskerKind::User => "user",
            AskerKind::SignedUrl => "signed-url",
            AskerKind::Admin => "admin",
            AskerKind::System => "system",
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Asker {
    /// What it is known by.
    pub kind: AskerKind,
    /// User, or part of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Id of the access key or admin token; of an unknown one, the id that it claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl Asker {
    /// Of a caller.
    #[must_use]
    pub fn of(caller: &Caller) -> Self {
        let in_query = caller.circumstances.signature.as_ref().is_some_and(|it| it.place == SignaturePlace::Query);
        match &caller.who {
            Who::Anonymous => Self { kind: AskerKind::Anonymous, ..Self::default() },
            Who::Service(service) => {
                Self { kind: AskerKind::System, user: Some(service.name.to_owned()), credential: None }
            }
            Who::User { user, access_key, .. } => Self {
                kind: if in_query { AskerKind::SignedUrl } else { AskerKind::User },
                user: Some(user.to_string()),
                credential: Some(access_key.as_str().to_owned()),
            },
        }
    }

    /// Of an administrator.
    #[must_use]
    pub fn of_admin(admin: &AdminCaller) -> Self {
        Self { kind: AskerKind::Admin, user: None, credential: Some(admin.token.clone()) }
    }

    /// Of nobody known, by the credential it claims to have.
    #[must_use]
    pub fn claiming(credential: Option<&str>) -> Self {
        Self { credential: credential.map(|id| bounded(id, NAME_BYTES_MAX)), ..Self::default() }
    }

    /// Whether it goes by this user, access key or admin token.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        [&self.user, &self.credential].into_iter().any(|it| it.as_deref() == Some(name))
    }
}

/// A request that was answered, or given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Whose: [`TenantId::SYSTEM`] where no tenant is known.
    pub(crate) tenant: TenantId,
    /// When it came: wall clock.
    pub(crate) time: Time,
    /// What it is called.
    pub(crate) request: RequestId,
    /// The rest.
    pub(crate) what: What,
}

/// What a request was and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct What {
    pub(super) v: u8,
    /// Who.
    pub asker: Asker,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// By which door.
    pub surface: Surface,
    /// What it asked for.
    pub action: String,
    /// Of which bucket, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<String>,
    /// Of which object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Of which version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// HTTP status; 499 when nobody waited for the answer any more.
    pub status: u16,
    /// Code of its error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Bytes of its body that were read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_in: u64,
    /// Bytes of its answer that were sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_out: u64,
    /// From its beginning to the last byte of the answer.
    pub took_us: u64,
    /// Where the event of it stands: of a request that failed after it had changed something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Entries that this one stands for: they could not be kept.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl What {
    /// A request about nothing in particular.
    #[must_use]
    pub fn new(surface: Surface, status: u16) -> Self {
        Self {
            v: VERSION,
            asker: Asker::default(),
            source: None,
            surface,
            action: String::new(),
            bucket: None,
            key: None,
            version: None,
            status,
            code: None,
            bytes_in: 0,
            bytes_out: 0,
            took_us: 0,
            position: None,
            lost: 0,
        }
    }

    /// Cuts what is longer than a row can have.
    pub(crate) fn bound(&mut self) {
        let cut = |text: &mut Option<String>, most: usize| {
            if let Some(text) = text {
                shorten(text, most);
            }
        };
        cut(&mut self.bucket, NAME_BYTES_MAX);
        cut(&mut self.key, KEY_BYTES_MAX);
        cut(&mut self.version, NAME_BYTES_MAX);
        cut(&mut self.code, NAME_BYTES_MAX);
        cut(&mut self.asker.user, NAME_BYTES_MAX);
        cut(&mut self.asker.credential, NAME_BYTES_MAX);
        shorten(&mut self.action, NAME_BYTES_MAX);
    }
}

/// Cuts a text where it stands.
fn shorten(text: &mut String, most: usize) {
    text.truncate(text.floor_char_boundary(most));
}

/// The beginning of a text, whole characters of it.
fn bounded(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

/// Key of an entry's row.
pub(crate) fn row_key(tenant: TenantId, time: Time, request: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(16 + request.len());
    key.extend(tenant.0.to_be_bytes());
    key.extend(time.0.to_be_bytes());
    key.extend(request.as_bytes());
    key
}

/// What a key says.
pub(crate) fn parse_key(key: &[u8]) -> Option<(TenantId, Time, String)> {
    let (tenant, rest) = key.split_first_chunk::<8>()?;
    let (time, request) = rest.split_first_chunk::<8>()?;
    let request = std::str::from_utf8(request).ok()?.to_owned();
    Some((TenantId(u64::from_be_bytes(*tenant)), Time(u64::from_be_bytes(*time)), request))
}

/// Key and sealed value of an entry.
///
/// # Errors
/// The tenant's keys are gone.
pub(crate) fn seal(vault: &Vault, entry: &Entry) -> Result<(Vec<u8>, Vec<u8>), VaultError> {
    let key = row_key(entry.tenant, entry.time, &bounded(&entry.request.0, 64));
    let mut plain = Vec::with_capacity(256);
    rmp_serde::encode::write_named(&mut plain, &entry.what)
        .expect("an entry has no map with keys that MessagePack refuses");
    let sealed = vault.seal_secret(entry.tenant, PURPOSE, &key, &plain)?;
    Ok((key, sealed))
}

/// What a row says; none when the key of its tenant was destroyed.
///
/// # Errors
/// Bytes that are no entry of this place.
pub(crate) fn open(vault: &Vault, tenant: TenantId, key: &[u8], sealed: &[u8]) -> Result<Option<What>, String> {
    match vault.open_secret(tenant, PURPOSE, key, sealed) {
        Ok(plain) => rmp_serde::from_slice(&plain).map(Some).map_err(|error| error.to_string()),
        Err(VaultError::Destroyed { .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(folder: &std::path::Path) -> Vault {
        let root = vault::RootKeySource::File(folder.join("root.key"));
        let vault = Vault::open(&folder.join("keys"), &root, true).expect("opens");
        vault.create_tenant_key(TenantId(7)).expect("a key");
        vault
    }

    fn entry(key: &str) -> Entry {
        let mut what = What::new(Surface::S3, 403);
        what.key = Some(key.to_owned());
        what.bucket = Some("b".repeat(4_000));
        what.asker = Asker::claiming(Some(&"k".repeat(4_000)));
        what.version = Some("v".repeat(4_000));
        what.action = "a".repeat(4_000);
        what.code = Some("c".repeat(4_000));
        what.bytes_out = u64::MAX;
        what.took_us = u64::MAX;
        what.bound();
        Entry { tenant: TenantId(7), time: Time(u64::MAX), request: RequestId("r".repeat(500)), what }
    }

    #[test]
    fn the_longest_entry_fits_a_row_and_reads_back_in_its_own_place_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = vault(folder.path());
        let entry = entry(&"\u{10ffff}".repeat(1_000));
        let (key, sealed) = seal(&vault, &entry).expect("seals");
        assert!(key.len() + sealed.len() <= event_log::ROW_BYTES_MAX, "{}", key.len() + sealed.len());
        assert_eq!(parse_key(&key), Some((TenantId(7), Time(u64::MAX), "r".repeat(64))));
        assert_eq!(open(&vault, TenantId(7), &key, &sealed), Ok(Some(entry.what)));
        let elsewhere = row_key(TenantId(7), Time(1), "r");
        assert!(open(&vault, TenantId(7), &elsewhere, &sealed).is_err());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(!text(&sealed).contains("kkkk"), "an entry is sealed");
    }

    #[test]
    fn statuses_and_operations_have_their_kinds() {
        for (status, verdict) in
            [(200, "ok"), (206, "ok"), (304, "ok"), (401, "denied"), (403, "denied"), (404, "error"), (503, "error")]
        {
            assert_eq!(Verdict::of(status).as_str(), verdict, "{status}");
        }
        for (method, action, class) in [
            ("GET", "GetObject", Class::Read),
            ("HEAD", "headObject", Class::Read),
            ("GET", "ListParts", Class::List),
            ("GET", "listBuckets", Class::List),
            ("PUT", "PutObject", Class::Write),
            ("POST", "CompleteMultipartUpload", Class::Write),
            ("POST", "DeleteObjects", Class::Delete),
            ("POST", "batchDeleteObjects", Class::Delete),
            ("POST", "deletePrefix", Class::Delete),
            ("POST", "zipObjects", Class::Read),
            ("DELETE", "AbortMultipartUpload", Class::Delete),
        ] {
            assert_eq!(Class::of(method, action), class, "{method} {action}");
        }
    }
}
