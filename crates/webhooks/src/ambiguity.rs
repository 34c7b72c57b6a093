//! What is JSON, and is read differently by different readers.
//!
//! A name that is there twice gives one reader the first value and another the last: what fits a
//! schema here would not be what a receiver acts on. Half of a surrogate pair is a text to some, and
//! the end of reading to others. Neither is published.

use std::collections::HashSet;

use tidings_kernel::FieldError;

/// Where the walk is: in an object, behind a name; or in a list.
enum Level {
    Object { names: HashSet<String>, name: String, expects_name: bool },
    List { place: usize },
}

/// The first such place in `json`, pointed at below `pointer`. The text must be one JSON value.
pub(crate) fn find(json: &str, pointer: &str) -> Option<FieldError> {
    let bytes = json.as_bytes();
    let mut levels: Vec<Level> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' => {
                let (names, name) = (HashSet::new(), String::new());
                levels.push(Level::Object { names, name, expects_name: true });
            }
            b'[' => levels.push(Level::List { place: 0 }),
            b'}' | b']' => drop(levels.pop()),
            b',' => match levels.last_mut() {
                Some(Level::Object { expects_name, .. }) => *expects_name = true,
                Some(Level::List { place }) => *place += 1,
                None => {}
            },
            b'"' => {
                let end = end_of_text(bytes, at);
                let token = json.get(at..end).unwrap_or_default();
                let fault = text(token, &mut levels);
                if let Some((code, message)) = fault {
                    return Some(FieldError::new(place(pointer, &levels), code, message));
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// One past the quote that ends the text whose first quote is at `start`.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Looks at a text with its quotes; one that is a name is remembered.
fn text(token: &str, levels: &mut [Level]) -> Option<(&'static str, &'static str)> {
    let is_name = matches!(levels.last(), Some(Level::Object { expects_name: true, .. }));
    if !is_name && !token.contains('\\') {
        return None;
    }
    let Ok(decoded) = serde_json::from_str::<String>(token) else {
        return Some(("invalid", "the text holds half of a surrogate pair; send whole characters"));
    };
    if let Some(Level::Object { names, name, expects_name }) = levels.last_mut()
        && *expects_name
    {
        *expects_name = false;
        name.clone_from(&decoded);
        if !names.insert(decoded) {
            return Some(("duplicate_field", "it is given twice"));
        }
    }
    None
}

fn place(pointer: &str, levels: &[Level]) -> String {
    let steps = levels.iter().map(|level| match level {
        // A name that cannot be read has none to be pointed at with.
        Level::Object { expects_name: true, .. } => String::new(),
        Level::Object { name, .. } => format!("/{}", name.replace('~', "~0").replace('/', "~1")),
        Level::List { place } => format!("/{place}"),
    });
    std::iter::once(pointer.to_owned()).chain(steps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ambiguity_is_pointed_at() {
        for (json, wanted) in [
            ("{}", None),
            ("null", None),
            ("\"a\\\"b\"", None),
            ("[1,2,[],{}]", None),
            (r#"{"a":{"a":1},"b":[{"a":2},{"a":3}]}"#, None),
            (r#"{"a":"\ud83d\ude80","\u0000":"\\u"}"#, None),
            (r#"{"a":"{\"a\":1,\"a\":2}"}"#, None),
            (r#"{"a":1e400}"#, None),
            (r#"{"a":1,"A":2}"#, None),
            (r#"{"a":1,"a":1}"#, Some(("/d/a", "duplicate_field"))),
            (r#"{"a":1,"\u0061":2}"#, Some(("/d/a", "duplicate_field"))),
            (r#"{ "" : 1 , "" : 2 }"#, Some(("/d/", "duplicate_field"))),
            (r#"{"x":[0,{"b/~":1,"b/~":2}]}"#, Some(("/d/x/1/b~1~0", "duplicate_field"))),
            (r#"{"__proto__":1,"__proto__":2}"#, Some(("/d/__proto__", "duplicate_field"))),
            (r#""\ud800""#, Some(("/d", "invalid"))),
            (r#"{"a":["x","\udc00\ud800"]}"#, Some(("/d/a/1", "invalid"))),
            (r#"{"a":{"\ud800":1}}"#, Some(("/d/a", "invalid"))),
        ] {
            let found = find(json, "/d").map(|fault| (fault.pointer, fault.code.into_owned()));
            let wanted = wanted.map(|(pointer, code)| (pointer.to_owned(), code.to_owned()));
            assert_eq!(found, wanted, "{json}");
        }
    }
}
