//! What customers type in as an address, and what their receivers answer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use tidings_egress::{Egress, Options, Policy, ResolverChoice};

static EGRESS: LazyLock<Egress> = LazyLock::new(|| {
    let resolver = ResolverChoice::Fixed(HashMap::new());
    let policy = Policy { https_only: false, ..Policy::default() };
    Egress::new(policy, Options { resolver, ..Options::default() }).unwrap()
});

/// A URL that passes names a public place, in every reading of it.
pub(super) fn url(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(target) = EGRESS.vet(text) else { return };
    let url = target.url();
    assert!(url.starts_with("https://") || url.starts_with("http://"), "{url:?}");
    assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?} is not one line of ASCII");
    let again = EGRESS.vet(url).unwrap();
    assert_eq!((again.url(), again.host()), (url, target.host()), "read again, it is another");
    if let Ok(address) = target.host().parse::<IpAddr>() {
        assert!(tidings_egress::verdict(address, &Policy::default()).is_ok(), "{address}");
    } else {
        let last = target.host().rsplit('.').next().unwrap_or_default();
        assert!(target.host().contains('.') && last != "localhost", "{:?}", target.host());
        assert!(!last.bytes().all(|byte| byte.is_ascii_digit()), "{:?}", target.host());
    }
}

/// Whatever a receiver says, there is a number or nothing, and dates in the past ask for no wait.
pub(super) fn retry_after(input: &[u8]) {
    /// The last second of the year 9999, with a leap second.
    const LATEST: u64 = 253_402_300_800;
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let headers = HeaderMap::from_iter([(RETRY_AFTER, value)]);
    for now in [i64::MIN, -1, 0, 1_795_435_200, i64::MAX] {
        let Some(seconds) = tidings_egress::retry_after(&headers, now) else { continue };
        assert!(seconds <= 9_999_999_999 || now < 0 || seconds <= LATEST, "{seconds}");
    }
}
