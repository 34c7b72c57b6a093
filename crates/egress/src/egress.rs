//! The front door: vet a URL, send to a target.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};

use crate::body::{Ending, Excerpt};
use crate::dial::Dialler;
use crate::exchange::{Exchange, Phase, Phases, Reply, SendError};
use crate::failure::classify;
use crate::link::Link;
use crate::options::{Options, SetupError};
use crate::policy::Policy;
use crate::pool::Pool;
use crate::target::{Target, UrlRefused};

/// The dialler. Cloning is one reference count; clones share connections.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Egress")
    }
}

struct Inner {
    dialler: Dialler,
    pool: Pool,
}

impl Egress {
    /// Builds a dialler. The system resolver wants to be made inside the async runtime.
    ///
    /// # Errors
    ///
    /// An extra root that is not a certificate, or a resolver that cannot be built.
    pub fn new(policy: Policy, options: Options) -> Result<Self, SetupError> {
        let pool = Pool::new(&options);
        let dialler = Dialler::new(policy, options)?;
        Ok(Self(Arc::new(Inner { dialler, pool })))
    }

    /// Examines a URL: scheme, user info, port, name or literal address. Resolves nothing.
    ///
    /// # Errors
    ///
    /// The first rule that the URL breaks.
    pub fn vet(&self, url: &str) -> Result<Target, UrlRefused> {
        Target::vet(url, self.0.dialler.policy())
    }

    /// Posts `body` to `target`, once, and waits for the reply no longer than `deadline`.
    ///
    /// The deadline spans everything from the name to the last byte of the reply's body. `host`,
    /// `accept-encoding` and the headers that frame a message are ours: values for them in
    /// `headers` are dropped. Redirects are replies like any other. Dropping the future closes
    /// the connection.
    pub async fn send(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
        deadline: Duration,
    ) -> Exchange {
        self.ask(target, request(Method::POST, target, headers, body), deadline).await
    }

    /// Asks `target` with `OPTIONS`, once, as [`Egress::send`] posts: vetted and bounded alike.
    pub async fn options(
        &self,
        target: &Target,
        headers: HeaderMap,
        deadline: Duration,
    ) -> Exchange {
        let request = request(Method::OPTIONS, target, headers, Bytes::new());
        self.ask(target, request, deadline).await
    }

    async fn ask(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        deadline: Duration,
    ) -> Exchange {
        let started = Instant::now();
        let until = started.checked_add(deadline).unwrap_or(started);
        let mut phases = Phases::default();
        let outcome = self.0.exchange(target, request, until, &mut phases).await;
        if matches!(outcome, Err(SendError::Local)) {
            self.0.pool.clear();
        }
        phases.total = started.elapsed();
        Exchange { outcome, phases }
    }
}

impl Inner {
    async fn exchange(
        &self,
        target: &Target,
        request: Request<Full<Bytes>>,
        until: Instant,
        phases: &mut Phases,
    ) -> Result<Reply, SendError> {
        let mut link = if let Some(link) = self.take_idle(target).await {
            phases.reused = true;
            link
        } else {
            Box::pin(self.dialler.dial(target, until, phases)).await?
        };

        let asked = Instant::now();
        let head = timeout_at(until, link.request(request)).await;
        let reply = match head {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => return Err(classify(&error)),
            Err(_) if link.is_write_blocked() => return Err(SendError::Timeout(Phase::Send)),
            Err(_) => return Err(SendError::Timeout(Phase::Head)),
        };
        phases.first_byte = Some(asked.elapsed());

        let (parts, mut incoming) = reply.into_parts();
        let headed = Instant::now();
        let mut excerpt = Excerpt::default();
        let ending = timeout_at(until, link.drive(excerpt.read(&mut incoming)))
            .await
            .unwrap_or(Ending::Failed);
        phases.body = (ending != Ending::Failed).then(|| headed.elapsed());
        if ending == Ending::Complete && link.is_ready().await {
            self.pool.put(target.key(), link, Instant::now());
        }
        Ok(Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body_truncated: excerpt.is_truncated(),
            body: excerpt.into_bytes(),
            body_error: ending == Ending::Failed,
        })
    }

    /// An idle connection that is still alive; dead ones are dropped on the way.
    async fn take_idle(&self, target: &Target) -> Option<Box<Link>> {
        loop {
            let mut link = self.pool.take(target.key(), Instant::now())?;
            if link.is_ready().await {
                return Some(link);
            }
        }
    }
}

/// Headers that frame a message or steer a connection. A caller that sets one would contradict
/// what is really sent.
const RESERVED: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

fn request(
    method: Method,
    target: &Target,
    mut headers: HeaderMap,
    body: Bytes,
) -> Request<Full<Bytes>> {
    for name in &RESERVED {
        headers.remove(name);
    }
    headers.insert(header::HOST, target.host_header());
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = target.uri();
    *request.headers_mut() = headers;
    request
}
