//! The line protocol of the CS 131 herds: IAMAT, WHATSAT, AT; and AUTH,
//! which is our own.
//!
//! Owns the framing of lines, the grammar of commands, exact times and positions, and the forms of
//! the answers. Never knows what the herd holds, what time it is or when to close.

mod codec;
mod command;
mod decimal;
mod latlon;
#[cfg(test)]
mod tests;

pub use codec::{Line, LineCodec, QUOTE_BYTES_MAX};
pub use command::{Command, Radius, Report, put_at, put_auth, put_bad, put_places};
pub use decimal::{Decimal, Skew};
pub use latlon::Latlon;
