use super::*;

fn fine() -> CreateCustomer {
    CreateCustomer {
        email: Some(" Ada@Example.com ".to_owned()),
        first_name: Some("Ada".to_owned()),
        last_name: Some("Lovelace".to_owned()),
        ..CreateCustomer::default()
    }
}

/// The pointer and the code of each fault.
fn faults(input: CreateCustomer) -> Vec<(String, String)> {
    let problem = input.checked().unwrap_err();
    problem.errors.into_iter().map(|e| (e.pointer, e.code.into_owned())).collect()
}

fn read(json: &str) -> CreateCustomer {
    let mut input: CreateCustomer = serde_json::from_str(json).unwrap();
    let CreateCustomer { email, first_name, last_name, .. } = fine();
    input.email = input.email.or(email);
    input.first_name = input.first_name.or(first_name);
    input.last_name = input.last_name.or(last_name);
    input
}

#[test]
fn what_is_fine_is_tidied() {
    let input = read(
        r#"{"country": "gb", "currency": "eur", "timezone": "europe/london", "phone": " ",
            "tags": ["b", " a", "b"], "preferred_language": "pt-BR", "birthday": "1815-12-10",
            "credit_score": 300, "risk_score": 100, "satisfaction_score": 5,
            "net_promoter_score": 0}"#,
    );
    let (profile, status, source) = input.checked().unwrap();
    assert_eq!(profile.email, "Ada@Example.com");
    assert_eq!(profile.country.as_deref(), Some("GB"));
    assert_eq!(profile.currency.as_deref(), Some("EUR"));
    assert_eq!(profile.timezone, "Europe/London");
    assert_eq!((profile.phone, profile.tags), (None, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!((status, source), (CustomerStatus::Prospect, CustomerSource::Api));
}

#[test]
fn every_fault_is_told_at_once() {
    let input = CreateCustomer {
        country: Some("Britain".to_owned()),
        status: Some(CustomerStatus::Churned),
        ..CreateCustomer::default()
    };
    let told = faults(input);
    let pointers: Vec<&str> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/status", "/email", "/first_name", "/last_name", "/country"]);
}

#[test]
fn each_field_has_its_bound() {
    let long = |chars: usize| "x".repeat(chars);
    for (json, pointer, code) in [
        (r#"{"email": "ada"}"#.to_owned(), "/email", "invalid"),
        (r#"{"email": "ada@localhost"}"#.to_owned(), "/email", "invalid"),
        (r#"{"email": "Ada <ada@example.com>"}"#.to_owned(), "/email", "invalid"),
        (r#"{"first_name": "  "}"#.to_owned(), "/first_name", "required"),
        (format!(r#"{{"last_name": "{}"}}"#, long(101)), "/last_name", "too_long"),
        (format!(r#"{{"phone": "{}"}}"#, long(31)), "/phone", "too_long"),
        (r#"{"city": "a\u0000b"}"#.to_owned(), "/city", "invalid"),
        (r#"{"country": "G1"}"#.to_owned(), "/country", "invalid"),
        (r#"{"currency": "XXX1"}"#.to_owned(), "/currency", "invalid"),
        (r#"{"currency": "XAU"}"#.to_owned(), "/currency", "invalid"),
        (r#"{"timezone": "Mars/Olympus"}"#.to_owned(), "/timezone", "invalid"),
        (r#"{"preferred_language": "e"}"#.to_owned(), "/preferred_language", "invalid"),
        (r#"{"birthday": "1815-13-10"}"#.to_owned(), "/birthday", "invalid"),
        (r#"{"employee_count": -1}"#.to_owned(), "/employee_count", "out_of_range"),
        (r#"{"credit_score": 299}"#.to_owned(), "/credit_score", "out_of_range"),
        (r#"{"credit_score": 851}"#.to_owned(), "/credit_score", "out_of_range"),
        (r#"{"risk_score": -1}"#.to_owned(), "/risk_score", "out_of_range"),
        (r#"{"risk_score": 101}"#.to_owned(), "/risk_score", "out_of_range"),
        (r#"{"satisfaction_score": 0}"#.to_owned(), "/satisfaction_score", "out_of_range"),
        (r#"{"satisfaction_score": 6}"#.to_owned(), "/satisfaction_score", "out_of_range"),
        (r#"{"net_promoter_score": -1}"#.to_owned(), "/net_promoter_score", "out_of_range"),
        (r#"{"net_promoter_score": 11}"#.to_owned(), "/net_promoter_score", "out_of_range"),
        (
            r#"{"annual_revenue": 1000000000000001, "currency": "EUR"}"#.to_owned(),
            "/annual_revenue",
            "out_of_range",
        ),
        (r#"{"city": "a\nb"}"#.to_owned(), "/city", "invalid"),
        (r#"{"metadata": {"a": "b\r"}}"#.to_owned(), "/metadata/a", "invalid"),
        (r#"{"metadata": {"a\t": "b"}}"#.to_owned(), "/metadata/a\t", "invalid"),
        (r#"{"annual_revenue": 1}"#.to_owned(), "/currency", "required"),
        (r#"{"tags": [""]}"#.to_owned(), "/tags/0", "required"),
        (format!(r#"{{"tags": ["{}"]}}"#, long(51)), "/tags/0", "too_long"),
        (
            format!(r#"{{"metadata": {{"{}": ""}}}}"#, long(41)),
            &*format!("/metadata/{}", long(41)),
            "too_long",
        ),
        (format!(r#"{{"metadata": {{"a/b": "{}"}}}}"#, long(501)), "/metadata/a~1b", "too_long"),
        (r#"{"custom_fields": {"": 1}}"#.to_owned(), "/custom_fields/", "required"),
        (
            format!(r#"{{"custom_fields": {{"a": "{}"}}}}"#, long(501)),
            "/custom_fields/a",
            "too_long",
        ),
    ] {
        let told = faults(read(&json));
        assert_eq!(told, [(pointer.to_owned(), code.to_owned())], "{json}");
    }
}

#[test]
fn maps_and_lists_have_at_most_fifty() {
    let many = |count: usize| (0..count).map(|n| format!("k{n}"));
    let metadata: Metadata = many(51).map(|key| (key, String::new())).collect();
    let fields = many(51).map(|key| (key, CustomField::Flag(true))).collect();
    let input = CreateCustomer {
        metadata: Some(metadata),
        custom_fields: Some(fields),
        tags: Some(many(51).collect()),
        ..fine()
    };
    let told = faults(input);
    let pointers: Vec<&str> = told.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/tags", "/metadata", "/custom_fields"]);
}

#[test]
fn fractions_and_unknown_fields_are_not_read() {
    for json in
        [r#"{"employee_count": 1.5}"#, r#"{"custom_fields": {"a": 1.5}}"#, r#"{"emial": "a"}"#]
    {
        assert!(serde_json::from_str::<CreateCustomer>(json).is_err(), "{json}");
        assert!(serde_json::from_str::<UpdateCustomer>(json).is_err(), "{json}");
    }
}

#[test]
fn a_reason_needs_a_status() {
    let (profile, ..) = fine().checked().unwrap();
    let input = UpdateCustomer { reason: Some("why".to_owned()), ..UpdateCustomer::default() };
    let problem = input.checked(profile.clone()).unwrap_err();
    assert_eq!(problem.errors[0].pointer, "/reason");
    let (same, wanted) = UpdateCustomer::default().checked(profile.clone()).unwrap();
    assert_eq!(same, profile);
    assert!(wanted.is_none());
}
