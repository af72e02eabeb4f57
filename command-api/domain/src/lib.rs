//! The decisions: commands to events; policy. Pure.

mod refusal;

pub use refusal::Refusal;
