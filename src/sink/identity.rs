//! Which topic the tables are of. It is stored among the settings, but is none: another topic of the same name is for
//! the plan of a start to judge.

use anyhow::Result;
use postgres::Transaction;

use crate::batch::TopicIdentity;
use crate::database::db_result;

const TOPIC_ID: &str = "topic-id";
const CLUSTER_ID: &str = "cluster-id";

/// The names in `freshet_settings` that no flag sets.
pub(super) const NAMES: [&str; 2] = [TOPIC_ID, CLUSTER_ID];

/// What the tables say; nothing in those of an earlier version, or of a broker that gives no ids.
pub(super) fn stored(transaction: &mut Transaction<'_>) -> Result<TopicIdentity> {
    let query = "SELECT max(value) FILTER (WHERE name = $1), max(value) FILTER (WHERE name = $2) FROM freshet_settings";
    let row = db_result(transaction.query_one(query, &[&TOPIC_ID, &CLUSTER_ID]))?;
    Ok(TopicIdentity { topic_id: row.get(0), cluster_id: row.get(1) })
}

/// Notes what is known. An id that the broker does not give now is kept.
pub(super) fn record(transaction: &mut Transaction<'_>, identity: &TopicIdentity) -> Result<()> {
    let known = [(TOPIC_ID, &identity.topic_id), (CLUSTER_ID, &identity.cluster_id)];
    let statement = "INSERT INTO freshet_settings (name, value) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    for (name, value) in known.iter().filter_map(|(name, id)| id.as_ref().map(|id| (name, id))) {
        db_result(transaction.execute(statement, &[name, value]))?;
    }
    Ok(())
}
