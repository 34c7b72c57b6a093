//! Whom a list, a search or a segment is about: the same words, read by the same code.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use tidings_events::customers::{CustomerStatus, CustomerTier, CustomerType};
use tidings_kernel::{Problem, SegmentId, Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::validation::{Faults, check_tags, read_country};

/// The longest text that is searched for, in characters.
const QUERY_CHARS_MAX: usize = 200;

/// Whom a list is about. Criteria that are absent leave everybody in; of those that are there,
/// each must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Criteria {
    /// Part of a number, mail address, name, company, telephone number or external id, in any case.
    #[serde(alias = "q", skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Where they stand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<CustomerStatus>,
    /// What they are.
    #[serde(rename = "type", alias = "customer_type", skip_serializing_if = "Option::is_none")]
    pub customer_type: Option<CustomerType>,
    /// What they are worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<CustomerTier>,
    /// ISO 3166 country, two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Who looks after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<UserId>,
    /// The segment that they are in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_id: Option<SegmentId>,
    /// The whole mail address, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Labels, any of which fits; in a query string separated by commas.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "read_tags")]
    #[param(style = Form, explode = false)]
    pub tags: Vec<String>,
    /// Made at this instant or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_from: Option<Timestamp>,
    /// Made before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_to: Option<Timestamp>,
    /// Last bought at this instant or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_purchase_from: Option<Timestamp>,
    /// Last bought before this instant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_purchase_to: Option<Timestamp>,
    /// The least that they have paid, in minor units of their currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_value_min: Option<i64>,
    /// The most that they have paid, in minor units of their currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_value_max: Option<i64>,
    /// Whether deleted ones are shown as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_deleted: bool,
}

impl Criteria {
    /// The same, tidied; or everything that is wrong with it.
    pub fn checked(self) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let tidied = self.tidied(&mut faults);
        faults.or(tidied)
    }

    /// The same for a segment, whose members cannot be found by the segment that they are in.
    pub(crate) fn checked_for_segment(self, faults: &mut Faults) -> Self {
        let mut within = Faults::default();
        let tidied = self.tidied(&mut within);
        if tidied.segment_id.is_some() {
            within.push("/segment_id".to_owned(), "invalid", "a segment cannot ask for a segment");
        }
        if tidied.include_deleted {
            within.push("/include_deleted".to_owned(), "invalid", "nobody deleted is in a segment");
        }
        faults.within("/criteria", within);
        tidied
    }

    fn tidied(mut self, faults: &mut Faults) -> Self {
        faults.optional("query", &mut self.query, QUERY_CHARS_MAX);
        faults.optional("email", &mut self.email, QUERY_CHARS_MAX + 55);
        faults.replace("country", &mut self.country, read_country, "two letters of ISO 3166");
        self.tags = check_tags(self.tags, faults);
        for (name, fine) in [
            ("created_to", in_order(self.created_from, self.created_to)),
            ("last_purchase_to", in_order(self.last_purchase_from, self.last_purchase_to)),
            ("lifetime_value_max", in_order(self.lifetime_value_min, self.lifetime_value_max)),
        ] {
            if !fine {
                faults.push(format!("/{name}"), "out_of_range", "the range ends before it begins");
            }
        }
        self
    }

    /// What the search text must contain: a pattern for `LIKE … ESCAPE '!'`.
    pub(crate) fn pattern(&self) -> Option<String> {
        let folded = fold(self.query.as_deref()?);
        let escaped = folded.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        Some(format!("%{escaped}%"))
    }

    /// The mail address as it is compared.
    pub(crate) fn email_folded(&self) -> Option<String> {
        self.email.as_deref().map(fold)
    }
}

fn in_order<T: PartialOrd>(from: Option<T>, to: Option<T>) -> bool {
    !matches!((from, to), (Some(from), Some(to)) if to < from)
}

/// Text as it is compared and searched: in lower case, its parts one space apart.
pub(crate) fn fold(text: &str) -> String {
    text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// Reads a list of texts, or one text with commas.
fn read_tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Tags;

    impl<'de> Visitor<'de> for Tags {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of texts")
        }

        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.split(',').map(str::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut tags = Vec::new();
            while let Some(tag) = items.next_element()? {
                tags.push(tag);
            }
            Ok(tags)
        }
    }

    deserializer.deserialize_any(Tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_the_query_literally_and_in_any_case() {
        let criteria = Criteria { query: Some("50%_Off!  NOW".to_owned()), ..Criteria::default() };
        assert_eq!(criteria.pattern().as_deref(), Some("%50!%!_off!! now%"));
        assert_eq!(Criteria::default().pattern(), None);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let criteria = Criteria {
            country: Some("Britain".to_owned()),
            lifetime_value_min: Some(2),
            lifetime_value_max: Some(1),
            tags: vec![String::new()],
            ..Criteria::default()
        };
        let problem = criteria.checked().unwrap_err();
        let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/country", "/tags/0", "/lifetime_value_max"]);
    }

    #[test]
    fn what_is_absent_is_not_stored() {
        let criteria: Criteria = serde_json::from_str(r#"{"q": "ada", "tags": ["vip"]}"#).unwrap();
        let stored = serde_json::to_string(&criteria).unwrap();
        assert_eq!(stored, r#"{"query":"ada","tags":["vip"]}"#);
    }
}
