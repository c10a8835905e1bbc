//! Folders of certificates that change while they are shown.

use super::*;
use crate::config::{FeedRules, Peer};
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

#[test]
fn what_would_be_left_out_is_said_and_what_makes_a_start_impossible() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |more: &str| check(&config(&dir, more)).unwrap_err().to_string();
    let said = refused("");
    assert!(said.contains("with its key (bellwether dev-cert makes some)"), "{said}");
    write(&dir, "a", "broken");
    let said = refused("");
    assert!(said.contains("a.pem: there is no certificate in it"), "{said}");
    write(&dir, "b", &pem("b"));
    let without = check(&config(&dir, "")).unwrap();
    assert!(without.len() == 1 && without[0].contains("/a.pem: there is no"), "{without:?}");
    let said = refused(":clientCA=/none");
    assert!(said.contains("/none: No such file"), "{said}");
    let said = refused(&format!(":clientCA={}/a.pem", dir.path().display()));
    assert!(said.ends_with("/a.pem: there is no certificate in it"), "{said}");
}

#[test]
fn servers_that_are_dialled_are_checked_too() {
    let dir = tempfile::tempdir().unwrap();
    for kind in [PeerKind::At { per_update: false }, PeerKind::Nntp(FeedRules::default())] {
        let mut config = Config::new("Hill", dir.path());
        config.peers.push(Peer {
            name: "far".to_owned(),
            endpoint: Some("tls:localhost:1:trustRoots=/none".parse().unwrap()),
            kind,
            key: None,
        });
        let said = check(&config).unwrap_err().to_string();
        assert_eq!(
            said,
            "can't secure what goes to far: /none: No such file or directory (os error 2)"
        );
    }
}

#[test]
fn a_restart_that_would_lose_a_certificate_is_known() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a", &pem("a"));
    write(&dir, "b", &pem("b"));
    write(&dir, "never", "good");
    let shelves = Shelves::open(&config(&dir, ""), LATE).unwrap();
    assert_eq!(shelves.losses()(), None);
    // One that is gone is meant to be.
    fs::remove_file(dir.path().join("b.pem")).unwrap();
    assert_eq!(shelves.losses()(), None);
    write(&dir, "a", "broken");
    let said = shelves.losses()().unwrap();
    assert!(said.ends_with("; the certificate of before stays"), "{said}");
}
