//! The door: what is malformed, oversize, unknown or repeated gets the right problem.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Instant;

use axum::body::Body;
use http::{Method, StatusCode};
use serde_json::json;
use tidings_db::{DbError, work};
use tidings_kernel::{TenantId, limits};
use tidings_testkit::{Ran, StatementLog, TestApp, TestEngine, stories};
use tower::ServiceExt as _;

stories! {
    async fn bad_requests_get_the_right_problem(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let path = "/api/v1/customers";
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(70), "]".repeat(70));
        let large = format!("{{\"email\":\"{}\"}}", "a".repeat(1024 * 1024));
        for (body, status, problem) in [
            ("{", 400, "malformed_request"),
            ("\u{feff}{}", 400, "malformed_request"),
            (deep.as_str(), 400, "malformed_request"),
            ("[]", 422, "validation_failed"),
            ("null", 422, "validation_failed"),
            ("{\"email\":\"a@b.c\",\"first_name\":\"A\",\"last_name\":\"L\",\"tenant_id\":\"x\"}",
                422, "validation_failed"),
            ("{\"email\":\"a@b.c\",\"email\":\"c@b.a\"}", 422, "validation_failed"),
            (large.as_str(), 413, "payload_too_large"),
        ] {
            let answer =
                acme.client.send(Method::POST, path, body.to_owned()).await.unwrap();
            let head: String = body.chars().take(40).collect();
            assert_eq!(answer.status.as_u16(), status, "{head}: {}", answer.json());
            assert_eq!(answer.problem(), problem, "{head}");
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert!(answer.text("/request_id").starts_with("req_"));
        }
        app.settle().await;
        assert_eq!(acme.log().await.len(), 2, "nothing half-done stays");
    }

    async fn unknown_paths_methods_and_parameters(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let absent = acme.get("/api/v1/nowhere").await;
        assert_eq!((absent.status, absent.problem().as_str()),
            (StatusCode::NOT_FOUND, "not_found"));
        let method = acme.client.send(Method::PUT, "/api/v1/customers", "{}").await.unwrap();
        assert_eq!(method.problem(), "method_not_allowed");
        let parameter = acme.get("/api/v1/customers?staus=active").await;
        assert_eq!(parameter.problem(), "validation_failed");
        assert_eq!(parameter.text("/errors/0/pointer"), "?staus");
        let limit = acme.get("/api/v1/customers?limit=0").await;
        assert_eq!(limit.text("/errors/0/pointer"), "?limit");
        let wrong_kind = acme.get(&format!("/api/v1/customers/{}", acme.id)).await;
        assert_eq!(wrong_kind.status, StatusCode::NOT_FOUND);
    }

    async fn a_path_that_is_no_text_names_nothing(app: &TestApp) {
        let acme = app.tenant("acme").await;
        for path in ["/api/v1/customers/%FF", "/api/v1/webhooks/events/%C3%28"] {
            let absent = acme.get(path).await;
            assert_eq!(absent.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(absent.problem(), "not_found");
            assert_eq!(absent.headers["content-type"], "application/problem+json");
            let nobody = app.anonymous().get(path).await.unwrap();
            assert_eq!(nobody.problem(), "unauthenticated", "{path}");
        }
    }

    async fn if_match_names_a_version_or_any(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let path = format!("/api/v1/customers/{}", acme.customer("ada@example.com").await);
        let absent = "/api/v1/customers/cus_01m84dzg0e009gzzzht7btygt0";
        for (if_match, path, status) in [
            ("\"1\"", path.as_str(), 200),
            ("\"1\"", &path, 412),
            ("*", &path, 200),
            ("\"*\"", &path, 422),
            ("*, \"1\"", &path, 422),
            ("seven", &path, 422),
            ("*", absent, 404),
        ] {
            let client = acme.client.with_header("if-match", if_match);
            let tier = if if_match == "*" { "enterprise" } else { "premium" };
            let answer = client.patch(path, &json!({"tier": tier})).await.unwrap();
            assert_eq!(answer.status.as_u16(), status, "{if_match}: {}", answer.json());
        }
    }

    async fn a_body_that_is_not_json_is_refused_by_its_type(app: &TestApp) {
        let acme = app.tenant("acme").await;
        let text = acme.client.with_header("content-type", "text/plain");
        let answer = text.send(Method::POST, "/api/v1/customers", "{}").await.unwrap();
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    async fn every_problem_has_its_page_and_every_probe_answers(app: &TestApp) {
        let nobody = app.anonymous();
        for kind in tidings_kernel::ProblemKind::ALL {
            let page = nobody.get(&format!("/problems/{}", kind.slug())).await.unwrap();
            assert_eq!(page.status, StatusCode::OK, "{}", kind.slug());
        }
        for (path, status) in
            [("/livez", 200), ("/readyz", 200), ("/metrics", 401), ("/api/v1/openapi.json", 200)]
        {
            assert_eq!(nobody.get(path).await.unwrap().status.as_u16(), status, "{path}");
        }
        let metrics = app.operator.get("/metrics").await.unwrap();
        let text = String::from_utf8(metrics.bytes.to_vec()).unwrap();
        assert!(text.contains("tidings_deliveries_queued"), "{text}");
        app.app.probes.drain();
        let draining = nobody.get("/readyz").await.unwrap();
        assert_eq!(draining.status, StatusCode::SERVICE_UNAVAILABLE);
    }

    async fn the_document_names_every_operation_and_every_delivered_event(app: &TestApp) {
        let document = app.anonymous().get("/api/v1/openapi.json").await.unwrap().json();
        assert_eq!(document["openapi"], "3.1.0");
        for operation in &app.app.operations {
            let method = operation.method.as_str().to_ascii_lowercase();
            let entry = &document["paths"][operation.path][&method];
            assert_eq!(entry["operationId"], operation.id);
        }
        for event_type in tidings_events::EventType::public() {
            assert!(document["webhooks"][event_type.name()].is_object(), "{event_type}");
        }
    }
}

/// On one engine, as below; and on a clock that runs ahead while nothing happens.
#[tokio::test]
async fn a_request_that_does_not_end_gets_a_problem_after_a_minute() {
    let app = TestApp::start(TestEngine::Sqlite).await.unwrap();
    let acme = app.tenant("acme").await;
    let body = json!({"name": "a", "scopes": ["api_keys.manage"]});
    let key = acme.post("/api/v1/auth/api-keys", body.clone()).await.text("/api_key");
    let request = http::Request::post("/api/v1/auth/api-keys")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let db = &app.app.db;
    let ctx = db.system_ctx("test", TenantId::from_uuid(tidings_kernel::Uuid::nil()), true);
    let stands_still = work!([held], |_work| async move {
        let _ = held.lock().unwrap().recv();
        Ok::<_, DbError>(())
    });
    let asked = async {
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let answer = app.app.router.clone().oneshot(request).await.unwrap();
        assert!(began.elapsed() >= limits::REQUEST_MAX);
        tokio::time::resume();
        release.send(()).unwrap();
        answer
    };
    let (written, answer) = tokio::join!(db.write(&ctx, stands_still), asked);
    assert!(written.is_ok());
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["type"], "/problems/request_timeout");
    assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"));
    app.end().await;
}

/// Anybody may probe, and a probe is a write: many of them are one.
#[test]
fn probes_that_come_together_are_one_write() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for engine in [TestEngine::Sqlite, TestEngine::Postgres] {
            let log = Arc::new(StatementLog::default());
            let observed = TestApp::start_observed(engine, Some(Arc::clone(&log))).await;
            let Some(app) = observed else { continue };
            let mut probes = tokio::task::JoinSet::new();
            let began = Instant::now();
            for _ in 0..50 {
                let nobody = app.anonymous();
                probes.spawn(async move { nobody.get("/readyz").await.unwrap().status });
            }
            assert!(probes.join_all().await.iter().all(|status| *status == StatusCode::OK));
            let ran = log.ran();
            let writes = ran.iter().filter(|ran| {
                matches!(ran, Ran::Statement(name, _) if name.ends_with("installation::TOUCH"))
            });
            // One for each pool and second, and one that began before the first had ended.
            let most = 2 * (2 + usize::try_from(began.elapsed().as_secs()).unwrap());
            assert!((1..=most).contains(&writes.count()), "{:?}", log.names());
            app.end().await;
        }
    });
}

/// On one engine: PostgreSQL has no single writer that could stand still.
#[test]
fn a_server_whose_writer_stands_still_is_not_ready() {
    TestApp::run(TestEngine::Sqlite, |app| {
        Box::pin(async move {
            let nobody = app.anonymous();
            let (release, held) = mpsc::channel::<()>();
            let held = Arc::new(Mutex::new(held));
            let db = &app.app.db;
            let ctx = db.system_ctx("test", TenantId::from_uuid(tidings_kernel::Uuid::nil()), true);
            let stands_still = work!([held], |_work| async move {
                let _ = held.lock().unwrap().recv();
                Ok::<_, DbError>(())
            });
            let probe = async {
                let answer = nobody.get("/readyz").await.unwrap();
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
                assert_eq!(answer.text("/database"), "no write within 2 seconds");
                // Reading goes on all the same.
                let listed = app.operator.get("/api/v1/tenants").await.unwrap();
                assert_eq!(listed.status, StatusCode::OK);
                release.send(()).unwrap();
            };
            let (written, ()) = tokio::join!(db.write(&ctx, stands_still), probe);
            assert!(written.is_ok());
            assert_eq!(nobody.get("/readyz").await.unwrap().status, StatusCode::OK);
        })
    });
}
