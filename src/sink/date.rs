//! Days as Postgres sends and takes them: a number, so that no calendar is asked for millions of rows.

use std::error::Error;

use dataflows::Day;
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// The value of a column of type `date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date(pub Day);

/// From 1970-01-01, the day 0 of [`Day`], to 2000-01-01, that of Postgres.
const POSTGRES_EPOCH: i32 = 10_957;

impl Date {
    /// Its four bytes in Postgres's binary format.
    pub fn to_bytes(self) -> [u8; 4] {
        (self.0.0 - POSTGRES_EPOCH).to_be_bytes()
    }
}

impl FromSql<'_> for Date {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let days = i32::from_be_bytes(raw.try_into()?).checked_add(POSTGRES_EPOCH);
        Ok(Date(Day(days.ok_or("infinity is no day")?)))
    }

    accepts!(DATE);
}

impl ToSql for Date {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.to_bytes());
        Ok(IsNull::No)
    }

    accepts!(DATE);
    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    #[test]
    fn a_date_is_that_of_the_calendar() {
        let calendar = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).expect("a date");
        for date in [calendar(1969, 12, 31), calendar(2000, 1, 1), calendar(2020, 2, 29), calendar(9999, 12, 31)] {
            let since_1970 = date.signed_duration_since(calendar(1970, 1, 1)).num_days() as i32;
            let (ours, mut theirs) = (Date(Day(since_1970)), BytesMut::new());
            date.to_sql(&Type::DATE, &mut theirs).expect("a date of Postgres");
            assert_eq!(ours.to_bytes(), *theirs, "{date}");
            assert_eq!(Date::from_sql(&Type::DATE, &theirs).expect("a date"), ours);
        }
        assert!(Date::from_sql(&Type::DATE, &i32::MAX.to_be_bytes()).is_err(), "infinity, as Postgres has it");
    }
}
