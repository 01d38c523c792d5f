//! `freshet report`: the reports of the model in the terminal.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono::NaiveDate;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};
use console::Term;
use dataflows::model::{Dimension, Model, Report as Declared};

use super::dimensions::DimensionArgs;
use super::reports::ReportsArgs;
use crate::database::Target;
use crate::reports::{
    CONNECT_TIMEOUT, Comparison, CsvCells, Format, Period, Reader, ReportQuery, ReportRows, parameters, titled,
};
use crate::terminal;

/// How often `--watch` checks whether the tables have changed.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The flag that asks for one day of a report of all days.
const DAILY: &str = "daily";

/// Print a report.
#[derive(Clone, Debug)]
pub struct Report {
    /// Which one.
    name: String,
    /// What it is asked about.
    dimensions: DimensionArgs,
    is_daily: bool,
    days: DaysArgs,
    output: Output,
}

/// Several days together, and what is said of them beside.
#[derive(Args, Clone, Debug)]
pub struct DaysArgs {
    /// First of several days, which are counted together
    #[arg(long, value_name = "DAY")]
    pub from: Option<NaiveDate>,
    /// Last of several days [default: the current or latest one]
    #[arg(long, value_name = "DAY", requires = "from")]
    pub to: Option<NaiveDate>,
    /// Compare with earlier days
    #[arg(long, value_name = "DAYS")]
    pub compare: Option<Comparison>,
    /// In lists and rankings, show what share of all views each row is
    #[arg(long)]
    pub share: bool,
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

/// The subcommand, with one for each report of the model.
pub fn with_reports(command: Command, model: &Model) -> Command {
    command.subcommands((0..model.reports.len()).map(|place| subcommand(model, place)))
}

fn subcommand(model: &Model, place: usize) -> Command {
    let report = &model.reports[place];
    let flags = parameters(model, report).into_iter().map(|parameter| {
        let flag = DimensionArgs::flag(model, parameter.dimension).required(parameter.is_needed);
        match parameter.dimension {
            Dimension::Day => flag.help("Day, as 2020-06-04 [default: the current or latest one]"),
            _ => flag,
        }
    });
    let command = Command::new(report.name.clone()).args(flags);
    let daily = || {
        let flag = Arg::new(DAILY).long(DAILY).action(ArgAction::SetTrue);
        flag.help("Of one day instead of all days")
    };
    // Set last, as the shared flags bring a description of their own.
    let command = DaysArgs::augment_args(command.args(report.daily.map(|_| daily())));
    Output::augment_args(command).about(about(model, place))
}

/// The title of a report, and what it shows besides.
fn about(model: &Model, place: usize) -> String {
    let (title, Declared { about, .. }) = (&titled(model, place).title, &model.reports[place]);
    format!("{title}: {}", lower(about))
}

/// A sentence to continue another one: with a lowercase first letter.
fn lower(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The reports themselves are added where the model is known.
impl Args for Report {
    fn augment_args(command: Command) -> Command {
        command
            .about("Print a report")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand_value_name("REPORT")
    }

    fn augment_args_for_update(command: Command) -> Command {
        Report::augment_args(command)
    }
}

impl FromArgMatches for Report {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Report, Error> {
        let Some((name, matches)) = matches.subcommand() else {
            return Err(Error::raw(clap::error::ErrorKind::MissingSubcommand, "which report?\n"));
        };
        Ok(Report {
            name: name.to_owned(),
            dimensions: DimensionArgs::from_arg_matches(matches)?,
            is_daily: matches.try_get_one(DAILY).ok().flatten().is_some_and(|is_daily| *is_daily),
            days: DaysArgs::from_arg_matches(matches)?,
            output: Output::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        Report::from_arg_matches(matches).map(|report| *self = report)
    }
}

impl Report {
    fn query(&self, model: &Model) -> Result<ReportQuery> {
        let mut place = model.reports.iter().position(|report| report.name == self.name).context("no such report")?;
        if let Some(daily) = model.reports[place].daily.filter(|_| self.is_daily) {
            place = daily;
        }
        let dimensions: Vec<_> = parameters(model, &model.reports[place]).iter().map(|it| it.dimension).collect();
        let values = self.dimensions.values(model, &dimensions);
        let day = values.iter().find(|(dimension, _)| *dimension == Dimension::Day);
        let day = day.map(|(_, day)| day.parse()).transpose()?;
        let period = Period::new(day, self.days.from, self.days.to)?;
        let query = ReportQuery::new(model, place, period, values)?;
        Ok(ReportQuery { compare: self.days.compare, has_share: self.days.share, ..query })
    }
}

/// Prints the report, once or whenever the tables change.
pub fn run(args: &Report) -> Result<()> {
    let (model, output) = (args.output.reports.model(), &args.output);
    let query = args.query(&model)?;
    let is_png = output.format == Format::Png && !output.watch;
    if is_png {
        check_png()?;
    }
    let mut reader = Reader::connect(&output.database_url, CONNECT_TIMEOUT, model)?;
    reader.check_tables()?;
    match (is_png, output.watch) {
        (true, _) => print_png(&mut reader, &query, output),
        (false, true) => watch(&mut reader, &query, output),
        (false, false) => terminal::print(&text(&mut reader, &query, output)?),
    }
}

/// Refuses a PNG that cannot be drawn, or would go to a terminal.
fn check_png() -> Result<()> {
    if cfg!(not(feature = "png")) {
        let instead = "this build of freshet draws no PNG: use --format svg, or build it with its default features";
        anyhow::bail!(crate::failure::Failure::NotBuilt(instead.into()));
    }
    ensure!(!io::stdout().is_terminal(), "a PNG is nothing for a terminal; redirect it to a file");
    Ok(())
}

#[cfg(feature = "png")]
fn print_png(reader: &mut Reader, query: &ReportQuery, output: &Output) -> Result<()> {
    terminal::print_bytes(&answer(reader, query, output)?.png()?)
}

#[cfg(not(feature = "png"))]
fn print_png(_: &mut Reader, _: &ReportQuery, _: &Output) -> Result<()> {
    check_png()
}

fn answer(reader: &mut Reader, query: &ReportQuery, output: &Output) -> Result<ReportRows> {
    reader.snapshot()?.read(query, output.limit)
}

fn text(reader: &mut Reader, query: &ReportQuery, output: &Output) -> Result<String> {
    let cells = if output.csv_safe { CsvCells::Safe } else { CsvCells::Raw };
    let text = answer(reader, query, output)?.text(output.format, cells)?;
    // Another program gets raw text; a terminal would interpret control characters in it.
    let is_raw = output.format == Format::Csv && io::stdout().is_terminal();
    let harmless =
        |text: &str| text.lines().map(|line| terminal::safe(line, usize::MAX)).collect::<Vec<_>>().join("\n");
    Ok(if is_raw { harmless(&text) } else { text })
}

fn watch(reader: &mut Reader, query: &ReportQuery, output: &Output) -> Result<()> {
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
        thread::sleep(POLL_INTERVAL);
    }
}
