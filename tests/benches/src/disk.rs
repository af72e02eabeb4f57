//! What folders take on the disk.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

/// Bytes of the blocks of all files under a folder, as `du` counts them. A file that goes meanwhile takes nothing.
pub(crate) fn taken_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(metadata) = path.symlink_metadata() else { continue };
        bytes += if metadata.is_dir() { taken_bytes(&path)? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
