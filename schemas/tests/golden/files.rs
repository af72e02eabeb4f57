//! Golden files: bytes as hex, 32 a line, an empty line between samples.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemas::event::Event;

use crate::samples;

/// Where records are kept.
pub(crate) const RECORDS: &str = "record-v1.hex";

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

pub(crate) fn file_name(event: &Event) -> String {
    format!("{}-{}-v{}.hex", event.type_code(), event.name(), event.schema_version())
}

/// Bytes of one whole record, its body unsealed.
fn record_bytes() -> Vec<Vec<u8>> {
    let record = |(header, body): &(schemas::record::Header, schemas::record::Body)| {
        [header.encode().as_slice(), &body.encode()].concat()
    };
    samples::records().iter().map(record).collect()
}

/// Every file as it must be: name to samples.
pub(crate) fn expected() -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut files: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for event in samples::events() {
        files.entry(file_name(&event)).or_default().push(event.encode());
    }
    files.insert(RECORDS.to_owned(), record_bytes());
    files
}
