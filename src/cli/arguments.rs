//! Flags that several subcommands share, and the settings that they mean.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use chrono_tz::{TZ_VARIANTS, Tz};
use clap::{ArgAction, Args, ValueHint};
use dataflows::{DaysKept, MemberLimit};

use super::environment;
use super::help::heading;
use super::reports::ReportsArgs;
use crate::database::Target;
use crate::failure::Failure;
use crate::pipeline::CountRules;
use crate::serve::{self, Access, Address, DEFAULT, FrameAncestor, HostName, Password, UserHeader};
use crate::sink::Snapshot;
use crate::source::decode::{Clock, Collections, Countries, Redaction, Referrers, Rules, UserAgents};
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

impl TablesArgs {
    /// The rules that the tables were built with.
    ///
    /// # Errors
    /// Tables of another topic, or of other reports than those that are asked for.
    pub fn rules(&self, snapshot: &mut Snapshot<'_>) -> Result<CountRules> {
        CountRules::stored(&snapshot.settings_of(&self.topic.topic)?, self.reports.reports.as_deref())
    }
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
    /// What is served where, and to whom.
    ///
    /// # Errors
    /// Flags that conflict.
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

/// Whether an address is loopback or of a private network; the unspecified address is neither.
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
    pub clock: Clock,
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

/// A span of whole seconds.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(span) if span.as_secs() > 0 && span.subsec_nanos() == 0 => Ok(span),
        _ => Err("expected whole seconds, at least 1s, like 24h".into()),
    }
}

/// A time zone by its name; the error suggests similar names.
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

/// A valid connection string, unchanged.
#[cfg(feature = "demo")]
pub(super) fn database_url(text: &str) -> Result<String, crate::database::WrongTarget> {
    text.parse::<crate::database::Target>().map(|_| text.to_owned())
}

impl RuleArgs {
    /// What these flags mean.
    pub fn settings(&self) -> CountRules {
        let usual = Rules::new(self.reports.model());
        let decode = Rules {
            views: self.views.clone().unwrap_or_else(|| usual.views.clone()),
            clock: self.clock,
            time_zone: self.time_zone,
            max_future: self.max_future,
            countries: self.countries.clone(),
            user_agents: self.user_agents,
            skip_bots: self.skip_bots,
            redaction: Redaction { referrers: self.referrers, mask_emails: self.mask_emails },
            ..usual
        };
        let decode = decode.deduplicating(self.dedup);
        CountRules { decode, member_limit: MemberLimit::new(self.max_members), retain: self.retain }
    }
}
