//! `holdfast audit export`: takes the archive off the server and into a file.
//!
//! Invariant: the file has its name when it is whole, and not before.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use http::Method;
use serde_json::json;

use super::with_query;
use crate::admin_client::{self, Server};
use crate::args::ExportArgs;

pub(super) fn run(args: &ExportArgs, server: &Server, as_json: bool) -> anyhow::Result<()> {
    let out = &args.out;
    ensure!(!out.exists(), "{} is there already", out.display());
    let bucket = args.bucket.as_ref().map(schemas::BucketName::as_str);
    let path = with_query(
        &format!("/tenants/{}/export", args.tenant),
        &[("bucket", bucket), ("from", args.from.as_deref()), ("to", args.to.as_deref())],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    let (part, mut file) = make_part(out)?;
    let mut bytes = 0;
    let taken = runtime.block_on(admin_client::download(server, Method::POST, &path, |piece| {
        bytes += piece.len() as u64;
        file.write_all(piece).with_context(|| format!("writing {}", part.display()))
    }));
    let kept = taken.and_then(|()| {
        file.sync_all().with_context(|| format!("writing {}", part.display()))?;
        // Neither over a file that came meanwhile.
        std::fs::hard_link(&part, out).with_context(|| format!("{} cannot be made", out.display()))
    });
    let _ = std::fs::remove_file(&part);
    kept?;
    let text = if as_json {
        format!("{:#}\n", json!({ "file": out.display().to_string(), "bytes": bytes }))
    } else {
        format!("{}: {bytes} bytes. Whoever has it can read the records in it.\n", out.display())
    };
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// What is written before the export is whole, for its owner alone: keys of records are in it.
fn make_part(out: &Path) -> anyhow::Result<(PathBuf, File)> {
    let name = out.file_name().with_context(|| format!("{} names no file", out.display()))?;
    let mut part = name.to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = out.with_file_name(part);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
    let file = file.with_context(|| format!("{} cannot be made", part.display()))?;
    Ok((part, file))
}
