//! compose.yaml against its schema and the program: its variables and flags are those that there are, and nothing is open.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use freshet_embedded::{Postgres, free_port};
use postgres::{Client, NoTls};
use rdkafka::mocking::MockCluster;
use serde_json::{Map, Value};
use tempfile::{NamedTempFile, TempDir};

use crate::support::file;
use crate::support::freshet::Freshet;
use crate::support::image::{arguments, variable};
use crate::support::shop::Shop;
use crate::support::yaml::{document, must_fit};

const COMPOSE: &str = include_str!("../compose.yaml");
const SCHEMA: &str = include_str!("schemas/compose-spec.json");

/// The services that run the program under test.
const OURS: [&str; 2] = ["freshet", "generate"];

/// Variables of `freshet run` that make no sense there: the image has given them, one container alone has no use for them, or
/// they want an address that others do not reach.
const NOT_GIVEN: [&str; 6] = [
    "FRESHET_HTTP",
    "FRESHET_HTTP_OPS",
    "FRESHET_HTTP_TRUSTED_HEADER",
    "FRESHET_STANDBY",
    "FRESHET_UNTIL_END",
    "FRESHET_WAIT",
];

/// The services by name.
fn services() -> Result<Map<String, Value>> {
    let Value::Object(services) = document(COMPOSE)?["services"].take() else { bail!("no services") };
    Ok(services)
}

fn service(name: &str) -> Result<Value> {
    services()?.remove(name).with_context(|| format!("no service {name}"))
}

fn texts(service: &Value, member: &str) -> Vec<String> {
    service[member].as_array().into_iter().flatten().filter_map(Value::as_str).map(resolved).collect()
}

fn environment(service: &Value) -> Result<BTreeMap<String, String>> {
    let all = service["environment"].as_object().context("an environment")?;
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), resolved(value.as_str()?)));
    all.iter().map(|it| pair(it).context("a variable that is no text")).collect()
}

/// What the service runs: its own command, or that of the image.
fn command(service: &Value) -> Result<Vec<String>> {
    let own = texts(service, "command");
    let of_image = arguments("CMD").pop().context("no command")?;
    Ok(if own.is_empty() { serde_json::from_str(&of_image)? } else { own })
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
fn it_is_as_its_schema_says() -> Result<()> {
    must_fit(&document(COMPOSE)?, SCHEMA, None)
}

#[test]
fn its_variables_and_flags_match_the_program() -> Result<()> {
    for name in OURS {
        let service = service(name)?;
        let arguments = command(&service)?;
        let help = help(arguments.first().context("a subcommand")?)?;
        let flags = arguments.iter().filter(|argument| argument.starts_with('-')).map(|flag| format!("{flag} "));
        let known =
            |word: &str| help.replace(['\n', ',', '='], " ").replace("[env: ", " ").replace(']', " ").contains(word);
        let variables = environment(&service)?.into_keys();
        for word in flags.chain(variables.map(|name| format!(" {name} "))) {
            // Each may name a file instead.
            let is_known = known(&word) || known(&word.replace("_FILE ", " "));
            ensure!(is_known, "service {name} gives {word:?}, which `freshet {}` does not know", arguments[0]);
        }
    }
    Ok(())
}

#[test]
fn every_setting_can_be_given() -> Result<()> {
    let (help, given) = (help("run")?, environment(&service("freshet")?)?);
    let variables = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next());
    let missing: Vec<_> = variables
        .filter(|name| !NOT_GIVEN.contains(name))
        .filter(|name| !given.contains_key(*name) && !given.contains_key(&format!("{name}_FILE")))
        .collect();
    ensure!(missing.is_empty(), "the service freshet does not pass on {missing:?}");
    Ok(())
}

#[test]
fn its_values_are_understood_also_the_empty_ones() -> Result<()> {
    let service = service("freshet")?;
    let mut variables = environment(&service)?;
    let empty = variables.values().filter(|value| value.is_empty()).count();
    ensure!(empty > 5, "only {empty} variables are empty where nothing is set");
    let (brokers, database) = (format!("127.0.0.1:{}", free_port()?), NamedTempFile::new()?);
    fs::write(&database, "postgres://freshet:0123@127.0.0.1:1/freshet")?;
    variables.insert("FRESHET_BROKERS".into(), brokers.clone());
    variables.insert("FRESHET_DATABASE_URL_FILE".into(), database.path().display().to_string());
    // As compose/secrets.sh makes it.
    let secret = NamedTempFile::new()?;
    fs::write(&secret, "0".repeat(48))?;
    variables.insert("FRESHET_CLUSTER_SECRET_FILE".into(), secret.path().display().to_string());
    // There it waits for its Kafka, here it is to say that there is none.
    let arguments = command(&service)?.into_iter().filter(|argument| *argument != "--wait");
    let program = &mut Command::new(env!("CARGO_BIN_EXE_freshet"));
    let output = program.args(arguments).env("FRESHET_HTTP", "off").envs(variables).output()?;
    // Not 2, wrong usage: it looked for its Kafka.
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && errors.contains(&brokers), "{}: {errors}", output.status);
    Ok(())
}

#[test]
fn nothing_is_published_beyond_this_machine() -> Result<()> {
    let mut published = 0;
    for (name, service) in &services()? {
        for port in texts(service, "ports") {
            ensure!(port.starts_with("127.0.0.1:"), "service {name} publishes {port} beyond this machine");
            published += 1;
        }
        ensure!(service["network_mode"].is_null(), "service {name} has another network");
    }
    // Kafka, Postgres, the page, Prometheus, Grafana.
    ensure!(published == 5, "{published} ports were found");
    Ok(())
}

#[test]
fn images_have_versions() -> Result<()> {
    // Exact: of a name alone, or of a major version, each pull may be another one.
    let pinned = |image: &str| image.rsplit_once(':').is_some_and(|(_, tag)| tag == "local" || tag.contains('.'));
    for (name, service) in &services()? {
        let image = service["image"].as_str().context("an image")?;
        ensure!(pinned(image), "service {name} runs {image}, whatever that will be");
    }
    for name in OURS {
        let service = service(name)?;
        ensure!(
            service["build"] == "." && service["user"].is_null(),
            "service {name} is another than the Dockerfile says"
        );
    }
    Ok(())
}

#[test]
fn every_service_is_confined_and_has_health_checks() -> Result<()> {
    for (name, service) in &services()? {
        ensure!(texts(service, "cap_drop") == ["ALL"], "service {name} has rights of root");
        ensure!(texts(service, "security_opt") == ["no-new-privileges:true"], "service {name} may gain rights");
        for limit in ["mem_limit", "pids_limit"] {
            ensure!(!service[limit].is_null(), "service {name} has no {limit}");
        }
        let is_read_only = service["read_only"] == true;
        ensure!(is_read_only || ["kafka", "topic", "grafana"].contains(&&**name), "service {name} can write to itself");
        // The image of freshet brings its own.
        let is_asked = service["restart"] == "no" || OURS.contains(&&**name) || !service["healthcheck"].is_null();
        ensure!(is_asked, "nobody asks how {name} is");
        ensure!(name == "secrets" || service["cap_add"].is_null(), "service {name} has rights of root");
    }
    ensure!(service("generate")?["healthcheck"]["disable"] == true, "`generate` has no page to be asked");
    Ok(())
}

#[test]
fn secrets_come_by_files() -> Result<()> {
    let is_secret = |text: &str| text.contains("postgres://") || text.to_lowercase().contains("password");
    for (name, service) in services()? {
        for (variable, value) in environment(&service).unwrap_or_default() {
            let by_file = variable.ends_with("_FILE") && (value.is_empty() || value.starts_with("/secrets/"));
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
fn each_user_has_a_password_of_its_own() -> Result<()> {
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
    let of_image = arguments("USER").pop().context("no user")?;
    let user = of_image.split(':').next().context("a user")?.parse()?;
    for (name, user, mode) in [
        ("postgres", 999, 0o700),
        ("postgres/superuser", 999, 0o600),
        ("postgres/freshet", 999, 0o600),
        ("freshet", user, 0o700),
        ("freshet/database_url", user, 0o600),
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
fn the_health_check_tells_a_run_that_works() -> Result<()> {
    let mut shop = Shop::open()?;
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/healthy.sh"));
    command.env("FRESHET_HTTP", shop.url.trim_start_matches("http://"));
    ensure!(command.status()?.success(), "a run that works is not healthy");
    shop.close()?;
    ensure!(!command.stderr(Stdio::null()).status()?.success(), "a run that has ended is healthy");
    Ok(())
}

#[test]
fn what_is_mounted_is_there_and_parses() -> Result<()> {
    let mut mounted = 0;
    for service in services()?.values() {
        for volume in texts(service, "volumes").iter().filter(|volume| volume.starts_with("./")) {
            let path = volume.split(':').next().unwrap_or_default();
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            ensure!(path.exists() && volume.ends_with(":ro"), "{volume}");
            mounted += 1;
        }
    }
    ensure!(mounted == 8, "{mounted} files and folders are mounted");
    for path in [
        "observe/prometheus.yaml",
        "observe/grafana/provisioning/datasources/prometheus.yaml",
        "observe/grafana/provisioning/dashboards/freshet.yaml",
    ] {
        document(&file(path)?).with_context(|| path)?;
    }
    let prometheus = file("observe/prometheus.yaml")?;
    let variables = environment(&service("freshet")?)?;
    let address = variable("FRESHET_HTTP").context("an address")?;
    let port = address.rsplit(':').next().context("a port")?;
    ensure!(prometheus.contains(&format!("freshet:{port}")), "Prometheus does not ask port {port}");
    let mut hosts = variables.get("FRESHET_HTTP_ALLOWED_HOST").context("its name")?.split(',');
    ensure!(hosts.any(|host| host == "freshet"), "Prometheus is not answered by that name");
    Ok(())
}
