//! Tasks: work larger than a unit.

use schemas::{TenantId, Time};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// A task that is not finished: what a restart resumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What kind.
    pub kind: String,
    /// What it needs to resume, in JSON, by kind.
    pub arguments: String,
    /// Where to resume, in JSON, by kind; none at the beginning.
    pub cursor: Option<String>,
    /// Units done.
    pub done: u64,
    /// When it began.
    pub started: Time,
    /// When it last got further.
    pub progressed: Time,
}
super::packed!(Task, DIRECTORY, "task");

impl Task {
    /// Key of the row: tenant, kind, task.
    #[must_use]
    pub fn key(tenant: TenantId, task: &str) -> Vec<u8> {
        Key::kind(tenant, directory::TASK).raw(task.as_bytes()).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId) -> Vec<u8> {
        Self::key(tenant, "")
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<String> {
        String::from_utf8(KeyReader::behind(key, KIND_BYTES)?.rest().to_vec()).ok()
    }
}

/// A task that is finished, kept so that its outcome can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedTask {
    /// What kind.
    pub kind: String,
    /// Units done.
    pub done: u64,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Time,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// What it was to do; empty in rows of versions that did not keep it.
    #[serde(default)]
    pub arguments: String,
    /// How far it got, if it got anywhere.
    #[serde(default)]
    pub cursor: Option<String>,
}
super::packed!(EndedTask, DIRECTORY, "ended task");

impl EndedTask {
    /// Key of the row: tenant, kind, task.
    #[must_use]
    pub fn key(tenant: TenantId, task: &str) -> Vec<u8> {
        Key::kind(tenant, directory::ENDED_TASK).raw(task.as_bytes()).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId) -> Vec<u8> {
        Self::key(tenant, "")
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<String> {
        Task::parse_key(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::reads_back;
    use super::*;

    proptest! {
        #[test]
        fn rows_read_back(kind: String, arguments: String, cursor: Option<String>, done: u64, times: (u64, u64)) {
            let (started, ended) = (Time(times.0), Time(times.1));
            let (error, arguments) = (cursor.clone(), arguments.clone());
            reads_back(&EndedTask { kind: kind.clone(), done, started, ended, error, arguments: arguments.clone(), cursor: cursor.clone() });
            prop_assert_eq!(Task::parse_key(&Task::key(TenantId(1), &kind)), Some(kind.clone()));
            reads_back(&Task { kind, arguments, cursor, done, started, progressed: ended });
        }
    }
}
