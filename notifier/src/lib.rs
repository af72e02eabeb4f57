//! The announcements: rules, translation, lanes, webhook and NATS sinks.
