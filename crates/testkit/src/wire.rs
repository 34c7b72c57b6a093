//! A wire to PostgreSQL that can be cut at the moment that matters, while a transaction commits; and
//! that can swallow what is sent, as a network does that lost its way.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use url::Url;

/// Where a COMMIT is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// On its way to the server, which undoes the transaction.
    Request,
    /// On its way back: the transaction is durable, and nobody is told.
    Answer,
}

/// Which COMMIT is lost next: that of the connection on which these bytes went by.
type Armed = Arc<Mutex<Option<(Vec<u8>, Cut)>>>;

/// A wire to PostgreSQL.
#[derive(Debug)]
pub struct Wire {
    /// Where the program finds the server by way of the wire.
    pub url: String,
    armed: Armed,
    whole: watch::Sender<bool>,
    /// Changes whenever the connections of that moment fall silent.
    swallowed: watch::Sender<()>,
    accepting: AbortHandle,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Wire {
    /// A wire to the server of this URL.
    pub async fn to(server: &str) -> Self {
        let mut url = Url::parse(server).unwrap();
        let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
        let server = (host, url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // What is sealed could not be cut at the right place.
        url.query_pairs_mut().append_pair("sslmode", "disable");
        let armed = Armed::default();
        let (whole, watched) = watch::channel(true);
        let (swallowed, silence) = watch::channel(());
        let seen = Arc::clone(&armed);
        #[expect(clippy::disallowed_methods, reason = "it ends with the wire")]
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, armed) = (server.clone(), Arc::clone(&seen));
                let (mut whole, mut silence) = (watched.clone(), silence.clone());
                silence.mark_unchanged();
                drop(tokio::spawn(async move {
                    let mut carrying = std::pin::pin!(carry(client, server, &armed));
                    // A connection that breaks is what the wire is for.
                    tokio::select! {
                        _ = &mut carrying => return,
                        _ = whole.wait_for(|whole| !whole) => return,
                        _ = silence.changed() => {}
                    }
                    // Its sockets stay open, and nothing goes by any more.
                    let _ = whole.wait_for(|whole| !whole).await;
                }));
            }
        });
        Self { url: url.into(), armed, whole, swallowed, accepting: accepting.abort_handle() }
    }

    /// Lets the connections of this moment fall silent: they stay open, what is sent is taken, and
    /// nothing of it arrives. New ones are well.
    pub fn swallow(&self) {
        self.swallowed.send_replace(());
    }

    /// Cuts it: connections end, and new ones end at once.
    pub fn part(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// Loses the next COMMIT of the transaction in which `bytes` are sent, and its connection.
    pub fn lose_commit_of(&self, bytes: &str, cut: Cut) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((bytes.as_bytes().to_vec(), cut));
    }

    /// Whether what was to be lost is lost.
    pub fn is_cut(&self) -> bool {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// Carries one connection until one of its ends is gone, or its COMMIT is to be lost.
async fn carry(
    mut client: TcpStream,
    server: (String, u16),
    armed: &Armed,
) -> Result<(), std::io::Error> {
    let mut server = TcpStream::connect(server).await?;
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut concerned = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Some(sent) = asked.get(..read?).filter(|sent| !sent.is_empty()) else { break };
                concerned |= concerns(armed, sent);
                if concerned && contains(sent, b"COMMIT\0") && let Some(cut) = disarm(armed) {
                    if cut == Cut::Answer {
                        server.write_all(sent).await?;
                        let answer = server.read(&mut answered).await?;
                        assert!(contains(&answered[..answer], b"COMMIT"), "it was committed");
                    }
                    break;
                }
                server.write_all(sent).await?;
            }
            read = server.read(&mut answered) => {
                let Some(sent) = answered.get(..read?).filter(|sent| !sent.is_empty()) else {
                    break;
                };
                client.write_all(sent).await?;
            }
        }
    }
    Ok(())
}

fn concerns(armed: &Armed, sent: &[u8]) -> bool {
    let armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
    armed.as_ref().is_some_and(|(bytes, _)| contains(sent, bytes))
}

fn disarm(armed: &Armed) -> Option<Cut> {
    armed.lock().unwrap_or_else(PoisonError::into_inner).take().map(|(_, cut)| cut)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
