//! Events that count although no report shows them: those of reports that were removed. So the outcome of records that
//! the tables include stays what it was until they are rebuilt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use dataflows::Model;
use dataflows::model::Filter;
use postgres::GenericClient;
use serde::{Deserialize, Serialize};

use super::table_settings;
use crate::database::db_result;

/// The name of the setting that lists their filters.
pub(super) const SETTING: &str = "also-counted";

/// A filter by the names of its fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Named {
    types: Option<Vec<String>>,
    fields: Vec<(String, Vec<String>)>,
}

impl Named {
    fn new(model: &Model, filter: &Filter) -> Named {
        let fields = filter.fields.iter().map(|(field, values)| (model.fields[*field].name.clone(), values.clone()));
        Named { types: filter.types.clone(), fields: fields.collect() }
    }

    /// As a filter of this model; none if the model lacks its fields.
    fn in_model(self, model: &Model) -> Option<Filter> {
        let place = |name: &str| model.fields.iter().position(|field| field.name == name);
        let fields = self.fields.into_iter().map(|(name, values)| Some((place(&name)?, values)));
        Some(Filter { types: self.types, fields: fields.collect::<Option<_>>()? })
    }
}

/// The filters of a model by which an event counts.
fn filters(model: &Model) -> Vec<Named> {
    let by_counts: BTreeSet<_> = model.counts.iter().map(|count| count.filter).collect();
    let used = (0..).zip(&model.filters).filter(|(place, _)| *place > 0 || by_counts.contains(place));
    used.map(|(_, filter)| Named::new(model, filter)).collect()
}

/// A model whose events also count as these settings say.
pub(super) fn with(model: &Arc<Model>, settings: &BTreeMap<String, String>) -> Arc<Model> {
    let stored: Vec<Named> = settings.get(SETTING).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let known = filters(model);
    let more: Vec<_> =
        stored.into_iter().filter(|it| !known.contains(it)).filter_map(|it| it.in_model(model)).collect();
    if more.is_empty() {
        return model.clone();
    }
    let mut model = Model::clone(model);
    model.filters.extend(more);
    Arc::new(model)
}

/// Records what counted before and would no longer. `before` has what was recorded already.
pub(super) fn record(client: &mut impl GenericClient, before: &Model, now: &Model) -> Result<()> {
    let left = filters(now);
    let more: Vec<_> = filters(before).into_iter().filter(|it| !left.contains(it)).collect();
    if more.is_empty() {
        return db_result(client.execute("DELETE FROM freshet_settings WHERE name = $1", &[&SETTING])).map(drop);
    }
    table_settings::set(client, SETTING, &serde_json::to_string(&more)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counted_goes_on_to_count() {
        let head = "[event]\ntype = \"kind\"\nviews = [\"view\"]\ntime_stamp = \"at\"\n[fields]\nshop = { path = \"shop\", kind = \"id\" }\n\
            place = { path = \"place\", kind = \"id\" }\n";
        let days = "[[report]]\ntable = \"days\"\nby = [\"day\"]\n";
        let sales =
            "[[report]]\ntable = \"sales\"\nby = [\"day\"]\nwhere = { kind = \"sale\", place = [\"1\", \"2\"] }\n";
        let model = |text: &str| Arc::new(Model::parse(text, "reports.toml").expect("a good file"));
        let (all, sales) = (model(&format!("{head}{days}{sales}")), model(&format!("{head}{sales}")));
        let text = serde_json::to_string(&filters(&all)).expect("JSON");
        let settings = BTreeMap::from([(SETTING.to_owned(), text)]);
        // The views, which no report counts any more, behind the filter that is there.
        let now = with(&sales, &settings);
        assert_eq!((sales.filters.len(), now.filters.len()), (2, 3));
        assert_eq!(now.filters[2], Filter { types: None, fields: Vec::new() });
        assert_eq!(with(&now, &settings), now);
        assert_eq!(with(&all, &settings), all);
        // And where fields have another order.
        let days =
            model(&(head.replace("place =", "a =").replace("shop =", "place =").replace("a =", "shop =") + days));
        let now = with(&days, &settings);
        assert_eq!(now.filters[1].fields, [(0, vec!["1".to_owned(), "2".to_owned()])]);
    }
}
