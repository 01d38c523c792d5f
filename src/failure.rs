//! How the program ends: each exit status with its meaning, and the failures that have one of their own.

use std::process::ExitCode;

use dataflows::model::ModelError;
use thiserror::Error;

/// An exit status. Help, manual and docs take numbers and meanings from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done.
    Success = 0,
    /// Any failure without a status of its own.
    Error = 1,
    /// Wrong flags, or a wrong file of reports.
    Usage = 2,
    /// [`Failure::OwnedByAnother`]
    OwnedByAnother = 3,
    /// [`Failure::OwnershipLost`]
    OwnershipLost = 4,
    /// [`Failure::OffsetsLost`]
    OffsetsLost = 5,
    /// [`Failure::OtherTables`]
    OtherTables = 6,
    /// [`Failure::MemoryExceeded`]
    MemoryExceeded = 7,
    /// Another process of the cluster failed, or cannot be reached.
    PeerLost = 8,
    /// A panic.
    Bug = 101,
}

impl ExitStatus {
    /// Those of `freshet run`: every one.
    pub const ALL: &[ExitStatus] = &[
        ExitStatus::Success,
        ExitStatus::Error,
        ExitStatus::Usage,
        ExitStatus::OwnedByAnother,
        ExitStatus::OwnershipLost,
        ExitStatus::OffsetsLost,
        ExitStatus::OtherTables,
        ExitStatus::MemoryExceeded,
        ExitStatus::PeerLost,
        ExitStatus::Bug,
    ];

    /// Its number.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What it means for the caller of the program.
    pub fn meaning(self) -> &'static str {
        match self {
            ExitStatus::Success => {
                "success; `run`: stopped by a signal or at --until-end, and all that was read is committed"
            }
            ExitStatus::Error => {
                "an error, named in the last line; starting again is safe. `verify` and `explain`: the tables differ from the \
                 topic, or cannot be checked. `forget`: an id is not in the topic, an \
                 event has none, or not all records are there any more. `check`: nothing would be counted. `report`: no such day, product or country. `run`: also a second signal, or a stop \
                 that was not committed within 20 s"
            }
            ExitStatus::Usage => "wrong flags or arguments, or an error in a file that a flag names, such as --reports",
            ExitStatus::OwnedByAnother => "another instance owns these tables",
            ExitStatus::OwnershipLost => {
                "another instance took over the tables while this one was silent, or `freshet rebuild` replaced them"
            }
            ExitStatus::OffsetsLost => {
                "the next offsets are gone from Kafka: retention, a truncated log, or a topic deleted or recreated"
            }
            ExitStatus::OtherTables => {
                "the tables were built with other settings or by another version, or something else in the schema has a name \
                 that Freshet needs"
            }
            ExitStatus::MemoryExceeded => "memory exceeded --memory-limit; what was committed stands",
            ExitStatus::PeerLost => {
                "another process of the cluster failed or cannot be reached; it is named in the last line. Start all of them again"
            }
            ExitStatus::Bug => "a bug in Freshet",
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}

/// Why a run ended, where a supervisor or an operator would act differently.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The command line asks for a feature that this build lacks.
    #[error("{0}")]
    NotBuilt(String),
    /// A setting that does not go with the others.
    #[error("{0}")]
    WrongSettings(String),
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
    /// The process exceeded its memory limit.
    #[error("{0}")]
    MemoryExceeded(String),
}

impl Failure {
    /// The exit status of a process that ends by this error.
    pub fn exit_status(error: &anyhow::Error) -> ExitStatus {
        match error.downcast_ref() {
            Some(Failure::NotBuilt(_) | Failure::WrongSettings(_)) => ExitStatus::Usage,
            Some(Failure::OwnedByAnother(_)) => ExitStatus::OwnedByAnother,
            Some(Failure::OwnershipLost(_)) => ExitStatus::OwnershipLost,
            Some(Failure::OffsetsLost(_)) => ExitStatus::OffsetsLost,
            Some(Failure::OtherTables(_)) => ExitStatus::OtherTables,
            Some(Failure::MemoryExceeded(_)) => ExitStatus::MemoryExceeded,
            None if error.downcast_ref::<ModelError>().is_some() => ExitStatus::Usage,
            None => ExitStatus::Error,
        }
    }
}
