//! The headers that a subscription adds to its requests, checked when they are set.

use std::collections::HashSet;

use tidings_kernel::FieldError;
use tidings_kernel::limits::{CUSTOM_HEADER_BYTES_MAX, CUSTOM_HEADERS_MAX};

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Names that are ours or the connection's, and names that would speak for somebody else.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "stripe-signature",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-hub-signature-256",
];

/// Families of such names.
const RESERVED_PREFIXES: &[&str] =
    &["ce-", "content-", "proxy-", "webhook-", "x-forwarded-", "x-webhook-"];

/// Whether a name, in any case, cannot be set by a subscription.
pub fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Every fault of a subscription's headers; none where they can be sent as they are.
pub fn check<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<FieldError> {
    let mut seen = HashSet::new();
    let mut faults = Vec::new();
    for (count, (name, value)) in headers.into_iter().enumerate() {
        if count >= CUSTOM_HEADERS_MAX {
            // One answer for however many there are.
            let message = format!("there are at most {CUSTOM_HEADERS_MAX} headers");
            return vec![FieldError::new("/headers", "too_many", message)];
        }
        let fault = check_name(name).or_else(|| check_value(value)).or_else(|| {
            let new = seen.insert(name.to_ascii_lowercase());
            (!new).then_some(("duplicate", "the name is there twice; case makes no difference"))
        });
        if let Some((code, message)) = fault {
            faults.push(FieldError::new(pointer(name), code, message));
        }
    }
    faults
}

type Fault = Option<(&'static str, &'static str)>;

fn check_name(name: &str) -> Fault {
    if name.len() > NAME_BYTES_MAX {
        Some(("too_long", "a header's name has at most 128 characters"))
    } else if name.is_empty() || !name.bytes().all(is_token) {
        Some(("invalid_name", "a header's name is letters, digits and any of !#$%&'*+-.^_`|~"))
    } else if is_reserved(name) {
        Some((
            "reserved",
            "this header is set by the sender or by the connection; use another name",
        ))
    } else {
        None
    }
}

fn check_value(value: &str) -> Fault {
    if value.len() > CUSTOM_HEADER_BYTES_MAX {
        Some(("too_long", "a header's value has at most 4096 bytes"))
    } else if !value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        Some(("invalid_value", "a header's value is visible ASCII, spaces and tabs on one line"))
    } else if value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']) {
        Some(("invalid_value", "a header's value does not begin or end with a space or a tab"))
    } else {
        None
    }
}

/// A character of a token, RFC 9110 section 5.6.2.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// The JSON pointer to a header; an overlong name is cut.
fn pointer(name: &str) -> String {
    let name: String = name.chars().take(NAME_BYTES_MAX).collect();
    format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let faults = check(headers.iter().copied());
        faults.into_iter().map(|fault| (fault.pointer, fault.code.into_owned())).collect()
    }

    fn code(name: &str, value: &str) -> Option<String> {
        codes(&[(name, value)]).pop().map(|(_, code)| code)
    }

    #[test]
    fn messages_name_the_true_limits() {
        assert_eq!((NAME_BYTES_MAX, CUSTOM_HEADER_BYTES_MAX), (128, 4_096));
    }

    #[test]
    fn names_are_tokens_that_are_not_reserved() {
        let long = "a".repeat(64 * 1024);
        for (name, wanted) in [
            ("Authorization", None),
            ("X-Api-Key", None),
            ("x~tilde", None),
            ("webhook", None),
            ("X-Content-Kind", None),
            ("Host", Some("reserved")),
            ("Content-Length", Some("reserved")),
            ("Content-Type", Some("reserved")),
            ("CONTENT-ENCODING", Some("reserved")),
            ("Transfer-Encoding", Some("reserved")),
            ("Connection", Some("reserved")),
            ("Keep-Alive", Some("reserved")),
            ("TE", Some("reserved")),
            ("Trailer", Some("reserved")),
            ("Upgrade", Some("reserved")),
            ("Expect", Some("reserved")),
            ("Proxy-Authorization", Some("reserved")),
            ("Proxy-Connection", Some("reserved")),
            ("Cookie", Some("reserved")),
            ("User-Agent", Some("reserved")),
            ("Accept-Encoding", Some("reserved")),
            ("webhook-id", Some("reserved")),
            ("WEBHOOK-SIGNATURE", Some("reserved")),
            ("webhook-timestamp", Some("reserved")),
            ("Webhook-Replay", Some("reserved")),
            ("X-Webhook-Signature", Some("reserved")),
            ("x-webhook-event-id", Some("reserved")),
            ("X-Forwarded-For", Some("reserved")),
            ("Stripe-Signature", Some("reserved")),
            ("X-Hub-Signature-256", Some("reserved")),
            ("ce-id", Some("reserved")),
            ("", Some("invalid_name")),
            (" ", Some("invalid_name")),
            ("X Key", Some("invalid_name")),
            (" X-Key", Some("invalid_name")),
            ("X-Key:", Some("invalid_name")),
            (":authority", Some("invalid_name")),
            ("X-Key\r\nHost", Some("invalid_name")),
            ("X-Schlüssel", Some("invalid_name")),
            ("X/Key", Some("invalid_name")),
            ("X-\0", Some("invalid_name")),
            (&long, Some("too_long")),
        ] {
            assert_eq!(code(name, "value").as_deref(), wanted, "{name:.40}");
        }
    }

    #[test]
    fn values_are_one_line_of_visible_ascii() {
        let (most, over) = ("v".repeat(4_096), "v".repeat(4_097));
        for (value, wanted) in [
            ("", None),
            ("Bearer abc.def", None),
            ("a\tb  c", None),
            ("%0d%0aHost: evil", None),
            ("~", None),
            (&most, None),
            (&over, Some("too_long")),
            (" a", Some("invalid_value")),
            ("a ", Some("invalid_value")),
            ("\ta", Some("invalid_value")),
            ("a\t", Some("invalid_value")),
            ("a\r\nHost: evil", Some("invalid_value")),
            ("a\r\n folded", Some("invalid_value")),
            ("a\nb", Some("invalid_value")),
            ("a\rb", Some("invalid_value")),
            ("a\0b", Some("invalid_value")),
            ("a\u{7f}b", Some("invalid_value")),
            ("a\u{2028}b", Some("invalid_value")),
            ("é", Some("invalid_value")),
        ] {
            assert_eq!(code("X-Key", value).as_deref(), wanted, "{value:.40?}");
        }
    }

    #[test]
    fn each_fault_is_pointed_at_and_numbers_are_bounded() {
        let found = codes(&[("X-Key", "a"), ("Host", "b"), ("x-key", "c"), ("a/~b", "d")]);
        let wanted = [
            ("/headers/Host", "reserved"),
            ("/headers/x-key", "duplicate"),
            ("/headers/a~1~0b", "invalid_name"),
        ];
        let wanted = wanted.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
        assert_eq!(found, wanted);

        let names: Vec<_> = (0..1_000).map(|number| format!("X-{number}")).collect();
        for (count, faults) in [(0, 0), (20, 0), (21, 1), (1_000, 1)] {
            let found = check(names[..count].iter().map(|name| (name.as_str(), "v")));
            assert_eq!(found.len(), faults, "{count}");
        }
        let long = "/".repeat(64 * 1024);
        assert!(check([(long.as_str(), "v")])[0].pointer.len() < 300);
    }

    proptest! {
        #[test]
        fn whatever_passes_is_a_header(name in ".{0,20}", value in ".{0,20}") {
            if check([(name.as_str(), value.as_str())]).is_empty() {
                prop_assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok());
                prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            }
        }
    }
}
