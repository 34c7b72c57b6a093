//! `tidings serve`.

use tidings_kernel::PageParams;
use tidings_server::{App, Settings, StartError, serve_at_most};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;
use crate::say::say;

/// Between "not ready" and the end of the listener.
const NOTICE: std::time::Duration = std::time::Duration::from_millis(300);
/// Connections at once to the listener of the metrics.
const WATCHERS_MAX: usize = 32;

/// Runs the server until it is told to end; a second signal ends it at once.
pub(crate) async fn run(settings: Settings) -> Result<(), Failure> {
    let address = settings.listen_on();
    let listener =
        TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))?;
    let address = listener.local_addr()?;
    let app = App::open(&settings).await?;
    let is_unused = is_unused(&settings, &app).await?;
    // Who reads the greeting may be gone; the server is for others.
    if let Err(error) = greet(&settings, &app, address, is_unused) {
        tracing::warn!(
            error,
            "the greeting could not be printed; if a new operator key was in it, replace that with \
             `tidings operator-key rotate`"
        );
    }
    if let Some(metrics) = settings.metrics_listen {
        let listener =
            TcpListener::bind(metrics).await.map_err(|error| StartError::Listen(metrics, error))?;
        let (router, tasks) = (app.probes.metrics_router(), app.tasks.clone());
        let shutdown = app.tasks.shutdown().clone();
        app.tasks.spawn(async move {
            serve_at_most(WATCHERS_MAX, listener, router, &tasks, shutdown).await;
        });
    }
    let stop = shutdown_of(app.probes.clone())?;
    serve_at_most(app.connections_max, listener, app.router.clone(), &app.tasks, stop).await;
    tracing::info!("draining");
    app.close().await;
    tracing::info!("ended");
    Ok(())
}

/// Whether nobody has done anything with the operator's key, which an earlier start made. That one
/// may have been killed after it stored the key and before it printed it.
async fn is_unused(settings: &Settings, app: &App) -> Result<bool, Failure> {
    if app.new_operator_key.is_some() || settings.operator_key.is_some() {
        return Ok(false);
    }
    let first = PageParams { limit: 1, after: None };
    Ok(app.identity.list_tenants(first).await?.data.is_empty())
}

fn greet(
    settings: &Settings,
    app: &App,
    address: std::net::SocketAddr,
    is_unused: bool,
) -> Result<(), Failure> {
    if let Some(key) = &app.new_operator_key {
        say!("operator key (shown this once): {}", key.expose())?;
    }
    if is_unused {
        say!(
            "no tenant was made yet. If the first start was cut off before it printed the operator's \
              key, stop every server and run `tidings operator-key rotate`, which prints a new one"
        )?;
    }
    if settings.is_dev() {
        say!("development mode: webhooks may go to this machine's loopback, nowhere else private")?;
    }
    say!("tidings listens on http://{address} with {}", app.db.engine_name())?;
    say!("api: http://{address}/docs")
}

/// A token that SIGTERM or SIGINT cancels; the second of them ends the process.
fn shutdown_of(probes: tidings_server::Probes) -> Result<tidings_server::Shutdown, Failure> {
    let token = tidings_server::Shutdown::new();
    let told = token.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let wait = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        // Not ready first, so that whoever routes requests here can look away in time.
        probes.drain();
        tokio::time::sleep(NOTICE).await;
        told.cancel();
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(130);
    };
    spawn(wait);
    Ok(token)
}

/// Waits for signals as long as the process lives, so nobody waits for it.
#[expect(clippy::disallowed_methods, reason = "it lives as long as the process, drain included")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
