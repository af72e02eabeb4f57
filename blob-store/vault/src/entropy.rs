//! Randomness: the operating system's, and no other.
//!
//! Owns: every random key and nonce, and what ids are drawn from.
//! Invariant: no byte is handed out twice.

use std::cell::RefCell;

use zeroize::Zeroize;

/// Drawn at once for ids and nonces: each drawing is a system call, and a PUT needs half a dozen.
const DRAWN_BYTES: usize = 1_024;

struct Drawn {
    bytes: [u8; DRAWN_BYTES],
    /// How many of them were handed out.
    used: usize,
}

thread_local! {
    static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; DRAWN_BYTES], used: DRAWN_BYTES }) };
}

/// Fills a buffer with random bytes, drawn for it: for keys.
///
/// # Panics
/// If the operating system has no entropy to give. Nothing that was sealed without it would be secret, so there is no
/// way to go on.
pub fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives entropy");
}

/// Random bytes, for ids and nonces.
///
/// # Panics
/// As [`fill`].
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    const { assert!(N <= DRAWN_BYTES) };
    DRAWN.with_borrow_mut(|drawn| {
        if DRAWN_BYTES - drawn.used < N {
            fill(&mut drawn.bytes);
            drawn.used = 0;
        }
        let taken = &mut drawn.bytes[drawn.used..drawn.used + N];
        let mut bytes = [0; N];
        bytes.copy_from_slice(taken);
        taken.zeroize();
        drawn.used += N;
        bytes
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_byte_is_handed_out_twice() {
        let draw = || (0..1_000).map(|_| super::bytes::<16>()).collect::<Vec<_>>();
        let mut drawn = draw();
        drawn.extend(std::thread::spawn(draw).join().expect("draws"));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 2_000);
    }

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
