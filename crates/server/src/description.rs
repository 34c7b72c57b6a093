//! What the API is, told without serving it.

use std::path::Path;

use tidings_web::OperationInfo;

use crate::app::App;
use crate::settings::{Settings, StartError};

/// What the API is.
#[derive(Debug)]
pub struct Description {
    /// Every operation.
    pub operations: Vec<OperationInfo>,
    /// The OpenAPI document.
    pub openapi: serde_json::Value,
}

/// Describes the API. Routes hold services, and those a database, so one is made in the folder,
/// which the caller removes.
pub async fn describe(folder: &Path) -> Result<Description, StartError> {
    let settings = Settings { data: Some(folder.to_owned()), ..Settings::default() };
    let mut app = App::open(&settings).await?;
    app.close().await;
    Ok(Description {
        operations: std::mem::take(&mut app.operations),
        openapi: std::mem::take(&mut app.openapi),
    })
}
