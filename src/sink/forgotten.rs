//! Events that were forgotten: the keyed hashes of their ids, by which every start and every recount leaves them out.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use dataflows::EventId;
use postgres::{GenericClient, Transaction};

use super::table_settings::{self, SETTINGS};
use crate::batch::Forgetting;
use crate::database::db_result;
use crate::id_key::IdKey;

/// The setting with the key of the hashes. It is as secret as the tables: who may read it can tell whether an id that they have
/// was forgotten, and no more.
pub(super) const KEY: &str = "forget-key";

/// What was forgotten.
#[derive(Clone, Debug)]
pub struct Forgotten {
    /// The key of the hashes: a new one if nothing was forgotten yet.
    pub key: IdKey,
    /// The hashes.
    pub ids: Arc<HashSet<EventId>>,
}

impl Forgotten {
    /// Nothing.
    pub(super) fn nothing() -> Self {
        Forgotten { key: IdKey::random(), ids: Arc::default() }
    }
}

/// What the tables in the session's schema say of it.
pub(super) fn stored(client: &mut impl GenericClient) -> Result<Forgotten> {
    let Some(key) = table_settings::stored(client, SETTINGS)?.remove(KEY) else { return Ok(Forgotten::nothing()) };
    let key = u128::from_str_radix(&key, 16).context("the setting forget-key is no key")?;
    let rows = db_result(client.query_typed("SELECT id_hash FROM forgotten", &[]))?;
    let id = |row: &postgres::Row| Some(EventId(u128::from_be_bytes(row.get::<_, &[u8]>(0).try_into().ok()?)));
    Ok(Forgotten { key: IdKey::new(key.to_be_bytes()), ids: Arc::new(rows.iter().filter_map(id).collect()) })
}

/// Adds to it, and removes the values of rejected records that hold an id.
pub(super) fn add(transaction: &mut Transaction<'_>, topic: &str, forgetting: &Forgetting) -> Result<()> {
    let key = format!("{:032x}", u128::from_be_bytes(forgetting.key.bytes()));
    let setting = "INSERT INTO freshet_settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    db_result(transaction.execute(setting, &[&KEY, &key]))?;
    let hashes: Vec<_> = forgetting.ids.iter().map(|EventId(hash)| hash.to_be_bytes().to_vec()).collect();
    let insert = "INSERT INTO forgotten (id_hash) SELECT unnest($1::bytea[]) ON CONFLICT DO NOTHING";
    db_result(transaction.execute(insert, &[&hashes]))?;
    let (partitions, offsets): (Vec<_>, Vec<_>) = forgetting.payloads.iter().copied().unzip();
    let statement = "UPDATE rejected_records AS held SET payload = NULL
        FROM unnest($2::int[], $3::bigint[]) AS given (kafka_partition, kafka_offset)
        WHERE held.topic = $1 AND held.kafka_partition = given.kafka_partition AND held.kafka_offset = given.kafka_offset";
    db_result(transaction.execute(statement, &[&topic, &partitions, &offsets])).map(drop)
}
