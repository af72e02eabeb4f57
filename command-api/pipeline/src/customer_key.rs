//! Keys that customers send (SSE-C), as doors hand them over.

use std::fmt;
use std::sync::Arc;

/// A customer's key, for the length of one request. Never stored, never printed, wiped when the request is done.
#[derive(Clone)]
pub struct CustomerKey(pub(crate) Arc<vault::CustomerKey>);

impl CustomerKey {
    /// The key as a request carried it. The caller wipes its own copy.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Arc::new(vault::CustomerKey::new(key)))
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_printed() {
        assert_eq!(format!("{:?}", CustomerKey::new(&[7; 32])), "CustomerKey(…)");
    }
}
