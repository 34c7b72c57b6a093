//! The closed lists of words that customers are described with.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$word_doc])* $word,)+ }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// The word as it is stored and sent.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text),+ }
            }

            /// The one with this word.
            pub fn find(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// Where a customer stands.
    CustomerStatus {
        /// Not a customer yet.
        Prospect = "prospect",
        /// In good standing.
        Active = "active",
        /// Asleep: no business at present.
        Inactive = "inactive",
        /// Stopped by the tenant.
        Suspended = "suspended",
        /// Gone.
        Churned = "churned",
        /// Put away.
        Archived = "archived",
    }
}

words! {
    /// What a customer is.
    CustomerType {
        /// A person.
        Individual = "individual",
        /// A company.
        Business = "business",
        /// A large company.
        Enterprise = "enterprise",
        /// Somebody who sells on.
        Partner = "partner",
        /// Somebody who sells to the tenant.
        Vendor = "vendor",
    }
}

words! {
    /// What a customer is worth to the tenant.
    CustomerTier {
        /// Pays nothing.
        Free = "free",
        /// The smallest plan.
        Basic = "basic",
        /// The usual plan.
        Standard = "standard",
        /// The larger plan.
        Premium = "premium",
        /// The largest plan.
        Enterprise = "enterprise",
    }
}

words! {
    /// Where a customer record came from.
    CustomerSource {
        /// A call of the API.
        Api = "api",
        /// An import.
        Import = "import",
        /// The customer signed up.
        Signup = "signup",
        /// Another system, kept in step.
        Sync = "sync",
    }
}

words! {
    /// Why a customer was suspended.
    SuspensionReason {
        /// Somebody decided it.
        Manual = "manual",
        /// Invoices were not paid.
        NonPayment = "non_payment",
        /// Fraud is suspected.
        Fraud = "fraud",
        /// A law or a rule demands it.
        Compliance = "compliance",
    }
}

words! {
    /// What kind of line a customer's history has.
    CustomerActivityType {
        /// The record was made.
        Created = "created",
        /// The record was changed.
        Updated = "updated",
        /// The customer stands somewhere else.
        StatusChanged = "status_changed",
        /// A note was written.
        NoteAdded = "note_added",
        /// A label was added.
        TagAdded = "tag_added",
        /// A label was taken away.
        TagRemoved = "tag_removed",
        /// Somebody was in touch with the customer.
        ContactMade = "contact_made",
        /// The customer bought something.
        Purchase = "purchase",
        /// The customer asked for help.
        SupportTicket = "support_ticket",
        /// The customer signed in.
        Login = "login",
        /// Data of the customer left the system.
        Export = "export",
        /// Data of the customer came into the system.
        Import = "import",
    }
}

words! {
    /// What a customer consents to.
    ConsentPurpose {
        /// Advertisements: the field `opt_in_marketing`.
        Marketing = "marketing",
        /// News about the service: the field `opt_in_updates`.
        Updates = "updates",
    }
}

words! {
    /// What a customer decided.
    ConsentDecision {
        /// It may be done.
        Granted = "granted",
        /// It may not, or not any more.
        Withdrawn = "withdrawn",
    }
}

words! {
    /// What a contact person of a customer is asked about.
    ContactRole {
        /// Everything that has no other contact.
        Primary = "primary",
        /// Invoices and payments.
        Billing = "billing",
        /// How it works.
        Technical = "technical",
        /// Users and contracts.
        Admin = "admin",
        /// Questions of those who use it.
        Support = "support",
        /// Whatever cannot wait.
        Emergency = "emergency",
        /// Something else.
        Other = "other",
    }
}
