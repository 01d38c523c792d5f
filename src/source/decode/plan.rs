//! What is read from a record, and in which order: made of the model once.

use std::borrow::Cow;

use dataflows::model::{EventShape, FieldKind, Model};
use dataflows::{Event, FieldText, Text};
use smallvec::SmallVec;

use super::members::Members;
use super::paths::Paths;
use super::scalar::{self, Scalar};
use super::user_agents::KnownAgents;
use super::web_url::WebUrl;
use super::{Countries, Reason, Rules, country};

/// The type of events that have none.
const UNTYPED: &str = "event";

/// The members of a record that are read, and the fields that are made of them.
#[derive(Debug)]
pub(super) struct Plan {
    /// All members that are read.
    pub paths: Paths,
    /// The slot of the event's type.
    kind: Option<usize>,
    local_time: Option<usize>,
    time_stamp: Option<usize>,
    page: Option<usize>,
    /// In the order of the model's fields, the first of each.
    readings: Vec<Reading>,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    /// Whether visitors can make up its texts.
    is_open: bool,
    is_url: bool,
}

/// What is made of a member, all at once where one look is enough for several fields.
#[derive(Debug)]
struct Reading {
    slot: usize,
    what: What,
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

/// Fields that a user agent says, and what of it they are.
type AgentParts = [(usize, AgentPart)];

#[derive(Clone, Copy, Debug)]
enum AgentPart {
    Browser,
    Os,
    Device,
}

impl Plan {
    /// That of a model.
    pub fn new(model: &Model) -> Plan {
        let mut paths = Paths::new();
        let EventShape { kind, local_time, time_stamp, page, .. } = &model.event;
        let [kind, local_time, time_stamp, page] = [kind, local_time, time_stamp, page]
            .map(|member| member.as_ref().map(|member| paths.add(&member.to_string())));
        let mut readings: Vec<Reading> = Vec::new();
        for (place, field) in model.fields.iter().enumerate() {
            let slot = paths.add(&field.path.to_string());
            let what = What::of(place, &field.kind);
            let known = readings.iter_mut().find(|known| known.slot == slot && known.what.is_like(&what));
            match known {
                Some(known) => known.what.join(what),
                None => readings.push(Reading { slot, what }),
            }
        }
        let fields = model.fields.iter().map(|field| Field {
            name: field.name.clone(),
            is_open: !field.kind.is_closed(),
            is_url: field.kind == FieldKind::Url,
        });
        Plan { fields: fields.collect(), paths, kind, local_time, time_stamp, page, readings }
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
    pub fn event_type<'a>(&self, members: &Members<'a, '_>, shape: &EventShape) -> Result<Cow<'a, str>, Reason> {
        let (Some(slot), Some(kind)) = (self.kind, &shape.kind) else { return Ok(Cow::Borrowed(UNTYPED)) };
        match Scalar::of(members.get(slot))? {
            Scalar::Text(name) if !name.is_empty() => Ok(name),
            _ => Err(Reason::NoType { member: kind.to_string() }),
        }
    }

    /// Day and hour of an event with this Kafka timestamp, its fields and its page.
    pub fn read<'a>(
        &self,
        members: &Members<'a, '_>,
        timestamp: Option<i64>,
        rules: &Rules,
        agents: &'a mut KnownAgents,
        event: &mut Event<'a>,
    ) -> Result<(), Reason> {
        let [local_time, time_stamp] = [self.local_time, self.time_stamp].map(|slot| members.get(slot?));
        let time = rules.clock.event_time(&rules.model.event, local_time, time_stamp)?;
        time.check(timestamp, rules.max_future)?;
        (event.day, event.hour) = (time.day(), time.hour());
        event.fields.resize_with(self.fields.len(), || None);
        self.read_fields(members, rules.countries.as_ref(), agents, event)?;
        self.check(event)
    }

    fn read_fields<'a>(
        &self,
        members: &Members<'a, '_>,
        countries: Option<&Countries>,
        agents: &'a mut KnownAgents,
        event: &mut Event<'a>,
    ) -> Result<(), Reason> {
        let Event { fields, page, .. } = event;
        let mut said: SmallVec<[(&AgentParts, u32); 2]> = SmallVec::new();
        for Reading { slot, what } in &self.readings {
            let value = members.get(*slot);
            match what {
                What::Id(field) => fields[*field] = scalar::id(value, self.name(*field))?,
                What::Text(field) => fields[*field] = scalar::text(value, self.name(*field))?,
                What::Url(field) => fields[*field] = scalar::url(value, self.name(*field))?,
                What::CountryCode(field) => fields[*field] = Some(country_code(Scalar::of(value)?)),
                What::Boolean(field) => fields[*field] = scalar::boolean(value, self.name(*field))?,
                What::UrlParts(parts) => {
                    let text = Scalar::of(value)?.into_text();
                    self.read_url(text.as_ref(), parts, countries, fields)?;
                    if self.page == Some(*slot) {
                        *page = text;
                    }
                }
                What::Agent(parts) => {
                    let text = Scalar::of(value)?.into_text();
                    said.push((parts, agents.place(text.as_deref().unwrap_or_default())));
                }
            }
        }
        let agents = &*agents;
        for (parts, place) in said {
            let names = agents.at(place);
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
            let text = self.page.and_then(|slot| Scalar::of(members.get(slot)).ok());
            *page = text.and_then(Scalar::into_text);
        }
        Ok(())
    }

    /// The parts of a URL: lent by the record, unless its escapes had to be resolved.
    fn read_url<'a>(
        &self,
        text: Option<&Cow<'a, str>>,
        parts: &[(usize, UrlPart)],
        countries: Option<&Countries>,
        fields: &mut [Option<FieldText<'a>>],
    ) -> Result<(), Reason> {
        let url = match text {
            Some(Cow::Borrowed(text)) => WebUrl::of(text),
            Some(Cow::Owned(text)) => return self.read_owned_url(text, parts, countries, fields),
            None => WebUrl::None,
        };
        for (field, part) in parts {
            fields[*field] = part.of(&url, countries, self.name(*field))?;
        }
        Ok(())
    }

    /// The same of a text that is let go.
    #[inline(never)]
    fn read_owned_url(
        &self,
        text: &str,
        parts: &[(usize, UrlPart)],
        countries: Option<&Countries>,
        fields: &mut [Option<FieldText<'_>>],
    ) -> Result<(), Reason> {
        let url = WebUrl::of(text);
        for (field, part) in parts {
            fields[*field] = match part {
                UrlPart::Country => Some(country(&url, countries)),
                _ => part
                    .of(&url, countries, self.name(*field))?
                    .map(|text| text.map(|text| Cow::Owned(text.into_owned()))),
            };
        }
        Ok(())
    }

    /// Refuses what Postgres cannot store.
    fn check(&self, event: &Event<'_>) -> Result<(), Reason> {
        for (field, text) in self.fields.iter().zip(&event.fields) {
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
    fn of(field: usize, kind: &FieldKind) -> What {
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
    fn of<'a>(
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
    Text::Other(Cow::Borrowed(country::of(url.domain(), countries)))
}
