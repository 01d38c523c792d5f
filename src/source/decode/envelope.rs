//! What is around the events in a record.

use dataflows::model::{Envelope, Model, Way};

use super::Reason;
use super::members::{Members, Place, Reader};
use super::paths::Paths;

/// How events are found in records.
#[derive(Debug)]
pub(super) struct Unwrapping {
    /// Whether the bytes of a schema registry are in front.
    registry: Presence,
    /// Whether a record is one of Kafka Connect's.
    connect: Presence,
    /// The slots of its members.
    schema: usize,
    payload: usize,
    /// Where the array of events is, if they are in one.
    pub array: Option<Array>,
}

/// Whether something is there.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Presence {
    Always,
    /// If it is detected.
    Perhaps,
    Never,
}

/// Where an array of events is.
#[derive(Debug)]
pub(super) struct Array {
    paths: Paths,
    /// None if it is the record.
    member: Option<(usize, String)>,
}

/// The members that a record of Kafka Connect's has.
const SCHEMA: &str = "schema";
const PAYLOAD: &str = "payload";
/// A zero and the number of a schema.
const REGISTRY_BYTES: usize = 5;

impl Unwrapping {
    /// That of a model, all of whose ways are known to `paths`.
    pub fn new(model: &Model, paths: &mut Paths) -> Unwrapping {
        let envelope = &model.event.envelope;
        let of = |one: &Envelope| match envelope {
            Envelope::Auto => Presence::Perhaps,
            other if other == one => Presence::Always,
            _ => Presence::Never,
        };
        let connect = match of(&Envelope::Payload) {
            // What a model reads itself stays where it is.
            Presence::Perhaps if paths.has(SCHEMA) || paths.has(PAYLOAD) => Presence::Never,
            presence => presence,
        };
        let mut slot = |name: &str| match connect {
            Presence::Never => 0,
            _ => paths.add(&Way { names: vec![name.into()], key: None }),
        };
        let (schema, payload) = (slot(SCHEMA), slot(PAYLOAD));
        let array = if let Envelope::Array(member) = envelope { Some(Array::new(member.as_ref())) } else { None };
        Unwrapping { registry: of(&Envelope::ConfluentJson), connect, schema, payload, array }
    }

    /// The text of a record.
    #[inline]
    pub fn record<'a>(&self, payload: &'a [u8]) -> Result<&'a str, Reason> {
        let payload = match (self.registry, payload) {
            (Presence::Always | Presence::Perhaps, [0, ..]) if payload.len() > REGISTRY_BYTES => {
                &payload[REGISTRY_BYTES..]
            }
            (_, []) => return Err(Reason::Empty),
            (Presence::Always, _) => return Err(Reason::NoRegistry),
            _ => payload,
        };
        simdutf8::basic::from_utf8(payload).map_err(|_| Reason::NotUtf8)
    }

    /// The members of the one event in a record.
    #[inline]
    pub fn members<'a, 's>(
        &self,
        record: &'a str,
        paths: &Paths,
        reader: &'s mut Reader,
    ) -> Result<Members<'a, 's>, Reason> {
        reader.read(record, paths)?;
        if self.connect != Presence::Never && (self.connect == Presence::Always || reader.place(self.payload).is_some())
        {
            self.enter(record, paths, reader)?;
        }
        Ok(reader.members(record))
    }

    /// Goes into an object of Kafka Connect's, which, where it is not declared, has the two members and no others.
    #[inline(never)]
    fn enter(&self, record: &str, paths: &Paths, reader: &mut Reader) -> Result<(), Reason> {
        let object = |place: &Place| record.as_bytes()[place.from] == b'{';
        let is_declared = self.connect == Presence::Always;
        match reader.place(self.payload).filter(object) {
            None if is_declared => Err(Reason::NoPayload),
            Some(payload)
                if is_declared || reader.place(self.schema).is_some() && reader.count(record, paths)? == 2 =>
            {
                reader.inside(record, payload, paths).map(drop)
            }
            _ => Ok(()),
        }
    }
}

impl Array {
    fn new(member: Option<&dataflows::model::Member>) -> Array {
        let mut paths = Paths::new();
        // The model has one way.
        let member = member.map(|member| (paths.add(&member.ways[0]), member.to_string()));
        Array { paths, member }
    }

    /// Where the events stand.
    pub fn events(&self, record: &str, reader: &mut Reader) -> Result<Vec<Place>, Reason> {
        let Some((slot, name)) = &self.member else { return reader.elements(record, record) };
        reader.read(record, &self.paths)?;
        let array = reader.place(*slot).map(|place| &record[place.from..place.end]);
        let array = array.filter(|array| array.starts_with('['));
        let array = array.ok_or_else(|| Reason::NoArray { member: Some(name.clone()) })?;
        reader.elements(record, array)
    }
}
