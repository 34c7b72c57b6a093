//! Charts of deliveries, from sums that are kept as outcomes are written.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tidings_testkit::{Script, stories};

const STATISTICS: &str = "/api/v1/webhooks/statistics";

fn counts(point: &Value) -> (i64, i64, i64) {
    let count = |name: &str| point[name].as_i64().unwrap();
    (count("attempts"), count("delivered"), count("failed"))
}

stories! {
    async fn charts_count_by_hour_and_day_by_subscription_and_type(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let good = acme.receiver(&["customer.*"]).await;
        let bad = acme.receiver(&["customer.created"]).await;
        bad.then(Script::status(500));
        let id = acme.customer("ada@example.com").await;
        app.settle().await;
        app.advance(Duration::from_secs(6)).await;
        app.advance(Duration::from_hours(2)).await;
        acme.patch(&format!("/api/v1/customers/{id}"), json!({"first_name": "Augusta"})).await;
        app.settle().await;

        let chart = acme.get(STATISTICS).await;
        assert_eq!(chart.status, StatusCode::OK, "{}", chart.json());
        let chart = chart.json();
        let points = chart["data"].as_array().unwrap();
        assert_eq!(points.iter().map(counts).collect::<Vec<_>>(), [(3, 2, 1), (1, 1, 0)]);
        assert_eq!(points[0]["from"], "2026-11-23T12:00:00.000000Z");
        assert_eq!(points[1]["from"], "2026-11-23T14:00:00.000000Z");
        assert_eq!(points[0]["group"], Value::Null);
        assert_eq!((counts(&chart["total"]), &chart["total"]["success_rate"]),
            ((4, 3, 1), &json!(0.75)));
        assert!(points[0]["latency_ms"]["p99"].as_i64().is_some(), "{chart}");

        let days = acme.get(&format!("{STATISTICS}?bucket=day")).await.json();
        assert_eq!(days["data"].as_array().unwrap().len(), 1);
        assert_eq!(days["data"][0]["from"], "2026-11-23T00:00:00.000000Z");

        let lines = acme.get(&format!("{STATISTICS}?bucket=day&group_by=subscription")).await;
        let mut lines: Vec<_> = lines.json()["data"].as_array().unwrap().iter()
            .map(|point| (point["group"].as_str().unwrap().to_owned(), counts(point))).collect();
        lines.sort();
        let mut wanted = vec![(good.subscription_id.clone(), (2, 2, 0)),
            (bad.subscription_id.clone(), (2, 1, 1))];
        wanted.sort();
        assert_eq!(lines, wanted);

        let types = acme.get(&format!("{STATISTICS}?group_by=event_type")).await.json();
        let types: Vec<_> = types["data"].as_array().unwrap().iter()
            .map(|point| (point["group"].as_str().unwrap(), counts(point))).collect();
        assert_eq!(types, [("customer.created", (3, 2, 1)), ("customer.updated", (1, 1, 0))]);

        let early = acme.get(&format!("{STATISTICS}?to=2026-11-23T13:00:00Z")).await.json();
        assert_eq!(counts(&early["total"]), (3, 2, 1));
        let other = app.tenant("other").await;
        assert_eq!(other.get(STATISTICS).await.json()["data"], json!([]), "only one's own");
    }

    async fn a_chart_that_cannot_be_drawn_is_refused(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for (query, pointer) in [
            ("from=2026-11-23T12:00:00Z&to=2026-11-22T12:00:00Z", "?from"),
            ("from=2026-01-01T00:00:00Z", "?from"),
            ("from=2026-01-01T00:00:00Z&bucket=day", "?from"),
            ("bucket=minute", "?bucket"),
            ("group_by=colour", "?group_by"),
            ("from=yesterday", "?from"),
            ("colour=red", "?colour"),
        ] {
            let refused = acme.get(&format!("{STATISTICS}?{query}")).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{query}: {}", refused.json());
        }
    }
}
