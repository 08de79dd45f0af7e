//! A web server with one directory of radar files, with TLS or without.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls};

/// What the server has and how it behaves.
#[derive(Default)]
pub struct Inside {
    pub files: BTreeMap<String, Vec<u8>>,
    /// How often each file was asked for.
    pub asked: BTreeMap<String, usize>,
    /// Files are listed but answered with 503.
    pub ailing: bool,
    /// Nothing but 500.
    pub down: bool,
    /// A name a line instead of HTML.
    pub plain: bool,
}

#[derive(Clone, Default)]
pub struct Server {
    pub inside: Arc<Mutex<Inside>>,
    pub url: String,
}

impl Server {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/radar/", listener.local_addr().unwrap());
        let server = Self { url, ..Self::default() };
        let router = server.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// With a certificate of an authority that nobody knows; gives that authority's own, PEM.
    pub async fn start_tls() -> (Self, String) {
        let (acceptor, authority) = tls();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/radar/", listener.local_addr().unwrap().port());
        let server = Self { url, ..Self::default() };
        let (router, listener) = (server.router(), TlsListener { listener, acceptor });
        tokio::spawn(async move { axum::serve(listener, router).await });
        (server, authority)
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/radar/", get(index))
            .route("/radar/{name}", get(file))
            .with_state(Arc::clone(&self.inside))
    }

    pub fn put(&self, name: &str, bytes: &[u8]) {
        self.inside.lock().unwrap().files.insert(name.to_owned(), bytes.to_vec());
    }

    pub fn asked(&self, name: &str) -> usize {
        self.inside.lock().unwrap().asked.get(name).copied().unwrap_or(0)
    }
}

/// A server's side of TLS for `localhost`, and the certificate of the authority that has signed its own, PEM.
fn tls() -> (TlsAcceptor, String) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "Flood desk");
    let authority_key = KeyPair::generate().unwrap();
    let authority = parameters.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(parameters, authority_key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // Whoever does not trust the certificate hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn index(State(inside): State<Arc<Mutex<Inside>>>) -> Response {
    let inside = inside.lock().unwrap();
    if inside.down {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut page = if inside.plain { String::new() } else { "<pre><a href=\"../\">../</a>\n".to_owned() };
    for (name, bytes) in &inside.files {
        if inside.plain {
            writeln!(page, "{name}").unwrap();
        } else {
            writeln!(page, "<a href=\"{name}\">{name}</a>  01-Jun-2026 12:05  {}", bytes.len()).unwrap();
        }
    }
    if inside.plain { page.into_response() } else { Html(page).into_response() }
}

async fn file(State(inside): State<Arc<Mutex<Inside>>>, Path(name): Path<String>) -> Response {
    let mut inside = inside.lock().unwrap();
    *inside.asked.entry(name.clone()).or_default() += 1;
    if inside.down || inside.ailing {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    inside.files.get(&name).cloned().ok_or(StatusCode::NOT_FOUND).into_response()
}
