//! Rules of a bucket's notification configuration: set, given secrets, stopped.
//!
//! Owns: the way to a configuration that is decided on what the bucket's is then.
//! Does not own: which are valid and what of a rule outlives its configuration (domain), their XML and JSON (doors).
//! Invariant: the words of the present configuration stand in the log, which a decision does not read. It is read before, and the
//! decision holds only while the bucket's row still names the event that was read; else it is read and decided again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Refusal;
use domain::bucket::{Bucket, Command};
use domain::bucket_setting::Configuration;
use domain::notification::{self, AskedRule, Before};
use domain::subscription::overlap_us;
use event_log::{Changes, Snapshot};
use projections::query;
use schemas::action::Action;
use schemas::event::{BucketNotificationSet, Event, NotificationConfiguration, Setting};
use schemas::subscription::RuleWebhook;
use schemas::{BucketId, BucketName, EventId, Position, SubscriptionId, TenantId, Time};

use super::{Found, Inner, Request, Store, planned, rows_error, situation};
use crate::api::{AskedDelivery, Caller, NewSigningSecret, StoreError};
use crate::sequencer::{Decide, Outcome, Unit};

/// How often it is decided again when others change the same configuration meanwhile.
const ATTEMPTS: u32 = 8;

/// What becomes of a configuration; none for nothing.
pub(super) type Edit =
    Arc<dyn Fn(Option<Before<'_>>, Time) -> Result<Option<NotificationConfiguration>, Refusal> + Send + Sync>;

impl Store {
    /// Sets who hears of what happens in a bucket. A rule of an id that there is already keeps its subscription, secrets and place,
    /// and is told again if it was stopped; another one gets a secret, which [`Store::rotate_notification_secret`] replaces by
    /// one that is shown. Returned is what holds now.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_notifications(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        asked: NotificationConfiguration,
        delivery: &BTreeMap<String, AskedDelivery>,
    ) -> Result<(NotificationConfiguration, Position), StoreError> {
        let (inner, tenant) = (&self.inner, caller.tenant);
        let found = {
            let snapshot = inner.log.snapshot();
            inner.enter(snapshot.as_ref(), caller, Action::PutBucketNotification, bucket, None)?
        };
        notification::check(&asked)?;
        if !asked.rules.is_empty() {
            let urls: BTreeSet<_> =
                asked.rules.iter().filter_map(|rule| notification::webhook_url(&rule.arn)).collect();
            inner.check_destinations(urls).await?;
        }
        let fresh = |rule: schemas::event::NotificationRule| {
            let AskedDelivery { format, mode } = delivery.get(&rule.id).copied().unwrap_or_default();
            let fresh = SubscriptionId(inner.ids.bytes());
            let (_, secret) = inner.new_signing_secret(tenant, fresh)?;
            Ok(AskedRule { rule, format, mode, fresh, secret })
        };
        let rules = asked.rules.into_iter().map(fresh).collect::<Result<Vec<_>, StoreError>>()?;
        let edit: Edit = Arc::new(move |before, now| Ok(Some(notification::subscribed(&rules, before, now))));
        let outcome = inner.change_rules(|| Request::of(caller), found.id, Some(caller), edit).await?;
        Ok((configuration_of(&outcome)?, inner.position(tenant, &outcome)?))
    }

    /// Gives a rule of a bucket another secret, returned once. The old one signs too for `overlap_s` seconds.
    ///
    /// # Errors
    /// [`Refusal::NoSuchWebhook`] for a rule that there is not; nothing has changed then.
    pub async fn rotate_notification_secret(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        rule_id: &str,
        overlap_s: u64,
    ) -> Result<NewSigningSecret, StoreError> {
        let (inner, tenant, overlap_us) = (&self.inner, caller.tenant, overlap_us(overlap_s)?);
        let (found, subscription) = {
            let snapshot = inner.log.snapshot();
            let found = inner.enter(snapshot.as_ref(), caller, Action::PutBucketNotification, bucket, None)?;
            let set = inner.notifications(snapshot.as_ref(), tenant, &found)?;
            let webhook = set.as_ref().and_then(|(_, set)| webhook_of(&set.configuration, rule_id));
            let subscription = webhook.ok_or(Refusal::NoSuchWebhook)?.subscription;
            (found, subscription)
        };
        let (secret, sealed) = inner.new_signing_secret(tenant, subscription)?;
        let rule = rule_id.to_owned();
        let edit: Edit = Arc::new(move |before, now| {
            let before = before.ok_or(Refusal::NoSuchWebhook)?;
            let changed = notification::with_secret(before, &rule, sealed.clone(), now, overlap_us);
            let changed = Some(changed.ok_or(Refusal::NoSuchWebhook)?);
            // Removed and made again meanwhile: the secret was sealed for the one that is gone.
            let same = webhook_of(&changed, &rule).is_some_and(|webhook| webhook.subscription == subscription);
            if same { Ok(changed) } else { Err(Refusal::ChangedMeanwhile) }
        });
        let outcome = inner.change_rules(|| Request::of(caller), found.id, Some(caller), edit).await?;
        let now_holds = Some(configuration_of(&outcome)?);
        let rotated = webhook_of(&now_holds, rule_id).ok_or(Refusal::NoSuchWebhook)?;
        let previous_until = rotated.secrets.previous.as_ref().map(|previous| previous.until);
        Ok(NewSigningSecret { secret, previous_until, position: inner.position(tenant, &outcome)? })
    }
}

fn webhook_of<'a>(configuration: &'a Option<NotificationConfiguration>, rule_id: &str) -> Option<&'a RuleWebhook> {
    configuration.as_ref()?.rules.iter().find(|rule| rule.id == rule_id)?.webhook.as_ref()
}

/// What an outcome's event set.
fn configuration_of(outcome: &Outcome) -> Result<NotificationConfiguration, StoreError> {
    let event = outcome.last().and_then(|last| last.body.as_ref()?.event(&last.header).ok());
    match event {
        Some(Event::BucketNotificationSet(set)) => Ok(set.configuration.unwrap_or_default()),
        _ => Err(StoreError::Internal { what: "a configuration was set by no event".to_owned() }),
    }
}

impl Inner {
    /// The notification configuration of a bucket, with the event that set it.
    pub(super) fn notifications(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<Option<(EventId, BucketNotificationSet)>, StoreError> {
        let Some(event) = bucket.row.settings.get(&Setting::Notification).copied() else { return Ok(None) };
        match self.fact(snapshot, tenant, event)?.as_ref() {
            Event::BucketNotificationSet(set) => Ok(Some((event, set.clone()))),
            _ => Err(super::bucket_settings::corrupt_event(tenant, event, "sets something else")),
        }
    }

    /// Changes the rules of a bucket, for a caller whose key must still work then.
    pub(super) async fn change_rules(
        &self,
        request: impl Fn() -> Request,
        bucket: BucketId,
        by: Option<&Caller>,
        edit: Edit,
    ) -> Result<Outcome, StoreError> {
        for _ in 0..ATTEMPTS {
            let request = request();
            let is_stale = Arc::new(AtomicBool::new(false));
            let decide = self.decide_rules(request.tenant, bucket, by.cloned(), edit.clone(), is_stale.clone())?;
            let outcome = self.run(request, decide).await?;
            if !is_stale.load(Ordering::Acquire) {
                return Ok(outcome);
            }
        }
        Err(Refusal::ChangedMeanwhile.into())
    }

    fn decide_rules(
        &self,
        tenant: TenantId,
        bucket: BucketId,
        by: Option<Caller>,
        edit: Edit,
        is_stale: Arc<AtomicBool>,
    ) -> Result<Decide, StoreError> {
        let snapshot = self.log.snapshot();
        let row = query::bucket(snapshot.as_ref(), tenant, bucket).map_err(rows_error)?;
        let found = Found::now(bucket, row.ok_or(Refusal::NoSuchBucket)?);
        let read = self.notifications(snapshot.as_ref(), tenant, &found)?;
        Ok(Box::new(move |rows, now| {
            by.as_ref().map_or(Ok(()), |by| situation::still_works(rows, by))?;
            // Deleted since the request came.
            let row = query::bucket(rows, tenant, bucket).map_err(rows_error)?.ok_or(Refusal::NoSuchBucket)?;
            let state = situation::bucket(rows, tenant, &row.name)?;
            if !matches!(&state.bucket, Bucket::Live { id, .. } if *id == bucket) {
                return Err(Refusal::NoSuchBucket.into());
            }
            let stale = row.settings.get(&Setting::Notification) != read.as_ref().map(|(event, _)| event);
            is_stale.store(stale, Ordering::Release);
            if stale {
                return Ok(Unit::default());
            }
            let before = read.as_ref().and_then(|(event, set)| {
                Some(Before { at: event.position, configuration: set.configuration.as_ref()? })
            });
            let Some(configuration) = edit(before, now)? else { return Ok(Unit::default()) };
            let configure = Command::Configure(Configuration::Notification(Some(configuration)));
            let events = domain::bucket::decide(&state, configure)?;
            Ok(Unit { events: planned(&found, None, events), changes: Changes::default() })
        }))
    }
}
