//! What the contract suite can't see from outside: storage, sizes, wakes, tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::backend::Wake;
use super::board::Spare;
use super::conn::Conn;
use super::ids::Owner;
use super::pool::{Letter, Mailbox};
use super::turn::{End, Storage};
use super::{
    Class, ConnId, ConnectOptions, Ctx, ListenOptions, ListenerId, OsSocket, Outcome, Peer,
    Protocol, Remote, Settings, SimBackend, SimFaults, SimReactor, TlsClient, TlsServer,
};
use crate::base::{InBuf, Key, OutBuf, Slots};
use crate::update::SigningKey;

/// Takes whole lines and sends each back.
struct Lines;

impl Protocol<Vec<ConnId>> for Lines {
    fn made(&mut self, cx: &mut Ctx<'_, Vec<ConnId>>, state: &mut Vec<ConnId>) -> Outcome {
        state.push(cx.id());
        Ok(())
    }

    fn received(
        &mut self,
        cx: &mut Ctx<'_, Vec<ConnId>>,
        _: &mut Vec<ConnId>,
        input: &mut InBuf,
    ) -> Outcome {
        while cx.more() {
            let Some(end) = input.data().iter().position(|byte| *byte == b'\n') else { break };
            cx.transport().write(input.take(end + 1));
        }
        Ok(())
    }
}

/// Says something, and then nothing.
struct Says(&'static [u8]);

impl Protocol<Vec<ConnId>> for Says {
    fn made(&mut self, cx: &mut Ctx<'_, Vec<ConnId>>, _: &mut Vec<ConnId>) -> Outcome {
        cx.transport().write(self.0);
        Ok(())
    }

    fn received(
        &mut self,
        _: &mut Ctx<'_, Vec<ConnId>>,
        _: &mut Vec<ConnId>,
        input: &mut InBuf,
    ) -> Outcome {
        input.take_all();
        Ok(())
    }
}

/// A loop in which a client said this and all was answered; the server's connection.
fn after(said: &'static [u8]) -> (SimReactor<Vec<ConnId>>, ConnId) {
    answered(said, ListenOptions::default(), ConnectOptions::default())
}

/// The same over TLS.
fn after_in_secret(said: &'static [u8]) -> (SimReactor<Vec<ConnId>>, ConnId) {
    let key = SigningKey::from_seed([1; 32]);
    let secure = Some(TlsServer::of_node(&key));
    let listen = ListenOptions { secure, ..ListenOptions::default() };
    let secure = Some(TlsClient::of_node(&key));
    answered(said, listen, ConnectOptions { secure, ..ConnectOptions::default() })
}

fn answered(
    said: &'static [u8],
    listen: ListenOptions,
    connect: ConnectOptions,
) -> (SimReactor<Vec<ConnId>>, ConnId) {
    let backend = SimBackend::alone(1, SimFaults::none());
    let mut reactor = SimReactor::new(backend, Settings::default()).unwrap();
    let mut state = Vec::new();
    reactor.with(&mut state, |cx, _| {
        let lines = |_: &Peer, _: &mut Vec<ConnId>| Box::new(Lines) as Box<dyn Protocol<_>>;
        cx.listen(&"tcp:7000".parse().unwrap(), listen, lines).unwrap();
        let says =
            move |_: &Peer, _: &mut Vec<ConnId>| Box::new(Says(said)) as Box<dyn Protocol<_>>;
        cx.connect(&"tcp:127.0.0.1:7000".parse().unwrap(), connect, says);
    });
    while reactor.turn(&mut state).is_ok() {}
    (reactor, state[0])
}

#[test]
fn a_connection_that_waits_holds_no_storage() {
    let (mut reactor, server) = after(b"one\ntwo\n");
    assert_eq!(reactor.stats().bytes_in, 16);
    let end = reactor.ends[server.index()].as_mut().unwrap();
    assert_eq!(end.storage, Storage::Absent);
    assert_eq!(end.input.take_storage().capacity(), 0);
    let conn = reactor.core.board.conns.get_mut(server.0).unwrap();
    assert_eq!(conn.out.take_storage().capacity(), 0);
}

#[test]
fn a_rest_that_waits_holds_what_it_needs() {
    let (mut reactor, server) = after(b"one\ntwo");
    let end = reactor.ends[server.index()].as_mut().unwrap();
    assert_eq!((end.storage, end.input.data()), (Storage::Fitted, &b"two"[..]));
    end.input.take_all();
    assert!(end.input.take_storage().capacity() <= 64);
}

#[test]
fn a_secured_connection_that_waits_holds_no_storage() {
    let (mut reactor, server) = after_in_secret(b"one\ntwo\n");
    let end = reactor.ends[server.index()].as_mut().unwrap();
    assert_eq!(end.storage, Storage::Absent);
    let tls = end.tls.as_mut().unwrap();
    assert_eq!(tls.storage, Storage::Absent);
    for input in [&mut end.input, &mut tls.raw] {
        assert_eq!(input.take_storage().capacity(), 0);
    }
    let conn = reactor.core.board.conns.get_mut(server.0).unwrap();
    for out in [&mut conn.out, &mut tls.sealed] {
        assert_eq!(out.take_storage().capacity(), 0);
    }
}

#[test]
fn a_connection_costs_little_besides_its_protocol() {
    let bytes = size_of::<Conn>() + size_of::<End<OsSocket, ()>>();
    assert!(bytes <= 512, "{bytes} bytes");
}

#[test]
fn spare_storage_is_bounded_and_reused() {
    let mut spare = Spare::new(1_000);
    for _ in 0..100_000 {
        spare.put_in(vec![0; 1_000]);
        spare.put_in(vec![0; 10]);
        spare.put_in(Vec::with_capacity(1 << 20));
        spare.put_out(Vec::with_capacity(10));
        spare.put_out(Vec::with_capacity(5_000));
    }
    assert!(spare.held_bytes() <= (32 << 10) + (4 << 20));
    assert_eq!(spare.take_in().len(), 1_000);
    let out = spare.take_out();
    assert!(out.is_empty() && out.capacity() >= 5_000);
}

struct Count(AtomicU32);

impl Wake for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn many_letters_wake_the_loop_once() {
    let count = Arc::new(Count(AtomicU32::new(0)));
    let mailbox = Arc::new(Mailbox::<()>::new(Arc::clone(&count) as Arc<dyn Wake>));
    let remote = Remote::new(&mailbox);
    for round in 1..=3 {
        for _ in 0..100 {
            remote.call(|_, ()| {});
        }
        assert_eq!(count.0.load(Ordering::Relaxed), round);
        let letters = mailbox.take();
        assert!(letters.iter().all(|letter| matches!(letter, Letter::Call(_))));
        assert_eq!(letters.len(), 100);
        assert!(!mailbox.has_letters() && mailbox.take().is_empty());
    }
}

#[test]
fn tokens_tell_connections_from_listeners() {
    let mut slots = Slots::new();
    for _ in 0..3 {
        let key: Key = slots.insert(());
        let (conn, listener) = (ConnId(key), ListenerId(key));
        assert!(matches!(Owner::of(conn.token()), Owner::Conn(id) if id == conn));
        assert!(matches!(Owner::of(listener.token()), Owner::Listener(id) if id == listener));
    }
}

#[test]
fn a_connection_is_shown_by_a_number_of_its_own() {
    let mut slots = Slots::new();
    let first = slots.insert(());
    slots.remove(first);
    let second = slots.insert(());
    assert_eq!(first.index(), second.index());
    assert_eq!(format!("{} {}", ConnId(first), ConnId(second)), "#0 #1");
}

#[test]
#[should_panic(expected = "low_mark is above high_mark")]
fn settings_that_contradict_each_other_are_refused() {
    Settings { low_mark: 100_000, ..Settings::default() }.check();
}

#[test]
fn caps_go_by_class() {
    let settings = Settings::default();
    assert!(settings.out_bytes_max(Class::Peer) > settings.out_bytes_max(Class::Client));
}

#[test]
fn an_out_buffer_starts_without_memory() {
    assert_eq!(OutBuf::new().take_storage().capacity(), 0);
}
