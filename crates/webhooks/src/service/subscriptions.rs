//! Subscriptions: create, change, rotate, delete, read.

use tidings_db::{Reader, UnitOfWork};
use tidings_kernel::{
    FieldError, Page, PageParams, Problem, ProblemKind, TenantId, Timestamp, Version,
    WebhookSubscriptionId, limits,
};

use crate::commands::{CreateSubscription, RotateSecret, UpdateSubscription, all};
use crate::error::WebhookError;
use crate::matching::Filters;
use crate::plan::RetryPolicy;
use crate::sealing::{seal_headers, seal_secret};
use crate::service::Webhooks;
use crate::service::handshake::{Asked, heed};
use crate::service::options::{change_options, first_options, overlap};
use crate::signing::SigningSecret;
use crate::store::{event_types, subscriptions};
use crate::subscription::{DeliveryOrder, Subscription};

/// Seconds of an attempt where the owner does not say.
const TIMEOUT_SECONDS: u32 = 15;

impl Webhooks {
    /// Makes a subscription; its secret is shown this once.
    pub async fn create_subscription(
        &self,
        work: &mut UnitOfWork,
        (input, asked): (CreateSubscription, Option<Asked>),
    ) -> Result<(Subscription, SigningSecret), WebhookError> {
        let tenant_id = work.ctx().tenant_id;
        let mut errors = Vec::new();
        let (retry_policy, ordering) = input.check(work.now(), &mut errors);
        let events = read_filters(work.reader(), tenant_id, &input.events, &mut errors).await?;
        self.url(&input.url, &mut errors);
        refuse(errors)?;
        if subscriptions::count(work.reader(), tenant_id).await? >= limits::SUBSCRIPTIONS_MAX {
            return Err(WebhookError::TooManySubscriptions);
        }
        let id: WebhookSubscriptionId = work.mint();
        let now = work.now();
        let secret = SigningSecret::generate(&self.vault);
        let options = first_options(&input);
        let mut subscription = Subscription {
            id,
            tenant_id,
            url: input.url,
            events,
            description: input.description,
            headers: seal_headers(&self.vault, tenant_id, id, &input.headers),
            header_names: input.headers.into_keys().collect(),
            retry_policy,
            timeout_seconds: input.timeout_seconds.unwrap_or(TIMEOUT_SECONDS),
            rate_per_second: input.rate_per_second,
            ordering,
            is_active: input.is_active.unwrap_or(true),
            disabled: None,
            secret: seal_secret(&self.vault, tenant_id, id, &secret),
            previous: None,
            signing_key: None,
            options,
            custom_metadata: input.custom_metadata,
            created_at: now,
            updated_at: now,
            deleted_at: None,
            version: 0,
        };
        self.fit_key_pair(&mut subscription);
        heed(&mut subscription, asked, now);
        Ok((work.apply(subscription.create()).await?, secret))
    }

    /// Changes a subscription; nothing where nothing differs.
    pub async fn update_subscription(
        &self,
        work: &mut UnitOfWork,
        id: WebhookSubscriptionId,
        (input, if_match, asked): (UpdateSubscription, Option<Version>, Option<Asked>),
    ) -> Result<Subscription, WebhookError> {
        let current = get(work, id).await?;
        expect(if_match, current.version)?;
        let mut errors = Vec::new();
        let words = input.check((&current, work.now()), &mut errors);
        let events = match &input.events {
            Some(events) => {
                let tenant_id = work.ctx().tenant_id;
                read_filters(work.reader(), tenant_id, events, &mut errors).await?
            }
            None => current.events.clone(),
        };
        if let Some(url) = &input.url {
            self.url(url, &mut errors);
        }
        refuse(errors)?;
        let now = work.now();
        let mut next = self.merge((&current, now), input, (events, words));
        self.fit_key_pair(&mut next);
        heed(&mut next, asked, now);
        match current.update(next, now) {
            Ok(change) => Ok(work.apply(change).await?),
            Err(unchanged) => Ok(*unchanged),
        }
    }

    fn merge(
        &self,
        (current, now): (&Subscription, Timestamp),
        input: UpdateSubscription,
        (events, (retry_policy, ordering)): (
            Vec<String>,
            (Option<RetryPolicy>, Option<DeliveryOrder>),
        ),
    ) -> Subscription {
        let mut next = current.clone();
        change_options(&mut next.options, (current, now), &input);
        next.events = events;
        next.url = input.url.unwrap_or(next.url);
        next.description = input.description.over(next.description);
        if let Some(headers) = input.headers {
            next.headers = seal_headers(&self.vault, next.tenant_id, next.id, &headers);
            next.header_names = headers.into_keys().collect();
        }
        next.retry_policy = retry_policy.unwrap_or(next.retry_policy);
        next.timeout_seconds = input.timeout_seconds.unwrap_or(next.timeout_seconds);
        next.rate_per_second = input.rate_per_second.over(next.rate_per_second);
        next.ordering = ordering.unwrap_or(next.ordering);
        next.custom_metadata = input.custom_metadata.unwrap_or(next.custom_metadata);
        if let Some(is_active) = input.is_active {
            next.is_active = is_active;
            if is_active {
                next.disabled = None;
            }
        }
        next
    }

    /// Gives a subscription a new secret, made here or brought along; the old one signs too for
    /// another day, or as long as the caller says.
    pub async fn rotate_secret(
        &self,
        work: &mut UnitOfWork,
        id: WebhookSubscriptionId,
        input: RotateSecret,
    ) -> Result<(Subscription, SigningSecret), WebhookError> {
        let subscription = get(work, id).await?;
        let mut errors = Vec::new();
        let overlap = overlap(input.overlap_hours, &mut errors);
        let brought = input.secret.map(|text| SigningSecret::parse(text.expose())).transpose();
        let brought = brought.unwrap_or_else(|error| {
            errors.push(FieldError::new("/secret", "invalid", error.to_string()));
            None
        });
        all(errors)?;
        let secret = brought.unwrap_or_else(|| SigningSecret::generate(&self.vault));
        let sealed = seal_secret(&self.vault, subscription.tenant_id, id, &secret);
        let now = work.now();
        Ok((work.apply(subscription.rotate(sealed, overlap, now)).await?, secret))
    }

    /// Ends a subscription. Its deliveries stay readable.
    pub async fn delete_subscription(
        &self,
        work: &mut UnitOfWork,
        id: WebhookSubscriptionId,
        if_match: Option<Version>,
    ) -> Result<(), WebhookError> {
        let subscription = get(work, id).await?;
        expect(if_match, subscription.version)?;
        let now = work.now();
        work.apply(subscription.delete(now)).await?;
        Ok(())
    }

    /// The tenant's subscription with this id.
    pub async fn get_subscription(
        &self,
        tenant_id: TenantId,
        id: WebhookSubscriptionId,
    ) -> Result<Subscription, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        let found = subscriptions::find(session.reader(), tenant_id, id).await?;
        found.ok_or(WebhookError::NotFound)
    }

    /// The tenant's subscriptions, the newest first.
    pub async fn list_subscriptions(
        &self,
        tenant_id: TenantId,
        page: PageParams,
    ) -> Result<Page<Subscription>, WebhookError> {
        let mut session = self.db.read(tenant_id).await?;
        Ok(subscriptions::list(session.reader(), tenant_id, page).await?)
    }

    fn url(&self, url: &str, errors: &mut Vec<FieldError>) {
        if let Err(refused) = self.egress.vet(url) {
            errors.push(FieldError::new("/url", refused.code(), refused.to_string()));
        }
    }
}

/// The filters as they are stored; what is wrong with them is a fault.
pub(super) async fn read_filters(
    reader: Reader<'_>,
    tenant_id: TenantId,
    events: &[String],
    errors: &mut Vec<FieldError>,
) -> Result<Vec<String>, WebhookError> {
    let registered = event_types::names(reader, tenant_id).await?;
    match Filters::parse(events, &registered) {
        Ok(filters) => Ok(filters.given().iter().map(ToString::to_string).collect()),
        Err(faults) => {
            errors.extend(faults);
            Ok(Vec::new())
        }
    }
}

/// All faults at once; where each is of one kind that has its own problem, as that problem.
pub(super) fn refuse(errors: Vec<FieldError>) -> Result<(), WebhookError> {
    let kind = if errors.iter().all(|error| error.code == "unknown_event_type") {
        Some(ProblemKind::UnknownEventType)
    } else if errors.iter().all(|error| error.pointer == "/url") {
        Some(ProblemKind::UrlRefused)
    } else {
        None
    };
    all(errors).map_err(|problem| {
        WebhookError::Input(Problem { kind: kind.unwrap_or(problem.kind), ..problem })
    })
}

fn expect(if_match: Option<Version>, version: Version) -> Result<(), WebhookError> {
    match if_match {
        Some(wanted) if wanted != version => Err(WebhookError::Input(Problem::new(
            ProblemKind::PreconditionFailed,
            format!("the version is {version} and not {wanted}; read it again"),
        ))),
        Some(_) | None => Ok(()),
    }
}

pub(super) async fn get(
    work: &mut UnitOfWork,
    id: WebhookSubscriptionId,
) -> Result<Subscription, WebhookError> {
    let tenant_id = work.ctx().tenant_id;
    let found = subscriptions::find(work.reader(), tenant_id, id).await?;
    found.ok_or(WebhookError::NotFound)
}
