//! The files of TLS: folders of certificates, and authorities. Reads them whole, with a bound, and
//! notices when they have changed; what their text is worth is judged elsewhere.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A bundle of all the authorities of the world has a quarter of that.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files of one folder.
const FILES_MAX: usize = 10_000;
/// The longest tick of a clock by which file systems note changes, in seconds.
const TICK_S_MAX: i64 = 2;
/// Where systems keep the authorities that they trust.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A file or folder that can't be read.
#[derive(Debug)]
pub struct PemError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for PemError {}

/// One `NAME.pem` of a folder.
#[derive(Debug)]
pub struct PemFile {
    /// The server name that it is for.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: Result<Vec<u8>, PemError>,
    /// Anyone on this machine may read it.
    pub is_open: bool,
}

/// How files looked when they were last read.
///
/// The time of a file's last change is in it beside that of its last writing: programs that copy
/// set the latter, and who makes a file readable changes only the former.
#[derive(Clone, Debug, Default)]
pub struct PemStamp {
    files: BTreeMap<PathBuf, [i64; 6]>,
    /// None of them had changed just before.
    is_settled: bool,
}

impl PemStamp {
    /// Of the files of a folder, and another file, looked at no earlier than at `wall_ns`,
    /// nanoseconds since 1970. What can't be looked at has no stamp.
    pub fn of(folder: &Path, other: Option<&Path>, wall_ns: u64) -> Self {
        let paths = list(folder).unwrap_or_default();
        let paths = paths.into_iter().chain(other.map(Path::to_owned));
        let settled_s = (wall_ns / 1_000_000_000) as i64 - TICK_S_MAX;
        let mut is_settled = true;
        let stamp = |path: PathBuf| {
            let meta = fs::metadata(&path).ok()?;
            is_settled &= meta.ctime() < settled_s;
            let [id, length] = [meta.ino(), meta.len()].map(|number| number as i64);
            let (written, changed) = (meta.mtime(), meta.ctime());
            let stamp = [id, length, written, meta.mtime_nsec(), changed, meta.ctime_nsec()];
            Some((path, stamp))
        };
        let files = paths.filter_map(stamp).collect();
        Self { files, is_settled }
    }

    /// True when the files are as they were, by this stamp and a later one. One of files that had
    /// just changed says nothing: what was written to them within the same tick of the file
    /// system's clock looks the same.
    pub fn still_holds(&self, later: &Self) -> bool {
        self.is_settled && self.files == later.files
    }
}

/// The files `NAME.pem` of a folder, in the order of their names.
pub fn read_folder(folder: &Path) -> Result<Vec<PemFile>, PemError> {
    let named = |path: PathBuf| {
        let name = path.file_stem()?.to_str()?.to_owned();
        let is_open = fs::metadata(&path).is_ok_and(|meta| meta.mode() & 0o004 != 0);
        Some(PemFile { name, text: read_pem(&path), path, is_open })
    };
    Ok(list(folder)?.into_iter().filter_map(named).collect())
}

/// The text of one file.
pub fn read_pem(path: &Path) -> Result<Vec<u8>, PemError> {
    let failed = |error| PemError { path: path.to_owned(), error };
    let file = File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(failed(io::Error::from(io::ErrorKind::FileTooLarge)));
    }
    Ok(text)
}

/// The texts of authorities: of a file, of all files of a folder, or (`None`) the system's.
pub fn read_authorities(path: Option<&Path>) -> Result<Vec<Vec<u8>>, PemError> {
    let path = match path {
        Some(folder) if folder.is_dir() => {
            return list(folder)?.iter().map(|path| read_pem(path)).collect();
        }
        Some(file) => file,
        None => {
            let bundles = SYSTEM_BUNDLES.iter().map(Path::new);
            bundles.clone().find(|path| path.exists()).unwrap_or(Path::new(SYSTEM_BUNDLES[0]))
        }
    };
    Ok(vec![read_pem(path)?])
}

/// The paths that end in `.pem`, in order.
fn list(folder: &Path) -> Result<Vec<PathBuf>, PemError> {
    let failed = |error| PemError { path: folder.to_owned(), error };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)?.take(FILES_MAX) {
        let path = entry.map_err(failed)?.path();
        if path.extension() == Some(OsStr::new("pem")) && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    #[test]
    fn a_folder_gives_its_pem_files_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("b.example.pem", "B"), ("a.example.pem", "A"), ("notes.txt", "N")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        fs::create_dir(dir.path().join("ca.pem")).unwrap();
        let files = read_folder(dir.path()).unwrap();
        let found: Vec<_> =
            files.iter().map(|f| (&f.name[..], f.text.as_deref().unwrap())).collect();
        assert_eq!(found, [("a.example", &b"A"[..]), ("b.example", b"B")]);
        assert_eq!(read_authorities(Some(dir.path())).unwrap(), [b"A", b"B"]);
        let said = read_folder(&dir.path().join("none")).unwrap_err().to_string();
        assert!(said.contains("/none: "), "{said}");
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("long.pem");
        fs::write(&path, vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
        assert!(read_pem(&path).is_err());
        fs::write(&path, vec![b'x'; FILE_BYTES_MAX as usize]).unwrap();
        assert!(read_pem(&path).is_ok());
    }

    /// So many seconds from now.
    fn in_s(seconds: u64) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        (now.as_secs() + seconds) * 1_000_000_000
    }

    #[test]
    fn a_stamp_tells_of_every_change() {
        let dir = tempfile::tempdir().unwrap();
        let (path, ca) = (dir.path().join("a.pem"), dir.path().join("ca"));
        let stamp = || PemStamp::of(dir.path(), Some(&ca), in_s(3_600));
        let mut seen = vec![stamp()];
        let mut differs = || {
            let now = stamp();
            assert!(now.still_holds(&stamp()));
            assert!(!seen.iter().any(|before| before.still_holds(&now)), "{now:?}");
            seen.push(now);
        };
        fs::write(&path, "one").unwrap();
        differs();
        fs::write(&path, "three").unwrap();
        differs();
        fs::write(&ca, "ca").unwrap();
        differs();
        // One of the same length that was moved into its place.
        fs::write(dir.path().join("new"), "seven").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        differs();
        fs::remove_file(&ca).unwrap();
        differs();
    }

    #[test]
    fn a_file_that_may_be_read_from_now_on_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.pem");
        fs::write(&path, "one").unwrap();
        let written = || fs::metadata(&path).unwrap().modified().unwrap();
        let (before, stamp) = (written(), || PemStamp::of(dir.path(), None, in_s(3_600)));
        let first = stamp();
        // Until a tick of the file system's clock is over.
        while first.still_holds(&stamp()) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(written(), before);
    }

    #[test]
    fn a_file_that_has_just_changed_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.pem"), "one").unwrap();
        let stamp = |seconds| PemStamp::of(dir.path(), None, in_s(seconds));
        let (early, late) = (stamp(0), stamp(3_600));
        assert_eq!(early.files, late.files);
        assert!(!early.still_holds(&late) && late.still_holds(&late));
    }
}
