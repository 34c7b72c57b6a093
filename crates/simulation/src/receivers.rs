//! A network in memory with a receiver at each address, who answers as the seed says.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tidings_egress::{Connecting, Duplex, Network};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use crate::book::{Arrival, Book, Moment};
use crate::scenario::Temper;
use crate::time::NodeClock;

/// The port of the first endpoint; the others follow.
pub(crate) const FIRST_PORT: u16 = 10_000;
/// After it stood still a node is said to be just back for so long.
const JUST_BACK: Duration = Duration::from_millis(50);

/// What a receiver does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Status(u16),
    /// Reads it and closes the connection.
    Reset,
    /// Reads it and says nothing.
    Hang,
}

/// One receiver.
struct Receiver {
    temper: Temper,
    dice: Mutex<StdRng>,
    arrivals: Mutex<u32>,
}

/// All receivers; they outlive the nodes.
pub(crate) struct Receivers {
    all: Vec<Receiver>,
    /// Whether those that can be well are.
    pub(crate) healed: AtomicBool,
}

impl Receivers {
    pub(crate) fn new(seed: u64, tempers: impl IntoIterator<Item = Temper>) -> Self {
        let all = tempers.into_iter().zip(1_u64..).map(|(temper, number)| Receiver {
            temper,
            dice: Mutex::new(StdRng::seed_from_u64(seed ^ (number << 40))),
            arrivals: Mutex::new(0),
        });
        Self { all: all.collect(), healed: AtomicBool::new(false) }
    }

    fn roll(&self, endpoint: usize, range: std::ops::Range<u64>) -> u64 {
        let mut dice = self.all[endpoint].dice.lock().unwrap_or_else(PoisonError::into_inner);
        dice.random_range(range)
    }

    /// How a request is answered, and after what time.
    fn answer(&self, endpoint: usize) -> (Duration, Answer) {
        let receiver = &self.all[endpoint];
        let number = {
            let mut arrivals = receiver.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
            *arrivals += 1;
            *arrivals
        };
        let lot = self.roll(endpoint, 0..100);
        let healed = self.healed.load(Ordering::SeqCst);
        let answer = match receiver.temper {
            Temper::Dead => Answer::Status(500),
            Temper::Gone { after } if number > after => Answer::Status(410),
            Temper::Flaky | Temper::Unreachable if !healed => match lot {
                0..40 => Answer::Status(200),
                40..60 => Answer::Status(500),
                60..75 => Answer::Status(503),
                75..90 => Answer::Reset,
                _ => Answer::Hang,
            },
            Temper::Steady
            | Temper::Slow
            | Temper::Flaky
            | Temper::Unreachable
            | Temper::Gone { .. } => Answer::Status(200),
        };
        let millis = match receiver.temper {
            Temper::Slow if !healed => self.roll(endpoint, 100..1_500),
            Temper::Steady
            | Temper::Slow
            | Temper::Flaky
            | Temper::Unreachable
            | Temper::Dead
            | Temper::Gone { .. } => self.roll(endpoint, 1..30),
        };
        (Duration::from_millis(millis), answer)
    }

    fn refuses(&self, endpoint: usize) -> bool {
        self.all[endpoint].temper == Temper::Unreachable && !self.healed.load(Ordering::SeqCst)
    }
}

/// When a sender began to send something.
type Begun = (Duration, Moment);

/// The network as one boot of a node sees it.
#[derive(Clone)]
pub(crate) struct NodeNetwork {
    pub(crate) receivers: Arc<Receivers>,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) book: Book,
    pub(crate) node: usize,
    /// When the node last came back from standing still.
    pub(crate) back_at: Arc<Mutex<Duration>>,
}

impl NodeNetwork {
    fn is_just_back(&self) -> bool {
        let back_at = *self.back_at.lock().unwrap_or_else(PoisonError::into_inner);
        !back_at.is_zero() && self.clock.true_time() <= back_at + JUST_BACK
    }

    fn begin(&self) -> Begun {
        (self.clock.true_time(), self.book.moment())
    }

    async fn serve(self, endpoint: usize, connected: Begun, mut stream: DuplexStream) {
        let mut begun = Some(connected);
        while let Some((event_id, body)) = read_request(&mut stream).await {
            let begun = begun.take().unwrap_or_else(|| self.begin());
            let number = self.arrive(endpoint, begun, event_id, body);
            let (after, answer) = self.receivers.answer(endpoint);
            tokio::time::sleep(after).await;
            match answer {
                Answer::Hang => {
                    // Until the sender has had enough.
                    drop(stream.read_u8().await);
                    return self.leave(endpoint);
                }
                Answer::Reset => return self.leave(endpoint),
                Answer::Status(status) => {
                    let now = self.clock.true_time();
                    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                    // The answer counts from when it left, even if the sender has gone.
                    let moment = self.book.moment();
                    {
                        let arrival = &mut self.book.pages().arrivals[number];
                        arrival.answered = Some((now, status));
                        arrival.moments.1 = Some(moment);
                    }
                    self.book.note(now, &format!("endpoint {endpoint} answers {status}"));
                    self.leave(endpoint);
                    if stream.write_all(head.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn arrive(
        &self,
        endpoint: usize,
        (connected_at, moment): Begun,
        event_id: String,
        body: Vec<u8>,
    ) -> usize {
        let at = self.clock.true_time();
        let node = self.node;
        self.book.note(at, &format!("node {node} sends {event_id} to endpoint {endpoint}"));
        let mut pages = self.book.pages();
        let in_flight = pages.in_flight.entry((node, endpoint)).or_default();
        *in_flight += 1;
        let in_flight = *in_flight;
        pages.in_flight_most = pages.in_flight_most.max(in_flight);
        let sender_stalled = self.is_just_back();
        pages.arrivals.push(Arrival {
            connected_at,
            at,
            endpoint,
            node,
            sender_stalled,
            event_id,
            body,
            answered: None,
            moments: (moment, None),
        });
        pages.arrivals.len() - 1
    }

    fn leave(&self, endpoint: usize) {
        let mut pages = self.book.pages();
        if let Some(in_flight) = pages.in_flight.get_mut(&(self.node, endpoint)) {
            *in_flight = in_flight.saturating_sub(1);
        }
    }
}

impl Network for NodeNetwork {
    fn connect(&self, to: SocketAddr) -> Connecting {
        let network = self.clone();
        Box::pin(async move {
            let endpoint = usize::from(to.port() - FIRST_PORT);
            let connected = network.begin();
            let lot = network.receivers.roll(endpoint, 0..10);
            tokio::time::sleep(Duration::from_millis(lot / 2)).await;
            if network.receivers.refuses(endpoint) && lot < 8 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (ours, theirs) = duplex(64 * 1024);
            #[expect(clippy::disallowed_methods, reason = "it ends with the node's runtime")]
            drop(tokio::spawn(network.serve(endpoint, connected, theirs)));
            let ours: Box<dyn Duplex> = Box::new(ours);
            Ok(ours)
        })
    }
}

/// The `webhook-id` and the body of the next request; none when the connection has ended.
async fn read_request(stream: &mut DuplexStream) -> Option<(String, Vec<u8>)> {
    let mut received = Vec::new();
    let head_end = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut received).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&received[..head_end]).into_owned();
    let header = |wanted: &str| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let mut body = received.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((header("webhook-id")?, body))
}
