//! The messages that docs/reports.md quotes: what the program says of a file that is wrong, and of another file than the one that
//! the tables were built with.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rdkafka::mocking::MockCluster;
use tempfile::TempDir;

use super::markdown::Page;
use crate::support::{Database, file, run_arguments};

/// Changes of the page's file that make it wrong, in the order of the messages.
const WRONG: [(&str, &str); 3] = [
    ("kind = \"query\"", "kind = \"querry\""),
    ("by = [\"day\", \"hour\", \"campaign\"]", "by = [\"hour\", \"campaign\"]"),
    ("by = [\"day\", \"hour\", \"campaign\"]", "by = [\"day\", \"campaign\"]"),
];
/// And those that make it another one.
const OTHER: [(&str, &str); 3] = [
    ("count = 5", "count = 10"),
    ("by = [\"day\", \"campaign\", \"country\"]", "by = [\"day\", \"campaign\"]"),
    ("[[report]]", "[[report]]\ntable = \"campaigns\"\nby = [\"campaign\"]\n[[report]]"),
];

/// What `freshet` says of the file in this folder; it must end with this status.
fn said(folder: &TempDir, text: &str, status: i32, arguments: &str) -> Result<String> {
    fs::write(folder.path().join("shop.toml"), text)?;
    let mut freshet = Command::new(env!("CARGO_BIN_EXE_freshet"));
    freshet.args(arguments.split_whitespace()).args(["--reports", "shop.toml"]).current_dir(folder.path());
    let output = freshet.output()?;
    let errors = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(status), "{arguments}: {}: {errors}", output.status);
    Ok(errors.find("error: ").map_or("", |begin| errors[begin..].trim_end()).to_owned())
}

#[test]
fn the_docs_quote_what_the_program_prints() -> Result<()> {
    let page = Page { path: "docs/reports.md".into(), text: file("docs/reports.md")? };
    let blocks = page.blocks();
    let shop = &blocks.iter().find(|block| block.text.starts_with("# shop.toml")).context("no shop.toml")?.text;
    let mut quoted = blocks.iter().filter(|block| block.text.starts_with("error: ")).map(|block| block.text.trim_end());
    let folder = TempDir::new()?;
    let changed = |text: &str, (part, by): &(&str, &str)| {
        ensure!(text.contains(part), "the file has no {part}");
        Ok(text.replacen(part, by, 1))
    };

    let wrong: Result<Vec<_>> =
        WRONG.iter().map(|change| said(&folder, &changed(shop, change)?, 2, "schema")).collect();
    let (wrong, expected) = (wrong?.join("\n"), quoted.next().context("no message")?);
    ensure!(wrong == expected, "the page:\n{expected}\nthe program:\n{wrong}");

    let cluster = MockCluster::new(1)?;
    cluster.create_topic("views", 1, 1)?;
    let database = Database::create()?;
    let run = format!("{} --until-end", run_arguments(&cluster.bootstrap_servers(), "views", &database));
    said(&folder, shop, 0, &run)?;
    let other = OTHER.iter().try_fold(shop.clone(), |text, change| changed(&text, change))?;
    let (other, expected) = (said(&folder, &other, 6, &run)?, quoted.next().context("no second message")?);
    ensure!(other == expected, "the page:\n{expected}\nthe program:\n{other}");
    Ok(())
}
