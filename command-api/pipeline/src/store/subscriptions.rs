//! Subscriptions as whoever follows the log needs them: who is told of what, where, signed with what.
//!
//! Owns: webhooks and rules of buckets as one list; stopping one of either kind; names of buckets and tenants.
//! Does not own: delivery (notifier), changes that a caller asks for ([`super::webhooks`], [`super::notifications`]).
//! What stands here takes no caller: it is for followers of the log, and no door may call it.

use std::ops::ControlFlow;

use domain::Refusal;
use domain::notification;
use domain::webhook::Command;
use projections::{query, row};
use schemas::event::{NotificationRule, Setting};
use schemas::subscription::{EventFilter, SubscriptionStatus};
use schemas::{BucketId, BucketName, EventId, Position, SubscriptionId, TenantId, TenantName};

use super::notifications::Edit;
use super::{Found, Inner, Request, Store, rows_error};
use crate::announcements::Subscription;
use crate::api::StoreError;

/// Who stops subscriptions.
const NOTIFIER: &str = "notifier";
/// Buckets looked at in one snapshot.
const STEP: usize = 1_000;

/// A rule of a bucket that is a subscription.
struct Rule<'a> {
    bucket: BucketId,
    name: &'a BucketName,
    /// The event that set it.
    set_by: EventId,
    rule: &'a NotificationRule,
}

impl Store {
    /// Everyone who is told of a tenant's events, and whoever was stopped: webhooks by id, then rules by bucket. Secrets are
    /// open. Nobody is told of a tenant that is disabled or deleted. For followers of the log: it takes no caller, and blocks.
    ///
    /// # Errors
    /// [`StoreError`] when rows or secrets cannot be read.
    pub fn subscriptions(&self, tenant: TenantId) -> Result<Vec<Subscription>, StoreError> {
        let inner = &self.inner;
        let now = inner.judged_now();
        let snapshot = inner.log.snapshot();
        let enabled = query::tenant(snapshot.as_ref(), tenant).map_err(rows_error)?.is_some_and(|row| is_enabled(&row));
        if !enabled {
            return Ok(Vec::new());
        }
        let webhooks = query::webhooks(snapshot.as_ref(), tenant).map_err(rows_error)?;
        // Rules are read in snapshots of their own: none may live long.
        drop(snapshot);
        let webhook = |(id, row): (SubscriptionId, row::Webhook)| {
            let row::Webhook { webhook, start, .. } = row;
            let secrets = inner.signing_secrets(tenant, id, &webhook.secrets, now)?;
            let (url, format, mode, filter) = (webhook.url, webhook.format, webhook.mode, webhook.filter);
            Ok(Subscription { id, rule: None, url, format, mode, filter, status: webhook.status, secrets, start })
        };
        let mut all = webhooks.into_iter().map(webhook).collect::<Result<Vec<_>, StoreError>>()?;
        inner.each_rule::<()>(tenant, |found| {
            let Some(webhook) = &found.rule.webhook else { return Ok(ControlFlow::Continue(())) };
            let url = notification::webhook_url(&found.rule.arn).unwrap_or_default().to_owned();
            all.push(Subscription {
                id: webhook.subscription,
                rule: Some((found.name.clone(), found.rule.id.clone())),
                url,
                format: webhook.format,
                mode: webhook.mode,
                filter: filter_of(&found),
                status: webhook.status.clone(),
                secrets: inner.signing_secrets(tenant, webhook.subscription, &webhook.secrets, now)?,
                start: start_of(&found),
            });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(all)
    }

    /// Tenants that are enabled and have subscriptions. For followers of the log: it takes no caller, and blocks.
    ///
    /// # Errors
    /// [`StoreError`] when rows cannot be read.
    pub fn tenants_subscribed(&self) -> Result<Vec<TenantId>, StoreError> {
        let inner = &self.inner;
        let mut subscribed = Vec::new();
        for (id, _) in self.enabled_tenants()? {
            let webhooks = query::webhooks(inner.log.snapshot().as_ref(), id).map_err(rows_error)?;
            let any = !webhooks.is_empty() || inner.each_rule(id, |_| Ok(ControlFlow::Break(())))?.is_some();
            if any {
                subscribed.push(id);
            }
        }
        Ok(subscribed)
    }

    /// The name of a bucket that is there or was. For followers of the log: it takes no caller, and blocks.
    ///
    /// # Errors
    /// [`StoreError`] when rows cannot be read.
    pub fn bucket_name(&self, tenant: TenantId, bucket: BucketId) -> Result<Option<BucketName>, StoreError> {
        query::bucket_name(self.inner.log.snapshot().as_ref(), tenant, bucket).map_err(rows_error)
    }

    /// The name of a tenant that is there. For followers of the log: it takes no caller, and blocks.
    ///
    /// # Errors
    /// [`StoreError`] when rows cannot be read.
    pub fn tenant_name(&self, tenant: TenantId) -> Result<Option<TenantName>, StoreError> {
        let row = query::tenant(self.inner.log.snapshot().as_ref(), tenant).map_err(rows_error)?;
        Ok(row.map(|row| row.name))
    }

    /// Tenants that are enabled, by name. For followers of the log: it takes no caller, and blocks.
    ///
    /// # Errors
    /// [`StoreError`] when rows cannot be read.
    pub fn enabled_tenants(&self) -> Result<Vec<(TenantId, TenantName)>, StoreError> {
        let tenants = query::tenants(self.inner.log.snapshot().as_ref()).map_err(rows_error)?;
        Ok(tenants.into_iter().filter(|(_, row)| is_enabled(row)).map(|(id, row)| (id, row.name)).collect())
    }

    /// Tells a subscription nothing more until somebody resumes it: a webhook, or a rule of a bucket. Nothing happens when it is
    /// told nothing already, or is gone. For whoever delivers: it takes no caller.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn stop_subscription(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        status: SubscriptionStatus,
    ) -> Result<(), StoreError> {
        let inner = &self.inner;
        let request = || Request::system(NOTIFIER, tenant, inner.ids.request(inner.clock.wall()));
        if query::webhook(inner.log.snapshot().as_ref(), tenant, id).map_err(rows_error)?.is_some() {
            inner.change_webhook(request(), None, id, move |_| Command::Stop(status.clone())).await?;
            return Ok(());
        }
        let Some(bucket) = inner.rule(tenant, id, |found| found.bucket)? else { return Ok(()) };
        let edit: Edit = std::sync::Arc::new(move |before, _| {
            Ok(before.and_then(|before| notification::stopped(before, id, status.clone())))
        });
        match inner.change_rules(request, bucket, None, edit).await {
            Ok(_) | Err(StoreError::Refused(Refusal::NoSuchBucket)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    /// Which events a subscription is told, in which shape and order; none of one that is not there.
    pub(super) fn trial_of(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<Option<crate::api::AskedTrial>, StoreError> {
        let row = query::webhook(self.log.snapshot().as_ref(), tenant, id).map_err(rows_error)?;
        if let Some(row) = row {
            let schemas::subscription::Webhook { filter, format, mode, .. } = row.webhook;
            return Ok(Some(crate::api::AskedTrial { filter, format, mode }));
        }
        let trial = self.rule(tenant, id, |found| {
            let webhook = found.rule.webhook.as_ref()?;
            Some(crate::api::AskedTrial { filter: filter_of(found), format: webhook.format, mode: webhook.mode })
        })?;
        Ok(trial.flatten())
    }

    fn rule<T>(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        take: impl Fn(&Rule<'_>) -> T,
    ) -> Result<Option<T>, StoreError> {
        self.each_rule(tenant, |found| {
            let is_it = found.rule.webhook.as_ref().is_some_and(|webhook| webhook.subscription == id);
            Ok(if is_it { ControlFlow::Break(take(&found)) } else { ControlFlow::Continue(()) })
        })
    }

    /// Looks at every rule that is a subscription, by bucket, until one says that it is enough.
    fn each_rule<T>(
        &self,
        tenant: TenantId,
        mut look: impl FnMut(Rule<'_>) -> Result<ControlFlow<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let mut after: Option<String> = None;
        loop {
            // One snapshot a page: none may live long, and a tenant may have many buckets.
            let snapshot = self.log.snapshot();
            let page = query::list_buckets(snapshot.as_ref(), tenant, "", after.as_deref(), STEP);
            let (buckets, more) = page.map_err(rows_error)?;
            after = buckets.last().map(|(_, row)| row.name.to_string());
            let with_rules = |(_, row): &(BucketId, row::Bucket)| row.settings.contains_key(&Setting::Notification);
            for (bucket, row) in buckets.into_iter().filter(with_rules) {
                let found = Found::now(bucket, row);
                let set = match self.notifications(snapshot.as_ref(), tenant, &found) {
                    // Of a bucket whose key was destroyed nobody is told anything.
                    Err(StoreError::Refused(Refusal::Erased)) => None,
                    set => set?,
                };
                let Some((set_by, set)) = set else { continue };
                let rules = set.configuration.iter().flat_map(|configuration| &configuration.rules);
                for rule in rules.filter(|rule| rule.webhook.is_some()) {
                    let found = Rule { bucket, name: &found.row.name, set_by, rule };
                    if let ControlFlow::Break(enough) = look(found)? {
                        return Ok(Some(enough));
                    }
                }
            }
            if !more {
                return Ok(None);
            }
        }
    }
}

fn is_enabled(tenant: &row::Tenant) -> bool {
    tenant.disabled.is_none()
}

fn start_of(found: &Rule<'_>) -> Position {
    let start = found.rule.webhook.as_ref().and_then(|webhook| webhook.start);
    start.unwrap_or(found.set_by.position.next())
}

fn filter_of(found: &Rule<'_>) -> EventFilter {
    EventFilter {
        events: found.rule.events.clone(),
        buckets: vec![found.name.clone()],
        prefix: found.rule.prefix.clone(),
        suffix: found.rule.suffix.clone(),
        size_bytes_min: None,
        size_bytes_max: None,
    }
}
