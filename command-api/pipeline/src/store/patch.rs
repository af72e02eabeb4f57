//! Several settings of a bucket changed at once: all of them, in one commit, or none.
//!
//! Owns: who must be allowed what, and the one unit.
//! Does not own: what may be set (domain): each setting is decided on as if it came alone, behind those before it.

use std::collections::BTreeMap;

use domain::Refusal;
use domain::bucket::{Bucket, Command};
use domain::policy::Resource;
use event_log::Changes;
use projections::query;
use schemas::action::Action;
use schemas::event::{CorsRule, DefaultRetention, Quota, Versioning};
use schemas::lifecycle::Rule;
use schemas::{BucketName, Position};

use super::{Request, Store, planned, rows_error, situation};
use crate::api::{Caller, Configuration, StoreError};
use crate::sequencer::{Decide, Unit};

/// One setting of a bucket. (Its policy is set alone: it may be refused for what is blocked, [`Store::put_bucket_policy`].)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketSetting {
    /// Its versioning.
    Versioning(Versioning),
    /// Its quota; without bounds it has none.
    Quota(Quota),
    /// The retention of new versions, where versions can be locked.
    DefaultRetention(Option<DefaultRetention>),
    /// Its tags.
    Tags(Option<BTreeMap<String, String>>),
    /// Its lifecycle rules.
    Lifecycle(Option<Vec<Rule>>),
    /// Its CORS rules.
    Cors(Option<Vec<CorsRule>>),
}

impl BucketSetting {
    fn action(&self) -> Action {
        match self {
            Self::Versioning(_) => Action::PutBucketVersioning,
            Self::Quota(_) => Action::PutBucketQuota,
            Self::DefaultRetention(_) => Action::PutBucketObjectLockConfiguration,
            Self::Tags(_) => Action::PutBucketTagging,
            Self::Lifecycle(_) => Action::PutLifecycleConfiguration,
            Self::Cors(_) => Action::PutBucketCors,
        }
    }
}

impl Store {
    /// Changes settings of a bucket, in the order given, all of them or none.
    ///
    /// # Errors
    /// [`StoreError`]: that of the first one that is refused; nothing has changed then.
    pub async fn change_bucket_settings(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        settings: Vec<BucketSetting>,
    ) -> Result<Position, StoreError> {
        let inner = &self.inner;
        let found = {
            let snapshot = inner.log.snapshot();
            let found = inner.enter_head(snapshot.as_ref(), caller, bucket)?;
            for setting in &settings {
                inner.enter_for(snapshot.as_ref(), caller, setting.action(), Resource::Bucket(bucket))?;
            }
            found
        };
        let tenant = caller.tenant;
        let decide: Decide = Box::new(move |rows, _| {
            let mut state = situation::bucket(rows, tenant, &found.row.name)?;
            // Deleted and made again since the request came: that is another bucket.
            if !matches!(&state.bucket, Bucket::Live { id, .. } if *id == found.id) {
                return Err(Refusal::NoSuchBucket.into());
            }
            let row = query::bucket(rows, tenant, found.id).map_err(rows_error)?.ok_or(Refusal::NoSuchBucket)?;
            let lock = situation::bucket_lock(&row);
            let mut quota = query::quota(rows, tenant, found.id).map_err(rows_error)?;
            let mut all = Vec::new();
            for setting in &settings {
                let command = match setting.clone() {
                    BucketSetting::Versioning(versioning) => Command::SetVersioning(versioning),
                    BucketSetting::DefaultRetention(default) => {
                        // The lock itself is for good: it is never put on by the way.
                        lock.required()?;
                        Command::Configure(Configuration::ObjectLock(default))
                    }
                    BucketSetting::Tags(tags) => Command::Configure(Configuration::Tagging(tags)),
                    BucketSetting::Lifecycle(rules) => Command::Configure(Configuration::Lifecycle(rules)),
                    BucketSetting::Cors(rules) => Command::Configure(Configuration::Cors(rules)),
                    BucketSetting::Quota(asked) => {
                        all.extend(domain::quota::set(Some(found.id), quota, asked));
                        quota = asked;
                        continue;
                    }
                };
                let events = domain::bucket::decide(&state, command)?;
                state = events.iter().fold(state, domain::bucket::evolve);
                all.extend(events);
            }
            Ok(Unit { events: planned(&found, None, all), changes: Changes::default() })
        });
        let recorded = inner.run(Request::of(caller), decide).await?;
        inner.position(tenant, &recorded)
    }
}
