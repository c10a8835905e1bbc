//! What the load says in each protocol, and how it knows a right answer when it is whole.

use crate::Fault;
use memchr::memmem;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq)]
pub enum Protocol {
    /// The herd's line protocol: `IAMAT`, answered by `AT`.
    Line,
    /// HTTP: `GET`, answered by 200.
    Get,
    /// HTTP: `POST` of an update, answered by 201.
    Publish,
    /// Redis: `XADD` of an entry, answered by its id.
    Redis,
    /// NATS: a message to a `JetStream`, answered by its number there.
    Jetstream,
}

pub struct Speech {
    pub protocol: Protocol,
    pub path: String,
    /// Of a published body.
    pub bytes: usize,
}

impl Protocol {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "line" => Self::Line,
            "get" => Self::Get,
            "publish" => Self::Publish,
            "redis" => Self::Redis,
            "jetstream" => Self::Jetstream,
            _ => return None,
        })
    }
}

impl Speech {
    /// What comes before the first request, on a blocking stream.
    pub fn greet(&self, stream: &mut TcpStream, number: usize) -> Result<(), Fault> {
        match self.protocol {
            Protocol::Jetstream => {
                write!(
                    stream,
                    "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true}}\r\n\
                     SUB _INBOX.{number} 1\r\nPING\r\n"
                )?;
                await_text(stream, b"PONG\r\n")
            }
            _ => Ok(()),
        }
    }

    /// `now` is since 1970 and never the same twice for one `number`.
    pub fn add_request(&self, number: usize, now: Duration, to: &mut Vec<u8>) -> Result<(), Fault> {
        let (seconds, nanos) = (now.as_secs(), now.subsec_nanos());
        let Self { path, bytes, .. } = self;
        match self.protocol {
            Protocol::Line => {
                writeln!(to, "IAMAT load-{number} +34.068930-118.445127 {seconds}.{nanos:09}")?;
            }
            Protocol::Get => write!(to, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?,
            Protocol::Publish => {
                write!(
                    to,
                    "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
                     Content-Type: application/octet-stream\r\nContent-Length: {bytes}\r\n\r\n"
                )?;
                self.add_body(number, now, to)?;
            }
            Protocol::Redis => {
                write!(
                    to,
                    "*5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\nb\r\n${bytes}\r\n"
                )?;
                self.add_body(number, now, to)?;
                to.extend_from_slice(b"\r\n");
            }
            Protocol::Jetstream => {
                write!(to, "PUB bench _INBOX.{number} {bytes}\r\n")?;
                self.add_body(number, now, to)?;
                to.extend_from_slice(b"\r\n");
            }
        }
        Ok(())
    }

    fn add_body(&self, number: usize, now: Duration, to: &mut Vec<u8>) -> Result<(), Fault> {
        let end = to.len() + self.bytes;
        write!(to, "{number} {}.{:09} ", now.as_secs(), now.subsec_nanos())?;
        to.resize(end, b'x');
        Ok(())
    }

    /// How many answers are wrong; none while some are not whole.
    pub fn wrong_answers(&self, request: &[u8], answer: &[u8], depth: usize) -> Option<usize> {
        match self.protocol {
            Protocol::Line => wrong_lines(request, answer, depth),
            Protocol::Get => wrong_statuses(answer, b"HTTP/1.1 200 ", depth),
            Protocol::Publish => wrong_statuses(answer, b"HTTP/1.1 201 ", depth),
            // Each answer has two lines: a length and an id, a head and a body.
            Protocol::Redis => wrong_pairs(answer, b"$", depth),
            Protocol::Jetstream => wrong_pairs(answer, b"MSG _INBOX.", depth)
                .map(|wrong| wrong + memmem::find_iter(answer, b"\"error\"").count()),
        }
    }
}

fn await_text(stream: &mut TcpStream, text: &[u8]) -> Result<(), Fault> {
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    while memmem::find(&heard, text).is_none() {
        match stream.read(&mut piece)? {
            0 => return Err("the server closed a connection while it was greeted".into()),
            count => heard.extend_from_slice(&piece[..count]),
        }
    }
    Ok(())
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

/// How many pairs of lines begin otherwise; none while lines are missing. An error of one line is
/// wrong at once.
fn wrong_pairs(answer: &[u8], start: &[u8], depth: usize) -> Option<usize> {
    if answer.starts_with(b"-") {
        return Some(1);
    }
    if memchr::memchr_iter(b'\n', answer).count() < 2 * depth {
        return None;
    }
    let firsts = answer.split_inclusive(|&byte| byte == b'\n').step_by(2);
    Some(firsts.filter(|line| !line.starts_with(start)).count())
}

/// How many answers have another status; none while some are not whole.
fn wrong_statuses(mut answer: &[u8], status: &[u8], depth: usize) -> Option<usize> {
    let mut wrong = 0;
    for _ in 0..depth {
        let head_end = memmem::find(answer, b"\r\n\r\n")? + 4;
        let rest = answer.get(head_end + content_length(&answer[..head_end])..)?;
        wrong += usize::from(!answer.starts_with(status));
        answer = rest;
    }
    Some(wrong)
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    head.split(|&byte| byte == b'\n')
        .find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)))
        .and_then(|line| std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok())
        .unwrap_or(0)
}
