//! Custom event types: how their schemas change, what is made of them, and the document of them.

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Tenant, stories};

const TYPE: &str = "/api/v1/webhooks/event-types/custom.order.shipped";

async fn shipped(acme: &Tenant) {
    let body = json!({
        "event_type": "custom.order.shipped",
        "description": "an order left the house",
        "schema": {"type": "object", "required": ["order"], "properties": {
            "order": {"type": "string"}, "weight": {"type": "number"}}},
    });
    let made = acme.post("/api/v1/webhooks/event-types", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
}

fn schema(weight: &Value) -> Value {
    json!({"type": "object", "required": ["order"],
        "properties": {"order": {"type": "string"}, "weight": weight}})
}

stories! {
    async fn a_schema_that_breaks_somebody_is_refused_with_each_place(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let broken = json!({"type": "object", "required": ["order", "to"],
            "properties": {"order": {"type": "integer"}, "to": {"type": "string"}}});
        let refused = acme.patch(TYPE, json!({"schema": broken})).await;
        assert_eq!(refused.problem(), "validation_failed");
        let json = refused.json();
        let errors = json["errors"].as_array().unwrap();
        let found: Vec<(&str, &str)> = errors
            .iter()
            .map(|e| (e["pointer"].as_str().unwrap(), e["code"].as_str().unwrap()))
            .collect();
        assert_eq!(found, [
            ("/schema/properties/order/type", "breaking"),
            ("/schema/properties/order/type", "breaking"),
            ("/schema/properties/weight", "breaking"),
            ("/schema/required", "breaking"),
        ]);
        assert!(errors[0]["message"].as_str().unwrap().contains("allow_breaking: true"));
        assert_eq!(acme.get("/api/v1/webhooks/events/custom.order.shipped").await.json()
            ["schema_version"], 1, "nothing has changed");

        let asked = json!({"schema": broken, "allow_breaking": true});
        let changed = acme.patch(TYPE, asked).await;
        assert_eq!((changed.status, &changed.json()["schema_version"]),
            (StatusCode::OK, &json!(2)), "{}", changed.json());
        assert_eq!(changed.json()["example"], json!({"order": 1, "to": "text"}), "made again");
    }

    async fn a_safe_change_needs_no_permission(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let mut more = schema(&json!({"type": "number"}));
        more["properties"]["carrier"] = json!({"type": "string"});
        let changed = acme.patch(TYPE, json!({"schema": more})).await;
        assert_eq!(changed.json()["schema_version"], 2, "{}", changed.json());
        let same = acme.patch(TYPE, json!({"schema": more})).await;
        assert_eq!(same.json()["schema_version"], 2, "no change, no version");
    }

    async fn a_difference_is_shown_before_it_is_made(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let compare = format!("{TYPE}/compare");
        let mut more = schema(&json!({"type": "integer"}));
        more["properties"]["carrier"] = json!({"type": "string"});
        let diff = acme.post(&compare, json!({"schema": more})).await;
        assert_eq!(diff.status, StatusCode::OK, "{}", diff.json());
        let diff = diff.json();
        assert_eq!((&diff["breaking"], &diff["from_version"], &diff["to_version"]),
            (&json!(true), &json!(1), &Value::Null));
        let rows: Vec<_> = diff["changes"].as_array().unwrap().iter()
            .map(|row| json!([row["pointer"], row["class"], row["breaks"]])).collect();
        assert_eq!(rows, [
            json!(["/properties/carrier", "safe", []]),
            json!(["/properties/weight/type", "breaking", ["publishers"]]),
        ]);
        acme.patch(TYPE, json!({"schema": more, "allow_breaking": true})).await;
        let back = acme.post(&compare, json!({"from_version": 2, "to_version": 1})).await.json();
        assert_eq!(back["changes"][1]["breaks"], json!(["receivers"]), "{back}");
        for (body, pointer) in [
            (json!({}), "/schema"),
            (json!({"schema": {"type": "wrong"}}), "/schema"),
            (json!({"to_version": 9}), "/to_version"),
            (json!({"from_version": 0, "to_version": 1}), "/from_version"),
        ] {
            let refused = acme.post(&compare, body).await;
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{}", refused.json());
        }
        assert_eq!(acme.get("/api/v1/webhooks/event-types/custom.none/versions").await.status,
            StatusCode::NOT_FOUND);
    }

    async fn an_old_version_can_be_read_and_published(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let change = json!({"schema": schema(&json!({"type": "integer"})), "allow_breaking": true});
        acme.patch(TYPE, change).await;
        let versions = acme.get(&format!("{TYPE}/versions?limit=1")).await.json();
        assert_eq!(versions["data"][0]["schema_version"], 2);
        let cursor = versions["next_cursor"].as_str().unwrap();
        let older = acme.get(&format!("{TYPE}/versions?limit=1&cursor={cursor}")).await.json();
        assert_eq!(older["data"][0]["schema"]["properties"]["weight"]["type"], "number");
        assert_eq!(older["next_cursor"], Value::Null);

        let hook = acme.receiver(&["custom.*"]).await;
        let event = |version: Value| json!({"event_type": "custom.order.shipped",
            "schema_version": version, "event_data": {"order": "1", "weight": 1.5}});
        let refused = acme.post("/api/v1/webhooks/events", event(json!(2))).await;
        assert_eq!(refused.text("/errors/0/pointer"), "/event_data/weight");
        let unknown = acme.post("/api/v1/webhooks/events", event(json!(3))).await;
        assert_eq!(unknown.text("/errors/0/pointer"), "/schema_version");
        let taken = acme.post("/api/v1/webhooks/events", event(json!(1))).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.json());
        app.settle().await;
        assert_eq!(hook.verified()[0].json()["schema_version"], 1);
    }

    async fn an_example_is_made_where_none_is_given(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let made = acme.get("/api/v1/webhooks/events/custom.order.shipped").await.json();
        assert_eq!(made["example"], json!({"order": "text", "weight": 1.5}));
        assert_eq!(made["example_missing"], Value::Null);

        let own = json!({"example": {"order": "A-1"}});
        assert_eq!(acme.patch(TYPE, own).await.json()["example"], json!({"order": "A-1"}));
        let stricter = json!({"type": "object", "required": ["order"],
            "properties": {"order": {"type": "string", "maxLength": 2}}});
        let body = json!({"schema": stricter, "allow_breaking": true});
        let refused = acme.patch(TYPE, body).await;
        assert_eq!(refused.text("/errors/0/pointer"), "/example/order",
            "an example that somebody gave is theirs to replace");

        let wrong = json!({"event_type": "custom.wrong", "schema": stricter, "example": {}});
        let refused = acme.post("/api/v1/webhooks/event-types", wrong).await;
        assert_eq!(refused.text("/errors/0/pointer"), "/example");

        let riddle = json!({"event_type": "custom.riddle", "schema": {"required": ["a"],
            "properties": {"a": {"type": "string", "not": {"type": "string"}}}}});
        let made = acme.post("/api/v1/webhooks/event-types", riddle).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        assert_eq!(made.json()["example"], Value::Null);
        let why = made.text("/example_missing");
        assert!(why.starts_with("/a: ") && why.contains("PATCH"), "{why}");
    }

    async fn a_type_is_deprecated_and_taken_back(app: &TestApp) {
        let acme = app.tenant("acme").await;
        shipped(&acme).await;
        let deprecated = acme.patch(TYPE, json!({"deprecated": true})).await.json();
        assert_eq!(deprecated["deprecated_at"], "2026-11-23T12:00:00.000000Z");
        assert_eq!(deprecated["schema_version"], 1);
        let event = json!({"event_type": "custom.order.shipped", "event_data": {"order": "1"}});
        let taken = acme.post("/api/v1/webhooks/events", event).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "what is deprecated still works");
        let again = acme.patch(TYPE, json!({"deprecated": false})).await.json();
        assert_eq!(again["deprecated_at"], Value::Null);
    }

    async fn the_asyncapi_document_has_the_catalog_and_the_tenants_own(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        shipped(&acme).await;
        let nobody = app.anonymous().get("/api/v1/asyncapi.json").await.unwrap();
        assert_eq!(nobody.status, StatusCode::OK);
        let nobody = nobody.json();
        assert_eq!(nobody["asyncapi"], "3.0.0");
        let catalog: Vec<_> = tidings_events::EventType::public().collect();
        for event_type in &catalog {
            assert!(nobody["channels"][event_type.name()].is_object(), "{event_type}");
        }
        assert_eq!(nobody["channels"].as_object().unwrap().len(), catalog.len());

        let own = acme.get("/api/v1/asyncapi.json").await.json();
        let message = &own["components"]["messages"]["custom.order.shipped"];
        assert_eq!(message["payload"]["schema"]["properties"]["data"]["required"], json!(["order"]));
        assert_eq!(message["examples"][0]["payload"]["data"]["order"], "text");
        let theirs = other.get("/api/v1/asyncapi.json").await.json();
        assert_eq!(theirs, nobody, "another tenant's types are its own");

        let wrong = app.anonymous().with_key("tk_wrong");
        let refused = wrong.get("/api/v1/asyncapi.json").await.unwrap();
        assert_eq!(refused.problem(), "unauthenticated", "a credential is looked at where it is sent");
        let operator = app.operator.get("/api/v1/asyncapi.json").await.unwrap();
        assert_eq!(operator.json(), nobody);
    }
}
