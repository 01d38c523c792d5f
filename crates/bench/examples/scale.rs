//! What Freshet needs for a number of records per second: a model, fitted to measurements. `docs/scale.md` explains it.
//!
//! ```text
//! cargo run -p freshet-bench --example scale
//! ```

/// The measurements, which docs/scale.md describes.
struct Measured {
    /// CPU per record in one worker, in seconds.
    cpu: f64,
    /// Bytes of a record in the topic.
    record_bytes: f64,
    /// Bytes that are sent per record, by the number of processes.
    sent_bytes: [(f64, f64); 2],
    /// Numbers of records, few and many, and the rows that they changed.
    rows: [(f64, f64); 2],
    /// Time of the writer and of Postgres per row, over one connection, in seconds.
    row: f64,
}

const MEASURED: Measured = Measured {
    cpu: 5.2e-6,
    record_bytes: 877.0,
    sent_bytes: [(2.0, 111.3), (3.0, 164.2)],
    rows: [(5e4, 9.1e4), (1e6, 8.9e5)],
    row: 3.3e-6,
};

/// Share of a core that a worker may use.
const UTILISATION: f64 = 0.7;
/// Cores of a machine.
const CORES: f64 = 16.0;
/// The shortest epoch, in seconds: `--tick`.
const TICK: f64 = 0.025;
/// Counts that change within an hour.
const LIVE: [f64; 3] = [1e5, 1e6, 1e7];
const RATES: [f64; 5] = [1e4, 1e5, 1e6, 1e7, 1e8];

impl Measured {
    /// Workers that read and count this many records per second.
    fn workers(&self, rate: f64) -> f64 {
        (rate * self.cpu / UTILISATION).ceil()
    }

    /// Bytes that are sent per record: each process is equally likely to count what one reads.
    fn sent(&self, processes: f64) -> f64 {
        let elsewhere = |processes: f64| 1.0 - 1.0 / processes;
        let all = self.sent_bytes.map(|(processes, bytes)| bytes / elsewhere(processes));
        all.iter().sum::<f64>() / all.len() as f64 * elsewhere(processes)
    }

    /// Rows that an epoch of this many records changes: a power of their number, as the words of a text (Heaps' law), up to all
    /// counts that change at all.
    fn rows(&self, records: f64, live: f64) -> f64 {
        let [(few, of_few), (many, of_many)] = self.rows;
        let exponent = (of_many / of_few).ln() / (many / few).ln();
        (of_few * (records / few).powf(exponent)).min(live)
    }

    /// The shortest epoch whose rows one connection writes before the next one closes, in seconds.
    fn tick(&self, rate: f64, live: f64) -> f64 {
        let mut tick = TICK;
        // While it is too short for the rows that it changes.
        while self.rows(rate * tick, live) * self.row > tick {
            tick *= 1.01;
        }
        tick
    }
}

/// The table of docs/scale.md.
pub fn table() -> String {
    let mut table = String::from(
        "| records/s | workers | machines | MB/s from Kafka to each | MB/s from each to others | epoch in s, 100,000 counts | 1 million | 10 million |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for rate in RATES {
        let workers = MEASURED.workers(rate);
        let machines = (workers / CORES).ceil();
        let of_each = |bytes: f64| rate * bytes / machines / 1e6;
        let [read, sent] = [MEASURED.record_bytes, MEASURED.sent(machines)].map(of_each);
        let ticks = LIVE.map(|live| format!("{:.3}", MEASURED.tick(rate, live))).join(" | ");
        table += &format!("| {rate} | {workers} | {machines} | {read:.0} | {sent:.0} | {ticks} |\n");
    }
    table
}

#[allow(dead_code, reason = "the tests want the table alone")]
fn main() {
    print!("{}", table());
}
