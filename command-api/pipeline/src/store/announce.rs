//! Whoever follows the log: what it reads from, and where it is asked.
//!
//! Owns: the binding of the notifier, until the store closes.
//! Does not own: what is asked ([`crate::Announcements`]), what may be asked (the operations that ask).

use std::sync::Arc;

use domain::Refusal;
use domain::policy::{Resource, authorise};
use event_log::{EventLog, Views};
use parking_lot::RwLock;
use schemas::Position;
use schemas::action::Action;

use super::Store;
use crate::announcements::Announcements;
use crate::api::{Caller, StoreError};

/// The notifier, once it is bound.
#[derive(Default)]
pub(crate) struct Announcer(RwLock<Option<Arc<dyn Announcements>>>);

impl Announcer {
    /// # Errors
    /// [`Refusal::NotSupported`] where nobody delivers.
    pub(crate) fn get(&self) -> Result<Arc<dyn Announcements>, Refusal> {
        self.0.read().clone().ok_or(Refusal::NotSupported { what: "Webhooks" })
    }

    /// It holds the store, and the store must end.
    pub(crate) fn clear(&self) {
        *self.0.write() = None;
    }
}

impl Store {
    /// Binds who delivers. Until then, and after the store was closed, what needs it is refused.
    pub fn announce_by(&self, announcements: Arc<dyn Announcements>) {
        *self.inner.announcements.0.write() = Some(announcements);
    }

    /// Waits until the log of the caller's tenant has an event at a position, or a few seconds.
    ///
    /// # Errors
    /// [`StoreError`]: nobody delivers, or the key may not read history.
    pub async fn reached(&self, caller: &Caller, position: Position) -> Result<(), StoreError> {
        let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
        authorise(scopes, Action::ReadHistory, Resource::Tenant)?;
        // It fails when the server is about to end, and in no other way.
        let reached = self.inner.announcements.get()?.reached(caller.tenant, position).await;
        reached.map_err(|_| StoreError::Unavailable)
    }

    /// What a follower reads from: the log, and the database of following views. It must let go of both before the store can
    /// be opened again.
    #[must_use]
    pub fn followed(&self) -> (Arc<dyn EventLog>, Arc<Views>) {
        (self.inner.log.clone(), self.inner.audit.views.clone())
    }
}
