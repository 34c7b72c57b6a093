//! `cargo xtask fuzz`: the targets of `tidings-hostile` under libFuzzer.
//!
//! The instrumentation is asked of the compiler directly, in flags that the stable toolchain takes, so
//! nothing has to be installed but a C++ compiler for the engine itself.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::failure::{Doing, Failure};
use crate::interrupts::Interrupts;
use crate::{machine, workspace};

/// Seconds for each target unless told.
const SECONDS: u32 = 60;

/// Counters at every edge and at every comparison, for an engine that looks for new ones.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

const USAGE: &str = "usage: cargo xtask fuzz [TARGET] [--seconds N]";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, Failure> {
    let known = targets()?;
    let told = Told::read(arguments, &known)?;
    let mut interrupts = Interrupts::listen()?;
    provide_cxx_compiler()?;
    let host = host()?;
    let built = interrupts.run(
        workspace::cargo()
            // Build scripts and macros are not instrumented where a target is named.
            .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host])
            .arg("--target-dir")
            .arg(workspace::target().join("fuzz"))
            .env("RUSTFLAGS", INSTRUMENTATION),
    )?;
    if built != ExitCode::SUCCESS {
        return Ok(built);
    }
    let program = workspace::target().join("fuzz").join(&host).join("release/target");
    for name in &told.targets {
        println!("==> {name}, {} seconds", told.seconds);
        let ended = interrupts.run(&mut engine(&program, name, told.seconds)?)?;
        if ended != ExitCode::SUCCESS {
            eprintln!(
                "xtask: `{name}` found something in fuzz/artifacts/{name}: give the file a name that \
                 says what it is, move it to fuzz/seeds/{name}, and `cargo test -p tidings-hostile` \
                 shows it"
            );
            return Ok(ended);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The engine on one target. What it finds worth keeping stays in `fuzz/corpus`, for the next time.
fn engine(program: &PathBuf, name: &str, seconds: u32) -> Result<Command, Failure> {
    let folder = |kind: &str| workspace::root().join("fuzz").join(kind).join(name);
    for kind in ["corpus", "artifacts"] {
        std::fs::create_dir_all(folder(kind)).doing("make a folder for what is found")?;
    }
    let mut artifacts = folder("artifacts").into_os_string();
    artifacts.push("/");
    let mut prefix = std::ffi::OsString::from("-artifact_prefix=");
    prefix.push(artifacts);
    let mut command = Command::new(program);
    command
        .args([folder("corpus"), folder("seeds")])
        .arg(format!("-max_total_time={seconds}"))
        .arg(prefix)
        // One second is ten times what an input may take; the engine counts in seconds.
        .args(["-timeout=1", "-rss_limit_mb=1024", "-max_len=4096", "-verbosity=0"])
        .args(["-print_final_stats=1"])
        .env("TIDINGS_FUZZ_TARGET", name);
    Ok(command)
}

/// The targets, by their folders of seeds: a target without seeds fails the tests.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = workspace::root().join("fuzz/seeds");
    let entries = std::fs::read_dir(&folder).doing("read fuzz/seeds")?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    Ok(names)
}

fn provide_cxx_compiler() -> Result<(), Failure> {
    machine::provide_c_compiler()?;
    if machine::find_program("c++").is_some() {
        return Ok(());
    }
    machine::install(&["g++"], "libFuzzer is C++: install the package `g++`")
}

/// The triple that this machine builds for.
fn host() -> Result<String, Failure> {
    let output = Command::new("rustc").arg("-vV").output().doing("ask rustc for its host")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::new("`rustc -vV` names no host"))
}

#[derive(Debug, PartialEq, Eq)]
struct Told {
    targets: Vec<String>,
    seconds: u32,
}

impl Told {
    fn read(arguments: &[String], known: &[String]) -> Result<Self, Failure> {
        let usage = || Failure::new(format!("{USAGE}\ntargets: {}", known.join(", ")));
        let mut told = Self { targets: Vec::new(), seconds: SECONDS };
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            if word == "--seconds" {
                told.seconds = rest.next().and_then(|text| text.parse().ok()).ok_or_else(usage)?;
            } else if known.contains(word) {
                told.targets.push(word.clone());
            } else {
                return Err(usage());
            }
        }
        if told.targets.is_empty() {
            told.targets = known.to_vec();
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::{SECONDS, Told};

    #[test]
    fn one_target_or_all_for_as_long_as_told() {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let known = words("json url");
        let of = |line: &str| Told::read(&words(line), &known).ok();
        let all = Told { targets: known.clone(), seconds: SECONDS };
        assert_eq!(of(""), Some(all));
        assert_eq!(of("url --seconds 5"), Some(Told { targets: words("url"), seconds: 5 }));
        for refused in ["ulr", "--seconds", "--seconds x", "--second 5"] {
            assert_eq!(of(refused), None, "{refused}");
        }
    }
}
