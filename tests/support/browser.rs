//! A real browser: headless Chromium, driven through its WebDriver.

use std::fmt::Debug;
use std::fs::Permissions;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use axum::http::Method;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use freshet_embedded::free_port;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use url::{ParseError, Url};

use super::freshet::TIMEOUT;
use super::http::get;
use super::until;

/// A browser with one page, gone when dropped.
pub struct Browser {
    client: Client,
    runtime: Runtime,
    driver: Child,
    _home: TempDir,
}

/// Chromium's own commands.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.1.to_string()))
    }
}

/// A browser, where there is one.
pub fn require_browser() -> Option<Browser> {
    required("Chromium and its driver", Browser::start())
}

/// What a test of the page needs. Where it cannot be had the test is skipped, by name, unless `FRESHET_REQUIRE_BROWSER=1` makes
/// that a failure.
pub fn required<T>(what: &str, found: Result<T>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(reason) if std::env::var("FRESHET_REQUIRE_BROWSER").as_deref() == Ok("1") => {
            panic!("no {what}: {reason:#}")
        }
        Err(reason) => {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or("a test");
            // Not eprintln!, which the test harness keeps to itself when the test passes.
            let _ = writeln!(std::io::stderr(), "skipped: {name} needs {what} ({reason:#})");
            None
        }
    }
}

impl Browser {
    fn start() -> Result<Browser> {
        let private = Permissions::from_mode(0o700);
        let (port, home) = (free_port()?, tempfile::Builder::new().permissions(private).tempdir()?);
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver cannot be started")?;
        let address = format!("http://127.0.0.1:{port}");
        until("chromedriver answers", || Ok(get(&format!("{address}/status")).is_ok()))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let profile = format!("--user-data-dir={}", home.path().display());
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--disable-dev-shm-usage",
            profile.as_str(),
        ];
        let capabilities = json!({"goog:chromeOptions": {"args": flags}, "goog:loggingPrefs": {"browser": "ALL"}});
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().cloned().context("an object")?);
        let client = runtime.block_on(builder.connect(&address))?;
        Ok(Browser { client, runtime, driver, _home: home })
    }

    fn wait<T>(&self, done: impl Future<Output = Result<T, CmdError>>) -> Result<T> {
        Ok(self.runtime.block_on(done)?)
    }

    pub fn open(&self, url: &str) -> Result<()> {
        self.wait(self.client.goto(url))
    }

    pub fn url(&self) -> Result<String> {
        Ok(self.wait(self.client.current_url())?.to_string())
    }

    pub fn back(&self) -> Result<()> {
        self.wait(self.client.back())
    }

    /// The value of an expression in the page.
    pub fn value(&self, expression: &str) -> Result<Value> {
        self.wait(self.client.execute(&format!("return {expression};"), Vec::new()))
    }

    /// Runs statements in the page.
    pub fn run(&self, statements: &str) -> Result<()> {
        self.wait(self.client.execute(statements, Vec::new())).map(drop)
    }

    /// Waits until an expression has this value.
    pub fn until(&self, expression: &str, expected: impl Into<Value>) -> Result<()> {
        let (begin, expected) = (Instant::now(), expected.into());
        loop {
            let found = self.value(expression)?;
            if found == expected {
                return Ok(());
            }
            if begin.elapsed() > TIMEOUT {
                bail!("{expression} is {found}, not {expected}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn click(&self, selector: &str) -> Result<()> {
        let element = self.wait(self.client.find(Locator::Css(selector))).with_context(|| selector.to_owned())?;
        self.wait(element.click()).with_context(|| selector.to_owned())
    }

    pub fn choose(&self, selector: &str, value: &str) -> Result<()> {
        let element = self.wait(self.client.find(Locator::Css(selector)))?;
        self.wait(element.select_by_value(value))
    }

    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.wait(self.client.find(Locator::Css(selector)))?;
        self.wait(element.send_keys(text))
    }

    /// Types in place of what an input holds.
    pub fn type_over(&self, selector: &str, text: &str) -> Result<()> {
        let all = format!("{}a{}", char::from(Key::Control), char::from(Key::Null));
        self.type_into(selector, &(all + text))
    }

    pub fn press(&self, selector: &str, key: Key) -> Result<()> {
        self.type_into(selector, &char::from(key).to_string())
    }

    /// A window of this size, on a machine whose colours are light or dark.
    pub fn appear(&self, width: u32, height: u32, colours: &str) -> Result<()> {
        self.appear_as(width, height, colours, false)
    }

    /// The same where somebody may have chosen colours for everything.
    pub fn appear_as(&self, width: u32, height: u32, colours: &str, is_forced: bool) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.chromium("Emulation.setDeviceMetricsOverride", size)?;
        let forced = if is_forced { "active" } else { "none" };
        let features =
            json!([{"name": "prefers-color-scheme", "value": colours}, {"name": "forced-colors", "value": forced}]);
        self.chromium("Emulation.setEmulatedMedia", json!({"features": features}))
    }

    /// Somebody has told their machine that nothing is to move, or nobody has.
    pub fn stand_still(&self, is_still: bool) -> Result<()> {
        let value = if is_still { "reduce" } else { "no-preference" };
        self.chromium(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-reduced-motion", "value": value}]}),
        )
    }

    /// As on paper.
    pub fn print(&self) -> Result<()> {
        self.chromium("Emulation.setEmulatedMedia", json!({"media": "print"}))
    }

    fn chromium(&self, command: &str, parameters: Value) -> Result<()> {
        let own = Own("goog/cdp/execute", json!({"cmd": command, "params": parameters}));
        self.wait(self.client.issue_cmd(own)).map(drop)
    }

    /// What the browser had to complain about since it was asked last.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let log = self.wait(self.client.issue_cmd(Own("se/log", json!({"type": "browser"}))))?;
        let lines = log.as_array().context("a log")?.iter();
        let wrong = lines.filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        Ok(wrong.map(|line| line["message"].to_string()).collect())
    }

    /// Saves what is seen, below `target`, to be looked at.
    pub fn picture(&self, name: &str) -> Result<PathBuf> {
        // What moves has arrived: nothing takes longer than its last animation.
        self.until("document.getAnimations().filter(it => it.playState === 'running').length", 0)?;
        let picture = self.wait(self.client.screenshot())?;
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
        std::fs::create_dir_all(&directory)?;
        let path = directory.join(format!("{name}.png"));
        std::fs::write(&path, picture)?;
        Ok(path)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser with the session.
        let _ = self.runtime.block_on(self.client.clone().close());
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
