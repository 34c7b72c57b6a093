//! What lists of the log are narrowed to, as ranges that indexes serve. Pure.
//!
//! Ids of events begin with the millisecond of the event, and ids of deliveries with that of their
//! event. So a time, an event and a cursor are all ranges of ids.

use tidings_kernel::{EventId, FieldError, Timestamp, Uuid};

/// How many rows one page looks at, where few of them fit. A page that has looked at so many ends
/// early, and its cursor goes on behind them.
pub(crate) const ROWS_LOOKED_AT_MAX: i64 = 5_000;
/// How far the order of positions and the order of instants may lie apart: a unit of work ends long
/// before, and the clocks of nodes are closer.
const POSITIONS_ASTRAY: std::time::Duration = std::time::Duration::from_mins(10);
/// Sorts after every character of a type's name.
const AFTER_NAMES: &str = "~";
/// Bits of an id below the millisecond.
const BELOW_MILLISECOND: u32 = 80;

/// Types between two names, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeRange {
    pub(crate) low: String,
    pub(crate) high: String,
}

impl Default for TypeRange {
    fn default() -> Self {
        Self { low: String::new(), high: AFTER_NAMES.to_owned() }
    }
}

impl TypeRange {
    /// Reads a type, a wildcard such as `invoice.*`, or `*`.
    pub(crate) fn parse(text: &str) -> Result<Self, FieldError> {
        let fault = |message: &str| FieldError::new("?event_type", "invalid", message);
        if text == "*" {
            return Ok(Self::default());
        }
        let (name, below) = match text.strip_suffix(".*") {
            Some(parent) => (parent, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(fault(
                "an asterisk stands alone or after the last full stop, as in customer.*",
            ));
        }
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        if name.is_empty() || name.len() > 200 || !name.chars().all(legal) {
            return Err(fault("a type such as customer.created, or a wildcard such as customer.*"));
        }
        if below {
            return Ok(Self { low: format!("{name}."), high: format!("{name}.{AFTER_NAMES}") });
        }
        Ok(Self { low: name.to_owned(), high: name.to_owned() })
    }

    /// Whether a type lies between the two.
    pub(crate) fn contains(&self, name: &str) -> bool {
        (self.low.as_str()..=self.high.as_str()).contains(&name)
    }
}

/// From one instant to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Default for Span {
    fn default() -> Self {
        Self { from: Timestamp::from_micros(0), to: Timestamp::from_micros(i64::MAX) }
    }
}

impl Span {
    /// Reads two optional bounds.
    pub(crate) fn new(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Self, FieldError> {
        let all = Self::default();
        let span = Self { from: from.unwrap_or(all.from), to: to.unwrap_or(all.to) };
        if span.from > span.to {
            let message = "this lies before occurred_after, so that nothing is between them";
            return Err(FieldError::new("?occurred_before", "out_of_range", message));
        }
        Ok(span)
    }

    /// Whether an instant lies between the two.
    pub(crate) fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// Every event that is older than this id has its position before those of the span; none
    /// where the span has no beginning.
    pub(crate) fn surely_before(&self) -> Option<Uuid> {
        (self.from > Span::default().from).then(|| first_id(self.from.before(POSITIONS_ASTRAY)))
    }

    /// Every event that is younger than this id has its position behind those of the span; none
    /// where the span has no end.
    pub(crate) fn surely_behind(&self) -> Option<Uuid> {
        (self.to < Span::default().to).then(|| last_id(self.to.after(POSITIONS_ASTRAY)))
    }
}

/// Ids between two, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IdRange {
    pub(crate) low: Uuid,
    pub(crate) high: Uuid,
}

impl IdRange {
    /// The ids of what happened within a span.
    pub(crate) fn of_span(span: Span) -> Self {
        Self { low: first_id(span.from), high: last_id(span.to) }
    }

    /// The ids that share an event's millisecond: its deliveries are among them.
    pub(crate) fn of_event(id: Uuid) -> Self {
        let first = (id.as_u128() >> BELOW_MILLISECOND) << BELOW_MILLISECOND;
        let last = first | ((1 << BELOW_MILLISECOND) - 1);
        Self { low: Uuid::from_u128(first), high: Uuid::from_u128(last) }
    }

    /// What both ranges have; nothing where they do not meet.
    pub(crate) fn within(self, other: Self) -> Option<Self> {
        let both = Self { low: self.low.max(other.low), high: self.high.min(other.high) };
        (both.low <= both.high).then_some(both)
    }

    /// What is left behind an id, going down; nothing behind the last.
    pub(crate) fn below(self, id: Option<Uuid>) -> Option<Self> {
        match id {
            None => Some(self),
            Some(id) => {
                let high = Uuid::from_u128(id.as_u128().checked_sub(1)?);
                self.within(Self { low: Uuid::nil(), high })
            }
        }
    }
}

fn milliseconds(at: Timestamp) -> u128 {
    let milliseconds = u128::try_from(at.micros().max(0) / 1_000).unwrap_or(0);
    milliseconds.min((1 << 48) - 1)
}

fn first_id(at: Timestamp) -> Uuid {
    Uuid::from_u128(milliseconds(at) << BELOW_MILLISECOND)
}

fn last_id(at: Timestamp) -> Uuid {
    Uuid::from_u128((milliseconds(at) << BELOW_MILLISECOND) | ((1 << BELOW_MILLISECOND) - 1))
}

/// Events in groups that share a millisecond, the newest first: the deliveries of one group lie in
/// one range of ids.
pub(crate) fn by_millisecond(mut events: Vec<EventId>) -> Vec<(IdRange, Vec<EventId>)> {
    events.sort_unstable_by(|a, b| b.cmp(a));
    let mut groups: Vec<(IdRange, Vec<EventId>)> = Vec::new();
    for id in events {
        let range = IdRange::of_event(id.uuid());
        match groups.last_mut() {
            Some((known, ids)) if *known == range => ids.push(id),
            _ => groups.push((range, vec![id])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn types_and_wildcards_are_ranges_of_names() {
        for (text, name, wanted) in [
            ("*", "customer.created", true),
            ("*", "custom.a-b_1", true),
            ("customer.*", "customer.created", true),
            ("customer.*", "customer.note.added", true),
            ("customer.*", "customer", false),
            ("customer.*", "customers.created", false),
            ("custom.*", "customer.created", false),
            ("customer.created", "customer.created", true),
            ("customer.created", "customer.created.twice", false),
            ("custom.order.*", "custom.order.paid", true),
            ("custom.order.*", "custom.orders.paid", false),
        ] {
            assert_eq!(TypeRange::parse(text).unwrap().contains(name), wanted, "{text} {name}");
        }
        for wrong in ["", ".*", "cust*", "*.created", "customer.*.x", "Customer.*", "a b", "a~"] {
            assert!(TypeRange::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_span_is_a_range_of_ids_to_the_millisecond() {
        let span = Span::new(Some(at(5_000_900)), Some(at(7_000_000))).unwrap();
        let range = IdRange::of_span(span);
        assert_eq!(range.low.as_u128() >> BELOW_MILLISECOND, 5_000);
        assert_eq!(range.high.as_u128() >> BELOW_MILLISECOND, 7_000);
        assert!(span.contains(at(5_000_900)) && !span.contains(at(5_000_899)));
        let all = IdRange::of_span(Span::default());
        assert_eq!((all.low, all.high), (Uuid::nil(), Uuid::max()));
        let refused = Span::new(Some(at(2)), Some(at(1))).unwrap_err();
        assert_eq!(refused.pointer, "?occurred_before");
    }

    #[test]
    fn only_a_bound_that_is_given_bounds_positions() {
        let from = Span::new(Some(at(3_600_000_000)), None).unwrap();
        assert!(from.surely_before().is_some() && from.surely_behind().is_none());
        let to = Span::new(None, Some(at(3_600_000_000))).unwrap();
        assert!(to.surely_before().is_none() && to.surely_behind().is_some());
        let milliseconds = from.surely_before().unwrap().as_u128() >> BELOW_MILLISECOND;
        assert_eq!(milliseconds, 3_000_000, "ten minutes before");
    }

    #[test]
    fn ranges_meet_or_do_not_and_end() {
        let range = |low, high| IdRange { low: Uuid::from_u128(low), high: Uuid::from_u128(high) };
        assert_eq!(range(1, 5).within(range(3, 9)), Some(range(3, 5)));
        assert_eq!(range(1, 2).within(range(3, 9)), None);
        assert_eq!(range(1, 5).below(None), Some(range(1, 5)));
        assert_eq!(range(1, 5).below(Some(Uuid::from_u128(4))), Some(range(1, 3)));
        assert_eq!(range(1, 5).below(Some(Uuid::from_u128(1))), None);
        assert_eq!(range(0, 5).below(Some(Uuid::nil())), None);
    }

    #[test]
    fn events_of_one_millisecond_are_one_group_and_the_newest_come_first() {
        let id = |ms: u128, rest: u128| {
            EventId::from_uuid(Uuid::from_u128((ms << BELOW_MILLISECOND) | rest))
        };
        let groups = by_millisecond(vec![id(1, 7), id(2, 1), id(1, 9)]);
        let shown: Vec<_> = groups.iter().map(|(_, ids)| ids.clone()).collect();
        assert_eq!(shown, [vec![id(2, 1)], vec![id(1, 9), id(1, 7)]]);
        assert_eq!(groups[1].0.low, Uuid::from_u128(1 << BELOW_MILLISECOND));
    }
}
