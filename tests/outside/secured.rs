//! TLS where it is not all that a port speaks: begun in place, and behind proxies. With curl and
//! openssl.

use crate::harness::{Ended, Node, Port, Process, Setup, await_that, bellwether, connect, scratch};
use crate::raw::{ask, get};
use crate::speech::Talk;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

const HOST: &str = "hill.example";
const HELLO: &str = "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
/// The head of a `ClientHello` that does not come.
const BEGUN: [u8; 6] = [0x16, 3, 1, 2, 0, 1];

/// A node with one more listener, whose certificates stand in `certs`.
struct Site {
    node: Node,
    port: Port,
}

impl Site {
    /// The listener as TOML, where CERTS is the folder and PORT the port.
    fn start(setup: Setup, listener: &str) -> Self {
        let (dir, port) = (scratch(), Port::take());
        let certs = dir.path().join("certs");
        Ended::well(bellwether().arg("dev-cert").arg("--dir").arg(&certs).arg(HOST));
        let listener = listener.replace("CERTS", &certs.display().to_string());
        let listener = listener.replace("PORT", &port.number.to_string());
        let more = format!("[[listen]]\n{listener}\n[accounts]\nopen = true\n");
        Self { node: Node::start(setup.more(&more), &dir), port }
    }

    /// A port of several protocols that TLS may begin on.
    fn of(protocols: &str) -> Self {
        let listener = "protocol = \"auto\"\nendpoint = \"tcp:PORT\"\ncertificates = \"CERTS\"\n";
        Self::start(Setup::new("Hill"), &format!("{listener}protocols = [{protocols}]\n"))
    }

    fn ca(&self) -> String {
        self.node.folder().join("certs/ca/ca.pem").display().to_string()
    }

    /// What curl gets of these paths, over one connection.
    fn curl(&self, scheme: &str, options: &[&str], paths: &[&str]) -> String {
        let port = self.port.number;
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--max-time", "20", "--noproxy", "*", "--cacert", &self.ca()]);
        curl.args(["--resolve", &format!("{HOST}:{port}:127.0.0.1")]).args(options);
        let urls = paths.iter().map(|path| format!("{scheme}://{HOST}:{port}{path}"));
        Ended::well(curl.args(urls))
    }

    /// A conversation over TLS.
    fn openssl(&self, options: &[&str]) -> Process {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-verify_return_error", "-servername", HOST]);
        openssl.args(["-connect", &format!("127.0.0.1:{}", self.port.number)]).args(options);
        Process::start(openssl.args(["-CAfile", &self.ca()]).stdin(Stdio::piped()))
    }

    fn figure(&self, name: &str) -> u64 {
        let page = get(self.node.http_port(), "/metrics", "").expect(200).text();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
    }

    fn await_figure(&self, name: &str, value: u64) {
        await_that(name, || {
            let found = self.figure(name);
            if found == value { Ok(()) } else { Err(format!("{found}, not {value}")) }
        });
    }
}

const FULL: &str = "bellwether_handshakes_total{how=\"full\"}";
const FAILED: &str = "bellwether_handshakes_total{how=\"failed\"}";
const UNDER_WAY: &str = "bellwether_handshakes";
const REFUSED: &str = "bellwether_handshakes_refused_total";

/// All that comes until the end, which may be a reset.
fn rest(mut socket: &TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    rest
}

#[test]
fn one_port_serves_http_and_line_in_the_clear_and_over_tls() {
    let site = Site::of("\"http\", \"line\"");
    let file = site.node.folder().join("body");
    let body = "x".repeat(300_000);
    std::fs::write(&file, &body).expect("a writable folder");
    let file = file.display().to_string();
    for (scheme, options) in [
        ("http", &[][..]),
        ("https", &["--tlsv1.2", "--tls-max", "1.2"]),
        ("https", &["--tlsv1.3"]),
    ] {
        // Both over one connection.
        let hellos = site.curl(scheme, options, &["/hello", "/hello"]);
        assert_eq!(hellos, "Hello, World!Hello, World!", "{scheme} {options:?}");
        let path = format!("/v1/stories/{scheme}{}", options.len());
        site.curl(scheme, &[options, &["-T", &file]].concat(), &[&path]);
        let back = site.curl(scheme, &[options, &["-H", "Accept: text/plain"]].concat(), &[&path]);
        assert!(back == body, "{path}");
    }
    assert_eq!(site.figure(FULL), 6);
    let told = Talk::open(site.port.number).ask("IAMAT kiwi +1+1 1");
    assert!(told.starts_with("AT Hill "), "{told}");
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client = site.openssl(&[version]);
        client.input().write_all(b"WHATSAT kiwi 1 1\n").expect("it reads");
        let heard = client.stdout.wait(|said| said.contains('\n'));
        let heard = heard.unwrap_or_else(|said| panic!("{said} {}", client.stderr.text()));
        assert_eq!(heard.lines().next(), Some(&told[..]));
    }
}

#[test]
fn who_waits_to_be_greeted_is_so_inside_of_tls_too() {
    let site = Site::of("\"http\", \"nntp\"");
    for options in [&[][..], &["-starttls", "nntp"]] {
        let mut client = site.openssl(options);
        let mut input = client.input();
        if options.is_empty() {
            let greeting = client.stdout.wait(|said| said.ends_with('\n'));
            assert!(greeting.is_ok_and(|said| said.starts_with("20")), "{}", client.stderr.text());
        }
        input.write_all(b"DATE\r\nQUIT\r\n").expect("it reads");
        assert!(client.await_end().success(), "{}", client.stderr.text());
        let said = client.stdout.text();
        assert!(said.contains("111 20") && said.contains("205 "), "{said}");
    }
    assert_eq!(site.curl("https", &[], &["/hello"]), "Hello, World!");
    ask(site.port.number, HELLO).expect(200);
}

#[test]
fn tls_inside_of_tls_and_a_broken_hello_are_closed() {
    let site = Site::of("\"http\", \"line\"");
    let mut client = site.openssl(&[]);
    client.input().write_all(&BEGUN).expect("it reads");
    client.await_end();
    assert_eq!(client.stdout.text(), "");
    site.node.await_log("nothing of what is spoken here begins like this");
    assert_eq!(site.figure(FULL), 1);
    let socket = connect(site.port.number);
    // In pieces, so that the first of them is told by less than is sent.
    for byte in [0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0] {
        (&socket).write_all(&[byte]).expect("it takes the byte");
    }
    let answer = rest(&socket);
    assert!(answer.len() <= 7, "an alert at most: {answer:?}");
    site.await_figure(FAILED, 1);
    site.await_figure(UNDER_WAY, 0);
}

/// A connection of a proxy's for this client, who begins TLS.
fn begun(port: u16, ip: &str) -> TcpStream {
    let mut socket = connect(port);
    let header = format!("PROXY TCP4 {ip} 127.0.0.1 5000 443\r\n");
    socket.write_all(&[header.as_bytes(), &BEGUN].concat()).expect("it takes the bytes");
    socket
}

#[test]
fn one_address_has_its_share_of_handshakes_and_no_more() {
    let setup = || {
        let setup = Setup::new("Hill").limit("handshakes_per_address", 2);
        setup.limit("handshake_ms", 600_000)
    };
    let at_once = "protocol = \"http\"\nendpoint = \"haproxy:tls:CERTS:port=PORT\"\n";
    let in_place =
        "protocol = \"auto\"\nendpoint = \"haproxy:tcp:PORT\"\ncertificates = \"CERTS\"\n";
    for listener in [at_once, in_place] {
        let site = Site::start(setup(), listener);
        let held = [1, 2].map(|count| {
            let socket = begun(site.port.number, "192.0.2.1");
            site.await_figure(UNDER_WAY, count);
            socket
        });
        assert_eq!(rest(&begun(site.port.number, "192.0.2.1")), b"");
        assert_eq!(site.figure(REFUSED), 1);
        // Others come in as before.
        let _other = begun(site.port.number, "192.0.2.2");
        site.await_figure(UNDER_WAY, 3);
        let hello = site.curl("https", &["--haproxy-protocol"], &["/hello"]);
        assert_eq!((&hello[..], site.figure(FULL)), ("Hello, World!", 1));
        drop(held);
        site.await_figure(UNDER_WAY, 1);
        let _again = begun(site.port.number, "192.0.2.1");
        site.await_figure(UNDER_WAY, 2);
    }
}

#[test]
fn at_the_cap_who_begins_tls_in_place_is_closed_and_the_rest_is_served() {
    let listener = "protocol = \"auto\"\nendpoint = \"tcp:PORT\"\ncertificates = \"CERTS\"\n";
    let setup = Setup::new("Hill").limit("handshakes", 1).limit("handshake_ms", 600_000);
    let site = Site::start(setup, listener);
    let begin = || {
        let mut socket = connect(site.port.number);
        socket.write_all(&BEGUN).expect("it takes the bytes");
        socket
    };
    let held = begin();
    site.await_figure(UNDER_WAY, 1);
    assert_eq!(rest(&begin()), b"");
    assert_eq!(site.figure(REFUSED), 1);
    ask(site.port.number, HELLO).expect(200);
    drop(held);
    site.await_figure(UNDER_WAY, 0);
    assert_eq!(site.curl("https", &[], &["/hello"]), "Hello, World!");
}
