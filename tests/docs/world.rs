//! What the commands of the pages find: a Kafka, a Postgres, a home directory, and the names for them that the pages use.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use dataflows::model::Model;
use freshet_embedded::{Kafka, Postgres, free_port};
use postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::{NamedTempFile, TempDir};

use super::shell::simple;
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::require_kafka;
use crate::support::topic::{Record, offsets, write};

/// The topic and the database of all pages.
const TOPIC: &str = "product_view";
const DATABASE: &str = "freshet";
/// A database whose tables hold the whole topic, as it was at first.
const FILLED: &str = "filled";
const PARTITIONS: i32 = 4;

/// Programs that are not what they are elsewhere: curl fails where a server refuses, and who has no manual shows that
/// there is a page.
const PROGRAMS: [(&str, &str); 2] = [
    ("curl", r#"exec env PATH="${PATH#*:}" curl --fail --silent --show-error --max-time 60 "$@""#),
    ("man", "grep '^.TH '"),
];

/// All of it. Each page has a database of its own; the topic is one.
pub struct World {
    kafka: &'static Kafka,
    postgres: Postgres,
    home: TempDir,
    environment: BTreeMap<String, String>,
    /// The port that stands for each that a page names.
    ports: BTreeMap<String, u16>,
    /// The run that a page has started.
    run: Option<Running>,
    /// The file of reports that a page has shown last.
    declared: String,
}

/// A command that goes on until it is stopped.
struct Running {
    child: Child,
    text: String,
    output: NamedTempFile,
}

impl World {
    /// With these events in the topic, among others. None if there is no Kafka.
    pub fn create(samples: &[String]) -> Result<Option<World>> {
        let Some(kafka) = require_kafka() else { return Ok(None) };
        let home = TempDir::with_prefix("freshet-docs-")?;
        let programs = home.path().join("bin");
        fs::create_dir(&programs)?;
        symlink(env!("CARGO_BIN_EXE_freshet"), programs.join("freshet"))?;
        for (name, text) in PROGRAMS {
            fs::write(programs.join(name), format!("#!/bin/sh\n{text}\n"))?;
            fs::set_permissions(programs.join(name), fs::Permissions::from_mode(0o755))?;
        }
        // Nothing here outlives a crash of the machine.
        let postgres = Postgres::start_with(&[("fsync", "off")])?;
        let world = World {
            kafka,
            postgres,
            home,
            environment: BTreeMap::new(),
            ports: BTreeMap::new(),
            run: None,
            declared: String::new(),
        };
        kafka.create_topic(TOPIC, PARTITIONS)?;
        write(&kafka.brokers(), TOPIC, &records(samples))?;
        world.admin(&format!("CREATE ROLE me LOGIN SUPERUSER; CREATE DATABASE {FILLED}"))?;
        let (brokers, url) = (kafka.brokers(), world.postgres.url_of(FILLED));
        Freshet::run(&format!("run --until-end --brokers {brokers} --topic {TOPIC} --database-url {url}"))?
            .success()?;
        Ok(Some(world))
    }

    /// As a page finds it that says how the database is made, or that takes one with all its tables for granted.
    pub fn begin(&mut self, has_database: bool) -> Result<()> {
        self.stop()?;
        let others = "SELECT 'DROP DATABASE ' || datname || ' WITH (FORCE)' FROM pg_database
                          WHERE datname NOT IN ('postgres', 'template0', 'template1', 'filled')
                      UNION ALL SELECT 'DROP ROLE ' || rolname FROM pg_roles
                          WHERE rolname NOT IN ('postgres', 'me') AND rolname !~ '^pg_'";
        for drop in Client::connect(&self.postgres.url(), NoTls)?.query(others, &[])? {
            self.admin(drop.get(0))?;
        }
        if has_database {
            self.admin(&format!("CREATE DATABASE {DATABASE} TEMPLATE {FILLED}"))?;
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let page = format!("127.0.0.1:{}", self.port("8080")?);
        self.environment = [
            ("PATH", format!("{}:{path}", self.home.path().join("bin").display())),
            ("HOME", self.home.path().display().to_string()),
            ("PGHOST", self.postgres.home().display().to_string()),
            ("PGPORT", self.postgres.port().to_string()),
            ("PGUSER", "postgres".into()),
            ("FRESHET_HTTP", page),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Ok(())
    }

    fn admin(&self, sql: &str) -> Result<()> {
        for statement in sql.split("; ") {
            Client::connect(&self.postgres.url(), NoTls)?
                .batch_execute(statement)
                .with_context(|| statement.to_owned())?;
        }
        Ok(())
    }

    fn port(&mut self, named: &str) -> Result<u16> {
        if let Some(port) = self.ports.get(named) {
            return Ok(*port);
        }
        let port = free_port()?;
        self.ports.insert(named.to_owned(), port);
        Ok(port)
    }

    /// The text with what there is in the place of what it names.
    fn here(&mut self, text: &str) -> Result<String> {
        let database = self.postgres.url_of("");
        let text = text.replace("localhost:9092", &self.kafka.brokers()).replace("postgres://me@localhost/", &database);
        // So many take a debug build too long.
        let text = text.replace("--events 200000", "--events 2000");
        let brokers = self.kafka.brokers();
        let mut parts = text.split("127.0.0.1:");
        let mut here = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let port: String = part.chars().take_while(char::is_ascii_digit).collect();
            let is_kafka = brokers.ends_with(&format!(":{port}"));
            let its = if is_kafka { port.clone() } else { self.port(&port)?.to_string() };
            here += &format!("127.0.0.1:{its}{}", &part[port.len()..]);
        }
        Ok(here)
    }

    /// A file of reports, which the page's commands find by the name in its first line; or more reports for the file before, or
    /// for the default one.
    pub fn declares(&mut self, text: &str) -> Result<()> {
        let name = text.lines().next().and_then(|line| line.strip_prefix("# "));
        let text = match name {
            Some(name) => {
                self.declared = name.to_owned();
                text.to_owned()
            }
            None if self.declared.is_empty() => {
                self.declared = "reports.toml".to_owned();
                Model::builtin().text.clone() + text
            }
            None => fs::read_to_string(self.home.path().join(&self.declared))? + text,
        };
        Model::parse(&text, &self.declared)?;
        Ok(fs::write(self.home.path().join(&self.declared), text)?)
    }

    /// A variable that all further commands of the page see.
    pub fn export(&mut self, name: &str, value: &str) -> Result<()> {
        let value = self.here(value)?;
        self.environment.insert(name.to_owned(), value);
        Ok(())
    }

    /// Runs SQL in the page's database. Each query must give a row, and every statement must be understood.
    pub fn query(&mut self, sql: &str) -> Result<()> {
        let file = self.home.path().join("block.sql");
        fs::write(&file, sql)?;
        self.ends(&format!("psql -X -v ON_ERROR_STOP=1 {DATABASE} -f {}", file.display())).map(drop)
    }

    /// Runs a command to its end, which must be good. Returns what it has printed.
    pub fn ends(&mut self, text: &str) -> Result<String> {
        if text.starts_with("freshet rebuild") {
            // It ends the run on the old tables, which is another test's.
            self.stop()?;
        }
        if text.contains("127.0.0.1:8080") && self.run.is_none() {
            let run = format!(
                "freshet run --brokers localhost:9092 --topic {TOPIC} --database-url postgres://me@localhost/{DATABASE}"
            );
            self.serves(&run)?;
        }
        let mut running = self.start(text)?;
        running.until(|_| Ok(false))?;
        let printed = fs::read_to_string(running.output.path())?;
        ensure!(!printed.contains("(0 rows)"), "finds nothing:\n{printed}");
        Ok(printed)
    }

    /// Starts `freshet run`, which goes on until the page is over or another one is started: it must take the whole topic.
    pub fn serves(&mut self, text: &str) -> Result<()> {
        self.stop()?;
        let mut running = self.start(&format!("exec env {text}"))?;
        let given = simple(&running.text).concat().into_iter().skip_while(|word| word != "--database-url").nth(1);
        let url = given.or_else(|| self.environment.get("FRESHET_DATABASE_URL").cloned()).context("no database")?;
        let goal = events(&self.kafka.brokers())?;
        let read =
            "SELECT coalesce(sum(next_offset), 0)::bigint FROM progress, freshet_owner WHERE instance IS NOT NULL";
        let is_ended = running.until(|_| {
            let Ok(mut client) = Client::connect(&url, NoTls) else { return Ok(false) };
            Ok(client.query_one(read, &[]).is_ok_and(|row| row.get::<_, i64>(0) >= goal))
        })?;
        ensure!(!is_ended, "it ended by itself");
        self.run = Some(running);
        Ok(())
    }

    /// Starts a command that goes on for ever, and stops it once it has shown what it is for: a line, or events in the topic.
    pub fn shows(&mut self, text: &str) -> Result<()> {
        let brokers = self.kafka.brokers();
        let (mut running, before) = (self.start(&format!("exec env {text}"))?, events(&brokers)?);
        let is_ended = running.until(|printed| Ok(!printed.trim().is_empty() || events(&brokers)? > before))?;
        ensure!(!is_ended, "it ended by itself");
        running.stop()
    }

    /// Stops the page's run, if there is one.
    pub fn stop(&mut self) -> Result<()> {
        self.run.take().map_or(Ok(()), Running::stop)
    }

    fn start(&mut self, text: &str) -> Result<Running> {
        let (here, output) = (self.here(text)?, NamedTempFile::new_in(&self.home)?);
        let file = File::options().append(true).open(output.path())?;
        let child = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &here])
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        Ok(Running { child, text: here, output })
    }
}

impl Running {
    /// Waits for the condition, which is given what was printed, or for the end, which must be good: then it is true.
    fn until(&mut self, mut holds: impl FnMut(&str) -> Result<bool>) -> Result<bool> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let ended = self.child.try_wait()?;
            let printed = fs::read(self.output.path())?;
            let printed = String::from_utf8_lossy(&printed);
            match ended {
                Some(status) if status.success() => return Ok(true),
                Some(status) => bail!("{status}:\n{printed}"),
                None if holds(&printed)? => return Ok(false),
                None => {}
            }
            ensure!(Instant::now() < deadline, "not within {TIMEOUT:?}: {}\n{printed}", self.text);
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Ends it in order.
    fn stop(mut self) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?).context("a process without an id")?;
        kill_process(pid, Signal::TERM)?;
        self.until(|_| Ok(false)).map(drop)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that is gone is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many records the topic has had.
fn events(brokers: &str) -> Result<i64> {
    Ok(offsets(brokers, TOPIC)?.values().map(|(_, end)| end).sum())
}

/// What the pages ask about, and some that is ignored or rejected: enough for every offset that they name.
fn records(samples: &[String]) -> Vec<Record> {
    let mut records = Vec::new();
    for number in 0..600 {
        let product = if number % 3 == 0 { 85_796 } else { 84_001 + number % 7 };
        let (shop, store) = [("de", 6), ("fr", 12), ("co.uk", 8), ("it", 14)][number % 5 % 4];
        let from = ["www.facebook.com", "www.google.com", "www.bing.com"][number % 3];
        let (day, hour, minute) = (1 + number % 4, 6 + number % 9, number % 60);
        let value = match number % 20 {
            18 => r#"{"collection":"checkout","local_time":"2020-06-02 09:00:00"}"#.to_owned(),
            19 => "nonsense".to_owned(),
            _ => format!(
                r#"{{"collection":"view_product_detail","local_time":"2020-06-0{day} {hour:02}:{minute:02}:00",
                    "product_id":"{product}","store_id":"{store}","referrer_url":"https://{from}/",
                    "current_url":"https://www.glamira.{shop}/glamira-ring-viktor-sku{product}.html?utm_campaign=spring",
                    "user_agent":"Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0.4103.61 Safari/537.36"}}"#
            ),
        };
        records.push(Record::new(partition(number), value));
    }
    records
        .extend(samples.iter().enumerate().map(|(number, sample)| Record::new(partition(number), sample.as_bytes())));
    records
}

fn partition(number: usize) -> i32 {
    (0..PARTITIONS).cycle().nth(number).unwrap_or_default()
}
