//! Values on their way into and out of a statement.

use bytes::Bytes;
use tidings_kernel::{Id, Kind, Timestamp, Uuid};

use crate::DbError;

/// One value: what both engines can store.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number, an amount, an instant.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// Text, or JSON as text.
    Text(String),
    /// Bytes; shared, so that a body is not copied on its way in.
    Bytes(Bytes),
    /// The sixteen bytes of an id.
    Uuid(Uuid),
    /// A list, for `IN_UUIDS($n)` and `IN_TEXTS($n)`.
    List(Vec<Value>),
}

/// Becomes a value.
pub trait ToValue {
    /// The value.
    fn to_value(&self) -> Value;
}

/// Is made from a value.
pub trait FromValue: Sized {
    /// The value as this type; `None` where it is of another.
    fn from_value(value: Value) -> Option<Self>;
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl ToValue for Value {
    fn to_value(&self) -> Value {
        self.clone()
    }
}

impl<K: Kind> ToValue for [Id<K>] {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(ToValue::to_value).collect())
    }
}

impl ToValue for [String] {
    fn to_value(&self) -> Value {
        Value::List(self.iter().map(ToValue::to_value).collect())
    }
}

macro_rules! value {
    ($type:ty, |$to:ident| $into:expr, |$from:ident| $out:expr) => {
        impl ToValue for $type {
            fn to_value(&self) -> Value {
                let $to = self;
                $into
            }
        }
        impl FromValue for $type {
            fn from_value($from: Value) -> Option<Self> {
                $out
            }
        }
    };
}

fn int(value: &Value) -> Option<i64> {
    if let Value::Int(int) = value { Some(*int) } else { None }
}

value!(i64, |v| Value::Int(*v), |v| int(&v));
value!(u32, |v| Value::Int(i64::from(*v)), |v| int(&v)?.try_into().ok());
value!(u16, |v| Value::Int(i64::from(*v)), |v| int(&v)?.try_into().ok());
value!(Timestamp, |v| Value::Int(v.micros()), |v| int(&v).map(Self::from_micros));
value!(bool, |v| Value::Bool(*v), |v| match v {
    Value::Bool(yes) => Some(yes),
    Value::Int(number @ (0 | 1)) => Some(number == 1),
    Value::Null
    | Value::Int(_)
    | Value::Text(_)
    | Value::Bytes(_)
    | Value::Uuid(_)
    | Value::List(_) => None,
});
value!(String, |v| Value::Text(v.clone()), |v| if let Value::Text(text) = v {
    Some(text)
} else {
    None
});
value!(Bytes, |v| Value::Bytes(v.clone()), |v| if let Value::Bytes(bytes) = v {
    Some(bytes)
} else {
    None
});
value!(Uuid, |v| Value::Uuid(*v), |v| match v {
    Value::Uuid(uuid) => Some(uuid),
    Value::Bytes(bytes) => Self::from_slice(&bytes).ok(),
    Value::Null | Value::Int(_) | Value::Bool(_) | Value::Text(_) | Value::List(_) => None,
});

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl<K: Kind> ToValue for Id<K> {
    fn to_value(&self) -> Value {
        Value::Uuid(self.uuid())
    }
}

impl<K: Kind> FromValue for Id<K> {
    fn from_value(value: Value) -> Option<Self> {
        Uuid::from_value(value).map(Self::from_uuid)
    }
}

/// The arguments of a statement: `args![tenant_id, id, name]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::ToValue::to_value(&$value)),*] };
}

/// One row of an answer, read column by column in the order of the select list.
#[derive(Debug)]
pub struct Row {
    values: std::vec::IntoIter<Value>,
    column: usize,
}

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self { values: values.into_iter(), column: 0 }
    }

    /// The next column.
    pub fn take<T: FromValue>(&mut self) -> Result<T, DbError> {
        let column = self.column;
        self.column += 1;
        let value = self.values.next().ok_or(DbError::Decode { column })?;
        T::from_value(value).ok_or(DbError::Decode { column })
    }

    /// The next column, a word of a closed list.
    pub fn word<T>(&mut self, find: impl FnOnce(&str) -> Option<T>) -> Result<T, DbError> {
        let column = self.column;
        find(&self.take::<String>()?).ok_or(DbError::Decode { column })
    }

    /// The next column, JSON text.
    pub fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, DbError> {
        let column = self.column;
        serde_json::from_str(&self.take::<String>()?).map_err(|_| DbError::Decode { column })
    }
}

/// JSON on its way into a text column.
pub fn json<T: serde::Serialize + ?Sized>(value: &T) -> Value {
    // Own types with text keys always serialise.
    Value::Text(serde_json::to_string(value).unwrap_or_default())
}

/// Is made from a row.
pub trait FromRow: Sized {
    /// Reads the columns in order.
    fn from_row(row: &mut Row) -> Result<Self, DbError>;
}

macro_rules! tuples {
    ($($($t:ident)+;)+) => {$(
        impl<$($t: FromValue),+> FromRow for ($($t,)+) {
            fn from_row(row: &mut Row) -> Result<Self, DbError> {
                Ok(($(row.take::<$t>()?,)+))
            }
        }
    )+};
}

tuples! { A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; }
