//! NNTP over TLS, from the start and by STARTTLS (RFC 4642), with openssl.

use super::{Talk, node};
use crate::harness::{Ended, Node, Port, Process, Setup, bellwether, scratch};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// A node whose accounts are closed, with a listener that can be secured and one that is.
struct Site {
    node: Node,
    plain: Port,
    secure: Port,
}

impl Site {
    fn start() -> Self {
        let (dir, plain, secure) = (scratch(), Port::take(), Port::take());
        let certs = dir.path().join("certs");
        let mut certify = bellwether();
        Ended::well(certify.arg("dev-cert").arg("--dir").arg(&certs).arg("hill.example"));
        let certs = certs.display();
        let more = format!(
            "[[listen]]\nprotocol = \"nntp\"\nendpoint = \"tcp:{}\"\ncertificates = \"{certs}\"\n\
             [[listen]]\nprotocol = \"nntp\"\nendpoint = \"tls:{certs}:port={}\"\n\
             [accounts]\nopen = false\n",
            plain.number, secure.number
        );
        let node = Node::start(Setup::new("Hill").more(&more), &dir);
        node.run_well(&["account", "add", "ann"], "a long password\n");
        Self { node, plain, secure }
    }

    /// What openssl shows of a conversation over TLS.
    fn talk(&self, port: &Port, options: &[&str], says: &str) -> String {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-verify_return_error", "-servername", "hill.example"]);
        openssl.args(["-connect", &format!("127.0.0.1:{}", port.number)]).args(options);
        openssl.arg("-CAfile").arg(self.node.folder().join("certs/ca/ca.pem"));
        let mut process = Process::start(openssl.stdin(Stdio::piped()));
        // It may have ended before it read that.
        let _ = process.input().write_all(says.replace('\n', "\r\n").as_bytes());
        process.await_end();
        process.stdout.text() + &process.stderr.text()
    }
}

const SIGN_IN: &str = "CAPABILITIES\nAUTHINFO USER ann\nAUTHINFO PASS a long password\nPOST\n.\n\
    STARTTLS\nQUIT\n";

#[test]
fn openssl_asks_for_tls_and_signs_in() {
    let site = Site::start();
    for (port, options) in [(&site.plain, &["-starttls", "nntp"][..]), (&site.secure, &[])] {
        for version in ["-tls1_2", "-tls1_3"] {
            let said = site.talk(port, &[options, &[version]].concat(), SIGN_IN);
            for line in ["281 ", "340 ", "441 ", "205 "] {
                assert!(said.contains(&format!("\n{line}")), "no {line}: {said}");
            }
            assert!(!said.contains("STARTTLS"), "{said}");
            let late = said.contains("\n502 ") || said.contains("\n580 ");
            assert!(late, "{said}");
        }
    }
}

/// How many handshakes of this node came to no good end.
fn failed_handshakes(node: &Node) -> u64 {
    let page = node.http.get("/metrics").expect(200).text();
    let mut rows = page
        .lines()
        .filter_map(|row| row.strip_prefix("bellwether_handshakes_total{how=\"failed\"} "));
    rows.next().and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{page}"))
}

#[test]
fn what_is_said_in_the_clear_behind_starttls_is_never_taken() {
    let site = Site::start();
    let mut talk = Talk::open(&site.plain);
    assert!(talk.list(101, "CAPABILITIES").contains(&"STARTTLS".to_owned()));
    let failed = failed_handshakes(&site.node);
    let mut early = Talk::open(&site.plain);
    // They are taken for the first bytes of a handshake, which they are not: an alert is the last
    // that is said.
    assert_eq!(early.expect(382, "STARTTLS\r\nPOST\r\nQUIT"), "382 begin");
    let mut alert = Vec::new();
    // It may be reset.
    let _ = early.socket.read_to_end(&mut alert);
    assert!(alert.is_empty() || alert.starts_with(&[21, 3]), "{}", alert.escape_ascii());
    assert_eq!(failed_handshakes(&site.node), failed + 1);
    // Nobody else is the worse for it.
    talk.expect(381, "AUTHINFO USER ann");
    talk.expect(281, "AUTHINFO PASS a long password");
    talk.expect(502, "STARTTLS");
    talk.expect(206, "COMPRESS DEFLATE");
}

#[test]
fn a_listener_without_certificates_says_so() {
    let (_node, port) = node(Setup::new("Hill"));
    let mut talk = Talk::open(&port);
    assert!(!talk.list(101, "CAPABILITIES").contains(&"STARTTLS".to_owned()));
    talk.expect(580, "STARTTLS");
}
