//! Copies of key files: wrapped as they lie in `DATA/keys/`, and of no use without the root key, which is never copied.
//!
//! Owns: which files a copy has, that one is whole and from one moment.
//! Does not own: where copies are kept and for how long.
//! Invariant: a copy has `root.check` only when all its other files are durable: without it no vault opens it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::VaultError;
use crate::folder::{KeysFolder, failed, read, tenant_of};
use crate::ring_file::FILE_BYTES_MAX;
use crate::vault::Vault;

/// Proves the root key; a copy's last file.
const CHECK: &str = "root.check";

/// A file of a copy: its path below the folder of keys, and its bytes.
pub type KeyFile = (PathBuf, Vec<u8>);

impl Vault {
    /// All key files as they are now, none of them half of a change that is being made. The root key is not among them.
    ///
    /// # Errors
    /// [`VaultError`] when a file cannot be read.
    pub fn key_files(&self) -> Result<Vec<KeyFile>, VaultError> {
        // Nobody makes or destroys a key meanwhile: what wraps a key is in the copy if the key is.
        let _files = self.hold_files();
        key_files_in(self.folder_path())
    }
}

/// The key files of a folder that nobody writes to, `root.check` last.
///
/// # Errors
/// [`VaultError`] when a file or the folder cannot be read, or `root.check` is not there.
pub fn key_files_in(folder: &Path) -> Result<Vec<KeyFile>, VaultError> {
    let mut names = Vec::new();
    for name in list(folder)? {
        if tenant_of(&name).is_some() {
            names.push(PathBuf::from(name));
        } else if is_tenant_folder(&name) {
            let inner = list(&folder.join(&name))?;
            names.extend(inner.into_iter().filter(|file| is_ring(file)).map(|file| Path::new(&name).join(file)));
        }
    }
    names.sort_unstable();
    names.push(PathBuf::from(CHECK));
    names
        .into_iter()
        .map(|name| {
            let path = folder.join(&name);
            let bytes = read(&path, FILE_BYTES_MAX)?.ok_or(VaultError::MissingFile { file: path })?;
            Ok((name, bytes))
        })
        .collect()
}

/// Writes key files into a folder, which is made if it is not there. Whatever has one of their names is replaced.
///
/// # Errors
/// [`VaultError`] when the disk refuses; without `root.check` what was written is no copy.
pub fn write_key_files(folder: &Path, files: &[KeyFile]) -> Result<(), VaultError> {
    let keys = KeysFolder::new(folder);
    drop(keys.make_and_lock()?);
    let (check, rest): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| name == Path::new(CHECK));
    for (name, bytes) in rest.into_iter().chain(check) {
        if let Some(tenant) = name.parent().and_then(Path::to_str).and_then(tenant_folder_of) {
            keys.make_tenant_folder(tenant)?;
        }
        keys.replace(&folder.join(name), bytes)?;
    }
    keys.clean()
}

fn list(folder: &Path) -> Result<Vec<String>, VaultError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(VaultError::MissingFile { file: folder.join(CHECK) });
        }
        Err(error) => return Err(failed("list", folder)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", folder))?;
        // Names that are no text are none of ours.
        names.extend(entry.file_name().to_str().map(str::to_owned));
    }
    Ok(names)
}

fn tenant_folder_of(name: &str) -> Option<schemas::TenantId> {
    tenant_of(&format!("tenant-{}.key", name.strip_prefix("t-")?))
}

fn is_tenant_folder(name: &str) -> bool {
    tenant_folder_of(name).is_some()
}

fn is_ring(name: &str) -> bool {
    let digits = name.strip_prefix("bucket-").or_else(|| name.strip_prefix("named-"));
    digits.and_then(|rest| rest.strip_suffix(".key")).is_some_and(|digits| digits.len() == 16)
}

#[cfg(test)]
mod tests {
    use schemas::{BucketId, TenantId};

    use super::*;
    use crate::named::NamedKey;
    use crate::root::RootKeySource;

    const TENANT: TenantId = TenantId(0xa1);
    const BUCKET: BucketId = BucketId(0xb1);

    #[test]
    fn a_copy_opens_under_the_same_root_key_and_has_no_other_files() {
        let data = tempfile::tempdir().expect("a folder");
        let (keys, copy) = (data.path().join("keys"), data.path().join("copy"));
        let root = RootKeySource::File(keys.join("root.key"));
        let vault = Vault::open(&keys, &root, true).expect("opens");
        vault.create_tenant_key(TENANT).expect("a key");
        let made = vault.create_bucket_key(TENANT, BUCKET).expect("a key");
        vault.make_named_key(TENANT, NamedKey::of("name")).expect("a key");
        fs::write(keys.join("notes.txt"), "an operator's own").expect("writes");
        let files = vault.key_files().expect("reads");
        assert_eq!(files.len(), 4);
        assert_eq!(files.last().map(|(name, _)| name.as_path()), Some(Path::new(CHECK)));
        assert!(files.iter().all(|(name, _)| !name.ends_with("root.key")));
        write_key_files(&copy, &files).expect("writes");
        assert_eq!(key_files_in(&copy).expect("reads"), files);
        let opened = Vault::open(&copy, &root, false).expect("opens");
        assert_eq!(opened.bucket_key(TENANT, BUCKET), Some(made));
        // A copy that was cut off lacks its last file, and is none.
        fs::remove_file(copy.join(CHECK)).expect("removes");
        assert!(matches!(key_files_in(&copy), Err(VaultError::MissingFile { .. })));
        assert!(Vault::open(&copy, &root, false).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_missing_file() {
        let data = tempfile::tempdir().expect("a folder");
        assert!(matches!(key_files_in(&data.path().join("none")), Err(VaultError::MissingFile { .. })));
    }
}
