//! Bodies in a content coding (RFC 9110, 8.4.1): gzip (RFC 1952), brotli (RFC 7932), Zstandard
//! (RFC 8878). One body and one coding always give the same bytes.

use super::codings::Coding;
use std::io::Write;

/// A shorter body is not worth it: it goes in one packet either way.
const BODY_BYTES_MIN: usize = 1_024;
/// A longer one would hold up the loop: the slowest coding takes some 10 ms for so much.
const BODY_BYTES_MAX: usize = 256 * 1024;
const GZIP_LEVEL: u32 = 5;
const BROTLI_QUALITY: i32 = 4;
/// Binary logarithm of brotli's window, in bytes: no body is longer, and it bounds its memory.
const BROTLI_WINDOW_BITS: i32 = 18;
const ZSTD_LEVEL: i32 = 3;

impl Coding {
    /// What we offer, the best first: brotli makes our texts smallest, and zstd costs least.
    pub const OFFERS: [Self; 4] = [Self::Brotli, Self::Zstd, Self::Gzip, Self::Identity];

    /// True for bodies that are worth a coding: text of a sensible length.
    pub fn is_worth(media_type: &str, bytes: usize) -> bool {
        let essence = media_type.split(';').next().unwrap_or_default().trim_ascii();
        let essence = essence.to_ascii_lowercase();
        let is_text = essence.starts_with("text/")
            || ["json", "xml", "javascript"].iter().any(|kind| essence.ends_with(kind));
        is_text && (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&bytes)
    }

    /// The body in this coding; `None` when that is not shorter.
    pub fn encode(self, body: &[u8]) -> Option<Vec<u8>> {
        let encoded = match self {
            Self::Identity => None,
            Self::Gzip => gzip(body).ok(),
            Self::Brotli => brotli(body).ok(),
            Self::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL).ok(),
        };
        encoded.filter(|encoded| encoded.len() < body.len())
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let level = flate2::Compression::new(GZIP_LEVEL);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(body)?;
    encoder.finish()
}

fn brotli(mut body: &[u8]) -> std::io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: BROTLI_WINDOW_BITS,
        size_hint: body.len(),
        ..Default::default()
    };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut body, &mut out, &params)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn decoded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Identity => out.extend_from_slice(bytes),
            Coding::Gzip => {
                flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
            }
            Coding::Brotli => {
                brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out).unwrap();
            }
            Coding::Zstd => out = zstd::stream::decode_all(bytes).unwrap(),
        }
        out
    }

    #[test]
    fn an_encoded_body_is_shorter_and_comes_back_the_same() {
        let long = "So it goes. ".repeat(20_000);
        for text in [&long[..1_500], &long[..]] {
            for coding in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
                let encoded = coding.encode(text.as_bytes()).unwrap();
                assert!(encoded.len() < text.len() / 4, "{coding:?}: {} bytes", encoded.len());
                assert_eq!(decoded(coding, &encoded), text.as_bytes());
                assert_eq!(coding.encode(text.as_bytes()).unwrap(), encoded, "{coding:?}");
            }
        }
        assert_eq!(Coding::Identity.encode(long.as_bytes()), None);
    }

    #[test]
    fn what_would_not_be_shorter_stays_unencoded() {
        let mut noise = Vec::new();
        while noise.len() < 2_000 {
            noise.extend_from_slice(blake3::hash(&noise).as_bytes());
        }
        for coding in Coding::OFFERS {
            assert_eq!(coding.encode(&noise), None, "{coding:?}");
            assert_eq!(coding.encode(b""), None, "{coding:?}");
        }
    }

    #[test]
    fn text_of_a_sensible_length_is_worth_a_coding() {
        for (media_type, bytes, is_worth) in [
            ("application/json", 1_024, true),
            ("application/json", 1_023, false),
            ("text/html; charset=utf-8", 5_000, true),
            ("Text/Plain", 256 * 1024, true),
            ("text/plain", 256 * 1024 + 1, false),
            ("application/problem+json", 2_000, true),
            ("image/svg+xml", 2_000, true),
            ("image/png", 2_000, false),
            ("", 2_000, false),
        ] {
            assert_eq!(Coding::is_worth(media_type, bytes), is_worth, "{media_type} of {bytes}");
        }
    }
}
