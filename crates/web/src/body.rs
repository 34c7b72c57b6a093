//! Bodies and queries: read strictly, with a pointer to each fault.

use serde::de::DeserializeOwned;
use tidings_kernel::{FieldError, Problem, ProblemKind, limits, text};

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
    let parsed = url::form_urlencoded::parse(text.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(parsed))
        .map_err(|error| query_fault(&error, &rest))
}

/// Names the parameter. Its value may be anything, and is not repeated.
fn query_fault(
    error: &serde_path_to_error::Error<serde_urlencoded::de::Error>,
    pairs: &[(String, String)],
) -> Problem {
    use serde_path_to_error::Segment;
    let text = error.inner().to_string();
    let parameter = error.path().iter().find_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
    });
    // What is missing or there twice is on no path, but named.
    let on_no_path = text.starts_with("missing field") || text.starts_with("duplicate field");
    let named = on_no_path.then(|| text.split('`').nth(1)).flatten();
    let parameter = parameter.or(named);
    let parameter = parameter.unwrap_or_default();
    let mut sent = pairs.iter().filter(|(name, _)| name == parameter).map(|(_, value)| value);
    let (_, code, message) = data_fault(&text, String::new());
    let (code, message) = match code {
        "unknown_field" => ("unknown_parameter", message.replacen("field", "parameter", 1)),
        "duplicate_field" => ("duplicate_parameter", message),
        "required" => (code, "this parameter is needed".to_owned()),
        "invalid" if sent.any(|value| message.contains(value.as_str())) => {
            (code, "this value cannot be read".to_owned())
        }
        _ => (code, message),
    };
    Problem::invalid_field(format!("?{parameter}"), code, message)
}

/// The pairs of a query string. Each value is one line, whatever the operation does with it.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|_| Problem::new(ProblemKind::Malformed, "the query string cannot be read"))?;
    let faults: Vec<FieldError> = pairs
        .iter()
        .filter_map(|(name, value)| text::line(&format!("?{name}"), value, usize::MAX))
        .collect();
    if faults.is_empty() { Ok(pairs) } else { Err(Problem::invalid(faults)) }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::Timestamp;

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

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the refusals are tested")]
    struct Filter {
        state: State,
        least: Option<u32>,
        since: Option<Timestamp>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Open,
    }

    #[test]
    fn a_fault_of_the_query_names_the_parameter_and_repeats_no_value() {
        for (query, pointer, code) in [
            ("", "?state", "required"),
            ("state=s3cret", "?state", "unknown_value"),
            ("state=open&least=s3cret", "?least", "invalid"),
            ("state=open&least=-1", "?least", "invalid"),
            ("state=open&since=s3cret", "?since", "invalid"),
            ("state=open&else=s3cret", "?else", "unknown_parameter"),
            ("state=open&state=open", "?state", "duplicate_parameter"),
            ("limit=1&cursor=2&after=3&state=open&x%2Fy=s3cret", "?x/y", "unknown_parameter"),
            ("state=s3cret%00", "?state", "invalid"),
            ("state=open&else=s3cret%0A", "?else", "invalid"),
        ] {
            let problem = parse_query::<Filter>(query).unwrap_err();
            assert_eq!(problem.kind, ProblemKind::Invalid, "{query}");
            let fault = &problem.errors[0];
            assert_eq!((fault.pointer.as_str(), fault.code.as_ref()), (pointer, code), "{query}");
            assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
        }
        assert!(parse_query::<Filter>("state=open&limit=1&since=2026-11-23T12:00:00Z").is_ok());
    }

    #[test]
    fn braces_in_strings_are_not_depth() {
        assert_eq!(depth(br#"{"a":"[[[\"[[","b":[1]}"#), 2);
    }
}
