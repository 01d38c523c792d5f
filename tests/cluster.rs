//! Several processes that are one engine: exact whatever becomes of one of them, and closed to others.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::{Result, ensure};
use rand::RngExt;
use rustix::process::Signal;
use serde_json::json;

use crate::support::cluster::{Cluster, Files, Link};
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{choices, fill, finish, must_hold_together, times};
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka, run_arguments, tables_arguments, until};

const VIEW: &str = r#"{"collection":"view_product_detail","id":"event-1","local_time":"2020-06-01 10:00:00",
    "product_id":"1","store_id":"6","current_url":"https://shop.de/","referrer_url":"https://www.google.de/"}"#;

/// How a process ends whose tables another instance owns.
const OWNED_BY_ANOTHER: i32 = 3;
/// How a process ends that has lost another.
const PEER_LOST: i32 = 8;

#[test]
fn a_cluster_is_killed_and_rescaled() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut choices = choices();
    let topic = new_topic(kafka, 4)?;
    let mut database = Database::create()?;
    let filling = fill(kafka, &topic, choices.random())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let kills = [(2, 2, 0), (3, 1, 1), (2, 1, 1), (3, 1, 2)];
    for (processes, workers, killed) in kills.into_iter().cycle().take(times(4, 20) as usize) {
        let consumed = database.consumed()?;
        let mut cluster = Cluster::start(processes, &format!("{arguments} --workers {workers}"))?;
        cluster.until("it commits", || Ok(database.consumed()? > consumed))?;
        cluster.processes[0].run_for(Duration::from_millis(choices.random_range(1..400)))?;
        for survivor in cluster.kill(killed)? {
            let errors = survivor.exits_with(PEER_LOST)?;
            ensure!(errors.contains(&format!("process {killed} (127.0.0.1:")), "{errors}");
        }
        must_hold_together(&mut database)?;
        ensure!(database.consumed()? >= consumed, "something was taken back");
    }
    let mut cluster = Cluster::start(2, &arguments)?;
    let consumed = database.consumed()?;
    cluster.until("it commits", || Ok(database.consumed()? > consumed))?;
    // A stop of any is one of all.
    cluster.processes[1].signal(Signal::TERM)?;
    for process in cluster.wait()? {
        process.success()?;
    }
    filling.kill()?;
    for process in Cluster::start(2, &format!("{arguments} --until-end"))?.wait()? {
        process.success()?;
    }
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_hanging_or_unreachable_peer_ends_all() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create()?);
    let filling = fill(kafka, &topic, choices().random())?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database) + " --peer-timeout 2s";
    let silent = "process 1 (127.0.0.1:";
    // It stops in the midst of its work, and wakes up when nobody waits for it any more.
    let mut cluster = Cluster::start(2, &arguments)?;
    cluster.until("it commits", || Ok(database.consumed()? > 0))?;
    let hanging = cluster.processes.remove(1);
    hanging.signal(Signal::STOP)?;
    for survivor in cluster.wait()? {
        let errors = survivor.exits_with(PEER_LOST)?;
        ensure!(errors.contains(silent) && errors.contains("was silent for 2 s (--peer-timeout)"), "{errors}");
    }
    hanging.signal(Signal::CONT)?;
    hanging.wait(TIMEOUT)?.exits_with(PEER_LOST)?;
    must_hold_together(&mut database)?;
    // Nothing gets through any more, in both directions or in one, and nobody says so.
    for cut in [Link::cut, Link::cut_half] {
        let before = database.consumed()?;
        let (mut cluster, link) = Cluster::start_through_link(&arguments)?;
        cluster.until("it commits", || Ok(database.consumed()? > before))?;
        cut(&link);
        for process in cluster.wait()? {
            let errors = process.exits_with(PEER_LOST)?;
            ensure!(errors.contains("was silent for 2 s (--peer-timeout)"), "{errors}");
        }
        must_hold_together(&mut database)?;
    }
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn strangers_and_other_settings_are_refused() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, database) = (new_topic(kafka, 4)?, Database::create()?);
    write(&kafka.brokers(), &topic, &[Record::new(0, VIEW), Record::new(1, VIEW)])?;
    let arguments = run_arguments(&kafka.brokers(), &topic, &database);
    let files = Files::new(2)?;
    let mut owner = Freshet::start(&format!("{arguments} {}", files.arguments(0)))?;
    owner.until_told("waiting for process 1", TIMEOUT)?;
    // A stranger without the secret learns nothing, and takes nobody's place, nor does one who says nothing at all.
    let _mute = TcpStream::connect(&files.addresses[0])?;
    for said in [&b"GET / HTTP/1.1\r\nHost: freshet\r\n\r\n"[..], b"freshet cluster1", b"", &[0xff; 4_096]] {
        let mut stranger = TcpStream::connect(&files.addresses[0])?;
        let _ = stranger.write_all(said);
        stranger.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        // A nonce at most; it may also be cut off.
        let _ = stranger.read_to_end(&mut answer);
        ensure!(answer.len() <= 32, "it was told {answer:?}");
    }
    owner.until_told_times(4, "refused a connection from 127.0.0.1:", TIMEOUT)?;
    let other = Files::new(2)?;
    std::fs::copy(files.hostfile(), other.hostfile())?;
    other.write("another secret of as many letters")?;
    let no_peer = Freshet::run(&format!("{arguments} {}", other.arguments(1)))?;
    no_peer
        .refuses_with(1, &["process 0 (127.0.0.1:", "refused this process: it has another --cluster-secret-file"])?;
    owner.until_told("it does not know the secret of --cluster-secret-file", TIMEOUT)?;
    // Nor does a process that counts otherwise; both sides say in what.
    for (further, what) in [
        ("--workers 3", "--workers is '1' in process 0 and '3' in process 1"),
        ("--views all", "--views is 'view_product_detail' in process 0 and 'all' in process 1"),
        ("--reports segment", "--reports is"),
    ] {
        let refused = Freshet::run(&format!("{arguments} {} {further}", files.arguments(1)))?;
        refused.refuses_with(1, &["process 0 (127.0.0.1:", "refused this process", what])?;
        owner.until_told(what, TIMEOUT)?;
    }
    let mut last = Freshet::start(&format!("{arguments} {}", files.arguments(1)))?;
    last.until_told("connected with the others", TIMEOUT)?;
    // Then the door is shut.
    until("nobody listens", || Ok(TcpStream::connect(&files.addresses[0]).is_err()))?;
    ensure!(!owner.has_ended()?, "it ended: {}", owner.errors()?);
    owner.terminate()?.success()?;
    last.wait(TIMEOUT)?.success()
}

#[test]
fn flags_of_a_cluster_that_are_wrong() -> Result<()> {
    let run = "run --brokers none --topic none --database-url postgres://none/none --processes 2";
    let files = Files::new(2)?;
    for (flags, words) in [
        (String::new(), &["--processes needs --cluster-secret-file", "openssl rand"][..]),
        (files.arguments(2), &["--process 2 is none of --processes 2, which are 0 to 1"]),
        (files.arguments(0).replace("hosts", "nowhere"), &["--hostfile", "nowhere", "cannot be read"]),
        ("--process none".into(), &["expected a number from 0 on, or a name that ends in one, like freshet-2"]),
        ("--peer-timeout 10ms".into(), &["expected a time of at least 1s"]),
    ] {
        let errors = Freshet::run(&format!("{run} {}", flags.replace("--processes 2", "")))?.exits_with(2)?;
        ensure!(words.iter().all(|word| errors.contains(word)), "{flags}: {errors}");
    }
    files.write("too short")?;
    let errors = Freshet::run(&format!("{run} {}", files.arguments(0).replace("--processes 2", "")))?.exits_with(2)?;
    ensure!(errors.contains("a secret has at least 16 characters"), "{errors}");
    std::fs::set_permissions(files.secret(), std::fs::Permissions::from_mode(0o644))?;
    let errors = Freshet::run(&format!("{run} {}", files.arguments(0).replace("--processes 2", "")))?.exits_with(2)?;
    ensure!(errors.contains("is open to others"), "{errors}");
    Ok(())
}

#[test]
fn a_cluster_survives_changed_tables_and_topic() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (brokers, topic, mut database) = (kafka.brokers(), new_topic(kafka, 2)?, Database::create()?);
    write(&brokers, &topic, &[Record::new(0, VIEW), Record::new(1, VIEW), Record::new(1, VIEW)])?;
    let arguments = run_arguments(&brokers, &topic, &database);
    let mut cluster = Cluster::start(3, &arguments)?;
    cluster.until("all is counted", || Ok(database.consumed()? == 3))?;
    // New partitions are read by the processes that they belong to.
    kafka.add_partitions(&topic, 5)?;
    let more: Vec<_> = (0..5).map(|partition| Record::new(partition, VIEW)).collect();
    write(&brokers, &topic, &more)?;
    cluster.until("new partitions are read", || Ok(database.consumed()? == 8))?;
    let status = format!("status --database-url {} --brokers {brokers} --format json", database.url);
    let status: serde_json::Value = serde_json::from_str(&Freshet::prints(&status)?)?;
    let read_by = |process: usize| (&status["processes"][process]["partitions"], &status["processes"][process]["lag"]);
    for (process, partitions) in [(0, json!([0, 3])), (1, json!([1, 4])), (2, json!([2]))] {
        assert_eq!(read_by(process), (&partitions, &json!(0)), "{status}");
    }
    // The tables are asked for: all processes give them up, and start over.
    let forget = format!("forget {} --id event-1", tables_arguments(&brokers, &topic, &database.url));
    Freshet::run(&forget)?.success()?;
    write(&brokers, &topic, &more)?;
    cluster.until("it goes on", || Ok(database.consumed()? == 13))?;
    // A second cluster is refused the tables, or takes them over as soon as it may.
    let [owner, other] = Cluster::start(2, &arguments)?.wait()?.try_into().expect("two processes");
    owner.refuses_with(OWNED_BY_ANOTHER, &["another instance"])?;
    other.refuses_with(PEER_LOST, &["process 0 (127.0.0.1:", "failed", "another instance"])?;
    let mut standby = Cluster::start(2, &format!("{arguments} --standby"))?;
    standby.processes[0].until_told("standing by", TIMEOUT)?;
    cluster.kill(2)?;
    write(&brokers, &topic, &more)?;
    standby.until("the second cluster goes on", || Ok(database.consumed()? == 18))?;
    standby.processes[1].signal(Signal::TERM)?;
    for process in standby.wait()? {
        process.success()?;
    }
    ensure!(database.rows_of("country_views")? == 0, "a forgotten event is counted");
    Freshet::run(&format!("verify {}", tables_arguments(&brokers, &topic, &database.url)))?.success()
}
