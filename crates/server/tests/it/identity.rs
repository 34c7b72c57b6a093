//! Tenants and keys.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tidings_testkit::{Client, Ran, StatementLog, TestApp, TestEngine, stories};

/// What is stored before it is certain that the start comes to its end is lost if it does not: the
/// text of the operator's key is in no other place.
#[tokio::test]
async fn the_operators_key_is_stored_when_nothing_can_fail_any_more() {
    for engine in [TestEngine::Sqlite, TestEngine::Postgres] {
        let log = Arc::new(StatementLog::default());
        let Some(app) = TestApp::start_observed(engine, Some(Arc::clone(&log))).await else {
            continue;
        };
        let ran = log.ran();
        let is =
            |ran: &Ran, wanted: &str| matches!(ran, Ran::Statement(name, _) if *name == wanted);
        let first = |wanted: &str| ran.iter().position(|ran| is(ran, wanted));
        let last = |wanted: &str| ran.iter().rposition(|ran| is(ran, wanted));
        let stored = last("tidings_identity::store::installation::INSERT");
        assert!(stored.is_some());
        assert!(stored > last("tidings_jobs::sweep::DECLARE"), "schedules were declared before");
        assert!(stored > first("tidings_webhooks::store::nodes::BEAT"), "the engine began before");
        app.end().await;
    }
}

stories! {
    async fn only_the_operator_makes_tenants(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"name": "x"});
        assert_eq!(acme.post("/api/v1/tenants", body.clone()).await.status, StatusCode::FORBIDDEN);
        let nobody = app.anonymous();
        let refused = nobody.post("/api/v1/tenants", &body).await.unwrap();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let guessed = nobody.with_key("operator-key-of-the-tests-0123456780");
        let refused = guessed.post("/api/v1/tenants", &body).await.unwrap();
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let tenants = app.operator.get("/api/v1/tenants").await.unwrap().json();
        assert_eq!(tenants["data"].as_array().unwrap().len(), 1);
    }

    async fn a_suspended_tenant_reads_and_writes_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let path = format!("/api/v1/tenants/{}", acme.id);
        let reason = json!({"reason": "contract ended"});
        let suspended =
            app.operator.post(&format!("{path}/suspend"), &reason).await.unwrap();
        assert_eq!(suspended.text("/status"), "suspended");
        let refused = acme.get("/api/v1/customers").await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::FORBIDDEN, "tenant_suspended"));
        let again = app.operator.post(&format!("{path}/suspend"), &reason).await.unwrap();
        assert_eq!(again.problem(), "invalid_transition");
        app.operator.post(&format!("{path}/reactivate"), &json!({})).await.unwrap();
        assert_eq!(acme.get("/api/v1/customers").await.status, StatusCode::OK);
    }

    async fn a_key_does_what_its_scopes_say_and_no_more(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"name": "reader", "scopes": ["customer.read"]});
        let made = acme.post("/api/v1/auth/api-keys", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        let reader: Client = acme.client.with_key(made.text("/api_key"));
        assert_eq!(reader.get("/api/v1/customers").await.unwrap().status, StatusCode::OK);
        let body = json!({"email": "a@example.com", "first_name": "A", "last_name": "L"});
        let refused = reader.post("/api/v1/customers", &body).await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.text("/detail").contains("customer.create"));
        // Nor can it be shown again.
        let listed = acme.get("/api/v1/auth/api-keys").await;
        let text = String::from_utf8(listed.bytes.to_vec()).unwrap();
        assert!(!text.contains(&made.text("/api_key")));
        assert!(text.contains(&made.text("/prefix")));
    }

    async fn a_key_cannot_give_what_it_does_not_have(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"name": "keys", "scopes": ["api_keys.manage"]});
        let made = acme.post("/api/v1/auth/api-keys", body).await;
        let manager = acme.client.with_key(made.text("/api_key"));
        let body = json!({"name": "more", "scopes": ["customer.delete"]});
        let refused = manager.post("/api/v1/auth/api-keys", &body).await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }

    async fn nobody_gets_the_text_of_a_key_that_can_do_more(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let make = async |name: &str, scopes: &[&str]| {
            let body = json!({"name": name, "scopes": scopes});
            let made = acme.post("/api/v1/auth/api-keys", body).await;
            (made.text("/id"), acme.client.with_key(made.text("/api_key")))
        };
        let (manager_id, manager) = make("keys", &["api_keys.manage"]).await;
        let (shop_id, _) = make("shop", &["customer.read"]).await;
        let (equal_id, _) = make("more keys", &["api_keys.manage"]).await;
        let keys = acme.get("/api/v1/auth/api-keys").await.json();
        let keys = keys["data"].as_array().unwrap();
        let first = keys.iter().find(|key| key["name"] == "first key").unwrap()["id"].clone();
        let rotate = async |client: &Client, id: &str| {
            let path = format!("/api/v1/auth/api-keys/{id}/rotate");
            client.post(&path, &json!({})).await.unwrap()
        };
        let before = acme.log().await;
        for id in [first.as_str().unwrap(), &shop_id] {
            let refused = rotate(&manager, id).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.json());
            assert_eq!(refused.problem(), "forbidden");
            assert!(refused.text("/detail").contains("rotate it with itself"));
            assert!(refused.json().get("api_key").is_none());
        }
        assert_eq!(acme.log().await, before, "nothing was rotated");
        // Its own, and one that can do no more, it can.
        for id in [&equal_id, &manager_id] {
            assert_eq!(rotate(&manager, id).await.status, StatusCode::OK);
        }
        assert_eq!(rotate(&acme.client, &shop_id).await.status, StatusCode::OK);
    }

    async fn a_revoked_key_opens_nothing_and_a_rotated_one_for_a_day(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"name": "shop", "scopes": ["customer.read"]});
        let made = acme.post("/api/v1/auth/api-keys", body).await;
        let path = format!("/api/v1/auth/api-keys/{}", made.text("/id"));
        let old = acme.client.with_key(made.text("/api_key"));
        assert_eq!(old.get("/api/v1/customers").await.unwrap().status, StatusCode::OK);
        let rotated = acme.post(&format!("{path}/rotate"), json!({})).await;
        let new = acme.client.with_key(rotated.text("/api_key"));
        for client in [&old, &new] {
            assert_eq!(client.get("/api/v1/customers").await.unwrap().status, StatusCode::OK);
        }
        app.clock.advance(Duration::from_hours(25));
        assert_eq!(old.get("/api/v1/customers").await.unwrap().status, StatusCode::UNAUTHORIZED);
        assert_eq!(acme.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(new.get("/api/v1/customers").await.unwrap().status, StatusCode::UNAUTHORIZED);
        assert_eq!(acme.delete(&path).await.problem(), "invalid_transition");
    }

    async fn a_key_ends_at_its_instant_however_lately_it_was_used(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let asked = async |client: &Client| client.get("/api/v1/customers").await.unwrap().status;
        let expires_at = app.app.db.now().after(Duration::from_secs(2));
        let body =
            json!({"name": "shop", "scopes": ["customer.read"], "expires_at": expires_at});
        let made = acme.post("/api/v1/auth/api-keys", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        let ending = acme.client.with_key(made.text("/api_key"));
        assert_eq!(asked(&ending).await, StatusCode::OK);
        app.clock.advance(Duration::from_secs(2));
        assert_eq!(asked(&ending).await, StatusCode::UNAUTHORIZED, "its own end");

        let body = json!({"name": "other", "scopes": ["customer.read"]});
        let made = acme.post("/api/v1/auth/api-keys", body).await;
        let old = acme.client.with_key(made.text("/api_key"));
        let path = format!("/api/v1/auth/api-keys/{}/rotate", made.text("/id"));
        acme.post(&path, json!({})).await;
        app.clock.advance(Duration::from_hours(24) - Duration::from_secs(2));
        assert_eq!(asked(&old).await, StatusCode::OK);
        app.clock.advance(Duration::from_secs(2));
        assert_eq!(asked(&old).await, StatusCode::UNAUTHORIZED, "the overlap's end");
    }

    async fn the_operator_may_look_into_a_tenant_and_not_touch(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let inside = app.operator.with_header("x-target-tenant-id", &acme.id);
        assert_eq!(inside.get("/api/v1/customers").await.unwrap().status, StatusCode::OK);
        let body = json!({"email": "a@example.com", "first_name": "A", "last_name": "L"});
        let refused = inside.post("/api/v1/customers", &body).await.unwrap();
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let other = app.tenant("other").await;
        let crossed = acme.client.with_header("x-target-tenant-id", &other.id);
        assert_eq!(crossed.get("/api/v1/customers").await.unwrap().status, StatusCode::FORBIDDEN);
    }

    async fn what_is_the_operators_own_happens_in_no_tenant(app: &TestApp) {
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let inside = app.operator.with_header("x-target-tenant-id", &acme.id);
        let suspend = format!("/api/v1/tenants/{}/suspend", other.id);
        for (path, body) in [
            ("/api/v1/tenants", json!({"name": "x"})),
            (suspend.as_str(), json!({"reason": "unpaid"})),
        ] {
            let refused = inside.post(path, &body).await.unwrap();
            assert_eq!(refused.problem(), "validation_failed", "{path}");
            assert_eq!(refused.text("/errors/0/pointer"), "X-Target-Tenant-ID");
            assert!(refused.text("/detail").contains("leave the header out"));
        }
        let refused = inside.get("/api/v1/tenants").await.unwrap();
        assert_eq!(refused.problem(), "validation_failed");
        let tenants = app.operator.get("/api/v1/tenants").await.unwrap().json();
        assert_eq!(tenants["data"].as_array().unwrap().len(), 2);
        assert_eq!(other.get("/api/v1/customers").await.status, StatusCode::OK);
        // A tenant's key is not told of the header: it may not do this at all.
        let own = acme.client.with_header("x-target-tenant-id", &acme.id);
        let refused = own.post("/api/v1/tenants", &json!({"name": "x"})).await.unwrap();
        assert_eq!(refused.problem(), "forbidden");
    }
}
