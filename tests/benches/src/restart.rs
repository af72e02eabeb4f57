//! How long a server with many objects takes until it answers, stopped in good order and killed in the middle of writing.

use std::time::Duration;

use anyhow::Result;
use holdfast_tests::Server;

use crate::Plan;
use crate::client::Shared;
use crate::listing::fill;
use crate::load::target::runtime;
use crate::measure::status_bytes;
use crate::timed::writes;

const CLIENTS: usize = 64;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start(&data)?.stop()?;
    let objects = plan.keys(20_000, 1_000_000);
    fill(&data, objects)?;
    println!("### From start to readiness with {objects} objects\n");
    println!("| stopped | ready after ms | RSS MiB | PUTs answered before |");
    println!("|---|---|---|---|");
    let mib = |server: &Server| Ok::<_, anyhow::Error>(status_bytes(server.pid(), "VmRSS")? >> 20);
    let ready = |server: &Server| server.ready_after.as_secs_f64() * 1e3;
    for round in 0..plan.rounds.min(3) {
        let server = Server::start(&data)?;
        println!("| in good order | {:.0} | {} | |", ready(&server), mib(&server)?);
        let shared = Shared::of(&server);
        let limit = Duration::from_secs_f64(plan.seconds);
        let answered = runtime()?.block_on(writes(&shared, "/demo/restart", round as u64, CLIENTS, limit));
        server.kill()?;
        let server = Server::start(&data)?;
        println!("| killed | {:.0} | {} | {answered} |", ready(&server), mib(&server)?);
        server.stop()?;
    }
    println!();
    Ok(())
}
