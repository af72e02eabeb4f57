//! Who sent this request: Signature Versions 4 and 2 in headers, in queries and in POST forms.
//!
//! Owns: reading a signature, every check that AWS makes of it, the signing keys derived from secrets, and the text of the
//! errors. The way is [`Verifier::present`] (what the request claims), the router's look-up of the access key, and
//! [`Verifier::verify`] (whether the claim holds).
//! Does not own: credentials, what a caller may do, bodies (see [`crate::body`]), XML.
//! Invariant: nothing of a request is changed before it is verified. Canonical forms are made from the raw path and query, and
//! [`decode_path`] and [`decode_query`] are the one way to read them afterwards, so that what was signed is what is done.

mod canonical;
mod chunks;
mod encode;
mod error;
mod keys;
mod policy;
mod post;
mod present;
mod query_headers;
mod time;
mod verify;
mod version_2;

pub use chunks::ChunkSigning;
pub use encode::{decode_path, decode_query};
pub use error::{AuthError, Place, SignatureMismatch};
pub use policy::{LengthRange, PolicyError, PostPolicy};
pub use post::{FormFields, PresentedPost};
pub use present::{PayloadForm, Presentation, Presented, Signature, anonymous_payload};
pub(crate) use query_headers::presigned_headers;
pub use time::Timestamp;
pub use verify::{Verified, Verifier};
pub use version_2::PresentedVersion2;
#[cfg(test)]
pub(crate) use version_2::is_signed_parameter;
