//! The chunked transfer coding (RFC 9112, 7.1), read strictly. Extensions are bounded and skipped,
//! the trailer section is bounded, checked and dropped.

use super::body::Step;
use super::error::{Fault, HttpErrorKind};
use super::fields::is_value_byte;
use super::head::{FIELDS_HARD_MAX, fields_fault, place_of};
use super::request::HttpLimits;
use super::scan::{Scan, ScanLimits};
use crate::base::InBuf;
use httparse::Header;

const SIZE_DIGITS_MAX: u8 = 16;

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// In a chunk's size, so many digits of it read.
    #[default]
    Size,
    /// In the extensions behind the size.
    Extension,
    /// LF must end the size line.
    SizeLf,
    /// In the data.
    Data,
    /// CR must follow the data.
    DataCr,
    /// LF must follow that CR.
    DataLf,
    /// In the trailer section.
    Trailer,
    /// All read.
    Done,
}

/// Follows the chunks of one body.
#[derive(Clone, Debug, Default)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// The size so far; then the bytes of data left.
    left: u64,
    digits: u8,
    extension_bytes: usize,
    trailer: Scan,
}

impl ChunkedDecoder {
    /// See [`super::body::BodyDecoder::step`].
    pub(super) fn step(
        &mut self,
        input: &mut InBuf,
        offset: &mut u64,
        limits: &HttpLimits,
    ) -> Result<Step, Fault> {
        let mut read = 0;
        let outcome = self.framing(input.data(), &mut read, limits);
        input.consume(read);
        *offset += read as u64;
        outcome?;
        match self.state {
            State::Data if !input.is_empty() => {
                let len = input.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= len as u64;
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                Ok(Step::Data(len))
            }
            State::Done => Ok(Step::End),
            _ => Ok(Step::Wait),
        }
    }

    /// Reads what is not data, byte by byte, up to data or the end.
    fn framing(
        &mut self,
        bytes: &[u8],
        read: &mut usize,
        limits: &HttpLimits,
    ) -> Result<(), Fault> {
        while let Some(&byte) = bytes.get(*read) {
            let next = match self.state {
                State::Data | State::Done => return Ok(()),
                State::Trailer => return self.trailer(bytes, read, limits),
                State::Size => self.on_size(byte),
                State::Extension => self.on_extension(byte, limits),
                State::SizeLf => self.on_size_end(byte),
                State::DataCr if byte == b'\r' => Ok(State::DataLf),
                State::DataLf if byte == b'\n' => Ok(State::Size),
                State::DataCr | State::DataLf => Err(HttpErrorKind::ChunkEnd),
            };
            self.state = next.map_err(|kind| Fault::new(kind, 0))?;
            *read += 1;
        }
        Ok(())
    }

    fn on_size(&mut self, byte: u8) -> Result<State, HttpErrorKind> {
        let Some(digit) = char::from(byte).to_digit(16) else {
            return match byte {
                b'\r' if self.digits > 0 => Ok(State::SizeLf),
                b';' if self.digits > 0 => Ok(State::Extension),
                b'\n' if self.digits > 0 => Err(HttpErrorKind::BareLf),
                _ => Err(HttpErrorKind::ChunkSize),
            };
        };
        if self.digits == SIZE_DIGITS_MAX {
            return Err(HttpErrorKind::ChunkSize);
        }
        self.digits += 1;
        self.left = self.left << 4 | u64::from(digit);
        if i64::try_from(self.left).is_err() {
            return Err(HttpErrorKind::ChunkSizeOverflow);
        }
        Ok(State::Size)
    }

    fn on_extension(&mut self, byte: u8, limits: &HttpLimits) -> Result<State, HttpErrorKind> {
        match byte {
            b'\r' => return Ok(State::SizeLf),
            b'\n' => return Err(HttpErrorKind::BareLf),
            _ if !is_value_byte(byte) => return Err(HttpErrorKind::ChunkExtension),
            _ => {}
        }
        self.extension_bytes += 1;
        if self.extension_bytes > limits.chunk_extension_bytes_max {
            return Err(HttpErrorKind::ChunkExtensionsTooLong);
        }
        Ok(State::Extension)
    }

    fn on_size_end(&mut self, byte: u8) -> Result<State, HttpErrorKind> {
        if byte != b'\n' {
            return Err(HttpErrorKind::BareCr);
        }
        self.digits = 0;
        Ok(if self.left == 0 { State::Trailer } else { State::Data })
    }

    /// The section stays in the input until its end has come.
    fn trailer(
        &mut self,
        bytes: &[u8],
        read: &mut usize,
        limits: &HttpLimits,
    ) -> Result<(), Fault> {
        let bytes = &bytes[*read..];
        let scan_limits = ScanLimits::plain(
            limits.trailer_bytes_max,
            limits.fields_max.min(FIELDS_HARD_MAX),
            HttpErrorKind::TrailerTooLarge,
        );
        if let Some(section) = self.trailer.on_bytes(bytes, &scan_limits)? {
            if section.len > 2 {
                check_trailer(&bytes[..section.len])?;
            }
            *read += section.len;
            self.state = State::Done;
        }
        Ok(())
    }
}

fn check_trailer(bytes: &[u8]) -> Result<(), Fault> {
    const FRAMING: [&str; 4] = ["content-length", "transfer-encoding", "host", "trailer"];
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_HARD_MAX];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(bytes, &mut fields)
    else {
        return Err(fields_fault(bytes, 0));
    };
    let frames =
        |field: &&Header<'_>| FRAMING.iter().any(|name| field.name.eq_ignore_ascii_case(name));
    fields.iter().find(frames).map_or(Ok(()), |field| {
        Err(Fault::new(HttpErrorKind::TrailerField, place_of(bytes, field)))
    })
}
