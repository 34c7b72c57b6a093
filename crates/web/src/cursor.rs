//! Cursors: sealed for one list, one tenant and one set of filters.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidings_kernel::{Cursor, CursorError, TenantId, Timestamp, Uuid};
use tidings_vault::{Vault, equal};

/// How long a cursor is taken, in seconds: longer than any walk over a list.
const LIFETIME_SECONDS: i64 = 7 * 24 * 3_600;
const PLAIN_BYTES: usize = 8 + 16 + 8;
const MAC_BYTES: usize = 16;

/// Seals and opens the cursors of one list as one caller sees it.
#[derive(Debug, Clone, Copy)]
pub struct Cursors<'a> {
    pub(crate) vault: &'a Vault,
    pub(crate) tenant_id: TenantId,
    /// The operation and its filters: a cursor of one list is not one of another.
    pub(crate) list: &'a str,
    pub(crate) now: Timestamp,
}

impl Cursors<'_> {
    /// The text that a caller gets.
    pub fn seal(&self, cursor: Cursor) -> String {
        let expires = self.now.unix_seconds().saturating_add(LIFETIME_SECONDS);
        let mut bytes = Vec::with_capacity(PLAIN_BYTES + MAC_BYTES);
        bytes.extend_from_slice(&cursor.sort.to_be_bytes());
        bytes.extend_from_slice(cursor.id.as_bytes());
        bytes.extend_from_slice(&expires.to_be_bytes());
        let mac = self.mac(&bytes);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a caller's text names.
    pub fn open(&self, text: &str) -> Result<Cursor, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let (plain, mac) = bytes.split_at_checked(PLAIN_BYTES).ok_or(CursorError)?;
        if !equal(mac, &self.mac(plain)) {
            return Err(CursorError);
        }
        let (sort, rest) = plain.split_first_chunk::<8>().ok_or(CursorError)?;
        let (id, expires) = rest.split_first_chunk::<16>().ok_or(CursorError)?;
        let expires = expires.first_chunk::<8>().ok_or(CursorError)?;
        if i64::from_be_bytes(*expires) < self.now.unix_seconds() {
            return Err(CursorError);
        }
        Ok(Cursor { sort: i64::from_be_bytes(*sort), id: Uuid::from_bytes(*id) })
    }

    fn mac(&self, plain: &[u8]) -> [u8; MAC_BYTES] {
        let mut message = Vec::with_capacity(64 + self.list.len());
        message.extend_from_slice(self.tenant_id.uuid().as_bytes());
        message.extend_from_slice(plain);
        message.extend_from_slice(self.list.as_bytes());
        self.vault.cursor_mac(&message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_list_and_tenant_unchanged_and_in_time() {
        let vault = Vault::seeded(1);
        let tenant_id = TenantId::from_uuid(Uuid::from_u128(1));
        let now = Timestamp::from_micros(1_795_437_004_000_000);
        let mine = Cursors { vault: &vault, tenant_id, list: "listCustomers?", now };
        let cursor = Cursor { sort: -5, id: Uuid::from_u128(9) };
        let text = mine.seal(cursor);
        assert_eq!(mine.open(&text), Ok(cursor));

        let other_tenant = TenantId::from_uuid(Uuid::from_u128(2));
        let late = now.after(std::time::Duration::from_hours(24 * 8));
        for foreign in [
            Cursors { tenant_id: other_tenant, ..mine },
            Cursors { list: "listCustomers?status=active", ..mine },
            Cursors { now: late, ..mine },
        ] {
            assert_eq!(foreign.open(&text), Err(CursorError));
        }
        let longer = format!("{text}AA");
        for wrong in ["", "x", "!", &text[1..], &longer, &"A".repeat(1_000_000)] {
            assert_eq!(mine.open(wrong), Err(CursorError));
        }
    }
}
