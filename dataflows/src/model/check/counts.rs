//! Counts and rankings, with their tables.

use toml::Spanned;

use super::super::file::Report;
use super::super::{Column, ColumnType, Count, Dimension, FieldKind, Ranking, Table, TableRows, fields};
use super::{Checked, Checks, MEMBERS_MAX};

impl Checked<'_> {
    /// Adds the declared counts: first those that events count under, then those that are the sum of another.
    pub fn counts(&mut self, declared: &[Spanned<Report>]) -> Checks<()> {
        let mut counts: Vec<(&Report, Count)> = Vec::new();
        for report in declared.iter().map(Spanned::get_ref) {
            let Some(by) = &report.by else { continue };
            let count = self.declared_count(report, by)?;
            if let Some((other, _)) = counts.iter().find(|(_, other)| is_same(&count, other)) {
                let table = other.table.get_ref();
                return self.error(by.span(), format!("{table} counts the same; leave one of them out"));
            }
            counts.push((report, count));
        }
        let is_sum = |count: &Count| counts.iter().any(|(_, finer)| is_rolled_up_from(count, finer));
        let (sums, counted): (Vec<_>, Vec<_>) = counts.iter().cloned().partition(|(_, count)| is_sum(count));
        for (report, count) in counted.into_iter().chain(sums) {
            self.add_count(report, count)?;
        }
        Ok(())
    }

    fn declared_count(&mut self, report: &Report, by: &Spanned<Vec<Spanned<String>>>) -> Checks<Count> {
        let filter = self.filter(&report.filter)?;
        let what = "a count by nothing; name at least one field, or \"day\"";
        self.ensure(!by.get_ref().is_empty(), by.span(), what)?;
        let count = self.count(self.by(by)?, filter);
        let what = format!("a report groups by at most {MEMBERS_MAX} fields, beside day and hour; leave some out");
        self.ensure(count.members.len() <= MEMBERS_MAX, by.span(), what)?;
        Ok(count)
    }

    fn count(&self, by: Vec<Dimension>, filter: usize) -> Count {
        let members: Vec<_> = fields(&by).collect();
        let is_open = |place: &usize| !self.model.fields[members[*place]].kind.is_closed();
        let open = (0..members.len()).filter(is_open).collect();
        let (has_day, has_hour) = (by.contains(&Dimension::Day), by.contains(&Dimension::Hour));
        Count { by, members, open, has_day, has_hour, filter, from: None, table: None, kept: Vec::new() }
    }

    fn add_count(&mut self, report: &Report, mut count: Count) -> Checks<()> {
        count.from = self.finer(&count);
        if let Some(finer) = count.from.map(|finer| &self.model.counts[finer]) {
            // In the finer one's order, as its members are joined.
            (count.members, count.open) = (finer.members.clone(), finer.open.clone());
        }
        count.table = Some(self.model.tables.len());
        let key = count.by.iter().map(|dimension| self.column(*dimension)).collect();
        let rows = TableRows::Count(self.model.counts.len());
        self.table(report, key, vec![Column::new("views", ColumnType::Bigint)], rows)?;
        self.model.counts.push(count);
        Ok(())
    }

    /// Notes how many days each report keeps, with the count that it follows from.
    pub fn days_kept(&mut self, declared: &[Spanned<Report>]) -> Checks<()> {
        for report in declared.iter().map(Spanned::get_ref) {
            let shown = self.model.tables.iter().find(|table| table.name == *report.table.get_ref());
            let id = match shown.map(|table| table.rows) {
                Some(TableRows::Count(count)) => count,
                Some(TableRows::Ranking(ranking)) => self.model.rankings[ranking].count,
                _ => continue,
            };
            let finest = self.model.counts[id].from.unwrap_or(id);
            let kept = match &report.retain {
                None => None,
                Some(retain) => {
                    let what = "no day leaves a report that does not follow from one by day; leave `retain` out";
                    self.ensure(self.model.counts[finest].has_day, retain.span(), what)?;
                    let kept = retain.get_ref().parse().map_err(|expected| format!("`retain`: {expected}"));
                    Some(self.at(retain.span(), kept)?)
                }
            };
            self.model.counts[finest].kept.push(kept);
        }
        Ok(())
    }

    /// The count that this one is the sum of, and that events count under.
    fn finer(&self, count: &Count) -> Option<usize> {
        self.model.counts.iter().position(|finer| finer.from.is_none() && is_rolled_up_from(count, finer))
    }

    /// The count by these dimensions: a declared one, or one that is rolled up from it and has no table.
    pub fn rolled_up(&mut self, by: &[Dimension], filter: usize) -> Option<usize> {
        let mut wanted = self.count(by.to_vec(), filter);
        if let Some(known) = self.model.counts.iter().position(|count| is_same(&wanted, count)) {
            return Some(known);
        }
        let finer = self.finer(&wanted)?;
        let Count { members, open, .. } = self.model.counts[finer].clone();
        (wanted.members, wanted.open) = (members, open);
        wanted.from = Some(finer);
        self.model.counts.push(wanted);
        Some(self.model.counts.len() - 1)
    }

    /// A count of views with these members and no others, that events count under.
    pub fn counted_with(&self, members: &[usize]) -> Option<usize> {
        let is_it = |count: &Count| count.filter == 0 && count.from.is_none() && same_members(&count.members, members);
        self.model.counts.iter().position(is_it)
    }

    /// Adds the declared rankings.
    pub fn rankings(&mut self, declared: &[Spanned<Report>]) -> Checks<()> {
        for report in declared.iter().map(Spanned::get_ref) {
            if report.top.is_some() {
                self.add_ranking(report)?;
            }
        }
        Ok(())
    }

    fn add_ranking(&mut self, report: &Report) -> Checks<()> {
        let Some(declared) = report.top.as_ref().map(Spanned::get_ref) else { return Ok(()) };
        let filter = self.filter(&report.filter)?;
        let places = u8::try_from(*declared.count.get_ref()).ok().filter(|places| (1..=100).contains(places));
        let places = places.ok_or_else(|| "a ranking has 1 to 100 places; give a count between them".to_owned());
        let places = self.at(declared.count.span(), places)?;
        let (of, by) = (self.field(&declared.of)?, self.by(&declared.by)?);
        let what = "a ranking by nothing; name \"day\", or give the count of all days a `limit`";
        self.ensure(!by.is_empty(), declared.by.span(), what)?;
        let what = format!("{} is what is ranked; leave it out of `by`", declared.of.get_ref());
        self.ensure(!by.contains(&Dimension::Field(of)), declared.by.span(), what)?;
        let counted_by: Vec<_> = by.iter().copied().chain([Dimension::Field(of)]).collect();
        let Some(count) = self.rolled_up(&counted_by, filter) else {
            let name = |dimension: &Dimension| format!("\"{}\"", self.model.dimension_name(*dimension));
            let names = counted_by.iter().map(name).collect::<Vec<_>>().join(", ");
            let is_filtered = if filter == 0 { "" } else { " and the same `where`" };
            let what = format!("no report counts what is ranked here; add one with by = [{names}]{is_filtered}");
            return self.error(declared.of.span(), what);
        };
        let mut key: Vec<_> = by.iter().map(|dimension| self.column(*dimension)).collect();
        key.push(Column::new("rank", ColumnType::Smallint));
        let item = Column { kind: ColumnType::Text, ..self.column(Dimension::Field(of)) };
        let values = vec![item, Column::new("views", ColumnType::Bigint)];
        let (rankings, table) = (self.model.rankings.len(), self.model.tables.len());
        self.table(report, key, values, TableRows::Ranking(rankings))?;
        self.model.rankings.push(Ranking { count, places, by, of, table });
        Ok(())
    }

    fn table(&mut self, report: &Report, key: Vec<Column>, values: Vec<Column>, rows: TableRows) -> Checks<()> {
        let name = report.table.get_ref().clone();
        let about = self.sentence(report.about.as_ref())?.unwrap_or_else(|| name.clone());
        self.model.tables.push(Table { name, key, values, rows, about });
        Ok(())
    }

    fn column(&self, dimension: Dimension) -> Column {
        let kind = match dimension {
            Dimension::Day => ColumnType::Date,
            Dimension::Hour => ColumnType::Smallint,
            Dimension::Field(field) if self.model.fields[field].kind == FieldKind::Url => ColumnType::LongText,
            Dimension::Field(_) => ColumnType::Text,
        };
        Column::new(self.model.dimension_name(dimension), kind)
    }
}

/// Whether both count the same events by the same.
fn is_same(count: &Count, other: &Count) -> bool {
    count.filter == other.filter
        && same_members(&count.members, &other.members)
        && (count.has_day, count.has_hour) == (other.has_day, other.has_hour)
}

/// Whether the first is the sum of the second: of the same events by the same fields, and coarser in time.
fn is_rolled_up_from(count: &Count, finer: &Count) -> bool {
    let is_coarser = (finer.has_day || !count.has_day)
        && (finer.has_hour || !count.has_hour)
        && (finer.has_day, finer.has_hour) != (count.has_day, count.has_hour);
    is_coarser && count.filter == finer.filter && same_members(&count.members, &finer.members)
}

fn same_members(some: &[usize], others: &[usize]) -> bool {
    some.len() == others.len() && some.iter().all(|member| others.contains(member))
}
