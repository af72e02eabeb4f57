//! Which keys a request's content is under: what domain chose, made usable.
//!
//! Owns: making a named key at its first use, holding a customer's key against what is kept of it.
//! Does not own: the choice (domain), keys (vault), sealing (content).

use domain::encryption::{self, Asked, AskedKms, Presented};
use event_log::Snapshot;
use schemas::TenantId;
use schemas::event::{BucketEncryption, Encryption, Event, Setting};
use vault::NamedKey;

use super::{Found, Inner, internal};
use crate::api::{AskedEncryption, StoreError};
use crate::content::Mode;
use crate::customer_key::CustomerKey;

/// How new content is to be encrypted.
pub(crate) struct Chosen {
    /// As the event has it.
    pub(crate) encryption: Encryption,
    /// With which keys.
    pub(crate) mode: Mode,
}

impl Inner {
    /// What a write to a bucket asks for, or else what the bucket says. A named key is durable when this returns.
    pub(crate) async fn choose_encryption(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        asked: &AskedEncryption,
    ) -> Result<Chosen, StoreError> {
        let default = self.default_encryption(snapshot, tenant, bucket)?;
        let encryption = encryption::choose(said(asked), default.as_ref(), &self.settings.kms_keys)?;
        let mode = match (&encryption, asked) {
            (Encryption::Kms { key, .. }, _) => Mode::Named(self.named_key(tenant, key).await?),
            (Encryption::Customer { .. }, AskedEncryption::Customer(key)) => Mode::Customer(key.0.clone()),
            (Encryption::Managed | Encryption::Customer { .. }, _) => Mode::Managed,
        };
        Ok(Chosen { encryption, mode })
    }

    async fn named_key(&self, tenant: TenantId, name: &str) -> Result<NamedKey, StoreError> {
        let name = NamedKey::of(name);
        if !self.contents.vault.knows_named_key(tenant, name) {
            let vault = self.contents.vault.clone();
            let made = tokio::task::spawn_blocking(move || vault.make_named_key(tenant, name)).await;
            made.map_err(|error| internal(&error))?.map_err(|error| internal(&error))?;
        }
        Ok(name)
    }

    fn default_encryption(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<Option<BucketEncryption>, StoreError> {
        let set = self.setting(snapshot, tenant, &bucket.row, Setting::Encryption)?;
        Ok(set.and_then(|event| match &*event {
            Event::BucketEncryptionSet(set) => set.encryption.clone(),
            _ => None,
        }))
    }
}

/// What a request says, in the words of the decision.
fn said(asked: &AskedEncryption) -> Asked {
    match asked {
        AskedEncryption::Nothing => Asked::Nothing,
        AskedEncryption::Managed => Asked::Managed,
        AskedEncryption::Kms { key, context, bucket_key } => {
            Asked::Kms(AskedKms { key: key.clone(), context: context.clone(), bucket_key: *bucket_key })
        }
        AskedEncryption::Customer(key) => Asked::Customer { key_check: key.0.check() },
    }
}

/// Which keys open what an event says is encrypted so, for whoever brings this key.
///
/// # Errors
/// What domain refuses: a key that is missing, wrong, or of no use here.
pub(crate) fn opening(encryption: &Encryption, key: Option<&CustomerKey>) -> Result<Mode, StoreError> {
    encryption::check_read(encryption, presented(encryption, key))?;
    Ok(mode(encryption, key))
}

/// The same for what is added to an upload.
///
/// # Errors
/// As [`opening`].
pub(crate) fn adding(encryption: &Encryption, key: Option<&CustomerKey>) -> Result<Mode, StoreError> {
    encryption::check_upload(encryption, presented(encryption, key))?;
    Ok(mode(encryption, key))
}

fn presented(encryption: &Encryption, key: Option<&CustomerKey>) -> Presented {
    match (encryption, key) {
        (_, None) => Presented::Nothing,
        (Encryption::Customer { key_check }, Some(key)) if key.0.made(key_check) => Presented::Right,
        (_, Some(_)) => Presented::Other,
    }
}

fn mode(encryption: &Encryption, key: Option<&CustomerKey>) -> Mode {
    match (encryption, key) {
        (Encryption::Customer { .. }, Some(key)) => Mode::Customer(key.0.clone()),
        (Encryption::Kms { key, .. }, _) => Mode::Named(NamedKey::of(key)),
        (Encryption::Managed | Encryption::Customer { .. }, _) => Mode::Managed,
    }
}
