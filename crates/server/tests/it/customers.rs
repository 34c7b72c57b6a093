//! Customers: a change, and the signed webhook that tells of it.

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Receiver, Tenant, stories};

async fn status(acme: &Tenant, id: &str, status: &str) -> StatusCode {
    let path = format!("/api/v1/customers/{id}/status");
    acme.patch(&path, json!({"status": status, "reason": "manual"})).await.status
}

fn data(hook: &Receiver, name: &str) -> Value {
    let arrivals = hook.arrivals();
    let found = arrivals.iter().rev().find(|arrival| arrival.name() == name);
    found.unwrap_or_else(|| panic!("{name} is not among {:?}", hook.names())).json()["data"].clone()
}

stories! {
    async fn a_customer_is_made_and_a_signed_webhook_arrives(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.*"]).await;
        let id = acme.customer("ada@example.com").await;
        app.settle().await;

        let arrivals = hook.verified();
        assert_eq!(hook.names(), ["customer.created"]);
        let event = arrivals[0].json();
        assert_eq!(event["id"], arrivals[0].id());
        assert_eq!(event["tenant_id"], acme.id);
        assert_eq!(event["subject"]["id"], id);
        assert_eq!(event["subject"]["version"], 1);
        assert_eq!(event["data"]["email"], "ada@example.com");
        assert_eq!(event["data"]["source"], "api");
        assert_eq!(event["livemode"], true);
    }

    async fn a_change_tells_what_changed_and_no_change_tells_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.updated"]).await;
        let id = acme.customer("ada@example.com").await;
        let path = format!("/api/v1/customers/{id}");
        let changed = acme.patch(&path, json!({"tier": "premium", "first_name": "Ada"})).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.json());
        let again = acme.patch(&path, json!({"tier": "premium"})).await;
        assert_eq!(again.status, StatusCode::OK);
        assert_eq!(again.headers["etag"], changed.headers["etag"], "the version stays");
        app.settle().await;

        assert_eq!(hook.names(), ["customer.updated"]);
        let data = data(&hook, "customer.updated");
        assert_eq!(data["changed_fields"], json!(["tier"]));
        assert_eq!(data["previous"], json!({"tier": "free"}));
    }

    async fn no_purchase_is_so_large_that_sums_overflow(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let most = tidings_kernel::limits::AMOUNT_MAX;
        let buy = async |id: &str, amount: i64| {
            let path = format!("/api/v1/customers/{id}/metrics/purchase");
            acme.post(&path, json!({"amount": amount, "currency": "EUR"})).await
        };
        let (ada, grace) =
            (acme.customer("ada@example.com").await, acme.customer("grace@example.com").await);
        for id in [&ada, &grace] {
            for amount in [0, most + 1, i64::MAX] {
                let refused = buy(id, amount).await;
                assert_eq!(refused.problem(), "validation_failed", "{amount}");
                assert_eq!(refused.text("/errors/0/pointer"), "/amount");
            }
            assert_eq!(buy(id, most).await.status, StatusCode::OK);
            let more = buy(id, 1).await;
            assert_eq!(more.text("/errors/0/pointer"), "/amount", "a customer's sum has its bound");
        }
        let overview = acme.get("/api/v1/customers/metrics/overview").await;
        assert_eq!(overview.status, StatusCode::OK, "{}", overview.json());
        let paid = &overview.json()["lifetime_values"][0];
        assert_eq!(paid["lifetime_value"], 2 * most);
        assert_eq!(paid["average_lifetime_value"], most);
    }

    async fn suspension_and_return_tell_the_change_before_the_step(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let id = acme.customer("ada@example.com").await;
        assert_eq!(status(&acme, &id, "active").await, StatusCode::OK);
        assert_eq!(status(&acme, &id, "suspended").await, StatusCode::OK);
        assert_eq!(status(&acme, &id, "active").await, StatusCode::OK);
        app.settle().await;

        let log: Vec<String> =
            acme.log().await.into_iter().filter(|name| name.starts_with("customer.")).collect();
        assert_eq!(log, [
            "customer.created",
            "customer.updated",
            "customer.updated",
            "customer.suspended",
            "customer.updated",
            "customer.reactivated",
        ]);
    }

    async fn a_prospect_that_becomes_active_is_not_reactivated(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.reactivated"]).await;
        let id = acme.customer("ada@example.com").await;
        assert_eq!(status(&acme, &id, "active").await, StatusCode::OK);
        app.settle().await;
        assert!(hook.arrivals().is_empty());
    }

    async fn a_step_that_the_state_does_not_allow_changes_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let id = acme.customer("ada@example.com").await;
        let path = format!("/api/v1/customers/{id}/status");
        let refused = acme.patch(&path, json!({"status": "suspended"})).await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert_eq!(refused.problem(), "invalid_transition");
        app.settle().await;
        assert_eq!(acme.log().await.iter().filter(|n| n.starts_with("customer.")).count(), 1);
    }

    async fn an_address_is_used_once_whatever_its_case(app: &TestApp) {
        let acme = app.tenant("acme").await;
        acme.customer("ada@example.com").await;
        let body = json!({"email": "ADA@Example.com", "first_name": "A", "last_name": "L"});
        let refused = acme.post("/api/v1/customers", body.clone()).await;
        assert_eq!((refused.status, refused.problem().as_str()),
            (StatusCode::CONFLICT, "duplicate_email"));
        // Another tenant may have the same customer.
        let other = app.tenant("other").await;
        assert_eq!(other.post("/api/v1/customers", body).await.status, StatusCode::CREATED);
    }

    async fn a_deleted_customer_is_gone_and_told_once(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let hook = acme.receiver(&["customer.deleted"]).await;
        let id = acme.customer("ada@example.com").await;
        let path = format!("/api/v1/customers/{id}");
        let gone = acme.delete(&format!("{path}?reason=asked")).await;
        assert!(gone.status.is_success(), "{}", gone.json());
        assert_eq!(acme.get(&path).await.status, StatusCode::NOT_FOUND);
        assert_eq!(acme.delete(&path).await.status, StatusCode::NOT_FOUND);
        // Thirty days later the person is erased, which is told no second time.
        app.advance(std::time::Duration::from_hours(24 * 31)).await;
        assert_eq!(hook.names(), ["customer.deleted"]);
        let data = data(&hook, "customer.deleted");
        assert_eq!((&data["hard_delete"], &data["reason"]), (&json!(false), &json!("asked")));
    }

    async fn an_old_version_is_not_overwritten(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let id = acme.customer("ada@example.com").await;
        let path = format!("/api/v1/customers/{id}");
        let stale = acme.client.with_header("if-match", "\"7\"");
        let refused = stale.patch(&path, &json!({"tier": "premium"})).await.unwrap();
        assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
        let fresh = acme.client.with_header("if-match", "\"1\"");
        let taken = fresh.patch(&path, &json!({"tier": "premium"})).await.unwrap();
        assert_eq!(taken.status, StatusCode::OK);
    }

    async fn every_fault_of_a_body_is_told_at_once(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"email": "no address", "first_name": "", "last_name": "L",
            "country": "Germany", "timezone": "Mars/Base"});
        let refused = acme.post("/api/v1/customers", body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        let json = refused.json();
        let mut pointers: Vec<_> = json["errors"].as_array().unwrap().iter()
            .map(|error| error["pointer"].as_str().unwrap()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/country", "/email", "/first_name", "/timezone"]);
    }
}
