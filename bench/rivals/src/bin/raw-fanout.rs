//! The least that can hand one update to many: a loop that writes the same bytes to each socket.
//! Whoever sends `R` and a line feed is a reader and gets that back; what anybody else sends goes
//! to all readers. A short write cuts a reader: each reads all of one update before the next.
//!
//! Usage: `raw-fanout PORT`, on 127.0.0.1.

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

const LISTENER: u64 = u64::MAX;
const READER: &[u8] = b"R\n";
/// Connections that wait to be accepted: as many as a load opens at once.
const BACKLOG: i32 = 4096;

struct Fanout {
    epoll: OwnedFd,
    /// Never reused: a run opens some ten thousands.
    streams: Vec<Option<TcpStream>>,
    readers: Vec<usize>,
    input: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("usage: raw-fanout PORT")?;
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    println!("ready raw-fanout");
    let (streams, readers) = (Vec::new(), Vec::new());
    let mut fanout = Fanout { epoll, streams, readers, input: vec![0; 65_536] };
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&fanout.epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                LISTENER => fanout.accept(&listener)?,
                index => fanout.receive(index as usize),
            }
        }
    }
}

impl Fanout {
    fn accept(&mut self, listener: &TcpListener) -> std::io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let data = EventData::new_u64(self.streams.len() as u64);
            epoll::add(&self.epoll, &stream, data, EventFlags::IN)?;
            self.streams.push(Some(stream));
        }
    }

    fn receive(&mut self, index: usize) {
        let Some(stream) = &mut self.streams[index] else { return };
        let count = match stream.read(&mut self.input) {
            Ok(0) => return self.close(index),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => return self.close(index),
        };
        if &self.input[..count] == READER {
            self.readers.push(index);
            self.write(index, count);
        } else {
            self.readers.retain(|&reader| self.streams[reader].is_some());
            for at in 0..self.readers.len() {
                self.write(self.readers[at], count);
            }
        }
    }

    /// The first bytes of the input, to that one.
    fn write(&mut self, index: usize, count: usize) {
        let Some(stream) = &mut self.streams[index] else { return };
        if !stream.write(&self.input[..count]).is_ok_and(|written| written == count) {
            self.close(index);
        }
    }

    fn close(&mut self, index: usize) {
        self.streams[index] = None;
    }
}
