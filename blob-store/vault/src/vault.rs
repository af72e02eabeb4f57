//! The vault: which keys there are, making and destroying them.
//!
//! Owns: opening `DATA/keys/`, the keys in memory, the order of durable steps. Does not own: layouts
//! ([`crate::ring_file`]), sealing ([`crate::sealing`]).
//! Invariants: memory never holds a key that its file does not, nor, once open, one whose file is not
//! durable. Files are written by one thread at a time, and no lock that sealing needs is held meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard, RwLock};
use schemas::{BucketId, KeyId, TenantId};
use zeroize::Zeroizing;

use crate::entropy;
use crate::envelope::{KeyPlace, open_key, seal_key};
use crate::error::{Damage, VaultError};
use crate::folder::{self, KeysFolder};
use crate::named::NamedKey;
use crate::ring::{Derivation, Ring, Slot};
use crate::ring_file::{self, Entry, Holder, Owner, State};
use crate::root::{self, RootKeySource};
use crate::xaes::XaesKey;

/// Most bucket rings kept in memory, a few hundred bytes each. Beyond it all are forgotten and read again as needed.
const CACHED_BUCKETS_MAX: usize = 65_536;

/// Every key of an installation. Blocking; a seal or an open costs about a microsecond, the first use of a bucket
/// reads a file, making and destroying keys waits for the disk.
pub struct Vault {
    folder: KeysFolder,
    root: XaesKey,
    /// Tenants' rings (all of them), buckets' and names' (those used). Held for a look-up, never across I/O.
    rings: RwLock<HashMap<Owner, Arc<Ring>>>,
    /// Held by whoever reads or writes a key file. A ring is put in memory under it, so an older reading of a file
    /// cannot replace what a later writing put there: a destroyed key would come back to life.
    files: Mutex<()>,
}

impl Vault {
    /// Opens `DATA/keys`: proves the root key, reads the tenants' keys, removes what a crash left half-written.
    ///
    /// `fresh` says that the data directory holds no log. Then what is missing is made: the folder, a root key if its
    /// source is a file that does not exist, and its check. A start that crashed half-way may be repeated.
    ///
    /// # Errors
    /// A root key that is missing, malformed or wrong; a check or a tenant's file that is missing or damaged. Unless
    /// `fresh`, nothing has been changed then.
    pub fn open(keys_dir: &Path, root: &RootKeySource, fresh: bool) -> Result<Vault, VaultError> {
        let folder = KeysFolder::new(keys_dir);
        let root = if fresh { first_root(&folder, root)? } else { proved_root(&folder, root)? };
        let vault = Vault { folder, root, rings: RwLock::default(), files: Mutex::new(()) };
        let tenants = vault.folder.tenants()?;
        for tenant in &tenants {
            vault.load(&vault.files.lock(), Owner::tenant(*tenant))?;
        }
        vault.folder.sync(&tenants)?;
        vault.folder.clean()?;
        Ok(vault)
    }

    /// Whether a folder of keys has any tenant's: then somebody has sealed something with it.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn holds_keys(keys_dir: &Path) -> Result<bool, VaultError> {
        Ok(keys_dir.is_dir() && !KeysFolder::new(keys_dir).tenants()?.is_empty())
    }

    /// Makes a key for a tenant, its first or its next. Durable on return, and current from then on.
    ///
    /// # Errors
    /// A damaged key file, or a disk that refused; no key may then be taken as made.
    pub fn create_tenant_key(&self, tenant: TenantId) -> Result<KeyId, VaultError> {
        let files = self.files.lock();
        // Before the tenant: a tenant's first bucket then finds its folder durable.
        self.folder.make_tenant_folder(tenant)?;
        self.add_key(&files, Owner::tenant(tenant), ring_file::ROOT, &self.root)
    }

    /// Makes a key for a bucket, its first or its next. Durable on return, and current from then on.
    ///
    /// # Errors
    /// A tenant without a live key, a damaged key file, or a disk that refused; no key may then be taken as made.
    ///
    /// # Panics
    /// For [`BucketId::NONE`], which is no bucket.
    pub fn create_bucket_key(&self, tenant: TenantId, bucket: BucketId) -> Result<KeyId, VaultError> {
        assert!(bucket != BucketId::NONE, "a bucket's id is never 0");
        let files = self.files.lock();
        let tenant_ring = self.tenant_ring(tenant)?;
        let (wrapping_id, wrapping) = self.current(&tenant_ring, Owner::tenant(tenant))?;
        self.folder.make_tenant_folder(tenant)?;
        self.add_key(&files, Owner::of(tenant, bucket), wrapping_id, wrapping)
    }

    /// Sees to it that a name of a tenant has a key that lives: makes its first one, or one after those that were
    /// destroyed. Durable on return.
    ///
    /// # Errors
    /// As [`Vault::create_bucket_key`].
    pub fn make_named_key(&self, tenant: TenantId, name: NamedKey) -> Result<(), VaultError> {
        let owner = Owner::named(tenant, name);
        if self.knows_named_key(tenant, name) {
            return Ok(());
        }
        let files = self.files.lock();
        // Under the lock once more: another request may have made it since.
        if self.load(&files, owner)?.is_some_and(|ring| !ring.is_destroyed()) {
            return Ok(());
        }
        let tenant_ring = self.tenant_ring(tenant)?;
        let (wrapping_id, wrapping) = self.current(&tenant_ring, Owner::tenant(tenant))?;
        self.folder.make_tenant_folder(tenant)?;
        self.add_key(&files, owner, wrapping_id, wrapping).map(|_| ())
    }

    /// Whether memory has a key of this name that lives. Does not look at the disk.
    #[must_use]
    pub fn knows_named_key(&self, tenant: TenantId, name: NamedKey) -> bool {
        self.rings.read().get(&Owner::named(tenant, name)).is_some_and(|ring| !ring.is_destroyed())
    }

    /// The key a tenant seals with now. None if it has none that lives.
    #[must_use]
    pub fn tenant_key(&self, tenant: TenantId) -> Option<KeyId> {
        self.tenant_ring(tenant).ok()?.current().map(|(id, _)| id)
    }

    /// The key a bucket seals with now. None if it has none that lives, and also if its file cannot be read: whatever
    /// is then done with the bucket's keys says why.
    #[must_use]
    pub fn bucket_key(&self, tenant: TenantId, bucket: BucketId) -> Option<KeyId> {
        self.ring(Owner::of(tenant, bucket)).ok()?.current().map(|(id, _)| id)
    }

    /// Every key that a bucket has had, the destroyed ones among them, oldest first. None of one whose tenant was destroyed.
    ///
    /// # Errors
    /// A key file that is missing or damaged.
    pub fn bucket_keys(&self, tenant: TenantId, bucket: BucketId) -> Result<Vec<KeyId>, VaultError> {
        Ok(self.ring(Owner::of(tenant, bucket))?.ids())
    }

    /// Every key that a tenant has had, the destroyed ones among them, oldest first.
    ///
    /// # Errors
    /// A tenant that has none.
    pub fn tenant_keys(&self, tenant: TenantId) -> Result<Vec<KeyId>, VaultError> {
        Ok(self.tenant_ring(tenant)?.ids())
    }

    /// Destroys a key of a bucket: its file then says "destroyed", and the wrap is gone from it. What else lives in
    /// the file is wrapped again under the tenant's current key. Destroying twice is one destruction.
    ///
    /// # Errors
    /// [`VaultError::MissingKey`] for a key that never was; a damaged file; a disk that refused, and then the key may
    /// be destroyed or not: ask again.
    pub fn destroy_bucket_key(&self, tenant: TenantId, bucket: BucketId, key: KeyId) -> Result<(), VaultError> {
        let owner = Owner::of(tenant, bucket);
        let files = self.files.lock();
        let tenant_ring = self.tenant_ring(tenant)?;
        if tenant_ring.is_destroyed() {
            return Ok(());
        }
        let mut entries = self.read_file(&files, owner)?.ok_or_else(|| self.missing(owner, Some(key)))?;
        let destroyed = entries.iter_mut().find(|entry| entry.id == key);
        destroyed.ok_or_else(|| self.missing(owner, Some(key)))?.state = State::Destroyed;
        let (wrapping_id, wrapping) = self.current(&tenant_ring, Owner::tenant(tenant))?;
        for entry in &mut entries {
            if let Some(plain) = self.unwrap(owner, entry, Some(&tenant_ring))? {
                *entry = wrapped(owner, entry.id, wrapping_id, wrapping, &plain);
            }
        }
        self.write_file(&files, owner, &entries)
    }

    /// Destroys every key of a tenant, and with them the keys of its buckets, which nothing else opens. Destroying
    /// twice is one destruction.
    ///
    /// # Errors
    /// As [`Vault::destroy_bucket_key`].
    pub fn destroy_tenant_keys(&self, tenant: TenantId) -> Result<(), VaultError> {
        let owner = Owner::tenant(tenant);
        let files = self.files.lock();
        let mut entries = self.read_file(&files, owner)?.ok_or_else(|| self.missing(owner, None))?;
        for entry in &mut entries {
            entry.state = State::Destroyed;
        }
        self.write_file(&files, owner, &entries)?;
        self.rings.write().retain(|other, _| other.tenant != tenant || *other == owner);
        Ok(())
    }

    pub(crate) fn folder(&self) -> &KeysFolder {
        &self.folder
    }

    pub(crate) fn root(&self) -> &XaesKey {
        &self.root
    }

    /// Keeps key files as they are until it is dropped.
    pub(crate) fn hold_files(&self) -> MutexGuard<'_, ()> {
        self.files.lock()
    }

    pub(crate) fn folder_path(&self) -> &Path {
        self.folder.path()
    }

    /// The keys of an owner, from memory or, a bucket's at its first use, from its file.
    pub(crate) fn ring(&self, owner: Owner) -> Result<Arc<Ring>, VaultError> {
        if let Some(ring) = self.rings.read().get(&owner) {
            return Ok(Arc::clone(ring));
        }
        let tenant_ring = self.tenant_ring(owner.tenant)?;
        if owner.holder != Holder::Tenant && tenant_ring.is_destroyed() {
            return Ok(Arc::new(Ring::gone()));
        }
        self.load(&self.files.lock(), owner)?.ok_or_else(|| self.missing(owner, None))
    }

    /// All tenants' rings are in memory from the start.
    fn tenant_ring(&self, tenant: TenantId) -> Result<Arc<Ring>, VaultError> {
        let owner = Owner::tenant(tenant);
        self.rings.read().get(&owner).map(Arc::clone).ok_or_else(|| self.missing(owner, None))
    }

    /// The current key of a ring.
    pub(crate) fn current<'r>(&self, ring: &'r Ring, owner: Owner) -> Result<(KeyId, &'r XaesKey), VaultError> {
        let (tenant, bucket) = (owner.tenant, owner.bucket());
        ring.current().ok_or(VaultError::Destroyed { tenant, bucket, key: None })
    }

    pub(crate) fn missing(&self, owner: Owner, key: Option<KeyId>) -> VaultError {
        let (tenant, bucket) = (owner.tenant, owner.bucket());
        VaultError::MissingKey { tenant, bucket, key, file: self.folder.ring(owner) }
    }

    fn damaged(&self, owner: Owner, damage: Damage) -> VaultError {
        VaultError::Damaged { file: self.folder.ring(owner), damage }
    }

    fn add_key(
        &self,
        files: &MutexGuard<'_, ()>,
        owner: Owner,
        wrapping_id: KeyId,
        wrapping: &XaesKey,
    ) -> Result<KeyId, VaultError> {
        let mut entries = self.read_file(files, owner)?.unwrap_or_default();
        if entries.len() == ring_file::KEYS_MAX {
            return Err(VaultError::Full { file: self.folder.ring(owner) });
        }
        let mut key = Zeroizing::new([0; 32]);
        entropy::fill(&mut *key);
        let id = new_id(&entries);
        entries.push(wrapped(owner, id, wrapping_id, wrapping, &key));
        self.write_file(files, owner, &entries)?;
        Ok(id)
    }

    fn read_file(&self, _files: &MutexGuard<'_, ()>, owner: Owner) -> Result<Option<Vec<Entry>>, VaultError> {
        let Some(bytes) = self.folder.read(&self.folder.ring(owner), ring_file::FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        ring_file::decode(owner, &bytes).map(Some).map_err(|damage| self.damaged(owner, damage))
    }

    /// Makes the entries durable, then known.
    fn write_file(&self, _files: &MutexGuard<'_, ()>, owner: Owner, entries: &[Entry]) -> Result<(), VaultError> {
        // Before the write: entries that memory could not take must not become the file.
        let ring = self.ring_of(owner, entries)?;
        self.folder.replace(&self.folder.ring(owner), &ring_file::encode(owner, entries))?;
        self.remember(owner, Arc::new(ring));
        Ok(())
    }

    fn load(&self, files: &MutexGuard<'_, ()>, owner: Owner) -> Result<Option<Arc<Ring>>, VaultError> {
        let Some(entries) = self.read_file(files, owner)? else { return Ok(None) };
        let ring = Arc::new(self.ring_of(owner, &entries)?);
        self.remember(owner, Arc::clone(&ring));
        Ok(Some(ring))
    }

    fn remember(&self, owner: Owner, ring: Arc<Ring>) {
        let mut rings = self.rings.write();
        if rings.len() >= CACHED_BUCKETS_MAX && owner.holder != Holder::Tenant && !rings.contains_key(&owner) {
            rings.retain(|other, _| other.holder == Holder::Tenant);
        }
        rings.insert(owner, ring);
    }

    fn ring_of(&self, owner: Owner, entries: &[Entry]) -> Result<Ring, VaultError> {
        let of_tenant = owner.holder == Holder::Tenant;
        let tenant_ring = if of_tenant { None } else { Some(self.tenant_ring(owner.tenant)?) };
        let mut derivation = None;
        let mut keys = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let plain = self.unwrap(owner, entry, tenant_ring.as_deref())?;
            if of_tenant && index == 0 {
                derivation = plain.as_deref().map(Derivation::new);
            }
            keys.push((entry.id, plain.map_or(Slot::Destroyed, |plain| Slot::Live(Box::new(XaesKey::new(&plain))))));
        }
        Ok(Ring::new(keys, derivation))
    }

    /// The key of an entry; none if it, or what it is wrapped under, was destroyed.
    fn unwrap(
        &self,
        owner: Owner,
        entry: &Entry,
        tenant_ring: Option<&Ring>,
    ) -> Result<Option<Zeroizing<[u8; 32]>>, VaultError> {
        let State::Live { wrapped_by, wrap } = &entry.state else { return Ok(None) };
        let wrapping = match tenant_ring.map(|ring| ring.find(*wrapped_by)) {
            None => &self.root,
            Some(Some(Slot::Live(key))) => key,
            Some(Some(Slot::Destroyed)) => return Ok(None),
            Some(None) => return Err(self.damaged(owner, Damage::Foreign)),
        };
        let place = place(owner, entry.id, *wrapped_by);
        open_key(wrapping, place, wrap).map(Some).map_err(|_| self.damaged(owner, Damage::Foreign))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

fn place(owner: Owner, id: KeyId, wrapped_by: KeyId) -> KeyPlace {
    KeyPlace { owner, id, wrapped_by }
}

fn wrapped(owner: Owner, id: KeyId, wrapped_by: KeyId, wrapping: &XaesKey, key: &[u8; 32]) -> Entry {
    let wrap = Box::new(seal_key(wrapping, &entropy::bytes(), place(owner, id, wrapped_by), key));
    Entry { id, state: State::Live { wrapped_by, wrap } }
}

fn new_id(entries: &[Entry]) -> KeyId {
    loop {
        let id = KeyId(u64::from_be_bytes(entropy::bytes()));
        if id != KeyId(0) && entries.iter().all(|entry| entry.id != id) {
            return id;
        }
    }
}

fn root_missing(source: &RootKeySource) -> VaultError {
    VaultError::RootKeyMissing { place: source.to_string() }
}

/// The root key of data that exists.
fn proved_root(folder: &KeysFolder, source: &RootKeySource) -> Result<XaesKey, VaultError> {
    let root = root::read(source)?.ok_or_else(|| root_missing(source))?;
    root::verify(&root, source, &folder.root_check())?;
    Ok(root)
}

/// The root key of a first start, or of one that repeats a first start that crashed.
fn first_root(folder: &KeysFolder, source: &RootKeySource) -> Result<XaesKey, VaultError> {
    // Anything wrong with what the operator gave is said before a folder is made.
    if root::read(source)?.is_none() && matches!(source, RootKeySource::Environment(_)) {
        return Err(root_missing(source));
    }
    let _lock = folder.make_and_lock()?;
    let check = folder.root_check();
    let used = folder::read(&check, 0)?.is_some() || !folder.tenants()?.is_empty();
    // Under the lock once more: another process may have made it since.
    let root = match (root::read(source)?, source) {
        (Some(root), _) => root,
        // Keys lie here that a new root key would not open.
        (None, _) if used => return Err(root_missing(source)),
        (None, RootKeySource::File(path)) => root::make(path)?,
        (None, RootKeySource::Environment(_)) => return Err(root_missing(source)),
    };
    if !used {
        folder.replace(&check, &root::encode_check(&root, &entropy::bytes()))?;
    }
    root::verify(&root, source, &check)?;
    Ok(root)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const TENANT: TenantId = TenantId(0xa1);
    const KEPT: BucketId = BucketId(0xb1);
    const LOST: BucketId = BucketId(0xb2);

    fn opened(data: &tempfile::TempDir, fresh: bool) -> Vault {
        let root = RootKeySource::File(data.path().join("root.key"));
        Vault::open(&data.path().join("keys"), &root, fresh).expect("opens")
    }

    #[test]
    fn a_key_whose_fsync_failed_is_not_used_until_the_next_start_and_those_in_memory_are() {
        let data = tempfile::tempdir().expect("a folder");
        let mut vault = opened(&data, true);
        vault.create_tenant_key(TENANT).expect("a tenant key");
        let kept = vault.create_bucket_key(TENANT, KEPT).expect("a bucket key");
        let name = NamedKey::of("name");
        let works = std::mem::replace(&mut vault.folder.sync_folder, |_| Err(io::Error::other("the disk is broken")));
        assert!(matches!(vault.create_bucket_key(TENANT, LOST), Err(VaultError::Io { doing: "sync", .. })));
        // Its file lies there by now, and an fsync that succeeds later says nothing about the one that failed.
        assert!(vault.folder.ring(Owner::of(TENANT, LOST)).exists());
        vault.folder.sync_folder = works;
        assert_eq!(vault.bucket_key(TENANT, LOST), None);
        assert!(matches!(vault.create_bucket_key(TENANT, LOST), Err(VaultError::Untrusted { .. })));
        assert!(matches!(vault.create_tenant_key(TenantId(0xa2)), Err(VaultError::Untrusted { .. })));
        assert!(matches!(vault.make_named_key(TENANT, name), Err(VaultError::Untrusted { .. })));
        assert_eq!(vault.bucket_key(TENANT, KEPT), Some(kept));
        drop(vault);
        assert!(opened(&data, false).bucket_key(TENANT, LOST).is_some());
    }

    #[test]
    fn a_tenant_s_folder_whose_fsync_failed_takes_no_keys() {
        let data = tempfile::tempdir().expect("a folder");
        let mut vault = opened(&data, true);
        let works = std::mem::replace(&mut vault.folder.sync_folder, |_| Err(io::Error::other("the disk is broken")));
        assert!(matches!(vault.create_tenant_key(TENANT), Err(VaultError::Io { doing: "sync", .. })));
        vault.folder.sync_folder = works;
        assert!(matches!(vault.create_tenant_key(TENANT), Err(VaultError::Untrusted { .. })));
        assert_eq!(vault.tenant_key(TENANT), None);
    }
}
