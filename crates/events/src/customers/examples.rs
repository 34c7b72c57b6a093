//! An example of each payload.

use tidings_kernel::{
    ActivityId, ConsentId, ContactId, CustomerId, NoteId, SegmentId, Timestamp, UserId, Uuid,
};

use super::{
    ConsentDecision, ConsentPurpose, ContactRole, CustomerActivityRecorded, CustomerActivityType,
    CustomerAnonymized, CustomerChurned, CustomerConsentRecorded, CustomerContactAdded,
    CustomerContactRemoved, CustomerCreated, CustomerDeleted, CustomerErased, CustomerFacts,
    CustomerNoteAdded, CustomerPurchaseRecorded, CustomerReactivated, CustomerSegmentCreated,
    CustomerSegmentRecalculated, CustomerSource, CustomerStatus, CustomerSuspended, CustomerTier,
    CustomerType, CustomerUpdated, Previous, SuspensionReason,
};
use crate::schema::Example;

/// 2026-11-23T12:30:04.123456Z: the instant of every example.
pub(crate) const EXAMPLE_NOW: Timestamp = Timestamp::from_micros(1_795_437_004_123_456);
/// The bytes of every example's id.
pub(crate) const EXAMPLE_UUID: Uuid = Uuid::from_u128(0x0190_a5c7_9d2e_7000_8000_0000_0000_0001);

impl Example for CustomerFacts {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            customer_number: "CUST-9D2E7A01".to_owned(),
            email: "ada@example.com".to_owned(),
            email_verified: false,
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            display_name: None,
            company_name: Some("Analytical Engines".to_owned()),
            customer_type: CustomerType::Business,
            tier: CustomerTier::Standard,
            status: CustomerStatus::Active,
            phone: Some("+442071234567".to_owned()),
            country: Some("GB".to_owned()),
            timezone: "Europe/London".to_owned(),
            preferred_language: "en".to_owned(),
            tags: vec!["vip".to_owned()],
            segment_id: Some(SegmentId::from_uuid(EXAMPLE_UUID)),
            assigned_to: Some(UserId::from_uuid(EXAMPLE_UUID)),
            external_id: Some("crm-42".to_owned()),
            source_system: Some("crm".to_owned()),
            currency: Some("GBP".to_owned()),
            created_at: EXAMPLE_NOW,
        }
    }
}

fn example_customer(status: CustomerStatus) -> CustomerFacts {
    CustomerFacts { status, ..CustomerFacts::example() }
}

impl Example for CustomerCreated {
    fn example() -> Self {
        Self { customer: example_customer(CustomerStatus::Prospect), source: CustomerSource::Api }
    }
}

impl Example for CustomerUpdated {
    fn example() -> Self {
        Self {
            customer: CustomerFacts::example(),
            changed_fields: vec!["tier".to_owned()],
            previous: Previous::from([("tier".to_owned(), "free".into())]),
            updated_at: EXAMPLE_NOW,
        }
    }
}

impl Example for CustomerDeleted {
    fn example() -> Self {
        let customer = CustomerFacts::example();
        Self {
            customer_id: customer.customer_id,
            customer_number: customer.customer_number,
            email: Some(customer.email),
            first_name: Some(customer.first_name),
            last_name: Some(customer.last_name),
            company_name: customer.company_name,
            hard_delete: false,
            deleted_by: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
            reason: Some("asked for it".to_owned()),
            anonymized: false,
            subscriptions_cancelled: 0,
            deleted_at: EXAMPLE_NOW,
            erase_at: Some(EXAMPLE_NOW.after(std::time::Duration::from_hours(30 * 24))),
        }
    }
}

impl Example for CustomerAnonymized {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            customer_number: "CUST-0018F3A2".to_owned(),
        }
    }
}

impl Example for CustomerErased {
    fn example() -> Self {
        let CustomerFacts { customer_id, customer_number, .. } = CustomerFacts::example();
        Self { customer_id, customer_number }
    }
}

impl Example for CustomerSuspended {
    fn example() -> Self {
        Self {
            customer: example_customer(CustomerStatus::Suspended),
            suspended_at: EXAMPLE_NOW,
            reason: SuspensionReason::Manual,
            suspended_by: "key_01h455vb4pex5vsknk084sn02q".to_owned(),
            previous_status: CustomerStatus::Active,
            subscriptions_suspended: 0,
            subscription_ids: Vec::new(),
        }
    }
}

impl Example for CustomerReactivated {
    fn example() -> Self {
        Self {
            customer: CustomerFacts::example(),
            reactivated_at: EXAMPLE_NOW,
            previous_status: CustomerStatus::Suspended,
            subscriptions_reactivated: 0,
            subscription_ids: Vec::new(),
        }
    }
}

impl Example for CustomerChurned {
    fn example() -> Self {
        Self {
            customer: example_customer(CustomerStatus::Churned),
            churned_at: EXAMPLE_NOW,
            previous_status: CustomerStatus::Active,
            new_status: CustomerStatus::Churned,
            reason: Some("moved away".to_owned()),
            subscriptions_canceled: 0,
            lifetime_value: 129_900,
            lifetime_value_currency: Some("GBP".to_owned()),
            currency_exponent: Some(2),
            tenure_days: 412,
        }
    }
}

impl Example for CustomerNoteAdded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            note_id: NoteId::from_uuid(EXAMPLE_UUID),
            is_internal: true,
        }
    }
}

impl Example for CustomerActivityRecorded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            activity_id: ActivityId::from_uuid(EXAMPLE_UUID),
            activity_type: CustomerActivityType::ContactMade,
        }
    }
}

impl Example for CustomerConsentRecorded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            consent_id: ConsentId::from_uuid(EXAMPLE_UUID),
            purpose: ConsentPurpose::Marketing,
            decision: ConsentDecision::Granted,
        }
    }
}

impl Example for CustomerContactAdded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            contact_id: ContactId::from_uuid(EXAMPLE_UUID),
            role: ContactRole::Billing,
        }
    }
}

impl Example for CustomerContactRemoved {
    fn example() -> Self {
        let CustomerContactAdded { customer_id, contact_id, role } = Example::example();
        Self { customer_id, contact_id, role }
    }
}

impl Example for CustomerPurchaseRecorded {
    fn example() -> Self {
        Self {
            customer_id: CustomerId::from_uuid(EXAMPLE_UUID),
            amount: 4_990,
            currency: "GBP".to_owned(),
            currency_exponent: 2,
            order_id: Some("order-1".to_owned()),
        }
    }
}

impl Example for CustomerSegmentCreated {
    fn example() -> Self {
        Self {
            segment_id: SegmentId::from_uuid(EXAMPLE_UUID),
            name: "Premium in Britain".to_owned(),
            is_dynamic: true,
        }
    }
}

impl Example for CustomerSegmentRecalculated {
    fn example() -> Self {
        Self { segment_id: SegmentId::from_uuid(EXAMPLE_UUID), member_count: 17 }
    }
}
