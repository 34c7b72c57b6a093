//! Custom events: types with schemas, publishing, batches, the publisher's own ids.

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{Tenant, stories};

async fn shipped(acme: &Tenant) {
    let body = json!({
        "event_type": "custom.order.shipped",
        "description": "an order left the house",
        "schema": {"type": "object", "required": ["order"],
            "properties": {"order": {"type": "string"}, "weight": {"type": "number"}}},
        "example": {"order": "1"},
    });
    let made = acme.post("/api/v1/webhooks/event-types", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
}

stories! {
    async fn a_custom_event_arrives_as_it_was_published(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let hook = acme.receiver(&["custom.*"]).await;
        let body = "{\"event_type\":\"custom.order.shipped\",\"event_id\":\"order-1\",\
            \"event_data\":{\"order\":\"1\",\"weight\":1.10},\"metadata\":{\"shop\":\"north\"}}";
        let published =
            acme.client.send(http::Method::POST, "/api/v1/webhooks/events", body).await.unwrap();
        assert_eq!(published.status, StatusCode::ACCEPTED, "{}", published.json());
        assert_eq!(published.json()["duplicate"], false);
        app.settle().await;
        let arrival = &hook.verified()[0];
        assert_eq!(arrival.id(), published.text("/id"));
        let text = String::from_utf8(arrival.body.to_vec()).unwrap();
        assert!(text.contains("\"weight\":1.10"), "numbers keep their digits: {text}");
        assert_eq!(arrival.json()["custom_metadata"], json!({"shop": "north"}));
    }

    async fn the_same_event_id_publishes_once(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let hook = acme.receiver(&["custom.*"]).await;
        let event = |order: &str| json!({"event_type": "custom.order.shipped",
            "event_id": "order-1", "event_data": {"order": order}});
        let first = acme.post("/api/v1/webhooks/events", event("1")).await;
        let again = acme.post("/api/v1/webhooks/events", event("1")).await;
        assert_eq!(again.text("/id"), first.text("/id"));
        assert_eq!(again.json()["duplicate"], true);
        let other = acme.post("/api/v1/webhooks/events", event("2")).await;
        assert_eq!(other.problem(), "event_id_reused");
        app.settle().await;
        assert_eq!(hook.arrivals().len(), 1);
    }

    async fn publishers_at_once_lose_nothing_and_repeat_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let hook = acme.receiver(&["custom.*"]).await;
        // Forty of their own, twenty that are one, and ten with its id and another body.
        let mut publishers = tokio::task::JoinSet::new();
        for number in 0..70 {
            let client = acme.client.clone();
            let (id, order) = match number {
                0..40 => (format!("order-{number}"), number.to_string()),
                40..60 => ("the-one".to_owned(), "one".to_owned()),
                _ => ("the-one".to_owned(), "another".to_owned()),
            };
            publishers.spawn(async move {
                let body = json!({"event_type": "custom.order.shipped", "event_id": id,
                    "event_data": {"order": order}});
                let answer = client.post("/api/v1/webhooks/events", &body).await.unwrap();
                (order, answer)
            });
        }
        let answers = publishers.join_all().await;
        let mut fresh = 0;
        for (order, answer) in &answers {
            if answer.status == StatusCode::ACCEPTED {
                fresh += usize::from(answer.json()["duplicate"] == false);
            } else {
                assert_eq!(answer.problem(), "event_id_reused", "{order}: {}", answer.json());
            }
        }
        assert_eq!(fresh, 41, "each once, and one of those that share an id");
        let of = |name: &str| {
            let same: std::collections::BTreeSet<String> = answers
                .iter()
                .filter(|(order, answer)| order == name && answer.status == StatusCode::ACCEPTED)
                .map(|(_, answer)| answer.text("/id"))
                .collect();
            same
        };
        assert_eq!(of("one").len() + of("another").len(), 1, "one event, whoever was first");
        app.settle().await;
        let arrived: std::collections::BTreeSet<String> =
            hook.verified().iter().map(tidings_testkit::Arrival::id).collect();
        assert_eq!((arrived.len(), hook.count()), (41, 41));
    }

    async fn data_that_does_not_fit_is_refused_with_a_pointer(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let body = json!({"event_type": "custom.order.shipped", "event_data": {"order": 1}});
        let refused = acme.post("/api/v1/webhooks/events", body).await;
        assert_eq!(refused.problem(), "validation_failed");
        assert_eq!(refused.text("/errors/0/pointer"), "/event_data/order");
        for name in ["custom.order.shiped", "customer.created", "custom", "nonsense"] {
            let body = json!({"event_type": name, "event_data": {}});
            let refused = acme.post("/api/v1/webhooks/events", body).await;
            assert_eq!(refused.problem(), "unknown_event_type", "{name}");
        }
        let remote = json!({"event_type": "custom.remote",
            "schema": {"$ref": "http://127.0.0.1:1/schema.json"}});
        let refused = acme.post("/api/v1/webhooks/event-types", remote).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    async fn a_batch_is_all_or_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let hook = acme.receiver(&["custom.order.shipped"]).await;
        let event = |order| json!({"event_type": "custom.order.shipped",
            "event_data": {"order": order}});
        let mut late = event(json!("4"));
        late["schema_version"] = json!(7);
        let bad = json!({"events": [event(json!("1")), event(json!(2)), event(json!(3)), late]});
        let refused = acme.post("/api/v1/webhooks/events/batch", bad).await;
        let json = refused.json();
        let places: Vec<_> =
            json["errors"].as_array().unwrap().iter().map(|e| e["pointer"].clone()).collect();
        assert_eq!(places, ["/events/1/event_data/order", "/events/2/event_data/order",
            "/events/3/schema_version"], "all faults at once");
        let events: Vec<_> = (0..100).map(|n| event(json!(n.to_string()))).collect();
        let taken = acme.post("/api/v1/webhooks/events/batch", json!({"events": events})).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED);
        assert_eq!(taken.json()["data"].as_array().unwrap().len(), 100);
        app.settle().await;
        assert_eq!(hook.verified().len(), 100);
    }

    async fn a_changed_schema_is_a_new_version(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let path = "/api/v1/webhooks/event-types/custom.order.shipped";
        let same = acme.patch(path, json!({"description": "left"})).await;
        assert_eq!(same.json()["schema_version"], 1);
        let open = json!({"schema": {"type": "object"}, "allow_breaking": true});
        let changed = acme.patch(path, open).await;
        assert_eq!(changed.json()["schema_version"], 2, "{}", changed.json());
        let hook = acme.receiver(&["custom.order.shipped"]).await;
        let body = json!({"event_type": "custom.order.shipped", "event_data": {}});
        acme.post("/api/v1/webhooks/events", body).await;
        app.settle().await;
        assert_eq!(hook.verified()[0].json()["schema_version"], 2);
    }
}
