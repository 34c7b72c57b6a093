//! Which ids a text names: all that are looked for, in one pass over it.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::AnyId;
use crate::id::SUFFIX_LEN;

/// Ids that are looked for in texts, each with what is known of it. However many there are, a text
/// is gone through once.
#[derive(Debug, Clone)]
pub struct Mentions<T> {
    by_suffix: HashMap<[u8; SUFFIX_LEN], Vec<(AnyId, T)>>,
}

impl<T> Default for Mentions<T> {
    fn default() -> Self {
        Self { by_suffix: HashMap::new() }
    }
}

impl<T> FromIterator<(AnyId, T)> for Mentions<T> {
    fn from_iter<I: IntoIterator<Item = (AnyId, T)>>(ids: I) -> Self {
        let mut mentions = Self::default();
        ids.into_iter().for_each(|(id, known)| mentions.insert(id, known));
        mentions
    }
}

impl<T> Mentions<T> {
    /// Looks for one more id. The same one may be looked for several times.
    pub fn insert(&mut self, id: AnyId, known: T) {
        let text = id.to_string();
        let suffix = text.as_bytes().last_chunk::<SUFFIX_LEN>().copied().unwrap_or_default();
        self.by_suffix.entry(suffix).or_default().push((id, known));
    }

    /// What is known of each id that a text names, as often as it does. An id is text of its own kind,
    /// so this is no guess. One that is written with JSON's `\u` escapes is found too.
    pub fn named_in(&self, text: &[u8]) -> Vec<&T> {
        if self.by_suffix.is_empty() {
            return Vec::new();
        }
        let text = unescaped(text);
        let mut named = Vec::new();
        for (at, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'_') {
            let Some(suffix) = text[at + 1..].first_chunk::<SUFFIX_LEN>() else { break };
            let known = self.by_suffix.get(suffix).map(Vec::as_slice).unwrap_or_default();
            let before = &text[..at];
            let hits = known.iter().filter(|(id, _)| before.ends_with(id.prefix.as_bytes()));
            named.extend(hits.map(|(_, known)| known));
        }
        named
    }

    /// Whether a text names any of them.
    pub fn any_in(&self, text: &[u8]) -> bool {
        !self.named_in(text).is_empty()
    }
}

/// A text of JSON in which `\u0063` is the letter that it stands for. Whatever ids are not made of
/// stays as it is.
fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.windows(2).any(|pair| pair == b"\\u") {
        return Cow::Borrowed(text);
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let (taken, byte) = match (first, behind.first()) {
            (b'\\', Some(b'u')) => match letter(&behind[1..]) {
                Some(letter) => (6, Some(letter)),
                None => (2, None),
            },
            // The pair belongs together: what follows an escaped backslash is no escape.
            (b'\\', Some(_)) => (2, None),
            _ => (1, None),
        };
        match byte {
            Some(byte) => plain.push(byte),
            None => plain.extend_from_slice(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    Cow::Owned(plain)
}

/// The ASCII character that four hexadecimal digits stand for.
fn letter(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{CustomerId, EventId};

    #[test]
    fn an_id_is_found_wherever_it_stands_and_no_other_is() {
        let ada = CustomerId::from_uuid(Uuid::from_u128(0x0195_0000_0000_7000_8000_0000_0000_0001));
        let (text, other) = (ada.to_string(), CustomerId::from_uuid(Uuid::from_u128(7)));
        let of_event = EventId::from_uuid(ada.uuid()).to_string();
        let mentions: Mentions<u8> = [(ada.any(), 1)].into_iter().collect();
        let escaped = text.replacen('c', "\\u0063", 1).replace('_', "\\u005F");
        let twice = escaped.replace("\\u", "\\\\u");
        for (body, named) in [
            (text.clone(), true),
            (format!("{{\"customer_id\":\"{text}\"}}"), true),
            (format!("see {text}, or cus_{text}"), true),
            (format!("x_{text}_x"), true),
            (escaped.clone(), true),
            (format!("{{\"note\":\"\\n{escaped}\\t\"}}"), true),
            (twice, false),
            (format!("{{\"a\":\"{other}\"}}"), false),
            (of_event, false),
            (text[1..].to_owned(), false),
            (text[..text.len() - 1].to_owned(), false),
            (text.to_uppercase(), false),
            ("cus_ \\u00".to_owned(), false),
            ("\\u+063 \\u".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(mentions.any_in(body.as_bytes()), named, "{body}");
        }
    }

    #[test]
    fn many_are_looked_for_at_once() {
        let id = |number| CustomerId::from_uuid(Uuid::from_u128(number)).any();
        let mut mentions: Mentions<u128> = (0..1_000).map(|number| (id(number), number)).collect();
        let body = format!("{{\"from\":\"{}\",\"to\":\"{}\"}}", id(3), id(997));
        assert_eq!(mentions.named_in(body.as_bytes()), [&3, &997]);
        mentions.insert(id(3), 4);
        assert_eq!(mentions.named_in(body.as_bytes()), [&3, &4, &997], "each of the same");
        assert!(Mentions::<u8>::default().named_in(body.as_bytes()).is_empty());
    }
}
