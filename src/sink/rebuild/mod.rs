//! New tables beside the live ones, which take their place once they have caught up.
//!
//! They are in a schema of their own, `freshet_next_…`, that nobody else has a right to: every session uses one schema,
//! so a run writes them as it writes any others, and no reader finds them. The swap drops the old objects and moves the
//! new ones, in one transaction.

mod dependents;
mod disk;
mod order;
mod rights;
mod snapshots;
mod swap;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use chrono::NaiveDate;
use dataflows::Model;
use dataflows::model::TableRows;
use parking_lot::Mutex;
use postgres::error::SqlState;
use postgres::types::{ToSql, Type};
use postgres::{Client, GenericClient};
use tracing::info;
use xxhash_rust::xxh3::xxh3_64;

use super::forgotten::{self, Forgotten};
use super::kept::Kept;
use super::lease::{Instance, Lease};
use super::lock;
use super::session::{PostgresSession, without_limits};
use super::table_settings::{self, Renewal, SETTINGS, TableSettings};
use super::{identity, preconditions, trust};
use crate::batch::TopicIdentity;
use crate::clock::SystemClock;
use crate::database::{For, Schema, Target, connect_as, db_result};
use crate::failure::Failure;
use crate::schema::{Ddl, Object, ObjectKind};
use order::LockOrder;
pub use snapshots::Snapshots;
pub use swap::Attempt;

/// Prefix of the schema of the new tables, before the name of that of the live ones.
const PREFIX: &str = "freshet_next_";
/// Bytes that Postgres keeps of a name.
const NAME_BYTES_MAX: usize = 63;
/// What others see of its sessions.
const SESSION: &str = "freshet rebuild";

/// Tables that are to be rebuilt.
pub struct Rebuild {
    target: Target,
    /// Where they are.
    live: Schema,
    /// What identifies them: the oid of the table with their settings.
    id: u32,
    /// Where the new ones are that will take their place.
    next: Schema,
    /// What they were built with.
    settings: BTreeMap<String, String>,
    /// Their reports.
    model: Arc<Model>,
    /// Tables of reports that were removed before.
    kept: Kept,
    /// All that Freshet has there, with those.
    old: Ddl,
    /// How readers are locked out of it.
    order: Mutex<LockOrder>,
}

/// The tables that were to be rebuilt have been replaced by others.
#[derive(Debug, thiserror::Error)]
#[error("another rebuild has replaced these tables meanwhile; start this one again if they are not yet what you want")]
struct Replaced;

/// How far tables are, and of which topic.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// By partition.
    pub progress: BTreeMap<i32, Extent>,
    /// As far as they know.
    pub identity: TopicIdentity,
    /// The first day that they have counts of.
    pub first_day: Option<NaiveDate>,
}

/// What tables include of a partition.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "as the columns of progress say")]
pub struct Extent {
    pub first_offset: i64,
    pub next_offset: i64,
}

impl Rebuild {
    /// Finds the tables, and changes nothing.
    pub fn find(target: &Target) -> Result<Rebuild> {
        let mut client = connect_as(target, SESSION)?;
        preconditions::check_session(target, &mut client)?;
        let live = target.schema().cloned().map_or_else(|| Schema::current(&mut client), Ok)?;
        Schema::leave(&mut client, For::Session)?;
        let Some(id) = settings_id(&mut client, &live)? else {
            let name = live.name().escape_debug();
            bail!("there are no tables of Freshet in the schema {name} of this database; `freshet run` makes them");
        };
        let settings = table_settings::stored(&mut client, &live.relation(SETTINGS))?;
        let model = table_settings::stored_model(&settings)?;
        let (mut old, kept) = (Ddl::new(&model), Kept::of_settings(&settings));
        old.objects.extend(kept.objects());
        let next = Schema::named(next_name(live.name()));
        let mut transaction = db_result(client.transaction())?;
        trust::check_own(&mut transaction, &live, &old)?;
        db_result(transaction.commit())?;
        let (target, order) = (target.clone(), Mutex::new(LockOrder::new(&old)));
        Ok(Rebuild { target, live, id, next, settings, model, kept, old, order })
    }

    /// The topic that they are of.
    pub fn topic(&self) -> &str {
        self.settings.get("topic").map_or("", String::as_str)
    }

    /// What they were built with, by the name of the flag.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Whether they are to be counted again although they were built with nothing else.
    pub fn renewal(&self, model: &Model, built_with: &TableSettings) -> Option<Renewal> {
        table_settings::renewal(&self.settings, model, built_with)
    }

    /// The database, with the new tables as its tables.
    pub fn target(&self) -> Target {
        self.target.in_schema(self.next.clone())
    }

    /// How far the tables are.
    pub fn standing(&self) -> Result<Standing> {
        let mut client = self.session(&self.live)?;
        Ok(Standing { first_day: first_day(&mut client, &self.model)?, ..standing(&mut client, self.topic())? })
    }

    /// What was forgotten of their events.
    pub fn forgotten(&self) -> Result<Forgotten> {
        forgotten::stored(&mut self.session(&self.live)?)
    }

    /// How far the new tables are; none if no rebuild was begun.
    pub fn begun(&self) -> Result<Option<Standing>> {
        let mut client = self.session(&self.next)?;
        if is_there(&mut client, &self.next)? { standing(&mut client, self.topic()).map(Some) } else { Ok(None) }
    }

    /// Refuses what the swap could not do, or would take away from others, before anything begins.
    pub fn check(&self, model: &Model, built_with: &TableSettings) -> Result<()> {
        let mut client = self.session(&self.live)?;
        let new = Ddl::new(model);
        let going = self.going(&self.old, &self.staying(&new, built_with, 0));
        rights::check_owners(&mut client, &self.live, &going)?;
        dependents::refuse(&mut client, &self.live, &going)?;
        self.check_names(&mut client, &new)?;
        self.check_next(&mut client)?;
        let is_begun = is_there(&mut client, &self.next)?;
        if is_begun { Ok(()) } else { disk::check(&mut client, &self.live, &going.names(&[ObjectKind::Table])) }
    }

    /// Whether others are in their place since they were found.
    pub fn are_replaced(&self) -> Result<bool> {
        Ok(settings_id(&mut connect_as(&self.target, SESSION)?, &self.live)? != Some(self.id))
    }

    /// Makes the schema of the new tables, if it is not there.
    ///
    /// # Errors
    /// If others are in the place of the tables: what would be counted again may be what has just been counted.
    pub fn begin(&self) -> Result<()> {
        let mut client = connect_as(&self.target, SESSION)?;
        let mut transaction = db_result(client.transaction())?;
        // A swap holds this lock, too.
        lock::lock_schema(&mut transaction)?;
        if settings_id(&mut transaction, &self.live)? != Some(self.id) {
            bail!(Replaced);
        }
        if !exists(&mut transaction, &self.next)? {
            let name = self.next.quoted();
            match transaction.batch_execute(&format!("CREATE SCHEMA {name}")) {
                Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => bail!(
                    "the role of --database-url may not create the schema {name} for the new tables: GRANT CREATE ON \
                     DATABASE to it, or CREATE SCHEMA {name} AUTHORIZATION for it"
                ),
                made => db_result(made)?,
            }
        }
        db_result(transaction.commit())
    }

    /// Removes the new tables. False if there are none. An error if somebody is at work on them.
    pub fn abandon(&self) -> Result<bool> {
        let mut client = self.session(&self.next)?;
        without_limits(&mut client)?;
        if !exists(&mut client, &self.next)? {
            return Ok(false);
        }
        self.check_next(&mut client)?;
        if is_there(&mut client, &self.next)? {
            let model = table_settings::stored_model(&table_settings::stored(&mut client, SETTINGS)?)?;
            let mut session = PostgresSession::new(client, self.topic(), &model);
            Lease::acquire(&mut session, &SystemClock, Instance::new())?;
            client = session.client;
        }
        // Only what nobody else could see is in it.
        db_result(client.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.next.quoted())))?;
        info!("removed the schema {}", self.next.name());
        Ok(true)
    }

    /// What is kept beside new tables: of those that are removed now, as of this commit.
    fn staying(&self, new: &Ddl, built_with: &TableSettings, commit: i64) -> Kept {
        let removed = Kept::removed(&self.model, new, commit);
        if built_with.drops_removed { Kept::default() } else { self.kept.clone().and(removed).beside(new) }
    }

    /// What of these is dropped. All views are, as they may be over tables that are; some are made again.
    fn going(&self, there: &Ddl, staying: &Kept) -> Ddl {
        let stays = |object: &&Object| {
            object.kind != ObjectKind::View && staying.names(object.kind).contains(&object.name.as_str())
        };
        let objects = there.objects.iter().filter(|object| !stays(object)).cloned().collect();
        Ddl { text: String::new(), objects }
    }

    /// A session that uses one of the schemas.
    fn session(&self, schema: &Schema) -> Result<Client> {
        let mut client = connect_as(&self.target, SESSION)?;
        schema.enter(&mut client, For::Session)?;
        Ok(client)
    }

    /// Refuses names that somebody else has in the schema that the tables will move to.
    fn check_names(&self, client: &mut impl GenericClient, new: &Ddl) -> Result<()> {
        let old: Vec<_> = self.old.relations().into_iter().chain(self.old.functions()).collect();
        let is_new = |name: &&str| !old.contains(name);
        let relations: Vec<_> = new.relations().into_iter().filter(is_new).collect();
        let functions: Vec<_> = new.functions().into_iter().filter(is_new).collect();
        let query =
            "SELECT relname::text FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relname = ANY($2)
            UNION ALL SELECT proname || '()' FROM pg_proc
                WHERE pronamespace = $1::text::regnamespace AND proname = ANY($3) ORDER BY 1";
        let rows = db_result(client.query(query, &[&self.live.quoted(), &relations, &functions]))?;
        preconditions::refuse(&rows.iter().map(|row| row.get(0)).collect::<Vec<_>>())
    }

    /// Refuses a schema of that name that somebody else uses.
    fn check_next(&self, client: &mut impl GenericClient) -> Result<()> {
        if !exists(client, &self.next)? {
            return Ok(());
        }
        let query = "SELECT pg_has_role(nspowner, 'MEMBER'),
                EXISTS (SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid) FROM pg_namespace WHERE nspname = $1";
        let row = db_result(client.query_one(query, &[&self.next.name()]))?;
        let (is_ours, is_used): (bool, bool) = (row.get(0), row.get(1));
        if !is_ours || is_used && !is_there(client, &self.next)? {
            let name = self.next.name().escape_debug();
            bail!(Failure::OtherTables(format!(
                "the schema {name}, which the new tables need, is not Freshet's; nothing was written: rename or drop it"
            )));
        }
        Ok(())
    }
}

/// How far the tables are that this session uses, which an older version may have made.
fn standing(client: &mut Client, topic: &str) -> Result<Standing> {
    let mut transaction = db_result(client.transaction())?;
    let identity = identity::stored(&mut transaction)?;
    let query = "SELECT kafka_partition, first_offset, next_offset FROM progress WHERE topic = $1";
    let rows = db_result(transaction.query(query, &[&topic]))?;
    let extent = |row: &postgres::Row| (row.get(0), Extent { first_offset: row.get(1), next_offset: row.get(2) });
    Ok(Standing { progress: rows.iter().map(extent).collect(), identity, first_day: None })
}

fn first_day(client: &mut impl GenericClient, model: &Model) -> Result<Option<NaiveDate>> {
    let has_days = |table: &&dataflows::model::Table| {
        matches!(table.rows, TableRows::Count(_)) && table.key.iter().any(|column| column.name == "day")
    };
    let days = model.tables.iter().filter(has_days).map(|table| format!("SELECT min(day) AS day FROM {}", table.name));
    let days = days.collect::<Vec<_>>().join(" UNION ALL ");
    if days.is_empty() {
        return Ok(None);
    }
    Ok(db_result(client.query_one(&format!("SELECT min(day) FROM ({days}) AS days"), &[]))?.get(0))
}

/// Whether tables of Freshet are in a schema.
fn is_there(client: &mut impl GenericClient, schema: &Schema) -> Result<bool> {
    Ok(settings_id(client, schema)?.is_some())
}

/// The oid of the table with the settings of Freshet's tables in a schema.
fn settings_id(client: &mut impl GenericClient, schema: &Schema) -> Result<Option<u32>> {
    let query = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
    Ok(db_result(client.query_typed_one(query, &[(&schema.relation(SETTINGS) as &(dyn ToSql + Sync), Type::TEXT)]))?
        .get(0))
}

fn exists(client: &mut impl GenericClient, schema: &Schema) -> Result<bool> {
    let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1::pg_catalog.text)";
    Ok(db_result(client.query_one(query, &[&schema.name()]))?.get(0))
}

/// The name of the schema of new tables for live ones in this schema.
fn next_name(live: &str) -> String {
    let name = format!("{PREFIX}{live}");
    if name.len() <= NAME_BYTES_MAX { name } else { format!("{PREFIX}{:016x}", xxh3_64(live.as_bytes())) }
}
