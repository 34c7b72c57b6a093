//! The wire between a program and its PostgreSQL, which can be cut.

use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use url::Url;

/// Carries connections to a server until it is cut: then all of them end at once, whatever was
/// under way, and new ones are turned away until it is mended. To the program that is what a server
/// that is killed and started again looks like.
#[derive(Debug)]
pub struct Wire {
    /// Where the program finds the database through this wire.
    pub url: String,
    /// How often it was cut or mended; it is whole at even numbers.
    state: Arc<watch::Sender<u64>>,
}

impl Wire {
    /// A wire to the server of this URL.
    pub async fn to(url: &str) -> Self {
        let server = Url::parse(url).unwrap();
        let address = format!("{}:{}", server.host_str().unwrap(), server.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut through = server.clone();
        through.set_host(Some("127.0.0.1")).unwrap();
        through.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (state, _) = watch::channel(0);
        let state = Arc::new(state);
        let watched = Arc::clone(&state);
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        drop(tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut changes = watched.subscribe();
                if *changes.borrow_and_update() % 2 == 0 {
                    drop(tokio::spawn(carry(near, address.clone(), changes)));
                }
            }
        }));
        Self { url: through.into(), state }
    }

    /// Ends every connection, and turns new ones away.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state |= 1);
    }

    /// Lets new connections through.
    pub fn mend(&self) {
        self.state.send_modify(|state| *state += *state % 2);
    }
}

async fn carry(mut near: TcpStream, address: String, mut cut: watch::Receiver<u64>) {
    let carried = async {
        let mut far = TcpStream::connect(address).await?;
        copy_bidirectional(&mut near, &mut far).await
    };
    // A connection that ends of itself is nobody's fault; one that is cut is the test's.
    tokio::select! {
        _ = cut.changed() => {}
        _ = carried => {}
    }
}
