//! A machine that has no descriptor left. In a process of its own, for it takes them from all.
#![expect(clippy::unwrap_used, reason = "a run that cannot go on fails, with the reason")]

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidings_egress::{Egress, Options, Policy, SendError};

async fn failure(egress: &Egress, url: &str) -> SendError {
    let target = egress.vet(url).unwrap();
    let exchange =
        egress.send(&target, HeaderMap::new(), Bytes::new(), Duration::from_secs(10)).await;
    exchange.outcome.unwrap_err()
}

#[tokio::test]
async fn without_descriptors_a_failure_is_this_machines() {
    let policy = Policy { allow_loopback: true, ..Policy::default() };
    let egress = Egress::new(policy, Options::default()).unwrap();
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let literal = format!("http://{free}/");
    let usual = getrlimit(Resource::Nofile);

    // What is open stays so; nothing more can be opened.
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..usual }).unwrap();
    let by_address = failure(&egress, &literal).await;
    let by_name = failure(&egress, "https://receiver.example.com/").await;
    setrlimit(Resource::Nofile, usual).unwrap();

    assert_eq!((by_address, by_name), (SendError::Local, SendError::Local));
    assert_eq!(failure(&egress, &literal).await, SendError::Refused, "now it was asked");
}
