//! What may be said of a span: a closed list, so that nothing else can.

use std::time::Duration;

use tidings_kernel::{DeliveryId, EventId, RequestId, TenantId, WebhookSubscriptionId};

/// One fact about a span. None has room for a payload, a secret or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// The operation of the API.
    Operation(&'static str),
    /// The method of a request.
    Method(&'static str),
    /// The path of a route, with its placeholders.
    Route(&'static str),
    /// The status of an answer.
    Status(u16),
    /// The request, as its caller got it.
    Request(RequestId),
    /// The tenant.
    Tenant(TenantId),
    /// The database engine.
    Engine(&'static str),
    /// How often a unit of work ran again.
    Reruns(u32),
    /// The event.
    Event(EventId),
    /// Its type.
    EventType(String),
    /// How many endpoints an event goes to.
    Endpoints(usize),
    /// The event or delivery was found in the database: its first trace is lost.
    Recovered,
    /// The subscription.
    Subscription(WebhookSubscriptionId),
    /// The delivery.
    Delivery(DeliveryId),
    /// Which attempt: the first is 1.
    Attempt(u32),
    /// A class of failure.
    Error(&'static str),
    /// How long the resolution of the name took.
    Dns(Duration),
    /// How long the connection took.
    Connect(Duration),
    /// How long the TLS handshake took.
    Tls(Duration),
    /// How long the receiver took to the head of its answer.
    FirstByte(Duration),
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Yes or no.
    Truth(bool),
}

impl Attribute {
    /// Its name: OpenTelemetry's where that has one, otherwise under `tidings.`.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Operation(_) => "tidings.operation",
            Self::Method(_) => "http.request.method",
            Self::Route(_) => "http.route",
            Self::Status(_) => "http.response.status_code",
            Self::Request(_) => "tidings.request_id",
            Self::Tenant(_) => "tidings.tenant_id",
            Self::Engine(_) => "db.system.name",
            Self::Reruns(_) => "tidings.reruns",
            Self::Event(_) => "tidings.event_id",
            Self::EventType(_) => "tidings.event_type",
            Self::Endpoints(_) => "tidings.endpoints",
            Self::Recovered => "tidings.recovered",
            Self::Subscription(_) => "tidings.subscription_id",
            Self::Delivery(_) => "tidings.delivery_id",
            Self::Attempt(_) => "tidings.attempt",
            Self::Error(_) => "error.type",
            Self::Dns(_) => "tidings.dns_microseconds",
            Self::Connect(_) => "tidings.connect_microseconds",
            Self::Tls(_) => "tidings.tls_microseconds",
            Self::FirstByte(_) => "tidings.first_byte_microseconds",
        }
    }

    /// Its value.
    pub fn value(&self) -> AttributeValue {
        use AttributeValue::{Text, Truth, Whole};
        match self {
            Self::Operation(text)
            | Self::Method(text)
            | Self::Route(text)
            | Self::Engine(text)
            | Self::Error(text) => Text((*text).to_owned()),
            Self::EventType(name) => Text(name.clone()),
            Self::Request(id) => Text(id.to_string()),
            Self::Tenant(id) => Text(id.to_string()),
            Self::Event(id) => Text(id.to_string()),
            Self::Subscription(id) => Text(id.to_string()),
            Self::Delivery(id) => Text(id.to_string()),
            Self::Status(code) => Whole(i64::from(*code)),
            Self::Reruns(count) | Self::Attempt(count) => Whole(i64::from(*count)),
            Self::Endpoints(count) => Whole(i64::try_from(*count).unwrap_or(i64::MAX)),
            Self::Dns(took) | Self::Connect(took) | Self::Tls(took) | Self::FirstByte(took) => {
                Whole(i64::try_from(took.as_micros()).unwrap_or(i64::MAX))
            }
            Self::Recovered => Truth(true),
        }
    }
}
