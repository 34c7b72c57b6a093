//! `/api/v1/asyncapi.json`: what is sent, described from our side.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use tidings_kernel::{Permission, Problem};
use tidings_web::{Access, Answer, Call, Op, Routes};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::service::Webhooks;

/// An AsyncAPI 3 document.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct AsyncApi(Value);

impl PartialSchema for AsyncApi {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().description(Some("An AsyncAPI 3 document.")).into()
    }
}

impl ToSchema for AsyncApi {
    fn name() -> Cow<'static, str> {
        "AsyncApi".into()
    }
}

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes.read(
        Op::get("/api/v1/asyncapi.json", "getAsyncApi", Access::Optional(Permission::EventsRead))
            .summary("What is sent, as AsyncAPI 3; with a tenant's key, its own types too"),
        get,
    )
}

async fn get(webhooks: Webhooks, call: Call, (): ()) -> Result<Answer<AsyncApi>, Problem> {
    let document = webhooks.get_asyncapi(call.tenant()).await?;
    Ok(Answer::new(AsyncApi(document)))
}
