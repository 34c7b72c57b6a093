//! From the document of the API: another tenant's ids answer like absent ones, on every operation.

use http::{Method, StatusCode};
use serde_json::json;
use tidings_testkit::stories;
use tidings_web::Access;

/// A body that each changing operation would take from its owner.
fn body(id: &str) -> serde_json::Value {
    match id {
        "updateCustomer" => json!({"tier": "premium"}),
        "setCustomerStatus" | "changeCustomerStatus" => json!({"status": "active"}),
        "addCustomerNote" => json!({"content": "hello"}),
        "recordCustomerActivity" => {
            json!({"activity_type": "contact_made", "title": "called"})
        }
        "recordCustomerConsent" => json!({"purpose": "updates", "decision": "withdrawn"}),
        "addCustomerContact" => json!({"role": "billing", "name": "Grace"}),
        "recordPurchase" => json!({"amount": 1, "currency": "EUR"}),
        "updateWebhookSubscription" | "updateEventType" => json!({"description": "theirs"}),
        _ => json!({}),
    }
}

stories! {
    async fn a_foreign_id_and_an_absent_one_are_the_same(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let hook = acme.receiver(&["customer.created"]).await;
        let customer = acme.customer("ada@example.com").await;
        let custom = json!({"event_type": "custom.thing", "description": "a thing"});
        acme.post("/api/v1/webhooks/event-types", custom).await;
        let segment = json!({"name": "all", "criteria": {}, "is_dynamic": false});
        let segment = acme.post("/api/v1/customers/segments", segment).await.text("/id");
        let replay = json!({"subscription_id": hook.subscription_id, "after_position": 0});
        let replay = acme.post("/api/v1/webhooks/replays", replay).await.text("/id");
        let contact = format!("/api/v1/customers/{customer}/contacts");
        let contact = acme.post(&contact, json!({"role": "billing", "name": "Grace"})).await;
        let contact = contact.text("/id");
        app.settle().await;
        let delivery = acme.get("/api/v1/webhooks/deliveries").await.text("/data/0/id");
        let event = hook.arrivals()[0].id();
        let key = acme.get("/api/v1/auth/api-keys").await.text("/data/0/id");
        let number = acme.get(&format!("/api/v1/customers/{customer}")).await
            .text("/customer_number");
        let erasure = json!({"subject_id": "cus_01h455vb4pex5vsknk084sn02q"});
        let erasure = acme.post("/api/v1/privacy/erasures", erasure).await.text("/id");
        app.settle().await;
        let log_before = acme.log().await;

        let mut walked = 0;
        for operation in &app.app.operations {
            let Access::Needs(_) = operation.access else { continue };
            if !operation.path.contains('{') { continue }
            let id = if operation.path.contains("/by-number/") {
                number.clone()
            } else if operation.path.contains("/segments/") {
                segment.clone()
            } else if operation.path.contains("/customers/contacts/") {
                contact.clone()
            } else if operation.path.contains("/customers/") {
                customer.clone()
            } else if operation.path.contains("/replays/") {
                replay.clone()
            } else if operation.path.contains("/subscriptions/") {
                hook.subscription_id.clone()
            } else if operation.path.contains("/deliveries/") {
                delivery.clone()
            } else if operation.path.contains("/events/log/") {
                event.clone()
            } else if operation.path.contains("/api-keys/") {
                key.clone()
            } else if operation.path.contains("/erasures/") {
                erasure.clone()
            } else if operation.path.contains("event_type") {
                "custom.thing".to_owned()
            } else {
                panic!("{} {}: say which id it takes", operation.method, operation.path)
            };
            let start = operation.path.find('{').unwrap();
            let end = operation.path.find('}').unwrap();
            let path = format!("{}{id}{}", &operation.path[..start], &operation.path[end + 1..]);
            let sent = if operation.method == Method::GET {
                String::new()
            } else {
                body(operation.id).to_string()
            };
            let answer = other.client.send(operation.method.clone(), &path, sent).await.unwrap();
            assert_eq!(
                answer.status, StatusCode::NOT_FOUND,
                "{} {path} as another tenant: {}", operation.method, answer.json()
            );
            assert_eq!(answer.problem(), "not_found", "{path}");
            walked += 1;
        }
        assert!(walked > 20, "only {walked} operations were walked");
        app.settle().await;
        assert_eq!(acme.log().await, log_before, "nothing happened to the owner");
    }

    async fn an_event_reaches_no_other_tenants_endpoint(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let theirs = other.receiver(&["*"]).await;
        let ours = acme.receiver(&["*"]).await;
        acme.customer("ada@example.com").await;
        app.settle().await;
        assert!(theirs.arrivals().is_empty());
        assert!(ours.names().contains(&"customer.created".to_owned()));
    }

    async fn a_cursor_of_another_list_or_tenant_is_refused(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        for number in 0..3 {
            acme.customer(&format!("c{number}@example.com")).await;
            other.customer(&format!("c{number}@example.com")).await;
        }
        let page = acme.get("/api/v1/customers?limit=1").await;
        let cursor = page.text("/next_cursor");
        let next = acme.get(&format!("/api/v1/customers?limit=1&cursor={cursor}")).await;
        assert_eq!(next.status, StatusCode::OK);
        assert_ne!(next.text("/data/0/id"), page.text("/data/0/id"));
        for path in [
            format!("/api/v1/customers?limit=1&status=active&cursor={cursor}"),
            format!("/api/v1/webhooks/subscriptions?cursor={cursor}"),
            format!("/api/v1/customers?cursor={}x", &cursor[..cursor.len() - 1]),
        ] {
            let refused = acme.get(&path).await;
            assert_eq!(refused.problem(), "invalid_cursor", "{path}");
        }
        let stolen = other.get(&format!("/api/v1/customers?limit=1&cursor={cursor}")).await;
        assert_eq!(stolen.problem(), "invalid_cursor");
    }
}
