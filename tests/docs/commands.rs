//! Every command and every statement of the pages, taken out of the text and run against servers of the tests.
//!
//! ```` ```sh ```` and ```` ```sql ```` run, of ```` ```json ```` the events must count, ```` ```yaml ```` must be YAML, and ```` ```toml ````
//! declares reports. A command that cannot run here is
//! checked otherwise ([`super::elsewhere`]), and one that nobody knows fails. Blocks with other names are not run: `text` is what
//! is seen.

use anyhow::{Context, Result, bail, ensure};
use freshet::source::decode::{Decoder, Outcome};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use super::elsewhere;
use super::markdown::{Block, Page, pages};
use super::shell::{commands, simple};
use super::world::World;
use crate::support::defaults::{decoded, rules};

/// Commands that run here; these print nothing where all is well.
const SILENT: [&str; 7] = ["createdb", "dropdb", "mkdir", "chmod", "pg_dump", "pg_restore", "test"];
/// And these print something, or write it to a file.
const TELLING: [&str; 8] = ["freshet", "psql", "curl", "man", "cat", "echo", "jq", "openssl"];

#[test]
fn every_command_and_statement_runs() -> Result<()> {
    let pages = pages()?;
    let samples = pages.iter().flat_map(Page::blocks).filter(|block| block.info == "json" && is_event(&block.text));
    let Some(mut world) = World::create(&samples.map(|block| block.text).collect::<Vec<_>>())? else { return Ok(()) };
    let (mut broken, mut seen) = (Vec::new(), 0);
    for page in &pages {
        let blocks = page.blocks();
        world.begin(!blocks.iter().any(|block| block.text.contains("createdb freshet")))?;
        for block in &blocks {
            // What comes after a command that failed would tell of that.
            if let Err(error) = run(&mut world, block) {
                broken.push(format!("{}:{}: {error:#}", page.path, block.line));
                break;
            }
            seen += 1;
        }
    }
    world.stop()?;
    ensure!(broken.is_empty(), "{} of the pages do not do what they say:\n{}", broken.len(), broken.join("\n"));
    ensure!(seen > 30, "only {seen} blocks were found");
    Ok(())
}

fn run(world: &mut World, block: &Block) -> Result<()> {
    match block.info.as_str() {
        "sh" => {
            for command in commands(&block.text) {
                execute(world, &command.text).with_context(|| format!("`{}`", command.text))?;
            }
            Ok(())
        }
        "sh ignore" => {
            for command in commands(&block.text) {
                elsewhere::check_ignored(&command.text).with_context(|| format!("`{}`", command.text))?;
            }
            Ok(())
        }
        "sql" => world.query(&block.text),
        "json" if is_event(&block.text) => counts(&block.text),
        "json" => serde_json::from_str::<Value>(&block.text).map(drop).context("no JSON"),
        "toml" => world.declares(&block.text),
        "yaml" => Yaml::load_from_str(&block.text).map(drop).context("no YAML"),
        // tests/access.rs runs nginx with the page's.
        "text" | "mermaid" | "rust" | "ini" | "nginx" | "caddyfile" => Ok(()),
        other => bail!("is {other:?} run, or what is seen?"),
    }
}

fn execute(world: &mut World, text: &str) -> Result<()> {
    if let Some((name, value)) = text.strip_prefix("export ").and_then(|rest| rest.split_once('=')) {
        return world.export(name, value.trim_matches(['\'', '"']));
    }
    if elsewhere::check_all(text)? {
        return Ok(());
    }
    let parts = simple(text);
    for words in &parts {
        let is_known = SILENT.iter().chain(&TELLING).any(|name| words[0] == *name);
        ensure!(is_known, "nobody knows whether {} runs in a test: say so in tests/docs", words[0]);
    }
    let has = |flag: &str| parts[0].iter().any(|word| word == flag);
    match parts[0].as_slice() {
        [program, run, ..] if program == "freshet" && run == "run" && !has("--until-end") && !has("--help") => {
            world.serves(text)
        }
        [program, ..] if program == "freshet" && (has("--watch") || has("--live")) => world.shows(text),
        [program, ..] => {
            let printed = world.ends(text)?;
            let is_silent = SILENT.contains(&program.as_str()) || text.contains('>');
            ensure!(is_silent || !printed.trim().is_empty(), "it says nothing");
            Ok(())
        }
        [] => Ok(()),
    }
}

fn is_event(json: &str) -> bool {
    serde_json::from_str::<Value>(json).is_ok_and(|value| value.get("collection").is_some())
}

/// An event counts, by the settings that a run has by itself.
fn counts(json: &str) -> Result<()> {
    decoded(&mut Decoder::new(rules()), Some(json.as_bytes()), None, |outcome| match outcome {
        Outcome::Counted(_) => Ok(()),
        Outcome::Ignored(_) | Outcome::Bot | Outcome::Forgotten(_) => bail!("this event is ignored: {json}"),
        Outcome::Rejected(reason) => bail!("this event is rejected: {reason}"),
    })
}
