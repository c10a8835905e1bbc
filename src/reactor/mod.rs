//! Layer 2: the loop. Twisted's reactor in Rust: one thread, one loop, protocols that are called
//! when something happened. It owns sockets, listeners, connectors, timers, the pool of threads
//! and signals; it knows no protocol.
//!
//! Write a [`Protocol`] and a [`Factory`], set a [`Reactor`] up with [`Reactor::with`], and run it:
//! over [`OsBackend`] on real sockets, or over [`SimBackend`] in virtual time. All state that
//! connections share is one value `S`, handed to every call as `&mut S`.
//!
//! ```
//! use bellwether::base::InBuf;
//! use bellwether::reactor::*;
//!
//! /// Hears one line, says it back in capitals, and hangs up. The state is what was heard.
//! struct Shouter;
//!
//! impl Protocol<Vec<String>> for Shouter {
//!     fn received(
//!         &mut self,
//!         cx: &mut Ctx<'_, Vec<String>>,
//!         heard: &mut Vec<String>,
//!         input: &mut InBuf,
//!     ) -> Outcome {
//!         if !input.data().ends_with(b"\n") {
//!             return Ok(()); // The rest will come; what is here stays.
//!         }
//!         let line = String::from_utf8(input.take_all().to_vec())?;
//!         cx.transport().write(line.to_uppercase().as_bytes());
//!         cx.transport().close();
//!         heard.push(line);
//!         cx.stop();
//!         Ok(())
//!     }
//! }
//!
//! struct Caller;
//!
//! impl Protocol<Vec<String>> for Caller {
//!     fn made(&mut self, cx: &mut Ctx<'_, Vec<String>>, _: &mut Vec<String>) -> Outcome {
//!         cx.transport().write(b"hello\n");
//!         Ok(())
//!     }
//!
//!     fn received(
//!         &mut self,
//!         _: &mut Ctx<'_, Vec<String>>,
//!         heard: &mut Vec<String>,
//!         input: &mut InBuf,
//!     ) -> Outcome {
//!         heard.push(String::from_utf8(input.take_all().to_vec())?);
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Outcome {
//! // The same lines with `OsBackend::new()?` run on real sockets.
//! let backend = SimBackend::alone(1, SimFaults::none());
//! let mut reactor = Reactor::new(backend, Settings::default())?;
//! let mut heard = Vec::new();
//! reactor.with(&mut heard, |cx, _| {
//!     let shouter = |_: &Peer, _: &mut Vec<String>| Box::new(Shouter) as Box<dyn Protocol<_>>;
//!     cx.listen(&"tcp:8000".parse()?, ListenOptions::default(), shouter)?;
//!     let caller = |_: &Peer, _: &mut Vec<String>| Box::new(Caller) as Box<dyn Protocol<_>>;
//!     cx.connect(&"tcp:localhost:8000".parse()?, ConnectOptions::default(), caller);
//!     Outcome::Ok(())
//! })?;
//! reactor.run(&mut heard)?;
//! assert_eq!(heard[0], "hello\n");
//! # Ok(())
//! # }
//! ```

mod accept;
mod backend;
mod board;
mod certified;
mod conn;
mod core;
mod ctx;
mod dial;
mod feed;
mod flush;
mod handed;
mod ids;
mod leave;
mod os;
mod pool;
mod process;
mod protocol;
mod proxied;
mod reap;
mod secure;
mod settings;
mod shake;
mod share;
mod sim;
mod slow;
mod stats;
mod supervisor;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod turn;

pub use self::backend::{
    AcceptError, Backend, Close, Event, Ground, PoolMode, Readiness, Resolve, Signal, Target, Wake,
};
pub use self::certified::{Authorities, CertificateFault, Certificates};
pub use self::ctx::Ctx;
pub use self::handed::Retired;
pub use self::ids::{ConnId, ListenerId, TimerId};
pub use self::os::{OsBackend, OsReactor, OsSocket, descriptors_max};
pub use self::pool::{Finish, Job, PoolFull, Remote};
pub use self::process::{ProcessFigures, process_figures};
pub use self::protocol::{Class, ConnectError, Factory, Fault, Lost, Outcome, Peer, Protocol};
pub use self::secure::{TlsClient, TlsServer};
pub use self::settings::{ConnectOptions, ListenOptions, Settings};
pub use self::sim::{
    SimBackend, SimFaults, SimLoop, SimNode, SimReactor, SimSocket, SimWay, SimWorld,
};
pub use self::slow::SlowTurn;
pub use self::stats::LoopStats;
pub use self::supervisor::{ask_supervisor_for, has_supervisor, tell_supervisor, watchdog};
pub use self::transport::Transport;
pub use self::turn::Reactor;
