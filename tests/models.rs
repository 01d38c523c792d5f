//! The models that are built in, and the files that `freshet check` proposes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, ensure};
use dataflows::model::{Dimension, Model, ReadyMade, TableRows};
use freshet::source::decode::{Collections, Decoder, Outcome, Rules};
use freshet_generator::hostile::Fate;
use freshet_generator::shapes::hostile;
use freshet_generator::{Generator, Settings, Shape, Span};
use rdkafka::mocking::MockCluster;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::defaults::{decoded, rules};
use crate::support::freshet::{Freshet, TIMEOUT};
use crate::support::load::times;
use crate::support::topic::{Record, write};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

/// The shapes that are not the shop's.
fn shapes() -> impl Iterator<Item = Shape> {
    Shape::ALL.into_iter().filter(|shape| *shape != Shape::default())
}

/// A decoder by a model that is built in.
fn decoder(name: &str) -> Result<Decoder> {
    let model = Arc::new(ReadyMade::find(name).context("no model")?.model()?);
    Ok(Decoder::new(Rules { views: Collections::new(&model.event.views), model, ..rules() }))
}

/// No path of a model is wrong: each field is in some event of `tests/models`, which are written by hand after the vendor's
/// documentation; and none of these events is rejected.
#[test]
fn examples_have_every_field_of_a_model() -> Result<()> {
    for shape in shapes() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/models/{shape}.json"));
        let events: Vec<Value> = serde_json::from_str(&fs::read_to_string(file)?)?;
        let (model, mut decoder) =
            (ReadyMade::find(shape.name()).context("no model")?.model()?, decoder(shape.name())?);
        let (mut found, mut ignored) = (BTreeSet::new(), 0);
        for event in &events {
            decoded(&mut decoder, Some(event.to_string().as_bytes()), None, |outcome| match outcome {
                Outcome::Counted(event) => {
                    let has =
                        |place: &usize| event.fields[*place].as_ref().is_some_and(|it| it.to_string() != "Unknown");
                    found.extend((0..model.fields.len()).filter(has));
                    Ok(())
                }
                Outcome::Ignored(_) | Outcome::Bot | Outcome::Forgotten(_) => {
                    ignored += 1;
                    Ok(())
                }
                Outcome::Rejected(reason) => Err(anyhow!("{shape}: {reason}: {event}")),
            })?;
        }
        let missing =
            (0..model.fields.len()).filter(|place| !found.contains(place)).map(|place| &model.fields[place].name);
        let missing: Vec<_> = missing.collect();
        ensure!(missing.is_empty(), "{shape}: {missing:?} are in no example");
        ensure!(ignored == usize::from(shape != Shape::Nginx), "{shape}: {ignored} are ignored");
    }
    Ok(())
}

/// The generator's cases say what becomes of them, and the decoder does it.
#[test]
fn hostile_events_of_every_shape_have_their_fates() -> Result<()> {
    for shape in shapes() {
        let mut decoder = decoder(shape.name())?;
        let cases = hostile::cases(shape).count();
        for record in events(shape, 1.0).take(cases) {
            let name = record.case.context("an ordinary event")?;
            let case = hostile::cases(shape).find(|case| case.name == name).context("no case")?;
            let (payload, timestamp) = (record.payload.as_deref(), Some(record.sent * 1_000));
            let fate = decoded(&mut decoder, payload, timestamp, |outcome| match outcome {
                Outcome::Counted(_) => Fate::Counted,
                Outcome::Ignored(_) | Outcome::Bot | Outcome::Forgotten(_) => Fate::Ignored,
                Outcome::Rejected(_) => Fate::Rejected,
            });
            ensure!(fate == case.fate, "{shape}, {name}: {fate:?}: {}", text(record.payload.as_deref()));
        }
    }
    Ok(())
}

fn events(shape: Shape, hostile: f64) -> Generator {
    let start = chrono::NaiveDate::from_ymd_opt(2020, 6, 1).expect("a day");
    Generator::of_shape(
        shape,
        Settings { seed: 7, hostile, span: Span::Days { start, days: 3, events: events_wanted() } },
    )
}

/// How many events of each shape.
fn events_wanted() -> u64 {
    times(10_000, 100_000)
}

fn text(payload: Option<&[u8]>) -> String {
    String::from_utf8_lossy(payload.unwrap_or_default()).chars().take(2_000).collect()
}

/// The fields of a shape, as Postgres reads them from the raw JSON; those that a user agent says are left out.
fn raw_fields(shape: Shape) -> &'static [(&'static str, &'static str)] {
    match shape {
        Shape::Glamira => &[],
        Shape::Segment => &[
            ("kind", "event->>'type'"),
            ("moment", "(coalesce(event->>'timestamp', event->>'originalTimestamp'))::timestamptz"),
            ("page", "raw.path(coalesce(event#>>'{context,page,url}', event#>>'{properties,url}'))"),
            ("site", "raw.host(coalesce(event#>>'{context,page,url}', event#>>'{properties,url}'))"),
            ("referrer", "raw.host(coalesce(event#>>'{context,page,referrer}', event#>>'{properties,referrer}'))"),
            ("source", "lower(event#>>'{context,campaign,source}')"),
            ("campaign", "event#>>'{context,campaign,name}'"),
            ("locale", "coalesce(event#>>'{context,locale}', 'Unknown')"),
            ("action", "event->>'event'"),
        ],
        Shape::Snowplow => &[
            ("kind", "event->>'event'"),
            ("moment", "(coalesce(event->>'derived_tstamp', event->>'collector_tstamp'))::timestamptz"),
            ("page", "raw.path(event->>'page_url')"),
            ("site", "raw.host(event->>'page_url')"),
            ("country", "coalesce(event->>'geo_country', 'ZZ')"),
            ("referrer", "raw.host(event->>'page_referrer')"),
            ("medium", "coalesce(event->>'refr_medium', 'Unknown')"),
            ("source", "lower(event->>'mkt_source')"),
            ("campaign", "event->>'mkt_campaign'"),
            ("app", "coalesce(event->>'app_id', 'Unknown')"),
        ],
        Shape::Posthog => &[
            ("kind", "event->>'event'"),
            ("moment", "(event->>'timestamp')::timestamptz"),
            ("page", "raw.path(event#>>'{properties,$current_url}')"),
            ("site", "raw.host(event#>>'{properties,$current_url}')"),
            ("referrer", "lower(event#>>'{properties,$referring_domain}')"),
            ("country", "coalesce(event#>>'{properties,$geoip_country_code}', 'ZZ')"),
            ("source", "lower(event#>>'{properties,utm_source}')"),
            ("campaign", "event#>>'{properties,utm_campaign}'"),
            ("browser", "coalesce(event#>>'{properties,$browser}', 'Unknown')"),
            ("os", "coalesce(event#>>'{properties,$os}', 'Unknown')"),
            ("device", "coalesce(event#>>'{properties,$device_type}', 'Unknown')"),
        ],
        Shape::Ga4 => &[
            ("kind", "event->>'event_name'"),
            ("moment", "to_timestamp((event->>'event_timestamp')::numeric / 1000000)"),
            ("page", "raw.path(raw.param(event, 'page_location'))"),
            ("site", "raw.host(raw.param(event, 'page_location'))"),
            ("referrer", "raw.host(raw.param(event, 'page_referrer'))"),
            ("country", "coalesce(event#>>'{geo,country}', 'Unknown')"),
            (
                "source",
                "lower(coalesce(event#>>'{collected_traffic_source,manual_source}', event#>>'{traffic_source,source}'))",
            ),
            (
                "campaign",
                "coalesce(event#>>'{collected_traffic_source,manual_campaign_name}', event#>>'{traffic_source,name}')",
            ),
            ("browser", "coalesce(event#>>'{device,web_info,browser}', 'Unknown')"),
            ("os", "coalesce(event#>>'{device,operating_system}', 'Unknown')"),
            ("device", "coalesce(event#>>'{device,category}', 'Unknown')"),
        ],
        Shape::Nginx => &[
            ("kind", "''"),
            ("moment", "(event->>'time_iso8601')::timestamptz"),
            ("page", "event->>'uri'"),
            ("site", "coalesce(lower(event->>'host'), 'Unknown')"),
            ("status", "coalesce(event->>'status', 'Unknown')"),
            ("method", "coalesce(event->>'request_method', 'Unknown')"),
            ("referrer", "raw.host(event->>'http_referer')"),
        ],
    }
}

const RAW: &str = r#"SET TIME ZONE 'UTC'; CREATE SCHEMA raw; CREATE TABLE raw.events (event jsonb);
    CREATE FUNCTION raw.host(url text) RETURNS text LANGUAGE sql AS $$
        SELECT rtrim(lower(substring(url FROM '^[hH][tT][tT][pP][sS]?://([^/?#]+)')), '.') $$;
    CREATE FUNCTION raw.path(url text) RETURNS text LANGUAGE sql AS $$
        SELECT CASE WHEN raw.host(url) IS NOT NULL
            THEN coalesce(nullif(substring(url FROM '^[a-zA-Z]+://[^/?#]+([^?#]*)'), ''), '/') END $$;
    CREATE FUNCTION raw.param(event jsonb, name text) RETURNS text LANGUAGE sql AS $$
        SELECT param#>>'{value,string_value}' FROM jsonb_array_elements(event->'event_params') AS param
            WHERE param->>'key' = name LIMIT 1 $$;"#;

/// The raw events of a shape as a view of columns, which are null where a field has nothing.
fn raw_view(shape: Shape) -> String {
    let column = |(name, sql): &(&str, &str)| match *name {
        "moment" => format!("{sql} AS moment"),
        _ => format!("nullif({sql}, '') COLLATE \"C\" AS {name}"),
    };
    let columns: Vec<_> = raw_fields(shape).iter().map(column).collect();
    format!(
        "{RAW} CREATE VIEW raw.event AS SELECT *, moment::date AS day, extract(hour FROM moment)::smallint AS hour
            FROM (SELECT {} FROM raw.events) AS event",
        columns.join(", ")
    )
}

/// Of each table what it must hold by the raw events alone: a query for what it holds, and one for what it must. What a user
/// agent says is summed up in both.
fn queries(shape: Shape, model: &Model) -> Vec<(String, String)> {
    let known: Vec<_> = raw_fields(shape).iter().map(|(name, _)| *name).chain(["day", "hour"]).collect();
    let counted = |count: usize| {
        let count = &model.counts[count];
        let filter = &model.filters[count.filter];
        let texts = |texts: &[String]| texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", ");
        let types = filter.types.as_ref().unwrap_or(&model.event.views);
        let mut holds = vec![if types == &["all"] { "true".into() } else { format!("kind IN ({})", texts(types)) }];
        holds.extend(
            filter.fields.iter().map(|(field, values)| format!("{} IN ({})", model.fields[*field].name, texts(values))),
        );
        let by: Vec<_> =
            count.by.iter().map(|it| model.dimension_name(*it)).filter(|name| known.contains(name)).collect();
        holds.extend(by.iter().map(|name| format!("{name} IS NOT NULL")));
        let by = by.join(", ");
        let events =
            format!("SELECT {by}, count(*) AS views FROM raw.event WHERE {} GROUP BY {by}", holds.join(" AND "));
        (by, events)
    };
    let tables = model.tables.iter().filter_map(|table| match table.rows {
        TableRows::Count(count) => {
            let (by, events) = counted(count);
            Some((format!("SELECT {by}, sum(views)::bigint FROM {} GROUP BY {by}", table.name), events))
        }
        TableRows::Ranking(ranking) => {
            let ranking = &model.rankings[ranking];
            let name = |dimension: &Dimension| model.dimension_name(*dimension).to_owned();
            let (of, by) = (&model.fields[ranking.of].name, ranking.by.iter().map(name).collect::<Vec<_>>().join(", "));
            let (_, events) = counted(ranking.count);
            let ranked = format!(
                "SELECT {by}, row_number() OVER (PARTITION BY {by} ORDER BY sum(views) DESC, {of})::smallint AS rank, {of},
                    sum(views)::bigint AS views FROM ({events}) AS counted GROUP BY {by}, {of}"
            );
            let places = format!("SELECT * FROM ({ranked}) AS ranked WHERE rank <= {}", ranking.places);
            Some((format!("SELECT {by}, rank, {of}, views FROM {}", table.name), places))
        }
        TableRows::Members(_) => None,
    });
    tables.collect()
}

/// Events of a shape, 2 % of them hostile, through a kill: every table holds what Postgres itself counts in the raw JSON.
fn is_exact(shape: Shape) -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let (topic, mut database) = (new_topic(kafka, 4)?, Database::create()?);
    let model = ReadyMade::find(shape.name()).context("no model")?.model()?;
    database.client.batch_execute(&raw_view(shape))?;
    let records: Vec<_> = events(shape, 0.02).take(events_wanted() as usize).collect();
    let is_rejected = |name: &str| hostile::cases(shape).any(|case| case.name == name && case.fate == Fate::Rejected);
    let (rejected, others): (Vec<_>, Vec<_>) = records.iter().partition(|it| it.case.is_some_and(is_rejected));
    let json = others.iter().map(|it| text_of(it.payload.as_deref())).collect::<Result<Vec<_>>>()?;
    for json in json.chunks(1_000) {
        database.client.execute("INSERT INTO raw.events SELECT unnest($1::text[])::jsonb", &[&json])?;
    }
    let record = |(at, it): (usize, &freshet_generator::Record)| Record {
        partition: (at % 4) as i32,
        timestamp: Some(it.sent * 1_000),
        value: it.payload.clone(),
    };
    let written: Vec<_> = records.iter().enumerate().map(record).collect();
    let (before, after) = written.split_at(written.len() / 2);
    let arguments = format!("{} --reports {shape}", run_arguments(&kafka.brokers(), &topic, &database));
    write(&kafka.brokers(), &topic, before)?;
    let mut freshet = Freshet::start(&format!("{arguments} --workers 2"))?;
    freshet.until("it commits", TIMEOUT, || Ok(database.consumed()? > 0))?;
    freshet.kill()?;
    write(&kafka.brokers(), &topic, after)?;
    Freshet::run(&format!("{arguments} --until-end"))?.success()?;
    Freshet::run(&arguments.replacen("run", "verify", 1))?.success()?;
    let found = database.number("SELECT sum(rejected)::bigint FROM progress")?;
    ensure!(found == rejected.len() as i64, "{shape}: {found} were rejected, not {}", rejected.len());
    for (holds, must) in queries(shape, &model) {
        let differing =
            format!("SELECT count(*) FROM (({holds} EXCEPT ALL {must}) UNION ALL ({must} EXCEPT ALL {holds})) AS it");
        ensure!(database.number(&differing)? == 0, "{shape}: {holds} differs from {must}");
        ensure!(
            database.number(&format!("SELECT count(*) FROM ({holds}) AS it"))? > 0,
            "{shape}: {holds} gives no row"
        );
    }
    Ok(())
}

fn text_of(payload: Option<&[u8]>) -> Result<String> {
    Ok(String::from_utf8(payload.context("no value")?.to_vec())?)
}

#[test]
fn segment_is_exact_through_a_kill() -> Result<()> {
    is_exact(Shape::Segment)
}

#[test]
fn snowplow_is_exact_through_a_kill() -> Result<()> {
    is_exact(Shape::Snowplow)
}

#[test]
fn posthog_is_exact_through_a_kill() -> Result<()> {
    is_exact(Shape::Posthog)
}

#[test]
fn ga4_is_exact_through_a_kill() -> Result<()> {
    is_exact(Shape::Ga4)
}

#[test]
fn nginx_is_exact_through_a_kill() -> Result<()> {
    is_exact(Shape::Nginx)
}

/// A topic of any shape, and what `freshet check --propose` makes of it.
#[test]
fn what_is_proposed_counts_at_least_95_percent() -> Result<()> {
    let cluster = MockCluster::new(1)?;
    let (brokers, directory) = (cluster.bootstrap_servers(), TempDir::new()?);
    for shape in Shape::ALL {
        let topic = format!("{shape}_events");
        cluster.create_topic(&topic, 1, 1)?;
        let record = |it: freshet_generator::Record| Record {
            partition: 0,
            timestamp: Some(it.sent * 1_000),
            value: it.payload,
        };
        write(&brokers, &topic, &events(shape, 0.02).take(2_000).map(record).collect::<Vec<_>>())?;
        let file = directory.path().join(format!("{shape}.toml"));
        let topic = format!("check --brokers {brokers} --topic {topic}");
        Freshet::run(&format!("{topic} --propose {}", file.display()))?.success()?;
        let printed = Freshet::prints(&format!("{topic} --format json --reports {}", file.display()))?;
        let found: Value = serde_json::from_str(&printed)?;
        let share = found.pointer("/outcomes/0/share").and_then(Value::as_f64).context("no share")?;
        ensure!(share >= 0.95, "{shape}: {share}: {}", fs::read_to_string(&file)?);
        let best = found.pointer("/models/0/model").and_then(Value::as_str);
        ensure!(best == Some(shape.name()), "{shape}: the best model is {best:?}");
        Freshet::run(&format!("{topic} --propose {}", file.display()))?
            .refuses_with(1, &["--propose", "cannot be created"])?;
    }
    Ok(())
}

#[test]
fn a_model_is_found_by_its_name() -> Result<()> {
    let listed = Freshet::prints("models")?;
    ensure!(Shape::ALL.iter().all(|shape| listed.contains(shape.name())), "{listed}");
    let printed = Freshet::prints("models segment")?;
    ensure!(ReadyMade::find("segment").is_some_and(|model| model.text.trim_end() == printed.trim_end()), "{printed}");
    ensure!(Freshet::prints("schema --reports segment")?.contains("CREATE TABLE"), "no schema");
    Freshet::run("schema --reports segmnt")?.refuses_with(2, &["segmnt", "did you mean \"segment\""])?;
    Freshet::run("schema --reports ./segment")?.refuses_with(2, &["./segment", "cannot be read"]).map(drop)
}
