//! A Python with the Standard Webhooks library: what verifies our signatures in the tests and shares
//! no line with us.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::python::Environment;

/// Where the tests find the interpreter.
pub(crate) const VARIABLE: &str = "TIDINGS_TEST_STANDARDWEBHOOKS_PYTHON";

const ENVIRONMENT: Environment = Environment {
    name: "standardwebhooks",
    // To the byte: whatever a registry answers, nothing else is installed.
    requirements: "standardwebhooks==1.1.0 \
        --hash=sha256:9a88d48a1f198be61517fc7ad328cf58ba02b73f0fbd8941d4213e9c0b6c2a61\n",
    pip_arguments: &["--require-hashes"],
    check: "import standardwebhooks.webhooks",
    advice: "Python 3 with venv is needed: install the packages `python3` and `python3-venv`, or set \
        TIDINGS_TEST_STANDARDWEBHOOKS_PYTHON to an interpreter that has the library \
        `standardwebhooks`",
};

/// An interpreter with the library: the caller's, the one of an earlier run, or a new one.
pub(crate) fn find_or_install() -> Result<PathBuf, Failure> {
    if let Some(interpreter) = std::env::var_os(VARIABLE) {
        return Ok(interpreter.into());
    }
    Ok(ENVIRONMENT.provide()?.join("python"))
}
