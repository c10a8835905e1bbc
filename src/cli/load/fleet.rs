//! The threads of a run, each with a loop of its own, and the line that shows how far they are.

use super::super::failure::Failure;
use super::crew::{Crew, Shared};
use super::plan::{PUBLISHERS, Plan};
use super::stream::Deliveries;
use super::tally::Tally;
use crate::base::ClientEndpoint;
use crate::reactor::{Ground, OsBackend, Reactor, Settings, descriptors_max};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// The system sleeps for whole milliseconds and wakes up to one late; so far before a start the
/// loop turns instead.
const SPIN_NS: u64 = 2_000_000;
/// Descriptors beside connections: standard streams, polls, wakers.
const DESCRIPTORS_APART: usize = 64;
/// Until an address of the host is taken for dead.
const LOOK_TIME: Duration = Duration::from_secs(3);
/// Between two looks at the counters.
const SHOW_EVERY: Duration = Duration::from_millis(200);
/// An answer's head, a line of places, or as much of a stream as is taken at once.
const INPUT_BYTES_MAX: usize = 1 << 20;
/// A batch of requests is written at once, however large.
const OUT_BYTES_MAX: usize = 1 << 40;

/// What a run found.
pub(super) struct Found {
    pub(super) tally: Tally,
    pub(super) deliveries: Deliveries,
}

/// The loop's limits, for a client of a server that it trusts.
pub(super) fn settings() -> Settings {
    Settings {
        input_bytes_max: INPUT_BYTES_MAX,
        peer_out_bytes_max: OUT_BYTES_MAX,
        events_per_turn: u32::MAX,
        pool_threads: 1,
        slow_turn_ms: 0,
        ..Settings::default()
    }
}

/// Looks up the host's name, once for all connections, and of several addresses takes the first
/// that answers.
pub(super) fn look_up(plan: &mut Plan) -> Result<(), Failure> {
    let ClientEndpoint::Tcp { host, port, .. } = &mut plan.endpoint else { return Ok(()) };
    if host.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let found = (host.as_str(), *port).to_socket_addrs();
    let found = found.map_err(|error| Failure::failed(format!("cannot find {host}: {error}")))?;
    let found: Vec<SocketAddr> = found.collect();
    let answers = |addr: &&SocketAddr| TcpStream::connect_timeout(addr, LOOK_TIME).is_ok();
    let Some(addr) = found.iter().find(answers) else {
        let what = format!("cannot connect to {}: no address of {host} answers", plan.url);
        return Err(Failure::failed(what));
    };
    *host = addr.ip().to_string();
    Ok(())
}

/// Runs the load to its end.
pub(super) fn run(plan: &Arc<Plan>) -> Result<Found, Failure> {
    let (needed, most) = (plan.connections + plan.threads * DESCRIPTORS_APART, descriptors_max());
    if needed + PUBLISHERS > most {
        let what = format!("{needed} open files are needed and {most} allowed: raise ulimit -n");
        return Err(Failure::failed(what));
    }
    let shared = Arc::new(Shared::default());
    let (ended, ends) = channel();
    let epoch = Instant::now();
    for number in 0..plan.threads {
        let (plan, shared, ended) = (Arc::clone(plan), Arc::clone(&shared), ended.clone());
        let body = move || {
            let found = live(&plan, &shared, number, epoch);
            if let Err(error) = &found {
                shared.fail(format!("the loop failed: {error}"));
            }
            // Without a receiver the run is given up already.
            let _ = ended.send(found);
        };
        let started = thread::Builder::new().name(format!("load-{number}")).spawn(body);
        started.map_err(|error| Failure::failed(format!("can't start a thread: {error}")))?;
    }
    drop(ended);
    let found = gather(plan, &shared, &ends);
    match shared.failure() {
        Some(why) => Err(Failure::failed(why)),
        None => Ok(found),
    }
}

/// Shows how far the threads are until all have ended, and adds up what they found.
fn gather(plan: &Plan, shared: &Shared, ends: &mpsc::Receiver<io::Result<Found>>) -> Found {
    let mut sum = Found { tally: Tally::new(plan.slice_ns()), deliveries: Deliveries::default() };
    let bar = io::stderr().is_terminal().then(|| bar(plan));
    loop {
        match ends.recv_timeout(SHOW_EVERY) {
            Ok(Ok(found)) => {
                sum.tally.merge(&found.tally);
                sum.deliveries.merge(found.deliveries);
            }
            // What went wrong is in `shared`.
            Ok(Err(_)) => {}
            Err(RecvTimeoutError::Timeout) => {
                if let Some(bar) = &bar {
                    show(bar, shared);
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    sum
}

fn bar(plan: &Plan) -> ProgressBar {
    let bar = ProgressBar::new(plan.warmup_ms + plan.duration_ms);
    let style = ProgressStyle::with_template("{wide_bar} {elapsed} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn show(bar: &ProgressBar, shared: &Shared) {
    let up = shared.up.load(Ordering::Relaxed);
    let good = shared.good.load(Ordering::Relaxed);
    let troubles = shared.troubles.load(Ordering::Relaxed);
    bar.set_position((bar.elapsed().as_millis() as u64).min(bar.length().unwrap_or(0)));
    bar.set_message(format!("{up} connections, {good} answers, {troubles} errors"));
}

/// The life of one thread.
fn live(
    plan: &Arc<Plan>,
    shared: &Arc<Shared>,
    number: usize,
    epoch: Instant,
) -> io::Result<Found> {
    let backend = OsBackend::new()?;
    let ahead_ns = (epoch.elapsed().as_nanos() as u64).saturating_sub(backend.now_ns());
    let mut reactor = Reactor::new(backend, settings())?;
    let mut crew = Crew::new(plan, shared, number, ahead_ns, SPIN_NS);
    reactor.with(&mut crew, |cx, crew| crew.begin(cx));
    while !crew.is_over() && reactor.turn(&mut crew)? {
        if reactor.stats().panics > 0 {
            return Err(io::Error::other("it panicked, which is a bug of load"));
        }
    }
    let Crew { tally, deliveries, .. } = crew;
    Ok(Found { tally, deliveries })
}
