//! Signatures and bodies as a client makes them: AWS's published examples, an independent signer, and whatever an attacker or a
//! bad connection does to a request.

mod independent;
mod kit;
mod published;
