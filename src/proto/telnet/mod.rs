//! Telnet, sans-I/O (RFC 854, 855): [`Telnet`] makes keys and signals out of a connection's bytes,
//! negotiates, and encodes text for the other end; [`Editor`] makes lines out of keys and draws
//! them with nothing but characters and backspaces, so that it works on any terminal.
//!
//! From the bottom up: `command` (the bytes' names), `decoder` (bytes → text, commands,
//! negotiations), `options` (RFC 1143's Q method), `charset` (RFC 2066, and characters ↔ bytes),
//! `keys` (characters → keys), `terminal` (all of it together), `screen` and `editor`.
//!
//! There are no wire errors: whatever comes means something, at worst nothing. What a peer can make
//! grow is bounded: a subnegotiation, an escape sequence, a line.

mod charset;
mod command;
mod decoder;
mod editor;
mod glyphs;
mod keys;
mod options;
mod screen;
mod terminal;
#[cfg(test)]
mod tests;

pub use charset::Charset;
pub use editor::{Edited, Editor, Look};
pub use glyphs::{safe, width, wrap};
pub use keys::Key;
pub use terminal::{Event, Telnet, Window};

#[cfg(test)]
pub(crate) use decoder::{Decoder, Wire};
