//! `bellwether dev-cert`: a certificate authority of one's own, and certificates by it.

use super::Command;
use super::args::{self, Args, Opt};
use super::failure::Failure;
use jiff::{ToSpan, Zoned, civil::Date};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(super) const COMMAND: Command =
    Command { name: "dev-cert", about: "make certificates for tests", help: HELP, run };

const HELP: &str = "\
Makes a certificate with its key for each name, as DIR/NAME.pem, and the certificate authority that
signs them, as DIR/ca/ca.pem with its key beside it; one that is there is used again. A listener
with the endpoint `tls:DIR:port=PORT` shows them, by the name that a client asks for; clients must
be told to trust DIR/ca/ca.pem. A NAME is a host name, `*.` and a domain, an address, or DEFAULT,
which is for clients that ask for no name that is here. The certificates also prove who a client is,
to servers that ask (clientCA=DIR/ca/ca.pem). All keys are for their owner's eyes only.

For tests and for hosts of one's own: what strangers are to trust has to come from an authority that
they know.

Usage: bellwether dev-cert --dir DIR NAME…

Options:
  --dir DIR    the folder of certificates; made if it is not there
  --days DAYS  how long they are good (default 365, at most 397); the authority is for ten years
  -h, --help   this page

Examples:
  bellwether dev-cert --dir certificates localhost 127.0.0.1
  bellwether dev-cert --dir certificates --days 30 hill.example '*.hill.example'
";

const OPTIONS: &[Opt] = &[args::value("dir"), args::value("days")];

/// The name for clients that ask for none.
const DEFAULT_NAME: &str = "DEFAULT";
const DAYS: i64 = 365;
/// Browsers take no certificate that is good for longer.
const DAYS_MAX: i64 = 397;
const AUTHORITY_DAYS: i64 = 3652;

fn run(given: &[OsString], out: &mut dyn Write) -> Result<(), Failure> {
    let args = Args::parse("dev-cert", OPTIONS, given)?;
    let Some(dir) = args.raw("dir") else {
        return Err(args.wrong("name the folder of certificates with --dir"));
    };
    let days = args.number("days", DAYS, 1..=DAYS_MAX)?;
    let names = args.words()?;
    if names.is_empty() {
        return Err(args.wrong("name whom the certificates are for"));
    }
    if let Some(name) = names.iter().find(|name| !is_name(name)) {
        return Err(args.wrong(&format!("{name:?} is neither a host name nor an address")));
    }
    let dir = Path::new(dir);
    let authority = Authority::open(&dir.join("ca"))?;
    for name in names {
        let path = dir.join(format!("{name}.pem"));
        authority.certify(name, days, &path)?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(writeln!(out, "signed by {}", authority.path.display())?)
}

/// Whether a certificate can be for this name, and a file be named so.
fn is_name(name: &str) -> bool {
    let host = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        letters && (1..=63).contains(&label.len()) && !label.starts_with('-')
    };
    name.parse::<IpAddr>().is_ok() || (host.len() <= 253 && host.split('.').all(is_label))
}

/// A certificate authority in a folder.
struct Authority {
    path: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads its key, or makes it.
    fn open(dir: &Path) -> Result<Self, Failure> {
        let (path, key_path) = (dir.join("ca.pem"), dir.join("ca-key.pem"));
        fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
        let key = match fs::read_to_string(&key_path) {
            Ok(pem) => KeyPair::from_pem(&pem).map_err(|error| failed(&key_path, &error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate().map_err(|error| failed(&key_path, &error))?;
                write_secret(&key_path, &key.serialize_pem())?;
                key
            }
            Err(error) => return Err(failed(&key_path, &error)),
        };
        let params = Self::params(&key);
        if !path.exists() {
            let certificate = params.self_signed(&key).map_err(|error| failed(&path, &error))?;
            fs::write(&path, certificate.pem()).map_err(|error| failed(&path, &error))?;
        }
        Ok(Self { path, issuer: Issuer::new(params, key) })
    }

    /// What its certificate says. Its name follows from its key, so that the key is all of it.
    fn params(key: &KeyPair) -> CertificateParams {
        let mark = &blake3::hash(key.public_key_raw()).to_hex()[..8];
        let mut params = CertificateParams::default();
        params.distinguished_name = named(&format!("Bellwether development CA {mark}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        limit(&mut params, AUTHORITY_DAYS);
        params
    }

    /// Writes a new certificate with its key, in one file.
    fn certify(&self, name: &str, days: i64, path: &Path) -> Result<(), Failure> {
        let asked = if name == DEFAULT_NAME { "localhost" } else { name };
        let make = || {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::new([asked.to_owned()])?;
            params.distinguished_name = named(asked);
            params.use_authority_key_identifier_extension = true;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            limit(&mut params, days);
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok(certificate.pem() + &key.serialize_pem())
        };
        let pem = make().map_err(|error: rcgen::Error| failed(path, &error))?;
        write_secret(path, &pem)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// Good from yesterday on, whatever the time zone of who looks.
fn limit(params: &mut CertificateParams, days: i64) {
    let today = Zoned::now().date();
    let midnight =
        |date: Date| date_time_ymd(i32::from(date.year()), date.month() as u8, date.day() as u8);
    params.not_before = midnight(today.saturating_sub(1.day()));
    params.not_after = midnight(today.saturating_add((days - 1).days()));
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// Writes a file for its owner's eyes only, whole or not at all: a node may read it at any time.
fn write_secret(path: &Path, text: &str) -> Result<(), Failure> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)
    })();
    written.map_err(|error: io::Error| failed(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::{Authorities, Certificates};
    use std::os::unix::fs::PermissionsExt;

    fn make(dir: &Path, names: &[&str]) -> Result<String, Failure> {
        let given = ["--dir".into(), dir.into()].into_iter();
        let given: Vec<OsString> = given.chain(names.iter().map(OsString::from)).collect();
        let mut out = Vec::new();
        run(&given, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn certificates_are_made_for_their_owner_and_can_be_shown() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("not/yet");
        let names = ["localhost", "127.0.0.1", "*.hill.example", "DEFAULT"];
        let said = make(&home, &names).unwrap();
        assert_eq!(said.lines().count(), names.len() + 1);
        let mut shown = Certificates::default();
        for name in names {
            let path = home.join(format!("{name}.pem"));
            assert!(said.contains(&path.display().to_string()));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            shown.put(name, &fs::read(&path).unwrap()).unwrap();
        }
        assert_eq!(shown.names().count(), names.len());
        let key = home.join("ca/ca-key.pem");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Authorities::of([&fs::read(home.join("ca/ca.pem")).unwrap()[..]]).is_ok());
        assert_eq!(fs::read_dir(&home).unwrap().count(), names.len() + 1, "no draft is left");
    }

    #[test]
    fn an_authority_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        make(dir.path(), &["a.example"]).unwrap();
        let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
        let before = ["ca/ca.pem", "ca/ca-key.pem", "a.example.pem"].map(read);
        make(dir.path(), &["a.example"]).unwrap();
        assert_eq!(["ca/ca.pem", "ca/ca-key.pem"].map(read), before[..2]);
        assert_ne!(read("a.example.pem"), before[2], "it is renewed");
    }

    #[test]
    fn what_is_no_name_is_refused_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        for name in ["", "..", "a/b", "a..b", "-a", "a b", "*", "a.*.b", "ü.example"] {
            let failure = make(&home, &["good.example", name]).unwrap_err();
            assert_eq!(failure.exit_code(), 2, "{name:?}: {failure}");
        }
        assert_eq!(make(&home, &[]).unwrap_err().exit_code(), 2);
        assert_eq!(run(&["a".into()], &mut Vec::new()).unwrap_err().exit_code(), 2);
        assert!(!home.exists());
    }
}
