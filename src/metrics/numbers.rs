//! The metrics by name: `freshet_…` in base units, and the process's own.

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, Result,
};

use crate::batch::Totals;
use crate::source::decode::TimeSources;

/// Buckets in seconds. Older records were not read at once, which `freshet_lag_seconds` shows.
const FRESHNESS: [f64; 14] = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];
const COMMIT: [f64; 12] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const LAG_RECORDS: &str = "Offsets between the tables and the end of what can be read of a partition; NaN if unknown";
const LAG_UNCOMMITTED_RECORDS: &str =
    "Offsets of a partition that cannot be read yet because a transaction is open; NaN if unknown";
const LAG_SECONDS: &str = "How long the oldest record that the tables do not include has waited, at most; 0 if there is \
                           none, NaN if unknown";
const LAST_COMMIT: &str = "Time of this run's last commit, in seconds since 1970; NaN before the first";
const NEWEST_RECORD: &str =
    "Kafka timestamp of the newest record that the tables include, in seconds since 1970; NaN if there is none";

const RECORDS: &str = "Records read since the start that the tables include, by outcome: ";

/// All of them, and where they are registered.
pub(super) struct Numbers {
    pub registry: Registry,
    pub rows: IntCounterVec,
    pub freshness: Histogram,
    pub commit: Histogram,
    pub epochs_in_flight: IntGauge,
    pub state_keys: IntGaugeVec,
    pub lag_records: GaugeVec,
    pub lag_uncommitted_records: GaugeVec,
    pub lag_seconds: Gauge,
    pub last_commit: Gauge,
    pub newest_record: Gauge,
    pub owner: IntGauge,
    pub postgres_up: IntGauge,
    pub kafka_up: IntGauge,
    pub notices_lost: IntCounter,
    pub rewinds: IntCounter,
    pub rejected: IntCounterVec,
    pub rejected_only_counted: IntCounter,
    pub rejected_rows: IntGauge,
    pub sent_bytes: IntCounter,
    records: IntCounterVec,
    event_times: IntCounterVec,
}

impl Numbers {
    pub fn new() -> Result<Numbers> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let build_info = IntGaugeVec::new(opts("build_info", "The version of Freshet; always 1"), &["version"])?;
        add(&registry, build_info)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let opts = HistogramOpts::new(format!("freshet_{name}"), help).buckets(buckets.to_vec());
            add(&registry, Histogram::with_opts(opts)?)
        };
        let gauge = |name: &str, help: &str| add(&registry, IntGauge::with_opts(opts(name, help))?);
        let gauges =
            |name: &str, help: &str, label: &str| add(&registry, IntGaugeVec::new(opts(name, help), &[label])?);
        let counters =
            |name: &str, help: &str, label: &str| add(&registry, IntCounterVec::new(opts(name, help), &[label])?);
        let counter = |name: &str, help: &str| add(&registry, IntCounter::with_opts(opts(name, help))?);
        let real = |name: &str, help: &str| add(&registry, Gauge::with_opts(opts(name, help))?);
        let by_partition = |name: &str, help: &str| add(&registry, GaugeVec::new(opts(name, help), &["partition"])?);
        let numbers = Numbers {
            rows: counters("rows_written_total", "Rows written to a table", "table")?,
            freshness: histogram(
                "freshness_seconds",
                "Age of the newest record of a partition when it was committed, by its Kafka timestamp",
                &FRESHNESS,
            )?,
            commit: histogram("commit_seconds", "Duration of a transaction", &COMMIT)?,
            epochs_in_flight: gauge("epochs_in_flight", "Closed epochs that are not durable yet")?,
            state_keys: gauges("state_keys", "Counted keys held in memory, by table", "table")?,
            lag_records: by_partition("lag_records", LAG_RECORDS)?,
            lag_uncommitted_records: by_partition("lag_uncommitted_records", LAG_UNCOMMITTED_RECORDS)?,
            lag_seconds: real("lag_seconds", LAG_SECONDS)?,
            last_commit: real("last_commit_timestamp_seconds", LAST_COMMIT)?,
            newest_record: real("newest_record_timestamp_seconds", NEWEST_RECORD)?,
            owner: gauge("owner", "1 if this instance owns the tables, 0 on a standby")?,
            postgres_up: gauge("postgres_up", "1 if Postgres accepts work")?,
            kafka_up: gauge("kafka_up", "1 if the broker of every partition answers")?,
            notices_lost: counter(
                "notices_lost_total",
                "Commits without a notification, because Postgres's notification queue was full",
            )?,
            rewinds: counter("rewinds_total", "How often Postgres lost commits and the tables were read again")?,
            rejected: counters(
                "rejected_records_total",
                "Records rejected since the start, by reason: those of docs/records.md, with the model's fields",
                "reason",
            )?,
            rejected_only_counted: counter(
                "rejected_only_counted_total",
                "Rejected records without a row because rejected_records was full, since the start",
            )?,
            rejected_rows: gauge("rejected_rows", "Rows of rejected_records")?,
            sent_bytes: counter("sent_bytes_total", "Bytes sent to the other processes of the cluster")?,
            records: counters("records_total", &(RECORDS.to_owned() + &Totals::OUTCOMES.join(", ")), "outcome")?,
            event_times: counters(
                "event_times_total",
                "Events read since the start whose time was asked for, by the member that said it: local_time, time_stamp",
                "member",
            )?,
            registry: registry.clone(),
        };
        numbers.last_commit.set(f64::NAN);
        // The rate of an outcome that never occurred is 0, not absent.
        numbers.count(Totals::default(), Totals::default());
        numbers.count_times(TimeSources::default());
        Ok(numbers)
    }

    /// Adds the outcomes of records between two moments.
    pub fn count(&self, before: Totals, after: Totals) {
        for (outcome, (after, before)) in Totals::OUTCOMES.iter().zip(after.values().into_iter().zip(before.values())) {
            // A counted event may turn out to be a copy, and a counter cannot decrease.
            let more = u64::try_from(after - before).unwrap_or_default();
            self.records.with_label_values(&[outcome]).inc_by(more);
        }
    }

    /// Adds how many events had their time from which member.
    pub fn count_times(&self, more: TimeSources) {
        self.event_times.with_label_values(&["local_time"]).inc_by(more.local_time);
        self.event_times.with_label_values(&["time_stamp"]).inc_by(more.time_stamp);
    }

    /// All records that were counted so.
    pub fn records(&self) -> u64 {
        Totals::OUTCOMES.iter().map(|outcome| self.records.with_label_values(&[outcome]).get()).sum()
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("freshet_{name}"), help)
}

fn add<M: Collector + Clone + 'static>(registry: &Registry, metric: M) -> Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
