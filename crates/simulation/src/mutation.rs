//! Lies about what receivers saw: a judge that does not notice one is no judge.

use std::time::Duration;

use crate::book::{Arrival, Cut, Pages};

/// One way to falsify what receivers saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// Every arrival of one event at one endpoint is forgotten.
    ForgetEvent,
    /// One byte of a body is another.
    AlterBody,
    /// Something arrives that nobody committed.
    Invent,
    /// Something arrives many times.
    Repeat,
    /// What was sent last arrives before everything else.
    Overtake,
    /// What one node sends begins just before the answer to what another node sent before it.
    Overlap,
    /// A node sends while it is cut off from the database.
    SendCutOff,
    /// A reaction counts something twice.
    CountTwice,
}

impl Mutation {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::ForgetEvent,
        Self::AlterBody,
        Self::Invent,
        Self::Repeat,
        Self::Overtake,
        Self::Overlap,
        Self::SendCutOff,
        Self::CountTwice,
    ];

    /// Lets requests begin a moment too early.
    fn overlap(arrivals: &mut [Arrival]) {
        let earlier = arrivals.to_vec();
        for arrival in arrivals {
            let before = earlier.iter().filter(|other| {
                other.endpoint == arrival.endpoint
                    && other.node != arrival.node
                    && other.event_id != arrival.event_id
            });
            let answered = before.filter_map(|other| other.moments.1);
            let last = answered.filter(|moment| *moment < arrival.moments.0).max();
            if let Some(last) = last {
                arrival.moments.0 = last - 1;
            }
        }
    }

    pub(crate) fn falsify(self, pages: &mut Pages) {
        let Pages { arrivals, cuts, .. } = pages;
        let Some(first) = arrivals.first().cloned() else { return };
        match self {
            Self::ForgetEvent => arrivals.retain(|arrival| {
                (&arrival.event_id, arrival.endpoint) != (&first.event_id, first.endpoint)
            }),
            Self::AlterBody => arrivals[0].body[0] ^= 1,
            Self::Invent => {
                let event_id = "evt_01jd0000000000000000000000".to_owned();
                arrivals.push(Arrival { event_id, ..first });
            }
            Self::Repeat => arrivals.extend(std::iter::repeat_n(first, 1_000)),
            Self::Overlap => Self::overlap(arrivals),
            Self::SendCutOff => {
                if let Some(&Cut { node, until, .. }) = cuts.first() {
                    let connected_at = until.saturating_sub(Duration::from_millis(1));
                    arrivals[0] = Arrival { node, connected_at, sender_stalled: false, ..first };
                }
            }
            Self::CountTwice => {}
            Self::Overtake => {
                // The last of an object that an endpoint saw more than once.
                if let Some(last) = arrivals.pop() {
                    let moments = (0, None);
                    let at = Duration::ZERO;
                    arrivals.insert(0, Arrival { at, answered: None, moments, ..last });
                }
            }
        }
    }

    /// The same for what a reaction has counted.
    pub(crate) fn falsify_counts(self, counted: &mut [Vec<(String, i64)>]) {
        if self == Self::CountTwice
            && let Some((_, fired)) = counted.iter_mut().flatten().next()
        {
            *fired += 1;
        }
    }
}
