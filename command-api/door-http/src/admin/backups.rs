//! Backups and copies of keys, written by the server into folders of its own machine. Only an owner may name one.

use std::path::PathBuf;
use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::backup::{BackupError, KeyCopyError};
use schemas::event::AdminRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, json, whole};
use crate::json::timestamp;
use crate::operation::Operation;
use crate::problem::Problem;

/// How long a copy of the keys is kept where nobody says.
const KEY_DAYS: u32 = 30;

pub(super) fn operations() -> Vec<Entry> {
    let op = |path, id, summary| Operation::new(Method::POST, path, id, "upkeep", summary);
    let backup = op("/backups", "makeBackup", "Make a backup, or add to one what changed")
        .about(
            "The server writes into a folder of its own machine, which is empty or holds an earlier backup of the same log. It goes on \
             meanwhile; sweep waits. No key is in a backup.",
        )
        .takes::<Wanted>()
        .answers::<Backup>(200, "What was written.")
        .refuses(&[409, 413]);
    let keys = op("/key-copies", "copyKeys", "Copy the key files")
        .about(
            "Into a new folder below the one that is named; the server removes it when it has ended. The root key is in no copy: a copy is \
             of no use without it.",
        )
        .takes::<Wanted>()
        .answers::<KeyCopy>(200, "What was written.")
        .refuses(&[409, 413]);
    vec![whole(AdminRole::Owner, backup, self::backup), whole(AdminRole::Owner, keys, self::copy_keys)]
}

/// Where to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = BackupWanted)]
struct Wanted {
    /// A folder of the server's machine, from the root, apart from its data directory.
    to: String,
    /// Days: of a backup, for how long it keeps content that the server has given up; of a copy of keys, when it ends. 30 without it.
    #[schema(minimum = 1, maximum = 36500)]
    keep_days: Option<u32>,
}

/// What a run of a backup did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Backup {
    /// Number of the run.
    run: u64,
    /// When its position was taken.
    #[schema(format = DateTime)]
    made_at: Option<String>,
    /// The commit at which every log's head was taken.
    commit: u64,
    /// Logs.
    logs: usize,
    /// Records that were new.
    records: u64,
    /// Rows that were new or changed.
    rows: u64,
    /// Bytes that were written.
    written_bytes: u64,
    /// Bytes of the whole backup.
    bytes: u64,
}

/// A copy of the key files.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct KeyCopy {
    /// Its folder.
    folder: String,
    /// Key files in it.
    files: usize,
    /// When it was made.
    #[schema(format = DateTime)]
    made_at: Option<String>,
    /// When it ends and the server removes it.
    #[schema(format = DateTime)]
    ends_at: Option<String>,
    /// Copies that had ended and were removed.
    removed: usize,
}

async fn backup(admin: Arc<Admin>, ask: Ask) -> Answer {
    let (to, keep_days) = wanted(&ask)?;
    let report = admin.store.admin_backup(ask.caller()?, to, keep_days).await.map_err(|error| problem(&error))?;
    let answer = Backup {
        run: report.run,
        made_at: timestamp(report.made),
        commit: report.commit,
        logs: report.logs,
        records: report.records,
        rows: report.rows,
        written_bytes: report.written_bytes,
        bytes: report.bytes,
    };
    Ok(json(StatusCode::OK, answer))
}

async fn copy_keys(admin: Arc<Admin>, ask: Ask) -> Answer {
    let (to, keep_days) = wanted(&ask)?;
    let copied = admin.store.admin_copy_keys(ask.caller()?, to, keep_days.unwrap_or(KEY_DAYS)).await;
    let (copy, removed) = copied.map_err(|error| match &error {
        KeyCopyError::Folder(error) => problem(error),
        KeyCopyError::Exists { .. } => Problem::new(StatusCode::CONFLICT, "conflict", error.to_string()),
        KeyCopyError::Vault(_) | KeyCopyError::Different { .. } => Problem::internal(&chain(&error)),
    })?;
    let answer = KeyCopy {
        folder: copy.folder.display().to_string(),
        files: copy.files,
        made_at: timestamp(copy.made),
        ends_at: timestamp(copy.ends),
        removed,
    };
    Ok(json(StatusCode::OK, answer))
}

fn wanted(ask: &Ask) -> Result<(PathBuf, Option<u32>), Problem> {
    let Wanted { to, keep_days } = ask.json()?;
    if to.is_empty() || to.contains('\0') {
        return Err(Problem::invalid("`to` must name a folder of the server's machine"));
    }
    if keep_days.is_some_and(|days| !(1..=36_500).contains(&days)) {
        return Err(Problem::invalid("`keepDays` must be 1 to 36500"));
    }
    Ok((to.into(), keep_days))
}

/// An owner of the installation named the folder and may know what stands in its way.
fn problem(error: &BackupError) -> Problem {
    use BackupError as E;
    let conflict = || Problem::new(StatusCode::CONFLICT, "conflict", chain(error));
    match error {
        E::Refused(_) => Problem::forbidden(),
        E::NotAbsolute { .. } | E::Within { .. } | E::NotABackup { .. } => Problem::invalid(chain(error)),
        E::Io { .. } => {
            tracing::error!(error = chain(error), "a backup failed");
            conflict()
        }
        E::InUse { .. } | E::Busy | E::OtherHistory { .. } | E::Damaged { .. } | E::Incomplete { .. } => conflict(),
        E::Closing => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", chain(error)),
        E::Log(_) | E::Rows(_) | E::Blobs(_) => Problem::internal(&chain(error)),
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
