//! Deliveries and events, found again: by filter, by id, by what stands in them.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Receiver, Script, Tenant, TestApp, stories};

const DELIVERIES: &str = "/api/v1/webhooks/deliveries";
const LOG: &str = "/api/v1/webhooks/events/log";
const SEARCH: &str = "/api/v1/webhooks/events/search";

/// Every row of a list, page by page, two at a time.
async fn all(acme: &Tenant, path: &str) -> Vec<Value> {
    let separator = if path.contains('?') { '&' } else { '?' };
    let (mut rows, mut next) = (Vec::new(), format!("{path}{separator}limit=2"));
    loop {
        let answer = acme.get(&next).await;
        assert_eq!(answer.status, StatusCode::OK, "{next}: {}", answer.json());
        let json = answer.json();
        rows.extend(json["data"].as_array().unwrap().iter().cloned());
        let Some(cursor) = json["next_cursor"].as_str() else { return rows };
        next = format!("{path}{separator}limit=2&cursor={cursor}");
    }
}

/// Two endpoints, one of which fails; two customers, one of which changes.
async fn history(app: &TestApp, acme: &Tenant) -> (String, String, [Receiver; 2]) {
    let good = acme.receiver(&["customer.*"]).await;
    let bad = acme.receiver(&["customer.created"]).await;
    bad.always(Script::status(500));
    let ada = acme.customer("ada@example.com").await;
    app.clock.advance(std::time::Duration::from_mins(1));
    let grace = acme.customer("grace@example.com").await;
    acme.patch(&format!("/api/v1/customers/{ada}"), json!({"tier": "premium"})).await;
    app.settle().await;
    assert_eq!(good.arrivals().len(), 3);
    (ada, grace, [good, bad])
}

stories! {
    async fn deliveries_are_found_by_each_filter_and_by_several(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (ada, grace, _hooks) = history(app, &acme).await;
        let other = app.tenant("other").await;
        let (theirs, _, _theirs) = history(app, &other).await;
        let first = all(&acme, &format!("{DELIVERIES}?status=waiting")).await;
        let event = first[0]["event_id"].as_str().unwrap().to_owned();
        let hook = first[0]["subscription_id"].as_str().unwrap().to_owned();
        let between = "2026-11-23T12:00:30Z";
        for (query, count) in [
            (String::new(), 5),
            ("status=delivered".to_owned(), 3),
            ("status=waiting".to_owned(), 2),
            ("status=waiting,delivered".to_owned(), 5),
            ("status=pending,exhausted,discarded".to_owned(), 0),
            ("event_type=customer.created".to_owned(), 4),
            ("event_type=customer.*".to_owned(), 5),
            ("event_type=*".to_owned(), 5),
            ("event_type=invoice.*".to_owned(), 0),
            (format!("subject_id={ada}"), 3),
            (format!("subject_id={grace}"), 2),
            (format!("subject_id={theirs}"), 0),
            (format!("subject_id={ada}&status=waiting"), 1),
            ("subject_type=customer".to_owned(), 5),
            ("subject_type=invoice".to_owned(), 0),
            (format!("occurred_after={between}"), 3),
            (format!("occurred_before={between}"), 2),
            (format!("occurred_after={between}&occurred_before={between}"), 0),
            (format!("subject_id={ada}&occurred_after={between}"), 1),
            ("error=http".to_owned(), 2),
            ("error=timeout.head".to_owned(), 0),
            ("http_status=500".to_owned(), 2),
            ("http_status=200".to_owned(), 3),
            (format!("event_id={event}"), 2),
            (format!("event_id={event}&status=waiting"), 1),
            (format!("subscription_id={hook}"), 2),
            (format!("subscription_id={hook}&error=http&event_type=customer.created"), 2),
            (format!("subscription_id={hook}&subject_id={ada}"), 1),
        ] {
            let found = all(&acme, &format!("{DELIVERIES}?{query}")).await;
            assert_eq!(found.len(), count, "{query}: {:#?}", all(&acme, DELIVERIES).await);
            let ids: BTreeSet<_> = found.iter().map(|row| row["id"].to_string()).collect();
            assert_eq!(ids.len(), count, "each once: {query}");
        }
        let of_hook = format!("/api/v1/webhooks/subscriptions/{hook}/deliveries?http_status=500");
        assert_eq!(all(&acme, &of_hook).await.len(), 2);
    }

    async fn a_filter_that_cannot_be_read_is_refused_with_its_pointer(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (before, after) = ("2026-11-23T11:00:00Z", "2026-11-23T13:00:00Z");
        for (query, pointer, code) in [
            ("status=lost".to_owned(), "?status", "unknown_value"),
            ("status=waiting,".to_owned(), "?status", "unknown_value"),
            ("event_type=cust*".to_owned(), "?event_type", "invalid"),
            ("event_type=".to_owned(), "?event_type", "invalid"),
            ("subject_id=ada".to_owned(), "?subject_id", "invalid"),
            ("subject_id=cus_1".to_owned(), "?subject_id", "invalid"),
            (format!("occurred_after={after}&occurred_before={before}"),
                "?occurred_before", "out_of_range"),
            ("error=boom".to_owned(), "?error", "unknown_value"),
            ("http_status=7".to_owned(), "?http_status", "out_of_range"),
        ] {
            let refused = acme.get(&format!("{DELIVERIES}?{query}")).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
            let found = (refused.text("/errors/0/pointer"), refused.text("/errors/0/code"));
            assert_eq!(found, (pointer.to_owned(), code.to_owned()), "{query}");
        }
        let several = acme.get(&format!("{DELIVERIES}?status=lost&error=boom")).await;
        assert_eq!(several.json()["errors"].as_array().unwrap().len(), 2, "every fault at once");
        for query in ["occurred_after=yesterday", "http_status=many", "colour=red"] {
            let refused = acme.get(&format!("{DELIVERIES}?{query}")).await;
            assert!(refused.status.is_client_error(), "{query}");
            assert!(!refused.text("/errors/0/pointer").is_empty(), "{}", refused.json());
        }
        let refused = acme.get(&format!("{LOG}?event_type=a*b&subject_id=x")).await;
        assert_eq!(refused.json()["errors"].as_array().unwrap().len(), 2);
    }

    async fn the_log_is_narrowed_by_type_object_and_time(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (ada, grace, _hooks) = history(app, &acme).await;
        let between = "2026-11-23T12:00:30Z";
        for (query, wanted) in [
            ("event_type=customer.created".to_owned(), vec!["customer.created"; 2]),
            (format!("subject_id={grace}"), vec!["customer.created"]),
            (format!("subject_id={ada}&event_type=customer.created"), vec!["customer.created"]),
            ("subject_type=webhook_subscription".to_owned(),
                vec!["webhook.subscription.created"; 2]),
            (format!("occurred_before={between}&subject_type=customer"), vec!["customer.created"]),
            (format!("occurred_after={between}&event_type=customer.created"),
                vec!["customer.created"]),
            ("occurred_after=2027-01-01T00:00:00Z".to_owned(), vec![]),
        ] {
            let found = all(&acme, &format!("{LOG}?{query}")).await;
            let names: Vec<_> = found.iter().map(|row| row["type"].as_str().unwrap()).collect();
            assert_eq!(names, wanted, "{query}");
        }
        let of_ada = all(&acme, &format!("{LOG}?subject_id={ada}")).await;
        assert_eq!(of_ada.len(), 2);
        let positions: Vec<_> = of_ada.iter().map(|row| row["position"].as_i64()).collect();
        assert!(positions.is_sorted(), "{positions:?}");
    }

    async fn an_event_is_found_by_an_id_or_by_what_stands_in_it(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let (ada, _, _hooks) = history(app, &acme).await;
        acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.order"})).await;
        let order = json!({"event_type": "custom.order", "event_id": "order-17/b",
            "event_data": {"city": "Zürich", "total": 4990, "note": "one\nquetzal"}});
        let published = acme.post("/api/v1/webhooks/events", order).await;
        assert_eq!(published.status, StatusCode::ACCEPTED, "{}", published.json());
        app.settle().await;
        let id = published.text("/id");
        for (q, count) in [
            (id.as_str(), 1),
            (ada.as_str(), 2),
            ("order-17/b", 1),
            ("ADA@example.com", 2),
            ("example.com", 3),
            ("exampl", 0),
            ("z%C3%BCrich", 1),
            ("quetzal", 1),
            ("Z%C3%9CRICH+4990", 1),
            ("Z%C3%9CRICH+4991", 0),
            ("499", 0),
        ] {
            let found = acme.get(&format!("{SEARCH}?q={q}")).await;
            assert_eq!(found.status, StatusCode::OK, "{}", found.json());
            assert_eq!(found.json()["data"].as_array().unwrap().len(), count, "{q}");
            assert_eq!(found.json()["next_cursor"], Value::Null, "all was looked at: {q}");
        }
        let one = acme.get(&format!("{SEARCH}?q=example.com&limit=1")).await;
        let cursor = one.text("/next_cursor");
        let two = acme.get(&format!("{SEARCH}?q=example.com&limit=1&cursor={cursor}")).await;
        assert!(one.json()["data"][0]["position"].as_i64()
            > two.json()["data"][0]["position"].as_i64(), "the newest first");

        // An object with more events than fit a page is found by its id all the same, newest first.
        let first = acme.get(&format!("{SEARCH}?q={ada}&limit=1")).await.json();
        assert_eq!(first["data"][0]["type"], "customer.updated");
        let cursor = first["next_cursor"].as_str().unwrap();
        let second = acme.get(&format!("{SEARCH}?q={ada}&limit=1&cursor={cursor}")).await.json();
        assert_eq!((&second["data"][0]["type"], &second["next_cursor"], &second["looked_back_to"]),
            (&json!("customer.created"), &Value::Null, &Value::Null));

        let other = app.tenant("other").await;
        for q in [id.as_str(), ada.as_str(), "order-17/b", "example.com"] {
            let found = other.get(&format!("{SEARCH}?q={q}")).await;
            assert_eq!(found.json()["data"], json!([]), "another tenant finds nothing: {q}");
        }
        for (query, code) in [("q=", "required"), ("q=a", "too_short"), ("", "required"),
            ("q=aa+bb+cc+dd+ee+ff+gg+hh+ii", "too_many")] {
            let refused = acme.get(&format!("{SEARCH}?{query}")).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
            assert_eq!(refused.text("/errors/0/code"), code, "{query}: {}", refused.json());
        }
        let key = json!({"name": "hooks", "scopes": ["webhooks.read"]});
        let key = acme.post("/api/v1/auth/api-keys", key).await.text("/api_key");
        let refused = acme.client.with_key(key).get(&format!("{SEARCH}?q=ada")).await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }

    async fn a_page_that_has_looked_at_enough_ends_early_and_says_so(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.tick"})).await;
        let event = json!({"event_type": "custom.tick", "event_data": {"n": 1}});
        let thousand = json!({"events": vec![event; 1_000]});
        for _ in 0..5 {
            let taken = acme.post("/api/v1/webhooks/events/batch", thousand.clone()).await;
            assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.json());
        }
        acme.customer("ada@example.com").await;
        while app.app.runner.run_sequencer().await.unwrap() > 0
            || app.app.runner.sequencer_is_behind().await.unwrap() {}

        let path = format!("{LOG}?event_type=customer.created");
        let page = acme.get(&path).await.json();
        assert_eq!(page["data"], json!([]), "5000 positions were looked at");
        let cursor = page["next_cursor"].as_str().unwrap();
        let page = acme.get(&format!("{path}&cursor={cursor}")).await.json();
        assert_eq!((page["data"].as_array().unwrap().len(), &page["next_cursor"]),
            (1, &Value::Null));

        let path = format!("{SEARCH}?q=nothing");
        let page = acme.get(&path).await.json();
        assert_eq!((&page["data"], &page["looked_at"]), (&json!([]), &json!(2_000)));
        let cursor = page["next_cursor"].as_str().unwrap();
        let next = acme.get(&format!("{path}&cursor={cursor}")).await.json();
        assert_eq!(next["looked_back_to"].as_i64(),
            page["looked_back_to"].as_i64().map(|position| position - 2_000));
    }
}
