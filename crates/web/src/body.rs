//! Bodies and queries: read strictly, with a pointer to each fault.

use serde::de::DeserializeOwned;
use tidings_kernel::{FieldError, Problem, ProblemKind, limits};

/// Reads JSON into a type: 400 for what is not JSON, 422 with a pointer for what does not fit.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.is_empty() {
        return Err(Problem::new(ProblemKind::Malformed, "the body is empty; send a JSON object"));
    }
    if depth(bytes) > limits::JSON_DEPTH_MAX {
        return Err(Problem::new(
            ProblemKind::Malformed,
            format!("the body is nested deeper than {} levels", limits::JSON_DEPTH_MAX),
        ));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        explain(error.inner(), pointer)
    })?;
    deserializer.end().map_err(|error| explain(&error, String::new()))?;
    Ok(value)
}

/// The deepest nesting of objects and arrays outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut in_string = false;
    let mut escaped = false;
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escape(key)),
            Segment::Enum { variant } => format!("/{}", escape(variant)),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// RFC 6901.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn explain(error: &serde_json::Error, pointer: String) -> Problem {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => {
            let (pointer, code, message) = data_fault(&error.to_string(), pointer);
            Problem::invalid(vec![FieldError { pointer, code: code.into(), message }])
        }
        Category::Syntax | Category::Eof | Category::Io => Problem::new(
            ProblemKind::Malformed,
            format!("the body is not JSON: {error}"),
        )
        .at(&pointer, "not_json", "reading stopped here"),
    }
}

/// Turns the words of the deserialiser into a code and a sentence.
fn data_fault(text: &str, pointer: String) -> (String, &'static str, String) {
    let text = text.split(" at line ").next().unwrap_or(text);
    let quoted = text.split('`').nth(1).unwrap_or_default();
    if text.starts_with("missing field") {
        let pointer = format!("{pointer}/{}", escape(quoted));
        (pointer, "required", "this field is needed".to_owned())
    } else if text.starts_with("unknown field") {
        let known = text.split_once("expected ").map_or("none", |(_, known)| known);
        let pointer = if pointer.ends_with(&format!("/{}", escape(quoted))) {
            pointer
        } else {
            format!("{pointer}/{}", escape(quoted))
        };
        (pointer, "unknown_field", format!("there is no such field; known are: {known}"))
    } else if text.starts_with("duplicate field") {
        (format!("{pointer}/{}", escape(quoted)), "duplicate_field", "it is given twice".to_owned())
    } else if text.starts_with("unknown variant") {
        let known = text.split_once("expected ").map_or("none", |(_, known)| known);
        (pointer, "unknown_value", format!("this value is not known; known are: {known}"))
    } else {
        (pointer, "invalid", text.to_owned())
    }
}

/// Reads what a query string says, but for the paging, which every list has.
pub(crate) fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let rest: Vec<(String, String)> = pairs(query)?
        .into_iter()
        .filter(|(name, _)| !matches!(name.as_str(), "limit" | "cursor" | "after"))
        .collect();
    let text = serde_urlencoded::to_string(&rest).unwrap_or_default();
    serde_urlencoded::from_str(&text).map_err(|error| {
        let text = error.to_string();
        let quoted = text.split('`').nth(1).unwrap_or_default();
        let (code, message) = if text.starts_with("unknown field") {
            let known = text.split_once("expected ").map_or("none", |(_, known)| known);
            ("unknown_parameter", format!("there is no such parameter; known are: {known}"))
        } else {
            ("invalid", text.clone())
        };
        Problem::invalid_field(format!("?{quoted}"), code, message)
    })
}

/// The pairs of a query string.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    serde_urlencoded::from_str(query)
        .map_err(|_| Problem::new(ProblemKind::Malformed, "the query string cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        #[expect(dead_code, reason = "only the refusals are tested")]
        items: Vec<Item>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        #[expect(dead_code, reason = "only the refusals are tested")]
        count: u32,
    }

    #[test]
    fn each_fault_has_its_status_and_pointer() {
        let deep = "[".repeat(65);
        for (body, kind, pointer, code) in [
            ("", ProblemKind::Malformed, None, ""),
            ("{", ProblemKind::Malformed, Some(""), "not_json"),
            ("{\"items\":[]} x", ProblemKind::Malformed, Some(""), "not_json"),
            (deep.as_str(), ProblemKind::Malformed, None, ""),
            ("{}", ProblemKind::Invalid, Some("/items"), "required"),
            ("[]", ProblemKind::Invalid, Some(""), "invalid"),
            ("{\"items\":[],\"x/y\":1}", ProblemKind::Invalid, Some("/x~1y"), "unknown_field"),
            (
                "{\"items\":[{\"count\":-1}]}",
                ProblemKind::Invalid,
                Some("/items/0/count"),
                "invalid",
            ),
            (
                "{\"items\":[],\"items\":[]}",
                ProblemKind::Invalid,
                Some("/items"),
                "duplicate_field",
            ),
        ] {
            let problem = parse_json::<Order>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.kind, kind, "{body}");
            assert_eq!(problem.errors.first().map(|e| e.pointer.as_str()), pointer, "{body}");
            if let Some(first) = problem.errors.first() {
                assert_eq!(first.code, code, "{body}");
            }
        }
    }

    #[test]
    fn braces_in_strings_are_not_depth() {
        assert_eq!(depth(br#"{"a":"[[[\"[[","b":[1]}"#), 2);
    }
}
