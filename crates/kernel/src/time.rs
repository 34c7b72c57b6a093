//! Instants as integers, and the clock that is passed in.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
///
/// In JSON it is RFC 3339 with six decimals and `Z`; in the database it is the integer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A text that is not an RFC 3339 instant between the years 1 and 9999.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an instant: write it as 2026-11-23T12:30:04.123456Z")]
pub struct TimestampError;

impl Timestamp {
    /// Wraps microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down: what `webhook-timestamp` carries.
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Midnight in UTC at the beginning of a calendar day, `2026-11-23`; `None` for another text.
    pub fn of_day(day: &str) -> Option<Self> {
        // The parser knows more spellings; a day has one.
        let date: jiff::civil::Date = day.parse().ok().filter(|_| day.len() == 10)?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(midnight.timestamp().as_microsecond()))
    }

    /// The instant `duration` later; the end of time where that overflows.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// The instant `duration` earlier; the beginning of time where that overflows.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// How long after `earlier` this is; zero where it is not.
    pub fn since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

/// The IANA time zone with this name, in any case, spelled as IANA does; `None` if there is none.
///
/// The zones are those that the program was built with, so that every node knows the same ones.
pub fn time_zone(name: &str) -> Option<String> {
    let zone = jiff::tz::TimeZoneDatabase::bundled().get(name).ok()?;
    zone.iana_name().map(str::to_owned)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(instant) => write!(f, "{instant:.6}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        text.parse::<jiff::Timestamp>()
            .map(|instant| Self(instant.as_microsecond()))
            .map_err(|_| TimestampError)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Timestamp {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(
                utoipa::openapi::KnownFormat::DateTime,
            )))
            .examples(["2026-11-23T12:30:04.123456Z"])
            .into()
    }
}
impl utoipa::ToSchema for Timestamp {}

/// Called when a clock was moved by hand.
pub type OnJump = Box<dyn Fn() + Send + Sync>;

/// What tells the time. The domain never asks one: it is given `ctx.now`.
pub trait Clock: Send + Sync + 'static {
    /// The instant that is now.
    fn now(&self) -> Timestamp;

    /// Whether time passes by itself. Where it does not, a waiter sleeps until the next jump.
    fn ticks(&self) -> bool {
        true
    }

    /// Asks to be called whenever the clock is moved by hand.
    fn on_jump(&self, _call: OnJump) {}
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the time")]
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Timestamp(0).after(since_epoch)
    }
}

/// A clock that stands still until it is moved.
pub struct TestClock {
    micros: AtomicI64,
    on_jump: Mutex<Vec<OnJump>>,
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestClock").field(&self.now()).finish()
    }
}

impl TestClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self { micros: AtomicI64::new(start.0), on_jump: Mutex::new(Vec::new()) }
    }

    /// Moves the clock forward, at full resolution, and wakes whoever waits for it.
    pub fn advance(&self, by: Duration) {
        self.set(self.now().after(by));
    }

    /// Sets the clock, backwards too, and wakes whoever waits for it.
    pub fn set(&self, now: Timestamp) {
        self.micros.store(now.0, Ordering::SeqCst);
        let calls = self.on_jump.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for call in calls.iter() {
            call();
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.micros.load(Ordering::SeqCst))
    }

    fn ticks(&self) -> bool {
        false
    }

    fn on_jump(&self, call: OnJump) {
        self.on_jump.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_is_rfc_3339_with_microseconds() {
        let instant = Timestamp::from_micros(1_795_437_004_123_456);
        assert_eq!(instant.to_string(), "2026-11-23T12:30:04.123456Z");
        assert_eq!("2026-11-23T13:30:04.123456+01:00".parse(), Ok(instant));
        assert_eq!("yesterday".parse::<Timestamp>(), Err(TimestampError));
    }

    #[test]
    fn a_day_has_one_spelling_and_a_zone_the_one_of_iana() {
        let midnight = "2026-11-23T00:00:00Z".parse().ok();
        assert_eq!(Timestamp::of_day("2026-11-23"), midnight);
        for wrong in ["20261123", "2026-02-30", "2026-11-23T00:00:00Z", "", "23.11.2026"] {
            assert_eq!(Timestamp::of_day(wrong), None, "{wrong}");
        }
        assert_eq!(time_zone("europe/berlin").as_deref(), Some("Europe/Berlin"));
        assert_eq!(time_zone("UTC").as_deref(), Some("UTC"));
        assert_eq!(time_zone("Mars/Olympus"), None);
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        let end = Timestamp::from_micros(i64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Timestamp::default().since(end), Duration::ZERO);
    }

    #[test]
    fn a_test_clock_moves_by_microseconds_and_tells_of_it() {
        use std::sync::{Arc, atomic::AtomicUsize};
        let clock = TestClock::at(Timestamp::default());
        let jumps = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&jumps);
        clock.on_jump(Box::new(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        }));
        clock.advance(Duration::from_micros(1));
        assert_eq!((clock.now().micros(), jumps.load(Ordering::SeqCst)), (1, 1));
    }
}
