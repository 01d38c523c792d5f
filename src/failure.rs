//! The ends of a run that have an exit status of their own.

use thiserror::Error;

/// Why a run ended, where a supervisor or an operator would act differently. Everything else exits with 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// Another instance owns these tables.
    #[error("{0}")]
    OwnedByAnother(String),
    /// Another instance has taken the tables over.
    #[error("{0}")]
    OwnershipLost(String),
    /// What was to be read next is no longer in Kafka.
    #[error("{0}")]
    OffsetsLost(String),
    /// The tables were built with other settings, or by another version.
    #[error("{0}")]
    OtherTables(String),
    /// The process had more memory than it may have.
    #[error("{0}")]
    MemoryExceeded(String),
}

impl Failure {
    /// The exit status of the process.
    pub fn exit_status(&self) -> u8 {
        match self {
            Failure::OwnedByAnother(_) => 3,
            Failure::OwnershipLost(_) => 4,
            Failure::OffsetsLost(_) => 5,
            Failure::OtherTables(_) => 6,
            Failure::MemoryExceeded(_) => 7,
        }
    }
}
