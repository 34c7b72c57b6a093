//! Settings: a TOML file below, variables and flags above.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use crate::telemetry::Otlp;

/// What is wanted of a server. The command line fills it; every field can stand in the file too.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The data directory.
    pub data: Option<PathBuf>,
    /// Where to listen.
    pub listen: Option<SocketAddr>,
    /// `postgres://…`; without it SQLite in the data directory.
    pub database: Option<String>,
    /// Connections to PostgreSQL.
    pub database_connections: Option<usize>,
    /// Opens loopback to webhooks, and nothing else.
    pub dev: Option<bool>,
    /// A listener of its own for `/metrics`, without a key.
    pub metrics_listen: Option<SocketAddr>,
    /// The DNS name under which endpoints are asked for their consent.
    pub webhook_origin: Option<String>,
    /// Private ranges that webhooks may reach.
    pub allow_private: Vec<IpNet>,
    /// The collector that traces go to.
    pub otlp_endpoint: Option<String>,
    /// Which part of all traces is recorded, from 0 to 1.
    pub trace_ratio: Option<f64>,
    /// Whether receivers of webhooks get `traceparent`.
    pub trace_receivers: Option<bool>,
    /// The operator's key, for automated installs.
    #[serde(skip)]
    pub operator_key: Option<String>,
    /// The root key as 64 hexadecimal digits; otherwise `root.key` in the data directory.
    #[serde(skip)]
    pub root_key: Option<String>,
    /// The file that the root key is in.
    pub root_key_file: Option<PathBuf>,
    /// What is logged: a level, or `target=level` pairs.
    pub log: Option<String>,
    /// Whether logs are JSON.
    pub log_json: Option<bool>,
}

/// Without the keys, and without what may have a password in it.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .field("dev", &self.dev)
            .finish_non_exhaustive()
    }
}

/// A settings file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It cannot be read.
    #[error("the settings file {0} cannot be read")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// It is not TOML, or has a field that does not exist.
    #[error("the settings file {0} is not valid: {1}")]
    Invalid(PathBuf, String),
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] crate::DataDirError),
    /// The database.
    #[error("the database cannot be used: {0}")]
    Db(#[from] tidings_db::DbError),
    /// The dialler.
    #[error("webhooks cannot be sent: {0}")]
    Egress(#[from] tidings_egress::SetupError),
    /// A key from outside.
    #[error("{0}")]
    Key(String),
    /// The name under which endpoints are asked is none.
    #[error("the webhook origin {0:?} is not a DNS name, such as hooks.example.com")]
    Origin(String),
    /// Traces cannot go there.
    #[error("traces cannot go to the OTLP endpoint: {0}; one is http://127.0.0.1:4318")]
    Traces(String),
    /// A thread of the program's own.
    #[error("the watchdog cannot be started")]
    Watchdog(#[source] std::io::Error),
    /// There is no installation to look at.
    #[error("there is no database in {}; name the data directory with --data", .0.display())]
    Nothing(PathBuf),
    /// The listener.
    #[error("{0} cannot be listened on")]
    Listen(SocketAddr, #[source] std::io::Error),
}

impl Settings {
    /// Reads a settings file.
    pub fn read(path: &std::path::Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SettingsError::Unreadable(path.to_owned(), error))?;
        Self::parse(&text).map_err(|reason| SettingsError::Invalid(path.to_owned(), reason))
    }

    /// Reads the text of a settings file, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    /// These settings, and those of `below` where these say nothing.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let allow_private =
            if self.allow_private.is_empty() { below.allow_private } else { self.allow_private };
        Self {
            data: self.data.or(below.data),
            listen: self.listen.or(below.listen),
            database: self.database.or(below.database),
            database_connections: self.database_connections.or(below.database_connections),
            dev: self.dev.or(below.dev),
            metrics_listen: self.metrics_listen.or(below.metrics_listen),
            webhook_origin: self.webhook_origin.or(below.webhook_origin),
            allow_private,
            otlp_endpoint: self.otlp_endpoint.or(below.otlp_endpoint),
            trace_ratio: self.trace_ratio.or(below.trace_ratio),
            trace_receivers: self.trace_receivers.or(below.trace_receivers),
            operator_key: self.operator_key.or(below.operator_key),
            root_key: self.root_key.or(below.root_key),
            root_key_file: self.root_key_file.or(below.root_key_file),
            log: self.log.or(below.log),
            log_json: self.log_json.or(below.log_json),
        }
    }

    /// The same with the root key, from its file where it is not given itself.
    pub fn with_root_key(self) -> std::io::Result<Self> {
        let Some(path) = self.root_key_file.as_ref().filter(|_| self.root_key.is_none()) else {
            return Ok(self);
        };
        let root_key = Some(std::fs::read_to_string(path)?.trim().to_owned());
        Ok(Self { root_key, ..self })
    }

    /// The data directory: `./data` unless told.
    pub fn data_dir(&self) -> PathBuf {
        self.data.clone().unwrap_or_else(|| PathBuf::from("data"))
    }

    /// Where to listen: loopback unless told.
    pub fn listen_on(&self) -> SocketAddr {
        self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    /// Where traces go, where they go anywhere.
    pub fn otlp(&self) -> Result<Option<Otlp>, StartError> {
        let ratio = self.trace_ratio.unwrap_or(1.0);
        let to_receivers = self.trace_receivers.unwrap_or(false);
        self.otlp_endpoint
            .as_deref()
            .map(|endpoint| Otlp::new(endpoint, ratio, to_receivers))
            .transpose()
    }

    /// Whether loopback is open to webhooks.
    pub fn is_dev(&self) -> bool {
        self.dev.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_above_the_file_and_unknown_fields_are_refused() {
        let file: Settings = toml::from_str("listen = '0.0.0.0:1'\ndev = true").unwrap();
        let flags = Settings { listen: Some(([127, 0, 0, 1], 2).into()), ..Settings::default() };
        let merged = flags.over(file);
        assert_eq!((merged.listen_on().port(), merged.is_dev()), (2, true));
        assert!(toml::from_str::<Settings>("lisen = '0.0.0.0:1'").is_err());
    }

    #[test]
    fn settings_print_without_what_is_secret() {
        let settings = Settings {
            database: Some("postgres://tidings:s3cret@localhost/tidings".to_owned()),
            operator_key: Some("s3cret".to_owned()),
            root_key: Some("s3cret".to_owned()),
            dev: Some(true),
            ..Settings::default()
        };
        let printed = format!("{settings:?}");
        assert!(printed.contains("dev: Some(true)") && !printed.contains("s3cret"), "{printed}");
    }
}
