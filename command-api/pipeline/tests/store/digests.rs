//! Digests that a client signed: compared whatever way the body takes, and whoever computed them.

use domain::Refusal;
use pipeline::{Digests, PutObject, StoreError, Written};
use sha2::{Digest, Sha256};

use crate::support::{House, body, put_request};

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
