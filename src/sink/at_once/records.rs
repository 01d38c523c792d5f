//! Rejected records in a commit of one statement.

use postgres::types::ToSql;

use super::statement::Part;
use crate::batch::Rejected;
use crate::sink::tid::Tid;

/// What is written of rejected records: rows of those that are kept, and counts, which stand at known places.
#[derive(Default)]
pub(in crate::sink) struct RejectedAtOnce<'a> {
    pub kept: &'a [Rejected],
    pub hours: Vec<i64>,
    pub reasons: Vec<String>,
    pub records: Vec<i64>,
    pub only_counted: Vec<i64>,
    pub places: Vec<Tid>,
}

/// Columns of the rows, beside the counts.
pub(super) struct RecordColumns<'a> {
    of: &'a RejectedAtOnce<'a>,
    partitions: Vec<i32>,
    offsets: Vec<i64>,
    reasons: Vec<&'a str>,
    payloads: Vec<Option<&'a [u8]>>,
}

impl RejectedAtOnce<'_> {
    /// Sets a count.
    pub fn add(&mut self, (hour, reason): &(i64, String), records: i64, only_counted: i64, place: Tid) {
        self.hours.push(*hour);
        self.reasons.push(reason.clone());
        self.records.push(records);
        self.only_counted.push(only_counted);
        self.places.push(place);
    }

    /// Its part of the statement, if there is any.
    pub(super) fn part(&self) -> Option<Part> {
        (!self.hours.is_empty()).then_some(Part::Rejected)
    }

    /// As the statement takes it.
    pub(super) fn columns(&self) -> Option<RecordColumns<'_>> {
        self.part().map(|_| RecordColumns {
            of: self,
            partitions: self.kept.iter().map(|record| record.partition).collect(),
            offsets: self.kept.iter().map(|record| record.offset).collect(),
            reasons: self.kept.iter().map(|record| record.reason.as_str()).collect(),
            payloads: self.kept.iter().map(|record| record.payload.as_deref()).collect(),
        })
    }
}

impl RecordColumns<'_> {
    /// The parameters in their order.
    pub fn parameters(&self) -> [&(dyn ToSql + Sync); 9] {
        let RecordColumns { of, partitions, offsets, reasons, payloads } = self;
        let counts: [&(dyn ToSql + Sync); 5] = [&of.hours, &of.reasons, &of.records, &of.only_counted, &of.places];
        let [hours, count_reasons, records, only_counted, places] = counts;
        [partitions, offsets, reasons, payloads, hours, count_reasons, records, only_counted, places]
    }
}
