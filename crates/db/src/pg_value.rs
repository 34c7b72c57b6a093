//! Values on the PostgreSQL wire.

use bytes::{Bytes, BytesMut};
use tidings_kernel::Uuid;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::{Column, Value};

type WireError = Box<dyn std::error::Error + Sync + Send>;

/// One value as a parameter.
#[derive(Debug)]
pub(crate) struct PgValue<'a>(pub(crate) &'a Value);

impl ToSql for PgValue<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, WireError> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Value::Bool(yes) if *ty == Type::BOOL => yes.to_sql(ty, out),
            Value::Text(text) if *ty == Type::TEXT => text.to_sql(ty, out),
            Value::Bytes(bytes) if *ty == Type::BYTEA => bytes.as_ref().to_sql(ty, out),
            // BYTEA and UUID are both the bare bytes on the wire.
            Value::Uuid(uuid) if *ty == Type::UUID || *ty == Type::BYTEA => {
                out.extend_from_slice(uuid.as_bytes());
                Ok(IsNull::No)
            }
            Value::List(items) => list_to_sql(items, ty, out),
            value @ (Value::Int(_)
            | Value::Bool(_)
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::Uuid(_)) => {
                Err(format!("{value:?} does not fit a parameter of type {ty}").into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn list_to_sql(items: &[Value], ty: &Type, out: &mut BytesMut) -> Result<IsNull, WireError> {
    let values: Vec<PgValue<'_>> = items.iter().map(PgValue).collect();
    values.to_sql(ty, out)
}

/// One column of many rows, as an array parameter.
#[derive(Debug)]
pub(crate) struct PgColumn<'a> {
    pub(crate) rows: &'a [Vec<Value>],
    pub(crate) index: usize,
    pub(crate) column: Column,
}

impl ToSql for PgColumn<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, WireError> {
        static NULL: Value = Value::Null;
        let values: Vec<PgValue<'_>> =
            self.rows.iter().map(|row| PgValue(row.get(self.index).unwrap_or(&NULL))).collect();
        debug_assert!(
            matches!(ty.kind(), tokio_postgres::types::Kind::Array(_)),
            "{:?}",
            self.column
        );
        values.to_sql(ty, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, WireError> {
        Ok(match *ty {
            Type::INT8 => Self::Int(i64::from_sql(ty, raw)?),
            Type::INT4 => Self::Int(i64::from(i32::from_sql(ty, raw)?)),
            Type::BOOL => Self::Bool(bool::from_sql(ty, raw)?),
            Type::TEXT | Type::VARCHAR | Type::NAME => Self::Text(String::from_sql(ty, raw)?),
            Type::BYTEA => Self::Bytes(Bytes::copy_from_slice(raw)),
            Type::UUID => Self::Uuid(Uuid::from_slice(raw)?),
            _ => return Err(format!("a column of type {ty} is not read").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, WireError> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}
