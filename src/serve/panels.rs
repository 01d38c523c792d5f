//! What a page shows, as questions to the tables.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use chrono::NaiveDate;
use serde::Serialize;

use super::refusal::Refusal;
use crate::reports::{Answer, Nothing, Position, Query, Record, Snapshot};

/// A list on a page has so many rows at most; nobody reads more.
const ROWS: u32 = 100;

/// All pages wait for a question that takes longer than this,
const SLOW: Duration = Duration::from_millis(500);
/// so it is asked again only after so many times as long.
const REST: u32 = 10;

/// What a page was asked to show. Pages that show the same share everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Selection {
    /// The day; without one the current or latest one, whichever that is by then.
    pub day: Option<NaiveDate>,
    /// The country whose stores are shown.
    pub country: Option<String>,
    /// The product whose hours are shown.
    pub product: Option<String>,
}

impl Selection {
    /// The panels by name. Without a day there is nothing yet.
    fn queries(&self, day: Option<NaiveDate>) -> Vec<(&'static str, Query)> {
        let mut queries = vec![
            ("top-products", Query::TopProducts { day }),
            ("top-countries", Query::TopCountries),
            ("top-countries-daily", Query::TopCountriesOfDay { day }),
            ("top-referrers", Query::TopReferrers { day }),
            ("browser-hours", Query::BrowserHours { day }),
            ("os-hours", Query::OsHours { day }),
        ];
        queries.extend(self.country.clone().map(|country| ("store-views", Query::StoreViews { country })));
        queries.extend(self.product.clone().map(|product| ("product-hours", Query::ProductHours { product, day })));
        queries
    }
}

/// A panel's name, and what it shows as JSON.
pub(super) type Panel = (&'static str, Arc<str>);

/// What is to be shown, or why it cannot be read, as a sentence.
type Said<T> = Result<T, Arc<str>>;

/// All that pages show, of one moment.
pub(super) struct Moment {
    pub position: Position,
    /// The current or latest day.
    pub day: Option<NaiveDate>,
    pub panels: HashMap<Selection, Said<Vec<Panel>>>,
    pub slow: SlowPanels,
}

/// Panels that took long to read, and so are shown as they were until it is worth to read them again.
pub(super) type SlowPanels = HashMap<Query, SlowPanel>;

/// Such a panel.
#[derive(Clone)]
pub(super) struct SlowPanel {
    said: Said<Arc<str>>,
    due: Instant,
}

/// Reads everything that is shown, each question once however many pages ask it. One that cannot be answered is the trouble
/// of those pages alone.
pub(super) fn read(snapshot: &mut Snapshot<'_>, selections: &[Selection], slow: &SlowPanels) -> Result<Moment> {
    let (position, day) = (snapshot.position()?, snapshot.current_day()?);
    let (mut reading, mut panels) = (Reading::new(slow), HashMap::new());
    for selection in selections {
        panels.insert(selection.clone(), reading.panels(snapshot, selection.queries(selection.day.or(day)))?);
    }
    Ok(Moment { position, day, panels, slow: reading.slow })
}

/// What was read so far.
struct Reading<'a> {
    known: HashMap<Query, Said<Arc<str>>>,
    slow: SlowPanels,
    /// Those that were slow before.
    before: &'a SlowPanels,
}

impl Reading<'_> {
    fn new(before: &SlowPanels) -> Reading<'_> {
        Reading { known: HashMap::new(), slow: HashMap::new(), before }
    }

    fn panels(&mut self, snapshot: &mut Snapshot<'_>, queries: Vec<(&'static str, Query)>) -> Result<Said<Vec<Panel>>> {
        let mut panels = Vec::new();
        for (name, query) in queries {
            match self.said(snapshot, name, query)? {
                Ok(text) => panels.push((name, text)),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(panels))
    }

    fn said(&mut self, snapshot: &mut Snapshot<'_>, panel: &str, query: Query) -> Result<Said<Arc<str>>> {
        if let Some(said) = self.known.get(&query) {
            return Ok(said.clone());
        }
        let begin = Instant::now();
        let said = match self.before.get(&query).filter(|slow| begin < slow.due) {
            Some(slow) => {
                self.slow.insert(query.clone(), slow.clone());
                slow.said.clone()
            }
            None => {
                let said = said(snapshot, panel, &query)?;
                let took = begin.elapsed();
                if took > SLOW {
                    let due = Instant::now() + REST * took;
                    self.slow.insert(query.clone(), SlowPanel { said: said.clone(), due });
                }
                said
            }
        };
        self.known.insert(query, said.clone());
        Ok(said)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Rows { panel: &'a str, title: &'a str, rows: Vec<Record<'a>> },
    Nothing { panel: &'a str, nothing: String },
}

/// A list is cut; of hours all are needed for their sums, and they have no more names than our rules give.
fn most(query: &Query) -> Option<u32> {
    matches!(query, Query::StoreViews { .. }).then_some(ROWS)
}

fn said(snapshot: &mut Snapshot<'_>, panel: &str, query: &Query) -> Result<Said<Arc<str>>> {
    let text = match snapshot.read(query, most(query)) {
        Ok(answer) => {
            let Answer { title, .. } = &answer;
            serde_json::to_string(&Shown::Rows { panel, title, rows: answer.records() })?
        }
        Err(error) if error.is::<Nothing>() => {
            serde_json::to_string(&Shown::Nothing { panel, nothing: error.to_string() })?
        }
        // If the session is still there, it was the question.
        Err(error) => match snapshot.recover() {
            Ok(()) => return Ok(Err(Refusal::from(error).message().into())),
            Err(_) => return Err(error),
        },
    };
    Ok(Ok(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{Target, connect};
    use crate::reports::Reader;
    use freshet_embedded::Postgres;

    #[test]
    fn what_takes_long_is_asked_seldom() -> Result<()> {
        let server = Postgres::start()?;
        let target: Target = server.url().parse()?;
        let mut client = connect(&target)?;
        client.batch_execute(include_str!("../../schema.sql"))?;
        client.batch_execute("INSERT INTO store_views_daily VALUES ('2020-06-04', 'DE', '6', 1)")?;
        let (mut reader, selections) = (
            Reader::connect(&target, Duration::from_secs(30))?,
            [Selection { country: Some("DE".into()), ..Selection::default() }, Selection::default()],
        );
        let query = Query::StoreViews { country: "DE".into() };
        let old = |due| HashMap::from([(query.clone(), SlowPanel { said: Ok("old".into()), due })]);
        let mut shown = |slow: SlowPanels| {
            let moment = read(&mut reader.snapshot()?, &selections, &slow)?;
            let panels = moment.panels.get(&selections[0]).cloned().and_then(Result::ok).unwrap_or_default();
            let text = panels.into_iter().find(|(name, _)| *name == "store-views").map(|(_, text)| text);
            Ok::<_, anyhow::Error>((text.unwrap_or_default(), moment.slow.contains_key(&query)))
        };
        let (text, is_slow) = shown(old(Instant::now() + Duration::from_secs(600)))?;
        assert_eq!((&*text, is_slow), ("old", true));
        let (text, is_slow) = shown(old(Instant::now()))?;
        assert!(text.contains(r#""store_id":"6""#) && !is_slow, "{text}");
        Ok(())
    }
}
