//! The `bellwether` command: everything is in `bellwether::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bellwether::cli::main()
}
