//! The log, on standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use chrono::{SecondsFormat, Utc};
use clap::ValueEnum;
use serde_json::json;
use tracing_subscriber::EnvFilter;

use crate::terminal::Lines;

/// A form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for a person
    Text,
    /// A JSON object on each line
    Json,
}

static FORMAT: OnceLock<Format> = OnceLock::new();

/// Starts the log. `RUST_LOG` says what is logged, else this level.
pub fn start(format: Format, level: &str) {
    let format = *FORMAT.get_or_init(|| format);
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(format!("{level},librdkafka=off")));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines::default).with_target(false);
    match format {
        Format::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        Format::Json => log.json().flatten_event(true).init(),
    }
}

/// Writes why the process ends, whatever `RUST_LOG` says.
pub fn fatal(why: &str) {
    let line = match FORMAT.get().unwrap_or(&Format::Text) {
        Format::Text => format!("error: {why}"),
        Format::Json => {
            let now = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
            json!({"timestamp": now, "level": "ERROR", "message": why}).to_string()
        }
    };
    // If it cannot be written, the exit status remains.
    let _ = writeln!(Lines, "{line}");
}
