//! Whatever a file may declare is a model, with the tables that it declares.

use dataflows::model::{Model, TableRows};
use proptest::prelude::*;

use crate::models;

proptest! {
    #[test]
    fn every_declaration_gives_its_table(text in models::model()) {
        let model = Model::parse(&text, "model.toml").map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        let counts = model.tables.iter().filter(|table| matches!(table.rows, TableRows::Count(_))).count();
        prop_assert_eq!((counts, model.rankings.len()), (lines("by = "), lines("top = ")));
        prop_assert_eq!(model.reports.len(), lines("name = "));
        for count in &model.counts {
            // Without a table it is for a ranking, and events count under what is declared alone.
            prop_assert!(count.table.is_some() || count.from.is_some(), "{:?}", count);
            let mut members = models::fields_of(&count.by);
            members.sort_unstable();
            let mut joined = count.members.clone();
            joined.sort_unstable();
            prop_assert_eq!(members, joined);
        }
        for ranking in &model.rankings {
            prop_assert!(model.counts[ranking.count].members.contains(&ranking.of));
        }
    }

    #[test]
    fn every_event_counts_in_some_report(
        (count, events) in models::model().prop_flat_map(|text| {
            let model = Model::parse(&text, "model.toml").expect("a model");
            (Just(model.filters.len()), models::events(&model, 50))
        })
    ) {
        prop_assert!(events.iter().all(|event| event.passes != 0 && event.passes >> count == 0));
    }
}
