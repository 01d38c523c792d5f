//! Who may look at the page: by a password, by a proxy's word, in a frame, and below a path as docs/proxy.md has it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fantoccini::key::Key;
use freshet_embedded::free_port;
use serde_json::json;
use tempfile::TempDir;

use crate::support::browser::{Browser, require_browser, required};
use crate::support::file;
use crate::support::freshet::Freshet;
use crate::support::http::{get, get_with};
use crate::support::shop::Shop;

const PASSWORD: &str = "s3cret: one";
/// `me:s3cret: one`
const RIGHT: &str = "Basic bWU6czNjcmV0OiBvbmU=";
/// `me:s3cret: two`
const WRONG: &str = "Basic bWU6czNjcmV0OiB0d28=";

/// A file with this text and mode.
fn secret(folder: &TempDir, text: &str, mode: u32) -> Result<String> {
    let file = folder.path().join("password");
    fs::write(&file, text)?;
    fs::set_permissions(&file, Permissions::from_mode(mode))?;
    Ok(file.display().to_string())
}

#[test]
fn a_password_closes_everything_but_the_probes() -> Result<()> {
    let folder = TempDir::new()?;
    let file = secret(&folder, &format!("{PASSWORD}\n"), 0o600)?;
    let ops = free_port()?;
    let shop = Shop::open_at(&format!("127.0.0.1:0 --http-password-file {file}"))?;
    for path in ["/", "/page.js", "/api/status", "/api/live", "/api/reports/top-products", "/metrics"] {
        for headers in [vec![], vec![("Authorization", WRONG)]] {
            let answer = get_with(&format!("{}{path}", shop.url), &headers)?;
            assert_eq!((answer.status, answer.code()?.as_str()), (401, "password_needed"), "{path}");
            ensure!(answer.header("www-authenticate").starts_with("Basic realm="), "{path}: no browser would ask");
            ensure!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        }
        if path != "/api/live" {
            let answer = get_with(&format!("{}{path}", shop.url), &[("Authorization", RIGHT)])?;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        }
    }
    assert_eq!(
        (get(&format!("{}/healthz", shop.url))?.status, get(&format!("{}/readyz", shop.url))?.status),
        (200, 200)
    );
    ensure!(!shop.freshet.errors()?.contains("s3cret"), "the log has the password");
    // At an address of their own metrics are open, and not at the page's any more.
    let shop = Shop::open_at(&format!("127.0.0.1:0 --http-password-file {file} --http-ops 127.0.0.1:{ops}"))?;
    assert_eq!(get(&format!("http://127.0.0.1:{ops}/metrics"))?.status, 200);
    assert_eq!(get_with(&format!("{}/metrics", shop.url), &[("Authorization", RIGHT)])?.status, 404);
    Ok(())
}

#[test]
fn what_would_let_anybody_in_is_refused() -> Result<()> {
    let folder = TempDir::new()?;
    let run = "run --brokers 127.0.0.1:1 --topic views --database-url postgres://me@127.0.0.1:1/shop";
    for (text, mode, why) in [
        ("long enough", 0o644, "chmod 600"),
        ("long enough", 0o620, "chmod 600"),
        ("", 0o600, "at least 8 characters"),
        ("1234567\n", 0o600, "at least 8 characters"),
        ("first line\nsecond line\n", 0o600, "one line"),
    ] {
        let file = secret(&folder, text, mode)?;
        let errors = Freshet::run(&format!("{run} --http-password-file {file}"))?.exits_with(2)?;
        ensure!(
            errors.contains(why) && (text.is_empty() || !errors.contains(text)),
            "{text:?}, mode {mode:o}: {errors}"
        );
    }
    let file = secret(&folder, PASSWORD, 0o600)?;
    for (flags, why) in [
        ("--http 0.0.0.0:0 --http-trusted-header X-User", "a private address"),
        ("--http [::]:0 --http-trusted-header X-User", "a private address"),
        ("--http 203.0.113.7:80 --http-trusted-header X-User", "a private address"),
        ("--http-trusted-header Cookie", "every request has this header"),
        ("--http off --http-trusted-header X-User", "leaves no page"),
        (&format!("--http off --http-password-file {file}"), "leaves no page"),
        (&format!("--http-trusted-header X-User --http-password-file {file}"), "give one of them"),
        ("--http-frame-ancestors *", "expected self or a site"),
    ] {
        let errors = Freshet::run(&format!("{run} {flags}"))?.exits_with(2)?;
        ensure!(errors.contains(why), "{flags}: {errors}");
    }
    Ok(())
}

/// An nginx with these servers, of the machine.
struct Nginx {
    process: Child,
    _folder: TempDir,
}

impl Nginx {
    fn start(servers: &str, port: u16) -> Result<Nginx> {
        let folder = TempDir::new()?;
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.path().display()))
            .concat();
        fs::write(folder.path().join("users"), "analyst:{PLAIN}any-other\n")?;
        let users = folder.path().join("users").display().to_string();
        let servers = servers.replace("/etc/nginx/freshet.htpasswd", &users);
        let file = folder.path().join("nginx.conf");
        let settings = format!(
            "daemon off; master_process off; error_log stderr; pid {}/pid;\nevents {{}}\nhttp {{ access_log off;\n{temporary}{servers}}}\n",
            folder.path().display()
        );
        fs::write(&file, settings)?;
        let process =
            Command::new(nginx()).arg("-p").arg(folder.path()).arg("-c").arg(&file).stdin(Stdio::null()).spawn();
        let mut nginx = Nginx { process: process.context("nginx cannot be started")?, _folder: folder };
        let begin = Instant::now();
        while get(&format!("http://127.0.0.1:{port}/")).is_err() {
            ensure!(nginx.process.try_wait()?.is_none() && begin.elapsed() < Duration::from_secs(60), "no nginx");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where Debian has it, which is not on everybody's PATH, or wherever else it is.
fn nginx() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/nginx";
    if Path::new(DEBIAN).exists() { DEBIAN } else { "nginx" }
}

/// A browser, where there is also an nginx.
fn require_nginx() -> Option<Browser> {
    let version = Command::new(nginx()).arg("-v").output().context("nginx cannot be started");
    required("nginx", version).and_then(|_| require_browser())
}

/// What docs/proxy.md has for nginx, for the page at this address.
fn locations(pages: [&Shop; 2]) -> Result<String> {
    let docs = file("docs/proxy.md")?;
    let blocks: Vec<_> = docs.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    ensure!(blocks.len() == pages.len(), "docs/proxy.md has {} blocks for nginx", blocks.len());
    Ok(blocks.iter().zip(pages).map(|(block, page)| block.replace("http://127.0.0.1:8080", &page.url)).collect())
}

#[test]
fn nginx_serves_it_as_the_docs_say() -> Result<()> {
    let Some(browser) = require_nginx() else { return Ok(()) };
    let folder = TempDir::new()?;
    let file = secret(&folder, PASSWORD, 0o600)?;
    let below = Shop::open_at(&format!("127.0.0.1:0 --http-allowed-host stats.example --http-password-file {file}"))?;
    let users = Shop::open_at("127.0.0.1:0 --http-allowed-host stats.example --http-trusted-header X-Forwarded-User")?;
    let port = free_port()?;
    let locations = locations([&below, &users])?;
    let _nginx = Nginx::start(&format!("server {{ listen 127.0.0.1:{port};\n{locations}}}\n"), port)?;
    let (root, host) = (format!("http://127.0.0.1:{port}"), [("Host", "stats.example")]);

    assert_eq!(get_with(&users.url, &[("X-Forwarded-User", "")])?.code()?, "user_needed");
    assert_eq!(get_with(&root, &host)?.status, 401);
    // Whom nginx does not know says in vain who it is.
    assert_eq!(get_with(&root, &[host[0], ("X-Forwarded-User", "analyst")])?.status, 401);
    let analyst = format!("http://analyst:any-other@127.0.0.1:{port}");
    browser.open(&analyst)?;
    browser.until("document.body.dataset.state", "live")?;

    assert_eq!(get(&format!("{root}/stats"))?.code()?, "password_needed");
    browser.open(&format!("http://me:s3cret%3A%20one@localhost:{port}/stats/"))?;
    browser.until("document.body.dataset.state", "live")?;
    browser.until("document.querySelector('#top-products .views')?.textContent ?? null", "6")?;
    browser.until("document.querySelectorAll('#store-views [value=FR]').length", 1)?;
    browser.press("#top-products li:nth-child(2) button", Key::Enter)?;
    browser.until("location.pathname + location.search.slice(0, 9)", "/stats/?product=")?;
    let astray = "[...[...document.querySelectorAll('a')].map(it => it.href), ...performance.getEntriesByType('resource').map(it => it.name)].filter(it => !it.replace('me:s3cret%3A%20one@', '').startsWith(location.origin + '/stats/'))";
    browser.until(astray, json!([]))?;
    let complaints = browser.complaints()?;
    ensure!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    let description = get_with(&format!("{root}/stats/api/openapi.json"), &[("Authorization", RIGHT)])?;
    assert_eq!(description.json()?["servers"], json!([{"url": "/stats"}]));
    Ok(())
}

#[test]
fn only_a_listed_site_may_frame_it() -> Result<()> {
    let Some(browser) = require_nginx() else { return Ok(()) };
    let port = free_port()?;
    let shop = Shop::open_at(&format!("127.0.0.1:0 --http-frame-ancestors http://localhost:{port}"))?;
    let frame = format!("<title>Wiki</title><iframe src={}></iframe>", shop.url);
    let wiki = format!(
        "server {{ listen 127.0.0.1:{port}; location / {{ default_type text/html; return 200 '{frame}'; }} }}\n"
    );
    let _nginx = Nginx::start(&wiki, port)?;
    for (site, is_listed) in [("localhost", true), ("127.0.0.1", false)] {
        browser.open(&format!("http://{site}:{port}/"))?;
        browser.until("document.readyState", "complete")?;
        let complaints = browser.complaints()?.into_iter().filter(|line| !line.contains("favicon")).collect::<Vec<_>>();
        let is_refused = complaints.iter().any(|line| line.contains("frame-ancestors"));
        ensure!(is_refused != is_listed && (is_refused || complaints.is_empty()), "{site}: {complaints:#?}");
    }
    Ok(())
}
