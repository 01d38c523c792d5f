//! Postgres comes back without commits that it had acknowledged: the tables are read again, and nothing is lost or doubled.

use anyhow::{Result, ensure};
use freshet_embedded::{Kafka, Postgres, free_port};
use postgres::{Client, NoTls};
use rand::RngExt;

use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::{Load, choices, fill, finish, goes_on, times};
use crate::support::proxy::Proxy;
use crate::support::{Database, http, new_topic, postgres, require_kafka, run_arguments};

const REWOUND: &str = "reading the tables again";

#[test]
fn a_crash_loses_acknowledged_commits() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    // What is acknowledged is on the disk only so much later.
    let mut server = Postgres::start_with(&[("synchronous_commit", "off"), ("wal_writer_delay", "10s")])?;
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create_in(&server)?);
    let filling = fill(kafka, &topic, choices.random())?;
    let (arguments, page) = (run_arguments(&kafka.brokers(), &topic, &database), free_port()?);
    let mut freshet = Freshet::start(&format!("{arguments} --workers 2 --http 127.0.0.1:{page}"))?;
    // What a crash loses is what was not written yet by chance; two or three in ten lose nothing.
    let (wanted, mut crashes) = (times(1, 20) as usize, 0);
    while freshet.times_told(REWOUND)? < wanted {
        ensure!(crashes < 10 * wanted, "{crashes} crashes have lost too little");
        crashes += 1;
        goes_on(&mut freshet, &mut database)?;
        server.kill()?;
        server.restart()?;
        database.reconnect()?;
        goes_on(&mut freshet, &mut database)?;
        let (metrics, rewinds) =
            (http::get(&format!("http://127.0.0.1:{page}/metrics"))?.text, freshet.times_told(REWOUND)?);
        ensure!(metrics.contains(&format!("freshet_rewinds_total {rewinds}\n")), "not {rewinds}: {metrics}");
    }
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_failover_to_a_standby_behind() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    (0..times(1, 20)).try_for_each(|_| fail_over(kafka))
}

fn fail_over(kafka: &Kafka) -> Result<()> {
    let mut primary = Postgres::start_with(&[("fsync", "off")])?;
    let (mut choices, topic, mut database) = (choices(), new_topic(kafka, 4)?, Database::create_in(&primary)?);
    let (proxy, filling) = (Proxy::start(&primary)?, fill(kafka, &topic, choices.random())?);
    let direct = database.url.clone();
    database.url = proxy.url(&direct);
    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    goes_on(&mut freshet, &mut database)?;
    let standby = primary.replica()?;
    // It gets nothing any more; what is committed from now on it will not have.
    let mut follower = Client::connect(&standby.url(), NoTls)?;
    follower.batch_execute("ALTER SYSTEM SET primary_conninfo = ''")?;
    follower.batch_execute("SELECT pg_reload_conf()")?;
    freshet.until("the standby is cut off", TIMEOUT, || {
        Ok(follower.query("SELECT FROM pg_stat_wal_receiver", &[])?.is_empty())
    })?;
    goes_on(&mut freshet, &mut database)?;
    standby.promote()?;
    proxy.turn_to(&standby);
    primary.kill()?;
    database.reconnect()?;
    freshet.until_told(REWOUND, TIMEOUT)?;
    goes_on(&mut freshet, &mut database)?;
    freshet.terminate()?.success()?;
    filling.kill()?;
    finish(kafka, &topic, &mut database)
}

#[test]
fn a_pooler_switches_servers_unseen() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let mut load = Load::start(kafka, postgres(), "")?;
    // Another server, under the same session, has not got the last commits.
    let number = "SELECT commit_number FROM freshet_owner";
    let before: i64 = load.database.client.query_one(number, &[])?.get(0);
    load.goes_on()?;
    load.database.client.execute("UPDATE freshet_owner SET commit_number = $1", &[&before])?;
    load.freshet.until_told(REWOUND, TIMEOUT)?;
    load.goes_on()?;
    load.finish(kafka)
}
