//! Who may do what with what a node holds: decisions without a database or a clock.

use std::time::Duration;

use tidings_kernel::limits;

/// A node stops sending when its last heartbeat is this old: a second before it may be fenced.
const STOP_AFTER: Duration = Duration::from_secs(2);

// Whoever is fenced has stopped sending before.
const _: () = assert!(
    STOP_AFTER.as_millis() + limits::HEARTBEAT_EVERY.as_millis()
        <= limits::NODE_DEAD_AFTER.as_millis()
);

/// Whether something that is held by `holder` is this node's. A node that was fenced begins again
/// as another one.
pub(super) fn is_held_by<T: PartialEq>(holder: &T, node: &T) -> bool {
    holder == node
}

/// Whether a node may send that was heard of so long ago.
pub(super) fn may_send(silence: Duration) -> bool {
    silence < STOP_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stops_sending_before_it_may_be_fenced() {
        assert!(may_send(Duration::from_millis(1_999)));
        assert!(!may_send(STOP_AFTER));
    }
}
