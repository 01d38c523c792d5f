//! The Debian package in a Debian of its own: it is installed, its service started and stopped, and nothing is left behind.

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use freshet_embedded::{Postgres, free_port};
use postgres::{Client, NoTls};
use rdkafka::mocking::MockCluster;
use tempfile::TempDir;

use crate::support::shop::view;
use crate::support::topic::write;

/// Ends the Debian with what became of the script.
const UNIT: &str = "[Unit]
SuccessAction=exit-force
FailureAction=exit-force
FailureActionExitStatus=1
[Service]
Type=oneshot
ExecStart=/bin/bash /root/install.sh
StandardOutput=file:/root/log
StandardError=inherit
";

/// Runs a program to its end, which must be good.
fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Packs the program under test as `make dist` packs that of a release.
fn pack(package: &Path) -> Result<()> {
    let target = TempDir::new()?;
    let folder = target.path().join("dist");
    fs::create_dir(&folder)?;
    run(Command::new("strip").arg("-o").arg(folder.join("freshet")).arg(env!("CARGO_BIN_EXE_freshet")))?;
    let here = |program: &str| {
        let mut command = Command::new(program);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target.path());
        command
    };
    run(here("scripts/stage.sh").arg(&folder))?;
    run(here("cargo").args(["deb", "--no-build", "--fast", "--output"]).arg(package))
}

/// Debian stable with systemd, in a directory; what it was made of stays known to its apt.
fn debian(root: &Path) -> Result<()> {
    let mut make = Command::new("mmdebstrap");
    make.args(["--variant=apt", "--include=ca-certificates,systemd", "--skip=cleanup/apt/lists"]);
    // A mirror may be a snapshot of long ago.
    make.arg("--aptopt=Acquire::Check-Valid-Until \"false\"").arg("stable").arg(root);
    run(&mut make)
}

#[test]
fn it_installs_starts_stops_and_leaves_nothing() -> Result<()> {
    if env::var("FRESHET_TRY_PACKAGE").as_deref() != Ok("1") {
        // Not eprintln!, which the test harness keeps to itself when the test passes.
        writeln!(std::io::stderr(), "skipped: the Debian package; `make package` tries it, as root")?;
        return Ok(());
    }
    let server = Postgres::start_with(&[("listen_addresses", "127.0.0.1"), ("fsync", "off")])?;
    let mut client = Client::connect(&server.url(), NoTls)?;
    client.batch_execute("CREATE ROLE freshet LOGIN PASSWORD 'secret'")?;
    client.batch_execute("CREATE DATABASE freshet OWNER freshet")?;
    let cluster = MockCluster::new(1)?;
    cluster.create_topic("views", 1, 1)?;
    write(&cluster.bootstrap_servers(), "views", &vec![view(4, 8, "85", "6", "de", ""); 10])?;

    let directory = TempDir::new()?;
    let root = directory.path().join("debian");
    debian(&root)?;
    let home = root.join("root");
    pack(&home.join("freshet.deb"))?;
    let settings = [
        ("BROKERS", cluster.bootstrap_servers()),
        ("TOPIC", "views".into()),
        ("REPORTS", "/usr/share/freshet/reports/glamira.toml".into()),
        ("DATABASE_URL", format!("postgres://freshet:secret@127.0.0.1:{}/freshet", server.port())),
        ("HTTP", format!("127.0.0.1:{}", free_port()?)),
    ];
    let settings: String = settings.iter().map(|(name, value)| format!("FRESHET_{name}={value}\n")).collect();
    fs::write(home.join("freshet.env"), settings)?;
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/package/install.sh"), home.join("install.sh"))?;
    let units = root.join("etc/systemd/system");
    fs::write(units.join("install.service"), UNIT)?;
    symlink("../install.service", units.join("multi-user.target.wants/install.service"))?;

    // The network is that of this machine.
    let mut boot = Command::new("systemd-nspawn");
    boot.args(["--quiet", "--boot", "--register=no", "--keep-unit", "--directory"]).arg(&root);
    run(&mut boot).with_context(|| fs::read_to_string(home.join("log")).unwrap_or_default())?;
    let mut client = Client::connect(&server.url_of("freshet"), NoTls)?;
    let views: i64 = client.query_one("SELECT views FROM country_views WHERE country = 'DE'", &[])?.get(0);
    ensure!(views == 10, "the service counted {views}");
    Ok(())
}
