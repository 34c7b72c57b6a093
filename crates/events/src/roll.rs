//! The roll: the 49 names that the product was asked for, which coverage counts against.

/// A category of the roll and its names, letter for letter.
#[derive(Debug, Clone, Copy)]
pub struct RollCategory {
    /// The category.
    pub name: &'static str,
    /// Its event types.
    pub types: &'static [&'static str],
}

/// The 47 names of the original audit and the two that it counts as done.
pub const ROLL: &[RollCategory] = &[
    RollCategory {
        name: "Billing",
        types: &[
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_failed",
            "invoice.voided",
            "payment.succeeded",
            "payment.failed",
            "payment.refunded",
            "subscription.created",
            "subscription.updated",
            "subscription.cancelled",
            "subscription.renewed",
            "subscription.trial_ending",
        ],
    },
    RollCategory {
        name: "Credit notes",
        types: &[
            "credit_note.created",
            "credit_note.issued",
            "credit_note.voided",
            "credit_note.applied",
        ],
    },
    RollCategory {
        name: "Customer",
        types: &[
            "customer.created",
            "customer.updated",
            "customer.deleted",
            "customer.suspended",
            "customer.reactivated",
            "customer.churned",
        ],
    },
    RollCategory {
        name: "User",
        types: &["user.registered", "user.updated", "user.deleted", "user.login"],
    },
    RollCategory {
        name: "Communication",
        types: &[
            "email.sent",
            "email.delivered",
            "email.bounced",
            "email.failed",
            "bulk_email.completed",
            "bulk_email.failed",
        ],
    },
    RollCategory {
        name: "File storage",
        types: &["file.uploaded", "file.deleted", "file.scan_completed", "storage.quota_exceeded"],
    },
    RollCategory {
        name: "Data transfer",
        types: &["import.completed", "import.failed", "export.completed", "export.failed"],
    },
    RollCategory { name: "Analytics", types: &["metric.threshold_exceeded", "report.generated"] },
    RollCategory { name: "Audit", types: &["security.alert", "compliance.violation"] },
    RollCategory {
        name: "Ticketing",
        types: &["ticket.created", "ticket.updated", "ticket.closed", "ticket.sla_breach"],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roll_has_49_names_each_once() {
        let mut names: Vec<_> = ROLL.iter().flat_map(|category| category.types).collect();
        assert_eq!(names.len(), 49);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 49);
    }
}
