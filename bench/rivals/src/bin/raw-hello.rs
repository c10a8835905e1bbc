//! The least that can answer `/hello`: epoll, one read, find each blank line, one write. It parses
//! nothing and forgives nothing; what a real server adds is measured against it.
//!
//! Usage: `raw-hello PORT FILE`: answers each request on 127.0.0.1:PORT with the bytes of FILE.

use memchr::memmem::Finder;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

const LISTENER: u64 = u64::MAX;
const BLANK_LINE: &[u8] = b"\r\n\r\n";
/// Answers that one write may hold; more requests than that in one read take several.
const BATCH: usize = 256;

struct Connection {
    stream: TcpStream,
    /// The start of a request whose blank line has not come yet.
    partial: Vec<u8>,
}

struct Responder {
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    answer_bytes: usize,
    answers: Vec<u8>,
    blank_line: Finder<'static>,
    input: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(port), Some(file)) = (args.next(), args.next()) else {
        return Err("usage: raw-hello PORT FILE".into());
    };
    let answer = std::fs::read(file)?;
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    println!("ready raw-hello");
    let mut responder = Responder {
        epoll,
        connections: Vec::new(),
        free: Vec::new(),
        answer_bytes: answer.len(),
        answers: answer.repeat(BATCH),
        blank_line: Finder::new(BLANK_LINE),
        input: vec![0; 65_536],
    };
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&responder.epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                LISTENER => responder.accept(&listener)?,
                index => responder.answer(index as usize),
            }
        }
    }
}

impl Responder {
    fn accept(&mut self, listener: &TcpListener) -> std::io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.connections.len());
            let data = EventData::new_u64(index as u64);
            epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
            self.connections.resize_with(self.connections.len().max(index + 1), || None);
            self.connections[index] = Some(Connection { stream, partial: Vec::new() });
        }
    }

    fn answer(&mut self, index: usize) {
        if self.serve(index).is_none() {
            self.connections[index] = None;
            self.free.push(index);
        }
    }

    /// Answers what one read brings; `None` when the connection is over.
    fn serve(&mut self, index: usize) -> Option<()> {
        let connection = self.connections[index].as_mut()?;
        let count = match connection.stream.read(&mut self.input) {
            Ok(0) => return None,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Some(()),
            Err(_) => return None,
        };
        let fresh = &self.input[..count];
        let joined;
        let input = if connection.partial.is_empty() {
            fresh
        } else {
            connection.partial.extend_from_slice(fresh);
            joined = std::mem::take(&mut connection.partial);
            &joined
        };
        let (mut requests, mut end) = (0, 0);
        for at in self.blank_line.find_iter(input) {
            requests += 1;
            end = at + BLANK_LINE.len();
        }
        connection.partial.extend_from_slice(&input[end..]);
        while requests > 0 {
            let batch = requests.min(BATCH);
            let bytes = batch * self.answer_bytes;
            // A peer that reads its answers never makes this short; one that does not is cut.
            let written = connection.stream.write(&self.answers[..bytes]).ok()?;
            (written == bytes).then_some(())?;
            requests -= batch;
        }
        Some(())
    }
}
