//! TLS with certificates, for those who know us by a name: 1.2 and 1.3. What a listener shows is
//! chosen by the name that the client asks for, and may change while it listens; what it takes up
//! again are tickets, so that no session is kept here. PEM text comes in, no file is opened.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, cipher_suite as suite, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, VerifierBuilderError,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion,
};

use super::secure::{TlsClient, TlsServer};

/// What is spoken, the best first.
const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
/// The name of the certificate for clients that ask for no name, or for one that has none.
const DEFAULT_NAME: &str = "default";

/// Why certificates can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// It is not PEM text.
    Pem,
    /// There is no certificate in it.
    NoCertificate,
    /// There is no key in it.
    NoKey,
    /// The key is of a kind that is not known, or broken.
    Key,
    /// A certificate is broken.
    Certificate,
    /// The key is not the first certificate's.
    Mismatch,
    /// The host is neither a name nor an address.
    Host,
    /// The system gives no random numbers.
    Random,
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "it is not PEM text",
            Self::NoCertificate => "there is no certificate in it",
            Self::NoKey => "there is no private key in it",
            Self::Key => "its private key is broken or of an unknown kind",
            Self::Certificate => "a certificate in it is broken",
            Self::Mismatch => "its private key is not that of its first certificate",
            Self::Host => "the host is neither a name nor an address",
            Self::Random => "the system gives no random numbers",
        })
    }
}

impl std::error::Error for CertificateFault {}

impl From<Error> for CertificateFault {
    fn from(error: Error) -> Self {
        match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::Mismatch,
            Error::NoCertificatesPresented => Self::NoCertificate,
            Error::InvalidCertificate(_) => Self::Certificate,
            Error::FailedToGetRandomBytes => Self::Random,
            _ => Self::Key,
        }
    }
}

impl From<VerifierBuilderError> for CertificateFault {
    fn from(_: VerifierBuilderError) -> Self {
        Self::NoCertificate
    }
}

/// Certificates with their keys, by server name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Certificates(BTreeMap<String, Arc<CertifiedKey>>);

impl Certificates {
    /// Takes one in, in place of an earlier one of this name: a chain, the server's own certificate
    /// first, and a key, as PEM text in any order. A name is a host name; `*.` and a domain are all
    /// names one below it; `default` (in any case) is for clients that name none of these.
    pub fn put(&mut self, name: &str, pem: &[u8]) -> Result<(), CertificateFault> {
        let certified = Arc::new(certified(pem)?);
        self.0.insert(name.to_ascii_lowercase(), certified);
        Ok(())
    }

    /// Takes that of a name over from `other`; false if it has none.
    pub fn keep(&mut self, name: &str, other: &Self) -> bool {
        let name = name.to_ascii_lowercase();
        let Some(certified) = other.0.get(&name) else { return false };
        self.0.insert(name, Arc::clone(certified));
        true
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// For a client that asks for this name; without a default, the first stands in, of a host if
    /// there is one.
    fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let below = |name: &str| {
            let (_, domain) = name.split_once('.')?;
            self.0.get(&format!("*.{domain}"))
        };
        name.and_then(|name| self.0.get(name).or_else(|| below(name)))
            .or_else(|| self.0.get(DEFAULT_NAME))
            .or_else(|| {
                let plain = |(name, _): &(&String, _)| !name.starts_with('*');
                self.0.iter().find(plain).or_else(|| self.0.iter().next()).map(|(_, found)| found)
            })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name()).cloned()
    }
}

/// A chain and its key out of PEM text.
fn certified(pem: &[u8]) -> Result<CertifiedKey, CertificateFault> {
    let chain = chain(pem)?;
    if chain.is_empty() {
        return Err(CertificateFault::NoCertificate);
    }
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => key,
        Err(rustls::pki_types::pem::Error::NoItemsFound) => return Err(CertificateFault::NoKey),
        Err(_) => return Err(CertificateFault::Pem),
    };
    Ok(CertifiedKey::from_der(chain, key, &provider())?)
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let chain: Result<_, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.map_err(|_| CertificateFault::Pem)
}

/// Authorities whose word on others is taken. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<RootCertStore>);

impl Authorities {
    /// Those in PEM texts. One that can't be read is left out, as bundles have some of odd kinds.
    pub fn of<'a>(pems: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, CertificateFault> {
        let mut roots = RootCertStore::empty();
        for pem in pems {
            let (_, left_out) = roots.add_parsable_certificates(chain(pem)?);
            if left_out > 0 {
                log::debug!("{left_out} authorities can't be read");
            }
        }
        if roots.is_empty() {
            return Err(CertificateFault::NoCertificate);
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl TlsServer {
    /// Shows these certificates; with `clients`, only who shows one of theirs is let in. `alpn` are
    /// the protocols that clients may ask for, none: whatever they ask for.
    pub fn certified(
        shown: Certificates,
        clients: Option<&Authorities>,
        alpn: &[&[u8]],
    ) -> Result<Self, CertificateFault> {
        let provider = Arc::new(provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(VERSIONS)?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(Authorities(roots)) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider);
                builder.with_client_cert_verifier(verifier.build()?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(shown));
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new()?;
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Self::of(config))
    }

    /// The same with other certificates; sessions of before are taken up again.
    pub fn showing(&self, shown: Certificates) -> Self {
        let mut config = ServerConfig::clone(&self.config());
        config.cert_resolver = Arc::new(shown);
        Self::of(config)
    }
}

impl TlsClient {
    /// Whoever answers must show a certificate of `host`, by one of these authorities. `own` is
    /// PEM text of what we show when we are asked.
    pub fn certified(
        host: &str,
        authorities: &Authorities,
        own: Option<&[u8]>,
        alpn: &[&[u8]],
    ) -> Result<Self, CertificateFault> {
        Self::of_versions(host, authorities, own, alpn, VERSIONS)
    }

    fn of_versions(
        host: &str,
        authorities: &Authorities,
        own: Option<&[u8]>,
        alpn: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self, CertificateFault> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| CertificateFault::Host)?;
        let provider = Arc::new(provider());
        let roots = Arc::clone(&authorities.0);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .with_webpki_verifier(verifier);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let own = rustls::sign::SingleCertAndKey::from(certified(pem)?);
                builder.with_client_cert_resolver(Arc::new(own))
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Self { config: Arc::new(config), name })
    }
}

/// The ciphers in the order in which a server chooses. AES with 128 bits is first, as elsewhere in
/// this program: nobody breaks it, and it costs least.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        ..default_provider()
    }
}

#[cfg(test)]
mod tests;
