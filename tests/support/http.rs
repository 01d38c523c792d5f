//! Asking the page's JSON.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::freshet::TIMEOUT;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text).with_context(|| self.text.clone())
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code of an error.
    pub fn code(&self) -> Result<String> {
        Ok(self.json()?["error"]["code"].as_str().with_context(|| self.text.clone())?.to_owned())
    }
}

/// Whatever the answer is.
pub fn get(url: &str) -> Result<Answer> {
    get_with(url, &[])
}

/// With further headers.
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Result<Answer> {
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let mut request = agent.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response = request.call()?;
    let text = response.body_mut().read_to_string()?;
    Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), text })
}

/// What is answered must be good.
pub fn get_json(url: &str) -> Result<Value> {
    let answer = get(url)?;
    ensure!(answer.status == 200, "{url}: {} {}", answer.status, answer.text);
    answer.json()
}

/// Server-sent events as they come.
pub struct Stream {
    lines: std::io::Lines<std::io::BufReader<ureq::BodyReader<'static>>>,
}

impl Stream {
    pub fn open(url: &str) -> Result<Stream> {
        use std::io::BufRead;
        let response = ureq::get(url).call()?;
        Ok(Stream { lines: std::io::BufReader::new(response.into_body().into_reader()).lines() })
    }

    /// Waits for an event of this name whose data is right.
    pub fn until(&mut self, name: &str, is_right: impl Fn(&Value) -> bool) -> Result<()> {
        let begin = Instant::now();
        loop {
            let (event, data) = self.next()?;
            if event == name && is_right(&data) {
                return Ok(());
            }
            ensure!(begin.elapsed() < TIMEOUT, "no such {name}; the last event is {event}: {data}");
        }
    }

    /// The next event's name and data.
    pub fn next(&mut self) -> Result<(String, Value)> {
        let mut name = String::new();
        loop {
            let line = self.lines.next().context("the stream has ended")??;
            if let Some(event) = line.strip_prefix("event: ") {
                name = event.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ").filter(|_| !name.is_empty()) {
                return Ok((name, serde_json::from_str(data).unwrap_or_else(|_| data.into())));
            }
        }
    }
}
