//! What only the processes of a cluster know, and how they show that they know it without saying it.

use std::fmt::{self, Debug, Formatter};
use std::str::FromStr;

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// A shorter secret is found by trying, by an eavesdropper on a handshake.
const SECRET_BYTES_MIN: usize = 16;

/// A random number that was never used.
pub(super) type Nonce = [u8; 32];

/// What [`Secret::prove`] gives.
pub(super) type Proof = [u8; 32];

/// Who shows that they know it; so nobody can send a proof back to where it came from.
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

    /// Whether a proof is right; how long that takes does not depend on where it is wrong.
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
