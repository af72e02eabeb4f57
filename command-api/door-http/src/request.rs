//! What both APIs are given by the program, and where requests come from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::header::HeaderName;
use schemas::{RequestId, TenantName};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the program gives to this door: chance and time are not its own.
#[derive(Clone)]
pub struct Options {
    /// Names a request.
    pub ids: Arc<dyn Fn() -> RequestId + Send + Sync>,
    /// Microseconds since the Unix epoch.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Where clients reach this server, when that is said: `https://s3.example.com`.
    pub public_url: Option<String>,
    /// How long tokens of the native API work, seconds.
    pub token_ttl_s: u64,
    /// How long its signed URLs work at most, seconds.
    pub signed_url_ttl_max_s: u64,
    /// The tenants that preflights are for, by host: lower case, no port.
    pub tenant_hosts: BTreeMap<String, TenantName>,
    /// The tenant that they are for, unless their host says another.
    pub anonymous_tenant: Option<TenantName>,
}

/// Where a request came from. An IPv4 client of a dual-stack socket is an IPv4 client.
pub(crate) fn source(extensions: &http::Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}
