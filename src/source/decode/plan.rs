//! What is read from a record, and in which order: made from the model once.

use std::borrow::Cow;

use dataflows::model::{EventShape, FieldKind};
use dataflows::{Event, EventId, FieldText, Text};
use smallvec::SmallVec;

use super::envelope::Unwrapping;
use super::members::{Members, Source};
use super::paths::Paths;
use super::scalar::{self, Scalar, whole_number};
use super::time::{TimeSource, Times};
use super::user_agents::KnownAgents;
use super::web_url::WebUrl;
use super::{Countries, Reason, Rules, country};

/// The type of events that have none.
const UNTYPED: &str = "event";

/// The members of a record that are read, and the fields that are made of them.
#[derive(Debug)]
pub(super) struct Plan {
    /// The ways to all members that are read.
    pub paths: Paths,
    /// What is around the events.
    pub unwrapping: Unwrapping,
    kind: Option<Source>,
    times: Times,
    page: Option<Source>,
    id: Option<Source>,
    /// In the order of the model's fields, the first of each.
    readings: Vec<Reading>,
    fields: Vec<Field>,
    /// The values of fields that would be missing.
    defaults: Vec<(usize, String)>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Whether visitors can make up its texts.
    is_open: bool,
    is_url: bool,
    is_lower: bool,
}

/// What is read from a member, at once for several fields where one look is enough.
#[derive(Debug)]
struct Reading {
    source: Source,
    what: What,
    /// It is the member that also says the page.
    is_page: bool,
}

#[derive(Debug)]
enum What {
    Id(usize),
    Text(usize),
    Url(usize),
    Boolean(usize),
    CountryCode(usize),
    /// Fields that are parts of a URL.
    UrlParts(Vec<(usize, UrlPart)>),
    /// Fields that a user agent says.
    Agent(Vec<(usize, AgentPart)>),
}

#[derive(Debug)]
enum UrlPart {
    Country,
    Host,
    Path,
    Query(String),
}

/// Fields read from a user agent, and the part that each one is.
type AgentParts = [(usize, AgentPart)];

#[derive(Clone, Copy, Debug)]
enum AgentPart {
    Browser,
    Os,
    Device,
}

impl Plan {
    /// The plan for these rules.
    pub fn new(rules: &Rules) -> Plan {
        let model = &*rules.model;
        let mut paths = Paths::new();
        let EventShape { kind, local_time, time_stamp, page, id, time_format, .. } = &model.event;
        // Where it is not needed, it is not even looked for.
        let id = if rules.ids.is_some() { id } else { &None };
        let [kind, local_time, time_stamp, page, id] = [kind, local_time, time_stamp, page, id]
            .map(|member| member.as_ref().map(|member| Source::new(member, &mut paths)));
        let times = Times { local_time, time_stamp, format: *time_format };
        let mut readings: Vec<Reading> = Vec::new();
        for (place, field) in model.fields.iter().enumerate() {
            let source = Source::new(&field.path, &mut paths);
            let what = What::new(place, &field.kind);
            let known = readings.iter_mut().find(|known| known.source.is_same(&source) && known.what.is_like(&what));
            match known {
                Some(known) => known.what.join(what),
                None => {
                    let is_page = page.as_ref().is_some_and(|page| page.is_same(&source));
                    readings.push(Reading { source, what, is_page });
                }
            }
        }
        let fields = model.fields.iter().map(|field| Field {
            name: field.name.clone(),
            is_open: !field.kind.is_closed(),
            is_url: field.kind == FieldKind::Url,
            is_lower: field.is_lower,
        });
        let defaults = (0..).zip(&model.fields).filter_map(|(place, field)| Some((place, field.or.clone()?)));
        let (fields, defaults) = (fields.collect(), defaults.collect());
        let unwrapping = Unwrapping::new(model, &mut paths);
        Plan { paths, unwrapping, kind, times, page, id, readings, fields, defaults }
    }

    /// The fields that visitors can make up.
    pub fn open(&self) -> impl Iterator<Item = usize> {
        (0..).zip(&self.fields).filter(|(_, field)| field.is_open).map(|(place, _)| place)
    }

    /// The fields that are URLs.
    pub fn urls(&self) -> impl Iterator<Item = usize> {
        (0..).zip(&self.fields).filter(|(_, field)| field.is_url).map(|(place, _)| place)
    }

    /// The type of an event.
    pub fn event_type<'a>(&self, members: &Members<'a, '_>) -> Result<Cow<'a, str>, Reason> {
        let Some(kind) = &self.kind else { return Ok(Cow::Borrowed(UNTYPED)) };
        match members.get(kind)? {
            Scalar::Text(name) if !name.is_empty() => Ok(name),
            _ => Err(Reason::NoType { member: kind.name.clone() }),
        }
    }

    /// The hash of an event's id, if it is asked for and there is one: a text, or a whole number, spelled in decimal.
    #[inline]
    pub fn id(&self, members: &Members<'_, '_>, rules: &Rules) -> Option<EventId> {
        let (key, id) = (rules.ids?, members.get(self.id.as_ref()?).ok()?);
        match &id {
            Scalar::Text(text) if !text.is_empty() => Some(key.hash(text)),
            Scalar::Number(number) => whole_number(number).map(|number| key.hash(&number.to_string())),
            _ => None,
        }
    }

    /// Reads day and hour of an event with this Kafka timestamp, its fields and its page; and whether it is a
    /// crawler's, if those are left out.
    pub fn read<'a>(
        &self,
        members: &Members<'a, '_>,
        timestamp: Option<i64>,
        rules: &Rules,
        agents: &'a mut KnownAgents,
        event: &mut Event<'a>,
    ) -> Result<(TimeSource, bool), Reason> {
        let (time, said_by) = rules.clock.event_time(rules.time_zone, &self.times, members)?;
        time.check(timestamp, rules.max_future)?;
        (event.day, event.hour, event.time) = (time.day(), time.hour(), time.seconds());
        event.id = self.id(members, rules);
        event.fields.resize_with(self.fields.len(), || None);
        let is_bot = self.read_fields(members, rules, agents, event)?;
        self.check(event)?;
        Ok((said_by, is_bot))
    }

    fn read_fields<'a>(
        &self,
        members: &Members<'a, '_>,
        rules: &Rules,
        agents: &'a mut KnownAgents,
        event: &mut Event<'a>,
    ) -> Result<bool, Reason> {
        let Event { fields, page, .. } = event;
        let countries = rules.countries.as_ref();
        let mut said: SmallVec<[(&AgentParts, u32); 2]> = SmallVec::new();
        for Reading { source, what, is_page } in &self.readings {
            let value = members.get(source);
            match what {
                What::CountryCode(field) => fields[*field] = Some(country_code(value?)),
                What::Id(field) => fields[*field] = scalar::id(value?, self.name(*field))?,
                What::Text(field) => fields[*field] = scalar::text(value?, self.name(*field))?,
                What::Url(field) => fields[*field] = scalar::url(value?, self.name(*field))?,
                What::Boolean(field) => fields[*field] = scalar::boolean(value?, self.name(*field))?,
                What::UrlParts(parts) => {
                    let text = value?.into_text();
                    self.read_url(text.as_ref(), parts, countries, fields)?;
                    if *is_page {
                        *page = text;
                    }
                }
                What::Agent(parts) => {
                    let text = value?.into_text();
                    said.push((parts, agents.place(text.as_deref().unwrap_or_default())));
                }
            }
        }
        let (agents, mut is_bot) = (&*agents, false);
        for (parts, place) in said {
            let names = agents.at(place);
            is_bot |= rules.skip_bots && names.is_crawler();
            for (field, part) in parts {
                let text = match part {
                    AgentPart::Browser => names.browser.as_str(),
                    AgentPart::Os => names.os.as_str(),
                    AgentPart::Device => names.device,
                };
                fields[*field] = Some(Text::Other(Cow::Borrowed(text)));
            }
        }
        if page.is_none() {
            let text = self.page.as_ref().and_then(|page| members.get(page).ok());
            *page = text.and_then(Scalar::into_text);
        }
        Ok(is_bot)
    }

    /// The parts of a URL: borrowed from the record, unless its escapes had to be resolved.
    fn read_url<'a>(
        &self,
        text: Option<&Cow<'a, str>>,
        parts: &[(usize, UrlPart)],
        countries: Option<&Countries>,
        fields: &mut [Option<FieldText<'a>>],
    ) -> Result<(), Reason> {
        let url = match text {
            Some(Cow::Borrowed(text)) => WebUrl::parse(text),
            Some(Cow::Owned(text)) => return self.read_owned_url(text, parts, countries, fields),
            None => WebUrl::None,
        };
        for (field, part) in parts {
            fields[*field] = part.read(&url, countries, self.name(*field))?;
        }
        Ok(())
    }

    /// The same for a text that does not outlive the call.
    #[inline(never)]
    fn read_owned_url(
        &self,
        text: &str,
        parts: &[(usize, UrlPart)],
        countries: Option<&Countries>,
        fields: &mut [Option<FieldText<'_>>],
    ) -> Result<(), Reason> {
        let url = WebUrl::parse(text);
        for (field, part) in parts {
            fields[*field] = match part {
                UrlPart::Country => Some(country(&url, countries)),
                _ => part
                    .read(&url, countries, self.name(*field))?
                    .map(|text| text.map(|text| Cow::Owned(text.into_owned()))),
            };
        }
        Ok(())
    }

    /// Fills fields that are missing with the model's defaults.
    #[inline]
    pub fn complete<'a>(&'a self, event: &mut Event<'a>) {
        for (field, text) in &self.defaults {
            event.fields[*field].get_or_insert_with(|| Text::<&str>::from(text.as_str()).map(Cow::Borrowed));
        }
    }

    /// Lowercases the texts of fields that are kept so, and refuses what Postgres cannot store.
    fn check(&self, event: &mut Event<'_>) -> Result<(), Reason> {
        for (field, text) in self.fields.iter().zip(&mut event.fields) {
            if field.is_lower
                && let Some(Text::Other(text)) = text
                && text.contains(char::is_uppercase)
            {
                *text = Cow::Owned(text.to_lowercase());
            }
            // JSON and URLs spell U+0000 with an escape, and a text without escapes is borrowed.
            if let Some(Text::Other(Cow::Owned(text))) = text
                && text.contains('\0')
            {
                return Err(Reason::Nul { field: field.name.clone() });
            }
        }
        Ok(())
    }

    fn name(&self, field: usize) -> &str {
        &self.fields[field].name
    }
}

impl What {
    /// What a field of this kind is made of.
    fn new(field: usize, kind: &FieldKind) -> What {
        let url = |part| What::UrlParts(vec![(field, part)]);
        let agent = |part| What::Agent(vec![(field, part)]);
        match kind {
            FieldKind::Id => What::Id(field),
            FieldKind::Text => What::Text(field),
            FieldKind::Url => What::Url(field),
            FieldKind::Boolean => What::Boolean(field),
            FieldKind::Country => url(UrlPart::Country),
            FieldKind::CountryCode => What::CountryCode(field),
            FieldKind::Host => url(UrlPart::Host),
            FieldKind::Path => url(UrlPart::Path),
            FieldKind::Query { parameter } => url(UrlPart::Query(parameter.clone())),
            FieldKind::Browser => agent(AgentPart::Browser),
            FieldKind::Os => agent(AgentPart::Os),
            FieldKind::Device => agent(AgentPart::Device),
        }
    }

    /// Whether one look at a member is enough for both.
    fn is_like(&self, other: &What) -> bool {
        matches!((self, other), (What::UrlParts(_), What::UrlParts(_)) | (What::Agent(_), What::Agent(_)))
    }

    fn join(&mut self, other: What) {
        match (self, other) {
            (What::UrlParts(parts), What::UrlParts(others)) => parts.extend(others),
            (What::Agent(parts), What::Agent(others)) => parts.extend(others),
            _ => {}
        }
    }
}

impl UrlPart {
    fn read<'a>(
        &self,
        url: &WebUrl<'a>,
        countries: Option<&Countries>,
        field: &str,
    ) -> Result<Option<FieldText<'a>>, Reason> {
        let text = match self {
            UrlPart::Country => return Ok(Some(country(url, countries))),
            UrlPart::Host => url.host(),
            UrlPart::Path => url.path(),
            UrlPart::Query(parameter) => url.query(parameter),
        };
        text.map_or(Ok(None), |text| scalar::short(text, field))
    }
}

fn country_code(scalar: Scalar<'_>) -> FieldText<'static> {
    let code = scalar.into_text().map_or(country::UNKNOWN, |text| country::of_code(&text));
    Text::Other(Cow::Borrowed(code))
}

fn country(url: &WebUrl<'_>, countries: Option<&Countries>) -> FieldText<'static> {
    Text::Other(Cow::Borrowed(country::of_domain(url.domain(), countries)))
}
