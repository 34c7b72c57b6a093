//! API keys.

use bytes::Bytes;
use tidings_db::{DbError, FromRow, Reader, Row, Stored, ToValue, Writer, args, json};
use tidings_kernel::{
    ApiKeyId, Cursor, Page, PageParams, Permission, TenantId, Timestamp, Version,
};

use crate::api_key::ApiKey;

tidings_db::statements! {
    command INSERT = "INSERT INTO api_keys (tenant_id, id, name, prefix, secret_hash, scopes, \
        expires_at, created_at, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    command UPDATE = "UPDATE api_keys SET prefix = $3, secret_hash = $4, previous_hash = $5, \
        previous_until = $6, revoked_at = $7, version = $8 \
        WHERE tenant_id = $1 AND id = $2 AND version = $9";
    query GET = "SELECT tenant_id, id, name, prefix, secret_hash, previous_hash, previous_until, \
        scopes, expires_at, revoked_at, last_used_at, created_at, version FROM api_keys \
        WHERE tenant_id = $1 AND id = $2";
    across query GET_BY_ID = "SELECT tenant_id, id, name, prefix, secret_hash, previous_hash, \
        previous_until, scopes, expires_at, revoked_at, last_used_at, created_at, version \
        FROM api_keys WHERE id = $1";
    query LIST = "SELECT tenant_id, id, name, prefix, secret_hash, previous_hash, \
        previous_until, scopes, expires_at, revoked_at, last_used_at, created_at, version \
        FROM api_keys WHERE tenant_id = $1 AND (ABSENT_UUID($2) OR id < $2) ORDER BY id DESC LIMIT $3";
    query COUNT_LIVE = "SELECT COUNT(*) FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL";
    bulk TOUCH (uuid, uuid, int) =
        "UPDATE api_keys SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2",
        "UPDATE api_keys SET last_used_at = given.at FROM ROWS AS given(tenant_id, id, at) \
            WHERE api_keys.tenant_id = given.tenant_id AND api_keys.id = given.id";
}

fn digest(bytes: &Bytes, column: usize) -> Result<[u8; 32], DbError> {
    bytes.as_ref().try_into().map_err(|_| DbError::Decode { column })
}

impl FromRow for ApiKey {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        let (tenant_id, id, name, prefix) = (row.take()?, row.take()?, row.take()?, row.take()?);
        let secret_hash = digest(&row.take()?, 4)?;
        let previous_hash: Option<Bytes> = row.take()?;
        let previous_until: Option<Timestamp> = row.take()?;
        let previous = match (previous_hash, previous_until) {
            (Some(hash), Some(until)) => Some((digest(&hash, 5)?, until)),
            _ => None,
        };
        // A scope that this program does not know grants nothing.
        let scopes: Vec<String> = row.json()?;
        let scopes = scopes.iter().filter_map(|scope| scope.parse::<Permission>().ok()).collect();
        Ok(Self {
            id,
            tenant_id,
            name,
            prefix,
            digest: secret_hash,
            previous,
            scopes,
            expires_at: row.take()?,
            revoked_at: row.take()?,
            last_used_at: row.take()?,
            created_at: row.take()?,
            version: row.take()?,
        })
    }
}

impl Stored for ApiKey {
    async fn save(&self, expected: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let hash = Bytes::copy_from_slice(&self.digest);
        if expected == 0 {
            let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.name()).collect();
            let args = args![
                self.tenant_id,
                self.id,
                self.name,
                self.prefix,
                hash,
                json(&scopes),
                self.expires_at,
                self.created_at,
                self.version
            ];
            return writer.execute(&INSERT, args).await;
        }
        let previous = self.previous.map(|(hash, _)| Bytes::copy_from_slice(&hash));
        let until = self.previous.map(|(_, until)| until);
        let args = args![
            self.tenant_id,
            self.id,
            self.prefix,
            hash,
            previous,
            until,
            self.revoked_at,
            self.version,
            expected
        ];
        writer.execute(&UPDATE, args).await
    }
}

/// The tenant's key with this id.
pub(crate) async fn find(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    id: ApiKeyId,
) -> Result<Option<ApiKey>, DbError> {
    reader.row(&GET, args![tenant_id, id]).await
}

/// The key that a credential names, before it is known whose it is.
pub(crate) async fn find_by_id(
    mut reader: Reader<'_>,
    id: ApiKeyId,
) -> Result<Option<ApiKey>, DbError> {
    reader.row(&GET_BY_ID, args![id]).await
}

/// The tenant's keys, the newest first.
pub(crate) async fn list(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
    page: PageParams,
) -> Result<Page<ApiKey>, DbError> {
    let after = page.after.map(|cursor| cursor.id);
    let rows: Vec<ApiKey> = reader.rows(&LIST, args![tenant_id, after, page.limit + 1]).await?;
    Ok(Page::from_rows(rows, page.limit, |key| Cursor { sort: 0, id: key.id.uuid() }))
}

/// How many keys of the tenant are not revoked.
pub(crate) async fn count_live(
    mut reader: Reader<'_>,
    tenant_id: TenantId,
) -> Result<i64, DbError> {
    reader.scalar(&COUNT_LIVE, args![tenant_id]).await
}

/// Writes when keys were last used.
pub(crate) async fn touch(
    writer: &mut Writer<'_>,
    used: &[(TenantId, ApiKeyId, Timestamp)],
) -> Result<(), DbError> {
    let rows: Vec<_> = used
        .iter()
        .map(|(tenant_id, id, at)| vec![tenant_id.to_value(), id.to_value(), at.to_value()])
        .collect();
    writer.execute_many(&TOUCH, &rows).await.map(|_| ())
}
