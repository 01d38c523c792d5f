//! The alert rules: each fires when it should and not beside that, as promtool says; docs/operations.md has the first two.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use saphyr::{LoadableYamlNode, Yaml};

const ALERTS: &str = include_str!("../observe/alerts.yaml");
const OPERATIONS: &str = include_str!("../docs/operations.md");

#[test]
fn each_alert_fires_for_its_installation() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("observe/alerts_test.yaml");
    let output = match Command::new("promtool").args(["test", "rules"]).arg(&path).output() {
        Ok(output) => output,
        Err(error) if std::env::var("FRESHET_REQUIRE_KAFKA").as_deref() != Ok("1") => {
            // Not eprintln!, which the test harness keeps to itself when the test passes.
            writeln!(std::io::stderr(), "skipped: the alert rules need promtool ({error}); scripts/setup.sh has it")?;
            return Ok(());
        }
        Err(error) => return Err(error).context("promtool"),
    };
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&said));
    let tests = std::fs::read_to_string(&path)?;
    for (alert, _) in alerts()? {
        ensure!(
            tests.contains(&format!("alertname: {alert}\n        exp_alerts:\n          -")),
            "{alert} never fires"
        );
    }
    Ok(())
}

#[test]
fn the_readme_has_the_same_rules() -> Result<()> {
    for (alert, expression) in alerts()?.iter().take(2) {
        ensure!(OPERATIONS.contains(&format!("- alert: {alert}\n  expr: {expression}\n")), "{alert}: {expression}");
    }
    Ok(())
}

/// The alerts and their expressions.
fn alerts() -> Result<Vec<(String, String)>> {
    let yaml = Yaml::load_from_str(ALERTS)?;
    let groups = yaml[0].as_mapping_get("groups").and_then(|groups| groups.as_sequence()).context("groups")?;
    let rules = groups.iter().filter_map(|group| group.as_mapping_get("rules")?.as_sequence()).flatten();
    let text = |rule: &Yaml<'_>, name: &str| Some(rule.as_mapping_get(name)?.as_str()?.to_owned());
    rules.map(|rule| text(rule, "alert").zip(text(rule, "expr")).context("an alert")).collect()
}
