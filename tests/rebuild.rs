//! Tables that are counted again beside those that are read, and take their place: nobody who reads or writes sees more of it than
//! that.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dataflows::Model;
use freshet::sink::Rebuild as Tables;
use freshet_embedded::{Kafka, Postgres};
use postgres::{Client, IsolationLevel, NoTls};
use rand::RngExt;
use rustix::process::Signal;
use tempfile::NamedTempFile;

use crate::support::disk::Disk;
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{choices, fill_at, finish, goes_on, times};
use crate::support::oracle::{Oracle, broken_quick_rules};
use crate::support::proxy::{Cut, Proxy};
use crate::support::topic::{Record, read, write};
use crate::support::verdict::{Rules, Views};
use crate::support::{Database, new_topic, postgres, recompute, require_kafka, run_arguments, unique, until};

/// What rights anybody has on what is in the schema, and whose it is.
const RIGHTS: &str = "SELECT relname || ' ' || relowner::regrole || ' ' || item::text FROM pg_class
        CROSS JOIN unnest(coalesce(relacl, acldefault('r', relowner))) AS item
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
    UNION ALL SELECT relname || '.' || attname || ' ' || item::text FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
        CROSS JOIN unnest(attacl) AS item WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT proname || ' ' || proowner::regrole || ' ' || item::text FROM pg_proc
        CROSS JOIN unnest(coalesce(proacl, acldefault('f', proowner))) AS item WHERE pronamespace = 'public'::regnamespace
    ORDER BY 1";

/// All that a database has, as it is named.
const ALL: &str = "SELECT 'schema ' || nspname || coalesce(nspacl::text, '') FROM pg_namespace
    UNION ALL SELECT 'relation ' || oid || ' ' || oid::regclass || coalesce(relacl::text, '') || coalesce(obj_description(oid), '')
        FROM pg_class
    UNION ALL SELECT 'type ' || oid || ' ' || oid::regtype FROM pg_type
    UNION ALL SELECT 'function ' || oid || ' ' || oid::regprocedure || coalesce(proacl::text, '') FROM pg_proc
    UNION ALL SELECT 'setting ' || name || ' ' || value FROM freshet_settings ORDER BY 1";

/// Schemas for new tables.
const BESIDE: &str = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'freshet%'";

const SEVENTH_DIFFERS: &str = "SELECT count(*) FROM (
    SELECT day, browser, sum(views) FROM browser_os_views_hourly GROUP BY day, browser EXCEPT SELECT * FROM browser_views_daily) AS it";

fn lines(client: &mut Client, query: &str) -> Result<Vec<String>> {
    Ok(client.query(query, &[])?.iter().map(|row| row.get(0)).collect())
}

/// The command line of a run as that of a rebuild.
fn rebuild(run: &str) -> String {
    run.replacen("run", "rebuild", 1)
}

/// The rules of `--views all`.
fn all_views() -> Rules {
    Rules { views: Views::All, ..Rules::default() }
}

/// The default reports, and one more.
fn seven_reports() -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    let seventh = "\n[[report]]\ntable = \"browser_views_daily\"\nby = [\"day\", \"browser\"]\n";
    file.write_all((Model::builtin().text.clone() + seventh).as_bytes())?;
    Ok(file)
}

/// A topic of four partitions with so many events, and tables made of it.
fn built(kafka: &Kafka, events: u32) -> Result<(String, Database)> {
    let (topic, database) = (new_topic(kafka, 4)?, Database::create()?);
    let to = format!("--brokers {} --topic {topic} --partitions 4", kafka.brokers());
    Freshet::run(&format!("generate {to} --events {events} --seed 1 --hostile 0.02"))?.success()?;
    Freshet::run(&format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database)))?.success()?;
    Ok((topic, database))
}

/// Whether the tables are those of `--views all`.
fn is_swapped(database: &mut Database) -> Result<bool> {
    Ok(database.number("SELECT count(*) FROM freshet_settings WHERE (name, value) = ('views', 'all')")? == 1)
}

/// Records that the new tables include; none if there are no such tables.
fn beside(database: &mut Database) -> Result<i64> {
    let there = "SELECT to_regclass('freshet_next_public.progress') IS NOT NULL";
    if !database.client.query_one(there, &[])?.get::<_, bool>(0) {
        return Ok(0);
    }
    // They may go in this moment.
    let sum = "SELECT coalesce(sum(consumed), 0)::bigint FROM freshet_next_public.progress";
    Ok(database.client.query_one(sum, &[]).map_or(0, |row| row.get(0)))
}

/// Reads again and again, until it is over: whole states, each as far as the one before at least.
fn reader(url: &str, is_over: &Arc<AtomicBool>) -> JoinHandle<Result<u64>> {
    let (url, is_over) = (url.to_owned(), is_over.clone());
    thread::spawn(move || {
        let (mut client, mut reads, mut last) = (Client::connect(&url, NoTls)?, 0, 0);
        while !is_over.load(Ordering::Relaxed) {
            client.query("SELECT * FROM report_top_products", &[]).context("a report by itself")?;
            let mut snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).start()?;
            let consumed: i64 =
                snapshot.query_one("SELECT coalesce(sum(consumed), 0)::bigint FROM progress", &[])?.get(0);
            ensure!(consumed >= last, "{consumed} records after {last}");
            last = consumed;
            let broken = broken_quick_rules(&mut snapshot)?;
            ensure!(broken.is_empty(), "{}", broken.join("\n"));
            snapshot.query("SELECT referrer_host('https://a.b/') FROM report_store_views LIMIT 1", &[])?;
            snapshot.commit()?;
            reads += 1;
        }
        Ok(reads)
    })
}

#[test]
fn other_reports_replace_those_of_a_run() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let ((topic, mut database), file, role) = (built(kafka, 5_000)?, seven_reports()?, unique("reader"));
    let filling = fill_at(300, kafka, &topic, choices().random())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let mut present = Freshet::start(&arguments)?;
    goes_on(&mut present, &mut database)?;
    database.client.batch_execute(&format!(
        "CREATE ROLE {role}; CREATE ROLE {role}_2; GRANT {role}_2 TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role} WITH GRANT OPTION; REVOKE ALL ON freshet_owner FROM {role};
         GRANT SELECT (day, views) ON top_products TO {role}_2; GRANT INSERT ON gaps TO PUBLIC;
         REVOKE ALL ON FUNCTION referrer_host FROM PUBLIC; GRANT EXECUTE ON FUNCTION referrer_host TO {role};
         GRANT SELECT ON dim_date, freshet_settings TO {role}_2; ALTER VIEW report_day OWNER TO {role}_2;
         ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO {role}_2;
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}"
    ))?;
    let (before, is_over) = (lines(&mut database.client, RIGHTS)?, Arc::new(AtomicBool::new(false)));
    let readers = [reader(&database.url, &is_over), reader(&database.url, &is_over)];
    let settings = format!("--reports {} --views all", file.path().display());
    let log = Freshet::run(&rebuild(&format!("{arguments} {settings}")))?.exits_with(0)?;
    println!("{log}");
    // The run that kept the old ones fresh has lost them, and says so.
    present.wait(TIMEOUT)?.refuses_with(4, &["a rebuild has replaced them"])?;
    let mut run = Freshet::start(&format!("{arguments} {settings}"))?;
    goes_on(&mut run, &mut database)?;
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        let reads = reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))?.with_context(|| log.clone())?;
        ensure!(reads > 10, "only {reads} reads");
    }
    run.terminate()?.success()?;
    filling.kill()?;

    let after = lines(&mut database.client, RIGHTS)?;
    let (new, after): (Vec<_>, Vec<_>) = after.iter().partition(|line| line.contains("browser_views"));
    ensure!(after == before.iter().collect::<Vec<_>>(), "before:\n{before:#?}\nafter:\n{after:#?}");
    ensure!(new.iter().any(|line| line.contains(&format!("{role}=r/"))), "no rights by default: {new:#?}");
    ensure!(database.number(BESIDE)? == 0, "the schema of the new tables is still there");
    Freshet::run(&format!("{arguments} --until-end"))?.refuses_with(6, &["rebuild"])?;
    Freshet::run(&format!("{arguments} {settings} --until-end --workers 2"))?.success()?;
    database.must_equal(&recompute(&kafka.brokers(), &topic, all_views())?, &topic)?;
    let alike =
        "SELECT count(*) FROM (SELECT day, browser, sum(views) FROM browser_os_views_hourly GROUP BY day, browser
        EXCEPT SELECT * FROM browser_views_daily) AS it";
    ensure!(database.number(alike)? == 0, "the seventh report");
    let verify = format!("{arguments} --reports {}", file.path().display()).replacen("run", "verify", 1);
    ensure!(Freshet::prints(&verify)?.contains("Everything agrees"), "verify differs");
    Ok(())
}

#[test]
fn a_rebuild_that_is_killed_goes_on() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (mut choices, (topic, mut database)) = (choices(), built(kafka, 20_000)?);
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let filling = fill_at(300, kafka, &topic, choices.random())?;
    let (settings, all) = ("--views all", times(4, 20));
    let (mut kills, mut consumed) = (0, 0);
    while kills < all {
        let mut freshet = Freshet::start(&rebuild(&format!("{arguments} {settings}")))?;
        // Blindly, while it counts, or about when it swaps.
        let close = Duration::from_millis(choices.random_range(1..600));
        let is_there = |freshet: &mut Freshet, database: &mut Database| -> Result<bool> {
            match kills % 4 {
                0 => Ok(true),
                1 => Ok(beside(database)? > consumed),
                2 => Ok(freshet.times_told("reading")? > 0),
                _ => Ok(freshet.times_told("have caught up")? > 0),
            }
        };
        until("it is there", || Ok(freshet.has_ended()? || is_there(&mut freshet, &mut database)?))?;
        let deadline = Instant::now() + close;
        until("the moment", || Ok(freshet.has_ended()? || Instant::now() >= deadline))?;
        if freshet.has_ended()? {
            // It was sooner than that: there is nothing to go on with, and the next starts over, with what was there before.
            freshet.wait(TIMEOUT)?.success()?;
            consumed = 0;
        } else {
            freshet.signal(Signal::KILL)?;
            until("it is dead", || freshet.has_ended())?;
            let (now, left) = (beside(&mut database)?, database.number(BESIDE)?);
            // After the swap there is nothing left, either.
            ensure!(
                now >= consumed || left == 0 && is_swapped(&mut database)?,
                "{now} records after {consumed}: it started over"
            );
            consumed = now;
        }
        kills += 1;
        let broken = broken_quick_rules(&mut database.client)?;
        ensure!(broken.is_empty(), "{}", broken.join("\n"));
    }
    filling.kill()?;
    Freshet::run(&rebuild(&format!("{arguments} {settings}")))?.success()?;
    Freshet::run(&format!("{arguments} {settings} --until-end"))?.success()?;
    database.must_equal(&recompute(&kafka.brokers(), &topic, all_views())?, &topic)
}

#[test]
fn the_commit_of_the_swap_is_cut_off() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, 2_000)?;
    let filling = fill_at(300, kafka, &topic, choices().random())?;
    let proxy = Proxy::start(postgres())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let cut_off = rebuild(&arguments).replace(&database.url, &proxy.url(&database.url));
    for count in 1..=times(4, 60) {
        let cut = if count % 2 == 0 { Cut::Request } else { Cut::Answer };
        // In turns from one zone to another, so that what is swapped can be told.
        let zone = if count % 2 == 0 { "Europe/Berlin" } else { "Asia/Tokyo" };
        let swapped = format!("SELECT count(*) FROM freshet_settings WHERE (name, value) = ('time-zone', '{zone}')");
        proxy.cut_after("DROP SCHEMA", cut);
        let mut freshet = Freshet::start(&format!("{cut_off} --time-zone {zone}"))?;
        freshet.until("the cut", TIMEOUT, || Ok(proxy.cuts() == count))?;
        if (count - 1) % 4 > 1 {
            // It cannot look any more at what became of it.
            freshet.kill()?;
            Freshet::run(&format!("{} --time-zone {zone}", rebuild(&arguments)))?.success()?;
        } else {
            let log = freshet.wait(TIMEOUT)?.exits_with(0)?;
            let is_lost = log.contains("although the answer to that was lost");
            ensure!(is_lost == (cut == Cut::Answer), "{cut:?}:\n{log}");
        }
        ensure!(database.number(&swapped)? == 1, "{cut:?}: not swapped");
        ensure!(database.number(BESIDE)? == 0, "{cut:?}: the schema of the new tables is still there");
        let mut run = Freshet::start(&format!("{arguments} --time-zone {zone}"))?;
        goes_on(&mut run, &mut database)?;
        run.terminate()?.success()?;
    }
    filling.kill()?;
    Freshet::run(&format!("{} --time-zone UTC", rebuild(&arguments)))?.success()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn one_that_is_given_up_leaves_no_trace() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, 2_000)?;
    let arguments = rebuild(&run_arguments(&kafka.brokers(), &topic, &database));
    let abandon = format!("rebuild --abandon --database-url {}", database.url);
    let before = lines(&mut database.client, ALL)?;
    let mut reading = Client::connect(&database.url, NoTls)?;
    reading.batch_execute("SET application_name = 'nightly'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")?;
    let mut freshet = Freshet::start(&format!("{arguments} --views all"))?;
    freshet.until_told("(nightly) reads the tables as they were before", TIMEOUT)?;
    ensure!(lines(&mut database.client, ALL)? != before, "there are no new tables");
    Freshet::run(&format!("{arguments} --views all"))?.refuses_with(3, &["a rebuild of these tables is under way"])?;
    Freshet::run(&abandon)?.refuses_with(3, &["a rebuild of these tables is under way"])?;
    freshet.kill()?;
    Freshet::run(&format!("{arguments} --clock time-stamp"))?
        .refuses_with(6, &["other settings was begun", "--abandon"])?;
    ensure!(Freshet::prints(&abandon)?.contains("given up"), "it does not say that it is given up");
    ensure!(lines(&mut database.client, ALL)? == before, "a trace is left");
    ensure!(Freshet::prints(&abandon)?.contains("No rebuild"), "it does not say that there is none");
    // Who stops it in order can go on, too. And once nobody reads by an old snapshot, it ends.
    let mut freshet = Freshet::start(&format!("{arguments} --views all"))?;
    freshet.until_told("have caught up", TIMEOUT)?;
    freshet.terminate()?.success()?;
    let mut freshet = Freshet::start(&format!("{arguments} --views all"))?;
    freshet.until_told("(nightly)", TIMEOUT)?;
    let old = "SELECT (SELECT sum(views) FROM country_views)::bigint - (SELECT sum(counted) FROM progress)::bigint";
    ensure!(reading.query_one(old, &[])?.get::<_, i64>(0) == 0, "the old tables are not what they were");
    reading.batch_execute("COMMIT")?;
    freshet.wait(TIMEOUT)?.success()?;
    database.must_equal(&recompute(&kafka.brokers(), &topic, all_views())?, &topic)
}

#[test]
fn replaced_tables_are_not_rebuilt_again() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, 200)?;
    let found = Tables::find(&database.url.parse()?)?;
    ensure!(!found.are_replaced()?, "nothing has happened yet");
    Freshet::run(&format!("{} --views all", rebuild(&run_arguments(&kafka.brokers(), &topic, &database))))?
        .success()?;
    ensure!(found.are_replaced()?, "others are in their place");
    let begun = found.begin().map_err(|error| error.to_string());
    ensure!(begun.as_ref().is_err_and(|why| why.starts_with("another rebuild has replaced these tables")), "{begun:?}");
    ensure!(database.number(BESIDE)? == 0, "a rebuild was begun all the same");
    Ok(())
}

#[test]
fn reports_that_were_added_come_by_themselves() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let ((topic, mut database), file) = (built(kafka, 5_000)?, seven_reports()?);
    let filling = fill_at(300, kafka, &topic, choices().random())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let seven = format!("{arguments} --reports {}", file.path().display());
    let is_over = Arc::new(AtomicBool::new(false));
    let reading = reader(&database.url, &is_over);
    let mut freshet = Freshet::start(&seven)?;
    freshet.until("it counts beside", TIMEOUT, || Ok(beside(&mut database)? > 0))?;
    goes_on(&mut freshet, &mut database)?;
    freshet.kill()?;
    let mut freshet = Freshet::start(&seven)?;
    freshet.until_told("the tables have all reports of the file", TIMEOUT)?;
    goes_on(&mut freshet, &mut database)?;
    is_over.store(true, Ordering::Relaxed);
    reading.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??;
    freshet.terminate()?.success()?;
    filling.kill()?;
    Freshet::run(&format!("{seven} --until-end"))?.success()?;
    database.must_equal(&recompute(&kafka.brokers(), &topic, Rules::default())?, &topic)?;
    ensure!(database.number(SEVENTH_DIFFERS)? == 0, "the seventh report");
    Ok(())
}

#[test]
fn tables_of_another_version_are_rebuilt() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, 2_000)?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    database.client.batch_execute(
        "UPDATE freshet_settings SET value = '1:' || value WHERE name LIKE '%-version';
         DROP TABLE dim_product CASCADE; UPDATE product_views_hourly SET views = 7",
    )?;
    Freshet::run(&format!("{arguments} --until-end"))?.refuses_with(6, &["freshet rebuild"])?;
    Freshet::run(&rebuild(&arguments))?.success()?;
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    database.must_equal(&recompute(&kafka.brokers(), &topic, Rules::default())?, &topic)
}

#[test]
fn a_role_without_further_rights_needs_one_schema() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database, role) = (new_topic(kafka, 2)?, Database::create()?, unique("writer"));
    write(&kafka.brokers(), &topic, &[event(0, 1), event(1, 2)])?;
    database.client.batch_execute(&format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA {role} AUTHORIZATION {role}"))?;
    let run = run_arguments(&kafka.brokers(), &topic, &database).replace("postgres@", &format!("{role}@"));
    let mut sleeping = Freshet::start(&run)?;
    sleeping.until_told("reading", TIMEOUT)?;
    database.client.batch_execute(&format!("SET search_path = {role}"))?;
    sleeping.until("it counts", TIMEOUT, || Ok(database.consumed()? == 2))?;
    sleeping.signal(Signal::STOP)?;
    let beside = format!("freshet_next_{role}");
    Freshet::run(&rebuild(&run))?.refuses_with(1, &[&format!("CREATE SCHEMA \"{beside}\" AUTHORIZATION")])?;
    database.client.batch_execute(&format!("CREATE SCHEMA {beside} AUTHORIZATION {role}"))?;
    Freshet::run(&rebuild(&format!("{run} --views all")))?.success()?;
    ensure!(database.number(BESIDE)? == 0, "the schema of the new tables is still there");
    // A process that slept through the swap writes nothing any more.
    write(&kafka.brokers(), &topic, &[event(0, 3)])?;
    sleeping.signal(Signal::CONT)?;
    sleeping.wait(TIMEOUT)?.refuses_with(4, &["a rebuild has replaced them"])?;
    ensure!(database.consumed()? == 2, "{} records", database.consumed()?);
    Freshet::run(&format!("{run} --views all --until-end"))?.success()?;
    database.must_equal(&recompute(&kafka.brokers(), &topic, all_views())?, &topic)
}

#[test]
fn losses_are_named_before_anything_begins() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = built(kafka, 500)?;
    let arguments = format!("{} --views all", rebuild(&run_arguments(&kafka.brokers(), &topic, &database)));
    let before = lines(&mut database.client, ALL)?;
    for (make, status, words, remove) in [
        (
            "CREATE SCHEMA mine; CREATE VIEW mine.top AS SELECT * FROM report_top_products",
            1,
            "view mine.top",
            "DROP SCHEMA mine CASCADE",
        ),
        (
            "CREATE TABLE notes (id text, day date, hour smallint, FOREIGN KEY (id, day, hour) REFERENCES product_views_hourly)",
            1,
            "on table notes",
            "DROP TABLE notes",
        ),
        ("CREATE INDEX by_views ON country_views (views)", 1, "index by_views", "DROP INDEX by_views"),
        (
            "CREATE MATERIALIZED VIEW hosts AS SELECT referrer_host('https://a.b/')",
            1,
            "hosts",
            "DROP MATERIALIZED VIEW hosts",
        ),
        (
            "CREATE SCHEMA freshet_next_public; CREATE TABLE freshet_next_public.mine ()",
            6,
            "freshet_next_public",
            "DROP SCHEMA freshet_next_public CASCADE",
        ),
    ] {
        database.client.batch_execute(make)?;
        Freshet::run(&arguments)?.refuses_with(status, &[words])?;
        database.client.batch_execute(remove)?;
    }
    let file = seven_reports()?;
    let seven = format!("{arguments} --reports {}", file.path().display());
    database.client.batch_execute("CREATE TABLE browser_views_daily ()")?;
    Freshet::run(&seven)?.refuses_with(6, &["browser_views_daily", "not Freshet's"])?;
    database.client.batch_execute("DROP TABLE browser_views_daily")?;
    let other = new_topic(kafka, 2)?;
    Freshet::run(&arguments.replace(&topic, &other))?.refuses_with(6, &[&topic, "--topic"])?;
    ensure!(lines(&mut database.client, ALL)? == before, "something was changed");
    let empty = Database::create()?;
    Freshet::run(&rebuild(&run_arguments(&kafka.brokers(), &topic, &empty)))?
        .refuses_with(1, &["no tables", "freshet run"])
}

/// A view of this day, written in the morning of it.
fn event(partition: i32, day: i64) -> Record {
    let value = format!(
        r#"{{"collection":"view_product_detail","local_time":"2020-06-0{day} 08:00:00","product_id":"{day}"}}"#
    );
    let timestamp = Some(1_590_969_600_000 + (day - 1) * 86_400_000 + 8 * 3_600_000);
    Record { timestamp, ..Record::new(partition, value) }
}

#[test]
fn missing_records_are_named_and_accepted() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 2)?, Database::create()?);
    let records: Vec<_> = (1..=6).flat_map(|day| [event(0, day), event(1, day)]).collect();
    write(&kafka.brokers(), &topic, &records)?;
    let run = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{run} --until-end"))?.success()?;
    kafka.delete_records(&topic, 0, 3)?;
    let arguments = rebuild(&format!("{run} --time-zone Europe/Berlin"));
    let words = [
        "partition 0 can be counted from offset 3, not from 0",
        "2020-06-01 to 2020-06-04 will be incomplete",
        "--accept-gap",
    ];
    Freshet::run(&arguments)?.refuses_with(5, &words)?;
    kafka.delete_records(&topic, 1, 4)?;
    let words = ["2020-06-01 to 2020-06-03 will be missing", "2020-06-04 to 2020-06-05 will be incomplete"];
    Freshet::run(&arguments)?.refuses_with(5, &words)?;
    let log = Freshet::run(&format!("{arguments} --accept-gap"))?.exits_with(0)?;
    ensure!(log.contains(words[0]), "it does not say what will be missing:\n{log}");
    Freshet::run(&format!("{run} --time-zone Europe/Berlin --until-end"))?.success()?;
    let mut oracle = Oracle::new(Rules { time_zone: chrono_tz::Europe::Berlin, ..Rules::default() });
    read(&kafka.brokers(), &topic, &mut oracle)?;
    database.must_equal(&oracle, &topic)?;
    ensure!(database.consumed()? == 5, "{} records", database.consumed()?);
    // Another topic of the same name.
    kafka.delete_topic(&topic)?;
    kafka.create_topic(&topic, 2)?;
    write(&kafka.brokers(), &topic, &records)?;
    Freshet::run(&rebuild(&run))?.refuses_with(5, &["created again"])?;
    Freshet::run(&format!("{} --accept-gap", rebuild(&run)))?.success()?;
    Freshet::run(&format!("{run} --until-end"))?.success()?;
    database.must_equal(&recompute(&kafka.brokers(), &topic, Rules::default())?, &topic)
}

#[test]
fn a_disk_without_room_for_a_second_set() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let server = Postgres::start_with(&[("fsync", "off")])?;
    let Some(disk) = Disk::mount(server.home(), 64)? else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 2)?, Database::create_in(&server)?);
    disk.hold(&mut database)?;
    write(&kafka.brokers(), &topic, &[event(0, 1), event(1, 2)])?;
    let run = run_arguments(&kafka.brokers(), &topic, &database);
    Freshet::run(&format!("{run} --until-end"))?.success()?;
    disk.fill()?;
    Freshet::run(&rebuild(&run))?.refuses_with(1, &["as much as the first", "free"])?;
    disk.free()?;
    Freshet::run(&rebuild(&run))?.success()
}
