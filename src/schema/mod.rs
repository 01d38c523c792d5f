//! The DDL that follows from a model.

use dataflows::model::Model;

/// All tables and views of a model.
// SHIM(issue22): the branch `schema` writes it by the model.
pub fn ddl(_: &Model) -> String {
    include_str!("../../schema.sql").into()
}
