//! A closed-loop load generator: each of N connections sends D requests in one write (1 unless
//! told), waits for their answers, checks them, and sends the next. One thread, epoll.
//!
//! Usage: `load line|publish PORT [--connections N] [--depth D] [--seconds S] [--path P]
//! [--bytes B]`; prints one line of JSON: requests, errors, seconds, `per_second`, and of the D
//! together `p50_us`, `p99_us`.

use lexopt::prelude::*;
use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Fault = Box<dyn Error>;

#[derive(Clone, Copy)]
enum Mode {
    Line,
    Publish,
}

struct Options {
    mode: Mode,
    port: u16,
    connections: usize,
    depth: usize,
    seconds: f64,
    path: String,
    bytes: usize,
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

fn main() -> Result<(), Fault> {
    let options = options()?;
    let mut connections = Vec::with_capacity(options.connections);
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for number in 0..options.connections {
        let stream = TcpStream::connect(("127.0.0.1", options.port))?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        epoll::add(&epoll, &stream, EventData::new_u64(number as u64), EventFlags::IN)?;
        let (request, answer) = (Vec::new(), Vec::new());
        connections.push(Connection { stream, number, request, answer, sent: Instant::now() });
    }
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(options.seconds);
    for connection in &mut connections {
        connection.send(&options)?;
    }
    let mut tally = Tally::default();
    let mut events = Vec::with_capacity(1024);
    let tick = Duration::from_millis(50).try_into()?;
    while Instant::now() < end {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&tick))?;
        for event in &events {
            let connection = &mut connections[event.data.u64() as usize];
            if connection.receive(&options, &mut tally)? {
                connection.send(&options)?;
            }
        }
    }
    report(start.elapsed().as_secs_f64(), tally);
    Ok(())
}

fn options() -> Result<Options, Fault> {
    let mut options = Options {
        mode: Mode::Line,
        port: 0,
        connections: 1,
        depth: 1,
        seconds: 1.0,
        path: "/v1/topics/bench".into(),
        bytes: 1000,
    };
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("connections") => options.connections = parser.value()?.parse()?,
            Long("depth") => options.depth = parser.value()?.parse()?,
            Long("seconds") => options.seconds = parser.value()?.parse()?,
            Long("path") => options.path = parser.value()?.string()?,
            Long("bytes") => options.bytes = parser.value()?.parse()?,
            Value(word) => words.push(word.string()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    let [mode, port] = words.as_slice() else { return Err("usage: load line|publish PORT".into()) };
    options.mode = match mode.as_str() {
        "line" => Mode::Line,
        "publish" => Mode::Publish,
        _ => return Err("the mode is line or publish".into()),
    };
    options.port = port.parse()?;
    Ok(options)
}

impl Connection {
    fn send(&mut self, options: &Options) -> Result<(), Fault> {
        self.request.clear();
        self.answer.clear();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        for later in 0..options.depth {
            self.add_request(options, now + Duration::from_nanos(later as u64))?;
        }
        self.sent = Instant::now();
        let written = self.stream.write(&self.request)?;
        if written < self.request.len() {
            return Err("the server does not read: a write was short".into());
        }
        Ok(())
    }

    fn add_request(&mut self, options: &Options, now: Duration) -> Result<(), Fault> {
        let (seconds, nanos, number) = (now.as_secs(), now.subsec_nanos(), self.number);
        match options.mode {
            Mode::Line => writeln!(
                self.request,
                "IAMAT load-{number} +34.068930-118.445127 {seconds}.{nanos:09}"
            )?,
            Mode::Publish => {
                let (path, bytes) = (&options.path, options.bytes);
                write!(
                    self.request,
                    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                     Content-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n\r\n"
                )?;
                let end = self.request.len() + bytes;
                write!(self.request, "{number} {seconds}.{nanos:09} ")?;
                self.request.resize(end, b'x');
            }
        }
        Ok(())
    }

    /// Takes what came; true when all answers are whole.
    fn receive(&mut self, options: &Options, tally: &mut Tally) -> Result<bool, Fault> {
        let mut chunk = [0; 16_384];
        let count = match self.stream.read(&mut chunk) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.answer.extend_from_slice(&chunk[..count]);
        let wrong = match options.mode {
            Mode::Line => wrong_lines(&self.request, &self.answer, options.depth),
            Mode::Publish => wrong_publishes(&self.answer, options.depth),
        };
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

/// How many answers are not `AT … ` and what was asked; none while lines are missing.
fn wrong_lines(request: &[u8], answer: &[u8], depth: usize) -> Option<usize> {
    if memchr::memchr_iter(b'\n', answer).count() < depth {
        return None;
    }
    let asked = request.split_inclusive(|&byte| byte == b'\n');
    let answers = answer.split_inclusive(|&byte| byte == b'\n');
    let is_wrong = |(asked, answer): &(&[u8], &[u8])| {
        let told = asked.strip_prefix(b"IAMAT").unwrap_or_default();
        !answer.starts_with(b"AT ") || !answer.ends_with(told)
    };
    Some(asked.zip(answers).filter(is_wrong).count())
}

/// How many answers are not a 201; none while some are not whole.
fn wrong_publishes(mut answer: &[u8], depth: usize) -> Option<usize> {
    let mut wrong = 0;
    for _ in 0..depth {
        let head_end = memmem::find(answer, b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&answer[..head_end]).to_ascii_lowercase();
        let body: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        let rest = answer.get(head_end + body..)?;
        wrong += usize::from(!answer.starts_with(b"HTTP/1.1 201"));
        answer = rest;
    }
    Some(wrong)
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
