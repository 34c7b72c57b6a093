//! What the machine has, and installing what it lacks.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure};

/// The file of that name in the first folder of `PATH` that has one.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Whether this process may do what an administrator may.
pub(crate) fn is_root() -> bool {
    // `/proc/self` belongs to the effective user; std has no safer way to ask.
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Crates with C inside (SQLite, the cryptography) need a compiler. Linking this program needed
/// one too, so it is missing only where cargo is configured with a linker of its own.
pub(crate) fn provide_c_compiler() -> Result<(), Failure> {
    if find_program("cc").is_some() {
        return Ok(());
    }
    install(
        &["gcc", "libc6-dev", "make", "pkg-config"],
        "a C compiler is needed: install the packages `gcc`, `make` and `pkg-config`",
    )
}

/// The quick start of the README, which a test executes, asks with `curl`.
pub(crate) fn provide_curl() -> Result<(), Failure> {
    if find_program("curl").is_some() {
        return Ok(());
    }
    install(&["curl"], "curl is needed for the README's quick start: install the package `curl`")
}

/// Installs Debian packages, or fails with `otherwise`, which says what a person should do.
pub(crate) fn install(packages: &[&str], otherwise: &str) -> Result<(), Failure> {
    if !is_root() || !Path::new("/usr/bin/apt-get").exists() {
        return Err(Failure::new(otherwise));
    }
    eprintln!("xtask: installing {}", packages.join(" "));
    apt_get(&["update"])?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    apt_get(&arguments)
}

fn apt_get(arguments: &[&str]) -> Result<(), Failure> {
    let status = Command::new("apt-get")
        .args(arguments)
        .arg("-q")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(std::process::Stdio::null())
        // The runner's output is the only thing on our own standard output.
        .stdout(std::io::stderr())
        .status()
        .doing("run apt-get")?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`apt-get {}` failed", arguments.join(" "))))
    }
}
