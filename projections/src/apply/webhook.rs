//! Events about webhooks.

use schemas::event::{WebhookChange, WebhookDeleted, WebhookSet};

use super::Fold;
use crate::row::{RowError, Webhook};

impl Fold<'_> {
    pub(super) fn webhook_set(&mut self, event: &WebhookSet) -> Result<(), RowError> {
        let key = Webhook::key(self.tenant, event.id);
        let before = self.get::<Webhook>(&key)?;
        let webhook = event.webhook.clone();
        let now = self.header.time;
        match before {
            Some(before) => self.put(key, &Webhook { webhook, updated: now, ..before }),
            // The event that made it may have been erased.
            None if event.change != WebhookChange::Created => {}
            None => {
                let start = event.start.unwrap_or(self.header.position.next());
                self.put(key, &Webhook { webhook, start, created: now, updated: now });
            }
        }
        Ok(())
    }

    pub(super) fn webhook_deleted(&mut self, event: &WebhookDeleted) -> Result<(), RowError> {
        self.remove::<Webhook>(Webhook::key(self.tenant, event.id));
        Ok(())
    }
}
