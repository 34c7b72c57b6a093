//! Typed ids: a prefix and a UUIDv7, in the TypeID form (`cus_01h455vb4pex5vsknk084sn02q`).

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use uuid::Uuid;

/// Crockford's base 32, lower case: the alphabet of the TypeID specification.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of the suffix: 26 times 5 bits hold the 128 bits of a UUID.
pub(crate) const SUFFIX_LEN: usize = 26;

/// A kind of thing that has ids.
pub trait Kind: Copy + 'static {
    /// What stands before the underscore.
    const PREFIX: &'static str;
    /// The kind in words, for messages: "customer".
    const NAME: &'static str;
}

/// The id of one thing of kind `K`.
pub struct Id<K> {
    uuid: Uuid,
    kind: PhantomData<fn() -> K>,
}

/// An id that has lost its kind: what an event's subject carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct AnyId {
    /// The prefix of the kind.
    pub prefix: &'static str,
    /// The sixteen bytes.
    pub uuid: Uuid,
}

impl fmt::Display for AnyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_typeid(f, self.prefix, self.uuid)
    }
}

impl FromStr for AnyId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (prefix, suffix) = text.split_once('_').ok_or(IdError::UnknownKind)?;
        let (prefix, _) = KINDS.iter().find(|kind| kind.0 == prefix).ok_or(IdError::UnknownKind)?;
        let uuid = decode(suffix).ok_or(IdError::BadSuffix { prefix })?;
        Ok(Self { prefix, uuid })
    }
}

impl<K: Kind> Id<K> {
    /// Wraps sixteen bytes that are known to name a `K`: a database row, a minted value.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self { uuid, kind: PhantomData }
    }

    /// The sixteen bytes, as the database stores them.
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }

    /// Forgets the kind in the type, and keeps it in the prefix.
    pub const fn any(self) -> AnyId {
        AnyId { prefix: K::PREFIX, uuid: self.uuid }
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_typeid(f, K::PREFIX, self.uuid)
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is not an id of the wanted kind. The message tells the caller what to send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Another kind's prefix, or none.
    #[error("this is not {article} {wanted} id: {article} {wanted} id starts with {prefix}_")]
    WrongPrefix {
        /// The kind that was wanted, in words.
        wanted: &'static str,
        /// "a" or "an".
        article: &'static str,
        /// The prefix that was wanted.
        prefix: &'static str,
    },
    /// A prefix that no kind has, or none.
    #[error("this is no id: an id looks like cus_01h455vb4pex5vsknk084sn02q")]
    UnknownKind,
    /// The right prefix with a suffix that no UUID has.
    #[error(
        "the part after {prefix}_ is not an id: 26 characters of 0-9 and a-z without i, l, o, u"
    )]
    BadSuffix {
        /// The prefix.
        prefix: &'static str,
    },
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let suffix = text.strip_prefix(K::PREFIX).and_then(|rest| rest.strip_prefix('_')).ok_or(
            IdError::WrongPrefix { wanted: K::NAME, article: article(K::NAME), prefix: K::PREFIX },
        )?;
        decode(suffix).map(Self::from_uuid).ok_or(IdError::BadSuffix { prefix: K::PREFIX })
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn write_typeid(f: &mut fmt::Formatter<'_>, prefix: &str, uuid: Uuid) -> fmt::Result {
    let suffix = encode(uuid);
    f.write_str(prefix)?;
    f.write_str("_")?;
    // The alphabet is ASCII, so this never falls back.
    f.write_str(std::str::from_utf8(&suffix).unwrap_or_default())
}

fn encode(uuid: Uuid) -> [u8; SUFFIX_LEN] {
    let mut bits = uuid.as_u128();
    let mut out = [0_u8; SUFFIX_LEN];
    for slot in out.iter_mut().rev() {
        *slot = ALPHABET[(bits & 31) as usize];
        bits >>= 5;
    }
    out
}

fn decode(suffix: &str) -> Option<Uuid> {
    let bytes = suffix.as_bytes();
    // 26 characters hold 130 bits; the first may only use three of its five.
    if bytes.len() != SUFFIX_LEN || bytes[0] > b'7' {
        return None;
    }
    let mut bits = 0_u128;
    for byte in bytes {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        bits = (bits << 5) | digit as u128;
    }
    Some(Uuid::from_u128(bits))
}

impl<K: Kind> serde::Serialize for Id<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<K: Kind> utoipa::PartialSchema for Id<K> {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::PREFIX)))
            .examples([format!("{}_01h455vb4pex5vsknk084sn02q", K::PREFIX)])
            .into()
    }
}

// Each kind has a name of its own: under one name, the pattern of one kind would be that of all.
impl<K: Kind> utoipa::ToSchema for Id<K> {
    fn name() -> std::borrow::Cow<'static, str> {
        let mut name = String::with_capacity(K::NAME.len() + 2);
        for word in K::NAME.split(' ') {
            let (first, rest) = word.split_at(1);
            name.push_str(&first.to_ascii_uppercase());
            name.push_str(rest);
        }
        name.push_str("Id");
        name.into()
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $alias:ident = $prefix:literal $name:literal;)+) => {
        $(
            #[doc = concat!("The kind of ", $name, " ids.")]
            #[derive(Clone, Copy, Debug)]
            pub enum $kind {}
            impl Kind for $kind {
                const PREFIX: &'static str = $prefix;
                const NAME: &'static str = $name;
            }
            $(#[$doc])*
            pub type $alias = Id<$kind>;
        )+

        /// Every prefix with the name of its kind, in alphabetical order.
        pub const KINDS: &[(&str, &str)] = &[$(($prefix, $name)),+];

        const _: () = {
            let mut i = 1;
            while i < KINDS.len() {
                assert!(before(KINDS[i - 1].0, KINDS[i].0), "prefixes are unique and sorted");
                i += 1;
            }
        };
    };
}

/// Whether `a` stands before `b`, byte by byte; a `const fn` for the assertion over the kinds.
const fn before(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
        i += 1;
    }
    a.len() < b.len()
}

kinds! {
    /// The id of an activity in a customer's history.
    ActivityKind ActivityId = "act" "activity";
    /// The id of an entry in a customer's consent log.
    ConsentKind ConsentId = "cns" "consent";
    /// The id of a contact person of a customer.
    ContactKind ContactId = "con" "contact";
    /// The id of a customer.
    CustomerKind CustomerId = "cus" "customer";
    /// The id of a delivery: one event for one webhook subscription.
    DeliveryKind DeliveryId = "dlv" "delivery";
    /// The id of an erasure of what events hold of a subject.
    ErasureKind ErasureId = "ers" "erasure";
    /// The id of a custom event type.
    EventTypeKind EventTypeId = "ety" "event type";
    /// The id of an event; it is sent as `webhook-id`.
    EventKind EventId = "evt" "event";
    /// The id of a job.
    JobKind JobId = "job" "job";
    /// The id of an API key; the secret is not part of it.
    ApiKeyKind ApiKeyId = "key" "api key";
    /// The id of a node: one start of one process.
    NodeKind NodeId = "nod" "node";
    /// The id of a note about a customer.
    NoteKind NoteId = "not" "note";
    /// The id of a custom event's publication.
    PublicationKind PublicationId = "pub" "publication";
    /// The id of a request.
    RequestKind RequestId = "req" "request";
    /// The id of a replay: past events, sent once more to one webhook subscription.
    ReplayKind ReplayId = "rpl" "replay";
    /// The id of a tenant's retention settings.
    RetentionKind RetentionId = "rtn" "retention";
    /// The id of a customer segment.
    SegmentKind SegmentId = "seg" "segment";
    /// The id of a tenant.
    TenantKind TenantId = "ten" "tenant";
    /// The id of a user.
    UserKind UserId = "usr" "user";
    /// The id of a webhook subscription.
    SubscriptionKind WebhookSubscriptionId = "whs" "webhook subscription";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_text_form_is_the_one_of_the_typeid_specification(bits in any::<u128>()) {
            let ours = CustomerId::from_uuid(Uuid::from_u128(bits));
            let oracle = mti::prelude::TypeIdSuffix::from(Uuid::from_u128(bits)).to_string();
            prop_assert_eq!(ours.to_string(), format!("cus_{oracle}"));
            prop_assert_eq!(ours.to_string().parse::<CustomerId>(), Ok(ours));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<CustomerId>();
        }
    }

    #[test]
    fn an_id_of_any_kind_is_read_with_its_prefix() {
        let id = CustomerId::from_uuid(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<AnyId>(), Ok(id.any()));
        for wrong in ["", "_", "cus", "cus_", "xyz_01h455vb4pex5vsknk084sn02q", "cus_01h4"] {
            assert!(wrong.parse::<AnyId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_kind_has_a_schema_of_its_own() {
        use utoipa::ToSchema;
        assert_eq!(CustomerId::name(), "CustomerId");
        assert_eq!(WebhookSubscriptionId::name(), "WebhookSubscriptionId");
    }

    #[test]
    fn an_id_of_any_kind_is_read_by_its_prefix() {
        let id = CustomerId::from_uuid(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<AnyId>(), Ok(id.any()));
        for text in
            ["", "cus", "cus_", "xyz_01h455vb4pex5vsknk084sn02q", "cus_01H455VB4PEX5VSKNK084SN02Q"]
        {
            assert!(text.parse::<AnyId>().is_err(), "{text}");
        }
    }

    #[test]
    fn another_kind_is_refused_with_a_sentence_that_helps() {
        let text = WebhookSubscriptionId::from_uuid(Uuid::from_u128(7)).to_string();
        let refused = text.parse::<CustomerId>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "this is not a customer id: a customer id starts with cus_"
        );
        assert!("cus_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<CustomerId>().is_err(), "over 128 bits");
        assert!("cus_01H455VB4PEX5VSKNK084SN02Q".parse::<CustomerId>().is_err(), "upper case");
    }
}
