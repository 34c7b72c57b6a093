//! How a body arrives: bounded in size, and not slower than anybody honest sends.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tidings_kernel::{Problem, ProblemKind};
use tokio::time::{Instant, timeout_at};

/// A body has this long, whatever its size.
const BODY_GRACE: Duration = Duration::from_secs(10);
/// And beyond that as long as this many bytes take in each second.
const BODY_BYTES_PER_SECOND_MIN: u64 = 1_024;

/// How long a body may take of which so many bytes are here.
const fn time_for(bytes_count: u64) -> Duration {
    let earned =
        Duration::from_millis(bytes_count.saturating_mul(1_000) / BODY_BYTES_PER_SECOND_MIN);
    BODY_GRACE.saturating_add(earned)
}

/// Reads a body of at most so many bytes.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<Bytes, Problem> {
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    if declared.is_some_and(|length| length > most as u64) {
        // Read on for a while without keeping it: a caller that still writes would otherwise see a
        // broken connection instead of the answer.
        let rest = Limited::new(body, most.saturating_mul(4));
        let _ = collect(rest, most, |_| {}).await;
        return Err(too_large(most));
    }
    let mut bytes = BytesMut::new();
    collect(Limited::new(body, most), most, |part| bytes.extend_from_slice(part)).await?;
    if !bytes.is_empty() {
        check_media_type(headers)?;
    }
    Ok(bytes.freeze())
}

/// Hands over the parts of a body as they come, for as long as they come fast enough.
async fn collect(
    mut body: Limited<Body>,
    most: usize,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Problem> {
    let began = Instant::now();
    let mut bytes_count = 0_u64;
    loop {
        let until = began + time_for(bytes_count);
        let frame = match timeout_at(until, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(too_large(most)),
            Ok(Some(Err(_))) => {
                let detail = "the body ended before it was complete";
                return Err(Problem::new(ProblemKind::Malformed, detail));
            }
            Ok(None) => return Ok(()),
            Err(_) => return Err(too_slow()),
        };
        if let Some(part) = frame.data_ref() {
            bytes_count = bytes_count.saturating_add(part.len() as u64);
            take(part);
        }
    }
}

fn too_large(most: usize) -> Problem {
    Problem::new(
        ProblemKind::PayloadTooLarge,
        format!("the body is larger than {most} bytes, which is all that this takes"),
    )
}

fn too_slow() -> Problem {
    Problem::new(
        ProblemKind::TooSlow,
        format!(
            "the body arrives too slowly; after {} seconds it must have come at {} bytes a second",
            BODY_GRACE.as_secs(),
            BODY_BYTES_PER_SECOND_MIN
        ),
    )
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let coded = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let json = essence.eq_ignore_ascii_case("application/json")
        || (essence.len() > 5 && essence.to_ascii_lowercase().ends_with("+json"));
    if json && !coded {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::UnsupportedMediaType,
        "send the body as Content-Type: application/json, without a content coding",
    ))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;
    use http::HeaderValue;
    use tokio::time::sleep;

    use super::*;

    /// What becomes of a body that sends one part each second, and after how many seconds.
    async fn read(
        part: &'static [u8],
        parts: u32,
        length: Option<u64>,
    ) -> (Result<usize, u16>, u64) {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        let drip = stream::unfold(parts, move |left| async move {
            let left = left.checked_sub(1)?;
            sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(part)), left))
        });
        let body = Body::from_stream(drip);
        let began = Instant::now();
        let read = read_body(&headers, body, 100_000).await;
        let verdict = read.map(|bytes| bytes.len()).map_err(|problem| problem.kind.status());
        (verdict, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_is_cut_off_and_one_that_flows_is_not() {
        const KILOBYTE: &[u8] = &[b'x'; 1_025];
        assert_eq!(read(b"x", 8, None).await, (Ok(8), 8));
        assert_eq!(read(b"x", 1_000, None).await, (Err(408), 10));
        assert_eq!(read(b"", 1_000, None).await, (Err(408), 10), "empty parts earn nothing");
        assert_eq!(read(KILOBYTE, 90, None).await, (Ok(92_250), 90));
        assert_eq!(read(KILOBYTE, 1_000, None).await, (Err(413), 98));
        assert_eq!(read(KILOBYTE, 90, Some(2_000_000)).await, (Err(413), 90), "read, not kept");
        assert_eq!(read(b"x", 90, Some(2_000_000)).await, (Err(413), 10), "nor waited for");
    }

    #[test]
    fn time_is_earned_by_bytes() {
        for (bytes_count, seconds) in [
            (0, 10),
            (1_024, 11),
            (1_024 * 1_024, 10 + 1_024),
            (u64::MAX, u64::MAX / 1_024 / 1_000 + 10),
        ] {
            assert_eq!(time_for(bytes_count).as_secs(), seconds, "{bytes_count}");
        }
    }
}
