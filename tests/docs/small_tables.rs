//! Tables that the program says in so many words: its metrics, its exit statuses, what the page's server answers.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use dataflows::model::Model;
use freshet::batch::Progress;
use freshet::failure::ExitStatus;
use freshet::metrics::Metrics;

use super::generated::{prose, table};

/// Those of the registry, by the help that a scraper gets.
pub fn metrics() -> Result<String> {
    let metrics = Metrics::new()?;
    // One that has a label is there once it has a value.
    metrics.wrote("t", 0);
    metrics.rejected(&[("a reason".to_owned(), 0)].into(), 0);
    metrics.add_keys("t", 0);
    metrics.begin(&first(), 0);
    let text = metrics.text()?;
    let (mut help, mut rows) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        match line.splitn(4, ' ').collect::<Vec<_>>().as_slice() {
            ["#", "HELP", name, words] if name.starts_with("freshet_") => {
                help.insert(*name, *words);
            }
            ["#", "TYPE", name, kind] => {
                if let Some(words) = help.get(name).copied() {
                    rows.push(vec![format!("`{name}{}`", labels(&text, name)), kind.to_string(), prose(words)]);
                }
            }
            _ => {}
        }
    }
    let process = "CPU time, memory, file descriptors, threads and start of the process";
    rows.push(vec!["`process_…`".into(), String::new(), process.into()]);
    Ok(table(&["metric", "type", "means"], rows))
}

fn first() -> Progress {
    Progress::default()
}

/// The names of a metric's labels, in braces.
fn labels(text: &str, name: &str) -> String {
    let braces = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once('}'));
    let names = braces.map_or("", |(labels, _)| labels).split(',').filter_map(|label| Some(label.split_once('=')?.0));
    let names: Vec<_> = names.collect();
    if names.is_empty() { String::new() } else { format!("{{{}}}", names.join(",")) }
}

pub fn exit_statuses() -> Result<String> {
    let rows = ExitStatus::ALL.iter().map(|status| vec![status.code().to_string(), prose(status.meaning())]);
    Ok(table(&["status", "meaning"], rows))
}

/// What can be asked of the page's server, by its own description.
pub fn operations() -> Result<String> {
    let api = freshet::serve::openapi(&Model::builtin());
    let mut rows = Vec::new();
    for (path, operations) in api["paths"].as_object().context("paths")? {
        let get = &operations["get"];
        let parameters = get["parameters"].as_array().into_iter().flatten();
        let parameters: Vec<_> = parameters.filter_map(|it| it["name"].as_str()).map(|it| format!("`{it}`")).collect();
        let summary = get["summary"].as_str().with_context(|| format!("{path} has no summary"))?;
        rows.push(vec![format!("`{path}`"), parameters.join(", "), summary.to_owned()]);
    }
    Ok(table(&["path", "parameters", "answers"], rows))
}
