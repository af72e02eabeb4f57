//! An archive on its way out: one object after another, each read as a GetObject reads it.
//!
//! Owns: the order of the bytes. Does not own: their form ([`super::format`]).
//! Invariants: what is sent of an object is the object that was looked at before the first byte: it has its tag and its length.
//! No object is begun for a key that does not work any more.

use std::collections::VecDeque;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use futures_util::{Stream, StreamExt, stream};
use pipeline::{
    BodyError, ByteStream, Caller, ETagCondition, GetObject, Holder, ReadConditions, Selected, Store, StoreError,
};
use schemas::{BucketName, Time};

use super::format::{self, BLOCK_BYTES, File};

/// An archive, as far as it was sent.
pub(super) struct Archive {
    store: Store,
    caller: Caller,
    /// When the caller's key got its secret.
    rotated: Option<Time>,
    bucket: BucketName,
    left: VecDeque<(Selected, File)>,
    now: Option<Packing>,
    /// Entries of the files that were sent.
    directory: Vec<u8>,
    entries: u64,
    offset: u64,
    has_ended: bool,
}

/// A file under way.
struct Packing {
    file: File,
    /// Where its header stands.
    at: u64,
    body: ByteStream,
    crc: Digest,
    /// Bytes of it that are to come.
    left: u64,
    /// Bytes of its block that are to come.
    of_block: u64,
}

/// Why an archive ended early.
#[derive(Debug, thiserror::Error)]
#[error("an object has another length than it had")]
struct OtherLength;

/// The same.
#[derive(Debug, thiserror::Error)]
#[error("the access key of whoever asked does not work any more")]
struct KeyGone;

/// Who the caller's key is of, as long as it works.
///
/// # Errors
/// [`StoreError`] when that cannot be read.
pub(super) fn holder(store: &Store, caller: &Caller) -> Result<Option<Holder>, StoreError> {
    Ok(caller.access_key().map(|key| store.holder(key)).transpose()?.flatten())
}

impl Archive {
    /// `holder` is whoever the caller's key is of.
    pub(super) fn new(
        store: Store,
        (caller, holder): (Caller, Holder),
        bucket: BucketName,
        files: Vec<(Selected, File)>,
    ) -> Self {
        Self {
            store,
            caller,
            rotated: holder.rotated,
            bucket,
            left: files.into(),
            now: None,
            directory: Vec::new(),
            entries: 0,
            offset: 0,
            has_ended: false,
        }
    }

    /// Its bytes. An error is the last item: what was sent until then is not a whole archive.
    pub(super) fn stream(self) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
        stream::try_unfold(self, |mut archive| async move {
            let next = archive.next().await.inspect_err(|error| {
                tracing::warn!(%error, "an archive was broken off");
            });
            Ok(next?.map(|bytes| (bytes, archive)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let bytes = loop {
            if let Some(packing) = &mut self.now {
                match packing.body.next().await {
                    Some(piece) => match packing.pack(&piece?)? {
                        nothing if nothing.is_empty() => continue,
                        bytes => break bytes,
                    },
                    None => break self.close()?,
                }
            }
            match self.left.pop_front() {
                Some((object, file)) => break self.open(object, file).await?,
                None if self.has_ended => return Ok(None),
                None => {
                    self.has_ended = true;
                    let mut end = std::mem::take(&mut self.directory);
                    end.extend(format::end(self.entries, end.len() as u64, self.offset));
                    break end;
                }
            }
        };
        self.offset += bytes.len() as u64;
        Ok(Some(bytes.into()))
    }

    async fn open(&mut self, object: Selected, file: File) -> Result<Vec<u8>, BodyError> {
        let broken = |error: StoreError| BodyError(Box::new(error));
        // An archive goes on for hours, and what let it in may end meanwhile. Another secret ends what the old one began.
        let holder = holder(&self.store, &self.caller).map_err(broken)?;
        if holder.is_none_or(|holder| holder.rotated != self.rotated) {
            return Err(BodyError(Box::new(KeyGone)));
        }
        let conditions = ReadConditions {
            if_match: Some(ETagCondition::OneOf(vec![object.etag.to_string()])),
            ..ReadConditions::default()
        };
        let request = GetObject {
            bucket: self.bucket.clone(),
            key: object.key,
            version: None,
            part_number: None,
            range: None,
            conditions,
            customer_key: None,
        };
        let read = self.store.get_object(&self.caller, request).await.map_err(broken)?;
        if read.length_bytes != file.size_bytes {
            return Err(BodyError(Box::new(OtherLength)));
        }
        let mut bytes = file.header();
        if file.size_bytes == 0 {
            bytes.extend(format::block(0, true));
        }
        let (left, crc) = (file.size_bytes, Digest::new(CrcAlgorithm::Crc32IsoHdlc));
        self.now = Some(Packing { at: self.offset, body: read.body, crc, left, of_block: 0, file });
        Ok(bytes)
    }

    fn close(&mut self) -> Result<Vec<u8>, BodyError> {
        let packed = self.now.take().filter(|packing| packing.left == 0);
        let Some(Packing { file, at, crc, .. }) = packed else { return Err(BodyError(Box::new(OtherLength))) };
        // The checksum has 32 bits, whatever it is returned in.
        let crc = u32::try_from(crc.finalize()).unwrap_or_default();
        self.directory.extend(file.entry(crc, at));
        self.entries += 1;
        Ok(file.descriptor(crc))
    }
}

impl Packing {
    /// Bytes of the file, in blocks.
    fn pack(&mut self, mut piece: &[u8]) -> Result<Vec<u8>, BodyError> {
        if piece.len() as u64 > self.left {
            return Err(BodyError(Box::new(OtherLength)));
        }
        self.crc.update(piece);
        let mut packed = Vec::with_capacity(piece.len() + 512);
        while !piece.is_empty() {
            if self.of_block == 0 {
                self.of_block = self.left.min(BLOCK_BYTES);
                packed.extend(format::block(self.of_block, self.of_block == self.left));
            }
            let here = usize::try_from(self.of_block).map_or(piece.len(), |bytes| bytes.min(piece.len()));
            let (now, later) = piece.split_at(here);
            packed.extend_from_slice(now);
            self.of_block -= now.len() as u64;
            self.left -= now.len() as u64;
            piece = later;
        }
        Ok(packed)
    }
}
