//! How members are found by what somebody types: by parts of themselves, or by words of their names.

use dataflows::NameTable;
use dataflows::model::Model;
use postgres::types::Type;

use super::sql::{Sql, quoted};

/// So many names are looked through at most: to look through more would keep others waiting.
const SEARCHED: u32 = 100_000;

/// What is sought, as a query has it.
pub(super) struct Sought {
    /// A text like each of these has all the words.
    patterns: String,
    /// The codes among them.
    codes: String,
}

impl Sought {
    /// These words.
    pub fn new(words: &str, sql: &mut Sql) -> Sought {
        let escaped = |word: &str| word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let patterns: Vec<_> = words.split_whitespace().map(|word| format!("%{}%", escaped(word))).collect();
        let codes: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        Sought { patterns: sql.give(patterns, Type::TEXT_ARRAY), codes: sql.give(codes, Type::TEXT_ARRAY) }
    }

    /// The members of a table of names that are called so, with their names.
    pub fn called(&self, NameTable(table, member, name): NameTable) -> String {
        format!(
            "SELECT {member} AS member, {name} AS name
                FROM (SELECT {member}, {name} FROM {table} WHERE {name} IS NOT NULL LIMIT {SEARCHED}) AS searched
                WHERE {name} ILIKE ALL ({})",
            self.patterns
        )
    }

    /// Which rows have all the words in one of these columns.
    pub fn in_columns(&self, columns: &[&str]) -> String {
        let has = |column: &&str| format!("{column} ILIKE ALL ({})", self.patterns);
        format!("({})", columns.iter().map(has).collect::<Vec<_>>().join(" OR "))
    }

    /// Which rows have a member of one of these fields that is meant: several codes of countries mean each of them.
    pub fn condition(&self, model: &Model, fields: &[usize]) -> String {
        let of = |field: &usize| {
            let column = quoted(&model.fields[*field].name);
            let itself = match model.fields[*field].kind.is_country() {
                true => format!("{column} = ANY ({})", self.codes),
                false => format!("{column} ILIKE ALL ({})", self.patterns),
            };
            let by_name = model.name_table(*field).map(|table| self.called(table));
            let by_name = by_name.map(|called| format!(" OR {column} IN (SELECT member FROM ({called}) AS called)"));
            itself + &by_name.unwrap_or_default()
        };
        format!("({})", fields.iter().map(of).collect::<Vec<_>>().join(" OR "))
    }
}
