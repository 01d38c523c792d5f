//! Progress bars, which stay at the bottom of standard error while the log goes on above them.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressState, ProgressStyle};

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A progress bar of records on standard error, if that is a terminal.
pub fn bar_of_records() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = BARS.add(ProgressBar::no_length());
    let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
        // Writing to a terminal's line cannot fail.
        let _ = write!(text, "{}", HumanCount(state.per_sec() as u64));
    };
    match ProgressStyle::with_template("{prefix}{wide_bar} {human_pos}/{human_len} records, {rate}/s, {eta} left") {
        Ok(style) => bar.with_style(style.with_key("rate", rate)),
        Err(_) => bar,
    }
}

/// Standard error for whole lines, which do not tear a bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        BARS.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
