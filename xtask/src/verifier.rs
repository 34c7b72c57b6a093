//! A Python with the Standard Webhooks library: what verifies our signatures in the tests and shares
//! no line with us.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Doing, Failure};
use crate::{machine, workspace};

/// Where the tests find the interpreter.
pub(crate) const VARIABLE: &str = "TIDINGS_TEST_STANDARDWEBHOOKS_PYTHON";

/// The library, to the byte: whatever a registry answers, nothing else is installed.
const REQUIREMENT: &str = "standardwebhooks==1.1.0 \
    --hash=sha256:9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61\n";

const ADVICE: &str = "Python 3 with venv is needed: install the packages `python3` and \
    `python3-venv`, or set TIDINGS_TEST_STANDARDWEBHOOKS_PYTHON to an interpreter that has the \
    library `standardwebhooks`";

/// An interpreter with the library: the caller's, the one of an earlier run, or a new one.
pub(crate) fn find_or_install() -> Result<PathBuf, Failure> {
    if let Some(interpreter) = std::env::var_os(VARIABLE) {
        return Ok(interpreter.into());
    }
    let folder = workspace::target().join("standardwebhooks");
    let interpreter = folder.join("bin/python");
    if !has_library(&interpreter) {
        make_environment(&folder)?;
        install_library(&folder, &interpreter)?;
    }
    Ok(interpreter)
}

fn has_library(interpreter: &Path) -> bool {
    succeeds(Command::new(interpreter).args(["-c", "import standardwebhooks.webhooks"]))
}

fn make_environment(folder: &Path) -> Result<(), Failure> {
    let make = || succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
    if make() {
        return Ok(());
    }
    machine::install(&["python3", "python3-venv"], ADVICE)?;
    if make() { Ok(()) } else { Err(Failure::new(ADVICE)) }
}

fn install_library(folder: &Path, interpreter: &Path) -> Result<(), Failure> {
    let requirements = folder.join("requirements.txt");
    std::fs::write(&requirements, REQUIREMENT).doing("write the requirements for pip")?;
    let status = Command::new(interpreter)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
        .arg(&requirements)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .doing("run pip")?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("pip could not install the library; {ADVICE}")))
    }
}

/// Whether it could be run and succeeded; what it says is not for the person who runs the task.
fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
