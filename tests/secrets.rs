//! Secrets: a password goes out only as was asked for, and a file with one is nobody else's.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use crate::support::freshet::{Freshet, TIMEOUT};

/// A server without TLS that asks for the password in clear text; gives what it is told at the first connection.
fn eavesdropper() -> Result<(u16, thread::JoinHandle<Result<Vec<u8>>>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let heard = thread::spawn(move || {
        let (mut client, _) = listener.accept()?;
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut request = [0; 8];
        client.read_exact(&mut request)?;
        // No TLS here.
        client.write_all(b"N")?;
        let mut told = request.to_vec();
        client.read_to_end(&mut told)?;
        Ok(told)
    });
    Ok((port, heard))
}

#[test]
fn no_password_is_sent_without_requested_tls() -> Result<()> {
    for command in ["status", "bench --records 10 --runs 1"] {
        let (port, heard) = eavesdropper()?;
        let environment = [("PGPASSWORD", Path::new("s3cret")), ("PGSSLMODE", Path::new("verify-full"))];
        let arguments = format!("{command} --database-url postgres://keeper@127.0.0.1:{port}/shop");
        Freshet::start_in(&environment, &arguments)?.wait(TIMEOUT)?.exits_with(1)?;
        let told = heard.join().expect("a listener")?;
        // A request for TLS, and nothing after the answer that there is none.
        ensure!(told.len() == 8, "{command} tells {:?}", String::from_utf8_lossy(&told));
    }
    Ok(())
}

#[test]
fn a_variable_of_libpq_is_honoured_or_refused() -> Result<()> {
    let environment =
        [("PGHOST", Path::new("127.0.0.1")), ("PGPORT", Path::new("1")), ("PGDATABASE", Path::new("shop"))];
    Freshet::start_in(&environment, "status --database-url postgres://")?
        .wait(TIMEOUT)?
        .refuses_with(1, &["127.0.0.1:1/shop"])?;
    for (variable, value) in [("PGSERVICE", "shop"), ("PGSSLMODE", "perhaps"), ("PGREQUIREAUTH", "scram-sha-256")] {
        let environment = [(variable, Path::new(value))];
        let finished = Freshet::start_in(&environment, "status --database-url postgres://h/d")?.wait(TIMEOUT)?;
        let errors = finished.exits_with(2)?;
        ensure!(errors.contains(variable), "no word of {variable}: {errors}");
    }
    Ok(())
}

#[test]
fn a_secret_in_a_file_is_nobody_elses() -> Result<()> {
    let folder = TempDir::new()?;
    let file = folder.path().join("url");
    fs::write(&file, "postgres://me:s3cret@127.0.0.1:1/shop\n")?;
    let run = |mode, command| {
        fs::set_permissions(&file, Permissions::from_mode(mode))?;
        Freshet::start_in(&[("FRESHET_DATABASE_URL_FILE", &file)], command)?.wait(TIMEOUT)
    };
    // A subcommand, and one below a subcommand.
    for command in ["status", "report top-products"] {
        for mode in [0o666, 0o604, 0o620] {
            let errors = run(mode, command)?.exits_with(2)?;
            ensure!(errors.contains("chmod 600") && !errors.contains("s3cret"), "{command}, mode {mode:o}: {errors}");
        }
        for mode in [0o600, 0o440] {
            run(mode, command)?.refuses_with(1, &["127.0.0.1:1/shop"])?;
        }
    }
    Ok(())
}

#[test]
fn help_reads_no_secret() -> Result<()> {
    let folder = TempDir::new()?;
    let pipe = folder.path().join("pipe");
    ensure!(Command::new("mkfifo").arg(&pipe).status()?.success(), "no pipe");
    for file in [pipe.as_path(), Path::new("/no/such/file")] {
        let environment = [("FRESHET_DATABASE_URL_FILE", file), ("FRESHET_X_FILE", file)];
        for arguments in
            ["--help", "run --help", "help run", "report top-products -h", "--version", "man run", "completions bash"]
        {
            Freshet::start_in(&environment, arguments)?.wait(TIMEOUT)?.success()?;
        }
    }
    Ok(())
}
