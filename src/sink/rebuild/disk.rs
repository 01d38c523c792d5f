//! Whether there is room for a second set of tables.
//!
//! Postgres does not say how much is free. But it says where its files are, to those who may know; and if it is on this machine,
//! the kernel says the rest.

use std::path::Path;

use anyhow::{Result, bail};
use bytesize::ByteSize;
use postgres::GenericClient;
use rustix::fs::statvfs;
use tracing::info;

use crate::database::{Schema, db_result};

const SIZE: &str = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
    WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2)";

/// Where this database keeps its tables, if its server is here. No row of `pg_settings` is shown to those who may not know it.
const PLACE: &str = "SELECT coalesce(nullif(pg_tablespace_location(dattablespace), ''),
        (SELECT setting FROM pg_settings WHERE name = 'data_directory'))
    FROM pg_database WHERE datname = current_database()
        AND (inet_server_addr() IS NULL OR host(inet_server_addr()) IN ('127.0.0.1', '::1'))";

/// Refuses if less is free than the tables take now.
pub(super) fn check(client: &mut impl GenericClient, schema: &Schema, tables: &[&str]) -> Result<()> {
    let size = db_result(client.query_one(SIZE, &[&schema.quoted(), &tables]))?.get::<_, i64>(0).unsigned_abs();
    let place: Option<String> = db_result(client.query_opt(PLACE, &[]))?.and_then(|row| row.get(0));
    let free = place.as_deref().and_then(|place| free(Path::new(place)));
    let (needed, place) = (ByteSize(size), place.unwrap_or_default());
    match free {
        Some(free) if free < size => bail!(
            "a second set of tables takes as much as the first, {needed}, and at {} only {} are free; nothing was written",
            place.escape_debug(),
            ByteSize(free)
        ),
        Some(free) => {
            info!("the tables take {needed}, the new ones will take about as much; {} are free", ByteSize(free))
        }
        None => info!(
            "the tables take {needed}, and the new ones will take about as much; this Postgres does not say how much \
             is free"
        ),
    }
    Ok(())
}

/// How many bytes are free where this folder is, if it is here.
fn free(place: &Path) -> Option<u64> {
    let found = statvfs(place).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
