//! Signatures and bodies as a client makes them: AWS's published examples, an independent signer, and whatever an attacker or a
//! bad connection does to a request.

mod bodies;
mod body_headers;
mod chunks;
mod independent;
mod kit;
mod post;
mod published;
mod refused;
mod version_2;
