//! How events say what they are and when they happened, and what is around them in a record.

use super::Member;

/// The members of a record that say what kind of event it is, when it happened and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventShape {
    /// The member with the event's type; none if every event is a view.
    pub kind: Option<Member>,
    /// The types that count as views, unless a setting says others.
    pub views: Vec<String>,
    /// The member with the date and time by the visitor's clock.
    pub local_time: Option<Member>,
    /// The member with the moment.
    pub time_stamp: Option<Member>,
    /// How both are spelt.
    pub time_format: TimeFormat,
    /// The member with the URL of the page.
    pub page: Option<Member>,
    /// The member that identifies an event.
    pub id: Option<Member>,
    /// What is around the events in a record.
    pub envelope: Envelope,
}

/// How a time is spelt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeFormat {
    /// In whichever of these ways; the unit of a number follows from its size.
    #[default]
    Auto,
    /// `yyyy-MM-dd HH:mm:ss`, perhaps with a fraction.
    DateTime,
    /// A date and time with `Z` or an offset.
    Rfc3339,
    /// Since 1970, as a number or a text.
    Seconds,
    /// Likewise.
    Milliseconds,
    /// Likewise.
    Microseconds,
}

impl TimeFormat {
    pub(super) const ALL: [TimeFormat; 6] = [
        TimeFormat::Auto,
        TimeFormat::DateTime,
        TimeFormat::Rfc3339,
        TimeFormat::Seconds,
        TimeFormat::Milliseconds,
        TimeFormat::Microseconds,
    ];

    /// What a file calls it.
    pub fn name(self) -> &'static str {
        match self {
            TimeFormat::Auto => "auto",
            TimeFormat::DateTime => "date-time",
            TimeFormat::Rfc3339 => "rfc3339",
            TimeFormat::Seconds => "seconds",
            TimeFormat::Milliseconds => "milliseconds",
            TimeFormat::Microseconds => "microseconds",
        }
    }
}

/// What is around the events in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing, or what can be told from an event by itself: [`Envelope::Payload`] and [`Envelope::ConfluentJson`].
    #[default]
    Auto,
    /// Nothing.
    None,
    /// An array, whose elements are the events; none if it is the record itself.
    Array(Option<Member>),
    /// An object of Kafka Connect's, with a member `schema` and the event in its member `payload`.
    Payload,
    /// A prefix of five bytes by which a schema registry identifies a schema.
    ConfluentJson,
}

impl Envelope {
    /// What a file calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Envelope::Auto => "auto",
            Envelope::None => "none",
            Envelope::Array(_) => "array",
            Envelope::Payload => "payload",
            Envelope::ConfluentJson => "confluent-json",
        }
    }
}
