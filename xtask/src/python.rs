//! Environments for Python programs that tests use, in the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Doing, Failure};
use crate::{machine, workspace};

/// An environment that holds what a file of requirements names.
pub(crate) struct Environment {
    /// Its folder below the target folder.
    pub(crate) name: &'static str,
    /// What pip is to install.
    pub(crate) requirements: &'static str,
    /// More arguments for pip.
    pub(crate) pip_arguments: &'static [&'static str],
    /// What succeeds, as an argument of `python -c`, where all of it is there.
    pub(crate) check: &'static str,
    /// What a person is to do where Python is missing.
    pub(crate) advice: &'static str,
}

impl Environment {
    /// The folder with its programs; made where there is none, or an older one.
    pub(crate) fn provide(&self) -> Result<PathBuf, Failure> {
        let folder = workspace::target().join(self.name);
        let programs = folder.join("bin");
        let interpreter = programs.join("python");
        let listed = folder.join("requirements.txt");
        let is_current = std::fs::read_to_string(&listed).is_ok_and(|had| had == self.requirements)
            && succeeds(Command::new(&interpreter).args(["-c", self.check]));
        if !is_current {
            self.make(&folder)?;
            self.install(&interpreter, &folder)?;
            // Last, so that an installation that was broken off is made again.
            std::fs::write(&listed, self.requirements).doing("write down what was installed")?;
        }
        Ok(programs)
    }

    fn make(&self, folder: &Path) -> Result<(), Failure> {
        let make = || succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder));
        if make() {
            return Ok(());
        }
        machine::install(&["python3", "python3-venv"], self.advice)?;
        if make() { Ok(()) } else { Err(Failure::new(self.advice)) }
    }

    fn install(&self, interpreter: &Path, folder: &Path) -> Result<(), Failure> {
        let wanted = folder.join("wanted.txt");
        std::fs::write(&wanted, self.requirements).doing("write the requirements for pip")?;
        let status = Command::new(interpreter)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--only-binary", ":all:"])
            .args(self.pip_arguments)
            .arg("--requirement")
            .arg(&wanted)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status()
            .doing("run pip")?;
        if status.success() {
            Ok(())
        } else {
            Err(Failure::new(format!("pip could not install {}; {}", self.name, self.advice)))
        }
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
