//! Poolers that lend a session of Postgres for one transaction only.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use postgres::{Client, SimpleQueryMessage};

use super::{Target, connect, db_result};

/// A second session is there sooner, or the pool has none to lend: then the first one is not lent either.
const SECOND_SESSION: Duration = Duration::from_secs(3);
/// A pool that others use may lend in any order; so often it does not hide that by chance.
const ROUNDS: usize = 4;

/// The process of Postgres that answers, as no other has it: not later, and not in another server. Asked before the session
/// goes by any [`Schema`](super::Schema), so each name says where it is from.
const PROCESS: &str = "SELECT pg_catalog.format('%s %s', pid, backend_start)
    FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

/// Whether a pooler lends this session for a transaction only, as pgbouncer with `pool_mode=transaction`. Never said of
/// a session that is kept: two of those that are open at once have each a process of its own, and each keeps it.
pub fn is_lent_by_transaction(target: &Target, session: &mut Client) -> Result<bool> {
    let first = process(session)?;
    // A pool may lend in turn, so that two who ask in turn see the same each time.
    if process(session)? != first {
        return Ok(true);
    }
    let Some((mut other, mut second)) = second_session(target) else { return Ok(false) };
    for _ in 0..ROUNDS {
        if second == first || process(session)? != first || process(session)? != first {
            return Ok(true);
        }
        second = process(&mut other)?;
    }
    Ok(false)
}

/// A session beside the first one, if it can be had. It may be waited for very long where a pool has no more.
fn second_session(target: &Target) -> Option<(Client, String)> {
    let (found, answer) = mpsc::channel();
    let target = target.clone();
    let ask = move || {
        let session = connect(&target).and_then(|mut client| Ok((process(&mut client)?, client)));
        if let Ok((process, client)) = session {
            // Nobody may wait any more.
            let _ = found.send((client, process));
        }
    };
    thread::Builder::new().name("pool-probe".into()).spawn(ask).ok()?;
    answer.recv_timeout(SECOND_SESSION).ok()
}

fn process(client: &mut Client) -> Result<String> {
    let answer = db_result(client.simple_query(PROCESS))?;
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(row.unwrap_or_default().to_owned())
}
