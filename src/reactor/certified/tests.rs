//! Meetings of two filters, and what is wrong with certificates.

use super::*;
use crate::base::{InBuf, OutBuf};
use crate::reactor::tls::Tls;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::AlertDescription;

/// A certificate authority for a test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate with its key.
    fn certify(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        params.signed_by(&key, &self.issuer).unwrap().pem() + &key.serialize_pem()
    }

    fn shown(&self, names: &[&str]) -> Certificates {
        let mut shown = Certificates::default();
        for name in names {
            shown.put(name, self.certify(name).as_bytes()).unwrap();
        }
        shown
    }

    fn trusted(&self) -> Authorities {
        Authorities::of([self.pem.as_bytes()]).unwrap()
    }

    fn server(&self, names: &[&str]) -> TlsServer {
        TlsServer::certified(self.shown(names), None, &[]).unwrap()
    }

    fn client(&self, host: &str) -> TlsClient {
        TlsClient::certified(host, &self.trusted(), None, &[]).unwrap()
    }
}

/// Takes both ends as far as they come: whether they understood each other.
fn meet(server: &TlsServer, client: &TlsClient) -> Result<(Tls, Tls), Error> {
    let (mut near, mut far) = (Tls::client(client)?, Tls::server(server)?);
    near.shake(0)?;
    for _ in 0..4 {
        pass(&mut near, &mut far)?;
        pass(&mut far, &mut near)?;
    }
    assert!(!near.is_handshaking() && !far.is_handshaking());
    Ok((near, far))
}

/// Hands over what one end has to say; what it holds back until now included.
fn pass(from: &mut Tls, to: &mut Tls) -> Result<(), Error> {
    if !from.is_handshaking() {
        from.open(&mut InBuf::new(1 << 16))?;
    }
    let (slices, used) = from.sealed.io_slices::<8>();
    let bytes = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
    from.sealed.advance(from.sealed.len());
    to.raw.push(&bytes);
    if to.is_handshaking() {
        to.shake(bytes.len())?;
    }
    Ok(())
}

fn says(from: &mut Tls, to: &mut Tls, text: &[u8]) {
    let mut out = OutBuf::new();
    out.put(text);
    from.seal(&mut out).unwrap();
    pass(from, to).unwrap();
    let mut input = InBuf::new(1 << 20);
    to.open(&mut input).unwrap();
    assert_eq!(input.take_all(), text);
}

#[test]
fn both_versions_are_spoken_and_sessions_taken_up_again() {
    let authority = Authority::new();
    let server = authority.server(&["hill.example"]);
    for version in VERSIONS {
        let roots = authority.trusted();
        let client = TlsClient::of_versions("hill.example", &roots, None, &[], &[version]).unwrap();
        let (mut near, mut far) = meet(&server, &client).unwrap();
        assert!(!far.is_resumed());
        says(&mut near, &mut far, b"hello");
        says(&mut far, &mut near, &vec![7; 40_000]);
        let (_, far) = meet(&server, &client).unwrap();
        assert!(far.is_resumed(), "{version:?}");
        // With other certificates it is the same server still.
        let renewed = server.showing(authority.shown(&["hill.example"]));
        assert!(meet(&renewed, &client).unwrap().1.is_resumed(), "{version:?}");
        let other = authority.server(&["hill.example"]);
        assert!(!meet(&other, &client).unwrap().1.is_resumed(), "{version:?}");
    }
}

#[test]
fn the_certificate_is_that_of_the_name_asked_for() {
    let authority = Authority::new();
    let server = authority.server(&["a.example", "b.example", "*.c.example", "127.0.0.1"]);
    for host in ["a.example", "b.example", "B.example", "x.c.example", "127.0.0.1"] {
        assert!(meet(&server, &authority.client(host)).is_ok(), "{host}");
    }
    for host in ["c.example", "x.y.c.example", "d.example", "127.0.0.2"] {
        assert!(meet(&server, &authority.client(host)).is_err(), "{host}");
    }
    // For a name that is not there, the default, in any case of its name.
    let mut shown = authority.shown(&["a.example"]);
    shown.put("DEFAULT", authority.certify("z.example").as_bytes()).unwrap();
    let server = TlsServer::certified(shown, None, &[]).unwrap();
    for host in ["a.example", "z.example"] {
        assert!(meet(&server, &authority.client(host)).is_ok(), "{host}");
    }
    assert!(meet(&server, &authority.client("b.example")).is_err());
}

#[test]
fn only_clients_of_the_authority_are_let_in() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let shown = authority.shown(&["hill.example"]);
    let server = TlsServer::certified(shown, Some(&authority.trusted()), &[]).unwrap();
    let of = |own: Option<&str>| {
        let own = own.map(str::as_bytes);
        TlsClient::certified("hill.example", &authority.trusted(), own, &[]).unwrap()
    };
    assert!(meet(&server, &of(None)).is_err());
    assert!(meet(&server, &of(Some(&strangers.certify("reader")))).is_err());
    let welcome = of(Some(&authority.certify("reader")));
    assert!(meet(&server, &welcome).is_ok());
    assert!(meet(&server, &welcome).unwrap().1.is_resumed());
}

#[test]
fn what_a_client_asks_for_by_alpn_is_agreed_on_or_refused() {
    let authority = Authority::new();
    let shown = authority.shown(&["hill.example"]);
    let http = TlsServer::certified(shown, None, &[b"http/1.1"]).unwrap();
    let any = authority.server(&["hill.example"]);
    let asks = |alpn: &[&[u8]]| {
        TlsClient::certified("hill.example", &authority.trusted(), None, alpn).unwrap()
    };
    assert!(meet(&http, &asks(&[b"h2", b"http/1.1"])).is_ok());
    assert!(meet(&http, &asks(&[])).is_ok());
    // The client hears why, though the server has begun to answer.
    let (mut near, mut far) = (Tls::client(&asks(&[b"h2"])).unwrap(), Tls::server(&http).unwrap());
    near.shake(0).unwrap();
    assert!(pass(&mut near, &mut far).is_err());
    far.fail();
    let heard = pass(&mut far, &mut near).unwrap_err();
    assert_eq!(heard, Error::AlertReceived(AlertDescription::NoApplicationProtocol));
    assert!(meet(&any, &asks(&[])).is_ok());
}

#[test]
fn who_is_not_vouched_for_is_not_met() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let server = strangers.server(&["hill.example"]);
    assert!(meet(&server, &authority.client("hill.example")).is_err());
    let host = TlsClient::certified("no host", &authority.trusted(), None, &[]);
    assert_eq!(host.unwrap_err(), CertificateFault::Host);
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let authority = Authority::new();
    let good = authority.certify("a.example");
    let (chain, key) = good.split_at(good.find("-----BEGIN PRIVATE KEY").unwrap());
    let other = authority.certify("a.example");
    let other_key = &other[other.find("-----BEGIN PRIVATE KEY").unwrap()..];
    let broken = chain.replacen("MII", "AAA", 1).replacen("MIB", "AAA", 1);
    let cut = &chain[..chain.len() / 2];
    let cases = [
        ("", CertificateFault::NoCertificate),
        ("nothing of the kind", CertificateFault::NoCertificate),
        (key, CertificateFault::NoCertificate),
        (chain, CertificateFault::NoKey),
        (&format!("{chain}{other_key}"), CertificateFault::Mismatch),
        (&format!("{broken}{key}"), CertificateFault::Certificate),
        (cut, CertificateFault::Pem),
    ];
    let mut shown = Certificates::default();
    for (pem, fault) in cases {
        assert_eq!(shown.put("a.example", pem.as_bytes()), Err(fault), "{pem}");
    }
    assert!(shown.is_empty());
    shown.put("A.example", format!("{key}{chain}").as_bytes()).unwrap();
    let mut renewed = Certificates::default();
    assert!(renewed.keep("a.EXAMPLE", &shown) && !renewed.keep("b.example", &shown));
    assert_eq!(renewed.names().collect::<Vec<_>>(), ["a.example"]);
    assert!(Authorities::of([b"".as_slice()]).is_err());
}
