//! Nodes that are apart: who is cut off from the database sends nothing, and what several do is done
//! once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::evidence::Evidence;

/// A node that is cut off has stopped sending after so long; after three seconds it may be fenced.
pub(crate) const STOPPED_SENDING: Duration = Duration::from_millis(2_100);

pub(super) fn check(evidence: &Evidence, found: &mut Vec<String>) {
    cut_off(evidence, found);
    counted_once(evidence, found);
}

fn cut_off(evidence: &Evidence, found: &mut Vec<String>) {
    for cut in &evidence.book.pages().cuts {
        let apart = cut.from + STOPPED_SENDING..cut.until;
        let sent = evidence.arrivals.iter().filter(|arrival| {
            // A machine that stood still between the question and the sending cannot know.
            arrival.node == cut.node
                && apart.contains(&arrival.connected_at)
                && !arrival.sender_stalled
        });
        found.extend(sent.map(|arrival| {
            format!(
                "{} was sent by node {} at {:?}, cut off since {:?}",
                arrival.event_id, arrival.node, arrival.connected_at, cut.from
            )
        }));
    }
}

/// The reaction that counts has counted every event once.
fn counted_once(evidence: &Evidence, found: &mut Vec<String>) {
    for (tenant, counted) in evidence.counted.iter().enumerate() {
        let mut logged: BTreeMap<&str, i64> = BTreeMap::new();
        for event in evidence.events.iter().filter(|event| event.tenant == tenant) {
            *logged.entry(&event.name).or_default() += 1;
        }
        let counted: BTreeMap<&str, i64> =
            counted.iter().map(|(name, fired)| (name.as_str(), *fired)).collect();
        if counted != logged {
            found.push(format!("tenant {tenant} has {logged:?}, and {counted:?} were counted"));
        }
    }
}
