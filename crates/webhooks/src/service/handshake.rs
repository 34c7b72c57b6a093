//! Asking an endpoint for its consent: outside of any unit of work, and through the guarded dialler.

use std::time::Duration;

use http::header::HeaderValue;
use tidings_db::UnitOfWork;
use tidings_egress::SendError;
use tidings_kernel::{Problem, TenantId, Timestamp, WebhookSubscriptionId};

use crate::commands::UpdateSubscription;
use crate::error::WebhookError;
use crate::handshake::{Unconsented, judge, question};
use crate::service::Webhooks;
use crate::service::subscriptions::get;
use crate::subscription::Subscription;

/// The time for one question: a request waits for the answer.
const QUESTION_MAX: Duration = Duration::from_secs(10);

/// What an endpoint answered when it was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    url: String,
    origin: String,
    answer: Result<(), Unconsented>,
}

impl Webhooks {
    /// Asks an endpoint. None where the URL is not called, which the verb that follows tells.
    pub(crate) async fn ask(&self, url: &str) -> Result<Option<Asked>, WebhookError> {
        let no_origin = || {
            let message = "this installation has no name to ask endpoints with; its operator sets \
                           TIDINGS_WEBHOOK_ORIGIN";
            WebhookError::Input(Problem::invalid_field("/handshake", "unavailable", message))
        };
        let origin = self.origin.as_deref().ok_or_else(no_origin)?;
        let header = HeaderValue::from_str(origin).map_err(|_| no_origin())?;
        let Ok(target) = self.egress.vet(url) else { return Ok(None) };
        let exchange = self.egress.options(&target, question(&header), QUESTION_MAX).await;
        let answer = match exchange.outcome {
            Ok(reply) => judge(origin, reply.status, &reply.headers),
            Err(SendError::Local) => {
                let message = "this server has no connection left to ask the endpoint with; send \
                               the request again";
                return Err(WebhookError::Input(Problem::unavailable(message, 5)));
            }
            Err(error) => Err(Unconsented::Unreachable(error.class())),
        };
        Ok(Some(Asked { url: url.to_owned(), origin: origin.to_owned(), answer }))
    }

    /// Asks the endpoint that a change leads to, where the change makes it necessary.
    pub(crate) async fn ask_before_update(
        &self,
        tenant_id: TenantId,
        id: WebhookSubscriptionId,
        input: &UpdateSubscription,
    ) -> Result<Option<Asked>, WebhookError> {
        if input.url.is_none() && input.handshake != Some(true) {
            return Ok(None);
        }
        let current = self.get_subscription(tenant_id, id).await?;
        let url = input.url.as_ref().unwrap_or(&current.url);
        let wanted = input.handshake.unwrap_or(current.options.handshake);
        let consented = current.options.consented_at.is_some() && *url == current.url;
        if wanted && !consented { self.ask(url).await } else { Ok(None) }
    }

    /// Takes down what the endpoint of a subscription answered.
    pub(crate) async fn complete_handshake(
        &self,
        work: &mut UnitOfWork,
        id: WebhookSubscriptionId,
        asked: Asked,
    ) -> Result<Subscription, WebhookError> {
        let current = get(work, id).await?;
        if !current.options.handshake {
            return Err(WebhookError::NoHandshake);
        }
        if current.url != asked.url {
            return Err(WebhookError::Moved);
        }
        if let Err(refusal) = &asked.answer {
            return Err(WebhookError::NotConsented(refusal.to_string()));
        }
        let now = work.now();
        let mut next = current.clone();
        heed(&mut next, Some(asked), now);
        match current.update(next, now) {
            Ok(change) => Ok(work.apply(change).await?),
            Err(unchanged) => Ok(*unchanged),
        }
    }
}

/// Takes an answer into a subscription, where it is about its endpoint.
pub(super) fn heed(subscription: &mut Subscription, asked: Option<Asked>, now: Timestamp) {
    let options = &mut subscription.options;
    let Some(asked) = asked.filter(|asked| options.handshake && asked.url == subscription.url)
    else {
        return;
    };
    match asked.answer {
        Ok(()) => {
            options.consented_at = Some(options.consented_at.unwrap_or(now));
            options.consented_to = Some(asked.origin);
            options.handshake_refusal = None;
        }
        Err(refusal) => options.handshake_refusal = Some(refusal.to_string()),
    }
}
