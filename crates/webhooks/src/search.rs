//! What a search in the log asks for: an id, which an index finds, or words. Pure.

use std::borrow::Cow;

use tidings_kernel::{AnyId, FieldError};

/// The longest text that is searched for, in characters.
const TEXT_CHARS_MAX: usize = 200;
/// The most words.
const WORDS_MAX: usize = 8;
/// The shortest word, in characters: shorter ones stand everywhere.
const WORD_CHARS_MIN: usize = 2;

/// What is searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Search {
    /// As it was sent: it may be a publisher's id.
    pub(crate) text: String,
    /// Where it is the id of something.
    pub(crate) id: Option<AnyId>,
    words: Vec<String>,
}

impl Search {
    /// Reads what is searched for.
    pub(crate) fn parse(text: &str) -> Result<Self, FieldError> {
        let text = text.trim();
        let fault = |code, message: String| FieldError::new("?q", code, message);
        if text.is_empty() {
            let message = "an id, or words that stand in the event".to_owned();
            return Err(fault("required", message));
        }
        if text.chars().count() > TEXT_CHARS_MAX {
            return Err(fault("too_long", format!("at most {TEXT_CHARS_MAX} characters")));
        }
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        if words.len() > WORDS_MAX {
            return Err(fault("too_many", format!("at most {WORDS_MAX} words")));
        }
        if let Some(short) = words.iter().find(|word| word.chars().count() < WORD_CHARS_MIN) {
            let message = format!("{short:?} is too short: a word has at least 2 characters");
            return Err(fault("too_short", message));
        }
        Ok(Self { text: text.to_owned(), id: text.parse().ok(), words })
    }

    /// Whether every word stands in an event's body, whole, in any case. A body is what is sent, so
    /// words of names of fields are found too; what is written with escapes is read as what it means.
    pub(crate) fn is_in(&self, body: &[u8]) -> bool {
        let body = meant(&String::from_utf8_lossy(body)).to_lowercase();
        self.words.iter().all(|word| stands_in(&body, word))
    }
}

/// A text of JSON with its escapes read.
fn meant(text: &str) -> Cow<'_, str> {
    let Some(first) = text.find('\\') else { return Cow::Borrowed(text) };
    let (mut read, mut rest) = (text[..first].to_owned(), &text[first..]);
    while let Some(at) = rest.find('\\') {
        read.push_str(&rest[..at]);
        let (letter, behind) = escape(&rest[at + 1..]);
        read.push(letter);
        rest = behind;
    }
    read.push_str(rest);
    Cow::Owned(read)
}

/// The character that an escape stands for, and what is behind it.
fn escape(text: &str) -> (char, &str) {
    let mut characters = text.chars();
    let letter = match characters.next() {
        Some('u') => return unicode_escape(characters.as_str()),
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('b' | 'f') => ' ',
        Some(itself) => itself,
        None => '\\',
    };
    (letter, characters.as_str())
}

/// The same for the four digits behind `\u`, and for the pair of such escapes that stands for what
/// four digits cannot.
fn unicode_escape(text: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let Some(first) = unit(text) else { return (char::REPLACEMENT_CHARACTER, text) };
    let behind = &text[4..];
    let second = behind.strip_prefix("\\u").and_then(unit);
    let pair = [first, second.unwrap_or(0)];
    match char::decode_utf16(pair).next() {
        Some(Ok(letter)) if letter.len_utf16() == 2 => (letter, &behind[6..]),
        Some(Ok(letter)) => (letter, behind),
        Some(Err(_)) | None => (char::REPLACEMENT_CHARACTER, behind),
    }
}

/// Whether a word stands in a text with no letter or digit beside it.
fn stands_in(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + found.len()..].chars().next();
        let open = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_alphanumeric());
        open(before) && open(behind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole_and_in_any_case() {
        let body = r#"{"id":"evt_1","data":{"email":"Ada@Example.com","name":"Zoë","total":4990}}"#;
        for (text, wanted) in [
            ("ada@example.com", true),
            ("ADA", true),
            ("example.com", true),
            ("exam", false),
            ("zoë", true),
            ("ZOË", true),
            ("zo", false),
            ("4990", true),
            ("499", false),
            ("ada 4990", true),
            ("ada 5000", false),
            ("evt_1", true),
            ("data", true),
        ] {
            assert_eq!(Search::parse(text).unwrap().is_in(body.as_bytes()), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_written_with_escapes_is_found_as_what_it_means() {
        let body = r#"{"a":"hello\nquetzal","b":"a\tzebra","c":"Z\u00fcrichberg","d":"C:\\temp\/x",
            "e":"say \"so\"","f":"\uD83E\uDD80crab","g":"\uD83Elone","h":"\u12","i":"\\u0041bc"}"#;
        for (text, wanted) in [
            ("quetzal", true),
            ("nquetzal", false),
            ("zebra", true),
            ("zürichberg", true),
            ("u00fcrichberg", false),
            (r"c:\temp/x", true),
            (r#""so""#, true),
            ("🦀crab", true),
            ("crab", true),
            ("lone", true),
            ("abc", false),
            (r"\u0041bc", true),
        ] {
            assert_eq!(Search::parse(text).unwrap().is_in(body.as_bytes()), wanted, "{text}");
        }
        for text in ["\\", "\\u", "\\u1", "\\uD83E\\u", "\\uD83E\\u00", "\\ué€", ""] {
            assert!(!Search::parse("word").unwrap().is_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused() {
        let long = "x".repeat(TEXT_CHARS_MAX + 1);
        for (text, code) in [
            ("", "required"),
            ("  ", "required"),
            (long.as_str(), "too_long"),
            ("aa bb cc dd ee ff gg hh ii", "too_many"),
            ("ada x", "too_short"),
        ] {
            let fault = Search::parse(text).unwrap_err();
            assert_eq!((fault.pointer.as_str(), fault.code.as_ref()), ("?q", code), "{text}");
        }
    }

    #[test]
    fn an_id_is_told_from_words() {
        assert!(Search::parse("cus_01h455vb4pex5vsknk084sn02q").unwrap().id.is_some());
        assert!(Search::parse("order_1").unwrap().id.is_none());
    }
}
