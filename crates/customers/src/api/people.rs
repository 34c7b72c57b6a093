//! `/api/v1/customers/{id}/consents` and `/contacts`.

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_events::customers::{ConsentDecision, ConsentPurpose, ContactRole};
use tidings_kernel::{ConsentId, ContactId, CustomerId, Permission, Problem, Timestamp};
use tidings_web::{Access, Body, Call, Changed, List, Op, Path, Query, Reply, Routes, commit};
use utoipa::ToSchema;

use crate::api::history::LinesParams;
use crate::commands::{AddContact, RecordConsent};
use crate::consent::{Consent, Evidence};
use crate::contact::Contact;
use crate::service::Customers;

/// An entry of a customer's consent log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConsentView {
    /// Its id.
    pub id: ConsentId,
    /// The customer.
    pub customer_id: CustomerId,
    /// What it is for.
    pub purpose: ConsentPurpose,
    /// What the customer decided.
    pub decision: ConsentDecision,
    /// Where it was decided: what the caller said, where the record came from, or `anonymization`.
    pub source: String,
    /// The words that the customer agreed to.
    pub wording: Option<String>,
    /// The version of these words.
    pub text_version: Option<String>,
    /// The address from which the customer decided.
    pub ip_address: Option<String>,
    /// The program with which the customer decided.
    pub user_agent: Option<String>,
    /// When the customer decided.
    pub given_at: Timestamp,
    /// Who wrote it down.
    pub recorded_by: String,
    /// When it was written down.
    pub created_at: Timestamp,
}

impl From<Consent> for ConsentView {
    fn from(consent: Consent) -> Self {
        let Evidence { source, wording, text_version, ip_address, user_agent } = consent.evidence;
        Self {
            id: consent.id,
            customer_id: consent.customer_id,
            purpose: consent.purpose,
            decision: consent.decision,
            source,
            wording,
            text_version,
            ip_address,
            user_agent,
            given_at: consent.given_at,
            recorded_by: consent.recorded_by,
            created_at: consent.created_at,
        }
    }
}

/// A person to ask at a customer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// Its id.
    pub id: ContactId,
    /// The customer.
    pub customer_id: CustomerId,
    /// What the person is asked about.
    pub role: ContactRole,
    /// The person's name.
    pub name: String,
    /// The person's mail address.
    pub email: Option<String>,
    /// The person's telephone number.
    pub phone: Option<String>,
    /// Who added it.
    pub created_by: String,
    /// When it was added.
    pub created_at: Timestamp,
}

impl From<Contact> for ContactView {
    fn from(contact: Contact) -> Self {
        let Contact { id, customer_id, role, name, email, phone, created_by, created_at, .. } =
            contact;
        Self { id, customer_id, role, name, email, phone, created_by, created_at }
    }
}

pub(super) fn routes(routes: Routes<Customers>) -> Routes<Customers> {
    let read = Access::Needs(Permission::CustomersRead);
    let update = Access::Needs(Permission::CustomersUpdate);
    routes
        .change(
            Op::post("/api/v1/customers/{id}/consents", "recordCustomerConsent", update)
                .summary("Record what a customer consents to or forbids, with the evidence")
                .emits(&[EventType::CustomerUpdated, EventType::CustomerConsentRecorded]),
            record_consent,
        )
        .list(
            Op::get("/api/v1/customers/{id}/consents", "listCustomerConsents", read)
                .summary("The consent log of a customer, the newest entry first"),
            list_consents,
        )
        .change(
            Op::post("/api/v1/customers/{id}/contacts", "addCustomerContact", update)
                .summary("Add a person to ask at a customer")
                .emits(&[EventType::CustomerContactAdded]),
            add_contact,
        )
        .list(
            Op::get("/api/v1/customers/{id}/contacts", "listCustomerContacts", read)
                .summary("The contacts of a customer, the newest first"),
            list_contacts,
        )
        .change(
            Op::delete("/api/v1/customers/contacts/{id}", "removeCustomerContact", update)
                .summary("Remove a contact, and what is stored about the person")
                .emits(&[EventType::CustomerContactRemoved]),
            remove_contact,
        )
}

async fn record_consent(
    customers: Customers,
    call: Call,
    (Path(id), Body(input)): (Path<CustomerId>, Body<RecordConsent>),
) -> Result<Changed<ConsentView>, Problem> {
    let expected = call.if_match()?;
    let unit = work!([customers, input], |work| customers
        .record_customer_consent(work, id, expected, input));
    commit(&call, unit, |consent: Consent| Reply::created(consent.into())).await
}

async fn list_consents(
    customers: Customers,
    call: Call,
    (Path(id), Query(params)): (Path<CustomerId>, Query<LinesParams>),
) -> Result<List<ConsentView>, Problem> {
    let of = (id, params.include_deleted);
    let page = customers.list_customer_consents(call.ctx.tenant_id, of, call.page()?).await?;
    Ok(call.list(page))
}

async fn add_contact(
    customers: Customers,
    call: Call,
    (Path(id), Body(input)): (Path<CustomerId>, Body<AddContact>),
) -> Result<Changed<ContactView>, Problem> {
    let unit = work!([customers, input], |work| customers.add_customer_contact(work, id, input));
    commit(&call, unit, |contact: Contact| Reply::created(contact.into())).await
}

async fn list_contacts(
    customers: Customers,
    call: Call,
    (Path(id), Query(params)): (Path<CustomerId>, Query<LinesParams>),
) -> Result<List<ContactView>, Problem> {
    let of = (id, params.include_deleted);
    let page = customers.list_customer_contacts(call.ctx.tenant_id, of, call.page()?).await?;
    Ok(call.list(page))
}

async fn remove_contact(
    customers: Customers,
    call: Call,
    Path(id): Path<ContactId>,
) -> Result<Changed<()>, Problem> {
    let unit = work!([customers], |work| customers.remove_customer_contact(work, id));
    commit(&call, unit, |()| Reply::gone()).await
}
