//! The statements of `store/settle.rs`, `store/nodes.rs` and `store/pointers.rs`, as functions.

use tidings_kernel::{Timestamp, limits};

use super::world::{DELIVERIES, Node, TICK};
use crate::delivery::DeliveryStatus;
use crate::engine::progress::Progress;

/// What is durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Database {
    /// What became of the unit that has the event: not decided, committed, undone.
    pub(super) event: Option<bool>,
    /// Who holds the pointer.
    pub(super) pointer: Option<Node>,
    pub(super) rows: [Option<Row>; DELIVERIES],
    pub(super) nodes: Vec<NodeRow>,
    /// Subscriptions that send no more.
    pub(super) stopped: [bool; DELIVERIES],
}

/// A delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Row {
    pub(super) progress: Progress,
    pub(super) holder: Node,
}

impl Row {
    pub(super) const fn has_ended(&self) -> bool {
        self.progress.status.is_terminal()
    }
}

/// A node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeRow {
    /// Ticks since its last heartbeat, by the database's clock.
    pub(super) age: u32,
    pub(super) is_fenced: bool,
}

impl NodeRow {
    /// Whether others may fence it.
    pub(super) fn is_expired(self) -> bool {
        !self.is_fenced && TICK * self.age > limits::NODE_DEAD_AFTER
    }
}

/// Whether the row is overwritten: the condition of `settle::DELIVERIES`, without replays.
pub(super) fn is_open(known: Option<DeliveryStatus>) -> bool {
    known.is_none_or(|status| !status.is_terminal())
}

impl Database {
    pub(super) fn is_fenced(&self, node: Node) -> bool {
        self.nodes[usize::from(node)].is_fenced
    }

    /// `JOIN`: a new node.
    pub(super) fn join(&mut self) -> Node {
        self.nodes.push(NodeRow { age: 0, is_fenced: false });
        u8::try_from(self.nodes.len() - 1).unwrap_or(u8::MAX)
    }

    /// `BEAT`: says whether the node had not been fenced.
    pub(super) fn beat(&mut self, node: Node) -> bool {
        let row = &mut self.nodes[usize::from(node)];
        if !row.is_fenced {
            row.age = 0;
        }
        !row.is_fenced
    }

    /// `FENCE_DEAD`. Says who was fenced.
    pub(super) fn fence_dead(&mut self) -> Vec<Node> {
        let mut fenced = Vec::new();
        for (node, row) in (0..).zip(&mut self.nodes) {
            if row.is_expired() {
                row.is_fenced = true;
                fenced.push(node);
            }
        }
        fenced
    }

    /// `ADOPT_POINTERS`, `ADOPT_DELIVERIES`. Says whether anything changed hands.
    pub(super) fn adopt(&mut self, node: Node) -> bool {
        let mut adopted = false;
        if let Some(holder) = self.pointer.filter(|holder| self.is_fenced(*holder)) {
            self.pointer = Some(node);
            adopted |= holder != node;
        }
        for delivery in 0..DELIVERIES {
            let Some(row) = self.rows[delivery] else { continue };
            if row.progress.next_attempt_at.is_some() && self.is_fenced(row.holder) {
                self.rows[delivery] = Some(Row { holder: node, ..row });
                adopted |= row.holder != node;
            }
        }
        adopted
    }

    /// `NEXT_DUE`, of all: until when deliveries wait.
    pub(super) fn waits_until(&self) -> impl Iterator<Item = Timestamp> {
        self.rows.iter().flatten().filter_map(|row| row.progress.next_attempt_at)
    }

    /// `DUE`: which deliveries of a node are due, with their attempts.
    pub(super) fn due(&self, node: Node, now: Timestamp) -> [Option<u32>; DELIVERIES] {
        self.rows.map(|row| {
            row.filter(|row| row.holder == node)
                .filter(|row| row.progress.next_attempt_at.is_some_and(|at| at <= now))
                .map(|row| row.progress.attempts)
        })
    }
}
