//! The TLS filter of one connection, sans-I/O: enciphered bytes of the socket in, plaintext out,
//! and back. It stands on rustls' unbuffered interface, which decrypts where the bytes lie and
//! encrypts straight into what is written: a connection that waits holds no buffer.
//!
//! Everything that came is decrypted at once, so that nothing can hide inside; what the input has
//! no room for waits as plaintext, of at most one read.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, HandshakeKind};

use super::secure::{TlsClient, TlsServer, key_of};
use super::turn::Storage;
use crate::base::{InBuf, OutBuf};
use crate::update::PublicKey;

/// Plaintext of one record.
const RECORD_BYTES_MAX: usize = 16 << 10;
/// What a record is longer than its plaintext at most: TLS 1.2's head, explicit nonce and tag.
const RECORD_OVERHEAD_BYTES: usize = 5 + 8 + 16;
/// Enciphered ahead of the socket: one good write.
const SEALED_BYTES: usize = 64 << 10;
/// A handshake of two nodes takes about 1 kB.
const HANDSHAKE_BYTES_MAX: usize = 16 << 10;

pub(super) struct Tls {
    engine: Engine,
    /// What came and is not yet a whole record.
    pub(super) raw: InBuf,
    pub(super) storage: Storage,
    /// Plaintext that the input had no room for.
    rest: InBuf,
    /// Enciphered bytes that the socket has not taken.
    pub(super) sealed: OutBuf,
    /// Bytes that came while the handshake went on.
    shaken: usize,
    /// The peer said that it will send no more.
    ended: bool,
    /// We said so.
    has_said_goodbye: bool,
    has_failed: bool,
}

enum Engine {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// What is wanted of the filter once it may send.
enum Wish<'a> {
    Nothing,
    /// To encipher from here, as much as is written at a time.
    Seal(&'a mut OutBuf),
    Goodbye,
}

/// Where plaintext goes: the input first, if it is there and has room.
struct Sink<'a> {
    input: Option<&'a mut InBuf>,
    rest: &'a mut InBuf,
}

/// How far a step of rustls came.
#[derive(Debug)]
enum Step {
    /// There may be more to do.
    On,
    /// The same, and plaintext came.
    Read,
    /// The peer's close came: nothing follows.
    Ended,
    /// It waits for bytes, or for nothing any more.
    Waits,
}

impl Tls {
    pub(super) fn server(with: &TlsServer) -> Result<Self, Error> {
        let engine = UnbufferedServerConnection::new(with.config())?;
        Ok(Self::new(Engine::Server(Box::new(engine))))
    }

    pub(super) fn client(with: &TlsClient) -> Result<Self, Error> {
        let engine = UnbufferedClientConnection::new(with.config.clone(), with.name.clone())?;
        Ok(Self::new(Engine::Client(Box::new(engine))))
    }

    fn new(engine: Engine) -> Self {
        Self {
            engine,
            raw: InBuf::new(usize::MAX),
            storage: Storage::Absent,
            rest: InBuf::new(usize::MAX),
            sealed: OutBuf::new(),
            shaken: 0,
            ended: false,
            has_said_goodbye: false,
            has_failed: false,
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match &self.engine {
            Engine::Client(engine) => engine.is_handshaking(),
            Engine::Server(engine) => engine.is_handshaking(),
        }
    }

    /// True when the handshake took up an earlier session.
    pub(super) fn is_resumed(&self) -> bool {
        let kind = match &self.engine {
            Engine::Client(engine) => engine.handshake_kind(),
            Engine::Server(engine) => engine.handshake_kind(),
        };
        kind == Some(HandshakeKind::Resumed)
    }

    /// The key that the peer proved to own.
    pub(super) fn peer_key(&self) -> Option<PublicKey> {
        let shown = match &self.engine {
            Engine::Client(engine) => engine.peer_certificates(),
            Engine::Server(engine) => engine.peer_certificates(),
        };
        key_of(shown?.first()?)
    }

    /// True when nothing more will come: the peer closed in order, and all before it was taken.
    pub(super) fn has_ended(&self) -> bool {
        self.ended && self.rest.is_empty()
    }

    /// True when plaintext waits for room in the input.
    pub(super) fn holds_plaintext(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Takes what came before there was a filter: it is the first of the handshake.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.raw.push(bytes);
        self.shaken += bytes.len();
    }

    /// Takes the handshake on with the `came` bytes that were added to `raw`. All that has to be
    /// said for it is said; what follows it there waits as plaintext.
    pub(super) fn shake(&mut self, came: usize) -> Result<(), Error> {
        self.shaken += came;
        while !self.has_failed {
            let mut sink = Sink { input: None, rest: &mut self.rest };
            let wish = &mut Wish::Nothing;
            match self.engine.step(&mut self.raw, &mut sink, &mut self.sealed, wish)? {
                Step::On => {}
                Step::Ended => self.ended = true,
                // What is wrong behind it is told to who has read it.
                Step::Read | Step::Waits => break,
            }
        }
        if self.is_handshaking() && self.shaken > HANDSHAKE_BYTES_MAX {
            return Err(Error::General("the handshake is too long".into()));
        }
        Ok(())
    }

    /// Decrypts what came, into the input as far as it has room. What was good before an error is
    /// there.
    pub(super) fn open(&mut self, input: &mut InBuf) -> Result<(), Error> {
        if !self.rest.is_empty() {
            let n = input.push(self.rest.data());
            self.rest.consume(n);
            if !self.rest.is_empty() {
                return Ok(());
            }
            drop(self.rest.take_storage());
        }
        self.run(Some(input), Wish::Nothing)
    }

    /// Enciphers what waits in `out`, as far as it is written at a time.
    pub(super) fn seal(&mut self, out: &mut OutBuf) -> Result<(), Error> {
        if !self.sealed.is_empty() {
            // Taken to its end first, so that its storage begins anew.
            return Ok(());
        }
        while !out.is_empty() && self.sealed.len() < SEALED_BYTES {
            let before = out.len();
            self.run(None, Wish::Seal(out))?;
            if out.len() == before {
                return Err(Error::General("no more can be sent".into()));
            }
        }
        Ok(())
    }

    /// Says that nothing more will be sent, once.
    pub(super) fn say_goodbye(&mut self) -> Result<(), Error> {
        if self.has_failed || std::mem::replace(&mut self.has_said_goodbye, true) {
            return Ok(());
        }
        self.run(None, Wish::Goodbye)
    }

    /// After an error: the alert that tells the peer of it is put where writes come from, behind
    /// what was to be said before, and nothing else is sent any more. A step that finds nothing to
    /// be said would have rustls judge anew what it has judged.
    pub(super) fn fail(&mut self) {
        if std::mem::replace(&mut self.has_failed, true) {
            return;
        }
        while self.engine.has_words() {
            let mut sink = Sink { input: None, rest: &mut self.rest };
            let wish = &mut Wish::Nothing;
            if let Err(error) = self.engine.step(&mut self.raw, &mut sink, &mut self.sealed, wish) {
                log::trace!("after an error: {error}");
                break;
            }
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Steps until rustls waits.
    fn run(&mut self, input: Option<&mut InBuf>, mut wish: Wish<'_>) -> Result<(), Error> {
        let mut sink = Sink { input, rest: &mut self.rest };
        if self.has_failed {
            return Ok(());
        }
        loop {
            match self.engine.step(&mut self.raw, &mut sink, &mut self.sealed, &mut wish)? {
                Step::On | Step::Read => {}
                Step::Ended => self.ended = true,
                Step::Waits => return Ok(()),
            }
        }
    }
}

impl Engine {
    /// True while something that has to be said waits to be enciphered.
    fn has_words(&self) -> bool {
        match self {
            Self::Client(engine) => engine.wants_write(),
            Self::Server(engine) => engine.wants_write(),
        }
    }

    fn step(
        &mut self,
        raw: &mut InBuf,
        sink: &mut Sink<'_>,
        sealed: &mut OutBuf,
        wish: &mut Wish<'_>,
    ) -> Result<Step, Error> {
        let bytes = raw.data_mut();
        let (used, step) = match self {
            Self::Client(engine) => step(engine.process_tls_records(bytes), sink, sealed, wish),
            Self::Server(engine) => step(engine.process_tls_records(bytes), sink, sealed, wish),
        };
        raw.consume(used);
        step
    }
}

impl Sink<'_> {
    fn put(&mut self, mut plaintext: &[u8]) {
        if let Some(input) = &mut self.input
            && self.rest.is_empty()
        {
            let n = input.push(plaintext);
            plaintext = &plaintext[n..];
        }
        self.rest.push(plaintext);
    }
}

/// Does what rustls asks for. Returns how many bytes of what came are used up.
fn step<D>(
    status: UnbufferedStatus<'_, '_, D>,
    sink: &mut Sink<'_>,
    sealed: &mut OutBuf,
    wish: &mut Wish<'_>,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut records)) => loop {
            match records.next_record() {
                None => break Ok(Step::Read),
                Some(Err(error)) => break Err(error),
                Some(Ok(record)) => {
                    discard += record.discard;
                    sink.put(record.payload);
                }
            }
        },
        Ok(ConnectionState::EncodeTlsData(data)) => encode(data, sealed).map(|()| Step::On),
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // What waits in `sealed` is as good as sent: nothing overtakes it.
            data.done();
            Ok(Step::On)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::Ended),
        Ok(ConnectionState::WriteTraffic(traffic)) => {
            grant(wish, traffic, sealed).map(|()| Step::Waits)
        }
        Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => Ok(Step::Waits),
        Ok(other) => Err(Error::General(format!("unknown state: {other:?}"))),
    };
    (discard, step)
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, sealed: &mut OutBuf) -> Result<(), Error> {
    append(sealed, RECORD_OVERHEAD_BYTES, |space| match data.encode(space) {
        Ok(n) => Ok(Ok(n)),
        Err(EncodeError::InsufficientSize(size)) => Ok(Err(size)),
        Err(error) => Err(Error::General(error.to_string())),
    })
}

fn grant<D>(
    wish: &mut Wish<'_>,
    mut traffic: WriteTraffic<'_, D>,
    sealed: &mut OutBuf,
) -> Result<(), Error> {
    let sized = |result| match result {
        Ok(n) => Ok(Ok(n)),
        Err(EncryptError::InsufficientSize(size)) => Ok(Err(size)),
        Err(error @ EncryptError::EncryptExhausted) => Err(Error::General(error.to_string())),
    };
    match wish {
        Wish::Nothing => Ok(()),
        Wish::Goodbye => append(sealed, 2 + RECORD_OVERHEAD_BYTES, |space| {
            sized(traffic.queue_close_notify(space))
        }),
        Wish::Seal(out) => {
            let mut joined = Vec::new();
            let plaintext = if let Some(bytes) = out.as_one() {
                &bytes[..bytes.len().min(SEALED_BYTES)]
            } else {
                join(out, &mut joined);
                &joined[..]
            };
            let records = plaintext.len().div_ceil(RECORD_BYTES_MAX);
            let room = plaintext.len() + records * RECORD_OVERHEAD_BYTES;
            append(sealed, room, |space| sized(traffic.encrypt(plaintext, space)))?;
            let n = plaintext.len();
            out.advance(n);
            Ok(())
        }
    }
}

/// Copies the first pieces of an out-buffer together: a record for each would cost more.
fn join(out: &OutBuf, joined: &mut Vec<u8>) {
    joined.reserve(out.len().min(RECORD_BYTES_MAX));
    let (slices, used) = out.io_slices::<64>();
    for slice in &slices[..used] {
        let room = RECORD_BYTES_MAX - joined.len();
        joined.extend_from_slice(&slice[..slice.len().min(room)]);
    }
}

/// Lets `write` fill `room` bytes behind what is sealed already, or as many as it then asks for.
fn append(
    sealed: &mut OutBuf,
    mut room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<Result<usize, InsufficientSizeError>, Error>,
) -> Result<(), Error> {
    let tail = sealed.tail();
    let start = tail.len();
    loop {
        tail.resize(start + room, 0);
        match write(&mut tail[start..]) {
            Ok(Ok(n)) => {
                tail.truncate(start + n);
                return Ok(());
            }
            Ok(Err(size)) if size.required_size > room => room = size.required_size,
            Ok(Err(_)) => {
                tail.truncate(start);
                return Err(Error::General("no room is enough".into()));
            }
            Err(error) => {
                tail.truncate(start);
                return Err(error);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Rng;
    use crate::update::SigningKey;
    use proptest::prelude::*;

    fn pair(seed: u8) -> (Tls, Tls) {
        let keys = [seed, 255 - seed].map(|seed| SigningKey::from_seed([seed; 32]));
        let client = Tls::client(&TlsClient::of_node(&keys[0])).unwrap();
        (client, Tls::server(&TlsServer::of_node(&keys[1])).unwrap())
    }

    /// What waits to be sent, taken.
    fn sent(from: &mut Tls) -> Vec<u8> {
        let (slices, used) = from.sealed.io_slices::<4>();
        let bytes = slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect();
        from.sealed.advance(from.sealed.len());
        bytes
    }

    fn shake(to: &mut Tls, bytes: &[u8]) -> Result<(), Error> {
        to.raw.push(bytes);
        to.shake(bytes.len())
    }

    /// The three flights of a handshake.
    fn handshake(client: &mut Tls, server: &mut Tls) -> [Vec<u8>; 3] {
        client.shake(0).unwrap();
        let hello = sent(client);
        shake(server, &hello).unwrap();
        let answer = sent(server);
        shake(client, &answer).unwrap();
        let last = sent(client);
        shake(server, &last).unwrap();
        assert!(!client.is_handshaking() && !server.is_handshaking());
        [hello, answer, last]
    }

    fn passes(from: &mut Tls, to: &mut Tls, text: &[u8]) {
        let mut out = OutBuf::new();
        out.put(text);
        from.seal(&mut out).unwrap();
        to.raw.push(&sent(from));
        let mut input = InBuf::new(1 << 20);
        to.open(&mut input).unwrap();
        assert_eq!(input.take_all(), text);
    }

    #[test]
    fn every_handshake_has_the_same_lengths() {
        let lengths = |seed| {
            let (mut client, mut server) = pair(seed);
            handshake(&mut client, &mut server).map(|flight| flight.len())
        };
        let first = lengths(0);
        assert!(first.iter().sum::<usize>() < 1_200, "{first:?}");
        for seed in 1..20 {
            assert_eq!(lengths(seed), first);
        }
    }

    #[test]
    fn a_record_costs_what_is_reckoned() {
        let (mut client, mut server) = pair(1);
        handshake(&mut client, &mut server);
        let mut out = OutBuf::new();
        out.put(&vec![7; RECORD_BYTES_MAX + 1]);
        client.seal(&mut out).unwrap();
        // TLS 1.3's head, kind and tag.
        let overhead = 5 + 1 + 16;
        assert_eq!(client.sealed.len(), RECORD_BYTES_MAX + 1 + 2 * overhead);
        drop(sent(&mut client));
        client.say_goodbye().unwrap();
        client.say_goodbye().unwrap();
        assert_eq!(client.sealed.len(), 2 + overhead);
    }

    #[test]
    fn new_keys_in_the_middle_change_nothing() {
        let (mut client, mut server) = pair(2);
        handshake(&mut client, &mut server);
        passes(&mut client, &mut server, b"before");
        let Engine::Client(engine) = &mut client.engine else { panic!("not a client") };
        let status = engine.process_tls_records(&mut []);
        let Ok(ConnectionState::WriteTraffic(traffic)) = status.state else { panic!("blocked") };
        traffic.refresh_traffic_keys().unwrap();
        for _ in 0..3 {
            passes(&mut client, &mut server, b"there");
            passes(&mut server, &mut client, b"and back");
        }
    }

    #[test]
    fn what_the_input_has_no_room_for_waits() {
        let (mut client, mut server) = pair(3);
        handshake(&mut client, &mut server);
        let mut out = OutBuf::new();
        out.put(&vec![5; 40_000]);
        client.seal(&mut out).unwrap();
        client.say_goodbye().unwrap();
        server.raw.push(&sent(&mut client));
        let mut input = InBuf::new(15_000);
        for expected in [15_000, 15_000, 10_000] {
            assert!(!server.has_ended());
            server.open(&mut input).unwrap();
            assert_eq!(input.take_all().len(), expected);
        }
        assert!(server.has_ended() && !server.holds_plaintext());
    }

    /// Bytes of a stranger or of a broken line: an error or nothing, and never a panic.
    fn survives(tls: &mut Tls, bytes: &[u8]) {
        let mut input = InBuf::new(1 << 20);
        let failed =
            shake(tls, bytes).is_err() || (!tls.is_handshaking() && tls.open(&mut input).is_err());
        if failed {
            tls.fail();
            tls.fail();
            assert!(tls.say_goodbye().is_ok());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000), plain: bool) {
            let (mut client, mut server) = pair(4);
            client.shake(0).unwrap();
            let head = [0x16, 3, 1, (bytes.len() >> 8) as u8, bytes.len() as u8];
            let bytes = if plain { bytes } else { [&head[..], &bytes].concat() };
            survives(&mut server, &bytes);
            survives(&mut client, &bytes);
        }
    }

    #[test]
    fn a_handshake_with_a_changed_byte_is_refused() {
        let mut rng = Rng::new(1);
        for _ in 0..200 {
            let (mut client, mut server) = pair(5);
            client.shake(0).unwrap();
            let mut change = |bytes: Vec<u8>| {
                let mut changed = bytes;
                let at = rng.below(changed.len() as u64) as usize;
                changed[at] ^= 1 << rng.below(8);
                changed
            };
            let mut hello = sent(&mut client);
            let first = change(vec![0; 3]).iter().position(|byte| *byte != 0);
            if first == Some(0) {
                hello = change(hello);
            }
            survives(&mut server, &hello);
            let mut answer = sent(&mut server);
            if first == Some(1) && !answer.is_empty() {
                answer = change(answer);
            }
            survives(&mut client, &answer);
            let mut last = sent(&mut client);
            if first == Some(2) && !last.is_empty() {
                last = change(last);
            }
            survives(&mut server, &last);
        }
    }
}
