//! A TCP proxy in front of Postgres that cuts a connection exactly at a COMMIT, or delays it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

use anyhow::{Context, Result};

/// What happens to the next COMMIT that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It never reaches the server.
    Request,
    /// It happens, and the client never learns of it.
    Answer,
}

/// Where the proxy listens, and what it is to do.
pub struct Proxy {
    port: u16,
    orders: Arc<Orders>,
}

#[derive(Default)]
struct Orders {
    armed: Mutex<Option<Cut>>,
    cuts: AtomicU64,
    delay_ms: AtomicU64,
    /// The port of the server that new connections reach.
    server: AtomicU16,
}

impl Proxy {
    /// Starts a proxy for the server at this port of 127.0.0.1.
    pub fn start(server: u16) -> Result<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (port, orders) = (listener.local_addr()?.port(), Arc::new(Orders::default()));
        let shared = orders.clone();
        orders.server.store(server, Ordering::SeqCst);
        spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away refuses; the client sees its connection closed.
                let server = ("127.0.0.1", shared.server.load(Ordering::SeqCst));
                let Ok(server) = TcpStream::connect(server) else { continue };
                let _ = connect(client, server, &shared);
            }
        });
        Ok(Proxy { port, orders })
    }

    /// The URL of the same database by way of the proxy.
    pub fn url(&self, url: &str) -> Result<String> {
        let (front, back) = url.split_once("127.0.0.1:").context("no address of a server of ours")?;
        let (_, database) = back.split_once('/').context("no database")?;
        Ok(format!("{front}127.0.0.1:{}/{database}", self.port))
    }

    /// New connections reach the server at this port from now on.
    pub fn turn_to(&self, server: u16) {
        self.orders.server.store(server, Ordering::SeqCst);
    }

    /// Cuts the connection at the next COMMIT.
    pub fn cut(&self, cut: Cut) {
        *self.orders.armed.lock().expect("a lock that nobody poisons") = Some(cut);
    }

    /// How many connections were cut so far.
    pub fn cuts(&self) -> u64 {
        self.orders.cuts.load(Ordering::SeqCst)
    }

    /// Delays every COMMIT from now on.
    pub fn delay(&self, delay: Duration) {
        self.orders.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
    }
}

fn connect(client: TcpStream, server: TcpStream, orders: &Arc<Orders>) -> Result<()> {
    let mute = Arc::new(AtomicBool::new(false));
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (muted, shared) = (mute.clone(), orders.clone());
    spawn(move || requests(from_client, to_server, &muted, &shared));
    spawn(move || answers(server, client, &mute));
    Ok(())
}

fn requests(mut client: TcpStream, mut server: TcpStream, mute: &AtomicBool, orders: &Orders) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        // A simple query of its own, small enough to come in one piece.
        if bytes[..length].windows(7).any(|window| window == b"COMMIT\0") {
            sleep(Duration::from_millis(orders.delay_ms.load(Ordering::SeqCst)));
            let armed = orders.armed.lock().expect("a lock that nobody poisons").take();
            orders.cuts.fetch_add(u64::from(armed.is_some()), Ordering::SeqCst);
            match armed {
                Some(Cut::Request) => break,
                Some(Cut::Answer) => mute.store(true, Ordering::SeqCst),
                None => {}
            }
        }
        if server.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    close(&client, &server);
}

fn answers(mut server: TcpStream, mut client: TcpStream, mute: &AtomicBool) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(length @ 1..) = server.read(&mut bytes) {
        if mute.load(Ordering::SeqCst) || client.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    close(&client, &server);
}

fn close(client: &TcpStream, server: &TcpStream) {
    // One that is closed already is what we want.
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}
