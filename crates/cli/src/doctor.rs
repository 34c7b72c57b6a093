//! `tidings doctor`: how the installation is, what is stuck and why, and what to do about it.

use serde_json::Value;
use tidings_client::Client;
use tidings_server::{App, Settings};

use crate::Failure;
use crate::args::DoctorArgs;
use crate::failure::{Ended, misused};
use crate::say::say;

/// Looks at the installation, or asks its server. Fails where there is a problem.
pub(crate) async fn run(options: DoctorArgs) -> Result<(), Failure> {
    let DoctorArgs { server, older_than, json, settings } = options;
    let settings = settings.into_settings()?;
    let diagnosis = match server {
        Some(server) => ask(server, older_than, &settings).await?,
        None => serde_json::to_value(App::diagnose(&settings).await?)?,
    };
    if json {
        say!("{diagnosis}")?;
    } else {
        print(&diagnosis)?;
    }
    if diagnosis["is_well"] == true { Ok(()) } else { Err(Box::new(Ended::Negative)) }
}

/// With SQLite the data directory belongs to the running process, so that is asked.
async fn ask(
    server: String,
    older_than: Option<u64>,
    settings: &Settings,
) -> Result<Value, Failure> {
    let Some(key) = &settings.operator_key else {
        return Err(misused("a server is asked with the operator's key: set TIDINGS_OPERATOR_KEY"));
    };
    let mut path = "/api/v1/operator/diagnosis".to_owned();
    if let Some(seconds) = older_than {
        path.push_str(&format!("?older_than_seconds={seconds}"));
    }
    let answer = Client::new(server).with_key(key.clone()).get(&path).await?;
    if answer.status.is_success() {
        return Ok(answer.json());
    }
    let why = match answer.text("/errors/0/message") {
        why if why.is_empty() => answer.text("/detail"),
        why => why,
    };
    Err(format!("the server answered {}: {why}", answer.status).into())
}

fn print(diagnosis: &Value) -> Result<(), Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    say!("database      {}, schema up to date", text(&diagnosis["engine"]))?;
    let server = if diagnosis["server_runs"] == true { "running" } else { "not running" };
    say!("server        {server}")?;
    say!("undispatched  {} events", diagnosis["undispatched"])?;
    say!("waiting       {} deliveries, {} due", diagnosis["waiting"], diagnosis["due"])?;
    for node in each(&diagnosis["nodes"]) {
        let (name, since) = (text(&node["name"]), text(&node["started_at"]));
        say!("node          {name}, since {since}: {}", text(&node["state"]))?;
    }
    for schedule in each(&diagnosis["schedules"]) {
        let last = schedule["last_ended_at"].as_str().unwrap_or("never");
        let (name, next) = (text(&schedule["name"]), text(&schedule["due_at"]));
        say!(
            "schedule      {name}: every {} s, last {last}, next {next}",
            schedule["every_seconds"]
        )?;
    }
    for finding in each(&diagnosis["findings"]) {
        let severity = text(&finding["severity"]);
        say!("{severity:<13} {} ({})", text(&finding["what"]), text(&finding["code"]))?;
        if let Some(since) = finding["since"].as_str() {
            say!("    since     {since}")?;
        }
        if let Some(tenant) = finding["tenant_id"].as_str() {
            say!("    tenant    {tenant}")?;
        }
        say!("    because   {}", text(&finding["why"]))?;
        say!("    do        {}", text(&finding["action"]))?;
    }
    if diagnosis["is_well"] == true { say!("all is well") } else { say!("not all is well") }
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
