//! What another role of the database tries: nothing of its own runs with Freshet's rights, nothing that it says is believed, and
//! nothing that it holds is waited for in silence.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use postgres::{Client, NoTls};

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::http::{get, get_json};
use crate::support::shop::{Shop, view};
use crate::support::{Database, new_topic, require_kafka, run_arguments, unique};

/// A role that may log in and nothing else, and its session in a database.
struct Intruder {
    role: String,
    client: Client,
}

impl Intruder {
    fn of(database: &mut Database) -> Result<Intruder> {
        let role = unique("intruder");
        database.client.batch_execute(&format!("CREATE ROLE {role} LOGIN"))?;
        let client = Client::connect(&database.url.replace("postgres@", &format!("{role}@")), NoTls)?;
        Ok(Intruder { role, client })
    }

    /// Makes what makes it a superuser when one writes to Freshet's table of this name.
    fn plant(&mut self) -> Result<()> {
        Ok(self.client.batch_execute(&format!(
            "CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN ALTER ROLE {} SUPERUSER; RETURN NEW; END';
             CREATE TABLE freshet_settings (name text NOT NULL, value text NOT NULL, PRIMARY KEY (name));
             CREATE TRIGGER trap BEFORE INSERT ON freshet_settings FOR EACH ROW EXECUTE FUNCTION trap();
             GRANT ALL ON freshet_settings TO PUBLIC",
            self.role
        ))?)
    }

    fn must_be_nobody(&self, database: &mut Database) -> Result<()> {
        let query = "SELECT rolsuper FROM pg_roles WHERE rolname = $1";
        ensure!(!database.client.query_one(query, &[&self.role])?.get::<_, bool>(0), "the intruder is a superuser");
        Ok(())
    }
}

#[test]
fn a_schema_where_others_may_create_is_refused() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 1)?, Database::create()?);
    let mut intruder = Intruder::of(&mut database)?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    // As Postgres 13 and 14 have it.
    database.client.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC")?;
    intruder.plant()?;
    let refused = Freshet::run(&arguments)?;
    intruder.must_be_nobody(&mut database)?;
    refused.refuses_with(1, &["any role", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"])?;
    let grant =
        format!("REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO {}", intruder.role);
    database.client.batch_execute(&grant)?;
    let revoke = format!("REVOKE CREATE ON SCHEMA public FROM {}", intruder.role);
    Freshet::run(&arguments)?.refuses_with(1, &[&intruder.role, &revoke])?;
    database.client.batch_execute(&revoke)?;
    Freshet::run(&arguments)?.refuses_with(6, &["freshet_settings", &intruder.role])?;
    intruder.must_be_nobody(&mut database)?;
    // What it made there under other names is no matter.
    intruder.client.batch_execute("DROP TABLE freshet_settings")?;
    Freshet::run(&arguments)?.success()
}

#[test]
fn a_function_of_another_role_is_never_called() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 1)?, Database::create()?);
    let mut intruder = Intruder::of(&mut database)?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    Freshet::run(&arguments)?.success()?;
    let report = format!("report top-products --day 2020-06-04 --database-url {}", database.url);
    let alone = "REVOKE CREATE ON SCHEMA public FROM PUBLIC";
    for (made, unmade) in [
        ("CREATE FUNCTION sum(text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'", "DROP FUNCTION sum(text)"),
        (
            // As a search would join its name.
            "CREATE FUNCTION joined(text, name) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE ''called''; END';
             CREATE OPERATOR || (LEFTARG = text, RIGHTARG = name, FUNCTION = joined)",
            "DROP OPERATOR || (text, name)",
        ),
    ] {
        database.client.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC")?;
        intruder.client.batch_execute(made)?;
        Freshet::run(&report)?.refuses_with(1, &[alone])?;
        database.client.batch_execute(alone)?;
        for command in [&report, &arguments, &format!("status --database-url {}", database.url)] {
            Freshet::run(command)?.refuses_with(6, &[&intruder.role])?;
        }
        intruder.client.batch_execute(unmade)?;
    }
    database.client.batch_execute(&format!("ALTER VIEW report_day OWNER TO {}", intruder.role))?;
    Freshet::run(&report)?.refuses_with(6, &["report_day", &intruder.role])
}

/// Also where the role's search_path has others before it, as `"$user", public` has.
#[test]
fn tables_may_have_their_own_schema() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 1)?, Database::create()?);
    database.client.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC; CREATE SCHEMA \"the shop\"")?;
    let server = database.url.clone();
    database.url += "?options=-c%20search_path%3D%22the%5C%20shop%22,public";
    Freshet::run(&format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database)))?.success()?;
    let there = "SELECT count(*) FROM pg_tables WHERE tablename = 'progress' AND schemaname = 'the shop'";
    ensure!(database.client.query_one(there, &[])?.get::<_, i64>(0) == 1, "the tables are elsewhere");
    let url = format!("{server}?options=-c%20search_path%3Dpublic,%22the%5C%20shop%22");
    Freshet::run(&format!("status --database-url {url}"))?.success()
}

#[test]
fn a_forged_notice_is_not_believed() -> Result<()> {
    let mut shop = Shop::open()?;
    let mut intruder = Intruder::of(&mut shop.database)?;
    let wait = |offset: i64, time: &str| format!("{}/api/wait?partition=0&offset={offset}&timeout={time}", shop.url);
    let forged = r#"{"schema":"public","topic":"views","next_offsets":1000000000,"consumed":1000000000,
        "counted":1000000000,"ignored":0,"rejected":0,"partitions":{"0":1000000000}}"#;
    let status = format!("{}/api/status", shop.url);
    let position = get_json(&status)?["position"].clone();
    for _ in 0..10 {
        intruder.client.execute("SELECT pg_notify('freshet', $1)", &[&forged])?;
    }
    let answer = get(&wait(999_999_999, "500ms"))?;
    ensure!(answer.status == 504, "{}: {}", answer.status, answer.text);
    ensure!(get_json(&status)?["position"] == position, "the page believes it");
    // And those of the run are heard beside them.
    let url = wait(position["next_offsets"].as_i64().unwrap_or_default(), "60s");
    let offset = shop.send(&[view(4, 10, "7", "6", "de", "")])?;
    intruder.client.execute("SELECT pg_notify('freshet', $1)", &[&forged])?;
    let answer = get_json(&url)?;
    ensure!(answer["next_offset"] == offset + 1, "{answer}");
    Ok(())
}

#[test]
fn waiting_for_a_lock_is_logged() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 1)?, Database::create()?);
    let mut intruder = Intruder::of(&mut database)?;
    intruder
        .client
        .batch_execute("SET application_name = 'holder'; SELECT pg_advisory_lock(hashtext('freshet schema'))")?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    let words = "waiting for a lock on making Freshet's tables: held by session";
    let mut stopped = Freshet::start(&arguments)?;
    stopped.until_told(words, TIMEOUT)?;
    ensure!(stopped.errors()?.contains("(holder)"), "who holds it is not told:\n{}", stopped.errors()?);
    let told = Instant::now();
    stopped.terminate()?.success()?;
    ensure!(told.elapsed() < Duration::from_secs(5), "it stopped after {:?}", told.elapsed());
    let mut waiting = Freshet::start(&arguments)?;
    waiting.until_told(words, TIMEOUT)?;
    drop(intruder);
    waiting.wait(TIMEOUT)?.success()
}
