//! A network that fails: a proxy in front of a server, which cuts, stalls and resets connections as a seed tells it.

use crate::corpus::Random;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How long a connection stays half open at most.
const HALF_OPEN_MAX: Duration = Duration::from_secs(60);

/// What becomes of one connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Nothing.
    Whole,
    /// It is closed once the server has sent so many bytes.
    Cut(u64),
    /// The same, with a reset in place of an end.
    Reset(u64),
    /// Once so many bytes came nothing more comes, for so long; then it is closed.
    Stall(u64, Duration),
    /// The first so many bytes come one by one.
    Trickle(u64),
    /// Half open once so many bytes came: no more comes, while what is sent still reaches the server.
    HalfOpen(u64),
}

/// A proxy on a loopback port. Dropped, it closes every connection.
pub struct Proxy {
    address: SocketAddr,
    calm: Arc<AtomicBool>,
    faults: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Stands before the server at this address, `host:port`. About one connection in two meets a fault.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(server: &str, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let (calm, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let accepting = {
            let (server, calm, faults) = (server.to_owned(), Arc::clone(&calm), Arc::clone(&faults));
            tokio::spawn(async move {
                let mut random = Random::new(seed);
                while let Ok((client, _)) = listener.accept().await {
                    let fate =
                        if calm.load(Ordering::Relaxed) { Fate::Whole } else { Fate::draw(&mut random) };
                    faults.fetch_add(u64::from(!matches!(fate, Fate::Whole)), Ordering::Relaxed);
                    let server = server.clone();
                    tokio::spawn(async move { carry(client, &server, fate).await.ok() });
                }
            })
        };
        Self { address, calm, faults, accepting }
    }

    /// The connection string of the server behind it, and of that one alone.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    /// Lets every connection from now on live.
    pub fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Connections that met a fault, or will.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Fate {
    fn draw(random: &mut Random) -> Self {
        // From within the first answer to far into the documents.
        let scale = [500, 5_000, 200_000, 4_000_000][random.below(4)];
        let bytes = 1 + random.below(scale) as u64;
        match random.below(9) {
            8 => Self::HalfOpen(bytes),
            0 | 1 => Self::Cut(bytes),
            2 => Self::Reset(bytes),
            3 => Self::Stall(bytes, Duration::from_millis(100 + random.below(900) as u64)),
            4 => Self::Trickle(bytes.min(3_000)),
            _ => Self::Whole,
        }
    }
}

async fn carry(client: TcpStream, server: &str, fate: Fate) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    if let Fate::Reset(_) = fate {
        // Closed at once, with a reset, when it is dropped.
        client.set_zero_linger()?;
    }
    client.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut forth = tokio::spawn(copy(from_client, to_server));
    let back = answers(from_server, to_client, fate).await;
    if let Fate::HalfOpen(_) = fate {
        // Until whoever sends finds out.
        let _ = tokio::time::timeout(HALF_OPEN_MAX, &mut forth).await;
    }
    forth.abort();
    back
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    tokio::io::copy(&mut from, &mut to).await.map(drop)
}

/// What the server sends, up to the fault.
async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, fate: Fate) -> io::Result<()> {
    let mut sent: u64 = 0;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let bytes = &buffer[..read];
        match fate {
            Fate::Trickle(first) if sent < first => {
                for byte in bytes {
                    to.write_all(std::slice::from_ref(byte)).await?;
                }
            }
            Fate::Cut(at) | Fate::Reset(at) | Fate::Stall(at, _) | Fate::HalfOpen(at)
                if sent + read as u64 > at =>
            {
                let rest = usize::try_from(at.saturating_sub(sent)).unwrap_or(read);
                to.write_all(&bytes[..rest]).await?;
                if let Fate::Stall(_, pause) = fate {
                    tokio::time::sleep(pause).await;
                }
                return Ok(());
            }
            _ => to.write_all(bytes).await?,
        }
        sent += read as u64;
    }
}
