//! A command needs a writer. A reader takes queries only.

use tidings_db::{DbError, Reader, args};
use tidings_kernel::TenantId;

tidings_db::statements! {
    command CLEAR = "DELETE FROM things WHERE tenant_id = $1 RETURNING 1";
}

async fn clear(reader: &mut Reader<'_>, tenant_id: TenantId) -> Result<Vec<(i64,)>, DbError> {
    reader.rows(&CLEAR, args![tenant_id]).await
}

fn main() {}
