//! Erasure: what is gone afterwards, what still arrives, and the receipt that says so.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidings_db::{DbError, Silent, ToValue, Value as Stored, work};
use tidings_kernel::{CustomerId, ErasureId, TenantId, Timestamp, Uuid};
use tidings_testkit::{Script, Tenant, TestApp, stories};

use crate::replays::{REPLAYS, SECOND, ended, replay};

tidings_db::statements! {
    /// Erasures of a tenant that are under way, as many as one likes.
    insert FLOOD = "erasures" (
        tenant_id uuid, id uuid, subject_id uuid, subject_text text, asked_by text,
        before_version int, before_at int, phase text, reached text, own_events int,
        mentioning_events int, deliveries_discarded int, attempts_cleared int,
        replies_replaced int, requested_at int, version int
    ), "";
}

const ERASURES: &str = "/api/v1/privacy/erasures";
const CANARY: &str = "Canaryname";

async fn person(acme: &Tenant, email: &str) -> String {
    let body = json!({"email": email, "first_name": CANARY, "last_name": "Lovelace"});
    let keyed = acme.client.with_header("idempotency-key", email);
    let made = keyed.post("/api/v1/customers", &body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    made.text("/id")
}

/// Time for an erasure to begin, to be done, and to be finished.
async fn finish(app: &TestApp) {
    app.advance(Duration::from_mins(1)).await;
    app.advance(Duration::from_mins(1)).await;
}

async fn the_only_receipt(acme: &Tenant) -> Value {
    let all = acme.get(ERASURES).await.json();
    assert_eq!(all["data"].as_array().unwrap().len(), 1, "{all}");
    let id = all["data"][0]["id"].as_str().unwrap();
    let receipt = acme.get(&format!("{ERASURES}/{id}")).await.json();
    assert_eq!(receipt, all["data"][0]);
    receipt
}

/// Has so many erasures of a tenant wait, which were asked for long ago.
async fn flood(app: &TestApp, acme: &Tenant, count: u128) {
    let tenant_id: TenantId = acme.id.parse().unwrap();
    let at = app.app.db.now().before(Duration::from_mins(30));
    let row = |number: u128| -> Vec<Stored> {
        let subject = CustomerId::from_uuid(Uuid::from_u128(number)).any();
        let id = ErasureId::from_uuid(Uuid::from_u128(number));
        let (nothing, ever): (i64, Timestamp) = (0, at);
        vec![
            tenant_id.to_value(),
            id.to_value(),
            subject.uuid.to_value(),
            subject.to_string().to_value(),
            "api".to_value(),
            i64::MAX.to_value(),
            ever.to_value(),
            "own_events".to_value(),
            "".to_value(),
            nothing.to_value(),
            nothing.to_value(),
            nothing.to_value(),
            nothing.to_value(),
            nothing.to_value(),
            ever.to_value(),
            1_i64.to_value(),
        ]
    };
    let rows: Vec<Vec<Stored>> = (1..=count).map(row).collect();
    let ctx = app.app.db.tenant_ctx("test", tenant_id).await.unwrap();
    let unit = work!([rows], |work| async move {
        work.silent(Silent::Purge).execute_many(&FLOOD, &rows).await
    });
    let written = app.app.db.write::<u64, DbError, _>(&ctx, unit).await.unwrap().into_inner();
    assert_eq!(u128::from(written), count);
}

/// Neither the database's file nor its log holds the canary; on a server there are no such files.
fn assert_no_bytes_are_left(app: &TestApp) {
    let Some(file) = app.app.db.file() else { return };
    for suffix in ["", "-wal"] {
        let path = format!("{}{suffix}", file.display());
        let bytes = std::fs::read(&path).unwrap_or_default();
        let at = bytes.windows(CANARY.len()).position(|part| part == CANARY.as_bytes());
        if let Some(at) = at {
            // What stands around it tells which table it is of.
            let around = &bytes[at.saturating_sub(400)..(at + 100).min(bytes.len())];
            panic!("the canary is in {path}, at {at}: {}", String::from_utf8_lossy(around));
        }
    }
}

stories! {
    async fn what_events_hold_of_a_subject_is_erased_everywhere(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.order"})).await;
        let hook = acme.receiver(&["customer.*", "custom.order"]).await;
        let (ada, grace) = (person(&acme, "ada@example.com").await, acme.customer("grace@example.com").await);
        for customer in [&ada, &grace] {
            let data = json!({"event_type": "custom.order", "event_data": {"buyer": customer}});
            acme.post("/api/v1/webhooks/events", data).await;
        }
        app.settle().await;
        hook.then(Script::status(500).body("you sent Canaryname"));
        acme.patch(&format!("/api/v1/customers/{ada}"), json!({"tier": "premium"})).await;
        app.settle().await;
        let preview = acme.post(&format!("{ERASURES}/preview"), json!({"subject_id": ada})).await;
        assert_eq!(preview.json(),
            json!({"own_events": 2, "mentioning_events": 1, "incomplete": false}));

        let asked = acme.post(ERASURES, json!({"subject_id": ada, "subject_type": "customer"})).await;
        assert_eq!((asked.status, asked.text("/status").as_str()), (StatusCode::ACCEPTED, "pending"));
        let before = hook.count();
        app.advance(Duration::from_secs(10)).await;
        assert_eq!(hook.count(), before, "from the moment that it is asked for, nothing is sent");
        finish(app).await;

        let receipt = the_only_receipt(&acme).await;
        assert_eq!(receipt["status"], "completed", "{receipt}");
        for (field, wanted) in [("own_events", 2), ("mentioning_events", 1), ("deliveries_discarded", 1), ("replies_replaced", 1), ("attempts_cleared", 1)] {
            assert_eq!(receipt[field], wanted, "{field} in {receipt}");
        }
        assert!(receipt["kept"].as_array().is_some_and(|kept| !kept.is_empty()));
        let log = acme.get("/api/v1/webhooks/events/log?after=0&limit=200").await.json();
        for row in log["data"].as_array().unwrap() {
            let of_erasure = row["type"].as_str().unwrap().starts_with("privacy.");
            assert!(of_erasure || !row.to_string().contains(&ada), "{row}");
        }
        let left = log.to_string();
        assert!(left.contains(&grace) && !left.contains(CANARY));
        let discarded = acme.get("/api/v1/webhooks/deliveries?status=discarded").await.json();
        assert_eq!(discarded["data"][0]["reason"], "erased", "{discarded}");
        let id = discarded["data"][0]["id"].as_str().unwrap();
        let attempts = acme.get(&format!("/api/v1/webhooks/deliveries/{id}/attempts")).await.json();
        assert_eq!((&attempts["data"][0]["status"], &attempts["data"][0]["response_body"]), (&json!(500), &Value::Null));
        let retry = acme.post(&format!("/api/v1/webhooks/deliveries/{id}/retry"), Value::Null).await;
        assert_eq!((retry.status, retry.problem().as_str()), (StatusCode::GONE, "payload_gone"));
        // The same request is not carried out once more, and its first reply is shown no more.
        let keyed = acme.client.with_header("idempotency-key", "ada@example.com");
        let body = json!({"email": "ada@example.com", "first_name": CANARY, "last_name": "Lovelace"});
        let again = keyed.post("/api/v1/customers", &body).await.unwrap();
        assert_eq!((again.status, again.problem().as_str()), (StatusCode::GONE, "payload_gone"));
    }

    async fn what_is_being_replayed_or_repeated_is_not_sent_once_erasure_was_asked_for(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let live = acme.receiver(&["customer.created"]).await;
        let mut ids = Vec::new();
        for number in 0..6 {
            ids.push(person(&acme, &format!("c{number}@example.com")).await);
        }
        app.settle().await;
        let hook = acme.receiver(&["customer.created"]).await;
        let fields = json!({"after_position": 0, "rate_per_second": 1});
        let made = replay(&acme, &hook, fields).await;
        app.settle().await;
        // Two are planned by now; the fourth is not, and has arrived once elsewhere.
        let erased = &ids[3];
        let path = format!("/api/v1/webhooks/deliveries?subject_id={erased}");
        let repeated = acme.get(&path).await.text("/data/0/id");
        assert_eq!(acme.post(ERASURES, json!({"subject_id": erased})).await.status, StatusCode::ACCEPTED);
        let before = live.count();
        acme.post(&format!("/api/v1/webhooks/deliveries/{repeated}/retry"), Value::Null).await;
        for _ in 0..8 {
            app.advance(SECOND).await;
        }

        let sent: Vec<Value> = hook.verified().iter().map(tidings_testkit::Arrival::json).collect();
        assert!(sent.iter().all(|event| event["subject"]["id"] != json!(erased)), "{sent:#?}");
        assert_eq!(sent.len(), 5, "the others arrive");
        assert_eq!(live.count(), before, "nor is it repeated by hand");
        let rows = acme.get(&path).await.json();
        let reasons: Vec<&Value> =
            rows["data"].as_array().unwrap().iter().map(|row| &row["reason"]).collect();
        assert_eq!(reasons.iter().filter(|reason| **reason == "erased").count(), 2, "{rows}");
        let view = ended(app, &acme, &made, SECOND).await;
        assert_eq!((&view["status"], &view["progress"]["failed"]), (&json!("completed"), &json!(1)));
        finish(app).await;
        assert_eq!(the_only_receipt(&acme).await["deliveries_discarded"], 2);
        // Once it is gone, a replay skips it, and another event of then is still sent.
        let again = replay(&acme, &hook, json!({"after_position": 0, "dry_run": true})).await;
        assert_eq!((&again["count"], &again["skipped"]), (&json!(5), &json!(1)));
        assert_eq!(acme.get(REPLAYS).await.json()["data"].as_array().unwrap().len(), 1);
    }

    async fn a_thousand_erasures_of_one_tenant_take_nothing_from_another(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        flood(app, &acme, 1_000).await;
        let hook = other.receiver(&["customer.created"]).await;
        hook.always(Script::status(500));
        let ada = person(&other, "ada@example.com").await;
        app.settle().await;
        let before = hook.count();
        let asked = other.post(ERASURES, json!({"subject_id": ada})).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED);
        app.advance(Duration::from_secs(10)).await;
        assert_eq!(hook.count(), before, "nothing is sent from the moment of asking");
        let rows = other.get("/api/v1/webhooks/deliveries").await;
        assert_eq!((rows.text("/data/0/status"), rows.text("/data/0/reason")),
            ("discarded".to_owned(), "erased".to_owned()));

        let refused = acme.post(ERASURES, json!({"subject_id": ada})).await;
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "limit_reached"));
        assert!(refused.text("/detail").contains("1000"), "{}", refused.json());
        finish(app).await;
        assert_eq!(the_only_receipt(&other).await["status"], "completed");
    }

    async fn several_are_erased_in_one_pass_and_each_has_its_own_receipt(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.order"})).await;
        let mut people = Vec::new();
        for number in 0..3 {
            people.push(person(&acme, &format!("c{number}@example.com")).await);
        }
        // More than a unit looks through, and more of one subject than a unit erases.
        let order = |number: usize| json!({"event_type": "custom.order", "event_data":
            {"number": number, "buyer": if number < 100 { &people[0] } else { &people[number % 3] }}});
        let orders: Vec<Value> = (0..400).map(order).collect();
        let taken = acme.post("/api/v1/webhooks/events/batch", json!({"events": orders})).await;
        assert_eq!(taken.status, StatusCode::ACCEPTED, "{}", taken.json());
        app.settle().await;
        let mut ids = Vec::new();
        for person in &people {
            ids.push(acme.post(ERASURES, json!({"subject_id": person})).await.text("/id"));
        }
        finish(app).await;

        for (id, mentioning) in ids.iter().zip([200, 100, 100]) {
            let receipt = acme.get(&format!("{ERASURES}/{id}")).await.json();
            assert_eq!((&receipt["status"], &receipt["own_events"], &receipt["mentioning_events"],
                &receipt["replies_replaced"]),
                (&json!("completed"), &json!(1), &json!(mentioning), &json!(1)), "{receipt}");
        }
        let found = acme.get("/api/v1/webhooks/events/search?q=buyer").await.json();
        assert_eq!(found["data"], json!([]), "nothing is left");
    }

    async fn an_id_that_is_written_with_escapes_is_erased_too(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.post("/api/v1/webhooks/event-types", json!({"event_type": "custom.order"})).await;
        let ada = person(&acme, "ada@example.com").await;
        let escaped = ada.replacen("cus_", r"\u0063us\u005f", 1);
        let body = json!({"event_type": "custom.order", "event_data": {"buyer": "BUYER"}});
        let body = body.to_string().replace("BUYER", &escaped);
        let published = acme.client.send(Method::POST, "/api/v1/webhooks/events", body).await.unwrap();
        assert_eq!(published.status, StatusCode::ACCEPTED, "{}", published.json());
        app.settle().await;
        acme.post(ERASURES, json!({"subject_id": ada})).await;
        finish(app).await;
        assert_eq!(the_only_receipt(&acme).await["mentioning_events"], 1);
    }

    async fn it_can_be_asked_for_again_and_finds_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ada = person(&acme, "ada@example.com").await;
        for round in 0..2 {
            let id = acme.post(ERASURES, json!({"subject_id": ada})).await.text("/id");
            finish(app).await;
            let receipt = acme.get(&format!("{ERASURES}/{id}")).await.json();
            assert_eq!((&receipt["status"], &receipt["own_events"]), (&json!("completed"), &json!(1 - round)));
        }
        let first = acme.get(&format!("{ERASURES}?limit=1")).await;
        let next = acme.get(&format!("{ERASURES}?limit=1&cursor={}", first.text("/next_cursor"))).await;
        assert_ne!(first.text("/data/0/id"), next.text("/data/0/id"));
        let told = acme.log().await.iter().filter(|name| *name == "privacy.erasure.completed").count();
        assert_eq!(told, 2);
    }

    async fn a_customer_deleted_for_good_leaves_no_byte_and_the_deletion_still_arrives(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.*"]).await;
        for number in 0..40 {
            acme.customer(&format!("c{number}@example.com")).await;
        }
        // What is said of others is not this person's.
        app.settle().await;
        hook.always(Script::status(500).body("you sent Canaryname"));
        let ada = person(&acme, "ada@example.com").await;
        let path = format!("/api/v1/customers/{ada}");
        acme.post(&format!("{path}/notes"), json!({"content": "she is called Canaryname"})).await;
        acme.patch(&path, json!({"company_name": "Canaryname and daughters"})).await;
        acme.patch(&path, json!({"company_name": "Canaryname & sons"})).await;
        app.settle().await;
        app.clock.advance(Duration::from_secs(1));
        // The deletion itself names nobody, and neither does what is answered to it.
        hook.always(Script::status(500));
        assert_eq!(acme.delete(&format!("{path}?hard_delete=true")).await.status, StatusCode::NO_CONTENT);
        app.settle().await;
        hook.always(Script::status(200));
        let before = hook.count();
        finish(app).await;

        let after: Vec<String> = hook.names().split_off(before);
        assert!(!after.contains(&"customer.updated".to_owned()), "{after:?}");
        assert_eq!(after.iter().filter(|name| *name == "customer.deleted").count(), 1, "{after:?}");
        let receipt = the_only_receipt(&acme).await;
        assert_eq!((&receipt["status"], &receipt["asked_by"]), (&json!("completed"), &json!("customer.deleted")));
        assert_no_bytes_are_left(app);
    }

    async fn an_anonymized_customer_and_one_whose_time_is_up_are_erased_too(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let ada = person(&acme, "ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_secs(1)).await;
        let hook = acme.receiver(&["customer.updated"]).await;
        acme.post(&format!("/api/v1/customers/{ada}/anonymize"), json!({})).await;
        finish(app).await;
        assert_eq!(the_only_receipt(&acme).await["asked_by"], "customer.anonymized");
        assert_eq!(hook.verified().len(), 1, "that it became anonymous is told");

        let other = app.tenant("other").await;
        let grace = person(&other, "grace@example.com").await;
        app.advance(Duration::from_secs(1)).await;
        other.delete(&format!("/api/v1/customers/{grace}")).await;
        finish(app).await;
        assert_eq!(other.get(ERASURES).await.json()["data"], json!([]), "it can still be restored");
        app.advance(Duration::from_hours(24 * 31)).await;
        finish(app).await;
        assert_eq!(the_only_receipt(&other).await["asked_by"], "customer.erased");
        assert_no_bytes_are_left(app);
    }

    async fn what_cannot_be_erased_is_refused_where_it_is_wrong(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let hook = acme.receiver(&["customer.created"]).await;
        let ada = person(&acme, "ada@example.com").await;
        app.settle().await;
        for (body, pointer) in [
            (json!({"subject_id": "ada@example.com"}), "/subject_id"),
            (json!({"subject_id": "cus_1"}), "/subject_id"),
            (json!({"subject_id": ""}), "/subject_id"),
            (json!({"subject_id": 7}), "/subject_id"),
            (json!({}), "/subject_id"),
            (json!({"subject_id": ada, "subject_type": "invoice"}), "/subject_type"),
            (json!({"subject_id": ada, "everything": true}), "/everything"),
        ] {
            for path in [ERASURES.to_owned(), format!("{ERASURES}/preview")] {
                let refused = acme.post(&path, body.clone()).await;
                assert_eq!(refused.problem(), "validation_failed", "{path} {body}");
                assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{}", refused.json());
            }
        }
        let asked = other.post(ERASURES, json!({"subject_id": ada})).await;
        assert_eq!(asked.status, StatusCode::ACCEPTED, "whether it is known elsewhere is not told");
        finish(app).await;
        let receipt = the_only_receipt(&other).await;
        assert_eq!((&receipt["status"], &receipt["own_events"]), (&json!("completed"), &json!(0)));
        let path = format!("/api/v1/webhooks/events/log/{}", hook.arrivals()[0].id());
        assert!(acme.get(&path).await.json()["event"].is_object(), "the owner's is untouched");
        let reader = json!({"name": "reader", "scopes": ["privacy.read"]});
        let key = acme.post("/api/v1/auth/api-keys", reader).await;
        let reader = acme.client.with_key(key.text("/api_key"));
        let refused = reader.post(ERASURES, &json!({"subject_id": ada})).await.unwrap();
        assert_eq!(refused.problem(), "forbidden");
    }
}
