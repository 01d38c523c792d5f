//! Where a row's newest version is.
//!
//! A snapshot that stays open keeps every version of every row since. An index then has one entry after another for the same
//! key, and each look for a row's newest version passes all the others: a commit takes longer from commit to commit. A
//! writer that knows where the newest one is need not look.

use std::error::Error;

use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// A `ctid`: as Postgres sends it, four bytes of the page's number and two of the place on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tid([u8; 6]);

impl<'a> FromSql<'a> for Tid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Tid(raw.try_into()?))
    }

    accepts!(TID);
}

impl ToSql for Tid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(TID);
    to_sql_checked!();
}
