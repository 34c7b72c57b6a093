//! What must hold at the end of every simulation: what receivers saw, against what was committed.

mod apart;
mod evidence;
mod order;
mod pairs;
mod sends;

pub(crate) use evidence::ALL;
pub(crate) use evidence::Evidence;

use std::time::Duration;

/// Every promise that was broken, as sentences.
pub(crate) fn violations(evidence: &Evidence, probed_at: Duration) -> Vec<String> {
    let mut found = Vec::new();
    pairs::check(evidence, &mut found);
    sends::check(evidence, probed_at, &mut found);
    order::check(evidence, &mut found);
    apart::check(evidence, &mut found);
    found
}
