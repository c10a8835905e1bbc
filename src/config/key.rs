//! The node's key on disk: `DIR/key`, the seed as 64 hex digits, for its owner's eyes only. Made
//! when it is missing, whole or not at all.

use crate::update::SigningKey;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file's name in the node's directory.
const NAME: &str = "key";
/// More than a seed, its line end and some white space is no key.
const FILE_BYTES_MAX: u64 = 128;

/// Why a node has no key. One line, which names the file.
#[derive(Debug)]
pub enum KeyError {
    /// The file can't be read or made.
    Io(PathBuf, io::Error),
    /// Others than its owner may use the file: its permission bits.
    Open(PathBuf, u32),
    /// It is not 64 hex digits.
    Malformed(PathBuf),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Open(path, mode) => write!(
                f,
                "{}: others may use this key (its mode is {mode:03o}): chmod 600 it, or make a new \
                 one if they did",
                path.display()
            ),
            Self::Malformed(path) => write!(
                f,
                "{}: not a key, which is 64 hexadecimal digits: restore it, or remove it to get a \
                 new one",
                path.display()
            ),
        }
    }
}

impl std::error::Error for KeyError {}

/// The key of the node whose store is in `dir`, which is made if it is missing, as the key is.
pub fn load_or_make_key(dir: &Path) -> Result<SigningKey, KeyError> {
    let path = dir.join(NAME);
    match load(&path) {
        Err(KeyError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => {
            make(dir, &path).map_err(|error| KeyError::Io(path.clone(), error))?;
            load(&path)
        }
        loaded => loaded,
    }
}

fn load(path: &Path) -> Result<SigningKey, KeyError> {
    let failed = |error| KeyError::Io(path.to_owned(), error);
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open(path.to_owned(), mode));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    let seed = blake3::Hash::from_hex(bytes.trim_ascii_end());
    seed.map(|seed| SigningKey::from_seed(*seed.as_bytes()))
        .map_err(|_| KeyError::Malformed(path.to_owned()))
}

/// Writes a new seed beside and links it into its place: what another process put there meanwhile
/// stays, and nobody ever sees half a key.
fn make(dir: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let draft = dir.join(format!("{NAME}.{}", std::process::id()));
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = writeln!(file, "{}", blake3::Hash::from(seed).to_hex())
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        });
    fs::remove_file(&draft)?;
    written?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("not/yet");
        let first = load_or_make_key(&home).unwrap().public();
        assert_eq!(load_or_make_key(&home).unwrap().public(), first);
        assert_ne!(load_or_make_key(dir.path()).unwrap().public(), first);
        let path = home.join("key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap().len(), 65);
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_key_that_others_may_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make_key(dir.path()).unwrap();
        let path = dir.path().join("key");
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let said = load_or_make_key(dir.path()).unwrap_err().to_string();
            assert!(said.contains(&format!("its mode is {mode:o}")), "{said}");
            assert!(said.contains("chmod 600"), "{said}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(load_or_make_key(dir.path()).is_ok());
    }

    #[test]
    fn what_is_not_a_key_is_neither_used_nor_replaced() {
        let good = "00".repeat(32);
        let long = format!("{good}{}", "0".repeat(200));
        for text in ["", "\n", "no key", &good[1..], &long[..], &good.replacen('0', "g", 1)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("key");
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let said = load_or_make_key(dir.path()).unwrap_err().to_string();
            assert!(said.contains("64 hexadecimal digits"), "{said}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("key")).unwrap();
        assert!(load_or_make_key(dir.path()).is_err());
    }
}
