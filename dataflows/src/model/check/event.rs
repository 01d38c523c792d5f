//! How an event says what it is, when it happened and where; and what is around it.

use toml::Spanned;

use super::super::error::unknown;
use super::super::file::{self, Ways};
use super::super::{Envelope, EventShape, Member, TimeFormat, Way};
use super::{Checked, Checks};

/// The most ways that are tried to a member.
const WAYS_MAX: usize = 8;

impl Checked<'_> {
    pub fn event(&mut self, declared: &Spanned<file::Event>) -> Checks<()> {
        let (span, event) = (declared.span(), declared.get_ref());
        let member = |ways: &Option<Spanned<Ways>>| ways.as_ref().map(|ways| self.member(ways, None)).transpose();
        let [kind, local_time, time_stamp, page, id] =
            [&event.kind, &event.local_time, &event.time_stamp, &event.page, &event.id].map(member);
        let (local_time, time_stamp) = (local_time?, time_stamp?);
        let has_time = local_time.is_some() || time_stamp.is_some();
        self.ensure(has_time, span, "an event needs a time; add local_time = \"…\" or time_stamp = \"…\"")?;
        self.model.event = EventShape {
            kind: kind?,
            views: self.views(declared)?,
            local_time,
            time_stamp,
            time_format: self.time_format(event)?,
            page: page?,
            id: id?,
            envelope: self.envelope(event)?,
        };
        Ok(())
    }

    fn views(&self, declared: &Spanned<file::Event>) -> Checks<Vec<String>> {
        let (span, event) = (declared.span(), declared.get_ref());
        let views = match (&event.kind, &event.views) {
            (Some(_), Some(views)) => views,
            (Some(_), None) => return self.error(span, "the key \"views\" is missing; add it"),
            (None, Some(views)) => {
                let what = "without `type` every event is a view; leave this out, or add `type`";
                return self.error(views.span(), what);
            }
            (None, None) => return Ok(vec!["all".into()]),
        };
        let (span, views) = (views.span(), views.get_ref());
        self.ensure(!views.is_empty(), span, "no type counts; name at least one, or \"all\"")?;
        for view in views {
            let name = view.get_ref();
            let is_name = !name.is_empty() && name.trim() == name && !name.contains([',', '\0']);
            self.ensure(is_name, view.span(), "a type without commas or blanks around it is expected")?;
            let is_alone = !name.eq_ignore_ascii_case("all") || views.len() == 1;
            self.ensure(is_alone, view.span(), "\"all\" takes every type; leave the others out")?;
        }
        Ok(views.iter().map(|view| view.get_ref().clone()).collect())
    }

    fn time_format(&self, event: &file::Event) -> Checks<TimeFormat> {
        let Some(format) = &event.time_format else { return Ok(TimeFormat::Auto) };
        let known = TimeFormat::ALL.iter().find(|known| known.name() == format.get_ref());
        let names = TimeFormat::ALL.iter().map(|known| known.name());
        self.at(format.span(), known.copied().ok_or_else(|| unknown("format of time", format.get_ref(), names)))
    }

    fn envelope(&self, event: &file::Event) -> Checks<Envelope> {
        let member = event.array.as_ref().map(|ways| Ok((self.member(ways, None)?, ways.span()))).transpose()?;
        let Some(envelope) = &event.envelope else {
            let what = "an array of events is an envelope; add envelope = \"array\"";
            return member.map_or(Ok(Envelope::Auto), |(_, span)| self.error(span, what));
        };
        let all = [
            Envelope::Auto,
            Envelope::None,
            Envelope::Array(member.as_ref().map(|(member, _)| member.clone())),
            Envelope::Payload,
            Envelope::ConfluentJson,
        ];
        let known = all.iter().find(|known| known.name() == envelope.get_ref()).cloned();
        let names = all.iter().map(Envelope::name);
        let known = self.at(envelope.span(), known.ok_or_else(|| unknown("envelope", envelope.get_ref(), names)))?;
        match (&known, member) {
            (Envelope::Array(Some(member)), Some((_, span))) => {
                let is_one = matches!(&member.ways[..], [Way { key: None, .. }]);
                self.ensure(is_one, span, "events are in one array; name the one way to it, like \"batch\"")?;
            }
            (_, Some((_, span))) => {
                return self.error(span, "only the envelope \"array\" is in a member; leave this out");
            }
            (_, None) => {}
        }
        Ok(known)
    }

    /// The ways to a member; `key` stands beside them.
    pub fn member(&self, declared: &Spanned<Ways>, key: Option<&Spanned<String>>) -> Checks<Member> {
        let declared_ways = match declared.get_ref() {
            Ways::One(way) => std::slice::from_ref(way),
            Ways::Several(ways) => ways,
        };
        let way = |way: &file::Way| match way {
            file::Way::Names(names) => Way::parse(names, key.map(|key| key.get_ref().as_str())),
            file::Way::Pair(pair) => Way::parse(&pair.path, Some(&pair.key)),
        };
        let ways = self.at(declared.span(), declared_ways.iter().map(way).collect::<Result<Vec<_>, _>>())?;
        let what = format!("a list of 1 to {WAYS_MAX} ways is expected");
        self.ensure((1..=WAYS_MAX).contains(&ways.len()), declared.span(), what)?;
        if let Some(key) = key {
            let is_one = matches!(declared_ways, [file::Way::Names(_)]);
            let what = "of several ways each has its own key; write { path = \"…\", key = \"…\" } in the list";
            self.ensure(is_one, key.span(), what)?;
        }
        Ok(Member { ways })
    }
}
