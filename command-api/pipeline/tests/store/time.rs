//! Clocks that are set back and ahead.

use pipeline::ListVersions;
use schemas::event::Versioning;

use crate::support::{House, bucket};

#[tokio::test]
async fn a_wall_clock_set_back_changes_no_order() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Enabled).await.expect("versioned");
    let mut written = Vec::new();
    for (n, step) in [0, -3_600, 5, -86_400, 0, 90_000].into_iter().enumerate() {
        house.clock.pass_s(1);
        house.clock.set_wall_by_s(step);
        written.push(house.put(&caller, "key", format!("version {n}").as_bytes()).await.expect("put"));
    }
    assert!(written.is_sorted_by(|one, two| one.position < two.position && one.modified <= two.modified));
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"version 5");
    let request = ListVersions {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_version: None,
        max: 100,
    };
    let listed = house.store.list_versions(&caller, request).await.expect("lists").entries;
    let newest_first: Vec<_> = written.iter().rev().map(|written| written.version.expect("versioned")).collect();
    assert_eq!(listed.iter().map(|entry| entry.version).collect::<Vec<_>>(), newest_first);
    assert!(listed[0].is_latest && listed.iter().filter(|entry| entry.is_latest).count() == 1);
    // The same after a restart at the earlier wall clock.
    let house = house.reopened(|_| {});
    let last = house.put(&caller, "key", b"after").await.expect("put");
    assert!(last.modified >= written[5].modified && last.position > written[5].position);
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"after");
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}
