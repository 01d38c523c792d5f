//! Answers as pictures: SVG, and PNG where the feature `png` is built in.

mod chart;
mod draw;
#[cfg(feature = "png")]
mod png;

use super::ReportRows;
use chart::Chart;

impl ReportRows {
    /// The answer as an SVG document. Texts of events are escaped, whatever they hold.
    pub fn svg(&self) -> String {
        draw::document(&self.title, &Chart::new(self)).to_string()
    }

    /// The answer as a PNG.
    #[cfg(feature = "png")]
    pub fn png(&self) -> anyhow::Result<Vec<u8>> {
        png::render(&self.svg())
    }
}
