//! What an epoch costs by the size of the state: as many products viewed, out of few and out of many. The cost should depend
//! on those that changed.

use std::time::Duration;

use anyhow::{Context, Result};
use freshet_generator::{self as events, Generator, Span};
use serde_json::{Value, json};

use super::catch_up::running;
use super::env::BenchEnv;
use super::fill::publisher;
use super::process::{Process, Program};
use super::report::Epochs;
use super::restart::until_consumed;
use super::{Settings, bar, machine};

/// Products that are viewed in an epoch, once each.
pub const CHANGED: u32 = 10_000;

/// Epochs that are measured.
const EPOCHS: u32 = 60;

/// Long enough for the views of an epoch to come in: they are sent when the one before is durable, so right after a tick.
const TICK_INTERVAL: Duration = Duration::from_millis(300);

/// Step from product to product: a prime, so that each is viewed, unless their number is a multiple of it, and neighbours are
/// not viewed together.
const STEP: u64 = 7_919;

/// How many records are published in all.
pub(super) fn records(products: u32) -> u64 {
    u64::from(products) + u64::from(EPOCHS * CHANGED)
}

/// Measures one program, with the first of the settings' workers.
pub(super) fn measure(settings: &Settings, products: u32, env: &BenchEnv, program: &Program) -> Result<Epochs> {
    let settings = &Settings { tick: Some(TICK_INTERVAL), ..settings.clone() };
    let workers = settings.first_workers()?;
    let name = format!("epochs_{products}_{}", program.name);
    let (topic, mut database) = (env.topic(&name, settings)?, env.database(&name)?);
    let mut publisher = publisher(settings, env, &topic, &[])?;
    let mut view = a_view(settings.seed)?;
    let mut turn = 0_u64;
    let mut publish = |views: u32| -> Result<usize> {
        for _ in 0..views {
            show(&mut view, turn * STEP % u64::from(products));
            turn += 1;
            publisher.send(Some(&serde_json::to_vec(&view)?))?;
        }
        publisher.finish()?;
        Ok(turn as usize)
    };

    let mut command = running(program, settings, env, &topic, workers);
    command.env("FRESHET_DATABASE_URL", &database.url);
    let published = publish(products)?;
    let mut process = Process::start(&mut command)?;
    let mut session = until_consumed(published, &mut process, || database.connect())?;
    session.batch_execute("CHECKPOINT").context("only a superuser may ask for a checkpoint")?;

    let mut used = |process: &Process| (machine::cpu(process.id()), machine::postgres_cpu(&mut database.server));
    let before = used(&process);
    let bar = bar(u64::from(EPOCHS), "changing 10,000 products {wide_bar} {pos}/{len} epochs, {eta} left")?;
    for _ in 0..EPOCHS {
        let published = publish(CHANGED)?;
        session = until_consumed(published, &mut process, || Ok(session))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let after = used(&process);
    process.stop()?;
    let of_one = |after: Option<f64>, before: Option<f64>| Some((after? - before?) * 1e3 / f64::from(EPOCHS));
    Ok(Epochs {
        program: program.name,
        workers,
        products,
        changed: CHANGED,
        epochs: EPOCHS,
        cpu_ms: of_one(after.0, before.0),
        postgres_cpu_ms: of_one(after.1, before.1),
    })
}

/// A generated event that is a view of a product, and happens now.
fn a_view(seed: u64) -> Result<Value> {
    let events = Generator::new(events::Settings { seed, hostile: 0.0, span: Span::Live });
    let mut events = events.filter_map(|record| serde_json::from_slice::<Value>(&record.payload?).ok());
    events.find(|event| event["collection"] == "view_product_detail").context("no view among the events")
}

/// Makes the event a view of this product, at the product's own address.
fn show(view: &mut Value, product: u64) {
    view["product_id"] = json!(product.to_string());
    view["current_url"] = json!(format!("https://www.glamira.de/glamira-ring-{product}.html?alloy=yellow-375"));
}
