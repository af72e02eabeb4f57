//! Everything at once, by a seed: then the rows are what the log says, before and after a restart.

use std::collections::BTreeMap;

use domain::Refusal;
use pipeline::{ListObjects, StoreError};
use schemas::event::Versioning;

use crate::support::{House, Random, bucket, noise, sweeping, tenant_name};

/// What the bucket holds, as a client who did it all would say.
type Model = BTreeMap<String, Vec<u8>>;

async fn step(house: &House, caller: &pipeline::Caller, model: &mut Model, random: &mut Random) {
    let name = format!("folder-{}/key-{}", random.below(3), random.below(5));
    let length = usize::try_from([0, 10, 3_000, 70_000, 300_000][random.below(5) as usize]).expect("small");
    let bytes = noise(random.below(30), length);
    match random.below(12) {
        0..=4 => {
            house.put(caller, &name, &bytes).await.expect("put");
            model.insert(name, bytes);
        }
        5 | 6 => {
            house.delete(caller, &name).await.expect("deleted");
            model.remove(&name);
        }
        7 | 8 => {
            let to = format!("folder-{}/key-{}", random.below(3), random.below(5));
            match (house.copy(caller, &name, &to).await, model.get(&name).cloned()) {
                (Ok(()), Some(bytes)) => {
                    model.insert(to, bytes);
                }
                (Err(StoreError::Refused(Refusal::NoSuchKey { .. })), None) => {}
                (Err(StoreError::Refused(Refusal::CopyOntoItself)), Some(_)) if to == name => {}
                (answer, _) => panic!("copy: {answer:?}"),
            }
        }
        9 | 10 => {
            let upload = house.begin(caller, &name).await;
            let (mut parts, mut whole) = (Vec::new(), Vec::new());
            for number in 1..=1 + u16::try_from(random.below(4)).expect("small") {
                let part = noise(random.below(30), length.max(1));
                parts.push((number, house.part(caller, &name, upload, number, &part).await.expect("a part").etag));
                whole.extend(part);
            }
            match random.below(4) {
                0 => house.abort(caller, &name, upload).await.expect("given up"),
                1 => {}
                _ => {
                    house.complete(caller, &name, upload, &parts).await.expect("complete");
                    model.insert(name, whole);
                }
            }
        }
        _ => {
            let versioning = [Versioning::Enabled, Versioning::Suspended][random.below(2) as usize];
            house.store.set_versioning(caller, &bucket("bucket"), versioning).await.expect("set");
        }
    }
}

async fn check(house: &House, caller: &pipeline::Caller, model: &Model) {
    let request =
        ListObjects { bucket: bucket("bucket"), prefix: String::new(), delimiter: None, after: None, max: 1_000 };
    let listed = house.store.list_objects(caller, request).await.expect("lists").entries;
    let listed: Vec<_> = listed.into_iter().map(|entry| (entry.key.to_string(), entry.size_bytes)).collect();
    let expected: Vec<_> = model.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect();
    assert_eq!(listed, expected);
    for (name, bytes) in model {
        assert!(house.get(caller, name).await.expect("there") == *bytes, "{name} holds other bytes");
    }
    let usage = house.store.usage(&house.admin, &tenant_name("tenant")).await.expect("reads");
    assert_eq!(usage.objects, model.len() as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_history_a_rebuild_from_the_log_alone_is_equal() {
    let mut random = Random::of_suite("mixed");
    let mut house = House::with(sweeping);
    let caller = house.with_bucket().await;
    let mut model = Model::new();
    for round in 0..3 {
        for _ in 0..50 {
            step(&house, &caller, &mut model, &mut random).await;
        }
        check(&house, &caller, &model).await;
        // Uploads that ended are forgotten after ten minutes.
        house.clock.pass_s(700);
        house.sweep().await;
        check(&house, &caller, &model).await;
        let report = house.rebuild().await;
        assert_eq!(report.mismatches, Vec::<String>::new(), "round {round}");
        assert!(report.events > 50 && report.tenants == 2);
        house = house.reopened(sweeping);
        check(&house, &caller, &model).await;
        assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new(), "round {round}, reopened");
    }
}
