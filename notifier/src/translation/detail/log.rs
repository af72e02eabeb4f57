//! What events about the log itself and about work larger than a commit say.

use schemas::{EventId, LeafHash, TenantId, event};

use crate::translation::shape::shapes;
use crate::translation::text::{EventRef, Moment, Text};

shapes! {
    /// A new epoch of the log.
    struct Reopened<'a> {
        /// Why: `restore`, `tail loss accepted`, `takeover`.
        reason: &'a str,
        /// The last event of the epoch before that still counts; absent of a log that begins again empty.
        from: Option<EventRef>,
        /// Its position: whoever keeps positions goes on behind it.
        last_common_position: Option<u64>,
        /// First position that is known to be lost.
        first_lost_position: Option<u64>,
        /// Last position that is known to be lost.
        last_lost_position: Option<u64>,
    }

    /// A commitment to everything before.
    struct Sealed {
        /// Last position that it covers.
        last_position: u64,
        /// Which event of the seal, from 0.
        part: u32,
        /// Events of the seal.
        part_count: u32,
        /// Buckets that changed since the seal before, in this part.
        changed_bucket_count: usize,
        /// SHA-256 over the heads of all buckets: hex digits.
        buckets_sha256: Text<LeafHash>,
        /// The retention clock.
        clock: Moment,
    }

    /// A checkpoint of the log.
    struct Checkpoint<'a> {
        /// Records that it covers.
        size: u64,
        /// Root of the tree over them: hex digits.
        root_sha256: Text<LeafHash>,
        /// Which tree.
        origin: &'a str,
    }

    /// The installation's clock.
    struct ClockTicked {
        /// The wall clock then.
        wall: Moment,
        /// Whether an operator acknowledged a jump with it.
        acknowledged: bool,
    }

    /// The installation.
    struct InstallationCreated<'a> {
        /// 32 hex digits.
        installation: &'a str,
    }

    /// Work that began.
    struct TaskStarted<'a> {
        /// The task: 32 hex digits.
        task: &'a str,
        /// What kind of work: `delete-prefix` and so on.
        kind: &'a str,
    }

    /// Work that got so far.
    struct TaskProgressed<'a> {
        /// The task: 32 hex digits.
        task: &'a str,
        /// Units done.
        done: u64,
    }

    /// Work that ended.
    struct TaskFinished<'a> {
        /// The task: 32 hex digits.
        task: &'a str,
        /// Why it failed, if it did.
        error: Option<&'a str>,
    }
}

impl<'a> Reopened<'a> {
    pub(super) fn of(reopened: &'a event::LogReopened, tenant: TenantId) -> Self {
        let position = |event: EventId| event.position.0;
        Self {
            reason: &reopened.reason,
            from: reopened.from.map(|event| EventRef(tenant, event)),
            last_common_position: reopened.from.map(position),
            first_lost_position: reopened.lost.map(|lost| lost.first.0),
            last_lost_position: reopened.lost.map(|lost| lost.last.0),
        }
    }
}

impl Sealed {
    pub(super) fn of(sealed: &event::LogSealed) -> Self {
        Self {
            last_position: sealed.upto.0,
            part: sealed.part,
            part_count: sealed.parts,
            changed_bucket_count: sealed.changed.len(),
            buckets_sha256: Text(sealed.buckets),
            clock: Moment(sealed.clock),
        }
    }
}

impl<'a> Checkpoint<'a> {
    pub(super) fn of(published: &'a event::CheckpointPublished) -> Self {
        Self { size: published.size, root_sha256: Text(published.root), origin: &published.origin }
    }
}

impl ClockTicked {
    pub(super) fn of(ticked: &event::ClockTicked) -> Self {
        Self { wall: Moment(ticked.wall), acknowledged: ticked.acknowledged }
    }
}

impl<'a> InstallationCreated<'a> {
    pub(super) fn of(created: &'a event::InstallationCreated) -> Self {
        Self { installation: &created.installation }
    }
}

impl<'a> TaskStarted<'a> {
    pub(super) fn of(started: &'a event::TaskStarted) -> Self {
        Self { task: &started.task, kind: &started.kind }
    }
}

impl<'a> TaskProgressed<'a> {
    pub(super) fn of(progressed: &'a event::TaskProgressed) -> Self {
        Self { task: &progressed.task, done: progressed.done }
    }
}

impl<'a> TaskFinished<'a> {
    pub(super) fn of(finished: &'a event::TaskFinished) -> Self {
        Self { task: &finished.task, error: finished.error.as_deref() }
    }
}
