//! A throw-away PostgreSQL cluster that cannot outlive the task that started it.
//!
//! The cluster belongs to a small shell script, not to this process. The script waits on a pipe
//! whose only other end is here. The kernel closes that end when this process ends, also by SIGKILL,
//! so one path stops the server and removes its folder in every case: a normal end, a failure, a
//! panic, Ctrl-C, a hard kill. Nothing polls, and nothing depends on a process id that may be
//! somebody else's by now.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::failure::{Doing, Failure};
use crate::machine;
use crate::server::Server;

const SCRIPT: &str = include_str!("cluster.sh");

/// How often another port is tried when somebody takes ours between choosing and binding.
const ATTEMPTS_MAX: u32 = 3;

/// A Unix socket's whole path has 107 bytes on Linux; the server adds its own file name.
const FOLDER_BYTES_MAX: usize = 70;

/// A running cluster. Dropping it stops the server and removes its folder.
pub(crate) struct Cluster {
    folder: PathBuf,
    port: u16,
    keeper: Child,
    /// Held open for as long as the cluster is wanted.
    lifeline: Option<ChildStdin>,
    /// What the keeper does last, should it have been killed before.
    removal: Command,
}

impl Cluster {
    pub(crate) fn start(server: &Server) -> Result<Self, Failure> {
        Self::start_with(server, FLEETING)
    }

    /// One that flushes what it says is durable, with the memory of a server: for measurements.
    pub(crate) fn start_durable(server: &Server) -> Result<Self, Failure> {
        Self::start_with(server, DURABLE)
    }

    fn start_with(server: &Server, manner: &str) -> Result<Self, Failure> {
        let user = ServerUser::choose()?;
        for attempt in 1..=ATTEMPTS_MAX {
            if let Some(cluster) = Self::attempt(server, (user.as_ref(), manner), attempt)? {
                return Ok(cluster);
            }
        }
        Err(Failure::new("PostgreSQL found each free port taken when it came to use it"))
    }

    /// Where tests find the server, as a role that may create databases and nothing more.
    pub(crate) fn url(&self) -> String {
        format!("postgres://tidings:tidings@127.0.0.1:{}/postgres", self.port)
    }

    /// `None` when the port was taken after all.
    fn attempt(
        server: &Server,
        (user, manner): (Option<&ServerUser>, &str),
        attempt: u32,
    ) -> Result<Option<Self>, Failure> {
        let port = free_port()?;
        let folder = make_folder(user, attempt)?;
        std::fs::write(folder.join("settings"), settings(port, &folder, manner))
            .doing("write the cluster's settings")?;
        let script = |action: &str| {
            let mut command = Command::new("/bin/sh");
            command
                .args(["-c", SCRIPT, "cluster.sh", action])
                .args([&server.programs, &folder])
                .arg(port.to_string())
                .current_dir("/")
                // Nothing of the caller's environment (PGDATA, a locale) may reach the server.
                .env_clear()
                .env("PATH", "/usr/local/bin:/usr/bin:/bin")
                // Out of the terminal's reach: Ctrl-C is for the task, which then lets go.
                .process_group(0);
            if let Some(user) = user {
                command.uid(user.uid).gid(user.gid);
            }
            command
        };
        let mut keeper = script("keep")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .doing("start the keeper of the cluster")?;
        let removal = script("remove");
        let lifeline = keeper.stdin.take();
        let stdout = keeper.stdout.take();
        let cluster = Self { folder, port, keeper, lifeline, removal };
        let mut word = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut word).doing("hear from the cluster")?;
        }
        match word.trim_end() {
            "ready" => Ok(Some(cluster)),
            "taken" => Ok(None),
            _ => Err(Failure::new("PostgreSQL did not start; its log is above")),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        let _ = self.keeper.wait();
        if self.folder.exists() {
            let _ = self.removal.stdin(Stdio::null()).status();
        }
        if self.folder.exists() {
            eprintln!(
                "xtask: the cluster in {} could not be removed; stop its server by hand",
                self.folder.display()
            );
        }
    }
}

/// Whom the server runs as when we are root, whom PostgreSQL refuses.
struct ServerUser {
    uid: u32,
    gid: u32,
}

impl ServerUser {
    /// `None` when this process is not root and the server can run as itself.
    fn choose() -> Result<Option<Self>, Failure> {
        if !machine::is_root() {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").doing("read /etc/passwd")?;
        Self::named("postgres", &accounts)
            .or_else(|| Self::named("nobody", &accounts))
            .map(Some)
            .ok_or_else(|| {
                Failure::new(
                    "PostgreSQL refuses to run as root, and there is no user `postgres` or \
                     `nobody` to run it as: make one of them, or run this as an ordinary user",
                )
            })
    }

    fn named(name: &str, accounts: &str) -> Option<Self> {
        let account = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = account.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

fn free_port() -> Result<u16, Failure> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .doing("find a free port")
}

/// A new folder that only the server's user can enter.
fn make_folder(user: Option<&ServerUser>, attempt: u32) -> Result<PathBuf, Failure> {
    let name = format!("tidings-postgres-{}-{attempt}", std::process::id());
    let folder = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()]
        .into_iter()
        .map(|parent| parent.join(&name))
        .find(|folder| {
            folder.is_absolute()
                && folder.as_os_str().len() <= FOLDER_BYTES_MAX
                && (user.is_none() || is_reachable(folder))
        })
        .ok_or_else(|| Failure::new("no folder for temporary files suits the database server"))?;
    std::fs::create_dir(&folder)
        .and_then(|()| std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)))
        .and_then(|()| match user {
            Some(user) => std::os::unix::fs::chown(&folder, Some(user.uid), Some(user.gid)),
            None => Ok(()),
        })
        .doing(&format!("make the folder {}", folder.display()))?;
    Ok(folder)
}

/// Whether anybody may pass through all folders above this one.
fn is_reachable(folder: &Path) -> bool {
    folder.ancestors().skip(1).all(|ancestor| {
        std::fs::metadata(ancestor).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    })
}

/// Durability is off because the data dies with the run; what tests can observe is as in
/// production, `synchronous_commit` included, which the program insists on.
const FLEETING: &str = "\
shared_buffers = 128MB
fsync = off
full_page_writes = off
";

/// As a server of this size would be set up.
const DURABLE: &str = "\
shared_buffers = 2GB
max_wal_size = 8GB
fsync = on
full_page_writes = on
";

fn settings(port: u16, folder: &Path, manner: &str) -> String {
    format!(
        "\
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{}'
max_connections = 300
{manner}synchronous_commit = on
autovacuum = on
max_locks_per_transaction = 256
max_pred_locks_per_transaction = 256
jit = off
",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts = "postgresql:x:7:8::/:/bin/sh\npostgres:x:101:104::/:/bin/bash\nbroken:x\n";
        let user = ServerUser::named("postgres", accounts).unwrap();
        assert_eq!((user.uid, user.gid), (101, 104));
        assert!(ServerUser::named("nobody", accounts).is_none());
        assert!(ServerUser::named("broken", accounts).is_none());
    }

    #[test]
    fn a_folder_under_a_closed_one_is_not_reachable() {
        let closed = std::env::temp_dir().join(format!("tidings-closed-{}", std::process::id()));
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
        assert!(!is_reachable(&closed.join("cluster")));
        assert!(is_reachable(Path::new("/tmp/cluster")));
        std::fs::remove_dir(&closed).unwrap();
    }
}
