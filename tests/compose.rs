//! compose.yaml against the program: its variables and flags are those that there are, and nothing is open or root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ::freshet::batch::Progress;
use ::freshet::embedded::free_port;
use ::freshet::metrics::Metrics;
use anyhow::{Context, Result, ensure};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;

use crate::support::exposition::Exposition;

const COMPOSE: &str = include_str!("../compose.yaml");
const README: &str = include_str!("../README.md");

/// The services that run the program under test.
const OURS: [&str; 2] = ["freshet", "generate"];

fn compose() -> Result<Yaml<'static>> {
    Yaml::load_from_str(COMPOSE)?.into_iter().next().context("a document")
}

/// The services by name.
fn services<'a>(compose: &'a Yaml<'static>) -> Result<Vec<(&'a str, &'a Yaml<'static>)>> {
    let services = compose.as_mapping_get("services").and_then(|services| services.as_mapping()).context("services")?;
    let services: Option<Vec<_>> = services.iter().map(|(name, service)| Some((name.as_str()?, service))).collect();
    services.context("names")
}

fn service<'a>(compose: &'a Yaml<'static>, name: &str) -> Result<&'a Yaml<'static>> {
    let found = services(compose)?.into_iter().find(|(other, _)| *other == name);
    Ok(found.with_context(|| format!("no service {name}"))?.1)
}

fn texts(service: &Yaml<'static>, member: &str) -> Vec<String> {
    let texts = service.as_mapping_get(member).and_then(|texts| texts.as_sequence());
    texts.into_iter().flatten().filter_map(|text| text.as_str()).map(resolved).collect()
}

fn environment(service: &Yaml<'static>) -> Result<Vec<(String, String)>> {
    let all = service.as_mapping_get("environment").and_then(|all| all.as_mapping()).context("an environment")?;
    let pair = |(name, value): (&Yaml<'_>, &Yaml<'_>)| Some((name.as_str()?.to_owned(), resolved(value.as_str()?)));
    all.iter().map(|it| pair(it).context("a variable that is no text")).collect()
}

/// A text with every `${NAME:-default}` at its default, as where nothing is set.
fn resolved(text: &str) -> String {
    let mut parts = text.split("${");
    let mut resolved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').unwrap_or((part, ""));
        resolved += variable.split_once(":-").map_or("", |(_, default)| default);
        resolved += rest;
    }
    resolved
}

fn help(command: &str) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_freshet")).args([command, "--help"]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn its_variables_and_flags_are_those_of_the_program() -> Result<()> {
    let compose = compose()?;
    for name in OURS {
        let service = service(&compose, name)?;
        let arguments = texts(service, "command");
        let help = help(arguments.first().context("a subcommand")?)?;
        let flags = arguments.iter().filter(|argument| argument.starts_with('-')).map(|flag| format!("{flag} "));
        let known =
            |word: &str| help.replace(['\n', ',', '='], " ").replace("[env: ", " ").replace(']', " ").contains(word);
        for word in flags.chain(environment(service)?.into_iter().map(|(name, _)| format!(" {name} "))) {
            ensure!(known(&word), "service {name} gives {word:?}, which `freshet {}` does not know", arguments[0]);
        }
    }
    Ok(())
}

#[test]
fn its_values_are_understood_also_the_empty_ones() -> Result<()> {
    let compose = compose()?;
    let service = service(&compose, "freshet")?;
    let mut variables = environment(service)?;
    let empty = variables.iter().filter(|(_, value)| value.is_empty()).count();
    ensure!(empty > 5, "only {empty} variables are empty where nothing is set");
    let brokers = format!("127.0.0.1:{}", free_port()?);
    variables.push(("FRESHET_BROKERS".into(), brokers.clone()));
    let command = &mut Command::new(env!("CARGO_BIN_EXE_freshet"));
    // There it waits for its Kafka, here it is to say that there is none.
    let arguments = texts(service, "command").into_iter().filter(|argument| *argument != "--wait");
    let output = command.args(arguments).envs(variables).output()?;
    // Not 2, wrong usage: it looked for its Kafka.
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && errors.contains(&brokers), "{}: {errors}", output.status);
    Ok(())
}

#[test]
fn nothing_is_published_beyond_this_machine() -> Result<()> {
    let compose = compose()?;
    let mut published = 0;
    for (name, service) in services(&compose)? {
        for port in texts(service, "ports") {
            ensure!(port.starts_with("127.0.0.1:"), "service {name} publishes {port} beyond this machine");
            published += 1;
        }
        ensure!(service.as_mapping_get("network_mode").is_none(), "service {name} has another network");
    }
    // Kafka, Postgres, the page, Prometheus, Grafana.
    ensure!(published == 5, "{published} ports were found");
    Ok(())
}

#[test]
fn images_have_a_version_and_ours_no_rights() -> Result<()> {
    let compose = compose()?;
    let pinned = |image: &str| image.rsplit_once(':').is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest");
    for (name, service) in services(&compose)? {
        let image = service.as_mapping_get("image").and_then(|image| image.as_str()).context("an image")?;
        ensure!(pinned(image), "service {name} runs {image}, whatever that will be");
    }
    for name in OURS {
        let service = service(&compose, name)?;
        let user = service.as_mapping_get("user").and_then(|user| user.as_str()).context("a user")?;
        ensure!(!user.starts_with("root") && !user.starts_with('0'), "service {name} runs as {user}");
        let dockerfile = service.as_mapping_get("build").and_then(|it| it.as_mapping_get("dockerfile_inline"));
        let dockerfile = dockerfile.and_then(|it| it.as_str()).context("a dockerfile")?;
        let bases: Vec<_> = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
        ensure!(bases.len() == 2 && bases.iter().all(|base| pinned(base.split(' ').next().unwrap_or(""))), "{bases:?}");
        let users: Vec<_> = dockerfile.lines().filter_map(|line| line.strip_prefix("USER ")).collect();
        ensure!(users == [user], "the image of {name} runs as {users:?}");
    }
    Ok(())
}

/// The metrics that there are, once everything has happened.
fn metrics() -> Result<BTreeSet<String>> {
    let (metrics, progress) = (Metrics::new()?, Progress::default());
    metrics.begin(&progress, 0);
    metrics.wrote("a table", 1);
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

fn file(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_what_there_is() -> Result<()> {
    let metrics = metrics()?;
    let dashboard: Value = serde_json::from_str(&file("observe/grafana/dashboards/freshet.json")?)?;
    let panels = dashboard["panels"].as_array().context("panels")?.iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut expressions: Vec<_> = targets.filter_map(|target| Some(target["expr"].as_str()?.to_owned())).collect();
    ensure!(expressions.len() > 10, "{expressions:?}");
    let alerts = file("observe/alerts.yaml")?;
    let alerts = Yaml::load_from_str(&alerts)?;
    let groups = alerts[0].as_mapping_get("groups").and_then(|groups| groups.as_sequence()).context("groups")?;
    for group in groups {
        let rules = group.as_mapping_get("rules").and_then(|rules| rules.as_sequence()).context("rules")?;
        expressions.extend(rules.iter().filter_map(|rule| Some(rule.as_mapping_get("expr")?.as_str()?.to_owned())));
    }
    let asked: BTreeSet<_> = expressions.iter().flat_map(|expression| asked(expression)).collect();
    for name in &asked {
        ensure!(metrics.contains(*name), "{name} is asked for, but not among {metrics:?}");
    }
    for name in metrics.iter().filter(|name| name.starts_with("freshet_")) {
        ensure!(asked.contains(name.as_str()), "{name} stands on no dashboard");
        ensure!(README.contains(&format!("`{name}")), "README.md does not tell of {name}");
    }
    Ok(())
}

#[test]
fn what_is_mounted_is_there_and_parses() -> Result<()> {
    let compose = compose()?;
    let mut mounted = 0;
    for (_, service) in services(&compose)? {
        for volume in texts(service, "volumes").iter().filter(|volume| volume.starts_with("./")) {
            let path = volume.split(':').next().unwrap_or_default();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            ensure!(path.exists() && volume.ends_with(":ro"), "{volume}");
            mounted += 1;
        }
    }
    ensure!(mounted == 4, "{mounted} files and folders are mounted");
    for path in [
        "observe/prometheus.yaml",
        "observe/grafana/provisioning/datasources/prometheus.yaml",
        "observe/grafana/provisioning/dashboards/freshet.yaml",
    ] {
        Yaml::load_from_str(&file(path)?).with_context(|| path)?;
    }
    let prometheus = file("observe/prometheus.yaml")?;
    let variables: BTreeMap<_, _> = environment(service(&compose, "freshet")?)?.into_iter().collect();
    let port = variables.get("FRESHET_HTTP").and_then(|address| address.rsplit(':').next()).context("a port")?;
    ensure!(prometheus.contains(&format!("freshet:{port}")), "Prometheus does not ask port {port}");
    let mut hosts = variables.get("FRESHET_HTTP_ALLOWED_HOST").context("its name")?.split(',');
    ensure!(hosts.any(|host| host == "freshet"), "Prometheus is not answered by that name");
    Ok(())
}
