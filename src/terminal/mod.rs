//! Output for a terminal: tables, and texts of records, which may hold anything and are escaped.

mod bars;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

use anyhow::Context;
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

pub use bars::{Lines, bar_of_records};

/// The error of standard output.
pub const NOT_WRITTEN: &str = "standard output cannot be written to";

/// Whether the reader of a pipe has closed it.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Prints a text to standard output. A closed pipe is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    written(writeln!(io::stdout(), "{text}"))
}

/// The same for bytes.
pub fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    written(io::stdout().write_all(bytes))
}

fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context(NOT_WRITTEN),
        _ => Ok(()),
    }
}

/// A text as one line of at most `letters` characters. What could control a terminal or reorder its line (control characters,
/// escape sequences, marks of direction) is shown as an escape like `\u{1b}`, never as it is.
pub fn safe(text: &str, letters: usize) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    for letter in rest.by_ref().take(letters) {
        match letter {
            '"' | '\'' => shown.push(letter),
            _ => shown.extend(letter.escape_debug()),
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

/// A name from a record as a log may hold it: one with an at sign may be an e-mail address, of which only the first letter
/// and the length are kept.
pub fn anonymous(name: &str) -> Cow<'_, str> {
    /// Bytes that are searched: an address is shorter, and a name may have a megabyte.
    const SEARCHED_BYTES_MAX: usize = 1_024;
    let beginning = &name[..name.floor_char_boundary(SEARCHED_BYTES_MAX)];
    match name.chars().next() {
        Some(first) if dataflows::holds_at_sign(beginning) => {
            format!("{first}… ({} letters)", name.chars().count()).into()
        }
        _ => name.into(),
    }
}

/// JSON with every character escaped that a terminal would interpret. Only strings can hold such a character.
pub fn safe_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for letter in json.chars() {
        let acts = letter.is_control() && letter != '\n' || letter.escape_debug().len() > 1 && !letter.is_ascii();
        if acts {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A number with thousands separators, as `1,234,567`.
pub fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A bar of a number, relative to the largest, which gets `letters` characters.
pub fn bar(number: u64, largest: u64, letters: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    // Rounded up, so that only 0 has no bar.
    let eighths = (number as u128 * letters as u128 * 8).div_ceil(u128::from(largest.max(1))) as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// A table with these headings. A column of numbers is right-aligned.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─'))).set_header(headings);
    table.add_rows(rows);
    let is_number = |text: &String| text.chars().all(|c| c.is_ascii_digit() || ",.% -".contains(c));
    for (index, column) in table.column_iter_mut().enumerate() {
        if rows.iter().filter_map(|row| row.get(index)).all(is_number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{202e}b\r\n\u{7f}é\"日";

    #[test]
    fn bars_are_as_long_as_their_numbers() {
        assert_eq!([0, 1, 4, 8, 1_000].map(|views| bar(views, 1_000, 1)), ["", "▏", "▏", "▏", "█"]);
        assert_eq!(bar(3, 4, 2), "█▌");
        assert_eq!(bar(0, 0, 2), "");
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_acts_on() {
        let harmless = |text: &str| !text.contains(|c: char| c.is_control() || c == '\u{202e}');
        assert_eq!(safe(HOSTILE, 100), "a\\u{1b}[2J\\u{9b}31m\\u{202e}b\\r\\n\\u{7f}é\"日");
        assert_eq!(safe("abcdef", 3), "abc…");
        let json = serde_json::to_string(HOSTILE).expect("JSON");
        assert!(harmless(&safe_json(&json)), "{}", safe_json(&json));
        assert_eq!(serde_json::from_str::<String>(&safe_json(&json)).expect("JSON"), HOSTILE);
    }
}
