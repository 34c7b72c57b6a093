//! Ends by a signal, in order: the runner first, then what it used.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Doing, Failure};

/// How often a running child and the arrived signals are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(30);

/// The signals that ask this process to end. While it lives, they no longer end it by themselves,
/// so that guards run.
pub(crate) struct Interrupts(Signals);

impl Interrupts {
    pub(crate) fn listen() -> Result<Self, Failure> {
        Signals::new([SIGHUP, SIGINT, SIGTERM]).map(Self).doing("listen for signals")
    }

    /// Waits until the process is asked to end.
    pub(crate) fn wait(&mut self) {
        let _ = self.0.forever().next();
    }

    /// Runs a command to its end and gives its exit code. A signal that arrives meanwhile ends the
    /// command and everything it started; a second one does so without asking.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<ExitCode, Failure> {
        if let Some(signal) = self.0.pending().next() {
            return Ok(exit_code_of_signal(signal));
        }
        // A process group of its own, so that one signal reaches cargo, the compiler and the test
        // binaries alike. It is no longer the terminal's foreground group, hence no input.
        let mut child =
            command.process_group(0).stdin(Stdio::null()).spawn().doing("start the command")?;
        let mut asked_with = None;
        loop {
            if let Some(status) = child.try_wait().doing("wait for the command")? {
                let signal = asked_with.or(status.signal());
                return Ok(match (signal, status.code()) {
                    (Some(signal), _) => exit_code_of_signal(signal),
                    (None, code) => ExitCode::from(code.map_or(1, clamp)),
                });
            }
            for signal in self.0.pending() {
                signal_group(&child, if asked_with.is_some() { "KILL" } else { "TERM" });
                asked_with = Some(signal);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Signals the child and all its descendants that did not leave its group. Done by the shell's own
/// `kill`, because std can only kill, and only one process.
fn signal_group(child: &Child, signal: &str) {
    let kill = format!("kill -s {signal} -- -{}", child.id());
    let _ = Command::new("/bin/sh").args(["-c", &kill]).stderr(Stdio::null()).status();
}

/// What a shell answers for a process that a signal ended.
fn exit_code_of_signal(signal: i32) -> ExitCode {
    ExitCode::from(clamp(128 + signal))
}

fn clamp(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(script: &str) -> ExitCode {
        let mut interrupts = Interrupts::listen().unwrap();
        interrupts.run(Command::new("/bin/sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn the_exit_code_is_the_commands() {
        assert_eq!(code_of("exit 0"), ExitCode::SUCCESS);
        assert_eq!(code_of("exit 101"), ExitCode::from(101));
        assert_eq!(code_of("kill -s KILL $$"), ExitCode::from(137));
    }
}
