//! The settings that decide what the tables count: given by flags, and stored with the tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Error, Result, bail};
use clap::ValueEnum;
use dataflows::model::Model;
use dataflows::{DaysKept, Kept, MemberLimit};

use crate::failure::Failure;
use crate::sink::{TableSettings, check_reports, stored_model};
use crate::source::decode::{Clock, Redaction, Referrers, Rules, UserAgents};

/// Settings that are stored only if they were given.
const RETAIN: &str = "retain";
const SKIP_BOTS: &str = "skip-bots";
const DEDUP: &str = "dedup";

/// The stored value of any other setting that was not given.
const NONE: &str = "none";

/// The settings that decide what the tables count.
#[derive(Clone, Debug)]
pub struct CountRules {
    /// How each record is decoded, and the model.
    pub decode: Rules,
    /// How many members of a dimension are counted one by one.
    pub member_limit: MemberLimit,
    /// How many days are kept of reports that do not declare it themselves.
    pub retain: DaysKept,
}

impl CountRules {
    /// The defaults of `freshet run`.
    pub fn new(model: Arc<Model>) -> CountRules {
        CountRules { decode: Rules::new(model), member_limit: MemberLimit::default(), retain: DaysKept::All }
    }

    /// Those that tables were built with, as [`CountRules::table_settings`] stored them.
    ///
    /// # Errors
    /// If the tables are of other reports than those `asked` for, or hold a setting that this version does not understand.
    pub fn stored(settings: &BTreeMap<String, String>, asked: Option<&Model>) -> Result<CountRules> {
        if let Some(model) = asked {
            check_reports(settings, model)?;
        }
        let usual = Rules::new(stored_model(settings)?);
        let setting = |name: &str| {
            settings.get(name).with_context(|| format!("these tables do not say with which --{name} they were built"))
        };
        let dedup = settings.get(DEDUP).map(|text| humantime::parse_duration(text)).transpose()?;
        let decode = Rules {
            views: setting("views")?.parse().map_err(Error::msg)?,
            clock: Clock::from_str(setting("clock")?, false).map_err(Error::msg)?,
            time_zone: setting("time-zone")?.parse()?,
            max_future: humantime::parse_duration(setting("max-future")?)?,
            countries: match setting("countries")?.as_str() {
                NONE => None,
                lines => Some(lines.parse().map_err(Error::msg)?),
            },
            user_agents: UserAgents::from_str(setting("user-agents")?, false).map_err(Error::msg)?,
            skip_bots: settings.get(SKIP_BOTS).map_or(Ok(false), |skips| skips.parse())?,
            redaction: Redaction {
                referrers: Referrers::from_str(setting("referrers")?, false).map_err(Error::msg)?,
                mask_emails: setting("mask-emails")?.parse()?,
            },
            ..usual
        };
        let decode = decode.deduplicating(dedup);
        let member_limit = MemberLimit::new(setting("max-members")?.parse()?);
        let retain = settings.get(RETAIN).map_or(Ok(DaysKept::All), |days| days.parse()).map_err(Error::msg)?;
        Ok(CountRules { decode, member_limit, retain })
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.decode.model
    }

    /// Refuses settings that conflict.
    pub fn check(&self) -> Result<()> {
        let Rules { model, skip_bots, dedup, .. } = &self.decode;
        if *skip_bots && !model.reveals_bots() {
            let what = "--skip-bots needs a user agent, of which the reports read nothing; add a field of kind browser, os or device";
            bail!(Failure::WrongSettings(what.into()));
        }
        if dedup.is_some() && model.event.id.is_none() {
            bail!(Failure::WrongSettings(
                "--dedup needs an id of each event, which the reports do not name; add `id = \"…\"` to [event]".into()
            ));
        }
        let kept = Kept::new(model, self.retain).longest();
        if let (DaysKept::Days(days), Some(span)) = (kept, *dedup)
            && u64::from(days) * 86_400 < span.as_secs()
        {
            let span = humantime::format_duration(span);
            bail!(Failure::WrongSettings(format!(
                "--dedup {span} compares events of more days than --retain {kept} keeps; keep days for at least as long"
            )));
        }
        Ok(())
    }

    /// The settings to store with tables of this topic.
    pub fn table_settings(&self, topic: &str) -> TableSettings {
        let CountRules { decode, member_limit, retain } = self;
        let optional = [
            (RETAIN, (*retain != DaysKept::All).then(|| retain.to_string())),
            (SKIP_BOTS, decode.skip_bots.then(|| true.to_string())),
            (DEDUP, decode.dedup.map(|span| humantime::format_duration(span).to_string())),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let always = [
            ("topic", topic.to_owned()),
            ("views", decode.views.to_string()),
            ("clock", name(&decode.clock)),
            ("time-zone", decode.time_zone.to_string()),
            ("max-future", humantime::format_duration(decode.max_future).to_string()),
            ("countries", decode.countries.as_ref().map_or(NONE.to_owned(), ToString::to_string)),
            ("user-agents", name(&decode.user_agents)),
            ("max-members", member_limit.members().to_string()),
            ("referrers", name(&decode.redaction.referrers)),
            ("mask-emails", decode.redaction.mask_emails.to_string()),
        ];
        TableSettings::new(always.into_iter().chain(optional))
    }
}

/// The name of a value, as its flag spells it.
fn name(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}
