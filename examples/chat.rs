//! A line chat for many users: names, time-outs, and what one says goes to all.
//! `cargo run --example chat`, then `nc localhost 8000` from several terminals.

use std::collections::BTreeMap;
use std::sync::Arc;

use bellwether::base::{Chunk, InBuf};
use bellwether::reactor::{
    Class, ConnId, Ctx, ListenOptions, Lost, OsBackend, OsReactor, Outcome, Peer, Protocol,
    Settings,
};

const LINE_BYTES_MAX: usize = 512;
const NAME_WITHIN_MS: u64 = 30_000;
const IDLE_MS: u64 = 600_000;

/// The one state of all connections: who is in the room.
#[derive(Default)]
struct Room {
    users: BTreeMap<ConnId, String>,
}

impl Room {
    /// One copy of the text, shared by all who hear it.
    fn say(&self, cx: &mut Ctx<'_, Room>, text: &str) {
        let chunk: Chunk = Arc::from(text.as_bytes());
        for id in self.users.keys() {
            cx.transport_of(*id).write_chunk(&chunk);
        }
    }
}

/// One user's connection. The name, once given, is in the room.
struct User;

impl User {
    fn line(cx: &mut Ctx<'_, Room>, room: &mut Room, line: &str) {
        let me = cx.id();
        match (room.users.get(&me), line.trim()) {
            (Some(name), text) => room.say(cx, &format!("{name}: {text}\n")),
            (None, "") => cx.transport().write(b"A name, please: "),
            (None, name) if room.users.values().any(|taken| taken == name) => {
                cx.transport().write(b"That one is here already. Another: ");
            }
            (None, name) => {
                room.say(cx, &format!("* {name} is here\n"));
                room.users.insert(me, name.into());
                let all: Vec<_> = room.users.values().map(String::as_str).collect();
                cx.transport().write(format!("In the room: {}\n", all.join(", ")).as_bytes());
                cx.transport().set_timeout(None);
                cx.transport().set_idle(Some(IDLE_MS));
            }
        }
    }
}

impl Protocol<Room> for User {
    fn made(&mut self, cx: &mut Ctx<'_, Room>, _: &mut Room) -> Outcome {
        cx.transport().write(b"Your name? ");
        cx.transport().set_timeout(Some(NAME_WITHIN_MS));
        Ok(())
    }

    fn received(&mut self, cx: &mut Ctx<'_, Room>, room: &mut Room, input: &mut InBuf) -> Outcome {
        while cx.more() {
            let Some(end) = input.data().iter().position(|byte| *byte == b'\n') else {
                let fits = input.len() <= LINE_BYTES_MAX;
                return if fits { Ok(()) } else { Err("the line is too long".into()) };
            };
            let line = String::from_utf8_lossy(input.take(end + 1)).into_owned();
            Self::line(cx, room, &line);
        }
        Ok(())
    }

    fn timeout(&mut self, cx: &mut Ctx<'_, Room>, _: &mut Room) -> Outcome {
        cx.transport().write(b"\nToo slow. Good bye!\n");
        cx.transport().close_for(Lost::Idle);
        Ok(())
    }

    fn lost(&mut self, cx: &mut Ctx<'_, Room>, room: &mut Room, reason: Lost) {
        if let Some(name) = room.users.remove(&cx.id()) {
            room.say(cx, &format!("* {name} left ({reason})\n"));
        }
    }
}

fn main() -> Outcome {
    let mut reactor = OsReactor::new(OsBackend::new()?, Settings::default())?;
    let endpoint = std::env::args().nth(1).unwrap_or("tcp:8000".into()).parse()?;
    let options = ListenOptions { class: Class::Subscriber, ..ListenOptions::default() };
    let user = |_: &Peer, _: &mut Room| Box::new(User) as Box<dyn Protocol<Room>>;
    reactor.with(&mut Room::default(), |cx, _| cx.listen(&endpoint, options, user))?;
    reactor.stop_on_signals()?;
    Ok(reactor.run(&mut Room::default())?)
}
