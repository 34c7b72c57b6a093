//! Finding the programs of a PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::machine;

/// The oldest major version that Tidings supports.
const MAJOR_MIN: u32 = 15;

const ADVICE: &str = "PostgreSQL 15 or newer is needed: install the package `postgresql` \
    (on Debian and Ubuntu: `sudo apt-get install postgresql`), or set TIDINGS_TEST_POSTGRES to \
    the URL of a server on which the tests may create databases";

/// The programs of one installed PostgreSQL.
pub(crate) struct Server {
    /// The folder that holds `postgres`, `initdb`, `pg_ctl` and `psql`.
    pub(crate) programs: PathBuf,
}

impl Server {
    /// An installed server that is new enough; installs Debian's when there is none.
    pub(crate) fn find_or_install() -> Result<Self, Failure> {
        if let Some(server) = Self::find() {
            return Ok(server);
        }
        // Debian's package also makes and starts a cluster of its own. It is left alone: ours has
        // its own folder, socket and port.
        machine::install(&["postgresql"], ADVICE)?;
        Self::find().ok_or_else(|| Failure::new(ADVICE))
    }

    fn find() -> Option<Self> {
        candidates().into_iter().find(|folder| is_usable(folder)).map(|programs| Self { programs })
    }
}

/// The folder behind `postgres` on the path, then Debian's folders, newest first.
fn candidates() -> Vec<PathBuf> {
    let on_path = machine::find_program("postgres")
        // A link on the path leads to the folder where the other programs are.
        .and_then(|program| program.canonicalize().ok())
        .and_then(|program| program.parent().map(Path::to_path_buf));
    let mut packaged: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .collect();
    packaged.sort();
    on_path.into_iter().chain(packaged.into_iter().rev().map(|(_, folder)| folder)).collect()
}

fn is_usable(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "psql"].iter().all(|program| folder.join(program).is_file())
        && Command::new(folder.join("postgres"))
            .arg("--version")
            .output()
            .ok()
            .and_then(|output| major_version(&String::from_utf8_lossy(&output.stdout)))
            .is_some_and(|major| major >= MAJOR_MIN)
}

/// The 15 of `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`.
fn major_version(answer: &str) -> Option<u32> {
    let version = answer.split(')').nth(1)?.trim_start();
    let digits = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major_version;

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        let debian = "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n";
        assert_eq!(major_version(debian), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 17.0"), Some(17));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_version("command not found"), None);
    }
}
