//! A stream with a write timeout.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Writing fails once the peer has read nothing for as long as `patience`.
pub(super) struct Timed<S> {
    stream: S,
    patience: Duration,
    /// The timer, while there is something to write and no room for it.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Timed<S> {
    pub fn new(stream: S, patience: Duration) -> Timed<S> {
        Timed { stream, patience, waiting: None }
    }

    fn within_time<T>(&mut self, task: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        waiting.as_mut().poll(task).map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(task, bytes);
        self.within_time(task, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(task, slices);
        self.within_time(task, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use anyhow::Result;
    use tokio::io::duplex;
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_peer_that_reads_nothing_is_given_up() -> Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (ours, _deaf) = duplex(8);
        runtime.block_on(async {
            let mut timed = Timed::new(ours, Duration::from_millis(10));
            let mut write = async || poll_fn(|task| Pin::new(&mut timed).poll_write(task, b"12345678")).await;
            assert_eq!(write().await?, 8);
            assert_eq!(write().await.map_err(|error| error.kind()), Err(ErrorKind::TimedOut));
            Ok(())
        })
    }
}
