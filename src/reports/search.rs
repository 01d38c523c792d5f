//! Finds members by what somebody types: by parts of the member, or by words of its name; if there is no match, and Postgres
//! has `pg_trgm`, by similar names.

use anyhow::Result;
use dataflows::NameTable;
use dataflows::model::Model;
use postgres::Client;
use postgres::types::Type;

use super::sql::{Sql, quoted};
use crate::database::{For, Schema, db_result};

/// Names that a search scans at most: scanning more would keep others waiting.
const SCANNED_NAMES_MAX: u32 = 100_000;

/// Least similarity, up to 1, of each word to a part of a name: two swapped letters leave a short word little more.
const WORD_SIMILARITY_MIN: f32 = 0.25;
/// Least similarity of a match, as a fraction of the best one's.
const BEST_SHARE_MIN: f32 = 0.8;

/// The function that measures the similarity of a text to a part of another, qualified by the extension's schema.
#[derive(Clone, Debug)]
pub(super) struct Similarity(String);

impl Similarity {
    /// None without the extension.
    pub fn detect(client: &mut Client) -> Result<Option<Similarity>> {
        let query = "SELECT pg_catalog.quote_ident(nspname) FROM pg_catalog.pg_extension
            JOIN pg_catalog.pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm'";
        let row = db_result(client.query_typed_opt(query, &[]))?;
        Ok(row.map(|row| Similarity(format!("{}.word_similarity", row.get::<_, &str>(0)))))
    }

    /// Creates the extension in the schema of the tables.
    pub fn make(client: &mut Client, schema: &Schema) -> Result<()> {
        let mut transaction = db_result(client.transaction())?;
        schema.enter(&mut transaction, For::Transaction)?;
        db_result(transaction.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_trgm"))?;
        db_result(transaction.commit())
    }
}

/// A search, as parameters of a query.
pub(super) struct Sought {
    /// The patterns of the words: a text that matches all of them has all the words.
    patterns: String,
    /// The words as they are, which may be codes.
    words: String,
    /// How the similarity of names is measured, if the search is fuzzy.
    alike: Option<Similarity>,
}

impl Sought {
    /// Searches for these words.
    pub fn new(words: &str, sql: &mut Sql) -> Sought {
        let escaped = |word: &str| word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let patterns: Vec<_> = words.split_whitespace().map(|word| format!("%{}%", escaped(word))).collect();
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        let (patterns, words) = (sql.give(patterns, Type::TEXT_ARRAY), sql.give(words, Type::TEXT_ARRAY));
        Sought { patterns, words, alike: None }
    }

    /// Searches for names that are similar to these words.
    pub fn alike(words: &str, by: &Similarity, sql: &mut Sql) -> Sought {
        Sought { alike: Some(by.clone()), ..Sought::new(words, sql) }
    }

    /// The members of a table of names whose names match, with these; of similar ones only those nearly as similar as the
    /// best.
    pub fn called(&self, NameTable(table, member, name): NameTable) -> String {
        let names = format!(
            "SELECT {member} AS member, {name} AS name FROM {table} WHERE {name} IS NOT NULL LIMIT {SCANNED_NAMES_MAX}"
        );
        let Some(Similarity(function)) = &self.alike else {
            return format!("SELECT * FROM ({names}) AS searched WHERE name ILIKE ALL ({})", self.patterns);
        };
        format!(
            "SELECT member, name FROM (SELECT *, max(alike) OVER () AS most FROM
                (SELECT *, (SELECT min({function}(word, name)) FROM unnest({}) AS word) AS alike
                    FROM ({names}) AS searched) AS measured) AS compared
                WHERE alike >= {WORD_SIMILARITY_MIN} AND alike >= {BEST_SHARE_MIN} * most",
            self.words
        )
    }

    /// The condition for rows that have all the words in one of these columns.
    pub fn in_columns(&self, columns: &[&str]) -> String {
        let has = |column: &&str| format!("{column} ILIKE ALL ({})", self.patterns);
        format!("({})", columns.iter().map(has).collect::<Vec<_>>().join(" OR "))
    }

    /// The condition for rows that have a matching member in one of these fields: several country codes match each of them.
    pub fn condition(&self, model: &Model, fields: &[usize]) -> String {
        let of = |field: &usize| {
            let column = quoted(&model.fields[*field].name);
            let itself = match model.fields[*field].kind.is_country() {
                true => format!("{column} = ANY ({})", self.words),
                false => format!("{column} ILIKE ALL ({})", self.patterns),
            };
            let by_name = model.name_table(*field).map(|table| self.called(table));
            let by_name = by_name.map(|called| format!(" OR {column} IN (SELECT member FROM ({called}) AS called)"));
            itself + &by_name.unwrap_or_default()
        };
        format!("({})", fields.iter().map(of).collect::<Vec<_>>().join(" OR "))
    }
}
