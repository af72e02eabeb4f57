//! Kill -9 at random moments under mixed writes: what was acknowledged is there byte for byte, nothing is there half.

use std::time::Duration;

use holdfast_tests::{Load, Model, Random, Server, check_models, rebuild_agrees};

const CLIENTS: u64 = 16;

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let rounds: u64 = std::env::var("HOLDFAST_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let mut random = Random::from_environment("crash");
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let mut models: Vec<Model> = (0..CLIENTS).map(|_| Model::new()).collect();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let server = Server::start(&data).expect("the server starts");
        slowest = slowest.max(server.ready_after);
        check_models(&server, &mut models).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        models = write_until_killed(server, models, &mut random);
    }
    let server = Server::start(&data).expect("the server starts");
    slowest = slowest.max(server.ready_after);
    check_models(&server, &mut models).expect("everything acknowledged is there");
    rebuild_agrees(&server).expect("catalog, usage and log agree");
    server.stop().expect("the server stops");
    let keys: usize = models.iter().map(Model::len).sum();
    eprintln!("crash: {rounds} kills, {keys} keys, slowest start {} ms", slowest.as_millis());
}

fn write_until_killed(server: Server, models: Vec<Model>, random: &mut Random) -> Vec<Model> {
    let load = Load::start(&server, models, random);
    std::thread::park_timeout(Duration::from_millis(100 + random.below(1_400)));
    server.kill().expect("the server is killed");
    assert!(load.acknowledged() > 0, "nothing was acknowledged before the kill");
    load.end().expect("every answer was one of success")
}
