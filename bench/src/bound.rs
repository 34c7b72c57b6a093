//! The bound: what publishers and receiver reach with nothing between them.

use std::sync::Arc;
use std::time::Duration;

use crate::Failure;
use crate::book::Book;
use crate::load::{Load, publish};
use crate::receiver::{Manner, Receiver};
use crate::run::Setting;
use crate::scenario::event;

/// How long it is measured.
const LENGTH: Duration = Duration::from_secs(2);

/// Webhooks a second over two exchanges, in and out, without storage, signing or product: half of
/// what one exchange reaches.
pub(crate) async fn two_hops(setting: &Setting) -> Result<f64, Failure> {
    let book = Arc::new(Book::open(2_000_000));
    let receiver = Receiver::start(Arc::clone(&book), Manner::Takes, false).await?;
    publish(Load {
        addresses: vec![receiver.address],
        path: "/hook".to_owned(),
        keys: vec![String::new()],
        body: event,
        filling: 1_024,
        rate: None,
        length: LENGTH,
        publishers: setting.publishers,
        book: Arc::clone(&book),
    })
    .await?;
    let (took, _) = book.spans();
    Ok(book.acceptances() as f64 / took.as_secs_f64() / 2.0)
}
