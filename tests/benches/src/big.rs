//! One large object up in parts and down again: what memory the server takes, for a small one and a large one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};
use holdfast_tests::{Answer, Server, incompressible};

use crate::Plan;
use crate::client::{Client, Shared};
use crate::listing::element;
use crate::measure::{Watch, reset_peak, status_bytes};

const PART_BYTES: usize = 16 << 20;
const CONNECTIONS: usize = 4;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    println!("### One object in parts of 16 MiB over 4 connections, and back over one\n");
    println!(
        "| MiB | up MiB/s | CPU ms per MiB | peak RSS MiB | down MiB/s | CPU ms per MiB | peak RSS MiB | RSS before MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let folder = plan.folder()?;
    let server = Server::start(&folder.path().join("data"))?;
    let sizes: &[usize] = if plan.quick { &[64, 128] } else { &[256, 2048] };
    for &mebibytes in sizes {
        let before = status_bytes(server.pid(), "VmRSS")? >> 20;
        let (up, up_cpu, up_peak) = measured(&server, mebibytes, || upload(&server, mebibytes))?;
        let (down, down_cpu, down_peak) = measured(&server, mebibytes, || download(&server, mebibytes))?;
        println!(
            "| {mebibytes} | {up:.0} | {up_cpu:.2} | {up_peak} | {down:.0} | {down_cpu:.2} | {down_peak} | {before} |"
        );
    }
    println!();
    server.stop()
}

/// MiB/s, the server's CPU in ms per MiB, its peak of resident memory in MiB.
fn measured(server: &Server, mebibytes: usize, work: impl FnOnce() -> Result<()>) -> Result<(f64, f64, u64)> {
    reset_peak(server.pid())?;
    let watch = Watch::start(server.pid(), None)?;
    work()?;
    let sample = watch.stop(mebibytes as u64)?;
    Ok((sample.per_second(), sample.cpu_us_each() / 1e3, status_bytes(server.pid(), "VmHWM")? >> 20))
}

fn upload(server: &Server, mebibytes: usize) -> Result<()> {
    let path = format!("/demo/big-{mebibytes}");
    let created = server.connect().request("POST", &path, &[("uploads", "")], &[], b"")?.ok()?.text();
    let upload = element(&created, "UploadId")?;
    let parts = (mebibytes << 20) / PART_BYTES;
    let etags = Mutex::new(vec![String::new(); parts]);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut connection = server.connect();
                    let mut body = incompressible(mebibytes as u64, PART_BYTES);
                    loop {
                        let part = next.fetch_add(1, Ordering::Relaxed);
                        if part >= parts {
                            return Ok(());
                        }
                        for block in body.chunks_mut(4 << 20) {
                            block[..8].copy_from_slice(&(part as u64).to_le_bytes());
                        }
                        let number = (part + 1).to_string();
                        let query = [("partNumber", number.as_str()), ("uploadId", upload)];
                        let answer: Answer = connection.request("PUT", &path, &query, &[], &body)?.ok()?;
                        let etag = answer.header("etag").unwrap_or_default().to_owned();
                        etags.lock().expect("no worker panics")[part] = etag;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no worker panics"))
    })?;
    let etags = etags.into_inner().expect("no worker panicked");
    let parts = etags
        .iter()
        .enumerate()
        .map(|(index, etag)| format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", index + 1));
    let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
    let done = server.connect().request("POST", &path, &[("uploadId", upload)], &[], body.as_bytes())?.ok()?;
    ensure!(done.text().contains("<ETag>"), "completed: {}", done.text());
    Ok(())
}

fn download(server: &Server, mebibytes: usize) -> Result<()> {
    let shared = Shared::of(server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let begun = Instant::now();
    runtime.block_on(async {
        let mut client = Client::connect(&shared).await?;
        client.get(&format!("/demo/big-{mebibytes}"), mebibytes << 20).await
    })?;
    eprintln!("{mebibytes} MiB down in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
