//! What stands below the flags in the help of a subcommand, and as sections in its manual page.

use std::fmt::Write;

use crate::failure::ExitStatus;

/// Headings that the flags of `freshet run` stand under.
pub mod heading {
    /// Where records come from.
    pub const KAFKA: &str = "Kafka";
    /// Where the tables are.
    pub const POSTGRES: &str = "Postgres";
    /// Which records count, as what.
    pub const RULES: &str = "What counts";
    /// How fast, how long, with how much.
    pub const PACE: &str = "Pace";
    /// The page, its API, metrics and probes.
    pub const PAGE: &str = "Page";
    /// Diagnostics.
    pub const LOG: &str = "Log and help";
}

/// A command line, and what it is for.
pub struct Example {
    /// What it does.
    pub purpose: &'static str,
    /// What to type.
    pub line: &'static str,
}

/// Examples and exit statuses of one subcommand.
pub struct Epilogue {
    /// The examples.
    pub examples: &'static [Example],
    /// The statuses.
    pub statuses: &'static [ExitStatus],
}

/// How many letters a line has below the flags, beside what it is indented by.
const WIDTH: usize = 84;

const fn example(purpose: &'static str, line: &'static str) -> Example {
    Example { purpose, line }
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
];
const STATUS: &[Example] = &[example(
    "Owner, progress, lag and sizes of the tables",
    "freshet status --database-url postgres://me@localhost/freshet --brokers localhost:9092",
)];
const REPORT: &[Example] = &[
    example(
        "The top products of the current or latest day",
        "freshet report top-products --database-url postgres://me@localhost/freshet",
    ),
    example(
        "A product by hour, as CSV",
        "freshet report product-hours --product 85796 --format csv --database-url postgres://me@localhost/freshet",
    ),
];
const CHECK: &[Example] = &[example(
    "What would be counted, ignored and rejected",
    "freshet check --brokers localhost:9092 --topic product_view",
)];
const VERIFY: &[Example] = &[example(
    "Prove the tables right",
    "freshet verify --brokers localhost:9092 --topic product_view --database-url postgres://me@localhost/freshet",
)];
const EXPLAIN: &[Example] = &[example(
    "The records behind a product's views in one hour",
    "freshet explain product_views_hourly --product 85796 --day 2020-06-02 --hour 9 --brokers localhost:9092 \
     --topic product_view --database-url postgres://me@localhost/freshet",
)];
const SCHEMA: &[Example] = &[
    example("The tables of the built-in reports", "freshet schema"),
    example("Of your own", "freshet schema --reports FILE"),
];
const GENERATE: &[Example] = &[
    example("Three events on standard output", "freshet generate --events 3"),
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
const MAN: &[Example] = &[
    example("Read a page of the manual", "freshet man run"),
    example("Of a report", "freshet man report top-products"),
];

const USUAL: &[ExitStatus] = &[ExitStatus::Success, ExitStatus::Error, ExitStatus::Usage];
const READER: &[ExitStatus] = &[ExitStatus::Success, ExitStatus::Error, ExitStatus::Usage, ExitStatus::OtherTables];

impl Epilogue {
    /// That of a subcommand, by its name; the program itself has neither.
    pub fn of(name: &str) -> Epilogue {
        let (examples, statuses) = match name {
            "run" => (RUN, ExitStatus::ALL),
            "demo" => (DEMO, USUAL),
            "status" => (STATUS, READER),
            "report" => (REPORT, READER),
            "check" => (CHECK, USUAL),
            "verify" => (VERIFY, READER),
            "explain" => (EXPLAIN, READER),
            "schema" => (SCHEMA, USUAL),
            "generate" => (GENERATE, USUAL),
            "bench" => (BENCH, USUAL),
            "completions" => (COMPLETIONS, USUAL),
            "man" => (MAN, USUAL),
            _ => (&[] as &[Example], &[] as &[ExitStatus]),
        };
        Epilogue { examples, statuses }
    }

    /// As text below the flags.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if !self.examples.is_empty() {
            let _ = writeln!(text, "Examples:");
        }
        for Example { purpose, line } in self.examples {
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

/// A text in lines that fit a terminal: it may break before each `gap`, and does so by `break_by`.
fn folded(text: &str, gap: &str, break_by: &str) -> String {
    let mut pieces = text.split(gap);
    let mut folded = pieces.next().unwrap_or_default().to_owned();
    let mut column = folded.len();
    for piece in pieces {
        if column + gap.len() + piece.len() > WIDTH {
            folded.push_str(break_by);
            column = 0;
        }
        folded.extend([gap, piece]);
        column += gap.len() + piece.len();
    }
    folded
}
