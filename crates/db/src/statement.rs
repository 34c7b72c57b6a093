//! Statements: one text for both engines, checked when they are compiled.

use std::borrow::Cow;
use std::sync::OnceLock;

/// Whether a statement reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementKind {
    /// `SELECT`.
    Query,
    /// `INSERT`, `UPDATE`, `DELETE`.
    Command,
}

/// Whose rows a statement touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatementScope {
    /// One tenant's; the text mentions `tenant_id`.
    Tenant,
    /// Everybody's: for the engine's own loops, in named files only.
    AcrossTenants,
}

/// The type of a column in a bulk statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The sixteen bytes of an id.
    Uuid,
    /// A whole number.
    Int,
    /// Yes or no.
    Bool,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

impl Column {
    const fn array_type(self) -> &'static str {
        match self {
            Self::Uuid => "uuid[]",
            Self::Int => "int8[]",
            Self::Bool => "bool[]",
            Self::Text => "text[]",
            Self::Bytes => "bytea[]",
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Text {
    /// The same for both engines.
    Shared(&'static str),
    /// The two engines cannot say it alike. Counted by a ratchet.
    Forked { sqlite: &'static str, postgres: &'static str },
    /// One row of many; PostgreSQL takes all rows as arrays at once.
    Bulk { row: &'static str, batch: &'static str, columns: &'static [Column] },
    /// Many rows into one table.
    Insert {
        table: &'static str,
        names: &'static [&'static str],
        columns: &'static [Column],
        tail: &'static str,
    },
}

fn insert_head(table: &str, names: &[&str]) -> String {
    format!("INSERT INTO {table} ({})", names.join(", "))
}

fn arrays(columns: &[Column]) -> String {
    let arrays: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| format!("${}::{}", i + 1, column.array_type()))
        .collect();
    format!("UNNEST({})", arrays.join(", "))
}

/// A statement, its texts rendered once per engine.
#[derive(Debug)]
pub struct Statement {
    /// Module and name, for messages and logs.
    pub name: &'static str,
    /// Whether it reads or writes.
    pub kind: StatementKind,
    /// Whose rows it touches.
    pub scope: StatementScope,
    text: Text,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

/// A statement that only reads.
#[derive(Debug)]
pub struct Query(pub(crate) Statement);

/// A statement that writes; it runs only through a [`Writer`](crate::Writer).
#[derive(Debug)]
pub struct Command(pub(crate) Statement);

/// A statement that writes many rows at once.
#[derive(Debug)]
pub struct Bulk(pub(crate) Statement);

impl Statement {
    // From here up to the declaration every caller is skipped in what the compiler says, so that a
    // refused text is shown where it stands.
    #[track_caller]
    const fn new(
        name: &'static str,
        kind: StatementKind,
        scope: StatementScope,
        text: Text,
    ) -> Self {
        let (a, b) = match text {
            Text::Shared(text) => (text, text),
            Text::Forked { sqlite, postgres } => (sqlite, postgres),
            Text::Bulk { row, batch, .. } => (row, batch),
            Text::Insert { names, columns, .. } => {
                assert!(names.len() == columns.len(), "each column has a name and a type");
                ("INSERT ", names[0])
            }
        };
        if let Text::Insert { .. } = text {
            assert!(contains(b, "tenant_id"), "the first column of a bulk insert is tenant_id");
        } else {
            assert_fits(a, kind, scope);
            assert_fits(b, kind, scope);
        }
        Self { name, kind, scope, text, sqlite: OnceLock::new(), postgres: OnceLock::new() }
    }

    /// The text for SQLite: numbered parameters are `?n`, because `$n` is a *named* one there.
    pub fn sqlite(&self) -> &str {
        self.sqlite.get_or_init(|| {
            let text = match self.text {
                Text::Shared(text) | Text::Forked { sqlite: text, .. } => Cow::Borrowed(text),
                Text::Bulk { row, .. } => Cow::Borrowed(row),
                Text::Insert { table, names, tail, .. } => {
                    let marks: Vec<String> = (1..=names.len()).map(|n| format!("${n}")).collect();
                    let head = insert_head(table, names);
                    Cow::Owned(format!("{head} VALUES ({}) {tail}", marks.join(", ")))
                }
            };
            let mut text = text;
            for (word, render) in SQLITE_WORDS {
                text = replace(text, word, *render);
            }
            text.replace('$', "?")
        })
    }

    /// The text for PostgreSQL.
    pub fn postgres(&self) -> &str {
        self.postgres.get_or_init(|| {
            let text = match self.text {
                Text::Shared(text) | Text::Forked { postgres: text, .. } => text,
                Text::Bulk { batch, columns, .. } => {
                    return batch.replace("ROWS", &arrays(columns));
                }
                Text::Insert { table, names, columns, tail } => {
                    let head = insert_head(table, names);
                    return format!("{head} SELECT * FROM {} {tail}", arrays(columns));
                }
            };
            let mut text = Cow::Borrowed(text);
            for (word, render) in POSTGRES_WORDS {
                text = replace(text, word, *render);
            }
            text.into_owned()
        })
    }

    /// Whether the two engines need different texts.
    pub const fn is_fork(&self) -> bool {
        matches!(self.text, Text::Forked { .. })
    }

    /// The columns of one row, for a bulk statement.
    pub const fn columns(&self) -> &'static [Column] {
        match self.text {
            Text::Bulk { columns, .. } | Text::Insert { columns, .. } => columns,
            Text::Shared(_) | Text::Forked { .. } => &[],
        }
    }
}

/// Words of the shared dialect that the engines say differently, each around one parameter.
/// `ABSENT_…` is `IS NULL` for a parameter whose type PostgreSQL could not guess.
type Words = &'static [(&'static str, fn(&str) -> String)];

const SQLITE_WORDS: Words = &[
    ("IN_UUIDS(", |n| format!("IN (SELECT unhex(value) FROM json_each({n}))")),
    ("IN_TEXTS(", |n| format!("IN (SELECT value FROM json_each({n}))")),
    ("ABSENT_UUID(", |n| format!("{n} IS NULL")),
    ("ABSENT_TEXT(", |n| format!("{n} IS NULL")),
    ("ABSENT_INT(", |n| format!("{n} IS NULL")),
];

const POSTGRES_WORDS: Words = &[
    ("IN_UUIDS(", |n| format!("= ANY({n}::uuid[])")),
    ("IN_TEXTS(", |n| format!("= ANY({n}::text[])")),
    ("ABSENT_UUID(", |n| format!("{n}::uuid IS NULL")),
    ("ABSENT_TEXT(", |n| format!("{n}::text IS NULL")),
    ("ABSENT_INT(", |n| format!("{n}::int8 IS NULL")),
];

/// Replaces each `WORD($n)` by what `render` makes of `$n`.
fn replace<'a>(text: Cow<'a, str>, word: &str, render: fn(&str) -> String) -> Cow<'a, str> {
    if !text.contains(word) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text.as_ref();
    while let Some((before, after)) = rest.split_once(word) {
        let (parameter, after) = after.split_once(')').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(&render(parameter));
        rest = after;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[track_caller]
const fn assert_fits(text: &str, kind: StatementKind, scope: StatementScope) {
    match kind {
        StatementKind::Query => assert!(
            starts_with(text, "SELECT ") || starts_with(text, "WITH "),
            "a query starts with SELECT or WITH: what writes is a command"
        ),
        StatementKind::Command => assert!(
            starts_with(text, "INSERT ")
                || starts_with(text, "UPDATE ")
                || starts_with(text, "DELETE "),
            "a command starts with INSERT, UPDATE or DELETE: what reads is a query"
        ),
    }
    match scope {
        StatementScope::Tenant => assert!(
            contains(text, "tenant_id"),
            "a statement on a tenant's table says tenant_id; one for all is declared `across`"
        ),
        StatementScope::AcrossTenants => {}
    }
}

const fn starts_with(text: &str, start: &str) -> bool {
    matches_at(text.as_bytes(), start.as_bytes(), 0)
}

const fn contains(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let mut at = 0;
    while at + word.len() <= text.len() {
        if matches_at(text, word, at) {
            return true;
        }
        at += 1;
    }
    false
}

const fn matches_at(text: &[u8], word: &[u8], at: usize) -> bool {
    if at + word.len() > text.len() {
        return false;
    }
    let mut i = 0;
    while i < word.len() {
        if text[at + i] != word[i] {
            return false;
        }
        i += 1;
    }
    true
}

impl Query {
    #[doc(hidden)]
    #[track_caller]
    pub const fn new(name: &'static str, scope: StatementScope, text: &'static str) -> Self {
        Self(Statement::new(name, StatementKind::Query, scope, Text::Shared(text)))
    }

    #[doc(hidden)]
    #[track_caller]
    pub const fn forked(
        name: &'static str,
        scope: StatementScope,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Self {
        Self(Statement::new(name, StatementKind::Query, scope, Text::Forked { sqlite, postgres }))
    }

    /// The statement, for the test that prepares all of them.
    pub const fn statement(&self) -> &Statement {
        &self.0
    }
}

impl Command {
    #[doc(hidden)]
    #[track_caller]
    pub const fn new(name: &'static str, scope: StatementScope, text: &'static str) -> Self {
        Self(Statement::new(name, StatementKind::Command, scope, Text::Shared(text)))
    }

    #[doc(hidden)]
    #[track_caller]
    pub const fn forked(
        name: &'static str,
        scope: StatementScope,
        sqlite: &'static str,
        postgres: &'static str,
    ) -> Self {
        Self(Statement::new(name, StatementKind::Command, scope, Text::Forked { sqlite, postgres }))
    }

    /// The statement, for the test that prepares all of them.
    pub const fn statement(&self) -> &Statement {
        &self.0
    }
}

impl Bulk {
    #[doc(hidden)]
    #[track_caller]
    pub const fn new(
        name: &'static str,
        scope: StatementScope,
        row: &'static str,
        batch: &'static str,
        columns: &'static [Column],
    ) -> Self {
        let text = Text::Bulk { row, batch, columns };
        Self(Statement::new(name, StatementKind::Command, scope, text))
    }

    #[doc(hidden)]
    #[track_caller]
    pub const fn insert(
        name: &'static str,
        table: &'static str,
        names: &'static [&'static str],
        columns: &'static [Column],
        tail: &'static str,
    ) -> Self {
        let text = Text::Insert { table, names, columns, tail };
        Self(Statement::new(name, StatementKind::Command, StatementScope::Tenant, text))
    }

    /// The statement, for the test that prepares all of them.
    pub const fn statement(&self) -> &Statement {
        &self.0
    }
}

/// Declares the statements of a store file, and `ALL` of them for the test that prepares each on
/// both engines.
///
/// - `query NAME = "SELECT …";` and `command NAME = "INSERT …";` touch one tenant's rows.
/// - `across query …` and `across command …` touch everybody's; `tidy` allows them in named files.
/// - `forked query NAME = "sqlite text", "postgres text";` where the engines cannot say it alike.
/// - `bulk NAME (uuid, int) = "one row", "batch with ROWS";` writes many rows at once: SQLite runs
///   the first text for each row, PostgreSQL the second once, with `ROWS` as an `UNNEST` of arrays.
/// - `insert NAME = "table" (tenant_id uuid, n int), "ON CONFLICT …";` is a bulk insert.
#[macro_export]
macro_rules! statements {
    (@munch [$($all:ident)*]) => {
        /// Every statement of this file.
        pub(crate) static ALL: &[&$crate::Statement] = &[$($all.statement()),*];
    };
    (@munch [$($all:ident)*] $(#[$doc:meta])* query $name:ident = $text:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Query = $crate::Query::new(
            concat!(module_path!(), "::", stringify!($name)), $crate::StatementScope::Tenant, $text);
        $crate::statements!(@munch [$($all)* $name] $($rest)*);
    };
    (@munch [$($all:ident)*] $(#[$doc:meta])* command $name:ident = $text:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Command = $crate::Command::new(
            concat!(module_path!(), "::", stringify!($name)), $crate::StatementScope::Tenant, $text);
        $crate::statements!(@munch [$($all)* $name] $($rest)*);
    };
    (@munch [$($all:ident)*] $(#[$doc:meta])* across query $name:ident = $text:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Query = $crate::Query::new(
            concat!(module_path!(), "::", stringify!($name)),
            $crate::StatementScope::AcrossTenants, $text);
        $crate::statements!(@munch [$($all)* $name] $($rest)*);
    };
    (@munch [$($all:ident)*] $(#[$doc:meta])* across command $name:ident = $text:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Command = $crate::Command::new(
            concat!(module_path!(), "::", stringify!($name)),
            $crate::StatementScope::AcrossTenants, $text);
        $crate::statements!(@munch [$($all)* $name] $($rest)*);
    };
    (@munch [$($all:ident)*] $(#[$doc:meta])* forked across query $name:ident = $sqlite:expr, $postgres:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Query = $crate::Query::forked(
            concat!(module_path!(), "::", stringify!($name)),
            $crate::StatementScope::AcrossTenants, $sqlite, $postgres);
        $crate::statements!(@munch [$($all)* $name] $($rest)*);
    };
    (@munch [$($all:ident)*] $(#[$doc:meta])* bulk $name:ident ($($column:ident),+) = $row:expr, $batch:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Bulk = $crate::Bulk::new(
            concat!(module_path!(), "::", stringify!($name)),
            $crate::StatementScope::Tenant, $row, $batch,
            &[$($crate::statements!(@column $column)),+]);
        $crate::statements!(@munch [$($all)* $name] $($rest)*);
    };
    (@munch [$($all:ident)*] $(#[$doc:meta])* insert $name:ident = $table:literal ($($col:ident $column:ident),+), $tail:expr; $($rest:tt)*) => {
        $(#[$doc])*
        static $name: $crate::Bulk = $crate::Bulk::insert(
            concat!(module_path!(), "::", stringify!($name)), $table,
            &[$(stringify!($col)),+], &[$($crate::statements!(@column $column)),+], $tail);
        $crate::statements!(@munch [$($all)* $name] $($rest)*);
    };
    (@column uuid) => { $crate::Column::Uuid };
    (@column int) => { $crate::Column::Int };
    (@column bool) => { $crate::Column::Bool };
    (@column text) => { $crate::Column::Text };
    (@column bytes) => { $crate::Column::Bytes };
    ($($rest:tt)*) => { $crate::statements!(@munch [] $($rest)*); };
}

#[cfg(test)]
mod tests {
    use super::*;

    static LISTED: Query = Query::new(
        "listed",
        StatementScope::Tenant,
        "SELECT id FROM t WHERE tenant_id = $1 AND id IN_UUIDS($2) AND name IN_TEXTS($3)",
    );

    #[test]
    fn one_text_is_rendered_for_each_engine() {
        assert_eq!(
            LISTED.statement().sqlite(),
            "SELECT id FROM t WHERE tenant_id = ?1 AND id IN (SELECT unhex(value) FROM \
             json_each(?2)) AND name IN (SELECT value FROM json_each(?3))"
        );
        assert_eq!(
            LISTED.statement().postgres(),
            "SELECT id FROM t WHERE tenant_id = $1 AND id = ANY($2::uuid[]) AND name = \
             ANY($3::text[])"
        );
    }
}
