//! An echo server, Twisted's first example. `cargo run --example echo`, then `nc localhost 8000`.

use bellwether::base::InBuf;
use bellwether::reactor::{
    Ctx, ListenOptions, OsBackend, OsReactor, Outcome, Peer, Protocol, Settings,
};

struct Echo;

impl Protocol<()> for Echo {
    fn received(&mut self, cx: &mut Ctx<'_, ()>, (): &mut (), input: &mut InBuf) -> Outcome {
        cx.transport().write(input.take_all());
        Ok(())
    }
}

fn main() -> Outcome {
    let mut reactor = OsReactor::new(OsBackend::new()?, Settings::default())?;
    let endpoint = std::env::args().nth(1).unwrap_or("tcp:8000".into()).parse()?;
    reactor.with(&mut (), |cx, ()| {
        let echo = |_: &Peer, (): &mut ()| Box::new(Echo) as Box<dyn Protocol<()>>;
        cx.listen(&endpoint, ListenOptions::default(), echo)
    })?;
    reactor.stop_on_signals()?;
    Ok(reactor.run(&mut ())?)
}
