//! Events about objects: what is current, what was, and who still shows which content.

use event_log::prefix;
use schemas::event::{DeleteMarkerCreated, Referrer, VersionCommitted, VersionRemoved};
use schemas::{EventId, ObjectKey};

use super::Fold;
use crate::row::{
    self, Current, Details, Former, Marker, Noncurrent, NullPointer, Object, Past, Row as _, RowError, UploadState,
    Version,
};

impl Fold<'_> {
    pub(super) fn version_committed(&mut self, key: &ObjectKey, event: &VersionCommitted) -> Result<(), RowError> {
        let object = object(self.header, event);
        let before = self.current(key)?;
        self.supersede(key, before.as_ref(), event.null)?;
        if let Some(blob) = object.root.blob() {
            self.refer(blob, Referrer::Version(object.made_by));
        }
        self.count_object(&object, 1);
        self.put_current(key, object);
        self.changed(key);
        match event.upload {
            Some(upload) => self.upload_ended(upload, UploadState::Completed(self.header.id())),
            None => Ok(()),
        }
    }

    pub(super) fn delete_marker_created(
        &mut self,
        key: &ObjectKey,
        event: &DeleteMarkerCreated,
    ) -> Result<(), RowError> {
        let made_by = self.header.id();
        let before = self.current(key)?;
        self.supersede(key, before.as_ref(), event.null)?;
        if before.is_some() {
            self.remove::<Current>(Current::key(self.tenant, self.bucket, key));
        }
        if event.null {
            self.put(NullPointer::key(self.tenant, self.bucket, key), &NullPointer(made_by));
        }
        let marker = Marker { made_by, modified: self.header.time, null: event.null, owner: event.owner.clone() };
        self.put_noncurrent(key, &Noncurrent { version: Version::Marker(marker), superseded: None });
        self.delta.versions += 1;
        self.changed(key);
        Ok(())
    }

    pub(super) fn version_removed(&mut self, key: &ObjectKey, event: &VersionRemoved) -> Result<(), RowError> {
        match self.current(key)? {
            Some(current) if current.object.made_by == event.made_by => {
                self.put_ended(key, &current);
                self.remove::<Current>(Current::key(self.tenant, self.bucket, key));
                self.count_object(&current.object, -1);
                self.release_object(&current.object);
                if self.usage()?.has_noncurrent() {
                    self.uncover(key, event.made_by)?;
                }
            }
            before => {
                let Some(removed) = self.noncurrent(key, event.made_by)? else { return Ok(()) };
                self.forget_noncurrent(key, &removed);
                if removed.version.null() {
                    self.remove::<NullPointer>(NullPointer::key(self.tenant, self.bucket, key));
                }
                // Without a current row the latest is a delete marker; when it goes, what it hid appears.
                if before.is_none() {
                    self.uncover(key, event.made_by)?;
                }
            }
        }
        self.changed(key);
        Ok(())
    }

    /// Changes what can be changed of a version that stays. One that is gone stays gone.
    pub(super) fn amended(
        &mut self,
        key: &ObjectKey,
        made_by: EventId,
        change: impl FnOnce(&mut Details),
    ) -> Result<(), RowError> {
        match self.current(key)? {
            Some(mut current) if current.object.made_by == made_by => {
                self.put_past(key, &current);
                self.put_former(key, Version::Object(current.object.clone()));
                change(&mut current.object.details);
                self.put_current(key, current.object);
            }
            _ => {
                let Some(mut noncurrent) = self.noncurrent(key, made_by)? else { return Ok(()) };
                let before = noncurrent.version.clone();
                let Version::Object(object) = &mut noncurrent.version else { return Ok(()) };
                change(&mut object.details);
                self.put_former(key, before);
                self.put_noncurrent(key, &noncurrent);
            }
        }
        self.changed(key);
        Ok(())
    }

    /// Makes room for a new latest version: moves the current one among the noncurrent, and gives up the `null` version
    /// wherever it stands when the new one replaces it.
    fn supersede(&mut self, key: &ObjectKey, before: Option<&Current>, replaces_null: bool) -> Result<(), RowError> {
        if let Some(current) = before {
            if replaces_null && current.object.null {
                self.put_ended(key, current);
                self.count_object(&current.object, -1);
                self.release_object(&current.object);
                return Ok(());
            }
            self.put_past(key, current);
            self.delta.objects -= 1;
            if current.object.null {
                let pointer = NullPointer(current.object.made_by);
                self.put(NullPointer::key(self.tenant, self.bucket, key), &pointer);
            }
            let version = Version::Object(current.object.clone());
            self.put_noncurrent(key, &Noncurrent { version, superseded: Some(self.header.time) });
        }
        if !self.usage()?.has_noncurrent() {
            return Ok(());
        }
        let replaced = if replaces_null { self.forget_null(key)? } else { None };
        // Without a current row the latest is a delete marker, superseded now unless it was replaced.
        if before.is_none()
            && let Some(latest) = self.newest_noncurrent(key, None)?
            && replaced != Some(latest.version.made_by())
        {
            self.put_noncurrent(key, &Noncurrent { superseded: Some(self.header.time), ..latest });
        }
        Ok(())
    }

    /// Gives up a `null` version that is not current, if there is one.
    fn forget_null(&mut self, key: &ObjectKey) -> Result<Option<EventId>, RowError> {
        let row_key = NullPointer::key(self.tenant, self.bucket, key);
        let Some(NullPointer(made_by)) = self.get(&row_key)? else { return Ok(None) };
        self.remove::<NullPointer>(row_key);
        if let Some(noncurrent) = self.noncurrent(key, made_by)? {
            self.forget_noncurrent(key, &noncurrent);
        }
        Ok(Some(made_by))
    }

    /// After a version was removed of a key without a current row: the newest other one is the latest.
    fn uncover(&mut self, key: &ObjectKey, removed: EventId) -> Result<(), RowError> {
        let Some(next) = self.newest_noncurrent(key, Some(removed))? else { return Ok(()) };
        match next.version {
            Version::Object(object) => {
                self.remove::<Noncurrent>(Noncurrent::key(self.tenant, self.bucket, key, object.made_by));
                if object.null {
                    self.remove::<NullPointer>(NullPointer::key(self.tenant, self.bucket, key));
                }
                self.delta.objects += 1;
                self.put_current(key, object);
            }
            Version::Marker(_) if next.superseded.is_some() => {
                self.put_noncurrent(key, &Noncurrent { superseded: None, ..next });
            }
            // It was the latest before: an older version was removed.
            Version::Marker(_) => {}
        }
        Ok(())
    }

    fn current(&self, key: &ObjectKey) -> Result<Option<Current>, RowError> {
        self.get(&Current::key(self.tenant, self.bucket, key))
    }

    fn noncurrent(&self, key: &ObjectKey, made_by: EventId) -> Result<Option<Noncurrent>, RowError> {
        self.get(&Noncurrent::key(self.tenant, self.bucket, key, made_by))
    }

    fn newest_noncurrent(&self, key: &ObjectKey, without: Option<EventId>) -> Result<Option<Noncurrent>, RowError> {
        let beginning = Noncurrent::of_object(self.tenant, self.bucket, key.as_str().as_bytes()).bytes();
        // At most two steps: `without` is one row.
        for row in prefix(self.rows, Noncurrent::TABLE, &beginning) {
            let noncurrent: Noncurrent = row::decode(&row?.1)?;
            if Some(noncurrent.version.made_by()) != without {
                return Ok(Some(noncurrent));
            }
        }
        Ok(None)
    }

    pub(super) fn put_current(&mut self, key: &ObjectKey, object: Object) {
        let current = Current { since: self.header.position, object };
        self.put(Current::key(self.tenant, self.bucket, key), &current);
    }

    fn put_noncurrent(&mut self, key: &ObjectKey, noncurrent: &Noncurrent) {
        let row_key = Noncurrent::key(self.tenant, self.bucket, key, noncurrent.version.made_by());
        self.put(row_key, noncurrent);
    }

    fn put_past(&mut self, key: &ObjectKey, current: &Current) {
        let past = Past { object: current.object.clone(), valid_from: current.since };
        self.put(Past::key(self.tenant, self.bucket, key, self.header.position), &past);
    }

    /// The current version ends for good. What it was in the positions before it became current, if there are any, no other row
    /// would say.
    fn put_ended(&mut self, key: &ObjectKey, current: &Current) {
        self.put_past(key, current);
        if current.since != current.object.made_by.position {
            self.put_former(key, Version::Object(current.object.clone()));
        }
    }

    /// A version is amended or removed at this event: it is noted as it was.
    fn put_former(&mut self, key: &ObjectKey, version: Version) {
        let row_key = Former::key(self.tenant, self.bucket, key, version.made_by(), self.header.position);
        self.put(row_key, &Former(version));
    }

    fn forget_noncurrent(&mut self, key: &ObjectKey, noncurrent: &Noncurrent) {
        self.put_former(key, noncurrent.version.clone());
        self.remove::<Noncurrent>(Noncurrent::key(self.tenant, self.bucket, key, noncurrent.version.made_by()));
        self.delta.versions -= 1;
        if let Version::Object(object) = &noncurrent.version {
            self.delta.logical_bytes -= i128::from(object.size_bytes);
            self.release_object(object);
        }
    }

    /// Counts a current object in or out.
    pub(super) fn count_object(&mut self, object: &Object, by: i128) {
        self.delta.objects += by;
        self.delta.versions += by;
        self.delta.logical_bytes += by * i128::from(object.size_bytes);
    }

    fn release_object(&mut self, object: &Object) {
        // What came from a fork's base is the base's to keep.
        if let Some(blob) = object.root.blob().filter(|_| !object.inherited) {
            let keep_until = object.details.retention.and_then(|retention| retention.keeps_content_until());
            self.release(blob, Referrer::Version(object.made_by), keep_until);
        }
    }
}

fn object(header: &schemas::record::Header, event: &VersionCommitted) -> Object {
    let chosen = event.chosen_checksum.and_then(|index| event.checksums.get(usize::from(index)));
    Object {
        made_by: header.id(),
        modified: header.time,
        null: event.null,
        owner: event.owner.clone(),
        storage_class: event.storage_class,
        checksum: chosen.map(|checksum| (checksum.algorithm, checksum.covers)),
        size_bytes: event.content.size_bytes,
        etag: event.etag,
        root: event.content.root,
        inherited: false,
        details: Details {
            tags: None,
            acl: event.acl.as_ref().map(|_| header.id()),
            retention: event.retention,
            legal_hold: event.legal_hold,
        },
    }
}
