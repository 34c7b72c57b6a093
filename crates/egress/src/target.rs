//! Where a request goes: text, vetted once and kept in the forms that a send needs.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::policy::{AddressRefused, Policy, is_loopback, verdict};

/// Longest URL that is accepted, in bytes.
const URL_BYTES_MAX: usize = 2048;
/// Longest name and longest label of the domain name system, in bytes.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Why a URL is refused. The sentences are written for whoever typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// Longer than 2048 bytes.
    #[error("the url is longer than 2048 bytes")]
    TooLong,
    /// Not a URL with a host.
    #[error("this is not a valid url: write it like https://example.com/path")]
    Invalid,
    /// A scheme other than http and https.
    #[error("only http and https urls can be called")]
    Scheme,
    /// A user name or password before the host.
    #[error("a url must not contain a user name or a password: send a header instead")]
    UserInfo,
    /// Port 0, or a port on which another protocol is spoken.
    #[error("this port is not used for http")]
    Port,
    /// Plain http where https is required.
    #[error("plain http is not allowed: use https")]
    HttpsOnly,
    /// A name that only means something inside a machine or a private network.
    #[error("this name is not a public domain name")]
    Name,
    /// A literal address that the policy refuses.
    #[error(transparent)]
    Address(#[from] AddressRefused),
}

impl UrlRefused {
    /// A stable word for this reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong => "url_too_long",
            Self::Invalid => "url_invalid",
            Self::Scheme => "url_scheme",
            Self::UserInfo => "url_userinfo",
            Self::Port => "url_port",
            Self::HttpsOnly => "url_https_only",
            Self::Name => "url_name",
            Self::Address(_) => "url_address",
        }
    }
}

/// A vetted destination. Cloning is one reference count.
///
/// Only [`Egress::vet`](crate::Egress::vet) makes one, so holding a target is the proof that its
/// text was examined. The addresses behind a name are examined again at every dial.
#[derive(Clone)]
pub struct Target(Arc<Parts>);

struct Parts {
    url: String,
    place: Place,
    key: Key,
    uri: Uri,
    host_header: HeaderValue,
    server_name: ServerName<'static>,
}

/// What has to be done to find addresses.
pub(crate) enum Place {
    /// Nothing: the URL spells an address.
    Address(IpAddr),
    /// Nothing: the name always means this machine.
    Localhost,
    /// Ask the resolver for `Key::host`.
    Name,
}

/// What a pooled connection may be reused for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) https: bool,
    /// Lower case, no trailing dot.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
}

impl Target {
    /// The normalised URL, without a fragment. It may contain secrets in its query.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// The host in lower case: a name without a trailing dot, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.0.key.host
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.place
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0.key
    }

    pub(crate) fn uri(&self) -> Uri {
        self.0.uri.clone()
    }

    pub(crate) fn host_header(&self) -> HeaderValue {
        self.0.host_header.clone()
    }

    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.0.server_name.clone()
    }

    /// Examines `text`; see [`Egress::vet`](crate::Egress::vet).
    pub(crate) fn vet(text: &str, policy: &Policy) -> Result<Self, UrlRefused> {
        if text.len() > URL_BYTES_MAX {
            return Err(UrlRefused::TooLong);
        }
        let mut url = Url::parse(text).map_err(|_| UrlRefused::Invalid)?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(UrlRefused::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefused::UserInfo);
        }
        let port = url.port_or_known_default().ok_or(UrlRefused::Port)?;
        if port == 0 || OTHER_PROTOCOLS.binary_search(&port).is_ok() {
            return Err(UrlRefused::Port);
        }
        let (place, host) = vet_host(&url, policy)?;
        if policy.https_only && !https && !(policy.allow_loopback && place.is_loopback()) {
            return Err(UrlRefused::HttpsOnly);
        }
        url.set_fragment(None);
        Self::assemble(url, https, port, place, &host)
    }

    fn assemble(
        url: Url,
        https: bool,
        port: u16,
        place: Place,
        host: &str,
    ) -> Result<Self, UrlRefused> {
        let bare = match place {
            Place::Address(IpAddr::V6(_)) => format!("[{host}]"),
            Place::Address(IpAddr::V4(_)) | Place::Localhost | Place::Name => host.to_owned(),
        };
        let authority = url.port().map_or_else(|| bare.clone(), |port| format!("{bare}:{port}"));
        let origin_form = url
            .query()
            .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let server_name = match place {
            Place::Address(addr) => ServerName::IpAddress(addr.into()),
            Place::Localhost | Place::Name => {
                ServerName::try_from(host.to_owned()).map_err(|_| UrlRefused::Name)?
            }
        };
        Ok(Self(Arc::new(Parts {
            place,
            key: Key { https, host: host.into(), port },
            uri: Uri::try_from(origin_form).map_err(|_| UrlRefused::Invalid)?,
            host_header: HeaderValue::try_from(authority).map_err(|_| UrlRefused::Invalid)?,
            server_name,
            url: url.into(),
        })))
    }
}

/// Host and port only: a query may carry secrets, and logs print this.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}:{})", self.0.key.host, self.0.key.port)
    }
}

impl Place {
    fn is_loopback(&self) -> bool {
        match self {
            Self::Address(addr) => is_loopback(*addr),
            Self::Localhost => true,
            Self::Name => false,
        }
    }
}

/// The place that a parsed URL names, and the host as text.
fn vet_host(url: &Url, policy: &Policy) -> Result<(Place, String), UrlRefused> {
    let addr = match url.host().ok_or(UrlRefused::Invalid)? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
            return Ok((vet_name(&name, policy)?, name));
        }
        Host::Ipv4(v4) => IpAddr::V4(v4),
        Host::Ipv6(v6) => IpAddr::V6(v6),
    };
    verdict(addr, policy)?;
    Ok((Place::Address(addr), addr.to_string()))
}

/// Suffixes that no public name server answers for.
const PRIVATE_SUFFIXES: [&str; 11] = [
    "corp",
    "home",
    "home.arpa",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "onion",
    "private",
    "svc",
];

fn vet_name(name: &str, policy: &Policy) -> Result<Place, UrlRefused> {
    let label_is_fine = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > NAME_BYTES_MAX || !name.split('.').all(label_is_fine) {
        return Err(UrlRefused::Name);
    }
    if is_within(name, "localhost") {
        return if policy.allow_loopback { Ok(Place::Localhost) } else { Err(UrlRefused::Name) };
    }
    // An operator who opened ranges has names in them; their addresses are still vetted.
    let private_names_make_sense = !policy.allow.is_empty();
    let is_private =
        !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| is_within(name, suffix));
    if is_private && !private_names_make_sense {
        return Err(UrlRefused::Name);
    }
    Ok(Place::Name)
}

/// Whether `name` is `zone` or a name below it.
fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Ports of other protocols, sorted. A request there is an attack or a mistake.
const OTHER_PROTOCOLS: [u16; 95] = [
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102,
    103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 445,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 873, 989,
    990, 993, 995, 1433, 1521, 1719, 1720, 1723, 2049, 3306, 3389, 3659, 4045, 4190, 4222, 5060,
    5061, 5432, 5672, 5900, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 9042,
    11211, 27017,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_list_is_sorted_for_the_search() {
        assert!(OTHER_PROTOCOLS.is_sorted());
    }

    #[test]
    fn zones_end_at_a_dot() {
        assert!(is_within("localhost", "localhost"));
        assert!(is_within("x.localhost", "localhost"));
        assert!(!is_within("notlocalhost", "localhost"));
        assert!(!is_within("mylocal.example", "local"));
    }
}
