//! The objects that a DDL creates, parsed from its text.

use dataflows::model::Model;

use super::{FIXED, ddl};

/// A DDL and the objects that it creates.
#[derive(Clone, Debug)]
pub struct Ddl {
    /// Its text.
    pub text: String,
    /// The objects that it creates, in its order.
    pub objects: Vec<Object>,
}

impl Ddl {
    /// The DDL of a model.
    pub fn new(model: &Model) -> Ddl {
        Ddl::parse(ddl(model))
    }

    /// The DDL of what every database has.
    pub fn fixed() -> Ddl {
        Ddl::parse(FIXED.to_owned())
    }

    fn parse(text: String) -> Ddl {
        Ddl { objects: objects(&text), text }
    }

    /// The names of the objects of these kinds.
    pub fn names(&self, kinds: &[ObjectKind]) -> Vec<&str> {
        self.objects.iter().filter(|object| kinds.contains(&object.kind)).map(|object| object.name.as_str()).collect()
    }

    /// The names of all tables, indexes and views.
    pub fn relations(&self) -> Vec<&str> {
        self.names(&[ObjectKind::Table, ObjectKind::Index, ObjectKind::View])
    }

    /// The names of everything.
    pub fn all(&self) -> Vec<&str> {
        self.objects.iter().map(|object| object.name.as_str()).collect()
    }

    /// The names of the functions.
    pub fn functions(&self) -> Vec<&str> {
        self.names(&[ObjectKind::Function])
    }
}

/// An object that it creates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// For a table: the names of its columns, and their types.
    pub columns: Vec<(String, String)>,
    /// For a table: the statement that updates its rows, if they are the same in every database.
    pub rows: Option<String>,
}

/// What an [`Object`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "as Postgres calls them")]
pub enum ObjectKind {
    Table,
    Index,
    View,
    Function,
}

impl ObjectKind {
    /// Its name in a message.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Table => "table",
            ObjectKind::Index => "index",
            ObjectKind::View => "view",
            ObjectKind::Function => "function",
        }
    }
}

/// How a statement begins that creates an object.
const MADE_BY: [(&str, ObjectKind); 4] = [
    ("CREATE TABLE IF NOT EXISTS ", ObjectKind::Table),
    ("CREATE INDEX IF NOT EXISTS ", ObjectKind::Index),
    ("CREATE OR REPLACE VIEW ", ObjectKind::View),
    ("CREATE OR REPLACE FUNCTION ", ObjectKind::Function),
];

/// All of them, in the order of the DDL.
fn objects(ddl: &str) -> Vec<Object> {
    let mut objects: Vec<Object> = Vec::new();
    for statement in statements(ddl) {
        let made = MADE_BY.iter().find_map(|(begin, kind)| Some((statement.strip_prefix(begin)?, *kind)));
        if let Some((rest, kind)) = made {
            let name = rest.split([' ', '(']).next().unwrap_or_default().to_owned();
            let columns = if kind == ObjectKind::Table { columns(&statement) } else { Vec::new() };
            objects.push(Object { kind, name, columns, rows: None });
        } else if statement.starts_with("WITH ")
            && let Some(table) = objects.last_mut()
        {
            table.rows = Some(statement);
        }
    }
    objects
}

/// The statements, without the lines of comments before them.
fn statements(ddl: &str) -> Vec<String> {
    let (mut statements, mut statement, mut is_body) = (Vec::new(), String::new(), false);
    for line in ddl.lines() {
        if statement.is_empty() && (line.is_empty() || line.starts_with("--")) {
            continue;
        }
        statement += line;
        statement.push('\n');
        is_body ^= line.matches("$$").count() % 2 == 1;
        if line.ends_with(';') && !is_body {
            statements.push(std::mem::take(&mut statement));
        }
    }
    statements
}

/// The columns of a table: a line for each, between that of the name and that of the primary key.
fn columns(statement: &str) -> Vec<(String, String)> {
    let lines = statement.lines().skip(1);
    let words = lines.map(|line| line.trim_end_matches(',').split_whitespace().collect::<Vec<_>>());
    let columns = words.filter(|words| words.first().is_some_and(|word| word.starts_with(|c: char| c.is_lowercase())));
    columns.filter_map(|words| Some((words.first()?.to_string(), words.get(1)?.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_made_is_found() {
        let model = Model::builtin();
        let ddl = Ddl::new(&model);
        for table in &model.tables {
            let object = ddl.objects.iter().find(|object| object.name == table.name).expect("the table");
            let names: Vec<_> = object.columns.iter().map(|(name, _)| name).collect();
            assert!(table.columns().all(|column| names.contains(&&column.name)), "{names:?}");
        }
        assert_eq!(ddl.text.matches("\nCREATE ").count(), ddl.objects.len());
        assert_eq!(ddl.functions(), ["referrer_host"]);
        assert_eq!(ddl.objects.iter().filter(|object| object.rows.is_some()).count(), 1, "the countries");
    }
}
