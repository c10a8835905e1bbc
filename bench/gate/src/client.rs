//! Clients in a closed loop: each asks, waits for the answers, asks again. They read no more of an
//! answer than they must to see that it is right and where it ends.

use bellwether::base::{ClientEndpoint, InBuf};
use bellwether::reactor::{
    ConnectError, ConnectOptions, Ctx, Factory, Outcome, Peer, Protocol, Settings, SimLoop,
    SimWorld,
};
use std::io;
use std::net::IpAddr;

/// How the ends of answers are found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// HTTP with a length.
    Http,
    /// Lines of the line protocol.
    Line,
    /// Server-sent events; asked for once.
    Events,
}

/// What all clients of one kind say, and where.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    pub(crate) speech: Speech,
    pub(crate) connections: usize,
    /// Requests sent at once, before their answers are waited for.
    pub(crate) depth: usize,
    pub(crate) port: u16,
    /// The request of this number.
    pub(crate) request: fn(u64) -> Vec<u8>,
}

/// The state of the clients' loop: by script how many requests were sent and how many answers came.
#[derive(Default)]
pub(crate) struct Load {
    sent: Vec<u64>,
    pub(crate) answered: Vec<u64>,
}

/// Starts the clients of some scripts, against a host.
pub(crate) fn start(
    net: &SimWorld,
    server: IpAddr,
    scripts: &[Script],
) -> io::Result<SimLoop<Load>> {
    let load = Load { sent: vec![0; scripts.len()], answered: vec![0; scripts.len()] };
    let mut clients = SimLoop::new(net, "clients", Settings::default(), load)?;
    clients.with(|cx, _| {
        for (number, script) in scripts.iter().enumerate() {
            let endpoint = ClientEndpoint::Tcp {
                host: server.to_string(),
                port: script.port,
                timeout_ms: None,
            };
            for _ in 0..script.connections {
                cx.connect(&endpoint, ConnectOptions::default(), Dial { script: *script, number });
            }
        }
    });
    Ok(clients)
}

struct Dial {
    script: Script,
    number: usize,
}

impl Factory<Load> for Dial {
    fn build(&mut self, _: &Peer, _: &mut Load) -> Option<Box<dyn Protocol<Load>>> {
        Some(Box::new(Client { script: self.script, number: self.number, owed: 0 }))
    }

    fn failed(&mut self, _: &mut Ctx<'_, Load>, _: &mut Load, why: ConnectError) {
        panic!("a client finds no server: {why}");
    }
}

struct Client {
    script: Script,
    number: usize,
    /// Answers that are still to come.
    owed: usize,
}

impl Client {
    fn ask(&mut self, cx: &mut Ctx<'_, Load>, load: &mut Load) {
        for _ in 0..self.script.depth {
            let n = &mut load.sent[self.number];
            cx.transport().write(&(self.script.request)(*n));
            *n += 1;
        }
        self.owed = self.script.depth;
    }
}

impl Protocol<Load> for Client {
    fn made(&mut self, cx: &mut Ctx<'_, Load>, load: &mut Load) -> Outcome {
        self.ask(cx, load);
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, Load>, load: &mut Load, input: &mut InBuf) -> Outcome {
        while let Some(end) = end_of_answer(self.script.speech, input.data()) {
            input.consume(end);
            load.answered[self.number] += 1;
            self.owed = self.owed.saturating_sub(1);
        }
        if self.owed == 0 && self.script.speech != Speech::Events {
            self.ask(cx, load);
        }
        Ok(())
    }
}

/// Where the first answer ends, if it is whole. Panics at one that is wrong.
fn end_of_answer(speech: Speech, bytes: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(bytes).expect("all answers are text");
    match speech {
        Speech::Line => {
            let end = text.find('\n')? + 1;
            assert!(text.starts_with("AT "), "a report is taken: {text}");
            Some(end)
        }
        Speech::Http => {
            let head = text.find("\r\n\r\n")? + 4;
            assert!(text.starts_with("HTTP/1.1 20"), "a request is met: {text}");
            let length = text[..head].split_once("Content-Length: ").expect("a length").1;
            let length: usize = length.split('\r').next()?.parse().expect("a number");
            (text.len() >= head + length).then_some(head + length)
        }
        Speech::Events => {
            // The head, the comments and the chunks' frames count with the event that they precede.
            let at = text.find("event: update")?;
            Some(at + text[at..].find("\n\n")? + 2)
        }
    }
}
