//! Where the workspace is, and the cargo that runs in it.

use std::path::PathBuf;
use std::process::Command;

/// The folder of the workspace's manifest, wherever the task was called from.
pub(crate) fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// The cargo that runs this task, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The folder for what is built.
pub(crate) fn target() -> PathBuf {
    // A relative name is relative to where the cargo that runs this task was called, as here.
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
