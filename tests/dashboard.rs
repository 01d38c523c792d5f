//! The dashboard: it asks for every metric that there is, of the installation that is chosen. Alerts ask for no others.

use std::collections::BTreeSet;
use std::time::Duration;

use ::freshet::batch::Progress;
use ::freshet::metrics::Metrics;
use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::support::exposition::Exposition;
use crate::support::yaml::document;

const ALERTS: &str = include_str!("../observe/alerts.yaml");
const DASHBOARD: &str = include_str!("../observe/grafana/dashboards/freshet.json");
const OPERATIONS: &str = include_str!("../docs/operations.md");

/// The metrics that there are, once everything has happened.
fn metrics() -> Result<BTreeSet<String>> {
    let (metrics, progress) = (Metrics::new()?, Progress::default());
    metrics.begin(&progress, 0);
    metrics.wrote("a table", 1);
    metrics.rejected(&[("a reason".to_owned(), 1)].into(), 1);
    metrics.add_keys("a table", 1);
    metrics.committed(Duration::from_secs(1));
    metrics.moved(None, &progress);
    Ok(Exposition::parse(&metrics.text()?)?.types.into_keys().collect())
}

/// The metrics that an expression asks for. Of a histogram there are three series.
fn asked(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("freshet_") || word.starts_with("process_"));
    ours.map(|word| ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word))
}

/// What the panels of the dashboard ask for.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())).collect()
}

#[test]
fn dashboard_and_alerts_ask_for_existing_metrics() -> Result<()> {
    let metrics = metrics()?;
    let mut expressions = expressions(&serde_json::from_str(DASHBOARD)?);
    ensure!(expressions.len() > 10, "{expressions:?}");
    for group in document(ALERTS)?["groups"].as_array().context("groups")? {
        let rules = group["rules"].as_array().context("rules")?;
        expressions.extend(rules.iter().filter_map(|rule| Some(rule["expr"].as_str()?.to_owned())));
    }
    let asked: BTreeSet<_> = expressions.iter().flat_map(|expression| asked(expression)).collect();
    for name in &asked {
        ensure!(metrics.contains(*name), "{name} is asked for, but not among {metrics:?}");
    }
    for name in metrics.iter().filter(|name| name.starts_with("freshet_")) {
        ensure!(asked.contains(name.as_str()), "{name} stands on no dashboard");
        ensure!(OPERATIONS.contains(&format!("`{name}")), "docs/operations.md does not list {name}");
    }
    Ok(())
}

#[test]
fn the_dashboard_is_of_one_job() -> Result<()> {
    let dashboard: Value = serde_json::from_str(DASHBOARD)?;
    let variables = dashboard["templating"]["list"].as_array().context("variables")?;
    let names: Vec<_> = variables.iter().filter_map(|variable| variable["name"].as_str()).collect();
    ensure!(names == ["datasource", "job", "instance"], "{names:?}");
    for expression in expressions(&dashboard) {
        let chosen = expression.matches(r#"{job="$job",instance=~"$instance"}"#).count();
        ensure!(chosen == asked(&expression).count(), "{expression} asks others too");
    }
    let sources = DASHBOARD.matches(r#""uid": "#).count() - DASHBOARD.matches(r#""uid": "${datasource}""#).count();
    ensure!(sources == 1, "only the dashboard itself has a uid of its own: {sources}");
    Ok(())
}
