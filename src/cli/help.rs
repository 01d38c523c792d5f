//! Examples and exit statuses: below the flags in the help of a subcommand, and as sections of its manual page.

use std::borrow::Cow;
use std::fmt::Write;

use dataflows::model::{Dimension, FieldKind, Model, TableRows};

use crate::failure::ExitStatus;
use crate::reports::{Parameter, parameters, titled};

/// Headings of the flags of `freshet run`.
pub mod heading {
    /// Where records come from.
    pub const KAFKA: &str = "Kafka";
    /// Where the tables are.
    pub const POSTGRES: &str = "Postgres";
    /// Which records count, and as what.
    pub const RULES: &str = "What counts";
    /// How fast, how long, with how much.
    pub const PACE: &str = "Pace";
    /// The page, its API, metrics and probes.
    pub const PAGE: &str = "Page";
    /// Several processes.
    pub const CLUSTER: &str = "Cluster";
    /// Diagnostics.
    pub const LOG: &str = "Log and help";
}

/// A command line, and what it is for.
#[derive(Clone, Debug)]
pub struct Example {
    /// What it does.
    pub purpose: Cow<'static, str>,
    /// What to type.
    pub line: Cow<'static, str>,
}

/// Examples and exit statuses of one subcommand.
pub struct Epilogue {
    /// The examples.
    pub examples: Vec<Example>,
    /// The statuses.
    pub statuses: &'static [ExitStatus],
}

/// Characters of a line below the flags, without its indentation.
const LINE_CHARS: usize = 84;

const fn example(purpose: &'static str, line: &'static str) -> Example {
    Example { purpose: Cow::Borrowed(purpose), line: Cow::Borrowed(line) }
}

const RUN: &[Example] = &[
    example(
        "Keep the tables fresh until stopped",
        "freshet run --brokers localhost:9092 --topic product_view --database-url postgres://me@localhost/freshet",
    ),
    example(
        "Count what is in the topic now, then exit",
        "freshet run --brokers localhost:9092 --topic product_view --database-url postgres://me@localhost/freshet --until-end",
    ),
    example(
        "Count every kind of event, by the server's clock in Berlin",
        "freshet run --brokers localhost:9092 --topic product_view --database-url postgres://me@localhost/freshet \
         --views all --clock time-stamp --time-zone Europe/Berlin",
    ),
];
const DEMO: &[Example] = &[
    example("Two weeks of history, then live events until Ctrl-C", "freshet demo"),
    example("Ten seconds, faster, from empty tables", "freshet demo --history 0 --rate 5000 --for 10s"),
    example("Segment's events, and the reports about them", "freshet demo --reports segment"),
];
const REBUILD: &[Example] = &[
    example(
        "Count all kinds of events from now on, and of all that the topic has",
        "freshet rebuild --brokers localhost:9092 --topic product_view --database-url postgres://me@localhost/freshet \
         --views all",
    ),
    example(
        "Give it up, and leave nothing behind",
        "freshet rebuild --abandon --database-url postgres://me@localhost/freshet",
    ),
];
const STATUS: &[Example] = &[example(
    "Owner, progress, lag and sizes of the tables",
    "freshet status --database-url postgres://me@localhost/freshet --brokers localhost:9092",
)];
const CHECK: &[Example] = &[
    example(
        "What would be counted, ignored and rejected",
        "freshet check --brokers localhost:9092 --topic product_view",
    ),
    example(
        "A file of reports about the events of any topic",
        "freshet check --brokers localhost:9092 --topic events --propose events.toml",
    ),
];
const MODELS: &[Example] = &[
    example("The models that are built in", "freshet models"),
    example("One of them, to edit it", "freshet models segment"),
];
const VERIFY: &[Example] = &[example(
    "Prove the tables right",
    "freshet verify --brokers localhost:9092 --topic product_view --database-url postgres://me@localhost/freshet",
)];
const REJECTED: &[Example] = &[
    example("The newest", "freshet rejected --database-url postgres://me@localhost/freshet"),
    example(
        "What those of the last two hours hold that are no JSON",
        "freshet rejected --database-url postgres://me@localhost/freshet --since 2h --reason JSON --show --brokers localhost:9092",
    ),
];
const SCHEMA: &[Example] = &[
    example("The tables of the built-in reports", "freshet schema"),
    example("Of a model that is built in", "freshet schema --reports segment"),
    example("Of your own", "freshet schema --reports FILE"),
];
const GENERATE: &[Example] = &[
    example("Three events on standard output", "freshet generate --events 3"),
    example("The same as nginx would write them", "freshet generate --events 3 --shape nginx"),
    example(
        "Fill a topic, with 2 % of records that break careless consumers",
        "freshet generate --brokers localhost:9092 --topic product_view --events 200000 --hostile 0.02",
    ),
    example(
        "A shop whose events happen now, until stopped",
        "freshet generate --brokers localhost:9092 --topic product_view --live --rate 500",
    ),
];
const BENCH: &[Example] = &[example(
    "A million records with Apache Kafka, then freshness at 2,000 records/s",
    "freshet bench --kafka-home target/kafka --records 1000000 --rate 2000",
)];
const COMPLETIONS: &[Example] = &[example("Complete flags in bash", "freshet completions bash")];
const MAN: &[Example] = &[example("Read a page of the manual", "freshet man run")];

/// The database of an example, and its topic.
const DATABASE: &str = "--database-url postgres://me@localhost/freshet";
const TOPIC: &str = "--brokers localhost:9092 --topic product_view";

/// Flags with plausible values.
fn flags(model: &Model, dimensions: impl IntoIterator<Item = Dimension>) -> String {
    let flag = |dimension| {
        let value = match dimension {
            Dimension::Day => "2020-06-02",
            Dimension::Hour => "9",
            Dimension::Field(field) => match model.fields[field].kind {
                FieldKind::Id => "85796",
                FieldKind::Country | FieldKind::CountryCode => "DE",
                FieldKind::Boolean => "true",
                _ => "VALUE",
            },
        };
        format!(" --{} {value}", model.dimension_label(dimension))
    };
    dimensions.into_iter().map(flag).collect()
}

/// Examples of a report with its defaults, and of one about a member.
fn of_reports(model: &Model) -> Vec<Example> {
    let needed = |place: usize| {
        let parameters = parameters(model, &model.reports[place]).into_iter();
        parameters.filter(|parameter| parameter.is_needed).map(|Parameter { dimension, .. }| dimension)
    };
    let example = |place: usize, format: &str| {
        let (name, flags) = (&model.reports[place].name, flags(model, needed(place)));
        let purpose = format!("{}{}", &titled(model, place).title, if format.is_empty() { "" } else { ", as CSV" });
        Example { purpose: purpose.into(), line: format!("freshet report {name}{flags}{format} {DATABASE}").into() }
    };
    let plain = (0..model.reports.len()).find(|place| needed(*place).next().is_none());
    let of_a_member = (0..model.reports.len()).rfind(|place| needed(*place).next().is_some());
    plain
        .map(|place| example(place, ""))
        .into_iter()
        .chain(of_a_member.map(|place| example(place, " --format csv")))
        .collect()
}

/// An example with one number of the first table.
fn of_numbers(model: &Model) -> Vec<Example> {
    let table = model.tables.iter().find(|table| matches!(table.rows, TableRows::Count(_)));
    let line = table.map(|table| {
        let flags = flags(model, model.dimensions_of(table).iter().copied());
        format!("freshet explain {}{flags} {TOPIC} {DATABASE}", table.name)
    });
    line.map(|line| Example { purpose: "The records behind one number".into(), line: line.into() })
        .into_iter()
        .collect()
}

/// Examples with the page of a subcommand, and that of a report.
fn of_pages(model: &Model) -> Vec<Example> {
    let line = model.reports.first().map(|report| format!("freshet man report {}", report.name));
    let of_a_report = line.map(|line| Example { purpose: "Of a report".into(), line: line.into() });
    MAN.iter().cloned().chain(of_a_report).collect()
}

const USUAL_STATUSES: &[ExitStatus] = &[ExitStatus::Success, ExitStatus::Error, ExitStatus::Usage];
const READER: &[ExitStatus] = &[ExitStatus::Success, ExitStatus::Error, ExitStatus::Usage, ExitStatus::OtherTables];

impl Epilogue {
    /// The epilogue of a subcommand, by its name; the program itself has none. The examples use the reports of the model.
    pub fn new(name: &str, model: &Model) -> Epilogue {
        let (examples, statuses) = match name {
            "run" => (RUN.to_vec(), ExitStatus::ALL),
            "rebuild" => (REBUILD.to_vec(), ExitStatus::ALL),
            "demo" => (DEMO.to_vec(), USUAL_STATUSES),
            "status" => (STATUS.to_vec(), READER),
            "rejected" => (REJECTED.to_vec(), READER),
            "report" => (of_reports(model), READER),
            "check" => (CHECK.to_vec(), USUAL_STATUSES),
            "models" => (MODELS.to_vec(), USUAL_STATUSES),
            "verify" => (VERIFY.to_vec(), READER),
            "explain" => (of_numbers(model), READER),
            "forget" => (of_fields(model), ExitStatus::ALL),
            "schema" => (SCHEMA.to_vec(), USUAL_STATUSES),
            "generate" => (GENERATE.to_vec(), USUAL_STATUSES),
            "bench" => (BENCH.to_vec(), USUAL_STATUSES),
            "completions" => (COMPLETIONS.to_vec(), USUAL_STATUSES),
            "man" => (of_pages(model), USUAL_STATUSES),
            _ => (Vec::new(), &[] as &[ExitStatus]),
        };
        Epilogue { examples, statuses }
    }

    /// The text below the flags.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if !self.examples.is_empty() {
            let _ = writeln!(text, "Examples:");
        }
        for Example { purpose, line } in &self.examples {
            let _ = writeln!(text, "  # {purpose}\n  {}", folded(line, " --", " \\\n     "));
        }
        if !self.statuses.is_empty() {
            let _ = writeln!(text, "\nExit statuses:");
        }
        for status in self.statuses {
            let _ = writeln!(text, "  {:>3}  {}", status.code(), folded(status.meaning(), " ", "\n      "));
        }
        text.trim_end().to_owned()
    }
}

/// Examples of `freshet forget`, with a field of the model.
fn of_fields(model: &Model) -> Vec<Example> {
    let forget = |what: &str| {
        let line = format!(
            "freshet forget {what} --brokers localhost:9092 --topic product_view --database-url postgres://me@localhost/freshet"
        );
        Cow::Owned(line)
    };
    let mut examples =
        vec![Example { purpose: Cow::Borrowed("Two events, by their ids"), line: forget("--id 5ea1 5ea2") }];
    examples.extend(model.fields.first().map(|field| Example {
        purpose: Cow::Borrowed("How many with this text there were in May"),
        line: forget(&format!("--where {}=85 --from 2026-05-01 --to 2026-05-31 --dry-run", field.name)),
    }));
    examples
}

/// A text in lines that fit a terminal: it may break before each `gap`, with `break_by` inserted there.
fn folded(text: &str, gap: &str, break_by: &str) -> String {
    let mut pieces = text.split(gap);
    let mut folded = pieces.next().unwrap_or_default().to_owned();
    let mut column = folded.len();
    for piece in pieces {
        if column + gap.len() + piece.len() > LINE_CHARS {
            folded.push_str(break_by);
            column = 0;
        }
        folded.extend([gap, piece]);
        column += gap.len() + piece.len();
    }
    folded
}
