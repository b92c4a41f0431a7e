//! Connections: accepted, counted and timed here, parsed by hyper.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::limits;

/// Connections beyond the limit that are told so at a time; further ones are closed.
const REFUSED: usize = 32;
/// How long a refused connection may take.
const REFUSAL_TIME: Duration = Duration::from_millis(500);
const REFUSAL: &str =
    "{\"error\":{\"code\":\"connections\",\"message\":\"32 connections are open: close one\"}}";

/// Accepts connections for ever.
pub async fn serve(listener: TcpListener, router: Router) {
    let slots = Arc::new(Semaphore::new(limits::CONNECTIONS));
    let refusals = Arc::new(Semaphore::new(REFUSED));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No more file descriptors, for instance.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            let router = router.clone();
            tokio::spawn(async move {
                let _slot = slot;
                connection(stream, router).await;
            });
        } else if let Ok(slot) = Arc::clone(&refusals).try_acquire_owned() {
            tokio::spawn(async move {
                let _slot = slot;
                let _ = tokio::time::timeout(REFUSAL_TIME, refuse(stream)).await;
            });
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let _ = stream.set_nodelay(true);
    let mut server = http1::Builder::new();
    // With a buffer that is nearly full it reads as much again.
    server.timer(TokioTimer::new()).header_read_timeout(limits::HEAD_TIME).max_buf_size(limits::HEAD / 2);
    // What goes wrong is the client's doing, and was answered if it can be.
    let _: Result<(), hyper::Error> =
        server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
}

/// Says why a connection is closed, after what was sent was read: else the answer would be lost.
async fn refuse(stream: TcpStream) -> io::Result<Infallible> {
    let text = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{REFUSAL}",
        REFUSAL.len()
    );
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
    let mut sink = [0; 4096];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut sink) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e),
        }
    }
}
