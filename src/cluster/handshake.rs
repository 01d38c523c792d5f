//! How two processes authenticate each other on a new connection.
//!
//! | connecting | listening |
//! |---|---|
//! | what this is, 16 bytes | |
//! | | a nonce |
//! | a nonce, and a proof by both | |
//! | | a byte: whether that was right; and a proof of its own |
//! | an introduction | |
//! | | a sentence, if it is refused |
//!
//! Before the proof a stranger gets no more than a few bytes of memory, and no information.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::secret::{Nonce, Proof, Secret, Side};
use super::{Agreed, frame};

/// How long the whole handshake may take, however slowly the other side sends.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

const MAGIC: &[u8; 16] = b"freshet cluster1";

/// Bytes of an introduction: more than all settings take.
const INTRODUCTION_BYTES_MAX: usize = 64 << 10;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    Link,
    Data,
}

/// Who connects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Introduction {
    pub process: usize,
    /// A random number of this start of the process.
    pub incarnation: u64,
    pub purpose: Purpose,
    pub agreed: Agreed,
}

/// Why a connection is not made.
#[derive(Debug)]
pub(super) enum Refused {
    /// The other side is not there, or is gone; it may be there later.
    Later(io::Error),
    /// The other side refused, or does not belong to the cluster.
    ForGood(String),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::Later(error)
    }
}

/// Introduces this process to the one that listens.
pub(super) fn introduce(stream: &TcpStream, secret: &Secret, who: &Introduction) -> Result<(), Refused> {
    let stream = &mut Timed::new(stream)?;
    stream.write_all(MAGIC)?;
    let (theirs, own): (Nonce, Nonce) = (read_bytes(stream)?, rand::random());
    let proof = secret.prove(Side::Connecting, &own, &theirs).map_err(io::Error::other)?;
    stream.write_all(&[own, proof].concat())?;
    let [is_right] = read_bytes(stream)?;
    if is_right == 0 {
        return Err(Refused::ForGood("it has another --cluster-secret-file".into()));
    }
    let proof: Proof = read_bytes(stream)?;
    if !secret.is_proved(Side::Listening, &own, &theirs, &proof).map_err(io::Error::other)? {
        return Err(Refused::ForGood("it does not know the secret of --cluster-secret-file".into()));
    }
    frame::write(stream, who)?;
    match frame::read::<Option<String>>(stream, INTRODUCTION_BYTES_MAX)? {
        None => Ok(()),
        Some(why) => Err(Refused::ForGood(why)),
    }
}

/// Lets a process introduce itself; `judge` returns why it is refused, if it is. An error is a sentence about the stranger.
pub(super) fn receive(
    stream: &TcpStream,
    secret: &Secret,
    judge: impl FnOnce(&Introduction) -> Option<String>,
) -> Result<Introduction, String> {
    let broken = |error: io::Error| format!("the handshake was broken off: {error}");
    let stream = &mut Timed::new(stream).map_err(broken)?;
    if read_bytes(stream).map_err(broken)? != *MAGIC {
        return Err("it is not a Freshet process".into());
    }
    let own: Nonce = rand::random();
    stream.write_all(&own).map_err(broken)?;
    let (theirs, proof): (Nonce, Proof) = (read_bytes(stream).map_err(broken)?, read_bytes(stream).map_err(broken)?);
    let wrong = |error| format!("a proof cannot be made: {error}");
    if !secret.is_proved(Side::Connecting, &theirs, &own, &proof).map_err(wrong)? {
        let _ = stream.write_all(&[0]);
        return Err("it does not know the secret of --cluster-secret-file".into());
    }
    let proof = secret.prove(Side::Listening, &theirs, &own).map_err(wrong)?;
    stream.write_all(&[&[1], &proof[..]].concat()).map_err(broken)?;
    let who: Introduction = frame::read(stream, INTRODUCTION_BYTES_MAX).map_err(broken)?;
    let refusal = judge(&who);
    frame::write(stream, &refusal).map_err(broken)?;
    refusal.map_or(Ok(who), Err)
}

/// A connection with a deadline.
struct Timed<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Timed<'_> {
    fn new(stream: &TcpStream) -> io::Result<Timed<'_>> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        Ok(Timed { stream, deadline: Instant::now() + HANDSHAKE_TIMEOUT })
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        left.map(Some).ok_or_else(|| io::Error::new(ErrorKind::TimedOut, "it took too long"))
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn read_bytes<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The first setting in which two processes differ, each by its number.
pub(super) fn difference((own_process, own): (usize, &Agreed), (process, theirs): (usize, &Agreed)) -> Option<String> {
    let value = |of: &Agreed, name: &str| {
        of.iter().find(|(known, _)| known == name).map_or("not set".to_owned(), |(_, value)| format!("'{value}'"))
    };
    let names = own.iter().chain(theirs).map(|(name, _)| name.as_str());
    let differs = names.into_iter().find(|name| value(own, name) != value(theirs, name))?;
    let (own, theirs) = (value(own, differs), value(theirs, differs));
    Some(format!("{differs} is {own} in process {own_process} and {theirs} in process {process}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let agreed =
            |views: &str| vec![("version".to_owned(), "1".to_owned()), ("--views".to_owned(), views.to_owned())];
        let (all, other) = (agreed("all"), agreed("x"));
        let more = [agreed("all"), vec![("--dedup".to_owned(), "1h".to_owned())]].concat();
        for (own, theirs, sentence) in [
            (&all, &all, None),
            (&all, &other, Some("--views is 'all' in process 0 and 'x' in process 2")),
            (&more, &all, Some("--dedup is '1h' in process 0 and not set in process 2")),
        ] {
            assert_eq!(difference((0, own), (2, theirs)).as_deref(), sentence);
        }
    }
}
