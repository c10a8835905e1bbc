//! Connections that are secured in place: a server that is asked to do so, and a client that does
//! its TLS by hand.

use crate::base::{InBuf, OutBuf};
use crate::reactor::tls::Tls;
use crate::reactor::{
    ConnectOptions, Ctx, ListenOptions, Lost, Outcome, Peer, Protocol, Settings, SimBackend,
    SimFaults, SimReactor, TlsClient, TlsServer,
};
use crate::update::SigningKey;

/// What both ends saw, in order.
type Seen = Vec<String>;

fn server_key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

/// Says lines back; is secured when a line asks for it.
struct Server;

impl Protocol<Seen> for Server {
    fn received(&mut self, cx: &mut Ctx<'_, Seen>, seen: &mut Seen, input: &mut InBuf) -> Outcome {
        while cx.more() {
            let Some(end) = input.data().iter().position(|byte| *byte == b'\n') else { break };
            let line = String::from_utf8(input.take(end + 1).to_vec())?;
            let is_secure = cx.transport().is_secure();
            seen.push(format!("server: {} {is_secure}", line.trim_end()));
            if line == "STARTTLS\n" {
                cx.transport().write(b"GO\n");
                cx.transport().start_tls(&TlsServer::of_node(&server_key()));
                cx.transport().write(b"goes nowhere\n");
            } else {
                cx.transport().write(line.as_bytes());
            }
        }
        Ok(())
    }

    fn secured(&mut self, cx: &mut Ctx<'_, Seen>, seen: &mut Seen) -> Outcome {
        assert!(cx.transport().is_secure() && cx.transport().peer_key().is_some());
        seen.push("server: secured".to_owned());
        cx.transport().write(b"hello\n");
        Ok(())
    }

    fn lost(&mut self, _: &mut Ctx<'_, Seen>, seen: &mut Seen, reason: Lost) {
        seen.push(format!("server: lost {reason}"));
    }
}

/// Asks for TLS with these bytes, and once it has it, says a line.
struct Client {
    asks: &'static [u8],
    tls: Option<Tls>,
    /// What it says in place of its hello.
    rude: Option<&'static [u8]>,
}

impl Client {
    fn flush(cx: &mut Ctx<'_, Seen>, tls: &mut Tls) {
        let (slices, used) = tls.sealed.io_slices::<4>();
        slices[..used].iter().for_each(|slice| cx.transport().write(slice));
        tls.sealed.advance(tls.sealed.len());
    }

    fn say(cx: &mut Ctx<'_, Seen>, tls: &mut Tls, text: &[u8]) -> Outcome {
        let mut out = OutBuf::new();
        out.put(text);
        tls.seal(&mut out)?;
        Self::flush(cx, tls);
        Ok(())
    }
}

impl Protocol<Seen> for Client {
    fn made(&mut self, cx: &mut Ctx<'_, Seen>, _: &mut Seen) -> Outcome {
        cx.transport().write(self.asks);
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, Seen>, seen: &mut Seen, input: &mut InBuf) -> Outcome {
        let Some(tls) = &mut self.tls else {
            if input.data().ends_with(b"GO\n") {
                seen.push(format!("client: {:?}", std::str::from_utf8(input.take_all())?));
                if let Some(rude) = self.rude {
                    cx.transport().write(rude);
                    return Ok(());
                }
                let mut tls = Tls::client(&TlsClient::of_node(&SigningKey::from_seed([2; 32])))?;
                tls.shake(0)?;
                Self::flush(cx, &mut tls);
                self.tls = Some(tls);
            }
            return Ok(());
        };
        let bytes = input.take_all().to_vec();
        tls.raw.push(&bytes);
        if tls.is_handshaking() {
            tls.shake(bytes.len())?;
            Self::flush(cx, tls);
            if !tls.is_handshaking() {
                Self::say(cx, tls, b"one\n")?;
            }
        }
        if !tls.is_handshaking() {
            let mut plaintext = InBuf::new(1 << 16);
            tls.open(&mut plaintext)?;
            seen.push(format!("client: {:?}", std::str::from_utf8(plaintext.take_all())?));
            if tls.has_ended() {
                cx.transport().close();
            }
        }
        Ok(())
    }
}

/// All that is seen of a client that asks with these bytes.
fn run(asks: &'static [u8], rude: Option<&'static [u8]>) -> (Seen, SimReactor<Seen>) {
    let backend = SimBackend::alone(1, SimFaults::none());
    let settings = Settings { handshake_ms: 500, ..Settings::default() };
    let mut reactor = SimReactor::new(backend, settings).unwrap();
    let mut seen = Vec::new();
    reactor.with(&mut seen, |cx, _| {
        let server = |_: &Peer, _: &mut Seen| Box::new(Server) as Box<dyn Protocol<_>>;
        let options = ListenOptions { idle_ms: Some(2_000), ..ListenOptions::default() };
        cx.listen(&"tcp:7000".parse().unwrap(), options, server).unwrap();
        let client = move |_: &Peer, _: &mut Seen| {
            Box::new(Client { asks, tls: None, rude }) as Box<dyn Protocol<_>>
        };
        let to = "tcp:127.0.0.1:7000".parse().unwrap();
        cx.connect(&to, ConnectOptions::default(), client);
        cx.call_later(5_000, |cx, _| cx.stop());
    });
    reactor.run(&mut seen).unwrap();
    (seen, reactor)
}

/// All that is seen of clients that ask with these bytes, and say these in place of their hello, a
/// moment apart.
fn run_all(
    settings: Settings,
    clients: [(&'static [u8], &'static [u8]); 4],
) -> (Seen, SimReactor<Seen>) {
    let backend = SimBackend::alone(1, SimFaults::none());
    let mut reactor = SimReactor::new(backend, settings).unwrap();
    let mut seen = Vec::new();
    reactor.with(&mut seen, |cx, _| {
        let server = |_: &Peer, _: &mut Seen| Box::new(Server) as Box<dyn Protocol<_>>;
        cx.listen(&"tcp:7000".parse().unwrap(), ListenOptions::default(), server).unwrap();
        for (at, (asks, rude)) in (1..).zip(clients) {
            cx.call_later(at * 50, move |cx, _| {
                let client = move |_: &Peer, _: &mut Seen| {
                    Box::new(Client { asks, tls: None, rude: Some(rude) }) as Box<dyn Protocol<_>>
                };
                let to = "tcp:127.0.0.1:7000".parse().unwrap();
                cx.connect(&to, ConnectOptions::default(), client);
            });
        }
        cx.call_later(5_000, |cx, _| cx.stop());
    });
    reactor.run(&mut seen).unwrap();
    (seen, reactor)
}

/// What one end saw, in order.
fn of(seen: &Seen, who: &str) -> Vec<String> {
    let own = seen.iter().filter_map(|what| what.strip_prefix(who)?.strip_prefix(": "));
    own.map(str::to_owned).collect()
}

#[test]
fn a_connection_is_secured_when_it_asks() {
    let (seen, reactor) = run(b"zero\nSTARTTLS\n", None);
    let server =
        ["zero false", "STARTTLS false", "secured", "one true", "lost idle"].map(str::to_owned);
    assert_eq!(of(&seen, "server"), server);
    let client = of(&seen, "client");
    assert_eq!(client[0], r#""zero\nGO\n""#);
    assert_eq!(client[1..].concat().replace("\"\"", ""), r#""hello\n""one\n""#.replace("\"\"", ""));
    let stats = reactor.stats();
    assert_eq!((stats.handshakes, stats.handshakes_failed, stats.handshaking), (1, 0, 0));
}

#[test]
fn who_asks_at_the_cap_of_handshakes_is_lost_and_who_does_not_is_served() {
    let settings = Settings { handshakes_max: 2, handshake_ms: 600, ..Settings::default() };
    let asks = (&b"STARTTLS\n"[..], &b""[..]);
    let (seen, reactor) = run_all(settings, [asks, asks, asks, (b"zero\n", b"")]);
    let asked = "STARTTLS false";
    let expected = [asked, asked, asked, "lost limit", "zero false", "lost wire", "lost wire"];
    assert_eq!(of(&seen, "server")[..7], expected.map(str::to_owned));
    let stats = reactor.stats();
    assert_eq!((stats.handshakes_refused, stats.handshakes_failed), (1, 2));
    assert_eq!((stats.handshakes_full, stats.handshaking, stats.refused), (0, 0, 0));
}

#[test]
fn what_came_in_the_clear_behind_the_request_is_never_taken_as_secured() {
    let (seen, reactor) = run(b"STARTTLS\nevil\n", None);
    assert_eq!(of(&seen, "server"), ["STARTTLS false", "lost wire"]);
    assert_eq!(reactor.stats().handshakes_failed, 1);
}

#[test]
fn a_client_that_asked_and_does_not_speak_tls_is_lost() {
    let (seen, reactor) = run(b"STARTTLS\n", Some(b"GET / HTTP/1.1\r\n\r\n"));
    assert_eq!(of(&seen, "server"), ["STARTTLS false", "lost wire"]);
    assert_eq!(reactor.stats().handshakes_failed, 1);
}

#[test]
fn a_client_that_asked_and_says_nothing_more_has_its_time() {
    let (seen, reactor) = run(b"STARTTLS\n", Some(b""));
    assert_eq!(of(&seen, "server"), ["STARTTLS false", "lost wire"]);
    let stats = reactor.stats();
    assert_eq!((stats.handshakes_failed, stats.handshaking, stats.open_all()), (1, 0, 0));
}
