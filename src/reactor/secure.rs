//! Who may be met over TLS, and as whom: the configurations of rustls that a listener or connector
//! is given, and here those of nodes among themselves: TLS 1.3 only, without tickets or
//! resumption. Those with certificates are in `certified.rs`.
//!
//! Nodes show each other raw public keys (RFC 7250), no certificates: a handshake proves that the
//! other end owns the key that [`peer_key`](super::Transport::peer_key) then names. Whether the
//! owner of that key is welcome is not judged here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, ServerConfig, SignatureScheme,
};

use crate::update::{PublicKey, SigningKey};

/// What stands before an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// Secures what a listener accepts. Cheap to clone; what one is changed to, all its clones are.
#[derive(Clone, Debug)]
pub struct TlsServer(Arc<Mutex<Arc<ServerConfig>>>);

/// Secures what a connector dials. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsClient {
    pub(super) config: Arc<ClientConfig>,
    /// Whom the handshake is told to expect. Raw public keys carry no name: it says nothing.
    pub(super) name: ServerName<'static>,
}

impl TlsServer {
    pub(super) fn of(config: ServerConfig) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(config))))
    }

    /// What the next handshake begins with.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Secures as `other` does from the next handshake on; those under way end as they began.
    pub fn change_to(&self, other: &Self) {
        let config = other.config();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// A node that accepts others: shows its key and asks for theirs.
    pub fn of_node(key: &SigningKey) -> Self {
        let (provider, own) = (provider(), own(key));
        let verifier = Arc::new(AnyKey(Arc::clone(&provider)));
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(NoClock))
            .with_protocol_versions(&[&TLS13])
            .expect(TLS13_SPOKEN)
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Self::of(config)
    }
}

impl TlsClient {
    /// A node that dials others: shows its key and asks for theirs.
    pub fn of_node(key: &SigningKey) -> Self {
        let (provider, own) = (provider(), own(key));
        let verifier = Arc::new(AnyKey(Arc::clone(&provider)));
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(NoClock))
            .with_protocol_versions(&[&TLS13])
            .expect(TLS13_SPOKEN)
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        let name = ServerName::try_from("node").expect("a host name");
        Self { config: Arc::new(config), name }
    }
}

/// The ciphers below are TLS 1.3's.
const TLS13_SPOKEN: &str = "the provider speaks TLS 1.3";

/// One key exchange and two ciphers: nothing to negotiate, so that every handshake of two nodes has
/// the same length. AES is in the hardware nearly everywhere; where it is not, both ends still
/// agree on it.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    })
}

fn own(key: &SigningKey) -> Arc<CertifiedKey> {
    let secret = PrivatePkcs8KeyDer::from(key.pkcs8());
    let signer = any_eddsa_type(&secret).expect("an Ed25519 key is one");
    let public = CertificateDer::from([&SPKI_HEAD[..], &key.public().0].concat());
    Arc::new(CertifiedKey::new(vec![public], signer))
}

/// The key in a `SubjectPublicKeyInfo`, when it is an Ed25519 key.
pub(super) fn key_of(spki: &[u8]) -> Option<PublicKey> {
    spki.strip_prefix(&SPKI_HEAD)?.try_into().ok().map(PublicKey)
}

/// Takes whoever proves to own an Ed25519 key.
#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl AnyKey {
    fn is_key(spki: &CertificateDer<'_>) -> Result<(), Error> {
        key_of(spki).map(|_| ()).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    fn verify(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(spki.as_ref());
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signature, known)
    }
}

/// TLS 1.2 is not spoken.
const TLS12: Error = Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered);

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Self::is_key(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Self::is_key(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(TLS12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Raw public keys do not run out: nobody here needs the time, and the loop owns the clock.
#[derive(Debug)]
struct NoClock;

impl TimeProvider for NoClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::ZERO))
    }
}
