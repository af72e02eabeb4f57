//! Randomness: the operating system's, and no other.
//!
//! Owns: every random key and nonce. Ids of requests, tenants and buckets come from pipeline's `Ids`.

/// Fills a buffer with random bytes.
///
/// # Panics
/// If the operating system has no entropy to give. Nothing that was sealed without it would be secret, so there is no
/// way to go on.
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives entropy");
}

/// Random bytes.
///
/// # Panics
/// As [`fill`].
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ_and_every_byte_is_drawn() {
        assert_ne!(super::bytes::<32>(), super::bytes::<32>());
        let mut seen = [0; 40];
        for _ in 0..64 {
            for (seen, drawn) in seen.iter_mut().zip(super::bytes::<40>()) {
                *seen |= drawn;
            }
        }
        assert!(seen.iter().all(|&byte| byte != 0), "a byte was never filled");
    }
}
