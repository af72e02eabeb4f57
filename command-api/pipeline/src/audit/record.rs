//! A request under way: what is found out about it, until it is answered or given up.
//!
//! Owns: [`Record`], which a door holds from a request's first moment, and [`Trace`], by which whoever finds something out says
//! so. Does not own: keeping entries (`sink`).
//! Invariant: every record becomes an entry or a count, also when the client goes away or a handler panics.

use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use schemas::{Position, RequestId, TenantId, Time};

use super::entry::{Asker, Class, Entry, Surface, Verdict, What};
use super::meter::Counts;
use super::sink::Sink;
use crate::api::{AdminCaller, Caller};

/// The status of a request whose client went away before it was answered, as web servers log it.
const GIVEN_UP: u16 = 499;
const GIVEN_UP_CODE: &str = "ClientClosedRequest";

/// How a request came.
#[derive(Debug, Clone)]
pub struct Came {
    /// By which door.
    pub surface: Surface,
    /// What it is called.
    pub request: RequestId,
    /// When: wall clock.
    pub time: Time,
    /// From where.
    pub source: Option<IpAddr>,
}

/// What became of it.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// HTTP status.
    pub status: u16,
    /// Code of its error.
    pub code: Option<String>,
    /// What kind of operation it was; none of what is not metered.
    pub class: Option<Class>,
    /// Bytes of its body that were read.
    pub bytes_in: u64,
    /// Bytes of its answer that were sent.
    pub bytes_out: u64,
}

/// What is known of a request so far.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whose it is.
    pub tenant: Option<TenantId>,
    /// Who asks.
    pub asker: Asker,
    /// What for: the operation's name.
    pub action: Option<String>,
    /// Of which bucket.
    pub bucket: Option<String>,
    /// Of which object.
    pub key: Option<String>,
    /// Of which version.
    pub version: Option<String>,
}

#[derive(Debug, Default)]
struct Traced {
    facts: Facts,
    made: Option<Position>,
    undone: Vec<Undone>,
}

/// One of several things that a request asked for, and that was not done.
#[derive(Debug)]
struct Undone {
    status: u16,
    code: String,
    key: Option<String>,
    version: Option<String>,
}

/// Where handlers say what they find out. It travels in a request's extensions; the last word counts.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Traced>>);

tokio::task_local! {
    /// The request that the running task works for: so that a command's outcome finds its entry without every operation
    /// carrying it.
    static CURRENT: Trace;
}

impl Trace {
    /// Who asks, and with it whose request it is.
    pub fn caller(&self, caller: &Caller) {
        let facts = &mut self.0.lock().facts;
        facts.tenant = Some(caller.tenant);
        facts.asker = Asker::of(caller);
    }

    /// Which administrator asks.
    pub fn admin(&self, admin: &AdminCaller) {
        let facts = &mut self.0.lock().facts;
        facts.asker = Asker::of_admin(admin);
        facts.tenant = facts.tenant.or(admin.tenant);
    }

    /// Who asks, where there is no caller.
    pub fn asker(&self, asker: Asker) {
        self.0.lock().facts.asker = asker;
    }

    /// Whose request it is.
    pub fn tenant(&self, tenant: TenantId) {
        self.0.lock().facts.tenant = Some(tenant);
    }

    /// What is asked for.
    pub fn action(&self, name: impl Into<String>) {
        self.0.lock().facts.action = Some(name.into());
    }

    /// What it is asked of.
    pub fn resource(&self, bucket: Option<&str>, key: Option<&str>, version: Option<&str>) {
        let facts = &mut self.0.lock().facts;
        facts.bucket = bucket.map(str::to_owned);
        facts.key = key.map(str::to_owned);
        facts.version = version.map(str::to_owned);
    }

    /// One of several things that the request asks for, and that is not done although the request is answered: an object of
    /// many that were to be deleted. It gets an entry of its own when the request ends.
    pub fn also(&self, status: u16, code: &str, key: Option<&str>, version: Option<&str>) {
        let (key, version) = (key.map(str::to_owned), version.map(str::to_owned));
        self.0.lock().undone.push(Undone { status, code: code.to_owned(), key, version });
    }

    /// Runs what is done for this request: events it makes are noted here.
    pub async fn scope<F: Future>(&self, work: F) -> F::Output {
        CURRENT.scope(self.clone(), work).await
    }

    /// The first event of the request, if it made one.
    #[must_use]
    pub fn made(&self) -> Option<Position> {
        self.0.lock().made
    }

    /// What is known so far.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.0.lock().facts.clone()
    }
}

/// Told of every command's outcome, in the task that asked for it.
pub(crate) fn made(position: Position) {
    // Standing processes work for no request.
    let _ = CURRENT.try_with(|trace| trace.0.lock().made.get_or_insert(position).0);
}

/// A request that somebody waits for.
pub struct Record {
    sink: Arc<Sink>,
    came: Came,
    trace: Trace,
    ended: bool,
}

impl Record {
    pub(crate) fn new(sink: Arc<Sink>, came: Came) -> Self {
        sink.began(came.surface);
        Self { sink, came, trace: Trace::default(), ended: false }
    }

    /// Where what is found out goes.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// It was answered. A success that made an event is counted and no more: the event is its entry. `facts` are asked for
    /// otherwise alone.
    pub fn end(mut self, ended: Ended, tenant: Option<TenantId>, facts: impl FnOnce(Facts) -> Facts) {
        self.finish(ended, tenant, facts);
    }

    /// One of several things that the request asked for, and that was not done although the request was answered: an object
    /// of many that were to be deleted. `place` tells them apart, from 1 on. For a door that knows them when the request ends, and
    /// not while it is served: the other way is [`Trace::also`], and a request goes one of them.
    pub fn also(&self, place: u64, status: u16, code: &str, tenant: Option<TenantId>, facts: Facts) {
        let Facts { tenant: _, asker, action, bucket, key, version } = facts;
        let mut what = What {
            asker,
            source: self.came.source,
            action: action.unwrap_or_default(),
            bucket,
            key,
            version,
            code: Some(code.to_owned()),
            ..What::new(self.came.surface, status)
        };
        what.bound();
        // A row has a place by time and request: these are a microsecond apart.
        let time = Time(self.came.time.0.saturating_add(place));
        let tenant = tenant.unwrap_or(TenantId::SYSTEM);
        self.sink.keep(Entry { tenant, time, request: self.came.request.clone(), what });
    }

    fn finish(&mut self, ended: Ended, tenant: Option<TenantId>, facts: impl FnOnce(Facts) -> Facts) {
        self.ended = true;
        let now = self.sink.now();
        let verdict = Verdict::of(ended.status);
        let (known, made, undone) = {
            let mut traced = self.trace.0.lock();
            (tenant.or(traced.facts.tenant), traced.made, std::mem::take(&mut traced.undone))
        };
        self.sink.ended(self.came.surface, verdict);
        // Administration is nobody's use.
        if let Some(tenant) = known.filter(|_| self.came.surface != Surface::Admin) {
            let class = ended.class.filter(|_| verdict == Verdict::Ok);
            let counts = Counts::of(class, verdict, ended.bytes_in, ended.bytes_out);
            self.sink.meter(tenant, now, &counts);
        }
        let is_told_by_event = verdict == Verdict::Ok && made.is_some();
        if is_told_by_event && undone.is_empty() {
            return;
        }
        let facts = facts(self.trace.facts());
        for (place, Undone { status, code, key, version }) in (1..).zip(undone) {
            self.also(place, status, &code, known, Facts { key, version, ..facts.clone() });
        }
        if is_told_by_event {
            return;
        }
        let Facts { tenant: _, asker, action, bucket, key, version } = facts;
        let mut what = What {
            asker,
            source: self.came.source,
            action: action.unwrap_or_default(),
            bucket,
            key,
            version,
            code: ended.code,
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
            took_us: now.0.saturating_sub(self.came.time.0),
            position: made,
            ..What::new(self.came.surface, ended.status)
        };
        what.bound();
        let tenant = known.unwrap_or(TenantId::SYSTEM);
        self.sink.keep(Entry { tenant, time: self.came.time, request: self.came.request.clone(), what });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            let ended = Ended { status: GIVEN_UP, code: Some(GIVEN_UP_CODE.to_owned()), ..Ended::default() };
            self.finish(ended, None, |facts| facts);
        }
    }
}
