//! Repeated requests: the answer to a request that came with an idempotency key is kept for a day, and given again.
//!
//! Owns: which request is a repetition of which, keeping answers, forgetting them.
//! Does not own: what makes two requests the same (doors say it in a [`Fingerprint`]), what the request does.
//! Invariants: of requests with one key at most one is carried out at a time. An answer that is kept was given to a request
//! of the same fingerprint, by a user of the same tenant: the doors put the user into the fingerprint.
//!
//! An answer is kept after its command is durable. A crash between the two loses it, so a command that makes something new
//! each time carries [`Pending::command`] as well, and the log answers it as it did the first time.

use std::collections::HashSet;
use std::sync::Arc;

use event_log::{Changes, Snapshot};
use parking_lot::Mutex;
use schemas::content::ETag;
use schemas::{CommandId, TenantId, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Inner, Request, Store, internal, log_error};
use crate::api::{Answer, ByteStream, Caller, Digests, StoreError};
use crate::sequencer::{Decide, Unit};
use crate::tables::{TRUTH, answer_end_key, answer_end_of, answer_ends, answer_key};

/// How long an answer is given again.
const KEPT_US: u64 = 24 * 3_600 * 1_000_000;
/// Bytes of one row of an answer. Part of the format.
const ROW_BYTES: usize = 2_800;
/// Bytes of the largest answer that is kept. A larger one is not: its request is carried out again.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// Purpose of sealed answers in the vault. Part of the format.
const PURPOSE: &str = "idempotent-answer";
/// Ended answers that one round of cleaning forgets, of a tenant.
const FORGOTTEN_MAX: usize = 1_000;

/// What the first row of an answer says beside the beginning of its sealed bytes: 1, fingerprint, when it ends u64 BE, rows
/// u16 BE.
const HEAD_BYTES: usize = 1 + 32 + 8 + 2;

type Place = (TenantId, [u8; 32]);

/// Most bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Whether a text is an idempotency key: 1 to [`IDEMPOTENCY_KEY_BYTES_MAX`] visible ASCII characters.
#[must_use]
pub fn is_idempotency_key(text: &str) -> bool {
    (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What two requests must share to be one: a digest of what a door says of them, in its order.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// One thing that they share.
    pub fn text(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        // Lengths before texts: no two requests share a digest because one's end is another's beginning.
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    /// Headers that they share, in whatever order they came.
    pub fn headers<'a>(&mut self, headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        let mut headers: Vec<_> = headers.into_iter().collect();
        headers.sort_unstable();
        for (name, value) in headers {
            self.text(name);
            self.text(value);
        }
    }

    /// The digest.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// Requests with idempotency keys that are being carried out.
#[derive(Default)]
pub(crate) struct InFlight(Mutex<HashSet<Place>>);

/// What is known of a request with an idempotency key.
pub enum Repeated {
    /// Nothing: carry it out, then [`Pending::finish`].
    Fresh(Pending),
    /// It was carried out: this was its answer.
    Answered(Answer),
    /// It, or another with its key, is being carried out.
    InProgress,
    /// The key came with another request.
    Reused,
}

/// The right to carry a request out. Dropped unfinished, the next one with its key may.
pub struct Pending {
    inner: Arc<Inner>,
    place: Place,
    fingerprint: [u8; 32],
    command: CommandId,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.inner.in_flight.0.lock().remove(&self.place);
    }
}

#[derive(Serialize, Deserialize)]
struct Kept(u16, Vec<(String, String)>, #[serde(with = "serde_bytes")] Vec<u8>);

impl Store {
    /// What is known of a request of the caller's tenant with this idempotency key. `fingerprint` is the same for two
    /// requests that are to be taken for one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn idempotent(&self, caller: &Caller, key: &str, fingerprint: [u8; 32]) -> Result<Repeated, StoreError> {
        let place = (caller.tenant, Sha256::digest(key.as_bytes()).into());
        if !self.inner.in_flight.0.lock().insert(place) {
            return Ok(Repeated::InProgress);
        }
        // From here on dropping it lets the next one in.
        let mut pending = Pending { inner: self.inner.clone(), place, fingerprint, command: CommandId([0; 16]) };
        let snapshot = self.inner.log.snapshot();
        match self.inner.kept_answer(snapshot.as_ref(), place)? {
            Some((of, answer)) if of == fingerprint => return Ok(Repeated::Answered(answer)),
            Some(_) => return Ok(Repeated::Reused),
            None => {}
        }
        pending.command = self.inner.command_of(snapshot.as_ref(), place, &fingerprint)?;
        Ok(Repeated::Fresh(pending))
    }
}

impl Store {
    /// Whether a body that came again is the content of the object that was answered with this entity tag. It is read to its
    /// end and not kept; what it is announced to be is compared as it would be when it is stored.
    ///
    /// # Errors
    /// [`StoreError`], among them refusals of digests that are not the body's.
    pub async fn is_body_of(
        &self,
        etag: &str,
        body: ByteStream,
        digests: &Digests,
        announced_bytes: Option<u64>,
    ) -> Result<bool, StoreError> {
        let hashed = self.inner.contents.hashed(body, digests).await?;
        hashed.check(digests, announced_bytes)?;
        Ok(ETag::parse(etag).is_some_and(|etag| etag.md5 == hashed.md5))
    }
}

impl Pending {
    /// The id that makes the log answer a repeated command as it did the first time.
    #[must_use]
    pub fn command(&self) -> CommandId {
        self.command
    }

    /// Keeps the answer as [`Self::finish`] does. One that cannot be kept is a warning in the server's log: the request was
    /// carried out, and that is what its client is told. A repetition would do it again, where the log does not know it.
    pub async fn keep(self, caller: &Caller, answer: &Answer) {
        if let Err(error) = self.finish(caller, answer).await {
            tracing::warn!(%error, "an answer could not be kept for its repetition");
        }
    }

    /// Keeps the answer, so that a repetition gets it. Errors are not to be kept: what failed may be tried again.
    ///
    /// # Errors
    /// [`StoreError`]; the request was carried out nonetheless.
    pub async fn finish(self, caller: &Caller, answer: &Answer) -> Result<(), StoreError> {
        let Some((changes, count)) = self.inner.keeping(self.place, &self.fingerprint, answer)? else { return Ok(()) };
        let (tenant, key) = self.place;
        let decide: Decide = Box::new(move |rows, _| {
            let mut changes = changes.clone();
            // An answer that ended and was not forgotten yet may have had more rows.
            let before = rows.get(TRUTH, &answer_key(tenant, &key, 0)).map_err(|error| internal(&error))?;
            let before = before.and_then(|first| Head::decode(&first)).map_or(0, |head| head.rows);
            (count..before).for_each(|number| changes.remove(TRUTH, answer_key(tenant, &key, number)));
            Ok(Unit { events: Vec::new(), changes })
        });
        self.inner.run(Request::of(caller), decide).await?;
        Ok(())
    }
}

impl Inner {
    /// An answer that is kept and has not ended, with the fingerprint of its request.
    fn kept_answer(&self, snapshot: &dyn Snapshot, place: Place) -> Result<Option<([u8; 32], Answer)>, StoreError> {
        let (tenant, key) = place;
        let row = |number| snapshot.get(TRUTH, &answer_key(tenant, &key, number)).map_err(|error| internal(&error));
        let malformed = || StoreError::Corrupt { what: "an answer that was kept".to_owned() };
        let Some(first) = row(0)? else { return Ok(None) };
        let head = Head::decode(&first).ok_or_else(malformed)?;
        if head.ends <= self.clock.wall() {
            return Ok(None);
        }
        let mut sealed = first[HEAD_BYTES..].to_vec();
        for number in 1..head.rows {
            sealed.extend(row(number)?.ok_or_else(malformed)?);
        }
        let opened = self.contents.vault.open_secret(tenant, PURPOSE, &key, &sealed);
        let opened = opened.map_err(|error| internal(&error))?;
        let Kept(status, headers, body) = rmp_serde::from_slice(&opened).map_err(|_| malformed())?;
        Ok(Some((head.fingerprint, Answer { status, headers, body })))
    }

    /// The rows that keep an answer; none of one that is too large.
    fn keeping(
        &self,
        place: Place,
        fingerprint: &[u8; 32],
        answer: &Answer,
    ) -> Result<Option<(Changes, u16)>, StoreError> {
        let (tenant, key) = place;
        let kept = Kept(answer.status, answer.headers.clone(), answer.body.clone());
        let plain = rmp_serde::to_vec(&kept).map_err(|error| internal(&error))?;
        if plain.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        let sealed =
            self.contents.vault.seal_secret(tenant, PURPOSE, &key, &plain).map_err(|error| internal(&error))?;
        let rows: Vec<&[u8]> = sealed.chunks(ROW_BYTES).collect();
        let count = u16::try_from(rows.len()).map_err(|error| internal(&error))?;
        let ends = Time(self.clock.wall().0 + KEPT_US);
        let head = Head { fingerprint: *fingerprint, ends, rows: count };
        let mut changes = Changes::default();
        for (number, bytes) in (0..).zip(rows) {
            let row = if number == 0 { [head.encode(), bytes.to_vec()].concat() } else { bytes.to_vec() };
            changes.put(TRUTH, answer_key(tenant, &key, number), row);
        }
        changes.put(TRUTH, answer_end_key(tenant, ends, &key), count.to_be_bytes().to_vec());
        Ok(Some((changes, count)))
    }

    /// The command of a request: that of a day, so that the same request is a new one when its answer has ended. One that
    /// the log knows, from before midnight, is the same request still.
    fn command_of(
        &self,
        snapshot: &dyn Snapshot,
        (tenant, key): Place,
        fingerprint: &[u8; 32],
    ) -> Result<CommandId, StoreError> {
        let now = self.clock.wall().0;
        let of_day = |day: u64| {
            let digest = Sha256::new().chain_update(key).chain_update(fingerprint).chain_update(day.to_be_bytes());
            let digest: [u8; 32] = digest.finalize().into();
            CommandId(*digest.first_chunk().expect("a digest is longer"))
        };
        let (today, before) = (of_day(now / KEPT_US), of_day((now / KEPT_US).saturating_sub(1)));
        let Some(position) = self.log.resolve(tenant, before).map_err(log_error)? else { return Ok(today) };
        let record = snapshot.record(tenant, position).map_err(log_error)?;
        let recent = record.is_some_and(|record| record.header.time.0.saturating_add(KEPT_US) > now);
        Ok(if recent { before } else { today })
    }

    /// Forgets answers that have ended; in bounded steps.
    pub(crate) fn forget_answers(&self, tenant: TenantId) -> Result<(), StoreError> {
        let snapshot = self.log.snapshot();
        let (from, to) = answer_ends(tenant, self.clock.wall());
        for row in snapshot.range(TRUTH, from, to).take(FORGOTTEN_MAX) {
            let (end, count) = row.map_err(|error| internal(&error))?;
            let Some(key) = answer_end_of(&end) else { continue };
            let count = count.first_chunk().map_or(0, |count| u16::from_be_bytes(*count));
            let now = self.clock.wall();
            let decide: Decide = Box::new(move |rows, _| {
                let mut changes = Changes::default();
                changes.remove(TRUTH, end.clone());
                let first = rows.get(TRUTH, &answer_key(tenant, &key, 0)).map_err(|error| internal(&error))?;
                // A key that was used again has an answer that has not ended.
                if first.and_then(|first| Head::decode(&first)).is_some_and(|head| head.ends <= now) {
                    (0..count).for_each(|number| changes.remove(TRUTH, answer_key(tenant, &key, number)));
                }
                Ok(Unit { events: Vec::new(), changes })
            });
            let request = Request::system("janitor", tenant, self.ids.request(now));
            self.run_blocking(request, decide)?;
        }
        Ok(())
    }
}

struct Head {
    fingerprint: [u8; 32],
    ends: Time,
    rows: u16,
}

impl Head {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        bytes.extend(self.fingerprint);
        bytes.extend(self.ends.0.to_be_bytes());
        bytes.extend(self.rows.to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (1, rest) = bytes.split_first().map(|(version, rest)| (*version, rest))? else { return None };
        let (fingerprint, rest) = rest.split_first_chunk::<32>()?;
        let (ends, rest) = rest.split_first_chunk::<8>()?;
        let rows = u16::from_be_bytes(*rest.first_chunk()?);
        Some(Self { fingerprint: *fingerprint, ends: Time(u64::from_be_bytes(*ends)), rows })
    }
}
