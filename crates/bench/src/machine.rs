//! The machine, and what its processes have used, read from /proc; unknown on other systems than Linux.

use std::fs;

use postgres::Client;
use serde::Serialize;

/// What it was measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's model.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// The operating system's name and version.
    pub system: String,
    /// The load average of the minute before: the noise of the machine.
    pub load_before: Option<f64>,
}

impl Machine {
    /// This one.
    pub fn this() -> Machine {
        let model = field("/proc/cpuinfo", "model name");
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Machine {
            processor: model.unwrap_or_else(|| format!("unknown {} processor", std::env::consts::ARCH)),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field("/proc/meminfo", "MemTotal").and_then(|text| kilobytes(&text)),
            load_before: fs::read_to_string("/proc/loadavg").ok().and_then(|it| it.split(' ').next()?.parse().ok()),
            system: format!("{} {}", std::env::consts::OS, release.trim()).trim_end().to_owned(),
        }
    }
}

/// The most memory that a process has had resident so far, in bytes. None once it has ended.
pub(super) fn peak_memory(process: u32) -> Option<u64> {
    field(&format!("/proc/{process}/status"), "VmHWM").and_then(|text| kilobytes(&text))
}

/// The memory that a process has resident now, in bytes.
pub(super) fn memory(process: u32) -> Option<u64> {
    field(&format!("/proc/{process}/status"), "VmRSS").and_then(|text| kilobytes(&text))
}

/// Seconds of CPU, user's and system's, that a process has used so far.
pub(super) fn cpu(process: u32) -> Option<f64> {
    Stat::read(process).map(|stat| stat.own)
}

/// Seconds of CPU that a Postgres server has used so far, in all its processes, including those that ended. None if it is not
/// on this machine.
pub(super) fn postgres_cpu(client: &mut Client) -> Option<f64> {
    postgres_cpu_without(client, None)
}

/// The same without what one of its processes has used, such as the one that serves our own watcher.
pub(super) fn postgres_cpu_without(client: &mut Client, one: Option<u32>) -> Option<f64> {
    let parent = Stat::read(backend(client)?).filter(|stat| stat.name == "postgres")?.parent;
    let postmaster = Stat::read(parent).filter(|stat| stat.name == "postgres")?;
    let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let others = processes.filter(|process| Some(*process) != one).filter_map(Stat::read);
    let living: f64 = others.filter(|stat| stat.parent == parent).map(|stat| stat.own).sum();
    Some(postmaster.own + postmaster.of_ended_children + living)
}

/// The process that serves a session.
pub(super) fn backend(client: &mut Client) -> Option<u32> {
    client.query_one("SELECT pg_backend_pid()", &[]).ok()?.get::<_, i32>(0).try_into().ok()
}

/// The contents of `/proc/<process>/stat`.
struct Stat {
    name: String,
    parent: u32,
    /// Seconds of CPU.
    own: f64,
    of_ended_children: f64,
}

impl Stat {
    fn read(process: u32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name is in brackets, and may hold anything.
        let (before, after) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let seconds = |index: usize| Some(fields.get(index)?.parse::<f64>().ok()? / ticks);
        Some(Stat {
            name: before.split_once('(')?.1.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)? + seconds(12)?,
            of_ended_children: seconds(13)? + seconds(14)?,
        })
    }
}

/// The value of the first line `name: value`.
fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut values = text.lines().filter_map(|line| line.split_once(':'));
    values.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn kilobytes(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
