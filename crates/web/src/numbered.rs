//! Pages by number, for callers that know no cursors. A page by its number is found by counting, so
//! it costs more the further it lies, and rows that are added meanwhile move the others.

use serde_json::json;
use tidings_kernel::{Cursor, PageParams, Problem, limits};

use crate::body::pairs;
use crate::call::{Call, Input};
use crate::openapi::Described;

/// The parameters of a page by its number.
const PAGE: &str = "page";
const PAGE_SIZE: &str = "page_size";

/// Whether a parameter says which page is wanted, and not what is in the list.
pub(crate) fn is_paging(name: &str) -> bool {
    matches!(name, "limit" | "cursor" | "after" | PAGE | PAGE_SIZE)
}

/// A page that is asked for by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageNumber {
    /// Which page; the first is 1.
    page: i64,
    /// How many rows each has.
    page_size: i64,
}

impl PageNumber {
    /// Reads it; none where neither of its parameters is sent.
    fn read(query: &str) -> Result<Option<Self>, Problem> {
        let pairs = pairs(query)?;
        let sent = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted);
        if sent(PAGE).is_none() && sent(PAGE_SIZE).is_none() {
            return Ok(None);
        }
        if let Some((name, _)) = sent("limit").or(sent("cursor")).or(sent("after")) {
            return Err(Problem::invalid_field(
                format!("?{name}"),
                "invalid",
                "this is for pages by cursor; leave it out, or page and page_size",
            ));
        }
        let number = |name: &str, most: i64, unless_sent: i64| {
            let Some((_, text)) = sent(name) else { return Ok(unless_sent) };
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| {
                let message = format!("a whole number from 1 to {most}");
                Problem::invalid_field(format!("?{name}"), "out_of_range", message)
            })
        };
        Ok(Some(Self {
            page: number(PAGE, limits::PAGE_NUMBER_MAX, 1)?,
            page_size: number(
                PAGE_SIZE,
                limits::NUMBERED_PAGE_ROWS_MAX,
                limits::PAGE_ROWS_DEFAULT,
            )?,
        }))
    }

    /// How many rows are wanted, from the first.
    pub fn params(self) -> PageParams {
        PageParams { limit: self.page_size, after: None::<Cursor> }
    }

    /// How many rows lie on the pages before.
    pub fn skipped(self) -> i64 {
        self.page.saturating_sub(1).saturating_mul(self.page_size)
    }
}

/// What a list takes, and the number of the page, if one is sent. Only lists that take it have the
/// parameters; elsewhere they are refused like any other that does not exist.
#[derive(Debug)]
pub struct Numbered<I>(pub I, pub Option<PageNumber>);

impl<I: Input> Input for Numbered<I> {
    fn read(call: &Call) -> Result<Self, Problem> {
        let number = PageNumber::read(&call.query)?;
        let rest: Vec<(String, String)> = pairs(&call.query)?
            .into_iter()
            .filter(|(name, _)| name != PAGE && name != PAGE_SIZE)
            .collect();
        let query = serde_urlencoded::to_string(&rest).unwrap_or_default();
        let rest = Call { query: query.into(), ..call.clone() };
        Ok(Self(I::read(&rest)?, number))
    }

    fn describe(described: &mut Described) {
        I::describe(described);
        for (name, most, text) in [
            (PAGE, limits::PAGE_NUMBER_MAX, "Which page, by its number; `cursor` is faster."),
            (
                PAGE_SIZE,
                limits::NUMBERED_PAGE_ROWS_MAX,
                "How many rows a page by number has, 50 unless told.",
            ),
        ] {
            described.parameter(json!({
                "in": "query", "name": name, "required": false, "description": text,
                "schema": {"type": "integer", "minimum": 1, "maximum": most},
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_number_and_a_size_within_their_bounds() {
        assert_eq!(PageNumber::read("status=active&limit=7").unwrap(), None);
        for (query, limit, skipped) in [
            ("page=1", 50, 0),
            ("page_size=100", 100, 0),
            ("page=3&page_size=20", 20, 40),
            ("page=1000&page_size=100", 100, 99_900),
        ] {
            let number = PageNumber::read(query).unwrap().unwrap();
            assert_eq!((number.params().limit, number.skipped()), (limit, skipped), "{query}");
        }
        for (query, pointer, code) in [
            ("page=0", "?page", "out_of_range"),
            ("page=1001", "?page", "out_of_range"),
            ("page=two", "?page", "out_of_range"),
            ("page_size=101", "?page_size", "out_of_range"),
            ("page=1&limit=5", "?limit", "invalid"),
            ("page=1&cursor=x", "?cursor", "invalid"),
            ("page_size=5&after=x", "?after", "invalid"),
        ] {
            let fault = PageNumber::read(query).unwrap_err().errors.remove(0);
            assert_eq!((fault.pointer.as_str(), fault.code.as_ref()), (pointer, code), "{query}");
        }
    }
}
