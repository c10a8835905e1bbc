//! What a piece of work costs the node, for callgrind to count: `gate CASE FOLDER`. Real nodes run
//! in virtual time, loaded by simulated clients; keys, seeds, times and inputs are fixed. Counted
//! are only the turns of the node under test (`measured_turn`, by callgrind's `--toggle-collect`),
//! and of these only those of one period of checkpoints, once all is warm. Printed is how many
//! pieces of work were done meanwhile. See `bench/README.md`.

mod cases;
mod client;
mod timers;
mod world;

use std::io::{self, Write};
use std::path::Path;

use tikv_jemallocator::Jemalloc;

/// The shipped program's.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let mut out = io::stdout();
    match &words[..] {
        [] => cases::NAMES.iter().try_for_each(|name| writeln!(out, "{name}")),
        [name, folder] => {
            let done = cases::run(name, Path::new(folder))?;
            writeln!(out, "{done}")
        }
        _ => {
            Err(io::Error::other("usage: gate CASE FOLDER; without words: the names of the cases"))
        }
    }
}
