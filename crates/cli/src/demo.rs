//! `tidings demo`: a server and a receiver, wired together.

use serde_json::json;
use tidings_client::Client;
use tidings_server::{App, Settings, Shutdown, serve};
use tidings_webhooks::signing::SigningSecret;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::Failure;
use crate::args::DemoArgs;
use crate::listen::{self, Receiver};
use crate::say::say;
use crate::signals::Signals;

/// Starts a server and a receiver, changes a customer, and shows the webhook that arrives.
pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    let data = args.data.clone().unwrap_or_else(|| {
        std::env::temp_dir().join(format!("tidings-demo-{}", std::process::id()))
    });
    let settings = Settings { data: Some(data.clone()), dev: Some(true), ..Settings::default() };
    let signals = Signals::listen()?;
    let listener = TcpListener::bind(args.listen).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let app = App::open(&settings).await?;
    let Some(operator) = &app.new_operator_key else {
        return Err(format!("{} was used before; choose an empty directory", data.display()).into());
    };
    let client = Client::new(&base).with_key(operator.expose());
    let stop = Shutdown::new();
    let (router, tasks, end) = (app.router.clone(), app.tasks.clone(), stop.clone());
    app.tasks.spawn(async move { serve(listener, router, &tasks, end).await });
    let told = tell(&client, args.once, signals).await;
    stop.cancel();
    app.close().await;
    if args.data.is_none() {
        std::fs::remove_dir_all(&data)?;
    }
    told
}

async fn tell(operator: &Client, once: bool, mut signals: Signals) -> Result<(), Failure> {
    let tenant = operator.post("/api/v1/tenants", &json!({"name": "Demo"})).await?;
    let key = tenant.text("/api_key");
    say!("1. a tenant: {}", tenant.text("/id"))?;

    let receiver = TcpListener::bind("127.0.0.1:0").await?;
    let address = receiver.local_addr()?;
    let client = operator.with_key(&key);
    let (id, secret) = listen::subscribe(&client, address, &["customer.*".to_owned()]).await?;
    say!("2. a receiver at http://{address}/, subscribed to customer.* as {id}")?;
    let (seen, mut events) = mpsc::channel(64);
    let secrets = vec![SigningSecret::parse(&secret)?];
    let router = listen::router(Receiver { secrets, forward: None, json: false, seen });
    crate::serve::spawn(async move {
        // It ends with the process.
        let _ = axum::serve(receiver, router).await;
    });

    let customer =
        json!({"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"});
    let made = client.post("/api/v1/customers", &customer).await?;
    say!("3. a customer: {} {}", made.status, made.text("/id"))?;
    if !made.status.is_success() {
        return Err(made.text("/detail").into());
    }
    let arrived = tokio::time::timeout(std::time::Duration::from_secs(20), events.recv()).await;
    if !matches!(arrived, Ok(Some(Ok(_)))) {
        return Err("no webhook arrived within 20 seconds".into());
    }
    say!("\n4. the webhook above arrived, its signature verified")?;
    if once {
        return Ok(());
    }
    say!("\nNow you:\n\n  curl -X POST {}/api/v1/customers \\", operator.base())?;
    say!("    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\")?;
    say!(
        "    -d '{{\"email\":\"grace@example.com\",\"first_name\":\"Grace\",\"last_name\":\"Hopper\"}}'"
    )?;
    say!("\nThe API: {}/docs — end with Ctrl-C.", operator.base())?;
    signals.next().await;
    Ok(())
}
