//! `VERIFY.md`: what an export is, for whoever opens it.

use ledger::export::Manifest;

use super::Signed;

/// The text.
pub(super) fn text(manifest: &Manifest, checkpoint: &Signed) -> String {
    let Manifest { tenant_name, tenant, from, to, .. } = manifest;
    let what = match (&manifest.bucket_name, &manifest.bucket) {
        (Some(name), Some(id)) => format!("bucket `{name}` (number {id}) of tenant `{tenant_name}` (number {tenant})"),
        _ => format!("the log of tenant `{tenant_name}` (number {tenant})"),
    };
    let size = checkpoint.size;
    format!(
        "# An export of a Holdfast log

Records of {what}, from position {from} up to and without position {to}, under a checkpoint of {size} records.

    holdfast audit verify FILE --key PUB

needs no server, no network and no data directory. `PUB` is the verifier key of the log, which you should have had from the
operator before and apart from this file: the copy in `key.pub` is for convenience, and whoever could change this file could
change it too. It answers 0 if everything fits, 1 if something was changed, 2 if something is missing.

## What is in it

* `checkpoint`: a signed note (c2sp.org/signed-note, c2sp.org/tlog-checkpoint) with the size and root of the log's Merkle tree.
* `chunks/NNNNNNNN/records`: records as they lie in the log: for each its length (4 bytes, big-endian), a header of 139 bytes in
  clear and the body, sealed with XAES-256-GCM (c2sp.org/XAES-256-GCM): 24 bytes of nonce, ciphertext, 16 bytes of tag. The header
  is the associated data.
* `chunks/NNNNNNNN/keys`: for each record 33 bytes: 1 and the AES-256 key of this one body, or 33 zeros where it is not disclosed.
  XAES derives a key for every message, so that these keys open these bodies and no others: AES-256-GCM with the last 12
  bytes of the nonce. The plaintext begins with 32 zeros.
* `chunks/NNNNNNNN/lines.jsonl`: the same records as JSON, derived from them; the verifier derives them again and compares.
* `chunks/NNNNNNNN/proof` and `proof`: the hashes that, with those of the records, lead to the root (RFC 6962: a leaf is
  SHA-256 of 0x00 and the record, a node of 0x01 and two hashes). The subtrees that they stand for are the largest ones that lie
  between two records of the export, from left to right.

## What is proved

Each record lies in the signed log at the position it says. In the export of a log every position of the window is there. In the
export of a bucket every record of the bucket is: they count on (`bucket_seq`) and each has the hash of the one before
(`bucket_prev`); the bucket's record before the window, and its next one or a seal that names its last, stand beside them.
What the records say of retention and legal holds is followed, and nothing was removed that they kept. What is not disclosed cannot
be judged; the verifier says how many records that are.
"
    )
}
