//! Tenants: created once, disabled and enabled as often as an operator likes. Their events stand in the system log.
//!
//! Owns: uniqueness of ids and names, the switch. Does not own: keys on disk, who may ask.

use schemas::event::{Event, TenantCreated, TenantDeleted, TenantDisabled, TenantEnabled};
use schemas::{KeyId, TenantId, TenantName};

use crate::{Refusal, validate};

/// What a decision about one tenant needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no such tenant.
    Absent {
        /// Whether another tenant has the name asked for.
        name_taken: bool,
    },
    /// There is one.
    Live {
        /// Its id.
        tenant: TenantId,
        /// Whether its keys are stopped.
        disabled: bool,
        /// Buckets that it has. None of them can be deleted that holds anything, and nothing that is retained or held can: so
        /// a tenant without buckets has nothing that must be kept.
        buckets: u64,
    },
}

/// What may be asked of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create it.
    Create {
        /// Its id: random, never used before.
        tenant: TenantId,
        /// Its name.
        name: TenantName,
        /// The key file that is durable already.
        key: KeyId,
    },
    /// Stop its keys. Nothing happens when they are stopped already: the first reason stays.
    Disable {
        /// Why.
        reason: String,
    },
    /// Let its keys work again. Nothing happens when they do.
    Enable,
    /// Delete it, for good. Its log stays; its name is free.
    Delete {
        /// Why.
        reason: String,
    },
}

/// # Errors
/// [`Refusal::TenantExists`], [`Refusal::NoSuchTenant`], [`Refusal::TenantNotEmpty`].
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (State::Absent { name_taken: false }, Command::Create { tenant, name, key }) => {
            Ok(vec![TenantCreated { tenant, name, key }.into()])
        }
        (_, Command::Create { .. }) => Err(Refusal::TenantExists),
        (State::Absent { .. }, Command::Disable { .. } | Command::Enable | Command::Delete { .. }) => {
            Err(Refusal::NoSuchTenant)
        }
        (State::Live { tenant, buckets: 0, .. }, Command::Delete { reason }) => {
            validate::label(&reason)?;
            Ok(vec![TenantDeleted { tenant: *tenant, reason }.into()])
        }
        (State::Live { buckets, .. }, Command::Delete { .. }) => Err(Refusal::TenantNotEmpty { buckets: *buckets }),
        (State::Live { tenant, disabled: false, .. }, Command::Disable { reason }) => {
            validate::label(&reason)?;
            Ok(vec![TenantDisabled { tenant: *tenant, reason }.into()])
        }
        (State::Live { tenant, disabled: true, .. }, Command::Enable) => {
            Ok(vec![TenantEnabled { tenant: *tenant }.into()])
        }
        (State::Live { disabled: true, .. }, Command::Disable { .. })
        | (State::Live { disabled: false, .. }, Command::Enable) => Ok(vec![]),
    }
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (State::Absent { .. }, Event::TenantCreated(created)) => {
            State::Live { tenant: created.tenant, disabled: false, buckets: 0 }
        }
        (State::Live { tenant, buckets, .. }, Event::TenantDisabled(event)) if event.tenant == tenant => {
            State::Live { tenant, disabled: true, buckets }
        }
        (State::Live { tenant, buckets, .. }, Event::TenantEnabled(event)) if event.tenant == tenant => {
            State::Live { tenant, disabled: false, buckets }
        }
        (State::Live { tenant, .. }, Event::TenantDeleted(event)) if event.tenant == tenant => {
            State::Absent { name_taken: false }
        }
        // Counted in the tenant's own log, which the pipeline reads; here so that the state is whole.
        (State::Live { tenant, disabled, buckets }, Event::BucketCreated(_)) => {
            State::Live { tenant, disabled, buckets: buckets.saturating_add(1) }
        }
        (State::Live { tenant, disabled, buckets }, Event::BucketDeleted(_)) => {
            State::Live { tenant, disabled, buckets: buckets.saturating_sub(1) }
        }
        (state, _) => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    const ACME: TenantId = TenantId(7);

    fn given(events: impl IntoIterator<Item = Event>) -> Scenario<State, Command> {
        Scenario::new(State::Absent { name_taken: false }, decide, evolve).given(events)
    }

    fn create() -> Command {
        Command::Create { tenant: ACME, name: TenantName::parse("acme").unwrap(), key: KeyId(3) }
    }

    fn created() -> Event {
        TenantCreated { tenant: ACME, name: TenantName::parse("acme").unwrap(), key: KeyId(3) }.into()
    }

    fn disable(reason: &str) -> Command {
        Command::Disable { reason: reason.to_owned() }
    }

    fn disabled() -> Event {
        TenantDisabled { tenant: ACME, reason: "unpaid".to_owned() }.into()
    }

    fn enabled() -> Event {
        TenantEnabled { tenant: ACME }.into()
    }

    #[test]
    fn a_tenant_is_created() {
        given([]).when(create()).then([created()]);
    }

    #[test]
    fn a_tenant_is_not_created_twice() {
        given([created()]).when(create()).then_refused(Refusal::TenantExists);
    }

    #[test]
    fn a_name_belongs_to_one_tenant() {
        Scenario::new(State::Absent { name_taken: true }, decide, evolve)
            .when(create())
            .then_refused(Refusal::TenantExists);
    }

    #[test]
    fn a_tenant_is_disabled_and_enabled() {
        given([created()]).when(disable("unpaid")).then([disabled()]);
        given([created(), disabled()]).when(Command::Enable).then([enabled()]);
        given([created(), disabled(), enabled()]).when(disable("unpaid")).then([disabled()]);
    }

    #[test]
    fn the_switch_may_be_thrown_twice() {
        given([created(), disabled()]).when(disable("again")).then_nothing();
        given([created()]).when(Command::Enable).then_nothing();
    }

    #[test]
    fn an_absent_tenant_cannot_be_switched() {
        given([]).when(disable("unpaid")).then_refused(Refusal::NoSuchTenant);
        given([]).when(Command::Enable).then_refused(Refusal::NoSuchTenant);
    }

    #[test]
    fn a_tenant_without_buckets_is_deleted_and_its_name_is_free() {
        let delete = || Command::Delete { reason: "gone".to_owned() };
        let deleted = || Event::from(TenantDeleted { tenant: ACME, reason: "gone".to_owned() });
        given([created()]).when(delete()).then([deleted()]);
        given([created(), disabled()]).when(delete()).then([deleted()]);
        given([created(), deleted()]).when(delete()).then_refused(Refusal::NoSuchTenant);
        given([created(), deleted()]).when(create()).then([created()]);
        let holding = State::Live { tenant: ACME, disabled: true, buckets: 2 };
        Scenario::new(holding, decide, evolve).when(delete()).then_refused(Refusal::TenantNotEmpty { buckets: 2 });
    }

    #[test]
    fn another_tenants_switch_changes_nothing() {
        let other = TenantDisabled { tenant: TenantId(8), reason: String::new() }.into();
        given([created(), other]).when(Command::Enable).then_nothing();
    }
}
