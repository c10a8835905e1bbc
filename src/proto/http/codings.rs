//! Content codings that a client takes (RFC 9110, 12.5.3).

use super::fields::{Fields, list_elements};
use super::negotiate::{QUALITY_MAX, first_of_best, quality_of};

/// A content coding that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// None: the bytes as they are.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    const ALL: [Self; 4] = [Self::Identity, Self::Gzip, Self::Brotli, Self::Zstd];

    /// Its name in fields.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    fn has_name(self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.name().as_bytes())
            || (self == Self::Gzip && name.eq_ignore_ascii_case(b"x-gzip"))
    }
}

/// How welcome each coding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptEncoding {
    /// In thousandths, in the order of `Coding::ALL`.
    qualities: [u16; 4],
}

impl Default for AcceptEncoding {
    /// What a client takes that says nothing.
    fn default() -> Self {
        Self { qualities: [QUALITY_MAX, 0, 0, 0] }
    }
}

impl AcceptEncoding {
    /// Reads all Accept-Encoding fields. Without any, only identity is taken to be welcome: the
    /// client may take others, but it did not say so.
    pub fn read(fields: &Fields<'_>) -> Self {
        let mut named = [None; 4];
        let mut any_other = None;
        for element in fields.all("accept-encoding").flat_map(list_elements) {
            let end = element.iter().position(|&byte| byte == b';').unwrap_or(element.len());
            let parameters = std::str::from_utf8(element.get(end + 1..).unwrap_or_default());
            let Some(quality) = parameters.ok().and_then(quality_of) else {
                continue;
            };
            let name = element[..end].trim_ascii_end();
            if name == b"*" {
                any_other = Some(quality);
            }
            for (slot, coding) in named.iter_mut().zip(Coding::ALL) {
                if coding.has_name(name) {
                    *slot = Some(quality);
                }
            }
        }
        let mut qualities = named.map(|quality| quality.or(any_other).unwrap_or(0));
        // Identity is welcome unless refused by name or by `*;q=0`, but less than what is named.
        if named[0].is_none() && any_other != Some(0) {
            qualities[0] =
                if qualities[1..].iter().any(|&quality| quality > 0) { 1 } else { QUALITY_MAX };
        }
        Self { qualities }
    }

    /// How welcome a coding is, in thousandths; 0: not at all.
    pub fn quality(&self, coding: Coding) -> u16 {
        let place = Coding::ALL.iter().position(|&other| other == coding);
        place.map_or(0, |place| self.qualities[place])
    }

    /// The most welcome of the offers, the first among equals; `None` when none is welcome.
    pub fn best(&self, offers: &[Coding]) -> Option<Coding> {
        first_of_best(offers.iter().map(|&offer| self.quality(offer))).map(|place| offers[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFERS: [Coding; 4] = [Coding::Zstd, Coding::Brotli, Coding::Gzip, Coding::Identity];

    fn best(value: &str) -> Option<Coding> {
        let block = format!("Accept-Encoding: {value}\r\n");
        AcceptEncoding::read(&Fields::new(block.as_bytes())).best(&OFFERS)
    }

    #[test]
    fn the_most_welcome_coding_is_chosen() {
        assert_eq!(best("gzip, deflate, br, zstd"), Some(Coding::Zstd));
        assert_eq!(best("gzip, deflate"), Some(Coding::Gzip));
        assert_eq!(best("X-GZIP"), Some(Coding::Gzip));
        assert_eq!(best("gzip;q=1.0, br;q=0.5"), Some(Coding::Gzip));
        assert_eq!(best("br;q=0.5, identity"), Some(Coding::Identity));
        assert_eq!(best("*"), Some(Coding::Zstd));
        assert_eq!(best("zstd;q=0, *"), Some(Coding::Brotli));
    }

    #[test]
    fn identity_is_what_remains_unless_it_is_refused() {
        assert_eq!(AcceptEncoding::read(&Fields::new(b"")).best(&OFFERS), Some(Coding::Identity));
        assert_eq!(best(""), Some(Coding::Identity));
        assert_eq!(best("deflate"), Some(Coding::Identity));
        assert_eq!(best("gzip;q=0"), Some(Coding::Identity));
        assert_eq!(best("gzip;q=x"), Some(Coding::Identity));
        assert_eq!(best("identity;q=0"), None);
        assert_eq!(best("*;q=0"), None);
        assert_eq!(best("gzip;q=0.2, *;q=0"), Some(Coding::Gzip));
    }
}
