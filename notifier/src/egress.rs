//! Where requests may go: every address is looked at before it is connected to.
//!
//! Owns: which addresses are refused, resolving names, the HTTP client that can go nowhere else.
//! Does not own: what is sent.
//! Invariant: a connection is made to an address that was checked, and to no other: a name is resolved once for it, redirects
//! are not followed, no proxy is asked.
//!
//! The networks are those of the IANA special-purpose registries (RFC 6890) and of RFC 6052, 4193, 6598.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url};

/// Why nothing may be sent to an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// It is not one.
    #[error("not an http or https URL")]
    Malformed,
    /// It is inside, and no operator has allowed its network.
    #[error("the address {address} is in a network that is not allowed")]
    Network {
        /// Which.
        address: IpAddr,
    },
    /// The name means the server's own machine, and no operator has allowed that.
    #[error("the name is one of this machine")]
    Local,
    /// The name has no address.
    #[error("the name could not be resolved")]
    Unresolved,
    /// The client could not be made.
    #[error("the HTTP client cannot be set up: {what}")]
    Client {
        /// Why.
        what: String,
    },
}

/// How long a name is looked up when a subscription is made.
const CHECK_MAX: Duration = Duration::from_secs(2);

/// Knows which addresses may be connected to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    allowed: Arc<[IpNet]>,
}

/// IPv4 networks that are not the public internet.
const INSIDE_V4: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    ([255, 255, 255, 255], 32),
];

fn is_inside_v4(address: Ipv4Addr) -> bool {
    let bits = u32::from(address);
    INSIDE_V4.iter().any(|(network, length)| {
        let mask = u32::MAX << (32 - u32::from(*length));
        bits & mask == u32::from(Ipv4Addr::from(*network)) & mask
    })
}

/// The IPv4 address that a IPv6 address stands for: mapped, compatible, translated (NAT64), 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let last = || Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15]);
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => Some(last()),
        [0x2002, ..] => Some(Ipv4Addr::new(octets[2], octets[3], octets[4], octets[5])),
        _ => None,
    }
}

fn is_inside_v6(address: Ipv6Addr) -> bool {
    if let Some(embedded) = embedded(address) {
        return is_inside_v4(embedded);
    }
    match address.segments() {
        // Teredo, benchmarking, ORCHID, documentation.
        [0x2001, 0..=0x01ff, ..] | [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => true,
        // Global unicast; everything else is loopback, local, multicast or reserved.
        [first, ..] => first & 0xe000 != 0x2000,
    }
}

impl Guard {
    /// With the networks that an operator allows although they are inside.
    #[must_use]
    pub(crate) fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed: allowed.into() }
    }

    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// [`EgressError::Network`].
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), EgressError> {
        let inside = match address {
            IpAddr::V4(address) => is_inside_v4(address),
            IpAddr::V6(address) => is_inside_v6(address),
        };
        let meant = match address {
            IpAddr::V6(v6) => embedded(v6).map(IpAddr::V4),
            IpAddr::V4(_) => None,
        };
        let allowed = |address: &IpAddr| self.allowed.iter().any(|network| network.contains(address));
        if inside && !allowed(&address) && !meant.as_ref().is_some_and(allowed) {
            return Err(EgressError::Network { address });
        }
        Ok(())
    }

    /// Whether a URL may be sent to, as far as its text says: a name may still resolve to what is refused.
    ///
    /// # Errors
    /// [`EgressError`].
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), EgressError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EgressError::Malformed);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EgressError::Malformed)?;
        if let Some(address) = literal(host) {
            return self.check(address);
        }
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let is_local = name == "localhost" || name.ends_with(".localhost");
        if is_local && self.check(Ipv4Addr::LOCALHOST.into()).is_err() {
            return Err(EgressError::Local);
        }
        Ok(())
    }
}

/// The address that a URL's host is, if it is no name. The parser of URLs has made one of whatever spelling.
fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

/// Resolves names and hands out those of their addresses that may be connected to.
#[derive(Clone)]
pub(crate) struct Resolver {
    guard: Guard,
    names: Arc<TokioResolver>,
}

impl Resolver {
    /// Asks the system's name servers, or these.
    pub(crate) fn new(guard: Guard, servers: &[SocketAddr]) -> Result<Self, EgressError> {
        let failed = |error: &dyn std::fmt::Display| EgressError::Client { what: error.to_string() };
        let provider = TokioRuntimeProvider::default();
        let builder = if servers.is_empty() {
            TokioResolver::builder(provider).map_err(|error| failed(&error))?
        } else {
            let server = |address: &SocketAddr| {
                let mut server = NameServerConfig::udp_and_tcp(address.ip());
                server.connections.iter_mut().for_each(|connection| connection.port = address.port());
                server
            };
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, provider)
        };
        let names = builder.build().map_err(|error| failed(&error))?;
        Ok(Self { guard, names: Arc::new(names) })
    }

    /// Addresses of a name, none that may not be connected to.
    ///
    /// # Errors
    /// [`EgressError`]: of the first that may not, when none may.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, EgressError> {
        let found = self.names.lookup_ip(name).await.map_err(|_| EgressError::Unresolved)?;
        let (mut good, mut refused) = (Vec::new(), EgressError::Unresolved);
        for address in found.iter() {
            match self.guard.check(address) {
                Ok(()) => good.push(address),
                Err(error) => refused = error,
            }
        }
        if good.is_empty() { Err(refused) } else { Ok(good) }
    }

    /// Whether a URL may be sent to now. A name that nobody knows yet is left to the first attempt.
    ///
    /// # Errors
    /// [`EgressError`].
    pub(crate) async fn check_url(&self, text: &str) -> Result<(), EgressError> {
        let url = Url::parse(text).map_err(|_| EgressError::Malformed)?;
        self.guard.check_url(&url)?;
        let Some(host) = url.host_str().filter(|host| literal(host).is_none()) else { return Ok(()) };
        // Nobody waits longer for a name server that is away: every attempt asks it again.
        match tokio::time::timeout(CHECK_MAX, self.addresses(host)).await {
            Err(_) | Ok(Ok(_) | Err(EgressError::Unresolved)) => Ok(()),
            Ok(Err(error)) => Err(error),
        }
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let addresses = this.addresses(name.as_str()).await?;
            let sockets: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            let sockets: Addrs = Box::new(sockets.into_iter());
            Ok(sockets)
        })
    }
}

/// A client that resolves by this resolver, follows nothing and asks no proxy.
pub(crate) fn client(resolver: &Resolver, timeout: Duration) -> Result<Client, EgressError> {
    // The program has one TLS provider. Another part of it may have said so already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .dns_resolver(Arc::new(resolver.clone()))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(128)
        .tcp_nodelay(true)
        .user_agent(concat!("Holdfast/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| EgressError::Client { what: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(guard: &Guard, url: &str) -> bool {
        guard.check_url(&Url::parse(url).expect("a URL")).is_err()
    }

    #[test]
    fn what_is_inside_is_refused_in_every_spelling() {
        let guard = Guard::default();
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[fc00::1]/",
            "http://[fd00:ec2::254]/",
            "http://[fe80::1]/",
            "http://[fec0::1]/",
            "http://[ff02::1]/",
            "http://[2001:db8::1]/",
            "http://[2001::1]/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost:81/",
            "ftp://example.com/",
            "file:///etc/passwd",
        ] {
            assert!(is_refused(&guard, url), "{url}");
        }
    }

    #[test]
    fn what_is_outside_is_not() {
        let guard = Guard::default();
        for url in [
            "http://8.8.8.8/",
            "https://example.com/",
            "http://172.32.0.1/",
            "http://[2606:4700::1111]/",
            "http://[::ffff:8.8.8.8]/",
            "http://[64:ff9b::808:808]/",
            "http://100.128.0.1/",
            "http://localhost.example/",
        ] {
            assert!(!is_refused(&guard, url), "{url}");
        }
    }

    #[test]
    fn an_operator_may_allow_a_network() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")]);
        for url in ["http://127.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://[fd00::1]/", "http://localhost/"] {
            assert!(!is_refused(&guard, url), "{url}");
        }
        for url in ["http://10.0.0.1/", "http://[::1]/", "http://[fc00::1]/"] {
            assert!(is_refused(&guard, url), "{url}");
        }
    }
}
