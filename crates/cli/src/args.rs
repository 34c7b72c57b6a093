//! The command line. Every setting is also a `TIDINGS_…` variable, and but for the two keys a field of
//! the TOML file.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand};
use ipnet::IpNet;
use tidings_server::Settings;

use crate::conformance::ConformanceArgs;
use crate::inputs::SecretArgs;
use crate::replay::ReplayArgs;
use crate::sign::SignArgs;
use crate::tail::{DeliveriesCommand, TailArgs};
use crate::trigger::TriggerArgs;
use crate::verify::VerifyArgs;

/// A multi-tenant business platform: every change of state is a signed webhook.
#[derive(Debug, Parser)]
#[command(name = "tidings", version)]
pub(crate) struct Args {
    /// What is logged: a level, or `target=level` pairs [default: info]
    #[arg(long, env = "TIDINGS_LOG", global = true, value_name = "FILTER")]
    pub(crate) log: Option<String>,
    /// Logs as JSON, a line each.
    #[arg(
        long, env = "TIDINGS_LOG_JSON", global = true, value_name = "true|false",
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    pub(crate) log_json: Option<bool>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(SettingsArgs),
    /// Bring the database's schema up to date, and do nothing else.
    Migrate(SettingsArgs),
    /// Say how the installation is, and what to do about what is not well.
    Doctor(DoctorArgs),
    /// The operator's key.
    #[command(subcommand)]
    OperatorKey(OperatorKeyCommand),
    /// The catalog of events.
    #[command(subcommand)]
    Events(EventsCommand),
    /// What is sent to subscriptions.
    #[command(subcommand)]
    Deliveries(DeliveriesCommand),
    /// Which of the promised events provably fire.
    Coverage {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// A receiver on this machine: verifies each webhook, prints it, and hands it on.
    Listen(ListenArgs),
    /// Send an example of any event type to one subscription.
    Trigger(TriggerArgs),
    /// Send past events once more to one subscription.
    Replay(ReplayArgs),
    /// Sign a body, offline.
    Sign(SignArgs),
    /// Say whether a webhook is genuine, and if not, why; offline.
    Verify(VerifyArgs),
    /// Check what a receiver does with genuine and with forged webhooks.
    Conformance(ConformanceArgs),
    /// A server and a receiver, wired together: see a webhook arrive in a minute.
    Demo(DemoArgs),
}

/// The operator's key.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorKeyCommand {
    /// Replace it, while no server runs; the old one opens nothing any more.
    Rotate(SettingsArgs),
}

/// The catalog of events.
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Every type.
    List,
    /// One type with its schema and an example.
    Show {
        /// The name: customer.created
        event_type: String,
    },
    /// Follow a tenant's events as they happen.
    Tail(TailArgs),
}

/// Where things lie.
#[derive(ClapArgs)]
pub(crate) struct SettingsArgs {
    /// A TOML file with the same settings, below flags and variables.
    #[arg(long, env = "TIDINGS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory [default: data]
    #[arg(long, env = "TIDINGS_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, env = "TIDINGS_LISTEN", value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// postgres://…; without it SQLite in the data directory
    #[arg(long, env = "TIDINGS_DATABASE", value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// Connections to PostgreSQL [default: 20]
    #[arg(long, env = "TIDINGS_DATABASE_CONNECTIONS", value_name = "N")]
    database_connections: Option<usize>,
    /// Open loopback to webhooks, and nothing else; for a receiver on this machine
    #[arg(
        long, env = "TIDINGS_DEV", value_name = "true|false",
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    dev: Option<bool>,
    /// A listener of its own for /metrics, without a key
    #[arg(long, env = "TIDINGS_METRICS_LISTEN", value_name = "ADDR:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// The DNS name under which endpoints are asked for their consent
    #[arg(long, env = "TIDINGS_WEBHOOK_ORIGIN", value_name = "NAME")]
    webhook_origin: Option<String>,
    /// Private ranges that webhooks may reach: 10.1.0.0/16,…
    #[arg(long, env = "TIDINGS_ALLOW_PRIVATE", value_name = "CIDR", value_delimiter = ',')]
    allow_private: Vec<IpNet>,
    /// The collector that traces go to, as OTLP over HTTP: http://127.0.0.1:4318
    #[arg(long, env = "TIDINGS_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true)]
    otlp_endpoint: Option<String>,
    /// Which part of all traces is recorded, from 0 to 1 [default: 1]
    #[arg(long, env = "TIDINGS_TRACE_RATIO", value_name = "RATIO")]
    trace_ratio: Option<f64>,
    /// Tell receivers of webhooks in which trace they are called, with `traceparent`
    #[arg(
        long, env = "TIDINGS_TRACE_RECEIVERS", value_name = "true|false",
        num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    trace_receivers: Option<bool>,
    /// The operator's key, for automated installs; 32 to 256 visible ASCII characters
    #[arg(long, env = "TIDINGS_OPERATOR_KEY", hide = true, hide_env_values = true)]
    operator_key: Option<String>,
    /// The root key as 64 hexadecimal digits
    #[arg(long, env = "TIDINGS_ROOT_KEY", hide = true, hide_env_values = true)]
    root_key: Option<String>,
    /// A file with the root key
    #[arg(long, env = "TIDINGS_ROOT_KEY_FILE", value_name = "FILE")]
    root_key_file: Option<PathBuf>,
}

/// Nothing of it, for the keys are among it.
impl std::fmt::Debug for SettingsArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SettingsArgs(..)")
    }
}

impl SettingsArgs {
    /// Flags and variables over the file.
    pub(crate) fn into_settings(self) -> Result<Settings, crate::Failure> {
        let below = match &self.config {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        let above = Settings {
            data: self.data,
            listen: self.listen,
            database: self.database,
            database_connections: self.database_connections,
            dev: self.dev,
            metrics_listen: self.metrics_listen,
            webhook_origin: self.webhook_origin,
            allow_private: self.allow_private,
            otlp_endpoint: self.otlp_endpoint,
            trace_ratio: self.trace_ratio,
            trace_receivers: self.trace_receivers,
            operator_key: self.operator_key,
            root_key: self.root_key,
            root_key_file: self.root_key_file,
            log: None,
            log_json: None,
        };
        Ok(above.over(below).with_root_key()?)
    }
}

impl Args {
    /// What is logged, and whether as JSON: flags and variables over the file. A file that cannot be
    /// read is told of by the command itself.
    pub(crate) fn logging(&self) -> (String, bool) {
        let file = self.command.config().and_then(|path| Settings::read(path).ok());
        let below = file.unwrap_or_default();
        let log = self.log.clone().or(below.log).unwrap_or_else(|| "info".to_owned());
        (log, self.log_json.or(below.log_json).unwrap_or(false))
    }
}

impl Command {
    /// The settings file of the command, where it has one.
    fn config(&self) -> Option<&std::path::Path> {
        match self {
            Self::Doctor(options) => options.settings.config.as_deref(),
            Self::Serve(settings)
            | Self::Migrate(settings)
            | Self::OperatorKey(OperatorKeyCommand::Rotate(settings)) => settings.config.as_deref(),
            Self::Events(_)
            | Self::Deliveries(_)
            | Self::Coverage { .. }
            | Self::Listen(_)
            | Self::Trigger(_)
            | Self::Replay(_)
            | Self::Sign(_)
            | Self::Verify(_)
            | Self::Conformance(_)
            | Self::Demo(_) => None,
        }
    }
}

/// How `tidings doctor` is used.
const DOCTOR_EXAMPLES: &str = "\
Examples:
  tidings doctor --data ./data                            a stopped installation, or PostgreSQL's
  tidings doctor --server http://127.0.0.1:8080           a running server, which knows more
  tidings doctor --server http://127.0.0.1:8080 --json | jq .findings

A running server is asked with the operator's key, in TIDINGS_OPERATOR_KEY. Nothing is changed.

Exit status: 0 no problem, though there may be notices; 1 a problem, or no answer; 2 wrong arguments.";

/// Whom to ask.
#[derive(Debug, ClapArgs)]
#[command(after_help = DOCTOR_EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// Ask a running server instead of looking into the data directory.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// With --server: deliveries of events that are older count as stuck [default: 60]
    #[arg(long, value_name = "SECONDS", requires = "server")]
    pub(crate) older_than: Option<u64>,
    /// One JSON object instead of lines.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

/// How `tidings listen` is used.
const LISTEN_EXAMPLES: &str = "\
Examples:
  tidings listen --api-key … --events 'customer.*' --forward http://localhost:3000/hook
  tidings listen --secret whsec_… --json | jq .type

With --forward the application gets the bytes and headers that arrived, and the sender gets the
application's answer. A webhook that is not genuine is answered with 401 and not handed on. The
server calls this machine only in development mode: tidings serve --dev.

Exit status: 0 ended by Ctrl-C; 1 failed; 2 wrong arguments.";

/// A receiver on this machine.
#[derive(Debug, ClapArgs)]
#[command(after_help = LISTEN_EXAMPLES)]
pub(crate) struct ListenArgs {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:4400", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// Hand each genuine webhook on to an application, and give the sender its answer.
    #[arg(long, value_name = "URL")]
    pub(crate) forward: Option<String>,
    /// A line of JSON for each webhook.
    #[arg(long)]
    pub(crate) json: bool,
    /// Without a secret one is made with --api-key, or nothing is verified.
    #[command(flatten)]
    pub(crate) secrets: SecretArgs,
    /// The server to subscribe at.
    #[arg(long, env = "TIDINGS_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// A key of the tenant: subscribes by itself, and ends the subscription at the end.
    #[arg(long, env = "TIDINGS_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// What to subscribe to.
    #[arg(long, default_value = "*", value_delimiter = ',')]
    pub(crate) events: Vec<String>,
}

/// A server and a receiver, wired together.
#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// The data directory; a fresh temporary one unless told.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Where the server listens.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// End after the first webhook has arrived.
    #[arg(long)]
    pub(crate) once: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;
    use tidings_testkit::ScratchDir;

    use super::*;

    /// A settings file that lasts as long as a test.
    fn file(text: &str) -> (ScratchDir, String) {
        let folder = ScratchDir::new();
        let path = folder.path().join("tidings.toml");
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    #[test]
    fn every_flag_is_a_field_of_the_file_but_the_two_keys() {
        let serve = Args::command().find_subcommand("serve").unwrap().clone();
        let args = Args::command();
        let flags = serve.get_arguments().chain(args.get_arguments());
        let names = flags.filter_map(|flag| flag.get_long()).map(|name| name.replace('-', "_"));
        let refused: BTreeSet<String> = names
            .filter(|name| {
                // Of the wrong type for any field: what is told is the type, or that there is none.
                let (_folder, path) = file(&format!("{name} = {{ never = 'this' }}"));
                let told = Settings::read(std::path::Path::new(&path)).unwrap_err().to_string();
                told.contains("unknown field")
            })
            .collect();
        let known = ["config", "help", "operator_key", "root_key", "version"];
        assert!(refused.iter().all(|name| known.contains(&name.as_str())), "{refused:?}");
        assert!(refused.contains("operator_key") && refused.contains("root_key"));
    }

    #[test]
    fn the_file_says_what_is_logged_and_a_flag_says_it_louder() {
        let (_folder, path) = file("log = 'debug'\nlog_json = true");
        for (flags, wanted) in [
            (vec!["serve"], ("info", false)),
            (vec!["serve", "--config", &path], ("debug", true)),
            (vec!["doctor", "--config", &path], ("debug", true)),
            (vec!["serve", "--config", &path, "--log", "warn"], ("warn", true)),
            (vec!["serve", "--config", &path, "--log-json=false"], ("debug", false)),
            (vec!["serve", "--config", "/nowhere"], ("info", false)),
        ] {
            let line = ["tidings"].into_iter().chain(flags.iter().copied());
            let (log, json) = Args::try_parse_from(line).unwrap().logging();
            assert_eq!((log.as_str(), json), wanted, "{flags:?}");
        }
    }

    #[test]
    fn the_file_names_the_file_of_the_root_key() {
        let (folder, path) = file("");
        let key = folder.path().join("key");
        std::fs::write(&key, "abc\n").unwrap();
        std::fs::write(&path, format!("root_key_file = '{}'", key.display())).unwrap();
        let read = |flags: &[&str]| {
            let line =
                ["tidings", "serve", "--config", &path].into_iter().chain(flags.iter().copied());
            let Command::Serve(settings) = Args::try_parse_from(line).unwrap().command else {
                panic!("another command");
            };
            settings.into_settings().unwrap().root_key
        };
        assert_eq!(read(&[]).as_deref(), Some("abc"));
        assert_eq!(read(&["--root-key", "def"]).as_deref(), Some("def"));
    }

    fn is_dev(flags: &[&str]) -> Option<bool> {
        let line = ["tidings", "serve"].into_iter().chain(flags.iter().copied());
        let args = Args::try_parse_from(line).ok()?;
        let Command::Serve(settings) = args.command else { return None };
        let file: Settings = Settings { dev: Some(true), ..Settings::default() };
        Some(settings.into_settings().ok()?.over(file).is_dev())
    }

    #[test]
    fn a_flag_switches_off_what_the_file_switches_on() {
        assert_eq!(is_dev(&[]), Some(true));
        assert_eq!(is_dev(&["--dev=false"]), Some(false));
        assert_eq!(is_dev(&["--dev=true"]), Some(true));
        assert_eq!(is_dev(&["--dev"]), Some(true));
        assert_eq!(is_dev(&["--dev", "--data", "there"]), Some(true));
        assert_eq!(is_dev(&["--dev=perhaps"]), None);
        assert_eq!(is_dev(&["--dev", "false"]), None, "a word that stands alone is no value");
    }
}
