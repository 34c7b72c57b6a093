//! From the document of the API: no text of any operation takes a control character, on either engine.
//! PostgreSQL cannot store the first of them, so a text without the rule is a fault of ours there.

use http::Method;
use serde_json::{Map, Value, json};
use tidings_testkit::{Tenant, TestApp, stories};
use tidings_web::Access;

/// What no text may hold.
const BAD: &str = "a\u{0}b";

/// What an operation would take, so that only the text is wrong.
fn body(operation: &str, customer: &str) -> Value {
    match operation {
        "createApiKey" => json!({"name": "shop", "scopes": ["customer.read"]}),
        "createCustomer" => {
            json!({"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"})
        }
        "createSegment" => json!({"name": "all", "criteria": {}, "is_dynamic": false}),
        "recordCustomerActivity" => json!({"activity_type": "contact_made", "title": "called"}),
        "addCustomerNote" => json!({"content": "hello"}),
        "recordCustomerConsent" => json!({"purpose": "marketing", "decision": "granted"}),
        "addCustomerContact" => json!({"role": "billing", "name": "Grace"}),
        "recordPurchase" => json!({"amount": 1, "currency": "EUR"}),
        "setCustomerStatus" => json!({"status": "active"}),
        "createTenant" => json!({"name": "Acme"}),
        "requestErasure" | "previewErasure" => json!({"subject_id": customer}),
        "registerEventType" => json!({"event_type": "custom.other"}),
        "publishEvent" => json!({"event_type": "custom.thing", "event_data": {}}),
        "publishEvents" => json!({"events": [{"event_type": "custom.thing", "event_data": {}}]}),
        "createWebhookSubscription" => {
            json!({"url": "https://hooks.example.com/", "events": ["customer.created"]})
        }
        _ => json!({}),
    }
}

/// The schema itself, where this is a reference or one of several.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return resolved(document, document.pointer(&reference[1..]).unwrap());
    }
    let choices = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array());
    let told = choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null"));
    told.map_or(schema, |choice| resolved(document, choice))
}

fn is(schema: &Value, wanted: &str) -> bool {
    let kind = &schema["type"];
    kind == wanted || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == wanted))
}

/// Bodies that are right but for one text, each with the pointer to that.
fn spoilt(document: &Value, schema: &Value, base: &Value, at: &str) -> Vec<(String, Value)> {
    let nothing = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&nothing);
    let mut out = Vec::new();
    for (name, property) in properties {
        let (property, pointer) = (resolved(document, property), format!("{at}/{name}"));
        let inside = &base[name];
        let values: Vec<(String, Value)> = if is(property, "string") {
            vec![(pointer, json!(BAD))]
        } else if is(property, "array") {
            let items = resolved(document, &property["items"]);
            if is(items, "string") {
                vec![(pointer, json!([BAD]))]
            } else {
                spoilt(document, items, &inside[0], &format!("{pointer}/0"))
                    .into_iter()
                    .map(|(pointer, item)| (pointer, json!([item])))
                    .collect()
            }
        } else if property["additionalProperties"].is_object() {
            vec![(pointer.clone(), json!({"key": BAD})), (pointer, json!({BAD: "value"}))]
        } else {
            spoilt(document, property, inside, &pointer)
        };
        for (pointer, value) in values {
            let mut whole = if base.is_object() { base.clone() } else { json!({}) };
            whole[name] = value;
            out.push((pointer, whole));
        }
    }
    out
}

/// A customer, and paths with ids of what there is.
async fn world(app: &TestApp, acme: &Tenant) -> (String, impl Fn(&str) -> String) {
    let hook = acme.receiver(&["customer.created"]).await;
    let customer = acme.customer("grace@example.com").await;
    let number = acme.get(&format!("/api/v1/customers/{customer}")).await.text("/customer_number");
    acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.thing"})).await;
    app.settle().await;
    let delivery = acme.get("/api/v1/webhooks/deliveries").await.text("/data/0/id");
    let event = hook.arrivals()[0].id();
    let (tenant, ada) = (acme.id.clone(), customer.clone());
    let path_of = move |path: &str| {
        let id = match path.split('/').nth(3) {
            Some("tenants") => tenant.as_str(),
            Some("customers") if path.contains("/by-number/") => &number,
            Some("customers") => &ada,
            Some("webhooks") if path.contains("/deliveries/") => &delivery,
            Some("webhooks") if path.contains("/events/log/") => &event,
            Some("webhooks") if path.contains("/subscriptions/") => &hook.subscription_id,
            Some(_) | None => "custom.thing",
        };
        filled(path, id)
    };
    (customer, path_of)
}

fn filled(path: &str, id: &str) -> String {
    match (path.find('{'), path.find('}')) {
        (Some(start), Some(end)) => format!("{}{id}{}", &path[..start], &path[end + 1..]),
        _ => path.to_owned(),
    }
}

stories! {
    async fn no_text_takes_a_control_character(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let document = &app.app.openapi;
        let (customer, path_of) = world(app, &acme).await;
        let before = acme.log().await;
        let (mut texts, mut parameters, mut paths) = (0, 0, 0);
        for operation in &app.app.operations {
            let (id, method) = (operation.id, operation.method.clone());
            let client = match operation.access {
                Access::Operator => &app.operator,
                Access::Needs(_) | Access::Public | Access::Optional(_) => &acme.client,
            };
            let described =
                &document["paths"][operation.path][method.as_str().to_ascii_lowercase()];
            let path = path_of(operation.path);
            let content = &described["requestBody"]["content"]["application/json"];
            let schema = resolved(document, &content["schema"]);
            for (pointer, spoilt) in spoilt(document, schema, &body(id, &customer), "") {
                let sent = spoilt.to_string();
                let answer = client.send(method.clone(), &path, sent.clone()).await.unwrap();
                let told = answer.json();
                assert!(answer.status.is_client_error(), "{id} takes {sent}: {told}");
                let faults = told["errors"].as_array().cloned().unwrap_or_default();
                let shown = |fault: &Value| fault["pointer"].as_str().unwrap().starts_with(&pointer);
                assert!(
                    faults.iter().any(shown) || answer.problem() == "unknown_event_type",
                    "{id}: {pointer} is not told of (where {id} needs another field, give it in `body`): \
                     {told}"
                );
                texts += 1;
            }
            let none = Vec::new();
            for parameter in described["parameters"].as_array().unwrap_or(&none) {
                let name = parameter["name"].as_str().unwrap();
                if parameter["in"] != "query" { continue }
                let asked = format!("{path}?{name}=a%00b");
                let answer =
                    client.send(method.clone(), &asked, body(id, &customer).to_string()).await.unwrap();
                assert_eq!(answer.problem(), "validation_failed", "{method} {asked}");
                assert_eq!(answer.text("/errors/0/pointer"), format!("?{name}"), "{asked}");
                parameters += 1;
            }
            if operation.path.contains('{') {
                let asked = filled(operation.path, "a%00b");
                let sent = if method == Method::GET { String::new() } else { body(id, &customer).to_string() };
                let answer = client.send(method.clone(), &asked, sent).await.unwrap();
                assert_eq!(answer.problem(), "not_found", "{method} {asked}");
                paths += 1;
            }
        }
        assert!(texts > 100 && parameters > 40 && paths > 30, "{texts} {parameters} {paths}");
        app.settle().await;
        assert_eq!(acme.log().await, before, "nothing happened");
    }

    async fn a_text_of_many_lines_keeps_them(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let customer = acme.customer("ada@example.com").await;
        let notes = format!("/api/v1/customers/{customer}/notes");
        let note = acme.post(&notes, json!({"content": "one\n\ttwo"})).await;
        assert_eq!(note.text("/content"), "one\n\ttwo");
        let refused = acme.post(&notes, json!({"content": "one", "subject": "a\nb"})).await;
        assert_eq!(refused.text("/errors/0/pointer"), "/subject");
    }
}
