//! Receivers behind TLS are verified: whose certificate, and for which name.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::rig::House;

/// An authority of a site's own, and what it has signed.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "a site's own authority");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn server(&self, name: &str) -> Server {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        Server::start(certificate.der().clone(), &key)
    }
}

/// Answers 204 to whoever gets through the handshake.
struct Server {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Server {
    fn start(certificate: CertificateDer<'static>, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, ended) = (Arc::clone(&requests), Arc::clone(&over));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), config, count) = (stream, Arc::clone(&config), Arc::clone(&count)) else {
                    continue;
                };
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).unwrap();
                    let mut stream = StreamOwned::new(connection, stream);
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                        head.push(byte[0]);
                    }
                    if head.starts_with(b"POST ") {
                        let head = String::from_utf8_lossy(&head).to_lowercase();
                        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
                        let mut body = vec![0; length.parse().unwrap()];
                        stream.read_exact(&mut body).unwrap();
                        count.fetch_add(1, Ordering::SeqCst);
                        let _ = stream.write_all(b"HTTP/1.1 204 X\r\n\r\n");
                        stream.conn.send_close_notify();
                        let _ = stream.flush();
                    }
                });
            }
        });
        Self { address, requests, over }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

#[test]
fn a_sites_own_authority_vouches_only_where_it_is_configured_and_only_for_the_right_name() {
    let mut house = House::new();
    let authority = Authority::new();
    let (right, wrong) = (authority.server("localhost"), authority.server("payroll.example"));
    let stranger = Authority::new().server("localhost");
    let url = |server: &Server| format!("https://localhost:{}/hook", server.address.port());

    // Nobody vouches for it.
    let run = house.start();
    run.punches(7, 0..1);
    let id = run.subscribe(url(&right));
    let error = run.until_attempt(id, |attempt| attempt.error.is_some()).error.unwrap();
    assert!(error.contains("certificate"), "{error}");
    assert!(run.test(id).error.is_some());
    run.stop();
    assert_eq!(right.requests(), 0, "not a byte of a request reaches a receiver that is not verified");

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &authority.pem).unwrap();
    house.settings.ca_file = Some(file.path().to_owned());
    let run = house.start();
    run.until_kept(id, |webhook| webhook.cursor == 1);
    assert_eq!(right.requests(), 1);
    for (server, says) in [(&wrong, "not valid for"), (&stranger, "certificate")] {
        let id = run.subscribe(url(server));
        let error = run.until_attempt(id, |attempt| attempt.error.is_some()).error.unwrap();
        assert!(error.contains(says), "{error}");
        assert_eq!(server.requests(), 0);
    }
    // An address instead of the name is another name.
    let id = run.subscribe(format!("https://{}/hook", right.address));
    let error = run.until_attempt(id, |attempt| attempt.error.is_some()).error.unwrap();
    assert!(error.contains("not valid for"), "{error}");
    run.stop();
}

#[test]
fn a_receiver_whose_certificate_names_its_address_is_verified_too() {
    let mut house = House::new();
    let authority = Authority::new();
    let server = authority.server("127.0.0.1");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &authority.pem).unwrap();
    house.settings.ca_file = Some(file.path().to_owned());
    let run = house.start();
    let id = run.subscribe(format!("https://{}/hook", server.address));
    assert_eq!(run.test(id).status, Some(204));
    run.stop();
}

#[test]
fn a_file_that_holds_no_authority_is_no_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut house = House::new();
    house.settings.ca_file = Some(file.path().to_owned());
    let journal = house.site.open();
    let liveness = zkgate::base::liveness::Liveness::new(std::time::Instant::now());
    let clock = Arc::new(zkgate::base::clock::SystemClock);
    let started = zkgate::delivery::Deliveries::start(journal, house.settings.clone(), clock, &liveness);
    assert!(started.is_err());
}
