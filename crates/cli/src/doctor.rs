//! `tidings doctor`: how the installation is, and what to do about what is not well.

use tidings_kernel::Timestamp;
use tidings_server::{App, Diagnosis, Settings};

use crate::Failure;
use crate::say::say;

/// Looks at the installation. Fails where something is not well.
pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let Diagnosis { engine, server_runs, backlog, schedules, parked, now } =
        App::diagnose(settings).await?;
    say!("database      {engine}, schema up to date")?;
    say!("server        {}", if server_runs { "running" } else { "not running" })?;
    say!("undispatched  {} events{}", backlog.pointers, since(backlog.oldest_pointer, now))?;
    say!("waiting       {} deliveries{}", backlog.waiting, next(backlog.next_due, now))?;
    for (name, started, until, fenced) in &backlog.nodes {
        let state = match (fenced, *until < now) {
            (true, _) => "ended",
            (false, true) => "silent",
            (false, false) => "alive",
        };
        say!("node          {name}, since {started}: {state}")?;
    }
    for job in &schedules {
        let last = job.last_ended_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
        say!(
            "schedule      {}: every {:?}, last {last}, next {}",
            job.name,
            job.every,
            job.due_at
        )?;
        if let Some(error) = &job.last_error {
            say!("              last error: {error}")?;
        }
    }
    let mut ill = Vec::new();
    for (name, count) in &parked {
        ill.push(format!(
            "{count} of {name} are parked; the log says why, and they are tried again"
        ));
    }
    let stuck = backlog.oldest_pointer.is_some_and(|oldest| now.since(oldest).as_secs() > 60);
    if stuck && server_runs {
        ill.push("events wait for dispatch for over a minute; look at the server's log".to_owned());
    } else if backlog.pointers > 0 && !server_runs {
        ill.push("events wait for dispatch and no server runs; start one".to_owned());
    }
    if ill.is_empty() {
        say!("all is well")?;
        return Ok(());
    }
    for line in &ill {
        say!("not well      {line}")?;
    }
    Err(format!("{} things are not well", ill.len()).into())
}

fn since(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(String::new, |at| format!(", the oldest for {:?}", now.since(at)))
}

fn next(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(String::new, |at| format!(", the next in {:?}", at.since(now)))
}
