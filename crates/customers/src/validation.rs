//! Tidies and checks a profile: every fault at once, each with its place.

use std::collections::BTreeMap;

use email_address::{EmailAddress, Options};
use iso_currency::Currency;
use tidings_events::customers::{CustomerSource, CustomerStatus};
use tidings_kernel::{FieldError, Metadata, Problem, Timestamp, limits, text, time_zone};

use crate::commands::{REASON_CHARS_MAX, SetStatus};
use crate::profile::{CreateCustomer, CustomField, Profile, UpdateCustomer};

/// The longest mail address, in characters.
pub(crate) const EMAIL_CHARS_MAX: usize = 255;
/// What is told where a mail address cannot be read.
pub(crate) const NOT_AN_ADDRESS: &str = "not a mail address, as in ada@example.com";
/// The longest language tag, in characters.
const LANGUAGE_CHARS_MAX: usize = 35;

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<FieldError>);

impl Faults {
    /// Notes a fault.
    pub(crate) fn push(&mut self, pointer: String, code: &'static str, message: impl Into<String>) {
        self.0.push(FieldError::new(pointer, code, message));
    }

    /// Gives the value if nothing is wrong.
    pub(crate) fn or<T>(self, value: T) -> Result<T, Problem> {
        if self.0.is_empty() { Ok(value) } else { Err(Problem::invalid(self.0)) }
    }

    /// Takes the faults of a part, which lies at `pointer`.
    pub(crate) fn within(&mut self, pointer: &str, part: Self) {
        self.0.extend(
            part.0.into_iter().map(|fault| FieldError {
                pointer: format!("{pointer}{}", fault.pointer),
                ..fault
            }),
        );
    }

    /// Trims a text of one line that must be there.
    pub(crate) fn needed(&mut self, name: &str, text: &mut String, chars_max: usize) {
        let pointer = self.present(name, text);
        self.0.extend(pointer.and_then(|pointer| text::line(&pointer, text, chars_max)));
    }

    /// The same for a text that may have many lines.
    pub(crate) fn needed_lines(&mut self, name: &str, text: &mut String, chars_max: usize) {
        let pointer = self.present(name, text);
        self.0.extend(pointer.and_then(|pointer| text::lines(&pointer, text, chars_max)));
    }

    /// Trims a text, and says where it is if anything is left.
    fn present(&mut self, name: &str, text: &mut String) -> Option<String> {
        *text = text.trim().to_owned();
        let pointer = format!("/{name}");
        if text.is_empty() {
            self.push(pointer, "required", "this field is needed");
            return None;
        }
        Some(pointer)
    }

    /// Trims a text of one line that can be absent; an empty one is.
    pub(crate) fn optional(&mut self, name: &str, text: &mut Option<String>, chars_max: usize) {
        tidy(text);
        if let Some(text) = text {
            self.bounded(&format!("/{name}"), text, chars_max);
        }
    }

    /// The same for a text that may have many lines.
    pub(crate) fn optional_lines(
        &mut self,
        name: &str,
        text: &mut Option<String>,
        chars_max: usize,
    ) {
        tidy(text);
        if let Some(text) = text {
            self.bounded_lines(&format!("/{name}"), text, chars_max);
        }
    }

    /// Notes a text that is too long for one line, or is none.
    pub(crate) fn bounded(&mut self, pointer: &str, text: &str, chars_max: usize) {
        self.0.extend(text::line(pointer, text, chars_max));
    }

    /// The same for a text that may have many lines.
    pub(crate) fn bounded_lines(&mut self, pointer: &str, text: &str, chars_max: usize) {
        self.0.extend(text::lines(pointer, text, chars_max));
    }

    /// Reads a text that can be absent into the form in which it is kept.
    pub(crate) fn replace(
        &mut self,
        name: &str,
        text: &mut Option<String>,
        read: impl Fn(&str) -> Option<String>,
        message: &str,
    ) {
        let Some(given) = text.take() else { return };
        let given = given.trim();
        if given.is_empty() {
            return;
        }
        *text = read(given);
        if text.is_none() {
            self.push(format!("/{name}"), "invalid", message);
        }
    }
}

/// Trims a text that can be absent; an empty one is.
fn tidy(text: &mut Option<String>) {
    *text = text.take().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
}

impl Profile {
    /// The same, tidied; what is wrong with it is noted.
    pub(crate) fn tidied(mut self, faults: &mut Faults) -> Self {
        check_person(&mut self, faults);
        check_texts(&mut self, faults);
        check_codes(&mut self, faults);
        check_numbers(&self, faults);
        self.tags = check_tags(std::mem::take(&mut self.tags), faults);
        check_metadata(&self.metadata, faults);
        check_custom_fields(&self.custom_fields, faults);
        self
    }
}

impl CreateCustomer {
    /// The profile, tidied, and where the customer stands at first; or everything that is wrong.
    pub(crate) fn checked(self) -> Result<(Profile, CustomerStatus, CustomerSource), Problem> {
        let mut faults = Faults::default();
        let status = self.status.unwrap_or(CustomerStatus::Prospect);
        let source = self.source.unwrap_or(CustomerSource::Api);
        if !matches!(status, CustomerStatus::Prospect | CustomerStatus::Active) {
            let message = "a customer starts as prospect or active";
            faults.push("/status".to_owned(), "invalid", message);
        }
        let profile = self.profile().tidied(&mut faults);
        faults.or((profile, status, source))
    }
}

impl UpdateCustomer {
    /// The profile after the change, tidied, with the status and the reason; or everything that is
    /// wrong.
    pub(crate) fn checked(mut self, old: Profile) -> Result<(Profile, Option<SetStatus>), Problem> {
        let mut faults = Faults::default();
        faults.optional_lines("reason", &mut self.reason, REASON_CHARS_MAX);
        if self.reason.is_some() && self.status.is_none() {
            let message = "a reason is for a change of status; send status as well";
            faults.push("/reason".to_owned(), "invalid", message);
        }
        let reason = self.reason.take();
        let wanted = self.status.map(|status| SetStatus { status, reason });
        let profile = self.over(old).tidied(&mut faults);
        faults.or((profile, wanted))
    }
}

fn check_person(profile: &mut Profile, faults: &mut Faults) {
    faults.needed("email", &mut profile.email, EMAIL_CHARS_MAX);
    if !profile.email.is_empty() && !is_mail_address(&profile.email) {
        faults.push("/email".to_owned(), "invalid", NOT_AN_ADDRESS);
    }
    faults.needed("first_name", &mut profile.first_name, 100);
    faults.needed("last_name", &mut profile.last_name, 100);
}

/// An address alone, with a domain that has a dot.
pub(crate) fn is_mail_address(text: &str) -> bool {
    let form = Options::default().with_required_tld().without_display_text();
    EmailAddress::parse_with_options(text, form).is_ok()
}

/// An IP address, in its canonical form.
pub(crate) fn read_address(text: &str) -> Option<String> {
    text.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
}

fn check_texts(profile: &mut Profile, faults: &mut Faults) {
    for (name, text, chars_max) in [
        ("middle_name", &mut profile.middle_name, 100),
        ("display_name", &mut profile.display_name, 200),
        ("company_name", &mut profile.company_name, 200),
        ("phone", &mut profile.phone, 30),
        ("mobile", &mut profile.mobile, 30),
        ("address_line1", &mut profile.address_line1, 200),
        ("address_line2", &mut profile.address_line2, 200),
        ("city", &mut profile.city, 100),
        ("state_province", &mut profile.state_province, 100),
        ("postal_code", &mut profile.postal_code, 20),
        ("service_address_line1", &mut profile.service_address_line1, 200),
        ("service_address_line2", &mut profile.service_address_line2, 200),
        ("service_city", &mut profile.service_city, 100),
        ("service_state_province", &mut profile.service_state_province, 100),
        ("service_postal_code", &mut profile.service_postal_code, 20),
        ("tax_id", &mut profile.tax_id, 50),
        ("vat_number", &mut profile.vat_number, 50),
        ("industry", &mut profile.industry, 100),
        ("external_id", &mut profile.external_id, 255),
        ("source_system", &mut profile.source_system, 100),
    ] {
        faults.optional(name, text, chars_max);
    }
}

fn check_codes(profile: &mut Profile, faults: &mut Faults) {
    let country = "two letters of ISO 3166, as in GB";
    faults.replace("country", &mut profile.country, read_country, country);
    faults.replace("service_country", &mut profile.service_country, read_country, country);
    let currency = |code: &str| read_currency(code).map(|currency| currency.code().to_owned());
    faults.replace("currency", &mut profile.currency, currency, "a code of ISO 4217, as in EUR");
    let day = |text: &str| Timestamp::of_day(text).map(|_| text.to_owned());
    faults.replace("birthday", &mut profile.birthday, day, "a day, as in 1815-12-10");
    faults.replace(
        "acquisition_date",
        &mut profile.acquisition_date,
        day,
        "a day, as in 2026-11-23",
    );
    match time_zone(profile.timezone.trim()) {
        Some(zone) => profile.timezone = zone,
        None => {
            faults.push(
                "/timezone".to_owned(),
                "invalid",
                "an IANA time zone, as in Europe/Berlin",
            );
        }
    }
    profile.preferred_language = profile.preferred_language.trim().to_owned();
    if !is_language(&profile.preferred_language) {
        faults.push(
            "/preferred_language".to_owned(),
            "invalid",
            "a language tag, as in en or pt-BR",
        );
    }
}

fn check_numbers(profile: &Profile, faults: &mut Faults) {
    for (name, number) in
        [("employee_count", profile.employee_count), ("annual_revenue", profile.annual_revenue)]
    {
        if number.is_some_and(|number| !(0..=limits::AMOUNT_MAX).contains(&number)) {
            faults.push(format!("/{name}"), "out_of_range", "0 to 1,000,000,000,000,000");
        }
    }
    for (name, score, from, to) in [
        ("credit_score", profile.credit_score, 300, 850),
        ("risk_score", profile.risk_score, 0, 100),
        ("satisfaction_score", profile.satisfaction_score, 1, 5),
        ("net_promoter_score", profile.net_promoter_score, 0, 10),
    ] {
        if score.is_some_and(|score| !(from..=to).contains(&score)) {
            faults.push(format!("/{name}"), "out_of_range", format!("{from} to {to}"));
        }
    }
    if profile.annual_revenue.is_some() && profile.currency.is_none() {
        faults.push("/currency".to_owned(), "required", "annual_revenue needs its currency");
    }
}

/// Trims, sorts and takes each tag once.
pub(crate) fn check_tags(tags: Vec<String>, faults: &mut Faults) -> Vec<String> {
    let mut tags: Vec<String> = tags.into_iter().map(|tag| tag.trim().to_owned()).collect();
    for (index, tag) in tags.iter().enumerate() {
        let pointer = format!("/tags/{index}");
        if tag.is_empty() {
            faults.push(pointer, "required", "a tag has at least one character");
        } else {
            faults.bounded(&pointer, tag, limits::TAG_CHARS_MAX);
        }
    }
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > limits::TAGS_MAX {
        faults.push("/tags".to_owned(), "too_many", format!("at most {}", limits::TAGS_MAX));
    }
    tags
}

fn check_metadata(metadata: &Metadata, faults: &mut Faults) {
    if metadata.len() > limits::METADATA_KEYS_MAX {
        let message = format!("at most {} keys", limits::METADATA_KEYS_MAX);
        faults.push("/metadata".to_owned(), "too_many", message);
    }
    for (key, value) in metadata {
        check_key("metadata", key, faults);
        faults.bounded_lines(&pointer_to("metadata", key), value, limits::METADATA_VALUE_CHARS_MAX);
    }
}

fn check_custom_fields(fields: &BTreeMap<String, CustomField>, faults: &mut Faults) {
    if fields.len() > limits::CUSTOM_FIELDS_MAX {
        let message = format!("at most {} fields", limits::CUSTOM_FIELDS_MAX);
        faults.push("/custom_fields".to_owned(), "too_many", message);
    }
    for (key, value) in fields {
        check_key("custom_fields", key, faults);
        match value {
            CustomField::Text(text) => {
                let pointer = pointer_to("custom_fields", key);
                faults.bounded_lines(&pointer, text, limits::METADATA_VALUE_CHARS_MAX);
            }
            CustomField::Number(_) | CustomField::Flag(_) => {}
        }
    }
}

fn check_key(name: &str, key: &str, faults: &mut Faults) {
    if key.is_empty() {
        faults.push(format!("/{name}/"), "required", "a key has at least one character");
    } else {
        faults.bounded(&pointer_to(name, key), key, limits::METADATA_KEY_CHARS_MAX);
    }
}

/// RFC 6901.
fn pointer_to(name: &str, key: &str) -> String {
    format!("/{name}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Two letters, in upper case.
pub(crate) fn read_country(text: &str) -> Option<String> {
    let fine = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    fine.then(|| text.to_ascii_uppercase())
}

/// The currency with this code, if amounts of it have minor units.
pub(crate) fn read_currency(code: &str) -> Option<Currency> {
    Currency::from_code(&code.to_ascii_uppercase()).filter(|c| c.exponent().is_some())
}

/// The decimals of a currency that [`read_currency`] has let in.
pub(crate) fn exponent_of(code: &str) -> Option<u8> {
    u8::try_from(read_currency(code)?.exponent()?).ok()
}

/// The shape of BCP 47: letters first, then parts of letters and digits.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    tag.len() <= LANGUAGE_CHARS_MAX
        && (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
#[path = "validation_tests.rs"]
mod tests;
