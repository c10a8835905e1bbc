//! The `bellwether` command: everything is in `bellwether::cli`.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// Gives back what is not used any more, unlike the C library's, which keeps what its threads'
/// heaps have once had.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    bellwether::cli::main()
}
