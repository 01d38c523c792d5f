//! What the sink needs of a database: sessions, the owner's row, and transactions. A run has [`Postgres`](super::Postgres); the
//! simulation has tables in memory, and decides what becomes of each commit.
//!
//! The protocol that makes the tables exact is above this boundary, in [`Sink`](super::Sink); SQL and what makes it fast are below.
//! An error that passes is an [`Outage`](crate::database::Outage).

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use dataflows::{Row, model::Table};

use super::lease::{Claim, Instance, Owner};
use super::rejected::RejectedTables;
use crate::batch::{Forgetting, Gap, Progress, Rejected, TopicIdentity};

/// The tables of one topic.
pub trait Store {
    /// One session.
    type Session: Session;

    /// A further session, for the writer of this instance.
    fn connect(&self, instance: &Instance) -> Result<Self::Session>;
}

/// A session. What it began and did not commit is undone when it ends.
pub trait Session {
    /// A transaction of it; dropped, it is undone.
    type Transaction<'a>: Transaction
    where
        Self: 'a;

    /// Begins a transaction that writes about `rows` rows, in statements of at most `statement_rows`.
    fn begin(&mut self, rows: usize, statement_rows: usize) -> Result<Self::Transaction<'_>>;

    /// A whole transaction in one round trip: fenced, as [`Transaction::fence`] is, it sets, advances and commits.
    /// Returns whether listeners are notified. `None`, and nothing is done, unless the commit is a small one and
    /// everything is where this process left it: then a transaction has to do it, or to report what is wrong. After an
    /// outage it is unknown whether it is done.
    fn commit_at_once(&mut self, commit: &SmallCommit<'_>) -> Result<Option<bool>>;

    /// The owner's row as a start sees it, which waits for no commit.
    fn claim(&mut self) -> Result<Claim>;

    /// Makes an instance the owner, with the next fencing token; unless the claim is another one than was seen. Waits for the
    /// commit that is under way, or ends it.
    fn acquire(&mut self, seen: &Claim, instance: &Instance) -> Result<Option<Owner>>;

    /// The owner's row once no commit has locked it; an outage if that is not so within this time.
    fn owner(&mut self, within: Option<Duration>) -> Result<Owner>;

    /// Gives the owner the next fencing token, if `check` finds nothing wrong with its row. Other sessions of this instance's
    /// writer are ended before, or fail to commit from now on.
    fn regain(&mut self, instance: &Instance, check: impl FnOnce(&Owner) -> Result<()>) -> Result<Owner>;

    /// Releases the tables, if this owner has them.
    fn release(&mut self, owner: &Owner) -> Result<()>;

    /// Where the tables stand, by partition.
    fn progress(&mut self) -> Result<BTreeMap<i32, Progress>>;

    /// Calls `each` with all rows; returns where the tables stand and of which topic they are: all of one moment.
    fn load(
        &mut self,
        each: &mut dyn FnMut(&Table, Row) -> Result<()>,
    ) -> Result<(BTreeMap<i32, Progress>, TopicIdentity)>;
}

/// A transaction.
pub trait Transaction {
    /// First of all: raises the commit number, so that no other transaction of an owner can commit before this one ends. False,
    /// and nothing is done, if the owner's row is another one than this.
    fn fence(&mut self, known: &Owner) -> Result<bool>;

    /// Records where partitions are read from, what of others is gone, and which topic it is.
    fn begin(&mut self, new: &[Progress], gaps: &[Gap], identity: &TopicIdentity) -> Result<()>;

    /// Removes rows, each given once.
    fn delete(&mut self, table: &Table, rows: &[Row]) -> Result<()>;

    /// Sets rows, each given once.
    fn set(&mut self, table: &Table, rows: &[Row]) -> Result<()>;

    /// Reads what there is of rejected records.
    fn load_rejected(&mut self, tables: &mut RejectedTables) -> Result<()>;

    /// Counts rejected records, adds rows of those that are kept, and removes rows that are due.
    fn reject(&mut self, tables: &mut RejectedTables, rejected: &[Rejected]) -> Result<()>;

    /// Adds to what is forgotten.
    fn forget(&mut self, forgetting: &Forgetting) -> Result<()>;

    /// Moves progress, each partition only from where it was; those without a row begin. Listeners are notified.
    fn advance(&mut self, before: &BTreeMap<i32, Progress>, after: &BTreeMap<i32, Progress>) -> Result<Moved>;

    /// Makes all of it durable. After an outage it is unknown whether it is.
    fn commit(self) -> Result<()>;
}

/// All that a commit writes if it only sets rows and moves offsets.
#[derive(Clone, Copy, Debug)]
pub struct SmallCommit<'a> {
    /// The owner's row as it must be.
    pub known: &'a Owner,
    /// Rows by the place of their table in the model, each given once.
    pub rows: &'a [(usize, Vec<Row>)],
    /// Where all partitions must be.
    pub before: &'a BTreeMap<i32, Progress>,
    /// Where some of them get to.
    pub after: &'a BTreeMap<i32, Progress>,
}

/// What became of [`Transaction::advance`].
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// How many partitions were where `before` has them.
    pub partitions: usize,
    /// Whether listeners are notified.
    pub is_notified: bool,
}
