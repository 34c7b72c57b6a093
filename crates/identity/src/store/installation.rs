//! The installation's own values.

use bytes::Bytes;
use tidings_db::{DbError, Reader, Writer, args};
use tidings_kernel::Timestamp;

tidings_db::statements! {
    across query GET = "SELECT value FROM installation WHERE name = $1";
    across command INSERT = "INSERT INTO installation (name, value, updated_at) \
        VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING";
    across command TOUCH = "UPDATE installation SET value = value WHERE name = $1";
    across command REPLACE = "INSERT INTO installation (name, value, updated_at) \
        VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET value = excluded.value, \
        updated_at = excluded.updated_at";
}

/// Touches no row, and needs all that a write needs.
pub(crate) async fn try_write(writer: &mut Writer<'_>) -> Result<(), DbError> {
    writer.execute(&TOUCH, args!["no such name"]).await.map(|_| ())
}

/// The value with this name.
pub(crate) async fn find(mut reader: Reader<'_>, name: &str) -> Result<Option<Bytes>, DbError> {
    let row: Option<(Bytes,)> = reader.row(&GET, args![name]).await?;
    Ok(row.map(|(value,)| value))
}

/// Sets a value that is not set yet, and says whether it was this call that did.
pub(crate) async fn set_once(
    writer: &mut Writer<'_>,
    name: &str,
    value: &[u8],
    now: Timestamp,
) -> Result<bool, DbError> {
    let value = Bytes::copy_from_slice(value);
    Ok(writer.execute(&INSERT, args![name, value, now]).await? == 1)
}

/// Sets a value.
pub(crate) async fn replace(
    writer: &mut Writer<'_>,
    name: &str,
    value: &[u8],
    now: Timestamp,
) -> Result<(), DbError> {
    let value = Bytes::copy_from_slice(value);
    writer.execute(&REPLACE, args![name, value, now]).await.map(|_| ())
}
