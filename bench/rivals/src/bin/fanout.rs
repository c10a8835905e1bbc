//! Many readers and one publisher: from the first byte of an update's publishing to the moment when
//! the last reader has all of it. One thread, epoll; the next update goes out when all have the
//! one before.
//!
//! Usage: `fanout sse|nats|redis|raw PORT… [--readers N] [--updates K] [--bytes B] [--path P]`;
//! readers are spread over the ports, the publisher is at the first. Prints one line of JSON:
//! requests (deliveries), errors, `per_second` (readers by the median time to the last),
//! `last_p50_us`, `p99_us` (of those times) and `event_bytes` (of one delivery).

use lexopt::prelude::*;
use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

type Fault = Box<dyn Error>;

/// Updates before those that count.
const WARM_UP: usize = 2;
const PATIENCE: Duration = Duration::from_secs(30);
const MARK_BYTES: usize = 14;

#[derive(Clone, Copy)]
enum Protocol {
    Sse,
    Nats,
    Redis,
    Raw,
}

struct Options {
    protocol: Protocol,
    ports: Vec<u16>,
    readers: usize,
    updates: usize,
    bytes: usize,
    path: String,
}

struct Reader {
    stream: TcpStream,
    /// The start of an event whose end has not come yet.
    partial: Vec<u8>,
    has_it: bool,
}

struct Fanout {
    options: Options,
    epoll: OwnedFd,
    readers: Vec<Reader>,
    publisher: TcpStream,
    input: Vec<u8>,
    event_bytes: usize,
}

fn main() -> Result<(), Fault> {
    let options = options()?;
    let publisher = TcpStream::connect(("127.0.0.1", options.ports[0]))?;
    publisher.set_nodelay(true)?;
    publisher.set_read_timeout(Some(PATIENCE))?;
    let mut fanout = Fanout {
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        readers: Vec::with_capacity(options.readers),
        options,
        publisher,
        input: vec![0; 65_536],
        event_bytes: 0,
    };
    fanout.introduce_publisher()?;
    for number in 0..fanout.options.readers {
        fanout.subscribe(number)?;
    }
    let mut micros = Vec::new();
    for update in 0..WARM_UP + fanout.options.updates {
        let taken = fanout.publish(update)?;
        if update >= WARM_UP {
            micros.push(taken.as_micros());
        }
    }
    report(&fanout, &mut micros);
    Ok(())
}

fn options() -> Result<Options, Fault> {
    let (mut readers, mut updates, mut bytes) = (100, 10, 1000);
    let mut path = String::from("/v1/stream?topic=bench");
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("readers") => readers = parser.value()?.parse()?,
            Long("updates") => updates = parser.value()?.parse()?,
            Long("bytes") => bytes = parser.value()?.parse()?,
            Long("path") => path = parser.value()?.string()?,
            Value(word) => words.push(word.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let Some((protocol, ports)) = words.split_first().filter(|(_, ports)| !ports.is_empty()) else {
        return Err("usage: fanout PROTOCOL PORT…".into());
    };
    let protocol = match protocol.as_str() {
        "sse" => Protocol::Sse,
        "nats" => Protocol::Nats,
        "redis" => Protocol::Redis,
        "raw" => Protocol::Raw,
        _ => return Err("the protocol is sse, nats, redis or raw".into()),
    };
    let ports = ports.iter().map(|port| port.parse()).collect::<Result<_, _>>()?;
    Ok(Options { protocol, ports, readers, updates, bytes, path })
}

impl Protocol {
    /// What a reader says, and what tells it that it is one.
    fn subscription(self, path: &str) -> (String, &'static [u8]) {
        match self {
            Self::Sse => (format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"), b"\r\n\r\n"),
            Self::Nats => {
                ("CONNECT {\"verbose\":false}\r\nSUB bench 1\r\nPING\r\n".into(), b"PONG\r\n")
            }
            Self::Redis => ("SUBSCRIBE bench\r\n".into(), b":1\r\n"),
            Self::Raw => ("R\n".into(), b"R\n"),
        }
    }

    fn publication(self, body: &str) -> String {
        let bytes = body.len();
        match self {
            Self::Sse => format!(
                "POST /v1/topics/bench?durability=none HTTP/1.1\r\nHost: h\r\n\
                 Content-Type: text/plain\r\nContent-Length: {bytes}\r\n\r\n{body}"
            ),
            Self::Nats => format!("PUB bench {bytes}\r\n{body}\r\nPING\r\n"),
            Self::Redis => format!("*3\r\n$7\r\nPUBLISH\r\n$5\r\nbench\r\n${bytes}\r\n{body}\r\n"),
            Self::Raw => format!("{body}\n"),
        }
    }

    /// What the publisher is told, where it is told something.
    fn receipt(self) -> Option<&'static [u8]> {
        match self {
            Self::Sse => Some(b"HTTP/1.1 201 "),
            Self::Nats => Some(b"PONG\r\n"),
            Self::Redis => Some(b":"),
            Self::Raw => None,
        }
    }

    /// What stands behind the last byte of an event.
    fn event_end(self) -> &'static [u8] {
        match self {
            Self::Sse => b"\n\n",
            Self::Nats | Self::Redis => b"\r\n",
            Self::Raw => b"\n",
        }
    }
}

impl Fanout {
    fn introduce_publisher(&mut self) -> Result<(), Fault> {
        if matches!(self.options.protocol, Protocol::Nats) {
            self.publisher.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n")?;
            await_text(&mut self.publisher, b"PONG\r\n")?;
        }
        Ok(())
    }

    fn subscribe(&mut self, number: usize) -> Result<(), Fault> {
        let port = self.options.ports[number % self.options.ports.len()];
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (request, accepted) = self.options.protocol.subscription(&self.options.path);
        stream.write_all(request.as_bytes())?;
        await_text(&mut stream, accepted)?;
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
        self.readers.push(Reader { stream, partial: Vec::new(), has_it: false });
        Ok(())
    }

    /// Publishes one update; how long until the last reader has it.
    fn publish(&mut self, update: usize) -> Result<Duration, Fault> {
        let mark = format!("<mark-{update:07}>");
        debug_assert_eq!(mark.len(), MARK_BYTES);
        let body = "x".repeat(self.options.bytes.saturating_sub(MARK_BYTES)) + &mark;
        let publication = self.options.protocol.publication(&body);
        for reader in &mut self.readers {
            reader.has_it = false;
            reader.partial.clear();
        }
        let start = Instant::now();
        self.publisher.write_all(publication.as_bytes())?;
        self.await_all(start, &mark)?;
        let taken = start.elapsed();
        if let Some(receipt) = self.options.protocol.receipt() {
            await_text(&mut self.publisher, receipt)?;
        }
        Ok(taken)
    }

    fn await_all(&mut self, start: Instant, mark: &str) -> Result<(), Fault> {
        let finder = memmem::Finder::new(mark.as_bytes());
        let tick = Duration::from_millis(100).try_into()?;
        let mut events = Vec::with_capacity(1024);
        let mut missing = self.readers.len();
        while missing > 0 {
            if start.elapsed() > PATIENCE {
                let mut told = [0; 512];
                let count = self.publisher.read(&mut told)?;
                let told = String::from_utf8_lossy(&told[..count]);
                return Err(format!("{missing} readers lack {mark}; the publisher: {told}").into());
            }
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&tick))?;
            for event in &events {
                missing -= usize::from(self.receive(event.data.u64() as usize, &finder)?);
            }
        }
        Ok(())
    }

    /// Takes what came to a reader; true when that ends the update.
    fn receive(&mut self, index: usize, mark: &memmem::Finder) -> Result<bool, Fault> {
        let reader = &mut self.readers[index];
        let count = match reader.stream.read(&mut self.input) {
            Ok(0) => return Err("the server closed a reader's connection".into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if reader.has_it {
            return Ok(false);
        }
        let mut heard = &self.input[..count];
        if !reader.partial.is_empty() {
            reader.partial.extend_from_slice(heard);
            heard = &reader.partial;
        }
        let end = self.options.protocol.event_end();
        let is_whole = mark.find(heard).is_some_and(|at| memmem::find(&heard[at..], end).is_some());
        if is_whole {
            reader.has_it = true;
            self.event_bytes = heard.len();
        } else if reader.partial.is_empty() {
            reader.partial.extend_from_slice(&self.input[..count]);
        }
        Ok(is_whole)
    }
}

fn await_text(stream: &mut TcpStream, text: &[u8]) -> Result<(), Fault> {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    while memmem::find(&heard, text).is_none() {
        match stream.read(&mut piece)? {
            0 => return Err("the server closed a connection".into()),
            count => heard.extend_from_slice(&piece[..count]),
        }
    }
    if heard.starts_with(b"HTTP/1.1 ") && !heard.starts_with(b"HTTP/1.1 20") {
        return Err(format!("refused: {}", String::from_utf8_lossy(&heard)).into());
    }
    Ok(())
}

fn report(fanout: &Fanout, micros: &mut [u128]) {
    micros.sort_unstable();
    let at = |percent: usize| micros[(micros.len() - 1) * percent / 100];
    let readers = fanout.readers.len();
    println!(
        "{{\"requests\": {}, \"errors\": 0, \"per_second\": {:.1}, \"last_p50_us\": {}, \
         \"p99_us\": {}, \"event_bytes\": {}}}",
        readers * micros.len(),
        readers as f64 / (at(50) as f64 / 1e6),
        at(50),
        at(99),
        fanout.event_bytes
    );
}
