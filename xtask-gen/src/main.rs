//! `cargo xtask gen`: the committed files that are derived from the program.
//!
//! Each module makes the texts of some files; [`files`] writes or compares them. This is a package
//! of its own, because it needs the whole server to compile, and the other tasks must not.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod api;
mod audit;
mod coverage;
mod failure;
mod fields;
mod files;
mod pages;
mod released;
mod schemas;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use failure::Failure;
use files::{Difference, Files};
use released::Released;

const USAGE: &str = "\
usage: cargo xtask gen [--check]

  writes schemas, event pages, the coverage page and the OpenAPI document;
  with --check it only says which of them are not current";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments).await {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("xtask gen: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let root = root();
    match arguments {
        [] => {
            let (files, released) = generate(&root).await?;
            for path in files.write(&root, &released)? {
                println!("{path}");
            }
            Ok(ExitCode::SUCCESS)
        }
        [flag] if flag == "--check" => {
            let differences = check(&root).await?;
            if differences.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            eprintln!("{}", report(&differences));
            Ok(ExitCode::FAILURE)
        }
        _ => Err(Failure::new(USAGE)),
    }
}

/// Every generated file. Fails where one would break a promise: a released schema that changed.
async fn generate(root: &Path) -> Result<(Files, Released), Failure> {
    let mut files = Files::default();
    schemas::add(&mut files);
    pages::add(&mut files);
    coverage::add(&mut files, root)?;
    api::add(&mut files).await?;
    let released = Released::read(root)?;
    released.check(root, &files)?;
    Ok((files, released))
}

async fn check(root: &Path) -> Result<Vec<Difference>, Failure> {
    let (files, released) = generate(root).await?;
    files.differences(root, &released)
}

fn report(differences: &[Difference]) -> String {
    let mut lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    lines.push("run `cargo xtask gen` and commit what it writes".to_owned());
    lines.join("\n")
}

/// The folder of the workspace's manifest.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn generated_files_are_current() {
        let differences = match check(&root()).await {
            Ok(differences) => differences,
            Err(failure) => panic!("{failure}"),
        };
        assert!(differences.is_empty(), "\n{}\n", report(&differences));
    }
}
