//! Events about multipart uploads.
//!
//! An upload counts while it is open. When it ends, its parts and their references stay until they are cleared in bounded
//! steps, which may be long after and even after its bucket is gone.

use schemas::content::ChecksumAlgorithm;
use schemas::event::{PartStaged, PartsCleared, Referrer, UploadCreated};
use schemas::{ObjectKey, UploadId};

use super::Fold;
use crate::row::{EndedUpload, OrphanedBucket, Part, RowError, Staged, Upload, UploadListing, UploadState};

impl Fold<'_> {
    pub(super) fn upload_created(&mut self, key: &ObjectKey, event: &UploadCreated) -> Result<(), RowError> {
        let upload = Upload {
            bucket: self.bucket,
            key: key.clone(),
            state: UploadState::Open,
            created_by: self.header.id(),
            initiated: self.header.time,
            initiator: event.initiator.clone(),
            owner: event.owner.clone(),
            storage_class: event.storage_class,
            checksum: event.checksum,
        };
        let listing = UploadListing::key(self.tenant, self.bucket, key, self.header.position, event.upload);
        self.put(listing, &UploadListing);
        self.put(Upload::key(self.tenant, event.upload), &upload);
        self.delta.uploads += 1;
        Ok(())
    }

    pub(super) fn part_staged(&mut self, event: &PartStaged) -> Result<(), RowError> {
        let Some(upload) = self.upload(event.upload)? else { return Ok(()) };
        let key = Part::key(self.tenant, event.upload, event.number);
        let before = self.get::<Part>(&key)?;
        let part = Part {
            made_by: self.header.id(),
            modified: self.header.time,
            size_bytes: event.content.size_bytes,
            etag: event.etag,
            root: event.content.root,
            checksum: upload
                .checksum
                .and_then(|(algorithm, _)| event.checksums.iter().find(|checksum| checksum.algorithm == algorithm))
                .cloned(),
            crc64nvme: crc64nvme(event),
        };
        if let Some(before) = &before {
            self.release_part(before);
        }
        if let Some(blob) = part.root.blob() {
            self.refer(blob, Referrer::Part(part.made_by));
        }
        if upload.state == UploadState::Open {
            self.stage(event.upload, before.as_ref(), &part)?;
        }
        self.put(key, &part);
        Ok(())
    }

    /// Counts a part in, and the one it replaces out.
    fn stage(&mut self, upload: UploadId, before: Option<&Part>, part: &Part) -> Result<(), RowError> {
        let key = Staged::key(self.tenant, upload);
        let mut staged = self.get::<Staged>(&key)?.unwrap_or_default();
        match before {
            Some(before) => {
                staged.size_bytes = staged.size_bytes.saturating_sub(before.size_bytes);
                self.delta.multipart_bytes -= i128::from(before.size_bytes);
            }
            None => staged.parts = staged.parts.saturating_add(1),
        }
        staged.size_bytes = staged.size_bytes.saturating_add(part.size_bytes);
        self.delta.multipart_bytes += i128::from(part.size_bytes);
        self.put(key, &staged);
        Ok(())
    }

    /// The upload became an object or was given up.
    pub(super) fn upload_ended(&mut self, id: UploadId, state: UploadState) -> Result<(), RowError> {
        let Some(upload) = self.upload(id)? else { return Ok(()) };
        if upload.state != UploadState::Open {
            return Ok(());
        }
        let begun = upload.created_by.position;
        self.remove::<UploadListing>(UploadListing::key(self.tenant, upload.bucket, &upload.key, begun, id));
        self.put(Upload::key(self.tenant, id), &Upload { state, ..upload });
        self.put(EndedUpload::key(self.tenant, id), &EndedUpload { ended: self.header.time });
        let staged_key = Staged::key(self.tenant, id);
        if let Some(staged) = self.get::<Staged>(&staged_key)? {
            self.delta.multipart_bytes -= i128::from(staged.size_bytes);
            self.remove::<Staged>(staged_key);
        }
        self.delta.uploads -= 1;
        if self.usage()?.uploads <= 1 {
            let orphan = OrphanedBucket::key(self.tenant, self.bucket);
            if self.get::<OrphanedBucket>(&orphan)?.is_some() {
                self.remove::<OrphanedBucket>(orphan);
            }
        }
        Ok(())
    }

    pub(super) fn parts_cleared(&mut self, event: &PartsCleared) -> Result<(), RowError> {
        if self.upload(event.upload)?.is_none() {
            return Ok(());
        }
        for &number in &event.numbers {
            let key = Part::key(self.tenant, event.upload, number);
            let Some(part) = self.get::<Part>(&key)? else { continue };
            self.release_part(&part);
            self.remove::<Part>(key);
        }
        if event.last {
            self.remove::<Upload>(Upload::key(self.tenant, event.upload));
            self.remove::<EndedUpload>(EndedUpload::key(self.tenant, event.upload));
        }
        Ok(())
    }

    /// The upload; counters and references of this event are then its bucket's, whatever the header says.
    fn upload(&mut self, id: UploadId) -> Result<Option<Upload>, RowError> {
        let upload = self.get::<Upload>(&Upload::key(self.tenant, id))?;
        if let Some(upload) = &upload {
            self.bucket = upload.bucket;
        }
        Ok(upload)
    }

    fn release_part(&mut self, part: &Part) {
        if let Some(blob) = part.root.blob() {
            self.release(blob, Referrer::Part(part.made_by), None);
        }
    }
}

fn crc64nvme(event: &PartStaged) -> Option<u64> {
    let checksum = event.checksums.iter().find(|checksum| checksum.algorithm == ChecksumAlgorithm::Crc64Nvme)?;
    checksum.digest.as_slice().try_into().ok().map(u64::from_be_bytes)
}
