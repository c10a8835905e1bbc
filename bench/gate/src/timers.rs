//! Ten thousand timers of a loop without a node.

use bellwether::reactor::{Settings, SimBackend, SimFaults, SimReactor};
use std::hint::black_box;
use std::io;

const TIMERS: u64 = 10_000;
/// They are due at different times, in another order than they are made in.
const SPREAD_MS: u64 = 5_003;

/// Sets the timers, of which every tenth is taken back, and waits until the others have fired.
/// Returns how many were set.
pub(crate) fn run() -> io::Result<u64> {
    let backend = SimBackend::alone(1, SimFaults::none());
    let mut reactor = SimReactor::new(backend, Settings::default())?;
    let mut fired = 0;
    black_box(measured_timers(&mut reactor, &mut fired))?;
    assert_eq!(fired, TIMERS - TIMERS / 10, "each timer fires once, but for those taken back");
    Ok(TIMERS)
}

#[inline(never)]
fn measured_timers(reactor: &mut SimReactor<u64>, fired: &mut u64) -> io::Result<()> {
    reactor.with(fired, |cx, _| {
        for n in 0..TIMERS {
            let timer = cx.call_later(1 + n * 7_919 % SPREAD_MS, |_, fired| *fired += 1);
            if n % 10 == 0 {
                cx.cancel(timer);
            }
        }
        cx.call_later(SPREAD_MS + 1, |cx, _| cx.stop());
    });
    black_box(reactor.run(fired))
}
