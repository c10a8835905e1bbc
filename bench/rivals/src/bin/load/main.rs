//! A closed-loop load generator: each of N connections sends D requests in one write (1 unless
//! told), waits for their answers, checks them, and sends the next. One thread, epoll. All
//! connections stand before the clock starts; with `--fresh` each request has one of its own.
//!
//! Usage: `load line|get|publish|redis|jetstream PORT [--connections N] [--depth D]
//! [--seconds S] [--path P] [--bytes B] [--fresh]`; prints one line of JSON: requests, errors,
//! seconds, `per_second`, and of the D together `p50_us`, `p99_us`.

mod speech;

use lexopt::prelude::*;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{AddressFamily, SocketType, sockopt};
use speech::{Protocol, Speech};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Fault = Box<dyn Error>;

/// Addresses that fresh connections come from in turn, so that closed ones hold no port up.
const SOURCES: usize = 200;

struct Options {
    speech: Speech,
    port: u16,
    connections: usize,
    depth: usize,
    seconds: f64,
    is_fresh: bool,
}

struct Connection {
    stream: TcpStream,
    number: usize,
    request: Vec<u8>,
    answer: Vec<u8>,
    sent: Instant,
}

#[derive(Default)]
struct Tally {
    requests: u64,
    errors: u64,
    /// Of each round trip.
    micros: Vec<u32>,
}

struct Load {
    options: Options,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    opened: usize,
    input: Vec<u8>,
    tally: Tally,
}

fn main() -> Result<(), Fault> {
    let mut load = Load {
        options: options()?,
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        connections: Vec::new(),
        opened: 0,
        input: vec![0; 65_536],
        tally: Tally::default(),
    };
    for number in 0..load.options.connections {
        let stream = load.open(number)?;
        let (request, answer) = (Vec::new(), Vec::new());
        load.connections.push(Connection { stream, number, request, answer, sent: Instant::now() });
    }
    let start = Instant::now();
    load.run(start + Duration::from_secs_f64(load.options.seconds))?;
    report(start.elapsed().as_secs_f64(), load.tally);
    Ok(())
}

fn options() -> Result<Options, Fault> {
    let (mut connections, mut depth, mut seconds, mut is_fresh) = (1, 1, 1.0, false);
    let (mut path, mut bytes) = (String::from("/v1/topics/bench"), 1000);
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("connections") => connections = parser.value()?.parse()?,
            Long("depth") => depth = parser.value()?.parse()?,
            Long("seconds") => seconds = parser.value()?.parse()?,
            Long("path") => path = parser.value()?.string()?,
            Long("bytes") => bytes = parser.value()?.parse()?,
            Long("fresh") => is_fresh = true,
            Value(word) => words.push(word.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let [protocol, port] = words.as_slice() else {
        return Err("usage: load PROTOCOL PORT".into());
    };
    let protocol = Protocol::named(protocol).ok_or("no such protocol")?;
    let speech = Speech { protocol, path, bytes };
    Ok(Options { speech, port: port.parse()?, connections, depth, seconds, is_fresh })
}

impl Load {
    fn run(&mut self, end: Instant) -> Result<(), Fault> {
        for index in 0..self.connections.len() {
            self.connections[index].sent = Instant::now();
            self.connections[index].send(&self.options)?;
        }
        let mut events = Vec::with_capacity(1024);
        let tick = Duration::from_millis(50).try_into()?;
        while Instant::now() < end {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&tick))?;
            for event in &events {
                self.turn(event.data.u64() as usize)?;
            }
        }
        Ok(())
    }

    /// Takes what came on a connection; asks again when all is answered.
    fn turn(&mut self, index: usize) -> Result<(), Fault> {
        let connection = &mut self.connections[index];
        if !connection.receive(&self.options, &mut self.input, &mut self.tally)? {
            return Ok(());
        }
        connection.sent = Instant::now();
        if self.options.is_fresh {
            self.connections[index].stream = self.open(index)?;
        }
        self.connections[index].send(&self.options)
    }

    /// Connects and greets; the kernel takes a connection before the server accepts it.
    fn open(&mut self, number: usize) -> Result<TcpStream, Fault> {
        let host = self.opened % SOURCES;
        self.opened += 1;
        let fd = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        if self.options.is_fresh {
            sockopt::set_socket_reuseaddr(&fd, true)?;
            let source = Ipv4Addr::new(127, 0, 1, 1 + host as u8);
            rustix::net::bind(&fd, &SocketAddrV4::new(source, 0))?;
        }
        rustix::net::connect(&fd, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.options.port))?;
        let mut stream = TcpStream::from(fd);
        stream.set_nodelay(true)?;
        self.options.speech.greet(&mut stream, number)?;
        stream.set_nonblocking(true)?;
        let data = EventData::new_u64(number as u64);
        epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
        Ok(stream)
    }
}

impl Connection {
    fn send(&mut self, options: &Options) -> Result<(), Fault> {
        self.request.clear();
        self.answer.clear();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        for later in 0..options.depth {
            let now = now + Duration::from_nanos(later as u64);
            options.speech.add_request(self.number, now, &mut self.request)?;
        }
        let written = self.stream.write(&self.request)?;
        if written < self.request.len() {
            return Err("the server does not read: a write was short".into());
        }
        Ok(())
    }

    /// Takes what came; true when all answers are whole.
    fn receive(
        &mut self,
        options: &Options,
        input: &mut [u8],
        tally: &mut Tally,
    ) -> Result<bool, Fault> {
        let count = match self.stream.read(input) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.answer.extend_from_slice(&input[..count]);
        let wrong = options.speech.wrong_answers(&self.request, &self.answer, options.depth);
        let Some(wrong) = wrong else { return Ok(false) };
        if wrong > 0 && tally.errors == 0 {
            eprintln!("load: a wrong answer: {}", String::from_utf8_lossy(&self.answer));
        }
        tally.errors += wrong as u64;
        tally.requests += options.depth as u64;
        tally.micros.push(self.sent.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
        Ok(true)
    }
}

fn report(seconds: f64, mut tally: Tally) {
    tally.micros.sort_unstable();
    let requests = tally.requests;
    let at = |percent: usize| {
        let rank = tally.micros.len().saturating_sub(1) * percent / 100;
        tally.micros.get(rank).copied().unwrap_or(0)
    };
    let rate = requests as f64 / seconds;
    println!(
        "{{\"requests\": {requests}, \"errors\": {}, \"seconds\": {seconds:.3}, \
         \"per_second\": {rate:.1}, \"p50_us\": {}, \"p99_us\": {}}}",
        tally.errors,
        at(50),
        at(99)
    );
}
