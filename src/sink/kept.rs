//! Tables of reports that the file no longer has: they stay as they were, with their views, until `--drop-removed`.
//!
//! What stays is recorded among the settings, one object per line: so nothing else is ever dropped with it, and the old
//! table of a report that comes back is known as one that is not written.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use dataflows::Model;
use dataflows::model::TableRows;
use postgres::error::SqlState;
use postgres::{GenericClient, Transaction};

use super::schema::Wanted;
use super::{also_counted, table_settings};
use crate::database::db_result;
use crate::failure::Failure;
use crate::schema::{Ddl, Object, ObjectKind, views};

/// The name of the setting that lists them.
pub(super) const SETTING: &str = "kept";

/// The note for readers of a table and its views, behind their comments.
const COMMENTS: &str = "SELECT format('COMMENT ON %s %s IS %L', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass,
        concat_ws(' ', obj_description(oid, 'pg_class'), format('(no longer written: as it was at commit %s, %s UTC)', commit,
            to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'))))
    FROM unnest($1::text[], $2::bigint[]) AS kept (name, commit) JOIN pg_class ON oid = to_regclass(name)
    WHERE relkind IN ('r', 'v')";

/// Which of these are there.
const THERE: &str = "SELECT number FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS object (kind, name, number)
    WHERE CASE kind WHEN 'function' THEN EXISTS (SELECT FROM pg_proc WHERE proname = name
            AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()))
        ELSE EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(name)
            AND relkind::text = CASE kind WHEN 'view' THEN 'v' ELSE 'r' END) END";

/// What recreates a view as it is, its comments included. Names have their schema unless the session goes by it.
const VIEWS: &str = "WITH view AS (SELECT oid, relname FROM pg_class
        WHERE relkind = 'v' AND oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name))
    SELECT relname::text, format('CREATE VIEW %s AS %s', oid::regclass, rtrim(pg_get_viewdef(oid), ';')), 0 FROM view
    UNION ALL SELECT relname::text, format('COMMENT ON VIEW %s IS %L', oid::regclass, obj_description(oid, 'pg_class')), 1
        FROM view
    UNION ALL SELECT relname::text,
        format('COMMENT ON COLUMN %s.%I IS %L', view.oid::regclass, attname, col_description(view.oid, attnum)), 2
        FROM view JOIN pg_attribute ON attrelid = view.oid AND attnum > 0
    ORDER BY 1, 3";

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeptObject {
    pub kind: ObjectKind,
    pub name: String,
    /// The commit as of which it is kept.
    pub commit: i64,
    /// Of a view: the table whose rows it shows.
    pub table: Option<String>,
}

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept(Vec<KeptObject>);

impl Kept {
    /// What these settings say.
    pub fn of_settings(settings: &BTreeMap<String, String>) -> Kept {
        let lines = settings.get(SETTING).map(String::as_str).unwrap_or_default().lines();
        Kept(lines.filter_map(KeptObject::of_line).collect())
    }

    /// What tables of a model leave behind where those of another DDL take their place at this commit.
    pub fn removed(before: &Model, now: &Ddl, commit: i64) -> Kept {
        let (names, ddl) = (now.all(), Ddl::new(before));
        let is_gone = |name: &str| !names.contains(&name);
        let object = |kind, name: &str, table: Option<&str>| KeptObject {
            kind,
            name: name.to_owned(),
            commit,
            table: table.map(str::to_owned),
        };
        let of = |kind: ObjectKind| {
            ddl.names(&[kind])
                .into_iter()
                .filter(|name| is_gone(name))
                .map(move |name| object(kind, name, None))
                .collect()
        };
        let (tables, functions): (Vec<_>, Vec<_>) = (of(ObjectKind::Table), of(ObjectKind::Function));
        let of_tables = views(before).into_iter().filter(|(view, table)| is_gone(view) && is_gone(table));
        let views: Vec<_> = of_tables.map(|(view, table)| object(ObjectKind::View, &view, Some(table))).collect();
        Kept([tables, views, functions].concat())
    }

    /// This, and what is kept besides.
    pub fn and(self, others: Kept) -> Kept {
        Kept([self.0, others.0].concat())
    }

    /// What stays of it beside another DDL: nothing whose name that needs, and no view of such a table.
    pub fn beside(&self, ddl: &Ddl) -> Kept {
        let names = ddl.all();
        let stays = |it: &&KeptObject| {
            !names.contains(&it.name.as_str()) && !it.table.as_deref().is_some_and(|table| names.contains(&table))
        };
        Kept(self.0.iter().filter(stays).cloned().collect())
    }

    /// Those of it that are there: somebody may have dropped one. The session goes by their schema.
    pub fn there(self, client: &mut impl GenericClient) -> Result<Kept> {
        let (kinds, names): (Vec<_>, Vec<_>) = self.0.iter().map(|it| (it.kind.name(), it.name.as_str())).unzip();
        let rows = db_result(client.query(THERE, &[&kinds, &names]))?;
        let there: Vec<_> = rows.iter().map(|row| row.get::<_, i64>(0)).collect();
        Ok(Kept((1..).zip(self.0).filter(|(number, _)| there.contains(number)).map(|(_, it)| it).collect()))
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of what is of this kind.
    pub fn names(&self, kind: ObjectKind) -> Vec<&str> {
        self.0.iter().filter(|it| it.kind == kind).map(|it| it.name.as_str()).collect()
    }

    /// Its objects, as a DDL has them.
    pub fn objects(&self) -> impl Iterator<Item = Object> {
        self.0.iter().map(|KeptObject { kind, name, .. }| Object {
            kind: *kind,
            name: name.clone(),
            columns: Vec::new(),
            rows: None,
        })
    }

    /// The warning about it at a start; none if no table is kept.
    pub fn sentence(&self) -> Option<String> {
        let tables: Vec<_> = self.0.iter().filter(|it| it.kind == ObjectKind::Table).collect();
        match tables.as_slice() {
            [] => None,
            [KeptObject { name, commit, .. }] => Some(format!(
                "table {name} is no longer written, as its report was removed: it is kept as it was at commit {commit}; \
                 `freshet run --drop-removed` drops it"
            )),
            tables => {
                let names: Vec<_> = tables.iter().map(|it| format!("{} (commit {})", it.name, it.commit)).collect();
                Some(format!(
                    "tables are no longer written, as their reports were removed, and kept as they were at a commit: {}; \
                     `freshet run --drop-removed` drops them",
                    names.join(", ")
                ))
            }
        }
    }

    /// Those that are not among others.
    pub fn besides(&self, others: &Kept) -> Kept {
        Kept(self.0.iter().filter(|it| !others.0.contains(it)).cloned().collect())
    }

    /// Notes in the comments on what was just removed that it is kept, for its readers. The session goes by its schema.
    pub fn comment(&self, client: &mut impl GenericClient) -> Result<()> {
        let relations: Vec<_> = self.0.iter().filter(|it| it.kind != ObjectKind::Function).collect();
        let names: Vec<_> = relations.iter().map(|it| it.name.as_str()).collect();
        let commits: Vec<_> = relations.iter().map(|it| it.commit).collect();
        let rows = db_result(client.query(COMMENTS, &[&names, &commits]))?;
        let statements: Vec<_> = rows.iter().map(|row| row.get::<_, String>(0)).collect();
        db_result(client.batch_execute(&statements.join(";\n")))
    }

    /// Records it. The session goes by the schema of the tables.
    pub fn record(&self, client: &mut impl GenericClient) -> Result<()> {
        let lines: Vec<_> = self.0.iter().map(KeptObject::line).collect();
        match lines.as_slice() {
            [] => db_result(client.execute("DELETE FROM freshet_settings WHERE name = $1", &[&SETTING])).map(drop),
            lines => table_settings::set(client, SETTING, &lines.join("\n")),
        }
    }

    /// Drops all of it, and nothing of somebody else's with it. The session goes by its schema.
    pub fn drop(&self, client: &mut impl GenericClient) -> Result<()> {
        for (what, kind) in
            [("VIEW", ObjectKind::View), ("TABLE", ObjectKind::Table), ("FUNCTION", ObjectKind::Function)]
        {
            let names = self.names(kind).join(", ");
            if names.is_empty() {
                continue;
            }
            match client.batch_execute(&format!("DROP {what} {names}")) {
                Err(error) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                    let detail = error.as_db_error().and_then(|error| error.detail()).unwrap_or_default();
                    let detail = detail.replace('\n', "; ");
                    bail!(Failure::OtherTables(format!(
                        "--drop-removed would drop what others have made on these tables: {}; drop those, and start again",
                        detail.escape_debug()
                    )))
                }
                dropped => db_result(dropped)?,
            }
        }
        Ok(())
    }
}

impl KeptObject {
    fn line(&self) -> String {
        let KeptObject { kind, name, commit, table } = self;
        let table = table.as_ref().map_or(String::new(), |table| format!(" {table}"));
        format!("{} {name} {commit}{table}", kind.name())
    }

    /// None if it could not be one of [`KeptObject::line`]: names become SQL.
    fn of_line(line: &str) -> Option<KeptObject> {
        let mut words = line.split_whitespace();
        let (kind, name, commit, table) = (words.next()?, words.next()?, words.next()?, words.next());
        let kind =
            [ObjectKind::Table, ObjectKind::View, ObjectKind::Function].into_iter().find(|it| it.name() == kind)?;
        let is_plain = |name: &str| name.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_');
        let is_good = is_plain(name) && table.is_none_or(is_plain);
        let (name, commit, table) = (name.to_owned(), commit.parse().ok()?, table.map(str::to_owned));
        is_good.then_some(KeptObject { kind, name, commit, table })
    }
}

/// Definitions of views, to be made again after what they select from was.
#[derive(Debug, Default)]
pub(super) struct Definitions(Vec<(String, Vec<String>)>);

impl Definitions {
    /// Those of the views with these names, as the session finds them.
    pub fn read(client: &mut impl GenericClient, names: &[String]) -> Result<Definitions> {
        let mut definitions: Vec<(String, Vec<String>)> = Vec::new();
        for row in db_result(client.query(VIEWS, &[&names]))? {
            let (name, statement) = (row.get(0), row.get(1));
            match definitions.last_mut() {
                Some((last, statements)) if *last == name => statements.push(statement),
                _ => definitions.push((name, vec![statement])),
            }
        }
        Ok(Definitions(definitions))
    }

    /// Recreates them. Returns those that what they select from no longer allows.
    pub fn restore(self, transaction: &mut Transaction<'_>) -> Result<Vec<String>> {
        let gone = [SqlState::UNDEFINED_COLUMN, SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_FUNCTION];
        let mut lost = Vec::new();
        for (name, statements) in self.0 {
            let mut attempt = db_result(transaction.transaction())?;
            match attempt.batch_execute(&statements.join(";\n")) {
                Err(error) if error.code().is_some_and(|code| gone.contains(code)) => {
                    db_result(attempt.rollback())?;
                    lost.push(name);
                }
                made => {
                    db_result(made)?;
                    db_result(attempt.commit())?;
                }
            }
        }
        Ok(lost)
    }
}

/// Leaves, as the owner of all tables, those that the reports of `before` have and the wanted ones do not. Returns
/// them.
pub(super) fn remove(transaction: &mut Transaction<'_>, before: &Model, wanted: &Wanted<'_>) -> Result<Kept> {
    let query = "SELECT coalesce((SELECT commit_number FROM freshet_owner), 0)";
    let commit = db_result(transaction.query_one(query, &[]))?.get(0);
    let kept = Kept::removed(before, &wanted.ddl, commit);
    if kept.is_empty() {
        return Ok(kept);
    }
    kept.comment(transaction)?;
    drop_indexes(
        transaction,
        &Ddl::new(before).names(&[ObjectKind::Index]),
        &wanted.ddl,
        &kept.names(ObjectKind::Table),
    )?;
    forget_days(transaction, wanted.model)?;
    also_counted::record(transaction, before, wanted.model)?;
    Ok(kept)
}

/// Drops those indexes that are on tables which are kept, as tables that are written may need their names, and those that nothing
/// needs any more.
pub(super) fn drop_indexes(
    transaction: &mut Transaction<'_>,
    before: &[impl AsRef<str>],
    now: &Ddl,
    kept: &[impl AsRef<str>],
) -> Result<()> {
    let query = "SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
        JOIN pg_class ON pg_class.oid = indexrelid
        WHERE pg_class.oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
            AND (indrelid IN (SELECT to_regclass(name) FROM unnest($3::text[]) AS name) OR NOT relname = ANY($2))";
    let before: Vec<_> = before.iter().map(AsRef::as_ref).collect();
    let kept: Vec<_> = kept.iter().map(AsRef::as_ref).collect();
    let rows = db_result(transaction.query(query, &[&before, &now.names(&[ObjectKind::Index]), &kept]))?;
    rows.iter().try_for_each(|row| db_result(transaction.batch_execute(row.get(0))))
}

/// Removes from the calendar the days that only counts have which are no longer written.
fn forget_days(client: &mut impl GenericClient, model: &Model) -> Result<()> {
    let has_days = |table: &&dataflows::model::Table| match table.rows {
        TableRows::Count(count) => model.counts[count].has_day && model.counts[count].from.is_none(),
        _ => false,
    };
    let days = model.tables.iter().filter(has_days).map(|table| format!("SELECT day FROM {}", table.name));
    let days = days.collect::<Vec<_>>().join(" UNION ");
    let others = if days.is_empty() { String::new() } else { format!(" WHERE day NOT IN ({days})") };
    db_result(client.batch_execute(&format!("DELETE FROM dim_date{others}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_settings_are_read_as_written() {
        let object = |kind, name: &str, table: Option<&str>| KeptObject {
            kind,
            name: name.into(),
            commit: 12,
            table: table.map(Into::into),
        };
        let kept = Kept(vec![
            object(ObjectKind::Table, "sales", None),
            object(ObjectKind::View, "fact_sales", Some("sales")),
            object(ObjectKind::Function, "referrer_host", None),
        ]);
        let text = kept.0.iter().map(KeptObject::line).collect::<Vec<_>>().join("\n") + "\ntable a,b 12\ntable";
        assert_eq!(Kept::of_settings(&BTreeMap::from([(SETTING.to_owned(), text)])), kept);
        assert!(kept.sentence().is_some_and(|it| it.contains("kept as it was at commit 12")));
    }
}
