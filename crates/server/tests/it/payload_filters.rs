//! Payload filters: saved, applied, tried beforehand, refused.

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Receiver, Tenant, stories};

const TEST: &str = "/api/v1/webhooks/filters/test";

async fn filtered(acme: &Tenant, filter: Value) -> Receiver {
    acme.receiver_with(json!({"events": ["customer.*", "custom.*"], "payload_filter": filter}))
        .await
}

stories! {
    async fn an_endpoint_gets_the_events_that_its_filter_lets_through(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let tiers = filtered(&acme, json!({"all": [
            {"field": "/type", "equals": "customer.updated"},
            {"field": "/data/changed_fields", "contains": "tier"},
            {"not": {"field": "/data/previous/tier", "in": ["premium", "enterprise"]}},
        ]})).await;
        let all = acme.receiver(&["customer.*"]).await;
        let id = acme.customer("ada@example.com").await;
        let path = format!("/api/v1/customers/{id}");
        acme.patch(&path, json!({"first_name": "Augusta"})).await;
        acme.patch(&path, json!({"tier": "premium"})).await;
        acme.patch(&path, json!({"tier": "basic"})).await;
        app.settle().await;
        assert_eq!(all.names().len(), 4);
        let arrivals = tiers.verified();
        assert_eq!(arrivals.len(), 1, "{:?}", tiers.names());
        assert_eq!(arrivals[0].json()["data"]["changed_fields"], json!(["tier"]));
        let shared = all.arrivals().iter().any(|arrival| arrival.body == arrivals[0].body);
        assert!(shared, "the same bytes as for everybody");

        // What was filtered out has no delivery, now or later.
        let listed = acme
            .get(&format!("/api/v1/webhooks/subscriptions/{}/deliveries", tiers.subscription_id))
            .await
            .json();
        assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    }

    async fn a_filter_is_changed_and_taken_away(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let never = json!({"field": "/data/email", "equals": "nobody@example.com"});
        let hook = filtered(&acme, never.clone()).await;
        let path = format!("/api/v1/webhooks/subscriptions/{}", hook.subscription_id);
        assert_eq!(acme.get(&path).await.json()["payload_filter"], never);
        acme.customer("a@example.com").await;
        app.settle().await;
        assert!(hook.arrivals().is_empty());

        let changed = acme.patch(&path, json!({"description": "still filtered"})).await;
        assert_eq!(changed.json()["payload_filter"], never);
        let some = json!({"field": "/data/email", "prefix": "b@"});
        acme.patch(&path, json!({"payload_filter": some})).await;
        acme.customer("b@example.com").await;
        acme.customer("c@example.com").await;
        app.settle().await;
        assert_eq!(hook.arrivals().len(), 1);

        let bare = acme.patch(&path, json!({"payload_filter": null})).await;
        assert_eq!(bare.json()["payload_filter"], Value::Null);
        acme.customer("d@example.com").await;
        app.settle().await;
        assert_eq!(hook.verified().len(), 2);
    }

    async fn a_filter_that_makes_no_sense_is_refused_with_every_fault(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let url = Receiver::start().await.url();
        for (filter, pointer, code) in [
            (json!({}), "/payload_filter", "required"),
            (json!({"field": "data.tier", "equals": 1}), "/payload_filter/field", "invalid"),
            (json!({"field": "/dta", "equals": 1}), "/payload_filter/field", "unknown_value"),
            (json!({"all": [{"field": "/data/a", "equals": {}}]}),
                "/payload_filter/all/0/equals", "invalid"),
            (json!({"field": "/data/a", "like": "x"}), "/payload_filter/like", "unknown_field"),
            (json!({"all": "x"}), "/payload_filter/all", "invalid"),
            (json!([]), "/payload_filter", "invalid"),
        ] {
            let body = json!({"url": url, "events": ["*"], "payload_filter": filter});
            let refused = acme.post("/api/v1/webhooks/subscriptions", body).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{filter}");
            let found = (refused.text("/errors/0/pointer"), refused.text("/errors/0/code"));
            assert_eq!(found, (pointer.to_owned(), code.to_owned()), "{filter}");
            let tried = acme.post(TEST, json!({"payload_filter": filter, "event": {}})).await;
            assert_eq!(tried.text("/errors/0/pointer"), pointer, "{filter}, tried");
        }
        let both = json!({"any": [{"field": "x", "exists": true}, {"field": "/data/a"}]});
        let body = json!({"url": url, "events": ["*"], "payload_filter": both});
        let refused = acme.post("/api/v1/webhooks/subscriptions", body).await;
        assert_eq!(refused.json()["errors"].as_array().unwrap().len(), 2);
        let twice = format!("{{\"url\":\"{url}\",\"events\":[\"*\"],\"payload_filter\":\
            {{\"field\":\"/data/a\",\"field\":\"/data/b\",\"exists\":true}}}}");
        let path = "/api/v1/webhooks/subscriptions";
        let refused = acme.client.send(http::Method::POST, path, twice).await.unwrap();
        assert_eq!(refused.text("/errors/0/code"), "duplicate_field");
    }

    async fn a_filter_is_tried_before_it_is_saved(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let (id, body) = (hook.arrivals()[0].id(), hook.arrivals()[0].json());
        let filter = json!({"all": [
            {"field": "/type", "equals": "customer.created"},
            {"field": "/data/email", "prefix": "grace@"},
        ]});
        for event in [json!({"event_id": id}), json!({"event": body})] {
            let mut input = event;
            input["payload_filter"] = filter.clone();
            let told = acme.post(TEST, input).await;
            assert_eq!(told.status, StatusCode::OK, "{}", told.json());
            assert_eq!(told.json()["matches"], false);
            assert_eq!(told.text("/decided_by/pointer"), "/all/1");
            assert_eq!(told.text("/decided_by/reason"),
                "/data/email is \"ada@example.com\"; wanted: prefix \"grace@\"");
            let clauses = told.json()["clauses"].clone();
            assert_eq!(clauses.as_array().unwrap().len(), 3);
            assert_eq!(clauses[1]["holds"], true);
        }

        let with = |fields: Value| {
            let mut input = fields;
            input["payload_filter"] = filter.clone();
            input
        };
        let absent = "evt_01hzz2z7yve2xbk6ghbq4xh6hm";
        for (input, pointer, code) in [
            (with(json!({})), "/event", "required"),
            (with(json!({"event": {}, "event_id": id})), "/event_id", "ambiguous"),
            (with(json!({"event": []})), "/event", "invalid"),
            (with(json!({"event_id": absent})), "/event_id", "unknown"),
            (with(json!({"event_id": "nonsense"})), "/event_id", "invalid"),
            (json!({"event": {}}), "/payload_filter", "required"),
        ] {
            let refused = acme.post(TEST, input.clone()).await;
            assert_eq!(refused.problem(), "validation_failed", "{input}");
            let found = (refused.text("/errors/0/pointer"), refused.text("/errors/0/code"));
            assert_eq!(found, (pointer.to_owned(), code.to_owned()), "{input}");
        }
        let other = app.tenant("other").await;
        let stolen = other.post(TEST, with(json!({"event_id": id}))).await;
        assert_eq!(stolen.text("/errors/0/code"), "unknown", "another tenant's event is none");
    }

    async fn trying_a_filter_on_the_log_needs_what_reading_the_log_needs(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.created"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        let body = json!({"name": "hooks", "scopes": ["webhooks.read"]});
        let key = acme.post("/api/v1/auth/api-keys", body).await;
        let limited = acme.client.with_key(key.text("/api_key"));
        let filter = json!({"field": "/data/email", "exists": true});
        let id = hook.arrivals()[0].id();
        let input = json!({"payload_filter": filter, "event_id": id});
        let refused = limited.post(TEST, &input).await.unwrap();
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::FORBIDDEN, "forbidden"), "{}", refused.json());
        let given = json!({"payload_filter": filter, "event": {"data": {"email": "x"}}});
        assert_eq!(limited.post(TEST, &given).await.unwrap().json()["matches"], true);
    }

    async fn an_event_that_cannot_be_compared_is_sent(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let made = acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.big"})).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let hook = filtered(&acme, json!({"field": "/data/n", "equals": 1})).await;
        for number in ["1.0", "2", "1e400"] {
            let body = format!("{{\"event_type\":\"custom.big\",\"event_data\":{{\"n\":{number}}}}}");
            let path = "/api/v1/webhooks/events";
            let taken = acme.client.send(http::Method::POST, path, body).await.unwrap();
            assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.json());
        }
        app.settle().await;
        let mut bodies: Vec<String> = hook
            .verified()
            .iter()
            .map(|arrival| String::from_utf8(arrival.body.to_vec()).unwrap())
            .collect();
        bodies.sort();
        assert_eq!(bodies.len(), 2, "an event too many is better than one lost");
        assert!(bodies.iter().any(|body| body.contains("\"n\":1e400")), "{bodies:?}");
    }
}
