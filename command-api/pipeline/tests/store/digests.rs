//! Digests that a client signed: compared whatever way the body takes, and whoever computed them.

use bytes::Bytes;
use domain::Refusal;
use md5::Md5;
use pipeline::{Digests, PutObject, StoreError, Written};
use sha2::{Digest, Sha256};

use crate::support::{House, body, put_request, refusal};

/// Inline, in the request's own task, on two threads, in several blobs.
const SIZES: [usize; 4] = [1_000, 10_000, 200_000, 5_000_000];

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_what_was_signed_is_refused_even_when_it_is_known() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let put = async |bytes: &[u8], sha256: [u8; 32]| -> Result<Written, StoreError> {
        let digests = Digests { sha256: Some(sha256), ..Digests::default() };
        house.store.put_object(&caller, PutObject { digests, ..put_request("bucket", "key") }, body(bytes)).await
    };
    for size in SIZES {
        let bytes: Vec<u8> = (0..size).map(|index| ((index * index) >> 3) as u8).collect();
        let (right, wrong) = (Sha256::digest(&bytes).into(), [7; 32]);
        // The second time there is a copy to be found.
        for attempt in 0..2 {
            let refused = put(&bytes, wrong).await;
            let mismatch = matches!(refused, Err(StoreError::Refused(Refusal::ContentSha256Mismatch)));
            assert!(mismatch, "{size} bytes, attempt {attempt}: {refused:?}");
            put(&bytes, right).await.expect("what was signed is stored");
            assert_eq!(house.get(&caller, "key").await.expect("it reads"), bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_stored_and_hashed_however_it_comes() {
    const BLOB: usize = 4 << 20;
    let house = House::new();
    let caller = house.with_bucket().await;
    let put = async |chunks: &[usize], announced: Option<u64>| {
        // No two chunks are alike, so that their order shows.
        let chunks: Vec<Bytes> =
            chunks.iter().enumerate().map(|(number, &bytes)| Bytes::from(vec![number as u8; bytes])).collect();
        let whole = chunks.concat();
        let body = Box::pin(futures_util::stream::iter(chunks.into_iter().map(Ok)));
        let request = PutObject { size_bytes: announced, ..put_request("bucket", "key") };
        (house.store.put_object(&caller, request, body).await, whole)
    };
    for chunks in [
        &[][..],
        &[1],
        &[100_000],
        &[1; 3_000],
        &[900; 500],
        &[60_000; 10],
        &[65_536; 64],
        &[65_536; 65],
        &[0, 700_000, 3, 0, 700_000],
        &[BLOB],
        &[BLOB, BLOB],
        &[BLOB + 1],
        &[1, 2 * BLOB + 5, 7],
        &[400_000; 40],
    ] {
        let bytes = chunks.iter().sum::<usize>() as u64;
        for announced in [None, Some(bytes)] {
            let (written, whole) = put(chunks, announced).await;
            let written = written.expect("is stored");
            let md5: [u8; 16] = Md5::digest(&whole).into();
            assert_eq!((written.etag.md5, written.size_bytes), (md5, bytes), "{chunks:?}");
            assert!(house.get(&caller, "key").await.expect("it reads") == whole, "{chunks:?}, {announced:?} announced");
        }
        for announced in [bytes + 1, bytes + 10_000_000] {
            assert!(matches!(refusal(put(chunks, Some(announced)).await.0), Refusal::IncompleteBody), "{chunks:?}");
        }
    }
}
