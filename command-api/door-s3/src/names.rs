//! What the users of an answer are called.

use std::collections::BTreeMap;

use schemas::UserId;

use crate::ask::Ask;
use crate::errors::Failure;
use crate::service::App;

/// Names for people, of the users that an answer names.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<UserId, String>);

impl Names {
    /// # Errors
    /// The store's.
    pub(crate) fn of<'a>(app: &App, ask: &Ask, users: impl IntoIterator<Item = &'a UserId>) -> Result<Self, Failure> {
        Ok(Self(app.store.display_names(&ask.caller, users)?))
    }

    /// A user whose name was not asked for is called by its id.
    pub(crate) fn get<'a>(&'a self, user: &'a UserId) -> &'a str {
        self.0.get(user).map_or_else(|| user.as_str(), String::as_str)
    }

    #[cfg(test)]
    pub(crate) fn only(user: UserId, name: &str) -> Self {
        Self([(user, name.to_owned())].into())
    }
}
