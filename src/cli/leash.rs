//! The tie between a supervisor and its processes: a pipe on each one's standard input, which the
//! supervisor holds open and never writes to. It ends when the supervisor asks, by closing it, or
//! when the supervisor is gone, however it went: so none of its processes can outlive it.

use signal_hook::consts::SIGTERM;
use std::io;
use std::thread;

/// The option of `serve` that puts a node on the leash, without its dashes.
pub(super) const OPTION: &str = "until-eof";
/// The same, as it is typed.
pub(super) const FLAG: &str = "--until-eof";

/// From now on the end of standard input is SIGTERM to this process; input itself is thrown away.
/// Call it after SIGTERM's handler is in place.
pub(super) fn hold() -> io::Result<()> {
    thread::Builder::new().name("leash".to_owned()).spawn(watch).map(drop)
}

fn watch() {
    // An input that cannot be read any more is at its end too.
    let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
    let raised = signal_hook::low_level::raise(SIGTERM);
    debug_assert!(raised.is_ok(), "SIGTERM can be raised");
}
