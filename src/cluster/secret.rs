//! The secret of a cluster, and how a process proves that it knows it without sending it.

use std::fmt::{self, Debug, Formatter};
use std::str::FromStr;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// Bytes of a secret: an eavesdropper on a handshake could find a shorter one by brute force.
const SECRET_BYTES_MIN: usize = 16;

/// A random number that was never used.
pub(super) type Nonce = [u8; 32];

/// The result of [`Secret::prove`].
pub(super) type Proof = [u8; 32];

/// The side that proves it, so that nobody can reflect a proof to its sender.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Connecting,
    Listening,
}

/// The secret of a cluster.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Debug for Secret {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim_end_matches(['\r', '\n']) {
            secret if secret.len() < SECRET_BYTES_MIN => {
                Err(format!("a secret has at least {SECRET_BYTES_MIN} characters; `openssl rand -hex 32` makes one"))
            }
            secret => Ok(Secret(secret.as_bytes().to_vec())),
        }
    }
}

impl Secret {
    /// The proof of one side for a connection with these nonces: their HMAC (RFC 2104) with SHA-256.
    pub(super) fn prove(&self, side: Side, connecting: &Nonce, listening: &Nonce) -> Result<Proof, ErrorStack> {
        let key = PKey::hmac(&self.0)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(match side {
            Side::Connecting => b"freshet connecting",
            Side::Listening => b"freshet listening ",
        })?;
        signer.update(connecting)?;
        signer.update(listening)?;
        let mut proof = [0; 32];
        signer.sign(&mut proof)?;
        Ok(proof)
    }

    /// Whether a proof is right, in constant time.
    pub(super) fn is_proved(
        &self,
        side: Side,
        connecting: &Nonce,
        listening: &Nonce,
        proof: &Proof,
    ) -> Result<bool, ErrorStack> {
        Ok(memcmp::eq(&self.prove(side, connecting, listening)?, proof))
    }
}
