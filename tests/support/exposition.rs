//! Prometheus' text format, read strictly: every line must be what the format and its conventions ask for.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

/// What a scrape says.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Every sample, by its name and labels as they are written.
    pub samples: BTreeMap<String, f64>,
    /// The metrics with their types.
    pub types: BTreeMap<String, String>,
}

impl Exposition {
    pub fn parse(text: &str) -> Result<Exposition> {
        ensure!(text.ends_with('\n'), "the last line has no end");
        let (mut exposition, mut helped, mut open) = (Exposition::default(), BTreeSet::new(), None);
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').context("a HELP without a text")?;
                ensure!(help.len() > 10 && helped.insert(name.to_owned()), "a poor or second HELP: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').context("a TYPE without a type")?;
                ensure!(helped.contains(name), "a TYPE without a HELP before it: {line}");
                ensure!(is_good(name, kind), "a name against the conventions: {line}");
                ensure!(exposition.types.insert(name.into(), kind.into()).is_none(), "a second TYPE: {line}");
                open = Some((name.to_owned(), kind.to_owned()));
            } else {
                let (name, kind) = open.as_ref().context("a sample before any TYPE")?;
                exposition.take(line, name, kind)?;
            }
        }
        exposition.check_histograms()?;
        Ok(exposition)
    }

    fn take(&mut self, line: &str, name: &str, kind: &str) -> Result<()> {
        let (series, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
        let (sample, labels) = series.split_once('{').unwrap_or((series, "}"));
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        ensure!(suffixes.iter().any(|suffix| sample == format!("{name}{suffix}")), "{line} stands below {name}");
        let labels = labels.strip_suffix('}').with_context(|| format!("labels without an end: {line}"))?;
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (name, text) = label.split_once('=').with_context(|| format!("a label without a value: {line}"))?;
            ensure!(is_word(name) && text.len() > 2 && text.starts_with('"') && text.ends_with('"'), "{line}");
        }
        let value: f64 = value.parse().with_context(|| line.to_owned())?;
        ensure!(kind != "counter" || value >= 0.0, "a counter below 0: {line}");
        ensure!(self.samples.insert(series.into(), value).is_none(), "twice: {line}");
        Ok(())
    }

    /// Buckets only grow, and the last one has everything.
    fn check_histograms(&self) -> Result<()> {
        for (name, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for (series, count) in &self.samples {
                if let Some(bound) = series.strip_prefix(&format!("{name}_bucket{{le=\"")) {
                    let bound = bound.trim_end_matches("\"}").replace("+Inf", "inf");
                    buckets.push((bound.parse()?, *count));
                }
            }
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            ensure!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name}: {buckets:?}");
            let (bound, all) = *buckets.last().context("a histogram without buckets")?;
            ensure!(bound.is_infinite() && all == self.get(&format!("{name}_count"))?, "{name}: {buckets:?}");
        }
        Ok(())
    }

    /// A sample, by its name and labels.
    pub fn get(&self, series: &str) -> Result<f64> {
        match self.samples.get(series) {
            Some(value) => Ok(*value),
            None => bail!("there is no {series} among {:?}", self.samples.keys()),
        }
    }
}

fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') && !name.is_empty()
}

/// The conventions: counters end in `_total`, others do not; times and sizes are in seconds and bytes.
fn is_good(name: &str, kind: &str) -> bool {
    let scaled = ["_ms", "_milliseconds", "_micros", "_minutes", "_kb", "_kilobytes", "_mb", "_percent"];
    let prefix = name.starts_with("freshet_") || name.starts_with("process_");
    let known = matches!(kind, "counter" | "gauge" | "histogram");
    let time = kind != "histogram" || name.ends_with("_seconds") || name.ends_with("_bytes");
    let is_total = name.ends_with("_total") == (kind == "counter");
    is_word(name) && prefix && known && time && is_total && !scaled.iter().any(|suffix| name.contains(suffix))
}
