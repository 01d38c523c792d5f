//! A run whose metrics and health are asked.

use anyhow::{Context, Result, ensure};

use super::exposition::Exposition;
use super::freshet::{Freshet, TIMEOUT};
use super::http::{Answer, get};

/// A `freshet run` whose instruments can be read.
pub struct Instrumented {
    pub freshet: Freshet,
    url: String,
}

impl Instrumented {
    pub fn start(arguments: &str) -> Result<Instrumented> {
        let mut freshet = Freshet::start(&format!("{arguments} --http 127.0.0.1:0"))?;
        freshet.until_told("page: http://", TIMEOUT)?;
        let log = freshet.errors()?;
        let url =
            log.split_once("page: ").and_then(|(_, rest)| rest.split_whitespace().next()).context("an address")?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Instrumented { freshet, url })
    }

    pub fn get(&self, path: &str) -> Result<Answer> {
        get(&format!("{}{path}", self.url))
    }

    pub fn metrics(&self) -> Result<Exposition> {
        let answer = self.get("/metrics")?;
        ensure!(answer.status == 200 && answer.header("content-type").starts_with("text/plain"), "{answer:?}");
        Exposition::parse(&answer.text).with_context(|| answer.text)
    }

    /// Waits until a metric is this.
    pub fn until(&mut self, series: &str, value: f64) -> Result<Exposition> {
        self.until_text(&format!("{series} {value}"))?;
        self.metrics()
    }

    /// Waits until there is this line among the metrics.
    pub fn until_text(&mut self, line: &str) -> Result<()> {
        let Instrumented { freshet, url } = self;
        freshet.until(line, TIMEOUT, || Ok(get(&format!("{url}/metrics"))?.text.lines().any(|it| it == line)))
    }

    /// Waits until `/readyz` answers with this, and says this.
    pub fn until_ready(&mut self, status: u16, words: &str) -> Result<()> {
        let Instrumented { freshet, url } = self;
        freshet.until(&format!("{status} {words}"), TIMEOUT, || {
            let answer = get(&format!("{url}/readyz"))?;
            Ok(answer.status == status && answer.text.contains(words))
        })
    }
}
