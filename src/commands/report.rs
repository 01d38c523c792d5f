//! `freshet report`: the six reports in the terminal.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use chrono::NaiveDate;
use clap::{Args, Subcommand};
use console::Term;

use super::reports::ReportsArgs;
use crate::database::Target;
use crate::reports::{Answer, CsvCells, Format, PATIENCE, Query, Reader};
use crate::terminal;

/// How often `--watch` looks whether the tables have moved.
const GLANCE: Duration = Duration::from_millis(500);

/// Print one of the six reports.
#[derive(Args, Clone, Debug)]
pub struct Report {
    /// Which one.
    #[command(subcommand)]
    pub name: Name,
}

/// The reports.
#[derive(Subcommand, Clone, Debug)]
pub enum Name {
    /// The ten most viewed products of a day
    TopProducts {
        /// The day.
        #[command(flatten)]
        day: DayArgs,
        /// Where from, and how.
        #[command(flatten)]
        output: Output,
    },
    /// The ten countries with the most views
    TopCountries {
        /// Of one day instead of all days
        #[arg(long)]
        daily: bool,
        /// The day.
        #[command(flatten)]
        day: DayArgs,
        /// Where from, and how.
        #[command(flatten)]
        output: Output,
    },
    /// The five referrers with the most views of a day
    TopReferrers {
        /// The day.
        #[command(flatten)]
        day: DayArgs,
        /// Where from, and how.
        #[command(flatten)]
        output: Output,
    },
    /// Views of each store of a country, over all days
    StoreViews {
        /// Country code, as DE
        #[arg(long)]
        country: String,
        /// Where from, and how.
        #[command(flatten)]
        output: Output,
    },
    /// Views of a product by hour of a day, by default the latest that has any
    ProductHours {
        /// Product id
        #[arg(long)]
        product: String,
        /// The day.
        #[command(flatten)]
        day: DayArgs,
        /// Where from, and how.
        #[command(flatten)]
        output: Output,
    },
    /// Views by hour, browser and operating system of a day
    BrowserOsHours {
        /// The day.
        #[command(flatten)]
        day: DayArgs,
        /// Where from, and how.
        #[command(flatten)]
        output: Output,
    },
}

/// Which day.
#[derive(Args, Clone, Debug)]
pub struct DayArgs {
    /// Day, as 2020-06-04 [default: the current or latest one]
    #[arg(long)]
    pub day: Option<NaiveDate>,
}

/// Where a report comes from, and in what form.
#[derive(Args, Clone, Debug)]
pub struct Output {
    /// Postgres database of the tables: postgres://user:password@host:port/database
    #[arg(long, env = "FRESHET_DATABASE_URL", hide_env_values = true)]
    pub database_url: Target,
    /// The reports that there are.
    #[command(flatten)]
    pub reports: ReportsArgs,
    /// Maximum number of rows
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Output format
    #[arg(long, default_value = "table")]
    pub format: Format,
    /// In CSV, put an apostrophe before texts that a spreadsheet would take for a formula
    #[arg(long)]
    pub csv_safe: bool,
    /// Redraw whenever the tables change, until Ctrl-C
    #[arg(long)]
    pub watch: bool,
}

impl Name {
    fn asked(&self) -> (Query, &Output) {
        match self.clone() {
            Name::TopProducts { day, .. } => (Query::TopProducts { day: day.day }, self.output()),
            Name::TopCountries { daily, day, .. } if daily || day.day.is_some() => {
                (Query::TopCountriesOfDay { day: day.day }, self.output())
            }
            Name::TopCountries { .. } => (Query::TopCountries, self.output()),
            Name::TopReferrers { day, .. } => (Query::TopReferrers { day: day.day }, self.output()),
            Name::StoreViews { country, .. } => (Query::StoreViews { country }, self.output()),
            Name::ProductHours { product, day, .. } => (Query::ProductHours { product, day: day.day }, self.output()),
            Name::BrowserOsHours { day, .. } => (Query::BrowserOsHours { day: day.day }, self.output()),
        }
    }

    fn output(&self) -> &Output {
        match self {
            Name::TopProducts { output, .. }
            | Name::TopCountries { output, .. }
            | Name::TopReferrers { output, .. }
            | Name::StoreViews { output, .. }
            | Name::ProductHours { output, .. }
            | Name::BrowserOsHours { output, .. } => output,
        }
    }
}

/// Prints the report, once or again and again.
pub fn run(args: &Report) -> Result<()> {
    let (query, output) = args.name.asked();
    if output.format == Format::Png && !output.watch {
        return print_png(&query, output);
    }
    let mut reader = Reader::connect(&output.database_url, PATIENCE)?;
    if output.watch {
        return watch(&mut reader, &query, output);
    }
    terminal::print(&text(&mut reader, &query, output)?)
}

#[cfg(feature = "png")]
fn print_png(query: &Query, output: &Output) -> Result<()> {
    ensure!(!io::stdout().is_terminal(), "a PNG is nothing for a terminal; redirect it to a file");
    let mut reader = Reader::connect(&output.database_url, PATIENCE)?;
    terminal::print_bytes(&answer(&mut reader, query, output)?.png()?)
}

#[cfg(not(feature = "png"))]
fn print_png(_: &Query, _: &Output) -> Result<()> {
    let instead = "this build of freshet draws no PNG: use --format svg, or build it with its default features";
    anyhow::bail!(crate::failure::Failure::NotBuilt(instead.into()))
}

fn answer(reader: &mut Reader, query: &Query, output: &Output) -> Result<Answer> {
    reader.snapshot()?.read(query, output.limit)
}

fn text(reader: &mut Reader, query: &Query, output: &Output) -> Result<String> {
    let cells = if output.csv_safe { CsvCells::Safe } else { CsvCells::Raw };
    let text = answer(reader, query, output)?.text(output.format, cells)?;
    // Another program gets a text as it is; a terminal would act on what it may hold.
    let is_raw = output.format == Format::Csv && io::stdout().is_terminal();
    let harmless =
        |text: &str| text.lines().map(|line| terminal::safe(line, usize::MAX)).collect::<Vec<_>>().join("\n");
    Ok(if is_raw { harmless(&text) } else { text })
}

fn watch(reader: &mut Reader, query: &Query, output: &Output) -> Result<()> {
    ensure!(
        output.format == Format::Table && io::stdout().is_terminal(),
        "--watch draws tables on a terminal; run it there, without --format"
    );
    let (terminal, mut shown) = (Term::stdout(), None);
    loop {
        let position = reader.snapshot()?.position()?;
        if shown.replace(position) != Some(position) {
            let text = text(reader, query, output)?;
            terminal.clear_screen()?;
            terminal.write_line(&text)?;
        }
        thread::sleep(GLANCE);
    }
}
