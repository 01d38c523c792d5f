//! Proposes a file of reports for events that are not declared yet: made of their members, and tried on them.
//!
//! ```text
//! members ──guess──► draft ──write──► TOML ──try on the records──► counts enough? else the draft without what rejects most
//! ```

mod guess;
mod write;

use std::sync::Arc;

use anyhow::{Context, Result};
use dataflows::model::{Model, ReadyMade, Way};

use super::findings;
use super::members::Survey;
use super::trial::{Envelope, Kept, Trial};
use crate::source::decode::Rules;

/// Share of the events from which on a proposal is good enough.
const COUNTED_SHARE_MIN: f64 = 0.95;
/// Drafts that are tried, each without what the one before was rejected for.
const DRAFTS_MAX: usize = 24;

/// A file, and its trial on the records.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proposal {
    pub text: String,
    pub trial: Trial,
}

/// The contents of a file to write.
#[derive(Clone, Debug, PartialEq)]
struct Draft {
    is_array: bool,
    /// The member with the type, and the types that were seen.
    kind: Option<Way>,
    types: Vec<(String, u64)>,
    /// Members with timestamps, the best first, and those with a local time.
    moments: Vec<Way>,
    local_times: Vec<Way>,
    page: Option<Way>,
    fields: Vec<Field>,
}

/// A field of a draft.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: String,
    way: Way,
    /// Its kind in TOML, with the parameter of that kind.
    kind: String,
    role: Role,
}

/// Which reports a field gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The page: a ranking, and the hours of each.
    Page,
    /// What has many values: a ranking.
    Ranked,
    /// The country: all days, and a ranking by day.
    Country,
    /// The event's type: the hours of each.
    Type,
    /// Browser or system, which are shown together.
    Agent,
    /// What has few values: by day.
    Few,
}

/// A built-in model if one counts enough; else the best of a draft and of its smaller versions, if any counts anything.
///
/// # Errors
/// If the written file is invalid, which would be a bug.
pub(super) fn proposal(
    kept: &Kept,
    survey: (&Survey, Envelope),
    fits: &[(ReadyMade, Trial)],
    rules: &Rules,
) -> Result<Option<Proposal>> {
    let ready_made =
        fits.iter().filter(|(_, trial)| trial.share() >= COUNTED_SHARE_MIN).max_by_key(|(_, trial)| trial.counted);
    if let Some((model, trial)) = ready_made {
        return Ok(Some(Proposal { text: model.text.to_owned(), trial: trial.clone() }));
    }
    let Some(mut draft) = guess::draft(survey.0, survey.1) else { return Ok(None) };
    let mut best: Option<Proposal> = None;
    for _ in 0..DRAFTS_MAX {
        let text = write::toml(&draft);
        let model =
            Model::parse(&text, "the proposal").with_context(|| format!("a bug in Freshet: it proposes\n{text}"))?;
        let trial = kept.try_model(Arc::new(model), rules);
        let reason = trial.first_reason().map(str::to_owned);
        let is_enough = trial.share() >= COUNTED_SHARE_MIN;
        if best.as_ref().is_none_or(|best| best.trial.counted < trial.counted) {
            best = Some(Proposal { text, trial });
        }
        if is_enough || !reason.is_some_and(|reason| draft.drop_cause(&reason)) {
            break;
        }
    }
    Ok(best.filter(|best| best.trial.counted > 0))
}

impl Draft {
    /// Drops what a reason names; false if there is nothing to drop.
    fn drop_cause(&mut self, reason: &str) -> bool {
        let names = |word: &str| reason.contains(&format!("{word} "));
        let is_cause = |field: &Field| {
            [&field.name, &field.way.to_string()].iter().any(|name| reason.starts_with(&format!("{name} ")))
        };
        if let Some(at) = self.fields.iter().position(is_cause) {
            self.fields.remove(at);
            return true;
        }
        if let Some(kind) = self.kind.take_if(|kind| names(&kind.path())) {
            self.fields.retain(|field| field.way != kind);
            return true;
        }
        // The member holds no time: try the next one.
        for times in [&mut self.local_times, &mut self.moments] {
            if let Some(at) = times.iter().position(|way| names(&way.path()))
                && times.len() > 1
            {
                times.remove(at);
                return true;
            }
        }
        if !self.local_times.is_empty() && !self.moments.is_empty() {
            self.local_times.clear();
            return true;
        }
        false
    }
}

impl From<Proposal> for findings::Proposal {
    fn from(Proposal { text: toml, trial }: Proposal) -> findings::Proposal {
        findings::Proposal { toml, tried: trial.tried, counted: trial.counted, share: trial.share() }
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use freshet_generator::{Generator, Settings, Shape, Span};

    use super::*;
    use crate::source::Record;

    fn rules() -> Rules {
        Rules { views: "all".parse().expect("a list"), ..Rules::new(Model::builtin()) }
    }

    /// What is proposed where no model that is built in fits.
    fn proposed(payloads: impl Iterator<Item = Option<Vec<u8>>>) -> Option<Proposal> {
        let mut kept = Kept::new(2_000);
        for (offset, payload) in (0..).zip(payloads) {
            kept.add(Record { partition: 0, offset, timestamp: None, leader_epoch: None, payload: payload.as_deref() });
        }
        let (survey, envelope) = kept.survey();
        proposal(&kept, (&survey, envelope), &[], &rules()).unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn events(shape: Shape) -> impl Iterator<Item = Option<Vec<u8>>> {
        let start = NaiveDate::from_ymd_opt(2020, 6, 1).expect("a day");
        let span = Span::Days { start, days: 3, events: 2_000 };
        Generator::of_shape(shape, Settings { seed: 1, hostile: 0.02, span }).take(2_000).map(|record| record.payload)
    }

    /// The fields of a proposal, by name.
    fn fields(proposal: &Proposal) -> Vec<String> {
        let model = Model::parse(&proposal.text, "test").unwrap_or_else(|error| panic!("{error}:\n{}", proposal.text));
        model.fields.into_iter().map(|field| field.name).collect()
    }

    #[test]
    fn members_alone_are_enough_for_every_shape() {
        for shape in Shape::ALL {
            let proposal = proposed(events(shape)).unwrap_or_else(|| panic!("nothing for {shape}"));
            let (trial, fields) = (&proposal.trial, fields(&proposal));
            assert!(trial.share() >= COUNTED_SHARE_MIN, "{shape}: {:?}:\n{}", trial.reasons, proposal.text);
            for name in ["page", "referrer"] {
                // PostHog's says "$direct" as often as it is a URL.
                assert!(fields.iter().any(|field| field == name), "{shape}: no {name} in {fields:?}");
            }
        }
    }

    #[test]
    fn whatever_members_are_called() {
        let event = |at: u64| {
            let (seconds, minute) = (1_591_258_527 + at * 60, at % 60);
            let (what, plan) = (if at % 7 == 6 { "bought" } else { "seen" }, ["free", "pro", "team"][at as usize % 3]);
            serde_json::json!({
                "what": what,
                "meta": {"occurred_at": seconds, "stored.at": format!("2020-06-04T09:{minute:02}:00Z"), "who": "anna@example.com"},
                "where": format!("https://www.shop.example/ring-{}?utm_campaign=june", at % 9),
                "plan": plan,
                "vip": at.is_multiple_of(2),
            })
        };
        let proposal = proposed((0..500).map(|at| Some(event(at).to_string().into()))).expect("a proposal");
        assert_eq!((proposal.trial.counted, proposal.trial.tried), (500, 500), "{}", proposal.text);
        let fields = fields(&proposal);
        for name in ["page", "campaign", "plan", "vip"] {
            assert!(fields.iter().any(|field| field == name), "no {name} in {fields:?}");
        }
        assert!(!proposal.text.contains("who"), "it counts people:\n{}", proposal.text);
    }

    #[test]
    fn events_in_arrays_and_events_without_a_time() {
        let events = r#"[{"event":"a","ts":"2020-06-04 08:15:27"},{"event":"b","ts":"2020-06-04 08:15:28"}]"#;
        let proposal = proposed((0..10).map(|_| Some(events.into()))).expect("a proposal");
        assert!(proposal.text.contains("envelope = \"array\"") && proposal.trial.share() > 0.99, "{proposal:?}");
        assert_eq!(proposed((0..10).map(|_| Some(br#"{"event":"a"}"#.to_vec()))), None);
    }
}
