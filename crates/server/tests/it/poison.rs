//! Poison: events and headers that have broken others, through publishing and back out.

use http::{Method, StatusCode};
use serde_json::json;
use tidings_kernel::limits;
use tidings_testkit::{Answer, Tenant, stories};

/// The largest text that fits, with its quotes.
fn longest() -> String {
    format!("\"{}\"", "a".repeat(limits::EVENT_DATA_BYTES_MAX - 2))
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

fn many_names(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("\"n{number}\":{number}")).collect();
    format!("{{{}}}", names.join(","))
}

async fn register(acme: &Tenant) {
    let body = json!({"event_type": "custom.poison", "description": "anything"});
    let made = acme.post("/api/v1/webhooks/event-types", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
}

async fn publish(acme: &Tenant, data: &[u8]) -> Answer {
    let body = [b"{\"event_type\":\"custom.poison\",\"event_data\":", data, b"}"].concat();
    acme.client.send(Method::POST, "/api/v1/webhooks/events", body).await.unwrap()
}

stories! {
    async fn what_is_json_arrives_to_the_byte(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let other = app.tenant("other").await;
        register(&acme).await;
        let hook = acme.receiver(&["custom.*"]).await;
        let wrapped = acme
            .receiver_with(json!({"events": ["custom.*"], "format": "cloudevents_structured"}))
            .await;
        let beside = acme
            .receiver_with(json!({"events": ["custom.*"], "format": "cloudevents_binary"}))
            .await;
        let theirs = format!("{{\"tenant_id\":\"{}\"}}", other.id);
        let long_name = format!("{{\"{}\":1}}", "k".repeat(64 * 1024));
        let (longest, deepest, names) = (longest(), nested(63), many_names(10_000));
        let table = [
            "1.10", "19.99", "9007199254740993", "12345678901234567890123", "1e400", "-0", "1E+2",
            "0.1e-7", "\"text\"", "null", "true", "[]", "{}", "[1, 2 ,3]",
            "{\"b\":1,\"a\":2}", "{\"amount\":\"19.99\",\"minor\":1999}",
            "{\"__proto__\":{\"constructor\":1},\"\":2,\"a.b/c~d\":3}",
            "\"\\u0000\"", "{\"\\u0000\":1}", "\"\\ud83d\\ude80\"", "\"🚀é\"",
            "\"\u{202e}\u{200b}\u{2028}\u{feff}\"", "\"a\\r\\nwebhook-id: evil\"",
            "\"webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\"",
            "\"</script><script>alert(1)</script>\"", "\"'; DROP TABLE events; --\"",
            theirs.as_str(), long_name.as_str(), longest.as_str(), deepest.as_str(), names.as_str(),
        ];
        for data in table {
            let answer = publish(&acme, data.as_bytes()).await;
            let shown: String = data.chars().take(60).collect();
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{shown}: {}", answer.json());
        }
        app.settle().await;
        for (receiver, name) in [(&hook, "standard"), (&wrapped, "structured"), (&beside, "binary")] {
            let arrivals = receiver.verified();
            assert_eq!(arrivals.len(), table.len(), "{name}");
            for data in table {
                let wanted = format!("\"data\":{data}");
                let arrived = arrivals.iter().any(|arrival| {
                    let body = std::str::from_utf8(&arrival.body).unwrap();
                    body.contains(&wanted)
                });
                let shown: String = data.chars().take(60).collect();
                assert!(arrived, "{name}: {shown}");
            }
        }
        let others = other.log().await;
        assert!(!others.contains(&"custom.poison".to_owned()), "{others:?}");
    }

    async fn what_is_no_json_is_refused_and_what_is_ambiguous_too(app: &TestApp) {
        let acme = app.tenant("acme").await;
        register(&acme).await;
        app.settle().await;
        let before = acme.log().await;
        let (too_long, too_deep) = (format!("{} ", longest()).replace("\" ", "a\""), nested(64));
        let (endless, open) = ("[".repeat(100_000), "{\"a\":".repeat(20_000));
        let table: [(&[u8], u16, &str); 22] = [
            (b"", 400, ""),
            (b"NaN", 400, "/event_data"),
            (b"Infinity", 400, "/event_data"),
            (b"01", 400, ""),
            (b"+1", 400, "/event_data"),
            (b"1.", 400, "/event_data"),
            (b"'a'", 400, "/event_data"),
            (b"[1,]", 400, "/event_data"),
            (b"{\"a\":1,}", 400, "/event_data"),
            (b"{}//", 400, ""),
            (b"\"\xff\"", 400, "/event_data"),
            (b"\"\xed\xa0\x80\"", 400, "/event_data"),
            (b"\"\xc0\x80\"", 400, "/event_data"),
            (b"\"a\nb\"", 400, "/event_data"),
            (b"\"\\x\"", 400, "/event_data"),
            (b"\xef\xbb\xbf1", 400, "/event_data"),
            (too_deep.as_bytes(), 400, ""),
            (endless.as_bytes(), 400, ""),
            (open.as_bytes(), 400, ""),
            (b"{\"a\":1,\"a\":2}", 422, "/event_data/a"),
            (b"[{\"a\":\"\\ud800\"}]", 422, "/event_data/0/a"),
            (too_long.as_bytes(), 422, "/event_data"),
        ];
        for (data, status, pointer) in table {
            let answer = publish(&acme, data).await;
            let shown = data.get(..40).unwrap_or(data).escape_ascii();
            assert_eq!(answer.status.as_u16(), status, "{shown}: {}", answer.json());
            assert_eq!(answer.headers["content-type"], "application/problem+json", "{shown}");
            let found = answer.json()["errors"][0]["pointer"].clone();
            let found = found.as_str().unwrap_or_default();
            assert!(status == 400 || found == pointer, "{shown}: {}", answer.json());
        }
        for event_type in ["", ".", "..", "custom.", "custom..a", "custom.a\r\nx: y", "custom.заказ",
            "custom.\u{0}", "CUSTOM.POISON", "custom.poison ", &format!("custom.{}", "a".repeat(200))]
        {
            let published = acme
                .post("/api/v1/webhooks/events", json!({"event_type": event_type, "event_data": {}}))
                .await;
            assert_eq!(published.problem(), "unknown_event_type", "{event_type:?}");
            let registered =
                acme.post("/api/v1/webhooks/event-types", json!({"event_type": event_type})).await;
            assert_eq!(registered.status.as_u16(), 422, "{event_type:?}: {}", registered.json());
        }
        let whole = vec![b' '; limits::BODY_BYTES_MAX + 1];
        let answer = acme.client.send(Method::POST, "/api/v1/webhooks/events", whole).await.unwrap();
        assert_eq!(answer.problem(), "payload_too_large");
        app.settle().await;
        assert_eq!(acme.log().await, before, "nothing of it left a trace");
    }

    async fn a_schema_is_not_got_around_by_what_it_cannot_read(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let body = json!({"event_type": "custom.poison", "schema":
            {"type": ["object", "null"], "properties": {"a": {"type": "string"}}}});
        let made = acme.post("/api/v1/webhooks/event-types", body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
        for (data, pointer) in [
            ("{\"a\":1e400}", "/event_data"),
            ("{\"a\":1,\"a\":\"x\"}", "/event_data/a"),
            ("{\"a\":\"\\udc00\"}", "/event_data/a"),
            ("{\"a\":1}", "/event_data/a"),
        ] {
            let refused = publish(&acme, data.as_bytes()).await;
            assert_eq!(refused.problem(), "validation_failed", "{data}");
            assert_eq!(refused.text("/errors/0/pointer"), pointer, "{data}");
        }
        assert_eq!(publish(&acme, b"{\"a\":\"x\"}").await.status, StatusCode::ACCEPTED);
    }

    async fn headers_of_a_subscription_inject_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let path = "/api/v1/webhooks/subscriptions";
        for (name, value, code) in [
            ("X-Key", "a\r\nwebhook-id: evil", "invalid_value"),
            ("X-Key", "a\nb", "invalid_value"),
            ("X-Key", "a\rb", "invalid_value"),
            ("X-Key", "a\u{0}b", "invalid_value"),
            ("X-Key", "a\u{2028}b", "invalid_value"),
            ("X-Key\r\nwebhook-id", "evil", "invalid_name"),
            ("webhook-id", "evil", "reserved"),
            ("WEBHOOK-SIGNATURE", "evil", "reserved"),
            ("Host", "evil", "reserved"),
            ("Transfer-Encoding", "chunked", "reserved"),
            ("Content-Type", "text/html", "reserved"),
            ("ce-id", "evil", "reserved"),
        ] {
            let body = json!({"url": "http://127.0.0.1:9/", "events": ["*"], "headers": {name: value}});
            let refused = acme.post(path, body).await;
            assert_eq!(refused.problem(), "validation_failed", "{name:?}: {value:?}");
            assert_eq!(refused.text("/errors/0/code"), code, "{name:?}: {value:?}");
            assert!(refused.text("/errors/0/pointer").starts_with("/headers/"), "{name:?}");
        }
        register(&acme).await;
        // What looks like a line end to somebody who decodes once more stays as it was written.
        let harmless = "%0d%0awebhook-id: evil";
        let hook = acme
            .receiver_with(json!({"events": ["custom.*"], "format": "cloudevents_binary",
                "headers": {"X-Key": harmless}}))
            .await;
        let event = json!({"event_type": "custom.poison", "event_data": {},
            "metadata": {"x": "a\r\nwebhook-id: evil\u{0}"}});
        let published = acme.post("/api/v1/webhooks/events", event).await;
        assert_eq!(published.status, StatusCode::ACCEPTED, "{}", published.json());
        app.settle().await;
        let arrival = &hook.verified()[0];
        assert_eq!(arrival.header("x-key"), harmless);
        assert_eq!(arrival.id(), published.text("/id"));
    }
}
