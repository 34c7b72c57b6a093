//! What callers say about a customer: each field stands once, in the table below.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_events::Diff;
use tidings_events::customers::{CustomerSource, CustomerStatus, CustomerTier, CustomerType};
use tidings_kernel::{Metadata, Patch, SegmentId, UserId};
use utoipa::ToSchema;

/// How a customer likes to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreferredChannel {
    /// By mail to the address.
    Email,
    /// By text message.
    Sms,
    /// By telephone.
    Phone,
    /// Inside the tenant's application.
    InApp,
    /// By a message pushed to a device.
    Push,
    /// By post.
    Mail,
}

/// The value of a tenant's own field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "text, a whole number, true or false")]
pub enum CustomField {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// Text, at most 500 characters.
    Text(String),
}

/// Writes the profile, the two inputs that set it, and what must look at every field of it.
///
/// `needed` must be given, `set` has a value from the start, `maybe` can be empty. The old value
/// of a `shown` field is told when it changes, that of a `private` one never. A `personal` field is
/// emptied when the person is erased, one that is `kept` stays.
macro_rules! profile {
    (
        needed { $($(#[$n_doc:meta])* $needed:ident: $n_type:ty, $n_show:ident $n_keep:ident;)* }
        set { $($(#[$s_doc:meta])* $set:ident: $s_type:ty = $s_value:expr, $s_show:ident $s_keep:ident;)* }
        maybe { $($(#[$m_doc:meta])* $maybe:ident: $m_type:ty, $m_show:ident $m_keep:ident;)* }
    ) => {
        /// What callers say about a customer.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(default)]
        pub struct Profile {
            $($(#[$n_doc])* pub $needed: $n_type,)*
            $($(#[$s_doc])* pub $set: $s_type,)*
            $($(#[$m_doc])* pub $maybe: Option<$m_type>,)*
        }

        impl Default for Profile {
            fn default() -> Self {
                Self {
                    $($needed: <$n_type>::default(),)*
                    $($set: $s_value,)*
                    $($maybe: None,)*
                }
            }
        }

        /// Makes a customer.
        #[derive(Debug, Clone, Default, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct CreateCustomer {
            $($(#[$n_doc])* #[schema(required = true, nullable = false)] pub $needed: Option<$n_type>,)*
            $($(#[$s_doc])* pub $set: Option<$s_type>,)*
            $($(#[$m_doc])* pub $maybe: Option<$m_type>,)*
            /// Where the customer stands at first: `prospect`, which is the default, or `active`.
            pub status: Option<CustomerStatus>,
            /// Where the record comes from; `api` unless told.
            pub source: Option<CustomerSource>,
        }

        impl CreateCustomer {
            /// The profile that is asked for, unchecked.
            pub fn profile(self) -> Profile {
                let rest = Profile::default();
                Profile {
                    $($needed: self.$needed.unwrap_or(rest.$needed),)*
                    $($set: self.$set.unwrap_or(rest.$set),)*
                    $($maybe: self.$maybe,)*
                }
            }
        }

        /// Changes a customer. A field that is left out stays; `null` empties it, or gives it back
        /// the value that it has from the start.
        #[derive(Debug, Clone, Default, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct UpdateCustomer {
            $($(#[$n_doc])* #[serde(default)] #[schema(value_type = $n_type, required = false)] pub $needed: Patch<$n_type>,)*
            $($(#[$s_doc])* #[serde(default)] #[schema(value_type = Option<$s_type>, required = false)] pub $set: Patch<$s_type>,)*
            $($(#[$m_doc])* #[serde(default)] #[schema(value_type = Option<$m_type>, required = false)] pub $maybe: Patch<$m_type>,)*
            /// Where the customer stands from now on; the same as a change of status by itself.
            pub status: Option<CustomerStatus>,
            /// Why the status changes.
            pub reason: Option<String>,
        }

        impl UpdateCustomer {
            /// The profile after the change, unchecked.
            pub fn over(self, old: Profile) -> Profile {
                let first = Profile::default();
                Profile {
                    $($needed: over(self.$needed, old.$needed, first.$needed),)*
                    $($set: over(self.$set, old.$set, first.$set),)*
                    $($maybe: self.$maybe.over(old.$maybe),)*
                }
            }
        }

        impl Profile {
            /// Adds to `diff` what differs from `old`.
            #[must_use]
            pub fn diff(&self, old: &Self, diff: Diff) -> Diff {
                $(let diff = profile!(@diff $n_show, diff, $needed, old, self);)*
                $(let diff = profile!(@diff $s_show, diff, $set, old, self);)*
                $(let diff = profile!(@diff $m_show, diff, $maybe, old, self);)*
                diff
            }

            /// The same without what tells who the person is.
            #[must_use]
            pub fn without_person(self) -> Self {
                let first = Self::default();
                Self {
                    $($needed: profile!(@keep $n_keep, self.$needed, first.$needed),)*
                    $($set: profile!(@keep $s_keep, self.$set, first.$set),)*
                    $($maybe: profile!(@keep $m_keep, self.$maybe, first.$maybe),)*
                }
            }
        }
    };
    (@diff shown, $diff:ident, $field:ident, $old:ident, $new:expr) => {
        $diff.field(stringify!($field), &$old.$field, &$new.$field)
    };
    (@diff private, $diff:ident, $field:ident, $old:ident, $new:expr) => {
        $diff.private_field(stringify!($field), &$old.$field, &$new.$field)
    };
    (@keep kept, $now:expr, $first:expr) => { $now };
    (@keep personal, $now:expr, $first:expr) => { $first };
}

fn over<T>(patch: Patch<T>, old: T, first: T) -> T {
    match patch {
        Patch::Keep => old,
        Patch::Clear => first,
        Patch::Set(new) => new,
    }
}

profile! {
    needed {
        /// Mail address, at most 255 characters; one customer of a tenant has it at a time.
        email: String, shown personal;
        /// Given name, 1 to 100 characters.
        first_name: String, shown personal;
        /// Family name, 1 to 100 characters.
        last_name: String, shown personal;
    }
    set {
        /// Whether the address was confirmed.
        email_verified: bool = false, shown personal;
        /// What the customer is.
        customer_type: CustomerType = CustomerType::Individual, shown kept;
        /// What the customer is worth to the tenant.
        tier: CustomerTier = CustomerTier::Free, shown kept;
        /// IANA time zone.
        timezone: String = "UTC".to_owned(), shown kept;
        /// Language tag, as in `en` or `pt-BR`.
        preferred_language: String = "en".to_owned(), shown kept;
        /// How the customer likes to be reached.
        preferred_channel: PreferredChannel = PreferredChannel::Email, shown kept;
        /// Whether no tax is charged.
        tax_exempt: bool = false, shown kept;
        /// Whether advertisements may be sent.
        opt_in_marketing: bool = false, shown personal;
        /// Whether news about the service may be sent.
        opt_in_updates: bool = true, shown kept;
        /// Labels, at most 50 of at most 50 characters each; kept sorted, each once.
        tags: Vec<String> = Vec::new(), shown personal;
        /// What the tenant attaches, sent as `custom_metadata` with every event: at most 50 keys of
        /// at most 40 characters, values of at most 500. It is replaced as a whole.
        metadata: Metadata = Metadata::new(), shown personal;
        /// The tenant's own fields, at most 50. They are replaced as a whole.
        custom_fields: BTreeMap<String, CustomField> = BTreeMap::new(), shown personal;
    }
    maybe {
        /// Middle name, at most 100 characters.
        middle_name: String, shown personal;
        /// The name to show, at most 200 characters.
        display_name: String, shown personal;
        /// Company, at most 200 characters.
        company_name: String, shown personal;
        /// Telephone number, at most 30 characters.
        phone: String, shown personal;
        /// Mobile telephone number, at most 30 characters.
        mobile: String, shown personal;
        /// Street and number, at most 200 characters.
        address_line1: String, shown personal;
        /// More of the address, at most 200 characters.
        address_line2: String, shown personal;
        /// City, at most 100 characters.
        city: String, shown personal;
        /// State or province, at most 100 characters.
        state_province: String, shown personal;
        /// Postal code, at most 20 characters.
        postal_code: String, shown personal;
        /// ISO 3166 country, two letters.
        country: String, shown kept;
        /// Where the service is rendered: street and number, at most 200 characters.
        service_address_line1: String, shown personal;
        /// More of the service address, at most 200 characters.
        service_address_line2: String, shown personal;
        /// City of the service address, at most 100 characters.
        service_city: String, shown personal;
        /// State or province of the service address, at most 100 characters.
        service_state_province: String, shown personal;
        /// Postal code of the service address, at most 20 characters.
        service_postal_code: String, shown personal;
        /// ISO 3166 country of the service address, two letters.
        service_country: String, shown kept;
        /// Tax number, at most 50 characters; in no event.
        tax_id: String, private personal;
        /// VAT number, at most 50 characters; in no event.
        vat_number: String, private personal;
        /// Line of business, at most 100 characters.
        industry: String, shown kept;
        /// How many people work there.
        employee_count: i64, shown kept;
        /// What is earned in a year, in minor units of `currency`.
        annual_revenue: i64, shown kept;
        /// ISO 4217 currency of the customer's business.
        currency: String, shown kept;
        /// Creditworthiness on the scale of FICO and VantageScore, 300 to 850; in no event.
        credit_score: i64, private personal;
        /// How risky the business is, 0 (not at all) to 100; in no event.
        risk_score: i64, private personal;
        /// How content the customer is: its answer to a CSAT question, 1 to 5.
        satisfaction_score: i64, shown kept;
        /// How likely the customer is to recommend: its answer to the NPS question, 0 to 10.
        net_promoter_score: i64, shown kept;
        /// Day of birth, as in `1815-12-10`; in no event.
        birthday: String, private personal;
        /// Day on which the customer was won, as in `2026-11-23`.
        acquisition_date: String, shown kept;
        /// The account with which the customer signs in.
        user_id: UserId, shown personal;
        /// The user who looks after the customer.
        assigned_to: UserId, shown kept;
        /// The segment that the customer is in.
        segment_id: SegmentId, shown kept;
        /// The id in another system, at most 255 characters; unique within `source_system`.
        external_id: String, shown personal;
        /// The other system, at most 100 characters.
        source_system: String, shown kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Profile {
        Profile {
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            tax_id: Some("12-345".to_owned()),
            birthday: Some("1815-12-10".to_owned()),
            country: Some("GB".to_owned()),
            ..Profile::default()
        }
    }

    #[test]
    fn what_differs_is_told_and_what_is_private_only_named() {
        let new = Profile {
            tax_id: None,
            birthday: None,
            vat_number: Some("GB1".to_owned()),
            tier: CustomerTier::Premium,
            ..ada()
        };
        let diff = new.diff(&ada(), Diff::new());
        assert_eq!(diff.changed_fields(), ["birthday", "tax_id", "tier", "vat_number"]);
        let previous: Vec<_> = diff.previous().into_iter().collect();
        assert_eq!(previous, [("tier".to_owned(), "free".into())]);
        assert!(ada().diff(&ada(), Diff::new()).is_empty());
    }

    #[test]
    fn a_patch_keeps_clears_and_sets() {
        let patch: UpdateCustomer =
            serde_json::from_str(r#"{"country": null, "tier": null, "phone": "1"}"#).unwrap();
        let old = Profile { tier: CustomerTier::Premium, ..ada() };
        let new = patch.over(old);
        assert_eq!(new, Profile { country: None, phone: Some("1".to_owned()), ..ada() });
    }

    #[test]
    fn nothing_that_tells_who_it_was_outlives_the_person() {
        let kept = ada().without_person();
        assert_eq!(kept, Profile { country: Some("GB".to_owned()), ..Profile::default() });
    }

    #[test]
    fn a_stored_profile_of_another_version_is_read() {
        let stored = r#"{"email": "ada@example.com", "field_of_the_future": 1}"#;
        let read: Profile = serde_json::from_str(stored).unwrap();
        assert_eq!(read.timezone, "UTC");
    }
}
