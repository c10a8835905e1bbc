//! TLS listeners as strangers see them: with curl, openssl and testssl.sh.

use crate::harness::{Ended, Node, Port, Process, Setup, await_that, bellwether, connect, scratch};
use crate::speech::{Talk, now_s};
use rustls::pki_types::pem::PemObject;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// The server name of most certificates here.
const HOST: &str = "hill.example";

/// A node that also serves HTTP over TLS.
struct Site {
    node: Node,
    port: Port,
    dir: Arc<TempDir>,
}

/// Makes certificates in the folder `certs`.
fn certify(dir: &TempDir, names: &[&str]) -> String {
    let mut command = bellwether();
    command.arg("dev-cert").arg("--dir").arg(dir.path().join("certs"));
    Ended::well(command.args(names))
}

/// A listener over TLS with the certificates of the folder.
fn listener(dir: &TempDir, protocol: &str, port: u16, more: &str) -> String {
    let folder = dir.path().join("certs");
    let endpoint = format!("tls:{}:port={port}{more}", folder.display());
    format!("[[listen]]\nprotocol = \"{protocol}\"\nendpoint = \"{endpoint}\"\n")
}

impl Site {
    fn start() -> Self {
        Self::of(Setup::new("node1"), &[HOST], "")
    }

    /// With certificates of these names, and `more` in its endpoint.
    fn of(setup: Setup, names: &[&str], more: &str) -> Self {
        let (dir, port) = (scratch(), Port::take());
        certify(&dir, names);
        let more = more.replace("DIR", &dir.path().display().to_string());
        let setup = setup.more(&listener(&dir, "http", port.number, &more));
        Self { node: Node::start(setup, &dir), port, dir }
    }

    fn certs(&self) -> PathBuf {
        self.dir.path().join("certs")
    }

    fn ca(&self) -> PathBuf {
        self.certs().join("ca/ca.pem")
    }

    /// A URL by its name.
    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port.number)
    }

    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "30", "--resolve"]);
        curl.arg(format!("*:{}:127.0.0.1", self.port.number));
        curl.arg("--cacert").arg(self.ca());
        curl
    }

    /// What `openssl s_client` says of a connection on which it asks for `/hello`.
    fn s_client(&self, options: &[&str]) -> String {
        s_client(self.port.number, &self.ca(), options).1
    }

    fn await_figure(&self, name: &str, value: u64) {
        await_that(name, || {
            let found = self.node.metric(name);
            if found == value { Ok(()) } else { Err(format!("{found}, not {value}")) }
        });
    }
}

fn s_client(port: u16, ca: &Path, options: &[&str]) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-ign_eof"]);
    command.arg("-CAfile").arg(ca).arg("-verify_return_error").args(options);
    let mut process = Process::start(command.stdin(Stdio::piped()));
    let request = b"GET /hello HTTP/1.1\r\nHost: hill.example\r\nConnection: close\r\n\r\n";
    // It may have ended before it read that.
    let _ = process.input().write_all(request);
    let status = process.await_end();
    (status.success(), process.stdout.text() + &process.stderr.text())
}

/// Who a certificate is for, as `openssl s_client` says it.
fn subject(said: &str) -> &str {
    let line = said.lines().find(|line| line.starts_with("subject="));
    line.unwrap_or_else(|| panic!("{said}")).trim_start_matches("subject=").trim_start()
}

const FULL: &str = "bellwether_handshakes_total{how=\"full\"}";
const RESUMED: &str = "bellwether_handshakes_total{how=\"resumed\"}";
const FAILED: &str = "bellwether_handshakes_total{how=\"failed\"}";
const UNDER_WAY: &str = "bellwether_handshakes";
const WAITED: &str = "bellwether_handshakes_full_total";

#[test]
fn curl_reads_and_writes_over_both_versions() {
    let site = Site::start();
    let body = "x".repeat(300_000);
    let file = site.dir.path().join("body");
    std::fs::write(&file, &body).expect("a writable folder");
    for (version, path) in [
        (["--tlsv1.2", "--tls-max", "1.2"], "/v1/stories/a"),
        (["--tlsv1.3", "--tls-max", "1.3"], "/v1/stories/b"),
    ] {
        let mut put = site.curl();
        put.args(version).args(["-f", "-T"]).arg(&file).arg(site.url(path));
        Ended::well(&mut put);
        let mut get = site.curl();
        get.args(version).args(["-f", "-H", "Accept: text/plain"]).arg(site.url(path));
        assert!(Ended::well(&mut get) == body, "{path}");
    }
    for old in [["--tlsv1.0", "--tls-max", "1.0"], ["--tlsv1.1", "--tls-max", "1.1"]] {
        let ended = Ended::of(site.curl().args(old).arg(site.url("/hello")));
        assert_eq!(ended.status.code(), Some(35), "{old:?}");
    }
    // Nobody has to believe who we are.
    let mut strict = Command::new("curl");
    strict.args(["-sS", "--resolve", &format!("*:{}:127.0.0.1", site.port.number)]);
    assert_eq!(Ended::of(strict.arg(site.url("/hello"))).status.code(), Some(60));
}

#[test]
fn openssl_agrees_on_both_versions_the_servers_cipher_and_the_end() {
    let site = Site::start();
    let cases: [(&[&str], &str); 4] = [
        (&["-tls1_3"], "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"),
        (&["-tls1_2"], "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"),
        // The client's order says otherwise.
        (
            &["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"],
            "New, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256",
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256"],
            "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
    ];
    for (options, expected) in cases {
        let said = site.s_client(&[options, &["-servername", HOST]].concat());
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
        assert!(said.contains("Hello, World!"), "{said}");
        // Our close_notify came: without one openssl speaks of an unexpected end.
        assert!(said.contains("closed\n") && !said.contains("unexpected eof"), "{said}");
    }
    for options in [["-tls1_1"], ["-tls1"]] {
        let said = site.s_client(&[&options[..], &["-cipher", "ALL:@SECLEVEL=0"]].concat());
        assert!(!said.contains("Hello, World!"), "{said}");
    }
}

#[test]
fn alpn_is_answered_and_a_protocol_that_is_not_spoken_refused() {
    let site = Site::start();
    for version in ["-tls1_2", "-tls1_3"] {
        let said = site.s_client(&[version, "-servername", HOST, "-alpn", "h2,http/1.1"]);
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        let said = site.s_client(&[version, "-servername", HOST]);
        assert!(said.contains("No ALPN negotiated") && said.contains("Hello, World!"), "{said}");
        let said = site.s_client(&[version, "-servername", HOST, "-alpn", "h2"]);
        assert!(said.contains("no application protocol"), "{said}");
    }
    assert_eq!(site.node.metric(FAILED), 2);
}

#[test]
fn sessions_are_taken_up_again_in_both_versions() {
    let site = Site::start();
    for (version, reused) in [("-tls1_2", "Reused, TLSv1.2"), ("-tls1_3", "Reused, TLSv1.3")] {
        let file = site.dir.path().join(version).display().to_string();
        let said = site.s_client(&[version, "-servername", HOST, "-sess_out", &file]);
        assert!(said.contains("New, TLSv1"), "{said}");
        let said = site.s_client(&[version, "-servername", HOST, "-sess_in", &file]);
        assert!(said.contains(reused) && said.contains("Hello, World!"), "{said}");
    }
    assert_eq!((site.node.metric(FULL), site.node.metric(RESUMED)), (2, 2));
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let names = ["a.example", "b.example", "*.c.example", "DEFAULT"];
    let site = Site::of(Setup::new("node1"), &names, "");
    let shown = |options: &[&str]| subject(&site.s_client(options)).to_owned();
    assert_eq!(shown(&["-servername", "a.example"]), "CN = a.example");
    assert_eq!(shown(&["-servername", "B.example", "-tls1_2"]), "CN = b.example");
    assert_eq!(shown(&["-servername", "x.c.example"]), "CN = *.c.example");
    assert_eq!(shown(&["-servername", "d.example"]), "CN = localhost");
    assert_eq!(shown(&["-noservername"]), "CN = localhost");
    let url = format!("https://x.c.example:{}/hello", site.port.number);
    assert!(Ended::well(site.curl().args(["-f", &url])).contains("Hello"));
}

#[test]
fn certificates_are_read_again_when_their_files_change() {
    let mut site =
        Site::of(Setup::new("node1").limit("certificates_ms", 3_600_000), &["a.example"], "");
    let serial = |site: &Site, name: &str| {
        let said = site.s_client(&["-servername", name]);
        let begin = said.find("-----BEGIN CERTIFICATE").expect("a certificate");
        (subject(&said).to_owned(), said[begin..begin + 600].to_owned())
    };
    let first = serial(&site, "a.example");
    // A new one, and one of another name: at the signal.
    certify(&site.dir, &["a.example", "b.example"]);
    site.node.signal("HUP");
    site.node.await_log("shows from now on the certificates of a.example, b.example");
    let second = serial(&site, "a.example");
    assert_eq!((&first.0, serial(&site, "b.example").0), (&second.0, "CN = b.example".to_owned()));
    assert_ne!(first.1, second.1);
    // One that is broken changes nothing, and keeps nobody from changing another.
    std::fs::write(site.certs().join("a.example.pem"), "broken").expect("a writable folder");
    certify(&site.dir, &["c.example"]);
    site.node.signal("HUP");
    site.node.await_log("a.example.pem: there is no certificate in it; the certificate of before");
    site.node.await_log("certificates of a.example, b.example, c.example");
    assert_eq!(serial(&site, "a.example"), second);
    assert_eq!(serial(&site, "c.example").0, "CN = c.example");
    // One whose file is gone is gone.
    std::fs::remove_file(site.certs().join("b.example.pem")).expect("it was there");
    site.node.signal("HUP");
    site.node.await_log("certificates of a.example, c.example");
    assert_eq!(serial(&site, "b.example"), second, "the first stands in");
    // With nothing that is good there, a node does not start.
    site.node.stop();
    for name in ["a.example", "c.example"] {
        std::fs::write(site.certs().join(format!("{name}.pem")), "broken").expect("a file");
    }
    let refusal = site.node.refusal();
    assert_eq!(refusal.status.code(), Some(1));
    assert!(refusal.stderr.contains("no NAME.pem there has a certificate"), "{}", refusal.stderr);
}

#[test]
fn certificates_that_change_are_noticed_without_a_signal() {
    let site = Site::of(Setup::new("node1").limit("certificates_ms", 100), &[HOST], "");
    certify(&site.dir, &[HOST, "late.example"]);
    site.node.await_log("shows from now on the certificates of hill.example, late.example");
    assert_eq!(subject(&site.s_client(&["-servername", "late.example"])), "CN = late.example");
}

#[test]
fn a_check_reads_certificates_too_and_no_restart_loses_one() {
    let site = Site::of(Setup::new("node1"), &[HOST, "b.example"], "");
    let check = || {
        let mut command = bellwether();
        Ended::of(command.args(["serve", "--check"]).arg(site.node.config()))
    };
    let breaks = |name: &str| {
        let file = site.certs().join(format!("{name}.pem"));
        std::fs::write(file, "broken").expect("a writable folder");
    };
    let good = check();
    assert_eq!((good.status.code(), good.stdout.lines().count()), (Some(0), 1), "{good:?}");
    // A start would leave it out; a node that shows it still does not restart.
    breaks("b.example");
    let without = check();
    assert_eq!(without.status.code(), Some(0), "{without:?}");
    let line = without.stdout.lines().nth(1).unwrap_or_default();
    assert!(line.starts_with("left out: "), "{without:?}");
    assert!(line.ends_with("/b.example.pem: there is no certificate in it"), "{without:?}");
    site.node.signal("USR2");
    site.node.await_log("no certificate in it; the certificate of before stays");
    site.node.await_log("no other program takes over: ");
    assert_eq!(subject(&site.s_client(&["-servername", "b.example"])), "CN = b.example");
    // With none that is good, a node can't start.
    breaks(HOST);
    let ended = check();
    assert_eq!((ended.status.code(), &ended.stdout[..]), (Some(1), ""), "{ended:?}");
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("/b.example.pem: there is no certificate in it"), "{ended:?}");
    site.node.signal("USR2");
    site.node.await_log("has a certificate with its key");
    assert!(site.s_client(&["-servername", HOST]).contains("Hello, World!"));
    certify(&site.dir, &[HOST, "b.example"]);
    site.node.signal("USR2");
    site.node.await_ready_times(2);
    assert!(site.s_client(&["-servername", HOST]).contains("Hello, World!"));
}

#[test]
fn only_clients_with_a_certificate_are_let_in_where_one_is_asked_for() {
    let site = Site::of(Setup::new("node1"), &[HOST, "reader"], ":clientCA=DIR/certs/ca/ca.pem");
    let me = site.certs().join("reader.pem").display().to_string();
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let max = version.trim_start_matches("--tlsv");
        let ask = |own: &[&str]| {
            let mut curl = site.curl();
            Ended::of(curl.args([version, "--tls-max", max]).args(own).arg(site.url("/hello")))
        };
        let ended = ask(&["--cert", &me]);
        assert_eq!(ended.status.code(), Some(0), "{version}: {ended:?}");
        let ended = ask(&[]);
        assert!(ended.stderr.contains("alert"), "{version}: {ended:?}");
        assert_ne!(ended.status.code(), Some(0), "{version}");
    }
    // Of another authority.
    let other = scratch();
    certify(&other, &["reader"]);
    let stranger = other.path().join("certs/reader.pem").display().to_string();
    let (is_good, said) =
        s_client(site.port.number, &site.ca(), &["-servername", HOST, "-cert", &stranger]);
    assert!(!is_good && !said.contains("Hello, World!"), "{said}");
    let (is_good, said) =
        s_client(site.port.number, &site.ca(), &["-servername", HOST, "-cert", &me]);
    assert!(is_good && said.contains("Hello, World!"), "{said}");
    assert_eq!(site.node.metric(FAILED), 3);
}

#[test]
fn cookies_given_over_tls_never_go_in_the_clear() {
    let site = Site::of(Setup::new("node1").more("[accounts]\nopen = false\n"), &[HOST], "");
    let cookie = |said: &str| {
        let line = said.lines().find(|line| line.to_ascii_lowercase().starts_with("set-cookie:"));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let secure = Ended::well(site.curl().args(["-i", &site.url("/sign-in")]));
    assert!(cookie(&secure).ends_with("; HttpOnly; SameSite=Lax; Secure"), "{secure}");
    let clear = format!("{}/sign-in", site.node.url());
    let clear = Ended::well(site.curl().args(["-i", &clear]));
    assert!(cookie(&clear).ends_with("; SameSite=Lax"), "{clear}");
    // Whoever is sent on stays on TLS.
    let mut sent_on = site.curl();
    sent_on.args(["-L", "-o", "/dev/null", "-w", "%{http_code} %{url_effective}"]);
    let to = Ended::well(sent_on.args(["-H", "Accept: text/html", &site.url("/write")]));
    assert!(to.starts_with(&format!("200 {}", site.url("/sign-in"))), "{to}");
    // A page that is one's own is not compressed: its length would tell of it.
    let page = Ended::well(site.curl().args(["-i", "--compressed", &site.url("/")]));
    assert!(!page.to_ascii_lowercase().contains("content-encoding"), "{page}");
}

#[test]
fn who_does_not_speak_tls_is_counted_and_closed() {
    let site = Site::start();
    let words: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nHost: hill.example\r\n\r\n",
        b"\r\n",
        &[0xff; 3_000],
        &[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0],
    ];
    for (count, bytes) in (1..).zip(words) {
        let mut socket = connect(site.port.number);
        socket.write_all(bytes).expect("it takes the bytes");
        if bytes == b"\r\n" {
            socket.shutdown(std::net::Shutdown::Write).expect("an open connection");
        }
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.len() <= 7, "an alert at most: {answer:?}");
        site.await_figure(FAILED, count);
    }
    assert!(site.s_client(&["-servername", HOST]).contains("Hello, World!"));
    assert_eq!(site.node.metric(UNDER_WAY), 0);
}

#[test]
fn a_handshake_that_takes_too_long_is_cut() {
    let site = Site::of(Setup::new("node1").limit("handshake_ms", 100), &[HOST], "");
    for bytes in [&b""[..], &[0x16, 3, 1]] {
        let mut socket = connect(site.port.number);
        socket.write_all(bytes).expect("it takes the bytes");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("its end");
        assert!(answer.len() <= 7, "an alert at most: {answer:?}");
    }
    assert_eq!(site.node.metric(FAILED), 2);
}

#[test]
fn handshakes_under_way_have_a_cap_and_others_wait() {
    let setup = Setup::new("node1").limit("handshakes", 3).limit("handshake_ms", 600_000);
    let site = Site::of(setup, &[HOST], "");
    let mut silent: Vec<TcpStream> = (0..5).map(|_| connect(site.port.number)).collect();
    site.await_figure(UNDER_WAY, 3);
    assert!(site.node.metric(WAITED) > 0);
    let mut curl = site.curl();
    let mut waiting = Process::start(curl.args(["-f", &site.url("/hello")]));
    // One goes, and one of those that wait takes its place; nobody else is touched by that.
    drop(silent.remove(0));
    site.await_figure(FAILED, 1);
    site.await_figure(UNDER_WAY, 3);
    assert_eq!(site.node.metric(FULL), 0);
    drop(silent);
    assert!(waiting.await_end().success(), "{}", waiting.stderr.text());
    site.await_figure(UNDER_WAY, 0);
    assert_eq!((site.node.metric(FULL), site.node.metric(FAILED)), (1, 5));
}

#[test]
fn lines_go_over_tls_too_and_to_foreign_servers() {
    let (dir, line, at) = (scratch(), Port::take(), Port::take());
    certify(&dir, &["localhost"]);
    let theirs = Setup::new("node2").more(&listener(&dir, "line", line.number, "")).more(
        &listener(&dir, "at", at.number, ":clientCA=DIR")
            .replace("clientCA=DIR", &format!("clientCA={}/certs/ca/ca.pem", dir.path().display())),
    );
    let theirs = Node::start(theirs, &dir);
    let certs = dir.path().join("certs");
    let (certs, at) = (certs.display(), at.number);
    let endpoint = format!(
        "tls:localhost:{at}:trustRoots={certs}/ca/ca.pem:certificate={certs}/localhost.pem"
    );
    let peer = format!("[[peer]]\nname = \"far\"\nkind = \"at\"\nendpoint = \"{endpoint}\"\n");
    let ours = Node::start(Setup::new("node1").more(&peer), &dir);
    let said = Talk::open(ours.line_port()).ask(&format!("IAMAT kiwi +34+118 {}", now_s()));
    assert!(said.starts_with("AT "), "{said}");
    let mut client = Command::new("openssl");
    client.args(["s_client", "-quiet", "-connect", &format!("localhost:{}", line.number)]);
    client.arg("-CAfile").arg(dir.path().join("certs/ca/ca.pem")).arg("-verify_return_error");
    let mut client = Process::start(client.stdin(Stdio::piped()));
    let mut input = client.input();
    await_that("the report at the foreign server", || {
        let before = client.stdout.text().lines().count();
        input.write_all(b"WHATSAT kiwi 0 0\n").expect("it reads");
        let text = client.stdout.wait(|text| text.lines().count() > before).expect("an answer");
        if text.contains("AT node1 ") { Ok(()) } else { Err(text) }
    });
    drop(theirs);
}

#[test]
fn what_can_t_be_secured_as_said_is_refused_at_the_start() {
    let dir = scratch();
    certify(&dir, &[HOST]);
    let refused = |more: &str, why: &str| {
        let mut node = Node::down(Setup::new("node1").more(more), &dir);
        let ended = node.refusal();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.stderr.contains(why), "{ended:?}");
    };
    let port = Port::take();
    let nowhere = "[[listen]]\nprotocol = \"http\"\nendpoint = \"tls:/nowhere:port=0\"\n";
    refused(nowhere, "/nowhere: No such file or directory");
    refused(&listener(&dir, "peer", port.number, ""), "secured by the nodes' keys");
    refused(&listener(&dir, "http", port.number, ":clientCA=/none"), "/none: No such file");
    let more = "certificates = \"certs\"\n";
    refused(&(listener(&dir, "http", port.number, "") + more), "those of the tls endpoint itself");
    let peer = |more: &str| {
        let endpoint = format!("tls:localhost:{}{more}", port.number);
        format!("[[peer]]\nname = \"far\"\nkind = \"at\"\nendpoint = \"{endpoint}\"\n")
    };
    refused(&peer(":trustRoots=/none"), "/none: No such file");
    let key = dir.path().join("certs/ca/ca-key.pem");
    refused(&peer(&format!(":trustRoots={}", key.display())), "there is no certificate in it");
}

/// A connection of a library's own, on which one request was answered.
fn idle(site: &Site, config: &Arc<rustls::ClientConfig>) -> impl Sized {
    let name = rustls::pki_types::ServerName::try_from(HOST).expect("a name");
    let client = rustls::ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut stream = rustls::StreamOwned::new(client, connect(site.port.number));
    stream.write_all(b"GET /hello HTTP/1.1\r\nHost: h\r\n\r\n").expect("it takes the bytes");
    let mut answer = Vec::new();
    while !answer.ends_with(b"Hello, World!") {
        let mut piece = [0; 1024];
        let read = stream.read(&mut piece).expect("an answer");
        answer.extend_from_slice(&piece[..read]);
    }
    stream
}

#[test]
fn a_connection_that_waits_holds_little_memory() {
    const WARM: usize = 100;
    const MORE: usize = 600;
    const BYTES_MAX: usize = 12 << 10;
    let site = Site::start();
    let pem = std::fs::read(site.ca()).expect("an authority");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).expect("PEM")).expect("one");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let mut open: Vec<_> = (0..WARM).map(|_| idle(&site, &config)).collect();
    let before = site.node.resident_bytes();
    open.extend((0..MORE).map(|_| idle(&site, &config)));
    let each = (site.node.resident_bytes() - before) / MORE;
    assert!(each <= BYTES_MAX, "{each} bytes a connection");
    drop(open);
}

/// Findings that are the test's own authority's, not the server's: it says nowhere which of its
/// certificates it takes back.
const OF_THE_AUTHORITY: [&str; 1] = ["cert_revocation"];

#[test]
fn testssl_finds_nothing_above_low() {
    let site = Site::start();
    let file = site.dir.path().join("findings.json");
    // It takes minutes on a busy machine, longer than others are waited for.
    let mut testssl = Command::new("timeout");
    testssl.args(["900", "testssl", "--quiet", "--color", "0", "--warnings", "off"]);
    testssl.args(["--ip", "127.0.0.1", "--add-ca"]).arg(site.ca()).arg("--jsonfile").arg(&file);
    testssl.arg(format!("{HOST}:{}", site.port.number));
    let done = testssl.stdin(Stdio::null()).output().expect("testssl.sh");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(said.contains(" Done "), "{said}{}", String::from_utf8_lossy(&done.stderr));
    let found = std::fs::read_to_string(&file).expect("its findings");
    let found: Vec<serde_json::Value> = serde_json::from_str(&found).expect("JSON");
    let is_bad = |finding: &&serde_json::Value| {
        let severity = finding["severity"].as_str().unwrap_or("FATAL");
        let id = finding["id"].as_str().unwrap_or_default();
        // A WARN is about the tool's own openssl, not about the server.
        let is_fine = matches!(severity, "OK" | "INFO" | "LOW" | "DEBUG" | "WARN");
        !is_fine && !OF_THE_AUTHORITY.contains(&id)
    };
    let bad: Vec<_> = found.iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(found.len() > 100, "it looked at all: {}", found.len());
}
