//! What is sent to a receiver, and what should come back.

use super::forge::{Forge, Forged};
use super::{Outcome, Silence};

/// What a receiver should do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Answer with a 2xx.
    Accepted,
    /// Answer with a 4xx.
    Refused,
    /// Answer with anything but a 5xx.
    NoServerError,
}

/// One thing that is asked of a receiver.
#[derive(Debug)]
pub(super) struct Check {
    /// The word for programs.
    pub(super) name: &'static str,
    /// What is sent.
    pub(super) about: &'static str,
    /// Whether a receiver that fails it is wrong, or only worth a look.
    pub(super) required: bool,
    /// What should come back, of every request.
    pub(super) expects: Expectation,
    /// What to do where it does not.
    pub(super) cure: &'static str,
    /// The requests.
    pub(super) requests: fn(&Forge) -> Vec<Forged>,
}

impl Expectation {
    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Accepted => "2xx",
            Self::Refused => "4xx",
            Self::NoServerError => "no 5xx",
        }
    }

    /// What is wrong with an outcome.
    pub(super) fn fault(self, outcome: &Outcome) -> Option<String> {
        let status = match &outcome.status {
            Ok(status) => *status,
            Err(Silence::Late) => return Some("no answer in time".to_owned()),
            Err(Silence::Broken(why)) => return Some(format!("no answer: {why}")),
        };
        let fault = match (self, status) {
            (Self::Accepted, 200..=299)
            | (Self::Refused, 400..=499)
            | (Self::NoServerError, ..=499) => return None,
            (Self::Accepted, 300..=399) => "a redirect, which is never followed",
            (Self::Accepted, 410) => "which disables the subscription",
            (Self::Accepted, _) => "a refusal, which is tried again for three days",
            (Self::Refused, 200..=299) => "it was accepted",
            (Self::Refused, 500..) => "a refusal is a 4xx; a 5xx says that the receiver is broken",
            (Self::Refused, _) => "neither accepted nor refused",
            (Self::NoServerError, _) => "a fault of the receiver's",
        };
        Some(format!("answered {status}: {fault}"))
    }
}

const fn accepted(
    name: &'static str,
    about: &'static str,
    cure: &'static str,
    requests: fn(&Forge) -> Vec<Forged>,
) -> Check {
    Check { name, about, required: true, expects: Expectation::Accepted, cure, requests }
}

const fn refused(
    name: &'static str,
    about: &'static str,
    cure: &'static str,
    requests: fn(&Forge) -> Vec<Forged>,
) -> Check {
    Check { name, about, required: true, expects: Expectation::Refused, cure, requests }
}

const fn survived(
    name: &'static str,
    about: &'static str,
    requests: fn(&Forge) -> Vec<Forged>,
) -> Check {
    let cure = "answer 404 or 405 to what is not a webhook";
    let expects = Expectation::NoServerError;
    Check { name, about, required: false, expects, cure, requests }
}

const COMPARE: &str = "compute the HMAC-SHA256 of id.timestamp.body and compare all of it, in \
                       constant time";
const WINDOW: &str = "refuse a webhook-timestamp further than five minutes from now";
const ALL_THREE: &str = "refuse a request that lacks one of the three webhook- headers, with a 4xx";

/// Every check that sends something, the one for a plain good webhook first.
pub(super) const CHECKS: &[Check] = &[
    accepted(
        "good_signature",
        "a genuine webhook",
        "check that the URL is the receiver's and that both have the same secret: whsec_ and \
         base64, the key being the decoded bytes",
        |forge| vec![forge.message().signed()],
    ),
    accepted(
        "raw_bytes",
        "a genuine webhook with unusual spaces, digits and escapes",
        "verify the bytes as they came, before anything parses them: parsing and writing JSON \
         again gives other bytes",
        |forge| vec![forge.message().with_raw_bytes().signed()],
    ),
    accepted(
        "rotation_good_first",
        "during a rotation: the good signature, then one by another secret",
        "accept a webhook if any entry of webhook-signature fits",
        |forge| {
            let message = forge.message();
            let list = format!("{} {}", message.good(), message.wrong());
            vec![message.with_signature(list)]
        },
    ),
    accepted(
        "rotation_good_last",
        "during a rotation: unknown versions and one by another secret, then the good one",
        "accept a webhook if any entry of webhook-signature fits, and pass over versions that you \
         do not know",
        |forge| {
            let message = forge.message();
            let (wrong, good) = (message.wrong(), message.good());
            vec![
                message.with_signature(format!(
                    "v2,bm90IGEga25vd24gdmVyc2lvbg== v1a,AAAA {wrong} {good}"
                )),
            ]
        },
    ),
    accepted(
        "duplicate",
        "the same webhook twice, the second with a new timestamp",
        "answer 2xx to a webhook-id that you have seen, and do nothing: delivery is at least once",
        |forge| {
            let message = forge.message();
            vec![message.signed(), message.a_second_later().signed()]
        },
    ),
    accepted(
        "unknown_type",
        "a genuine webhook of a type that the receiver does not know",
        "answer 2xx to types that you do not handle, and do nothing: new ones appear",
        |forge| vec![forge.message_of_unknown_type().signed()],
    ),
    accepted(
        "large_body",
        "a genuine webhook of 256 KiB",
        "allow bodies of at least 300 KiB, also in the proxy before the receiver",
        |forge| vec![forge.large_message().signed()],
    ),
    refused("bad_signature", "a webhook signed with another secret", COMPARE, |forge| {
        let message = forge.message();
        vec![message.with_signature(message.wrong())]
    }),
    refused("truncated_signature", "the good signature without its end", COMPARE, |forge| {
        let message = forge.message();
        let good = message.good();
        // Whole groups of base64 are cut, so that what is left decodes.
        vec![message.with_signature(good[..good.len() - 24].to_owned())]
    }),
    refused(
        "unknown_scheme",
        "the good signature under a version that does not exist",
        "look only at entries of versions that you know: v1",
        |forge| {
            let message = forge.message();
            vec![message.with_signature(message.good().replacen("v1,", "v2,", 1))]
        },
    ),
    refused(
        "tampered_body",
        "a genuine webhook with one word of the body changed",
        COMPARE,
        |forge| {
            let message = forge.message();
            let good = message.good();
            vec![message.with_another_body().with_signature(good)]
        },
    ),
    refused(
        "tampered_id",
        "a genuine webhook under another webhook-id",
        "sign the id too: id.timestamp.body; else a copy passes for a new event",
        |forge| {
            let message = forge.message();
            let good = message.good();
            vec![message.with_another_id().with_signature(good)]
        },
    ),
    refused(
        "tampered_timestamp",
        "a genuine webhook under another webhook-timestamp",
        "sign the timestamp too: id.timestamp.body; else an old copy passes for a fresh one",
        |forge| {
            let message = forge.message();
            let good = message.good();
            vec![message.a_second_later().with_signature(good)]
        },
    ),
    refused("stale_timestamp", "a webhook signed ten minutes ago", WINDOW, |forge| {
        vec![forge.message_at(-600).signed()]
    }),
    refused("future_timestamp", "a webhook signed for ten minutes from now", WINDOW, |forge| {
        vec![forge.message_at(600).signed()]
    }),
    refused(
        "unreadable_timestamp",
        "a webhook whose timestamp is a word",
        "refuse a webhook-timestamp that is no whole number, with a 4xx",
        |forge| vec![forge.message().with_unreadable_timestamp()],
    ),
    refused("missing_id", "a genuine webhook without webhook-id", ALL_THREE, |forge| {
        vec![forge.message().signed().without("webhook-id")]
    }),
    refused(
        "missing_timestamp",
        "a genuine webhook without webhook-timestamp",
        ALL_THREE,
        |forge| vec![forge.message().signed().without("webhook-timestamp")],
    ),
    refused(
        "missing_signature",
        "a genuine webhook without webhook-signature",
        ALL_THREE,
        |forge| vec![forge.message().signed().without("webhook-signature")],
    ),
    survived("get", "a GET", |_| vec![Forged::bare(http::Method::GET)]),
    survived("head", "a HEAD", |_| vec![Forged::bare(http::Method::HEAD)]),
];

/// The check that sends nothing of its own: it looks at how long the others took.
pub(super) const IN_TIME: Check = Check {
    name: "in_time",
    about: "every answer comes in time",
    required: true,
    expects: Expectation::Accepted,
    cure: "store the webhook, answer at once, and do the work afterwards",
    requests: |_| Vec::new(),
};

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_expectation_is_met_by_its_class_of_status_only() {
        let fault = |expects: Expectation, status| {
            expects.fault(&Outcome { status: Ok(status), took: Duration::ZERO })
        };
        for (expects, fine, wrong) in [
            (Expectation::Accepted, &[200_u16, 202, 204][..], &[302_u16, 400, 410, 500][..]),
            (Expectation::Refused, &[400, 401, 403, 422], &[200, 204, 308, 500]),
            (Expectation::NoServerError, &[200, 301, 404, 405], &[500, 503]),
        ] {
            assert!(fine.iter().all(|status| fault(expects, *status).is_none()), "{expects:?}");
            assert!(wrong.iter().all(|status| fault(expects, *status).is_some()), "{expects:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = CHECKS.iter().chain([&IN_TIME]).map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len() + 1);
    }
}
