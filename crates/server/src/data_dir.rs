//! The data directory: a lock, the root key, and by default the database.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tidings_vault::{ROOT_KEY_BYTES, Vault, system_random};

/// The file of the root key.
const ROOT_KEY: &str = "root.key";

/// A data directory that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Something in it cannot be read or written.
    #[error("{0} cannot be used")]
    Io(PathBuf, #[source] std::io::Error),
    /// Another process has it.
    #[error("{0} is in use by another process; stop that one, or choose another directory")]
    InUse(PathBuf),
    /// The root key is damaged or may be read by others.
    #[error("{0}")]
    RootKey(String),
}

/// A data directory that this process has for itself.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Held as long as the process lives.
    _lock: Option<File>,
}

impl DataDir {
    /// Opens a directory, made where it does not exist. With `exclusive` it belongs to this process
    /// alone, as an embedded database must.
    pub fn open(path: &Path, exclusive: bool) -> Result<Self, DataDirError> {
        let io = |error| DataDirError::Io(path.to_owned(), error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        let lock = if exclusive { Some(lock(path)?) } else { None };
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The file of the embedded database of a data directory.
    pub fn database_in(path: &Path) -> PathBuf {
        path.join("tidings.db")
    }

    /// The vault over the installation's root key: the given one, or `root.key`, made on the first
    /// start. On a shared database every node needs the same.
    pub fn vault(&self, given: Option<&str>) -> Result<Vault, DataDirError> {
        let key = match given {
            Some(text) => parse_key(text.trim())?,
            None => self.root_key()?,
        };
        Ok(Vault::new(&key))
    }

    /// The same, and no key is made where there is none.
    pub fn find_vault(path: &Path, given: Option<&str>) -> Result<Option<Vault>, DataDirError> {
        match given {
            None if !path.join(ROOT_KEY).exists() => Ok(None),
            given => Self { path: path.to_owned(), _lock: None }.vault(given).map(Some),
        }
    }

    fn root_key(&self) -> Result<[u8; ROOT_KEY_BYTES], DataDirError> {
        let path = self.path.join(ROOT_KEY);
        let io = |error| DataDirError::Io(path.clone(), error);
        if !path.exists() {
            let key: [u8; ROOT_KEY_BYTES] = system_random();
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(io)?;
            file.write_all(hex(&key).as_bytes()).map_err(io)?;
            file.sync_all().map_err(io)?;
            File::open(&self.path).and_then(|dir| dir.sync_all()).map_err(io)?;
            return Ok(key);
        }
        let mode = std::fs::metadata(&path).map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(DataDirError::RootKey(format!(
                "{} may be read by others; run: chmod 600 {}",
                path.display(),
                path.display()
            )));
        }
        let mut text = String::new();
        File::open(&path).and_then(|mut file| file.read_to_string(&mut text)).map_err(io)?;
        parse_key(text.trim())
    }
}

fn lock(path: &Path) -> Result<File, DataDirError> {
    let name = path.join("tidings.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(|error| DataDirError::Io(name.clone(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(DataDirError::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(DataDirError::Io(name, error)),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse_key(text: &str) -> Result<[u8; ROOT_KEY_BYTES], DataDirError> {
    let refused =
        || DataDirError::RootKey("the root key is 64 hexadecimal digits; restore it".to_owned());
    if text.len() != 2 * ROOT_KEY_BYTES || !text.is_ascii() {
        return Err(refused());
    }
    let mut key = [0; ROOT_KEY_BYTES];
    for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| refused())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| refused())?;
    }
    Ok(key)
}
