//! compose.yaml against the program: its variables and flags are those that there are, and nothing is open or root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ::freshet::batch::Progress;
use ::freshet::embedded::{Postgres, free_port};
use ::freshet::metrics::Metrics;
use anyhow::{Context, Result, ensure};
use postgres::{Client, NoTls};
use rdkafka::mocking::MockCluster;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use crate::support::exposition::Exposition;
use crate::support::freshet::Freshet;
use crate::support::shop::Shop;

const COMPOSE: &str = include_str!("../compose.yaml");
const OPERATIONS: &str = include_str!("../docs/operations.md");

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
        let variables = environment(service)?.into_iter().map(|(name, _)| name);
        // Each may name a file instead.
        let variables = variables.map(|name| format!(" {} ", name.strip_suffix("_FILE").unwrap_or(&name)));
        for word in flags.chain(variables) {
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
    let (brokers, database) = (format!("127.0.0.1:{}", free_port()?), NamedTempFile::new()?);
    fs::write(&database, "postgres://freshet:0123@127.0.0.1:1/freshet")?;
    variables.push(("FRESHET_BROKERS".into(), brokers.clone()));
    variables.push(("FRESHET_DATABASE_URL_FILE".into(), database.path().display().to_string()));
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
    // Exact: of a name alone, or of a major version, each pull may be another one.
    let pinned = |image: &str| image.rsplit_once(':').is_some_and(|(_, tag)| tag == "local" || tag.contains('.'));
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

/// A member of a service, also of what it has in common with the others.
fn member<'a>(service: &'a Yaml<'static>, name: &str) -> Option<&'a Yaml<'static>> {
    service.as_mapping_get(name).or_else(|| service.as_mapping_get("<<")?.as_mapping_get(name))
}

#[test]
fn every_service_is_confined_and_asked_how_it_is() -> Result<()> {
    let compose = compose()?;
    for (name, service) in services(&compose)? {
        let has = |of: &str, text: &str| {
            let texts = member(service, of).and_then(|texts| texts.as_sequence());
            texts.is_some_and(|texts| texts.len() == 1 && texts[0].as_str() == Some(text))
        };
        ensure!(has("cap_drop", "ALL"), "service {name} has rights of root");
        ensure!(has("security_opt", "no-new-privileges:true"), "service {name} may gain rights");
        for limit in ["mem_limit", "pids_limit"] {
            ensure!(member(service, limit).is_some(), "service {name} has no {limit}");
        }
        let is_read_only = member(service, "read_only").and_then(|it| it.as_bool()) == Some(true);
        ensure!(is_read_only || ["kafka", "topic", "grafana"].contains(&name), "service {name} can write to itself");
        let ends = member(service, "restart").and_then(|it| it.as_str()) == Some("no");
        ensure!(ends || name == "generate" || member(service, "healthcheck").is_some(), "nobody asks how {name} is");
        ensure!(name == "secrets" || member(service, "cap_add").is_none(), "service {name} has rights of root");
    }
    Ok(())
}

#[test]
fn secrets_come_by_files() -> Result<()> {
    let is_secret = |text: &str| text.contains("postgres://") || text.to_lowercase().contains("password");
    for (name, service) in services(&compose()?)? {
        let Some(variables) = service.as_mapping_get("environment").map(|_| environment(service)).transpose()? else {
            continue;
        };
        for (variable, value) in variables {
            let by_file = variable.ends_with("_FILE") && value.starts_with("/secrets/");
            ensure!(by_file || !(is_secret(&variable) || is_secret(&value)), "{name}: {variable}={value}");
        }
    }
    Ok(())
}

/// Runs a script of `compose/`.
fn script(name: &str, arguments: &[&Path], variables: &[(&str, &Path)]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("compose").join(name);
    let output = Command::new("bash").arg(script).args(arguments).envs(variables.iter().copied()).output()?;
    ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn each_password_is_made_once_and_for_one_user() -> Result<()> {
    // Nobody else may give a file away.
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let directory = TempDir::new()?;
    script("secrets.sh", &[directory.path()], &[])?;
    let read = |name: &str| fs::read_to_string(directory.path().join(name));
    let (superuser, password, url) =
        (read("postgres/superuser")?, read("postgres/freshet")?, read("freshet/database_url")?);
    ensure!(superuser.len() == 48 && password.len() == 48 && superuser != password, "a password is short");
    ensure!(url == format!("postgres://freshet:{password}@postgres:5432/freshet"), "another password");
    for (name, user, mode) in [
        ("postgres", 999, 0o700),
        ("postgres/superuser", 999, 0o600),
        ("postgres/freshet", 999, 0o600),
        ("freshet", 10_001, 0o700),
        ("freshet/database_url", 10_001, 0o600),
    ] {
        let metadata = fs::metadata(directory.path().join(name))?;
        ensure!((metadata.uid(), metadata.mode() & 0o7777) == (user, mode), "{name}: {metadata:?}");
    }
    script("secrets.sh", &[directory.path()], &[])?;
    ensure!(read("postgres/freshet")? == password, "a later start makes other passwords");
    Ok(())
}

#[test]
fn its_role_owns_its_database_and_nothing_else() -> Result<()> {
    let (server, password) = (Postgres::start_with(&[("fsync", "off")])?, NamedTempFile::new()?);
    fs::write(&password, "it's random\n")?;
    let port = server.port().to_string();
    let variables =
        [("PGHOST", server.home()), ("PGPORT", Path::new(&port)), ("FRESHET_PASSWORD_FILE", password.path())];
    script("role.sh", &[], &variables)?;
    let mut client = Client::connect(&server.url(), NoTls)?;
    let query = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls, rolpassword
        FROM pg_authid WHERE rolname = 'freshet'";
    let row = client.query_one(query, &[])?;
    let (has_rights, stored): (bool, String) = (row.get(0), row.get(1));
    ensure!(!has_rights && stored.starts_with("SCRAM-SHA-256$"), "it has rights, or no password: {stored}");
    // The tables, and all that reads them.
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("views", 1, 1)?;
    let url = server.url_of("freshet").replace("postgres@", "freshet@");
    let run = format!("run --until-end --brokers {} --topic views --database-url {url}", cluster.bootstrap_servers());
    Freshet::run(&run)?.success()?;
    Freshet::prints(&format!("status --database-url {url}")).map(drop)
}

#[test]
fn its_health_check_tells_a_run_that_works() -> Result<()> {
    let (compose, mut shop) = (compose()?, Shop::open()?);
    let check = member(service(&compose, "freshet")?, "healthcheck").context("no health check")?;
    let mut words = texts(check, "test").into_iter().skip(1).map(|word| {
        let address = shop.url.trim_start_matches("http://").replace(':', "/");
        word.replace("127.0.0.1/8080", &address)
    });
    let mut command = Command::new(words.next().context("no program")?);
    command.args(words);
    ensure!(command.status()?.success(), "a run that works is not healthy");
    shop.close()?;
    ensure!(!command.stderr(Stdio::null()).status()?.success(), "a run that has ended is healthy");
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
        ensure!(OPERATIONS.contains(&format!("`{name}")), "docs/operations.md does not list {name}");
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
    ensure!(mounted == 6, "{mounted} files and folders are mounted");
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
