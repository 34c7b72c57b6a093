//! What customers consent to, whom to ask there, their scores, and pages by number.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Answer, Tenant, stories};

/// Lists are in the order of their rows' instants, and the clock stands still.
const SECOND: Duration = Duration::from_secs(1);

/// The pointer and the code of the first fault.
fn fault(answer: &Answer) -> (String, String) {
    (answer.text("/errors/0/pointer"), answer.text("/errors/0/code"))
}

async fn customer(acme: &Tenant, fields: Value) -> String {
    let mut body = json!({"email": "ada@example.com", "first_name": "A", "last_name": "L"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let made = acme.post("/api/v1/customers", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    format!("/api/v1/customers/{}", made.text("/id"))
}

stories! {
    async fn a_consent_is_told_when_it_changes_something_and_logged_always(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.*"]).await;
        let ada = customer(&acme, json!({"opt_in_marketing": false, "source": "signup"})).await;
        let yes = json!({"purpose": "marketing", "decision": "granted", "source": "web_form",
            "wording": "I want to hear from you", "text_version": "3",
            "ip_address": "2001:DB8::1", "user_agent": "Mozilla/5.0"});
        let path = format!("{ada}/consents");
        app.clock.advance(SECOND);
        let first = acme.post(&path, yes.clone()).await;
        assert_eq!(first.status, StatusCode::CREATED, "{}", first.json());
        app.clock.advance(SECOND);
        let again = acme.post(&path, yes).await;
        assert_eq!(again.status, StatusCode::CREATED, "{}", again.json());
        app.clock.advance(SECOND);
        acme.patch(&ada, json!({"opt_in_marketing": false})).await;
        app.settle().await;

        hook.verified();
        assert_eq!(hook.names(), ["customer.created", "customer.updated", "customer.updated"]);
        let updated = hook.arrivals()[1].json();
        assert_eq!(updated["data"]["changed_fields"], json!(["opt_in_marketing"]));
        assert_eq!(updated["data"]["previous"], json!({"opt_in_marketing": false}));
        let all = hook.arrivals().iter().map(|a| a.json().to_string()).collect::<String>();
        assert!(!all.contains("2001:db8") && !all.contains("hear from you"), "{all}");
        let log = acme.log().await;
        assert_eq!(log.iter().filter(|name| *name == "customer.consent_recorded").count(), 1);

        let page = acme.get(&format!("{path}?limit=3")).await;
        let cursor = page.text("/next_cursor");
        let rest = acme.get(&format!("{path}?limit=3&cursor={cursor}")).await.json();
        let mut entries = page.json()["data"].as_array().unwrap().clone();
        entries.extend(rest["data"].as_array().unwrap().clone());
        let told: Vec<_> = entries.iter().map(|entry| {
            format!("{} {}", entry["decision"].as_str().unwrap(), entry["source"].as_str().unwrap())
        }).collect();
        let wanted = ["withdrawn api", "granted web_form", "granted web_form", "withdrawn signup"];
        assert_eq!(told, wanted);
        assert_eq!(entries[1]["ip_address"], "2001:db8::1");
        assert_eq!(entries[1]["text_version"], "3");
    }

    async fn a_consent_that_makes_no_sense_is_refused(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let path = format!("{}/consents", customer(&acme, json!({})).await);
        for (body, pointer, code) in [
            (json!({"decision": "granted"}), "/purpose", "required"),
            (json!({"purpose": "all", "decision": "granted"}), "/purpose", "unknown_value"),
            (json!({"purpose": "updates", "decision": "maybe"}), "/decision", "unknown_value"),
            (json!({"purpose": "updates", "decision": "granted", "ip_address": "here"}),
                "/ip_address", "invalid"),
            (json!({"purpose": "updates", "decision": "granted",
                "given_at": "2036-01-01T00:00:00Z"}), "/given_at", "out_of_range"),
            (json!({"purpose": "updates", "decision": "granted", "ip": "1"}),
                "/ip", "unknown_field"),
        ] {
            let refused = acme.post(&path, body.clone()).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
            assert_eq!(fault(&refused), (pointer.to_owned(), code.to_owned()), "{body}");
        }
        assert_eq!(acme.get(&path).await.json()["data"], json!([]));
        let stale = acme.client.with_header("if-match", "\"7\"");
        let no = json!({"purpose": "updates", "decision": "withdrawn"});
        let refused = stale.post(&path, &no).await.unwrap();
        assert_eq!(refused.problem(), "precondition_failed");
        assert_eq!(acme.get("/api/v1/customers/cus_x/consents").await.problem(), "not_found");
    }

    async fn the_consents_and_contacts_of_an_anonymized_person_are_gone(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ada = customer(&acme, json!({"opt_in_marketing": true})).await;
        let grace = json!({"role": "technical", "name": "Grace", "email": "grace@example.com"});
        let added = acme.post(&format!("{ada}/contacts"), grace).await;
        assert_eq!(added.status, StatusCode::CREATED, "{}", added.json());
        let bad = json!({"role": "boss", "name": "Grace"});
        let refused = acme.post(&format!("{ada}/contacts"), bad).await;
        assert_eq!(fault(&refused), ("/role".to_owned(), "unknown_value".to_owned()));
        let done = acme.post(&format!("{ada}/anonymize"), json!({})).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.json());
        assert_eq!(acme.get(&format!("{ada}/contacts")).await.json()["data"], json!([]));
        let log = acme.get(&format!("{ada}/consents")).await.json();
        let sources: Vec<_> =
            log["data"].as_array().unwrap().iter().map(|entry| &entry["source"]).collect();
        assert_eq!(sources, ["anonymization", "anonymization"]);
    }

    async fn scores_are_set_by_people_and_the_private_ones_shown_in_no_event(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.*"]).await;
        let ada = customer(&acme, json!({"credit_score": 700, "net_promoter_score": 3})).await;
        let change = json!({"credit_score": 650, "risk_score": 80, "satisfaction_score": 4,
            "net_promoter_score": 9});
        let changed = acme.patch(&ada, change).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.json());
        assert_eq!(changed.json()["credit_score"], 650);
        assert_eq!(acme.get(&ada).await.json()["satisfaction_score"], 4);
        app.settle().await;
        let data = hook.arrivals()[1].json()["data"].clone();
        let fields =
            ["credit_score", "net_promoter_score", "risk_score", "satisfaction_score"];
        assert_eq!(data["changed_fields"], json!(fields));
        let previous = json!({"net_promoter_score": 3, "satisfaction_score": null});
        assert_eq!(data["previous"], previous);
        assert!(fields.iter().all(|field| data.get(field).is_none()), "{data}");
        for (field, wrong) in
            [("credit_score", 200), ("risk_score", 101), ("satisfaction_score", 6),
            ("net_promoter_score", -1)]
        {
            let refused = acme.patch(&ada, json!({field: wrong})).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(fault(&refused), (format!("/{field}"), "out_of_range".to_owned()));
        }
        let emptied = acme.patch(&ada, json!({"credit_score": null})).await;
        assert_eq!(emptied.json()["credit_score"], Value::Null);
    }

    async fn pages_by_number_count_the_whole_list(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for number in 0..5 {
            acme.customer(&format!("c{number}@example.com")).await;
            app.clock.advance(SECOND);
        }
        let path = "/api/v1/customers?page_size=2";
        let (first, third) =
            (acme.get(path).await.json(), acme.get(&format!("{path}&page=3")).await.json());
        assert_eq!((&first["total_count"], &third["total_count"]), (&json!(5), &json!(5)));
        assert_eq!(third["data"].as_array().unwrap().len(), 1);
        assert_eq!(third["data"][0]["email"], "c0@example.com");
        assert_eq!(third["next_cursor"], Value::Null);
        // A cursor goes on where a page by number ended.
        let cursor = first["next_cursor"].as_str().unwrap();
        let next = acme.get(&format!("/api/v1/customers?limit=1&cursor={cursor}")).await.json();
        assert_eq!(next["data"][0]["email"], "c2@example.com");
        assert!(next.get("total_count").is_none());
        let search = "/api/v1/customers/search?page=1&page_size=2";
        let found = acme.post(search, json!({"query": "c3"})).await.json();
        assert_eq!((&found["total_count"], &found["data"][0]["email"]),
            (&json!(1), &json!("c3@example.com")));
        for (query, pointer) in
            [("page=0", "?page"), ("page_size=101", "?page_size"), ("page=1&limit=2", "?limit")]
        {
            let refused = acme.get(&format!("/api/v1/customers?{query}")).await;
            assert_eq!(fault(&refused).0, pointer, "{query}");
        }
        let refused = acme.get("/api/v1/webhooks/deliveries?page=1").await;
        assert_eq!(fault(&refused).1, "unknown_parameter");
    }

    async fn what_lies_under_a_deleted_customer_is_hidden_with_it(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ada = customer(&acme, json!({"opt_in_marketing": true})).await;
        let number = acme.get(&ada).await.text("/customer_number");
        acme.delete(&ada).await;
        let by_number = format!("/api/v1/customers/by-number/{number}");
        for path in [
            by_number,
            format!("{ada}/notes"),
            format!("{ada}/activities"),
            format!("{ada}/consents"),
            format!("{ada}/contacts"),
        ] {
            assert_eq!(acme.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
            let shown = acme.get(&format!("{path}?include_deleted=true")).await;
            assert_eq!(shown.status, StatusCode::OK, "{path}: {}", shown.json());
        }
        let refused = acme.post(&format!("{ada}/consents"),
            json!({"purpose": "updates", "decision": "withdrawn"})).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND);
    }

    async fn each_action_minds_the_version_that_was_read(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ada = customer(&acme, json!({})).await;
        let stale = acme.client.with_header("if-match", "\"7\"");
        let purchase = json!({"amount": 1, "currency": "EUR"});
        for (action, body) in [("metrics/purchase", purchase), ("anonymize", json!({}))] {
            let refused = stale.post(&format!("{ada}/{action}"), &body).await.unwrap();
            assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{action}");
        }
        acme.delete(&ada).await;
        let refused = stale.post(&format!("{ada}/restore"), &json!({})).await.unwrap();
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
        let fresh = acme.client.with_header("if-match", "\"2\"");
        let restored = fresh.post(&format!("{ada}/restore"), &json!({})).await.unwrap();
        assert_eq!(restored.status, StatusCode::OK, "{}", restored.json());
    }

    async fn labels_purchases_and_origins_stand_in_the_history(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ada = customer(&acme, json!({"tags": ["old"]})).await;
        acme.patch(&ada, json!({"tags": ["new"]})).await;
        let bought = json!({"amount": 4990, "currency": "EUR", "order_id": "o-1"});
        acme.post(&format!("{ada}/metrics/purchase"), bought).await;
        let login = json!({"activity_type": "login", "title": "Signed in",
            "ip_address": "203.0.113.7", "user_agent": "Mozilla/5.0"});
        let recorded = acme.post(&format!("{ada}/activities"), login).await;
        assert_eq!(recorded.text("/ip_address"), "203.0.113.7", "{}", recorded.json());
        let nonsense = json!({"activity_type": "login", "title": "x", "ip_address": "home"});
        let refused = acme.post(&format!("{ada}/activities"), nonsense).await;
        assert_eq!(fault(&refused), ("/ip_address".to_owned(), "invalid".to_owned()));
        let shown = acme.get(&format!("{ada}?include_activities=true")).await.json();
        let lines: Vec<_> = shown["activities"].as_array().unwrap().iter().map(|line| {
            format!("{} {}", line["activity_type"].as_str().unwrap(),
                line["description"].as_str().unwrap_or_default())
        }).collect();
        for line in ["tag_added new", "tag_removed old", "purchase order: o-1", "login "] {
            assert!(lines.iter().any(|one| one == line), "{line}: {lines:?}");
        }
    }
}
