//! Folders of certificates that change while they are shown.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use std::fs;
use tempfile::TempDir;

/// So late that no file has just changed.
const LATE: u64 = u64::MAX / 2;

/// A certificate of this name with its key, as PEM text.
fn pem(name: &str) -> String {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
}

fn write(dir: &TempDir, name: &str, text: &str) {
    fs::write(dir.path().join(format!("{name}.pem")), text).unwrap();
}

/// A node with a TLS listener, and `more` in its endpoint.
fn config(dir: &TempDir, more: &str) -> Config {
    let mut config = Config::new("Hill", dir.path());
    let endpoint = format!("tls:{}:port=0{more}", dir.path().display());
    config.listen.push(Listen::new(Service::Http, endpoint.parse().unwrap()));
    config
}

/// What a look at the only listener finds, before it is taken in.
fn look(shelves: &Shelves, wall_ns: u64) -> Vec<Look> {
    let Shelf { source, seen, contents, server, .. } = &shelves.shelves[0];
    vec![source.look(seen, contents, server, wall_ns)]
}

fn names(shelves: &Shelves) -> Vec<&str> {
    shelves.shelves[0].contents.shown.names().collect()
}

#[test]
fn a_file_that_is_completed_while_it_is_read_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a", &pem("a"));
    let ca = dir.path().join("ca");
    fs::write(&ca, pem("ca")).unwrap();
    let config = config(&dir, &format!(":clientCA={}", ca.display()));
    let mut shelves = Shelves::open(&config, LATE).unwrap();
    write(&dir, "b", &pem("b"));
    fs::write(&ca, "half of ").unwrap();
    let looks = look(&shelves, LATE);
    assert!(looks[0].found.is_err());
    // Written to its end before the loop hears that it was not.
    fs::write(&ca, pem("another")).unwrap();
    shelves.take_in(looks);
    assert_eq!(names(&shelves), ["a"]);
    let looks = look(&shelves, LATE);
    shelves.take_in(looks);
    assert_eq!(names(&shelves), ["a", "b"]);
    let looks = look(&shelves, LATE);
    assert!(matches!(looks[0].found, Ok(None)));
}

#[test]
fn a_fault_is_told_once_and_so_is_a_change() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a", &pem("a"));
    let mut shelves = Shelves::open(&config(&dir, ""), LATE).unwrap();
    write(&dir, "a", "broken");
    // It has just changed, and is looked at again each time.
    for is_new in [true, false, false] {
        let looks = look(&shelves, 0);
        assert_eq!(!matches!(looks[0].found, Ok(None)), is_new);
        shelves.take_in(looks);
        assert_eq!(names(&shelves), ["a"]);
    }
    let text = pem("a");
    write(&dir, "a", &text);
    for is_new in [true, false] {
        let looks = look(&shelves, 0);
        assert_eq!(!matches!(looks[0].found, Ok(None)), is_new);
        shelves.take_in(looks);
    }
}
