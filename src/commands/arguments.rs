//! Flags that several subcommands share, and what they stand for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use chrono_tz::{TZ_VARIANTS, Tz};
use clap::{ArgAction, Args, ValueEnum, ValueHint};
use dataflows::{DaysKept, Kept, MemberLimit};

use super::environment;
use super::help::heading;
use super::reports::ReportsArgs;
use crate::database::Target;
use crate::failure::Failure;
use crate::serve::{self, Access, Address, DEFAULT, FrameAncestor, HostName, Password, UserHeader};
use crate::sink::{TableSettings, check_reports, stored_model};
use crate::source::decode::{Clock, Collections, Countries, IdKey, Redaction, Referrers, Rules, UserAgents};
use crate::source::{self, Property};

/// Where the records are.
#[derive(Args, Clone, Debug)]
pub struct TopicArgs {
    /// Kafka brokers: comma-separated host:port pairs.
    #[arg(long, help_heading = heading::KAFKA, env = "FRESHET_BROKERS")]
    pub brokers: String,
    /// Topic to read.
    #[arg(long, help_heading = heading::KAFKA, env = "FRESHET_TOPIC")]
    pub topic: String,
    /// librdkafka property; can be repeated, in the environment one per line.
    #[arg(short = 'X', help_heading = heading::KAFKA, env = "FRESHET_X", hide_env_values = true, value_name = "NAME=VALUE", value_delimiter = '\n')]
    // Last under its heading.
    #[arg(display_order = 900)]
    pub properties: Vec<Property>,
}

impl TopicArgs {
    /// How the topic is reached.
    pub fn kafka(&self) -> source::Settings {
        source::Settings::new(&self.brokers, &self.topic, &self.properties)
    }
}

/// Tables, to be compared with their topic.
#[derive(Args, Clone, Debug)]
pub struct TablesArgs {
    /// The topic.
    #[command(flatten)]
    pub topic: TopicArgs,
    /// Postgres database of the tables: postgres://user:password@host:port/database
    #[arg(long, env = "FRESHET_DATABASE_URL", hide_env_values = true)]
    pub database_url: Target,
    /// The reports that the tables were built with.
    #[command(flatten)]
    pub reports: ReportsArgs,
}

/// Where the page is.
#[derive(Args, Clone, Debug)]
pub struct PageArgs {
    /// Address of the page and its API, as host:port, or off; by default 127.0.0.1:8080 if free.
    #[arg(long, help_heading = heading::PAGE, env = "FRESHET_HTTP", value_name = "ADDRESS")]
    pub http: Option<Address>,
}

/// Where the run is looked at, and by whom.
#[derive(Args, Clone, Debug)]
pub struct HttpArgs {
    /// Where the page is.
    #[command(flatten)]
    pub page: PageArgs,
    /// Separate address for metrics and probes; by default that of --http.
    #[arg(long, help_heading = heading::PAGE, env = "FRESHET_HTTP_OPS", value_name = "ADDRESS")]
    pub http_ops: Option<Address>,
    /// Host name to accept in requests besides localhost and IP addresses; can be repeated, in the environment comma-separated.
    #[arg(long = "http-allowed-host", help_heading = heading::PAGE, env = "FRESHET_HTTP_ALLOWED_HOST", value_name = "NAME", value_delimiter = ',')]
    pub http_allowed_hosts: Vec<HostName>,
    /// Site that may show the page in a frame, as scheme and host, or self; can be repeated, in the environment comma-separated.
    #[arg(long = "http-frame-ancestors", help_heading = heading::PAGE, env = "FRESHET_HTTP_FRAME_ANCESTORS", value_name = "SITE", value_delimiter = ',')]
    pub http_frame_ancestors: Vec<FrameAncestor>,
    /// File with a password that the page, its API and metrics ask for; any user name will do.
    #[arg(long, help_heading = heading::PAGE, env = "FRESHET_HTTP_PASSWORD_FILE", value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = password)]
    pub http_password_file: Option<Password>,
    /// Header in which a proxy names the user, like X-Forwarded-User; requests without it are refused.
    #[arg(long, help_heading = heading::PAGE, env = "FRESHET_HTTP_TRUSTED_HEADER", value_name = "NAME")]
    pub http_trusted_header: Option<UserHeader>,
}

impl HttpArgs {
    /// What is served where, to whom.
    ///
    /// # Errors
    /// Settings that do not go with each other.
    pub fn settings(&self) -> Result<serve::Settings> {
        let access = match (&self.http_password_file, &self.http_trusted_header) {
            (None, None) => Ok(Access::Open),
            (Some(_), Some(_)) => {
                Err("--http-trusted-header leaves it to a proxy to ask who it is, and --http-password-file \
                does not; give one of them"
                    .to_owned())
            }
            _ if self.page.http == Some(Address::Off) => {
                Err("--http off leaves no page that --http-password-file or --http-trusted-header could close".into())
            }
            (Some(password), None) => Ok(Access::Password(password.clone())),
            (None, Some(header)) => match self.page.http.unwrap_or(DEFAULT) {
                Address::At(address) if !is_private(address.ip()) => Err(format!(
                    "--http-trusted-header believes every client of --http {address}; give it a private address, which only the \
                     proxy reaches"
                )),
                _ => Ok(Access::Proxy(header.clone())),
            },
        };
        Ok(serve::Settings {
            page: self.page.http,
            ops: self.http_ops,
            allowed_hosts: self.http_allowed_hosts.clone(),
            frame_ancestors: self.http_frame_ancestors.clone(),
            access: access.map_err(Failure::WrongSettings)?,
        })
    }
}

/// The password in a file that nobody else may read.
fn password(path: &str) -> Result<Password, String> {
    environment::read_secret(Path::new(path))?.trim_end_matches(['\r', '\n']).parse()
}

/// Whether an address is of this machine alone or of a private network; all addresses at once are not.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// What decides about records.
#[derive(Args, Clone, Debug)]
pub struct RuleArgs {
    /// Which reports there are.
    #[command(flatten)]
    pub reports: ReportsArgs,
    /// Comma-separated types of events to count as views, or all; by default those that the reports' file names.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_VIEWS", value_name = "TYPES")]
    pub views: Option<Collections>,
    /// Source of an event's day and hour.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_CLOCK", default_value = "local-time")]
    pub clock: ClockName,
    /// Time zone of "today", and of --clock time-stamp.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_TIME_ZONE", default_value = "UTC", value_parser = time_zone)]
    pub time_zone: Tz,
    /// Reject events that are ahead of their record's Kafka timestamp by more than this.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_MAX_FUTURE", default_value = "24h", value_parser = humantime::parse_duration)]
    pub max_future: Duration,
    /// File that maps hosts to countries.
    ///
    /// One per line: "www.example.com, US" for one host, ".example.com, DE" for a domain and everything below it.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_COUNTRIES", value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = Countries::read)]
    pub countries: Option<Countries>,
    /// Rule set for browser and OS names.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_USER_AGENTS", default_value = "woothee")]
    pub user_agents: UserAgents,
    /// Products, referrers and stores counted one by one, per report and day; the rest is counted as (others).
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_MAX_MEMBERS", default_value_t = MemberLimit::DEFAULT)]
    pub max_members: u32,
    /// Days to keep before the newest, like 400d, or off; older ones leave the tables.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_RETAIN", default_value_t = DaysKept::All, value_name = "DAYS")]
    pub retain: DaysKept,
    /// Part of a referrer URL to keep.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_REFERRERS", default_value = "full")]
    pub referrers: Referrers,
    /// Replace e-mail addresses inside ids and referrers by (e-mail).
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_MASK_EMAILS", default_value_t, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub mask_emails: bool,
    /// Leave out events of crawlers, by their user agents.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_SKIP_BOTS", default_value_t, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub skip_bots: bool,
    /// Count an id once within this span of event time, like 24h; the file of reports names the id.
    #[arg(long, help_heading = heading::RULES, env = "FRESHET_DEDUP", value_name = "TIME", value_parser = span)]
    pub dedup: Option<Duration>,
}

/// Whole seconds.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if span.as_secs() > 0 && span.subsec_nanos() == 0 => Ok(span),
        _ => Err("expected whole seconds, at least 1s, like 24h".into()),
    }
}

/// A time zone by its name, or a sentence with the names that may be meant.
fn time_zone(text: &str) -> Result<Tz, String> {
    let is_meant = |zone: &&Tz| {
        let (name, text) = (zone.name(), text.trim().replace(' ', "_"));
        let city = name.rsplit('/').next().unwrap_or(name);
        name.eq_ignore_ascii_case(&text) || city.eq_ignore_ascii_case(&text)
    };
    text.parse().map_err(|_| {
        let meant: Vec<_> = TZ_VARIANTS.iter().filter(is_meant).map(|zone| zone.name()).collect();
        if meant.is_empty() {
            "expected a name of the time zone database, like Europe/Berlin or UTC".into()
        } else {
            format!("did you mean {}?", meant.join(" or "))
        }
    })
}

/// A connection string that is handed on as it is, if it is one.
#[cfg(feature = "demo")]
pub(super) fn database_url(text: &str) -> Result<String, crate::database::WrongTarget> {
    text.parse::<crate::database::Target>().map(|_| text.to_owned())
}

/// Settings that only tables have that were built with them.
const RETAIN: &str = "retain";
const SKIP_BOTS: &str = "skip-bots";

/// How tables say that a setting was not given.
const NONE: &str = "none";

/// A choice of [`Clock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClockName {
    /// The member local_time, as written
    LocalTime,
    /// The member time_stamp, in --time-zone
    TimeStamp,
}

impl RuleArgs {
    /// Those that tables were built with, as [`RuleArgs::built_with`] had them written down. An error if other reports are
    /// asked for.
    pub fn of_tables(settings: &BTreeMap<String, String>, reports: &ReportsArgs) -> Result<Self> {
        if let Some(model) = &reports.reports {
            check_reports(settings, model)?;
        }
        let setting = |name: &str| {
            settings.get(name).with_context(|| format!("these tables do not say with which --{name} they were built"))
        };
        Ok(RuleArgs {
            reports: ReportsArgs { reports: Some(stored_model(settings)?) },
            views: Some(setting("views")?.parse().map_err(Error::msg)?),
            clock: ClockName::from_str(setting("clock")?, false).map_err(Error::msg)?,
            time_zone: setting("time-zone")?.parse()?,
            max_future: humantime::parse_duration(setting("max-future")?)?,
            countries: match setting("countries")?.as_str() {
                NONE => None,
                lines => Some(lines.parse().map_err(Error::msg)?),
            },
            user_agents: UserAgents::from_str(setting("user-agents")?, false).map_err(Error::msg)?,
            max_members: setting("max-members")?.parse()?,
            retain: settings.get(RETAIN).map_or(Ok(DaysKept::All), |days| days.parse()).map_err(Error::msg)?,
            referrers: Referrers::from_str(setting("referrers")?, false).map_err(Error::msg)?,
            mask_emails: setting("mask-emails")?.parse()?,
            skip_bots: settings.get(SKIP_BOTS).map_or(Ok(false), |skips| skips.parse())?,
            dedup: settings.get("dedup").map(|text| humantime::parse_duration(text)).transpose()?,
        })
    }

    /// Refuses settings that do not go with each other.
    pub fn check(&self) -> Result<()> {
        if self.skip_bots && !self.reports.model().tells_bots() {
            let what = "--skip-bots needs a user agent, of which the reports read nothing; add a field of kind browser, os or device";
            bail!(Failure::WrongSettings(what.into()));
        }
        if self.dedup.is_some() && self.reports.model().event.id.is_none() {
            bail!(Failure::WrongSettings(
                "--dedup needs an id of each event, which the reports do not name; add `id = \"…\"` to [event]".into()
            ));
        }
        let kept = Kept::new(&self.reports.model(), self.retain).longest();
        if let (DaysKept::Days(days), Some(span)) = (kept, self.dedup)
            && u64::from(days) * 86_400 < span.as_secs()
        {
            let span = humantime::format_duration(span);
            bail!(Failure::WrongSettings(format!(
                "--dedup {span} compares events of more days than --retain {kept} keeps; keep days for at least as long"
            )));
        }
        Ok(())
    }

    /// The rules.
    pub fn rules(&self) -> Rules {
        let clock = match self.clock {
            ClockName::LocalTime => Clock::LocalTime,
            ClockName::TimeStamp => Clock::TimeStamp(self.time_zone),
        };
        let (model, views, countries) = (self.reports.model(), self.views(), self.countries.clone());
        let redaction = Redaction { referrers: self.referrers, mask_emails: self.mask_emails };
        let (max_future, user_agents, dedup) = (self.max_future, self.user_agents, self.dedup);
        let (skip_bots, ids) = (self.skip_bots, dedup.map(|_| IdKey::random()));
        let forgotten = Arc::default();
        Rules { model, views, clock, max_future, countries, user_agents, skip_bots, redaction, dedup, ids, forgotten }
    }

    /// The types of events that are views.
    pub fn views(&self) -> Collections {
        self.views.clone().unwrap_or_else(|| Collections::new(&self.reports.model().event.views))
    }

    /// How many members are counted by themselves.
    pub fn member_limit(&self) -> MemberLimit {
        MemberLimit::new(self.max_members)
    }

    /// What tables of this topic are built with, under these rules.
    pub fn built_with(&self, topic: &str) -> TableSettings {
        let optional = [
            (RETAIN, (self.retain != DaysKept::All).then(|| self.retain.to_string())),
            (SKIP_BOTS, self.skip_bots.then(|| self.skip_bots.to_string())),
            ("dedup", self.dedup.map(|span| humantime::format_duration(span).to_string())),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let always = [
            ("topic", topic.to_owned()),
            ("views", self.views().to_string()),
            ("clock", name(&self.clock)),
            ("time-zone", self.time_zone.to_string()),
            ("max-future", humantime::format_duration(self.max_future).to_string()),
            ("countries", self.countries.as_ref().map_or(NONE.to_owned(), Countries::to_string)),
            ("user-agents", name(&self.user_agents)),
            ("max-members", self.max_members.to_string()),
            ("referrers", name(&self.referrers)),
            ("mask-emails", self.mask_emails.to_string()),
        ];
        TableSettings::new(always.into_iter().chain(optional))
    }
}

/// A choice, as its flag spells it.
fn name(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
}
