//! The history of customers.

use tidings_db::{DbError, FromRow, Reader, Row, Stored, ToValue, Value, Writer, args};
use tidings_events::customers::CustomerActivityType;
use tidings_kernel::{CustomerId, Page, PageParams, TenantId, Version};

use crate::activity::Activity;
use crate::store::{customers, of_customer};

tidings_db::statements! {
    insert INSERT = "customer_activities" (
        tenant_id uuid, id uuid, customer_id uuid, activity_type text, title text,
        description text, performed_by text, created_at int, version int, ip_address text,
        user_agent text
    ), "";
    query LIST = "SELECT id, tenant_id, customer_id, activity_type, title, description, \
        performed_by, created_at, version, ip_address, user_agent FROM customer_activities \
        WHERE tenant_id = $1 AND customer_id = $2 AND (ABSENT_UUID($3) OR id < $3) \
        ORDER BY id DESC LIMIT $4";
    command DELETE_ALL = "DELETE FROM customer_activities \
        WHERE tenant_id = $1 AND customer_id = $2";
}

impl FromRow for Activity {
    fn from_row(row: &mut Row) -> Result<Self, DbError> {
        Ok(Self {
            id: row.take()?,
            tenant_id: row.take()?,
            customer_id: row.take()?,
            activity_type: row.word(CustomerActivityType::find)?,
            title: row.take()?,
            description: row.take()?,
            performed_by: row.take()?,
            created_at: row.take()?,
            version: row.take()?,
            ip_address: row.take()?,
            user_agent: row.take()?,
        })
    }
}

impl Stored for Activity {
    async fn save(&self, _: Version, writer: &mut Writer<'_>) -> Result<u64, DbError> {
        let saved = writer.execute_many(&INSERT, &[columns(self)]).await?;
        if self.activity_type == CustomerActivityType::ContactMade {
            let Self { tenant_id, customer_id, created_at, .. } = *self;
            customers::touch_contact(writer, tenant_id, customer_id, created_at).await?;
        }
        Ok(saved)
    }
}

fn columns(activity: &Activity) -> Vec<Value> {
    vec![
        activity.tenant_id.to_value(),
        activity.id.to_value(),
        activity.customer_id.to_value(),
        activity.activity_type.as_str().to_value(),
        activity.title.to_value(),
        activity.description.to_value(),
        activity.performed_by.to_value(),
        activity.created_at.to_value(),
        activity.version.to_value(),
        activity.ip_address.to_value(),
        activity.user_agent.to_value(),
    ]
}

/// Writes lines of the service's own.
pub(crate) async fn append(
    writer: &mut Writer<'_>,
    activities: &[Activity],
) -> Result<(), DbError> {
    let rows: Vec<Vec<Value>> = activities.iter().map(columns).collect();
    writer.execute_many(&INSERT, &rows).await.map(|_| ())
}

/// The history of a customer, the newest line first.
pub(crate) async fn list(
    reader: &mut Reader<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
    page: PageParams,
) -> Result<Page<Activity>, DbError> {
    let of = (tenant_id, customer_id);
    of_customer::list(reader, &LIST, of, page, |line: &Activity| line.id.uuid()).await
}

/// Deletes the whole history of a customer.
pub(crate) async fn delete_all(
    writer: &mut Writer<'_>,
    tenant_id: TenantId,
    customer_id: CustomerId,
) -> Result<(), DbError> {
    writer.execute(&DELETE_ALL, args![tenant_id, customer_id]).await.map(|_| ())
}
