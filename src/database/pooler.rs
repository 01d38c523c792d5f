//! Detects poolers that lend a session of Postgres for one transaction only.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use postgres::{Client, SimpleQueryMessage};

use super::{Target, connect, db_result};

/// How long to wait for a second session: if the pool has no more, the first one is not lent either.
const SECOND_SESSION_TIMEOUT: Duration = Duration::from_secs(3);
/// Rounds of comparison: a busy pool may lend in any order, and this many times it does not look like none by chance.
const COMPARE_ROUNDS: usize = 4;

/// Identifies the process of Postgres that answers, across time and servers. Asked before the session has entered a
/// [`Schema`](super::Schema), so every name is qualified.
const PROCESS: &str = "SELECT pg_catalog.format('%s %s', pid, backend_start)
    FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

/// Whether a pooler lends this session for a transaction only, as pgbouncer with `pool_mode=transaction`. Never true for a
/// real session: two that are open at once have a process each, and keep it.
pub fn is_lent_by_transaction(target: &Target, session: &mut Client) -> Result<bool> {
    let first = process(session)?;
    // A pool may lend round robin, so that two sessions that ask in turn always see the same process.
    if process(session)? != first {
        return Ok(true);
    }
    let Some((mut other, mut second)) = second_session(target) else { return Ok(false) };
    for _ in 0..COMPARE_ROUNDS {
        if second == first || process(session)? != first || process(session)? != first {
            return Ok(true);
        }
        second = process(&mut other)?;
    }
    Ok(false)
}

/// A second session, if there is one in time. A pool that has no more may keep it waiting for long.
fn second_session(target: &Target) -> Option<(Client, String)> {
    let (found, answer) = mpsc::channel();
    let target = target.clone();
    let ask = move || {
        let session = connect(&target).and_then(|mut client| Ok((process(&mut client)?, client)));
        if let Ok((process, client)) = session {
            // The receiver may have given up.
            let _ = found.send((client, process));
        }
    };
    thread::Builder::new().name("pool-probe".into()).spawn(ask).ok()?;
    answer.recv_timeout(SECOND_SESSION_TIMEOUT).ok()
}

fn process(client: &mut Client) -> Result<String> {
    let answer = db_result(client.simple_query(PROCESS))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(row.unwrap_or_default().to_owned())
}
