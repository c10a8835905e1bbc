//! The first bytes of connections: what a proxy says of them, and what they are a sign of.

use super::cut::however_cut;
use bellwether::proto::proxy::{self, Header, ProxyError, Told};
use bellwether::proto::sniff::{self, SNIFF_BYTES_MAX, Verdict};
use std::net::SocketAddr;

/// What is said first of pieces that come one after another.
fn first<T>(pieces: &[&[u8]], said: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    let mut all = Vec::new();
    pieces.iter().find_map(|piece| {
        all.extend_from_slice(piece);
        said(&all)
    })
}

/// What a proxy says.
pub(crate) fn proxy(bytes: &[u8]) {
    for bytes_max in [232, 536] {
        let said = |data: &[u8]| proxy::read(data, bytes_max).transpose();
        let header = however_cut(bytes, |pieces| first(pieces, said));
        match header {
            Some(Ok(Header { told, bytes: length })) => {
                assert!((15..=bytes_max).contains(&length) && length <= bytes.len());
                if let Told::Tcp(addr) = told {
                    tell_again(addr);
                }
            }
            Some(Err(ProxyError { offset, .. })) => assert!(offset <= bytes.len()),
            None => assert!(bytes.len() < bytes_max),
        }
    }
}

fn tell_again(addr: SocketAddr) {
    let (ip, port) = (addr.ip(), addr.port());
    let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
    let line = format!("PROXY {family} {ip} {ip} {port} 0\r\n");
    let told = Told::Tcp(SocketAddr::new(ip, port));
    let header = Header { told, bytes: line.len() };
    assert_eq!(proxy::read(line.as_bytes(), 232), Ok(Some(header)));
}

/// What bytes are a sign of.
pub(crate) fn sniff(bytes: &[u8]) {
    let said = |data: &[u8]| Some(sniff::sniff(data)).filter(|said| *said != Verdict::Unsure);
    let verdict = however_cut(bytes, |pieces| first(pieces, said));
    assert!(verdict.is_some() || bytes.len() < SNIFF_BYTES_MAX);
    for length in 0..=bytes.len().min(2 * SNIFF_BYTES_MAX) {
        let early = sniff::sniff(&bytes[..length]);
        assert!(early == Verdict::Unsure || Some(early) == verdict, "it changed at {length}");
    }
}
