//! What the original audit asked for beside the roll, and the places that settle it.

use std::path::Path;

use tidings_events::EventType;

use crate::failure::Failure;

/// One thing that the audit asked for, or found wrong.
pub(crate) struct Item {
    /// What it says: for work the file of the audited program and what to do there.
    pub(crate) says: &'static str,
    /// The event types that it is about. While one is not in the catalog, it is not settled.
    types: &'static [&'static str],
    /// What settles it: a file of this repository, and how. Empty while nothing does.
    places: &'static [(&'static str, &'static str)],
}

/// Whether an item is settled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// By these places.
    By(&'static [(&'static str, &'static str)]),
    /// These types are not in the catalog.
    NotYet(Vec<&'static str>),
}

const fn item(
    says: &'static str,
    types: &'static [&'static str],
    places: &'static [(&'static str, &'static str)],
) -> Item {
    Item { says, types, places }
}

/// A phase of the audit's plan.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) items: &'static [Item],
}

/// The plan of the audit, item by item.
pub(crate) const PHASES: &[Phase] = &[
    Phase {
        name: "Must Do (Phase 1)",
        items: &[
            item("`webhooks/models.py` - Add CREDIT_NOTE_* events", CREDIT_NOTE, &[]),
            item(
                "`billing/credit_notes/service.py` - Implement 4 methods with event publishing",
                CREDIT_NOTE,
                &[],
            ),
            item(
                "`billing/invoicing/service.py` - Add INVOICE_PAYMENT_FAILED",
                &["invoice.payment_failed"],
                &[],
            ),
            item(
                "`billing/subscriptions/service.py` - Add SUBSCRIPTION_TRIAL_ENDING",
                &["subscription.trial_ending"],
                &[],
            ),
        ],
    },
    Phase {
        name: "Should Do (Phase 2)",
        items: &[
            item(
                "`customer_management/service.py` - Add CUSTOMER_* publishing",
                &["customer.created", "customer.updated", "customer.deleted"],
                &[(
                    "crates/customers/src/customer.rs",
                    "a transition gives the next state and its event as one value",
                )],
            ),
            item(
                "`customer_management/router.py` - Use WebhookEvent enum + emit",
                CUSTOMER_STATUS,
                &[
                    (
                        "crates/customers/src/status.rs",
                        "the moves between statuses, each with its event",
                    ),
                    (
                        "crates/customers/src/api/lifecycle.rs",
                        "the routes declare by `EventType` what they emit",
                    ),
                ],
            ),
            item("`user_management/service.py` - Add USER_* publishing", USER, &[]),
            item("`auth/router.py` - Add USER_LOGIN publishing", &["user.login"], &[]),
        ],
    },
    Phase {
        name: "Nice to Have (Phase 3-5)",
        items: &[
            item("`file_storage/service.py` - Add FILE_* events", FILE, &[]),
            item(
                "`data_import/service.py` - Add IMPORT_* events",
                &["import.completed", "import.failed"],
                &[],
            ),
            item(
                "`data_transfer/exporters.py` - Add EXPORT_* events",
                &["export.completed", "export.failed"],
                &[],
            ),
            item(
                "`communications/email_service.py` - Add EMAIL_DELIVERED, EMAIL_BOUNCED",
                EMAIL_REPORTS,
                &[],
            ),
            item(
                "`analytics/service.py` - Add METRIC_THRESHOLD_EXCEEDED, REPORT_GENERATED",
                &["metric.threshold_exceeded", "report.generated"],
                &[],
            ),
            item(
                "`audit/service.py` - Add SECURITY_ALERT, COMPLIANCE_VIOLATION",
                &["security.alert", "compliance.violation"],
                &[],
            ),
            item(
                "`webhooks/` - Add ticketing adapter/bridge",
                &["ticket.created", "ticket.updated", "ticket.closed"],
                &[],
            ),
            item(
                "`fault_management/sla_service.py` - Add TICKET_SLA_BREACH",
                &["ticket.sla_breach"],
                &[],
            ),
        ],
    },
];

/// The known issues of the audit, in its order.
pub(crate) const ISSUES: &[Item] = &[
    item(
        "**Ticketing Dual System**: Events use TicketingEvents class, not WebhookEvent. Need \
               bridge/adapter pattern.",
        &["ticket.created", "ticket.updated", "ticket.closed", "ticket.sla_breach"],
        &[],
    ),
    item(
        "**Customer Custom Events**: router.py publishes \"customer.suspended\", etc. as raw \
               strings instead of enum values.",
        CUSTOMER_STATUS,
        &[
            ("crates/events/src/catalog.rs", "the three are types of the catalog"),
            (
                "crates/web/tests/fail/emits_a_string.rs",
                "a string in place of a type does not compile",
            ),
        ],
    ),
    item(
        "**Credit Notes Missing**: Events referenced in billing/events.py but not in \
               WebhookEvent enum.",
        CREDIT_NOTE,
        &[],
    ),
    item(
        "**User Management Gap**: No webhook integration despite all events being defined.",
        USER,
        &[],
    ),
    item("**File Storage**: No events despite service existing.", FILE, &[]),
    item(
        "**Email Delivery Tracking**: Requires ESP (SendGrid/Mailgun) webhook handler \
               integration.",
        EMAIL_REPORTS,
        &[],
    ),
];

const CREDIT_NOTE: &[&str] =
    &["credit_note.created", "credit_note.issued", "credit_note.voided", "credit_note.applied"];
const CUSTOMER_STATUS: &[&str] =
    &["customer.suspended", "customer.reactivated", "customer.churned"];
const USER: &[&str] = &["user.registered", "user.updated", "user.deleted", "user.login"];
const FILE: &[&str] =
    &["file.uploaded", "file.deleted", "file.scan_completed", "storage.quota_exceeded"];
const EMAIL_REPORTS: &[&str] = &["email.delivered", "email.bounced"];

impl Item {
    /// Whether it is settled. Fails where its places are gone, or are not named although all of its
    /// types are in the catalog: so that the page cannot lag behind the code.
    pub(crate) fn settled(&self, root: &Path) -> Result<Settled, Failure> {
        let absent: Vec<&str> =
            self.types.iter().copied().filter(|name| EventType::find(name).is_none()).collect();
        if !absent.is_empty() {
            return Ok(Settled::NotYet(absent));
        }
        if self.places.is_empty() {
            return Err(Failure::new(format!(
                "xtask-gen/src/audit.rs: all types of \"{}\" are in the catalog: name the files \
                 that settle it",
                self.says
            )));
        }
        match self.places.iter().find(|(file, _)| !root.join(file).is_file()) {
            Some((gone, _)) => Err(Failure::new(format!(
                "xtask-gen/src/audit.rs: {gone} is not there any more: name the file that settles \
                 \"{}\"",
                self.says
            ))),
            None => Ok(Settled::By(self.places)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_settled_by_its_types_and_a_place_that_exists() {
        let root = crate::root();
        let item = |types, places| super::item("…", types, places);
        let here: &[(&str, &str)] = &[("xtask-gen/src/audit.rs", "here")];
        assert_eq!(item(&["customer.created"], here).settled(&root).unwrap(), Settled::By(here));
        let types: &[&str] = &["customer.created", "moon.landed"];
        let not_yet = Settled::NotYet(vec!["moon.landed"]);
        assert_eq!(item(types, here).settled(&root).unwrap(), not_yet);
        assert!(item(&["customer.created"], &[]).settled(&root).is_err());
        assert!(item(&["customer.created"], &[("gone.rs", "")]).settled(&root).is_err());
    }

    #[test]
    fn the_types_of_the_items_are_on_the_roll() {
        let on_roll: Vec<&str> =
            tidings_events::ROLL.iter().flat_map(|category| category.types).copied().collect();
        let items = PHASES.iter().flat_map(|phase| phase.items).chain(ISSUES);
        for name in items.flat_map(|item| item.types) {
            assert!(on_roll.contains(name), "{name}");
        }
    }
}
