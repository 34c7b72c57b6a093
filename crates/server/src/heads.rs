//! What the head of a request must not look like, beyond what the HTTP library refuses.
//!
//! A proxy in front may read such a head otherwise than we do; where two read a request differently,
//! one of them can be made to see a request that the other does not.

use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{StatusCode, Version};

/// Names and values of all headers together, in bytes.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// The status with which a head is refused; none where it is fine.
pub(crate) fn refusal(head: &Parts) -> Option<StatusCode> {
    let bytes: usize =
        head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADER_BYTES_MAX {
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let fine = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => head.version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    (!fine).then_some(StatusCode::BAD_REQUEST)
}

/// A name or an address, with a port or without. An empty one is legal where there is no authority.
fn is_host(host: &[u8]) -> bool {
    host.is_empty() || (!host.contains(&b'@') && Authority::try_from(host).is_ok())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn status(version: Version, hosts: &[&[u8]]) -> Option<u16> {
        let mut request = Request::new(());
        *request.version_mut() = version;
        for host in hosts {
            request.headers_mut().append(HOST, HeaderValue::from_bytes(host).unwrap());
        }
        refusal(&request.into_parts().0).map(|status| status.as_u16())
    }

    #[test]
    fn there_is_one_host() {
        let table: [(&[&[u8]], Option<u16>); 12] = [
            (&[b"example.com"], None),
            (&[b"example.com:8080"], None),
            (&[b"127.0.0.1:8080"], None),
            (&[b"[::1]:8080"], None),
            (&[b""], None),
            (&[], Some(400)),
            (&[b"a.example", b"b.example"], Some(400)),
            (&[b"a.example", b"a.example"], Some(400)),
            (&[b"a b"], Some(400)),
            (&[b"user@a.example"], Some(400)),
            (&[b"a.example/path"], Some(400)),
            (&[b"a.example, b.example"], Some(400)),
        ];
        for (hosts, wanted) in table {
            assert_eq!(status(Version::HTTP_11, hosts), wanted, "{hosts:?}");
        }
        assert_eq!(status(Version::HTTP_10, &[]), None);
        assert_eq!(status(Version::HTTP_10, &[b"a", b"b"]), Some(400));
    }

    #[test]
    fn headers_have_a_bound_together() {
        for (bytes, wanted) in [(30_000, None), (33_000, Some(431))] {
            let request =
                Request::builder().header(HOST, "a.example").header("x", "v".repeat(bytes));
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(refusal(&head).map(|status| status.as_u16()), wanted, "{bytes}");
        }
    }
}
