//! Sessions with Postgres.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use dataflows::{Model, Row, model::Table};
use postgres::Client;

use super::at_once::{AtOnce, Tables};
use super::commit::PostgresTransaction;
use super::heartbeat::Heartbeat;
use super::lease::{Claim, Instance, Owner};
use super::places::Places;
use super::statements::Statements;
use super::store::{Session, SmallCommit, Store};
use super::{load, owner};
use crate::batch::{Progress, TopicIdentity};
use crate::database::{For, Schema, Target, connect_as, db_result};

/// Settings of the writer's session, and nobody else's: no time limit of a role or a server is meant for it, as
/// `--stall-timeout` says how long a commit may take. Those that this server knows.
const SETTINGS: &str = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('lock_timeout',
    'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')";

/// The tables in Postgres.
pub struct Postgres {
    pub(super) target: Target,
    pub(super) schema: Schema,
    pub(super) topic: String,
    pub(super) model: Arc<Model>,
    pub(super) _heartbeat: Heartbeat,
}

impl Store for Postgres {
    type Session = PostgresSession;

    fn connect(&self, instance: &Instance) -> Result<PostgresSession> {
        let name = name(&self.target, instance);
        let client = open(&self.target, &self.schema, &name)?;
        Ok(PostgresSession { name, ..PostgresSession::new(client, &self.topic, &self.model) })
    }
}

/// A session of the writer.
pub struct PostgresSession {
    pub(super) client: Client,
    /// Its `application_name`.
    name: String,
    topic: String,
    model: Arc<Model>,
    /// Set from the first transaction on.
    statements: Option<Statements>,
    at_once: AtOnce,
    places: Places,
}

impl PostgresSession {
    /// Not named after an instance yet.
    pub(super) fn new(client: Client, topic: &str, model: &Arc<Model>) -> PostgresSession {
        let (topic, model) = (topic.to_owned(), model.clone());
        let (at_once, places) = (AtOnce::default(), Places::default());
        PostgresSession { client, name: String::new(), topic, model, statements: None, at_once, places }
    }

    /// Names it after this instance.
    pub(super) fn rename(&mut self, target: &Target, instance: &Instance) -> Result<()> {
        self.name = name(target, instance);
        db_result(self.client.execute("SELECT set_config('application_name', $1, false)", &[&self.name])).map(drop)
    }

    /// Has Postgres parse the statements of a commit.
    pub(super) fn prepare(&mut self) -> Result<()> {
        if self.statements.is_none() {
            self.statements = Some(db_result(Statements::prepare(&mut self.client, &self.model))?);
        }
        Ok(())
    }
}

impl Session for PostgresSession {
    type Transaction<'a> = PostgresTransaction<'a>;

    fn begin(&mut self, rows: usize, statement_rows: usize) -> Result<PostgresTransaction<'_>> {
        self.prepare()?;
        let PostgresSession { client, topic, model, statements: Some(statements), places, .. } = self else {
            bail!("a session without its statements");
        };
        places.begin(rows);
        let transaction = db_result(client.transaction())?;
        Ok(PostgresTransaction { transaction, topic, model, statements, places, statement_rows })
    }

    fn commit_at_once(&mut self, commit: &SmallCommit<'_>) -> Result<Option<bool>> {
        let PostgresSession { client, topic, model, at_once, places, .. } = self;
        at_once.commit(client, Tables { topic, model, places }, commit)
    }

    fn claim(&mut self) -> Result<Claim> {
        owner::claim(&mut self.client)
    }

    fn acquire(&mut self, seen: &Claim, instance: &Instance) -> Result<Option<Owner>> {
        owner::acquire(&mut self.client, seen, instance)
    }

    fn owner(&mut self, within: Option<Duration>) -> Result<Owner> {
        owner::locked(&mut db_result(self.client.transaction())?, within)
    }

    fn regain(&mut self, _instance: &Instance, check: impl FnOnce(&Owner) -> Result<()>) -> Result<Owner> {
        owner::regain(&mut self.client, &self.name, check)
    }

    fn release(&mut self, owner: &Owner) -> Result<()> {
        owner::release(&mut self.client, owner)
    }

    fn progress(&mut self) -> Result<BTreeMap<i32, Progress>> {
        load::progress(&mut self.client, &self.topic)
    }

    fn load(
        &mut self,
        each: &mut dyn FnMut(&Table, Row) -> Result<()>,
    ) -> Result<(BTreeMap<i32, Progress>, TopicIdentity)> {
        load::load(&mut self.client, &self.topic, &self.model, each)
    }
}

/// The name of the writer's session.
fn name(target: &Target, instance: &Instance) -> String {
    instance.session_name(target.application_name(), "writer")
}

/// A further session of this name that uses the schema of the tables.
pub(super) fn open(target: &Target, schema: &Schema, name: &str) -> Result<Client> {
    let mut client = connect_as(target, name)?;
    schema.enter(&mut client, For::Session)?;
    without_limits(&mut client)?;
    Ok(client)
}

/// Frees a session of the time limits that are meant for others.
pub(super) fn without_limits(client: &mut Client) -> Result<()> {
    // By itself, as the other statement takes some milliseconds.
    db_result(client.batch_execute("SET statement_timeout = 0"))?;
    db_result(client.execute(SETTINGS, &[])).map(drop)
}
