//! The settings of `freshet run`, from clap's definitions.

use anyhow::{Context, Result};
use clap::builder::StyledStr;
use clap::{Arg, Args, Command};
use dataflows::model::Model;
use freshet::cli::arguments::RuleArgs;
use freshet::cli::program::Program;

use super::generated::{prose, table};

/// A table for each group of flags, or one where flags are in none.
pub fn settings() -> Result<String> {
    let rules = RuleArgs::augment_args(Command::new("rules"));
    let is_built_with =
        |flag: &Arg| flag.get_id() == "topic" || rules.get_arguments().any(|it| it.get_id() == flag.get_id());
    let program = Program::command_line(&Model::builtin());
    let run = program.find_subcommand("run").context("no subcommand run")?;
    let flags: Vec<_> = run.get_arguments().filter(|flag| !flag.is_hide_set() && flag.get_env().is_some()).collect();
    let mut groups: Vec<Option<&str>> = Vec::new();
    for flag in &flags {
        if !groups.contains(&flag.get_help_heading()) {
            groups.push(flag.get_help_heading());
        }
    }
    let mut text = String::new();
    for group in groups {
        if let Some(heading) = group {
            text += &format!("### {heading}\n\n");
        }
        let rows =
            flags.iter().filter(|flag| flag.get_help_heading() == group).map(|flag| row(flag, is_built_with(flag)));
        text += &table(&["flag", "environment", "default", "meaning"], rows);
        text += "\n";
    }
    Ok(text)
}

fn row(flag: &Arg, is_built_with: bool) -> Vec<String> {
    let long = flag.get_long().map(|name| format!("`--{name}`"));
    let short = flag.get_short().map(|name| format!("`-{name}`"));
    let variable = flag.get_env().map(|name| format!("`{}`", name.display()));
    let mut meaning = meaning(flag);
    if is_built_with {
        meaning += " ¹";
    }
    vec![
        long.into_iter().chain(short).collect::<Vec<_>>().join(", "),
        variable.unwrap_or_default(),
        default(flag),
        meaning,
    ]
}

fn default(flag: &Arg) -> String {
    match flag.get_default_values() {
        _ if flag.is_required_set() => "needed".into(),
        [] if flag.get_action().takes_values() => "none".into(),
        [] => "`false`".into(),
        values => format!("`{}`", values.iter().map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(",")),
    }
}

/// The whole of its help, and each thing that it can be where that is a choice.
fn meaning(flag: &Arg) -> String {
    let plain = |help: &StyledStr| prose(&help.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
    let mut meaning = flag.get_long_help().or(flag.get_help()).map(plain).unwrap_or_default();
    for choice in flag.get_possible_values().iter().filter(|choice| !choice.is_hide_set()) {
        if let Some(help) = choice.get_help() {
            meaning += &format!("<br>`{}`: {}", choice.get_name(), plain(help));
        }
    }
    meaning
}
