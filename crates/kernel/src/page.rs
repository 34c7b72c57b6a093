//! Lists by cursor.

use uuid::Uuid;

use crate::limits;

/// Where a list goes on: after the row with this sort key and id.
///
/// Outside it is opaque and sealed (`web`), so that a caller can neither forge one nor carry it to
/// another tenant or list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key of the last row: an instant in microseconds, or a position.
    pub sort: i64,
    /// The id of the last row, which settles ties.
    pub id: Uuid,
}

/// A cursor that was not issued for this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this list gave out: start again without it")]
pub struct CursorError;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageParams {
    /// How many rows, 1 to [`limits::PAGE_ROWS_MAX`].
    pub limit: i64,
    /// Where to go on; from the start without it.
    pub after: Option<Cursor>,
}

impl Default for PageParams {
    fn default() -> Self {
        Self { limit: limits::PAGE_ROWS_DEFAULT, after: None }
    }
}

/// One screenful of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins; absent on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page from rows that were asked for with one more than `limit`: the extra row only
    /// shows that there is a next page.
    pub fn from_rows(mut rows: Vec<T>, limit: i64, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(cursor) } else { None };
        Self { data: rows, next }
    }

    /// The same page with each row turned into something else.
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U> {
        Page { data: self.data.into_iter().map(view).collect(), next: self.next }
    }
}
