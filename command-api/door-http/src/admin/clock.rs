//! The retention clock: how it stands, and the word that the wall clock is right.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::ClockState;
use schemas::event::AdminRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, json, whole};
use crate::json::{parse_time, timestamp};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Entry> {
    let op = |method, path, id, summary| Operation::new(method, path, id, "upkeep", summary);
    let get = op(Method::GET, "/clock", "getClock", "How the retention clock stands")
        .about(
            "Whatever is retained ends by the retention clock. It follows the wall clock, falls never and jumps never: a wall clock that is set \
             ahead is followed at most 1.001 times as fast as time passes. When the server starts and its wall clock is over 30 days \
             past the last tick, expiry is frozen.",
        )
        .answers::<Clock>(200, "The clocks.");
    let acknowledge = op(Method::POST, "/clock/acknowledge", "acknowledgeClock", "Say that the wall clock is right")
        .about(
            "The retention clock goes where the server's wall clock is, and expiry goes on if it was frozen. A restart honours it. What was to be \
             retained up to then ends: look at another clock first.",
        )
        .takes::<Acknowledgement>()
        .answers::<Clock>(200, "The clocks as they stand now.")
        .refuses(&[413, 507]);
    vec![whole(AdminRole::Viewer, get, self::get), whole(AdminRole::Owner, acknowledge, self::acknowledge)]
}

/// The clocks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Clock {
    /// The retention clock: what records are stamped with.
    #[schema(format = DateTime)]
    retention_time: Option<String>,
    /// The time by which it is judged what has expired: the same, unless expiry is frozen.
    #[schema(format = DateTime)]
    judged_time: Option<String>,
    /// The server's wall clock.
    #[schema(format = DateTime)]
    wall_time: Option<String>,
    /// Whether nothing expires until the wall clock is acknowledged.
    frozen: bool,
    /// The last tick in the system log; null before the first.
    last_tick: Option<Tick>,
}

/// A tick of the retention clock.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Tick {
    /// The retention clock then.
    #[schema(format = DateTime)]
    time: Option<String>,
    /// The wall clock then.
    #[schema(format = DateTime)]
    wall_time: Option<String>,
    /// Whether an administrator acknowledged the wall clock with it.
    acknowledged: bool,
}

/// The word that the wall clock is right.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Acknowledgement {
    /// What time it is, by another clock than the server's: within 5 minutes of its wall clock, or nothing happens.
    #[schema(format = DateTime)]
    wall: String,
}

impl From<ClockState> for Clock {
    fn from(state: ClockState) -> Self {
        let ClockState { figures, last_tick } = state;
        Self {
            retention_time: timestamp(figures.retention),
            judged_time: timestamp(figures.judged),
            wall_time: timestamp(figures.wall),
            frozen: figures.frozen,
            last_tick: last_tick.map(|tick| Tick {
                time: timestamp(tick.time),
                wall_time: timestamp(tick.wall),
                acknowledged: tick.acknowledged,
            }),
        }
    }
}

async fn get(admin: Arc<Admin>, ask: Ask) -> Answer {
    Ok(json(StatusCode::OK, Clock::from(admin.store.clock_state(ask.caller()?).await?)))
}

async fn acknowledge(admin: Arc<Admin>, ask: Ask) -> Answer {
    let Acknowledgement { wall } = ask.json()?;
    let said = parse_time("wall", &wall)?;
    Ok(json(StatusCode::OK, Clock::from(admin.store.acknowledge_clock(ask.caller()?, said).await?)))
}
