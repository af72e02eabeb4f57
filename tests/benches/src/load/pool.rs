//! What must be there before a cell can be measured: objects to read, to list, to delete. Made once for a group of cells.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::client::{Body, Client, Keep};
use crate::load::drive::drive;
use crate::load::family::{Family, PAGE_KEYS};
use crate::load::operation::{Field, Known};
use crate::load::target::Target;
use crate::signing::Request;

const WRITERS: u64 = 32;

/// A server that is busy is asked again: here nothing is measured yet.
const TRIES_MAX: usize = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// Objects to read: as many as fit, so that few are read twice in a row, and all lie in the page cache.
const POOL_BYTES: u64 = 512 << 20;
const POOL_OBJECTS_MAX: u64 = 4_096;

/// Full pages, all of them, so that a walk through them begins anew where it ends.
const LISTED_PAGES: u64 = 10;
const LISTED_FOLDERS: u64 = 100;

/// Of bodies that no cell puts: cells count their stamps from 0.
const POOL_STAMPS: u64 = 1 << 48;
const LISTED_STAMPS: u64 = 1 << 49;

async fn put_all(target: &Target, size: u64, objects: Vec<(String, u64)>) -> Result<Vec<Known>> {
    let writers = WRITERS.min(objects.len() as u64) as usize;
    let each = (0..writers).map(|number| {
        let mine: Vec<_> = objects.iter().skip(number).step_by(writers).collect();
        async move {
            let mut client = Client::connect(&target.shared).await?;
            let mut known = Vec::with_capacity(mine.len());
            for (path, stamp) in mine {
                let body = Body::Stamped { stamp: *stamp, from: 0, bytes: size };
                let mut answer = client.send(&Request::new("PUT", path), body, Keep::Etag).await?;
                for _ in 0..TRIES_MAX {
                    if answer.status < 500 {
                        break;
                    }
                    tokio::time::sleep(PAUSE).await;
                    answer = client.send(&Request::new("PUT", path), body, Keep::Etag).await?;
                }
                ensure!(answer.status == 200, "{path} was answered {}: {}", answer.status, answer.text);
                known.push(Known { path: path.clone(), etag: answer.etag });
            }
            Ok(known)
        }
    });
    let all: Vec<Vec<Known>> = futures_util::future::try_join_all(each).await?;
    Ok(all.into_iter().flatten().collect())
}

/// Objects of a size, with their ETags.
pub(crate) async fn readable(target: &Target, size: u64) -> Result<Vec<Known>> {
    let count = (POOL_BYTES / size.max(1)).clamp(1, POOL_OBJECTS_MAX);
    let path = |number: u64| format!("/{}/{}pool/{:03}/{number:06}", target.bucket, target.prefix, number % 100);
    let begun = Instant::now();
    let known = put_all(target, size, (0..count).map(|number| (path(number), POOL_STAMPS + number)).collect()).await?;
    eprintln!("{count} objects to read put in {:.1} s", begun.elapsed().as_secs_f64());
    Ok(known)
}

/// Objects of one byte in folders, to be listed.
pub(crate) async fn listed(target: &Target) -> Result<()> {
    let count = LISTED_PAGES * PAGE_KEYS;
    let path =
        |number: u64| format!("/{}/{}list/{:03}/{number:06}", target.bucket, target.prefix, number % LISTED_FOLDERS);
    put_all(target, 1, (0..count).map(|number| (path(number), LISTED_STAMPS + number)).collect()).await?;
    Ok(())
}

/// Puts for a while, and remembers what may be deleted.
pub(crate) async fn expendable(field: &Field<'_>, expendable: &RefCell<Vec<u64>>, limit: Duration) {
    let first = field.stamps.get();
    drive(field, Family::Put, WRITERS as usize, limit).await;
    // One that was not put is deleted as successfully.
    expendable.borrow_mut().extend(first..field.stamps.get());
}
