//! Which addresses may be reached: a pure function over an address and a policy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What an operator lets the product connect to.
///
/// The default allows nothing but globally reachable addresses, over https only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Opens `127.0.0.0/8`, `::1` and the name `localhost`, over http as well. For development.
    pub allow_loopback: bool,
    /// Ranges that an operator opened on purpose. They win over every refusal.
    pub allow: Vec<IpNet>,
    /// Refuses http, except towards loopback when `allow_loopback` is set.
    pub https_only: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { allow_loopback: false, allow: Vec::new(), https_only: true }
    }
}

impl Policy {
    /// Whether an operator's range names this address, as written or as the IPv4 inside it.
    pub(crate) fn allows(&self, addr: IpAddr) -> bool {
        let inner = embedded(addr);
        self.allow.iter().any(|net| net.contains(&addr) || net.contains(&inner))
    }
}

/// Why an address is refused. The text names the kind of range, never the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// The machine itself.
    #[error("the address is a loopback or unspecified address")]
    Loopback,
    /// A private, shared or unique-local network.
    #[error("the address belongs to a private network")]
    Private,
    /// A link-local or site-local network; cloud metadata services live here.
    #[error("the address is link-local")]
    LinkLocal,
    /// A service of the hosting platform.
    #[error("the address belongs to a service of the hosting platform")]
    Platform,
    /// A multicast or broadcast group.
    #[error("the address is a multicast or broadcast address")]
    Multicast,
    /// A tunnel or translation form that can hide another address.
    #[error("the address is a tunnel or translation address")]
    Tunnel,
    /// Any other range that is not globally reachable.
    #[error("the address is in a reserved range")]
    Reserved,
}

impl AddressRefused {
    /// A stable word for this reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link_local",
            Self::Platform => "platform",
            Self::Multicast => "multicast",
            Self::Tunnel => "tunnel",
            Self::Reserved => "reserved",
        }
    }
}

/// Decides whether `addr` may be dialled under `policy`.
///
/// IPv4 must be outside every special-purpose range of the registry. IPv6 must be global unicast
/// and outside the ranges for tunnels, documentation and protocols. IPv4-mapped and NAT64
/// addresses take the verdict of the IPv4 address inside them. Ranges in `policy.allow` win.
///
/// # Errors
///
/// The kind of range that refused the address.
pub fn verdict(addr: IpAddr, policy: &Policy) -> Result<(), AddressRefused> {
    if policy.allows(addr) {
        return Ok(());
    }
    let refused = match embedded(addr) {
        IpAddr::V4(v4) => refusal_v4(v4),
        IpAddr::V6(v6) => refusal_v6(v6),
    };
    match refused {
        None => Ok(()),
        Some(AddressRefused::Loopback) if policy.allow_loopback && is_loopback(addr) => Ok(()),
        Some(reason) => Err(reason),
    }
}

/// Whether traffic to `addr` stays on this machine by definition.
pub(crate) fn is_loopback(addr: IpAddr) -> bool {
    match embedded(addr) {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback(),
    }
}

/// The IPv4 address that a mapped or NAT64 address stands for, or the address itself.
fn embedded(addr: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = addr else { return addr };
    let [head @ .., high, low] = v6.segments();
    match head {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => addr,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

/// Special-purpose IPv4 ranges, and one platform address that is registered as global.
const REFUSED_V4: &[(Ipv4Net, AddressRefused)] = &[
    (v4(0, 0, 0, 0, 8), AddressRefused::Loopback),
    (v4(10, 0, 0, 0, 8), AddressRefused::Private),
    (v4(100, 64, 0, 0, 10), AddressRefused::Private),
    (v4(127, 0, 0, 0, 8), AddressRefused::Loopback),
    // The wire server of a cloud: globally registered, reachable only from inside.
    (v4(168, 63, 129, 16, 32), AddressRefused::Platform),
    (v4(169, 254, 0, 0, 16), AddressRefused::LinkLocal),
    (v4(172, 16, 0, 0, 12), AddressRefused::Private),
    (v4(192, 0, 0, 0, 24), AddressRefused::Reserved),
    (v4(192, 0, 2, 0, 24), AddressRefused::Reserved),
    (v4(192, 31, 196, 0, 24), AddressRefused::Reserved),
    (v4(192, 52, 193, 0, 24), AddressRefused::Reserved),
    (v4(192, 88, 99, 0, 24), AddressRefused::Tunnel),
    (v4(192, 168, 0, 0, 16), AddressRefused::Private),
    (v4(192, 175, 48, 0, 24), AddressRefused::Reserved),
    (v4(198, 18, 0, 0, 15), AddressRefused::Reserved),
    (v4(198, 51, 100, 0, 24), AddressRefused::Reserved),
    (v4(203, 0, 113, 0, 24), AddressRefused::Reserved),
    (v4(224, 0, 0, 0, 4), AddressRefused::Multicast),
    (v4(255, 255, 255, 255, 32), AddressRefused::Multicast),
    (v4(240, 0, 0, 0, 4), AddressRefused::Reserved),
];

/// The only part of IPv6 that is global unicast today.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Ranges inside `2001::/23` that the registry calls globally reachable.
const CARVED_OUT_V6: &[Ipv6Net] = &[
    v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128),
    v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48),
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28),
    v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28),
];

/// Ranges inside the global part that are refused.
const REFUSED_V6: &[(Ipv6Net, AddressRefused)] = &[
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), AddressRefused::Tunnel),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressRefused::Reserved),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), AddressRefused::Reserved),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), AddressRefused::Tunnel),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), AddressRefused::Reserved),
];

/// Names for ranges outside the global part; what is not listed is `Reserved`.
const OUTSIDE_V6: &[(Ipv6Net, AddressRefused)] = &[
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 127), AddressRefused::Loopback),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 16), AddressRefused::Tunnel),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 32), AddressRefused::Tunnel),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), AddressRefused::Private),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), AddressRefused::LinkLocal),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), AddressRefused::LinkLocal),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressRefused::Multicast),
];

fn refusal_v4(addr: Ipv4Addr) -> Option<AddressRefused> {
    REFUSED_V4.iter().find(|(net, _)| net.contains(&addr)).map(|(_, reason)| *reason)
}

fn refusal_v6(addr: Ipv6Addr) -> Option<AddressRefused> {
    let listed = |list: &[(Ipv6Net, AddressRefused)]| {
        list.iter().find(|(net, _)| net.contains(&addr)).map(|(_, reason)| *reason)
    };
    if !GLOBAL_V6.contains(&addr) {
        return Some(listed(OUTSIDE_V6).unwrap_or(AddressRefused::Reserved));
    }
    if CARVED_OUT_V6.iter().any(|net| net.contains(&addr)) {
        return None;
    }
    listed(REFUSED_V6)
}
