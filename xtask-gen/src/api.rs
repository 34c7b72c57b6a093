//! `openapi/`: the document of the API, and who may call what.

use std::fmt::Write;

use tidings_kernel::Permission;
use tidings_server::{Description, describe};
use tidings_web::{Access, OperationInfo};

use crate::failure::Failure;
use crate::files::{Files, NOTICE};

pub(crate) async fn add(files: &mut Files) -> Result<(), Failure> {
    // A name of its own for each run: the test and the task may run at once.
    let folder = std::env::temp_dir().join(format!("tidings-gen-{}", std::process::id()));
    let described = describe(&folder).await;
    let removed = std::fs::remove_dir_all(&folder);
    let Description { operations, openapi } =
        described.map_err(|error| Failure::new(format!("the server does not start: {error}")))?;
    removed.map_err(|error| Failure::refused("remove", &folder, &error))?;
    files.add_json("openapi/tidings.json", openapi);
    files.add_json("openapi/asyncapi.json", tidings_events::asyncapi::document(&[]));
    files.add("openapi/permissions.md", permissions(operations));
    Ok(())
}

fn permissions(mut operations: Vec<OperationInfo>) -> String {
    operations.sort_by_key(|operation| (operation.path, operation.method.as_str().to_owned()));
    let mut page = format!(
        "{NOTICE}\n\n# Who may call what\n\n\
         {} operations. Access is `public` for everybody, `operator` for the operator's key alone, \
         or the permission that a tenant's key must hold. The program also serves `/livez`, \
         `/readyz`, `/problems/{{slug}}`, `/docs` and `/api/v1/openapi.json` to everybody, and \
         `/metrics` to the operator.\n\n\
         | Method | Path | Operation | Access | Emits |\n|---|---|---|---|---|\n",
        operations.len(),
    );
    for operation in &operations {
        let _ = writeln!(
            page,
            "| {} | `{}` | `{}` | {} | {} |",
            operation.method,
            operation.path,
            operation.id,
            access(operation.access),
            emits(operation),
        );
    }
    page.push_str(
        "\n## Permissions\n\n| Permission | Who can hold it | Operations |\n|---|---|---|\n",
    );
    for permission in Permission::ALL {
        let holder = if permission.is_tenants() { "a tenant's key" } else { "the operator" };
        let ids: Vec<String> = operations
            .iter()
            .filter(|operation| operation.access == Access::Needs(*permission))
            .map(|operation| format!("`{}`", operation.id))
            .collect();
        let ids = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
        let _ = writeln!(page, "| `{}` | {holder} | {ids} |", permission.name());
    }
    page
}

fn access(access: Access) -> String {
    match access {
        Access::Public => "public".to_owned(),
        Access::Optional(permission) => {
            format!("public; more with `{}`", permission.name())
        }
        Access::Operator => "operator".to_owned(),
        Access::Needs(permission) => format!("`{}`", permission.name()),
    }
}

fn emits(operation: &OperationInfo) -> String {
    let mut names: Vec<String> =
        operation.emits.iter().map(|event_type| format!("`{event_type}`")).collect();
    names.extend(operation.silent.map(|reason| format!("none: {reason}")));
    if names.is_empty() { "none: it only reads".to_owned() } else { names.join(", ") }
}
