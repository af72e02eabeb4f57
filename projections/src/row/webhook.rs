//! Webhooks of a tenant.

use event_log::Table;
use schemas::{Position, SubscriptionId, TenantId, Time, subscription};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// A webhook that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// What it is.
    pub webhook: subscription::Webhook,
    /// First position that it is told of.
    pub start: Position,
    /// When it was made.
    pub created: Time,
    /// When it was changed last.
    pub updated: Time,
}

impl super::Row for Webhook {
    const TABLE: Table = DIRECTORY;
    const WHAT: &'static str = "webhook";

    fn encode(&self) -> Vec<u8> {
        // With names: it holds words of an event, which leave out what is not set.
        rmp_serde::to_vec_named(self).expect("a row has nothing that MessagePack refuses")
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        rmp_serde::from_slice(bytes).ok()
    }
}

impl Webhook {
    /// Key of the row: tenant, kind, id.
    #[must_use]
    pub fn key(tenant: TenantId, id: SubscriptionId) -> Vec<u8> {
        Key::kind(tenant, directory::WEBHOOK).raw(&id.0).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId) -> Vec<u8> {
        Key::kind(tenant, directory::WEBHOOK).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<SubscriptionId> {
        let reader = KeyReader::behind(key, KIND_BYTES)?;
        Some(SubscriptionId(reader.rest().try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SigningSecrets, SubscriptionStatus};

    use super::super::tests::reads_back;
    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(url: String, name: Option<String>, id: [u8; 16], numbers: [u64; 3], reason: Option<String>) {
            let place = Webhook::key(TenantId(1), SubscriptionId(id));
            prop_assert_eq!(Webhook::parse_key(&place), Some(SubscriptionId(id)));
            let status = reason.map_or(SubscriptionStatus::Active, |reason| SubscriptionStatus::Paused { reason });
            let webhook = subscription::Webhook {
                url,
                name,
                format: PayloadFormat::Native,
                mode: DeliveryMode::Key,
                filter: EventFilter { events: vec!["*".to_owned()], ..EventFilter::default() },
                status,
                secrets: SigningSecrets { current: vec![1; 9], since: Time(numbers[0]), previous: None },
            };
            let [start, created, updated] = numbers;
            reads_back(&Webhook { webhook, start: Position(start), created: Time(created), updated: Time(updated) });
        }
    }
}
