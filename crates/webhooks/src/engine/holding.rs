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

/// Whether an item whose turn has come is this node's to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is.
    Good,
    /// It is, and others may be about to take it: it goes back to the database.
    Doubtful,
    /// Another node has it: what was held was given away when the node was fenced.
    Lost,
}

/// Whose an item is that `holder` took up, for the process that is `node` now.
pub(super) fn claim<T: PartialEq>(holder: &T, node: &T, lease_holds: bool) -> Claim {
    if !is_held_by(holder, node) {
        Claim::Lost
    } else if lease_holds {
        Claim::Good
    } else {
        Claim::Doubtful
    }
}

/// What becomes of an item that is this node's to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn<E> {
    /// It is sent to this endpoint.
    Send(E),
    /// Nobody wants it any more.
    Discard,
    /// It waits until its subscription sends again.
    Wait,
    /// Its row says already that it is not to be sent.
    Leave,
}

/// What becomes of an item whose subscription has this endpoint, if it sends. `is_wanted` tells
/// whether the row of a replay's delivery has not ended meanwhile.
pub(super) fn turn<E>(endpoint: Option<E>, is_replay: bool, is_wanted: bool) -> Turn<E> {
    match (endpoint, is_replay) {
        (Some(endpoint), false) => Turn::Send(endpoint),
        (Some(endpoint), true) if is_wanted => Turn::Send(endpoint),
        (Some(_), true) => Turn::Leave,
        (None, false) => Turn::Discard,
        (None, true) => Turn::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stops_sending_before_it_may_be_fenced() {
        assert!(may_send(Duration::from_millis(1_999)));
        assert!(!may_send(STOP_AFTER));
    }

    #[test]
    fn only_who_holds_an_item_and_is_heard_of_may_send_it() {
        for (holder, lease_holds, wanted) in [
            (1, true, Claim::Good),
            (1, false, Claim::Doubtful),
            (2, true, Claim::Lost),
            (2, false, Claim::Lost),
        ] {
            assert_eq!(claim(&holder, &1, lease_holds), wanted, "{holder} {lease_holds}");
        }
    }

    #[test]
    fn what_belongs_to_a_replay_waits_and_the_rest_is_discarded() {
        for (endpoint, is_replay, is_wanted, wanted) in [
            (Some(7), false, true, Turn::Send(7)),
            (Some(7), true, true, Turn::Send(7)),
            (Some(7), true, false, Turn::Leave),
            (None, false, true, Turn::Discard),
            (None, true, true, Turn::Wait),
            (None, true, false, Turn::Wait),
        ] {
            assert_eq!(turn(endpoint, is_replay, is_wanted), wanted, "{endpoint:?} {is_replay}");
        }
    }
}
