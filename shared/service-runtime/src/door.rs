//! Where connections come in: closed at once when the service is to stop, while those who are inside are counted.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Lets connections in until the shutdown. The listening socket is then let go of: where it is systemd's, new connections
/// wait in its queue for the next process; else they are refused, and the client goes elsewhere.
pub(crate) struct Door {
    listener: Option<TcpListener>,
    local: SocketAddr,
    shutdown: CancellationToken,
    inside: Arc<()>,
}

/// The number of open connections.
pub(crate) struct Guests(Arc<()>);

/// The other end of a connection; a connection is open as long as there is one.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    _inside: Arc<()>,
}

impl Door {
    pub(crate) fn new(listener: TcpListener, shutdown: CancellationToken) -> io::Result<(Self, Guests)> {
        let (local, inside) = (listener.local_addr()?, Arc::new(()));
        let guests = Guests(Arc::clone(&inside));
        Ok((Self { listener: Some(listener), local, shutdown, inside }, guests))
    }

    fn peer(&self, address: SocketAddr) -> Peer {
        Peer { address, _inside: Arc::clone(&self.inside) }
    }
}

impl Guests {
    pub(crate) fn number(&self) -> usize {
        // But for the door's own and this one; the server drops the door when it stops to listen.
        Arc::strong_count(&self.0).saturating_sub(2)
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (TcpStream, Peer) {
        if let Some(listener) = &mut self.listener
            && let Some((stream, address)) = self.shutdown.run_until_cancelled(Listener::accept(listener)).await
        {
            // Answers are written whole; waiting for more to send with them only delays them.
            let _ = stream.set_nodelay(true);
            return (stream, self.peer(address));
        }
        self.listener = None;
        pending().await
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(self.peer(self.local))
    }
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}
