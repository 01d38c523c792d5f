//! TLS and passwords, to Postgres and to Kafka, with certificates made here and secrets that come from files.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use freshet_embedded::{Guard, Kafka, Postgres};
use postgres::Client;
use tempfile::NamedTempFile;

use crate::support::freshet::{Finished, Freshet, TIMEOUT};
use crate::support::topic::{Record, write as write_records};
use crate::support::{Database, new_topic, require_kafka, run_arguments};

/// Writes a file that belongs to the server, and to nobody else, as it demands of a key.
fn write(client: &mut Client, name: &str, pem: &str) -> Result<()> {
    let lines: Vec<_> = pem.lines().map(|line| format!("('{line}')")).collect();
    Ok(client.batch_execute(&format!("COPY (VALUES {}) TO PROGRAM 'umask 077; cat > {name}'", lines.join(", ")))?)
}

/// Turns TLS on, with a certificate that the server has made for itself; returns that.
fn with_tls(server: &mut Postgres) -> Result<NamedTempFile> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let mut client = Client::connect(&server.url(), postgres::NoTls)?;
    write(&mut client, "server.crt", &made.cert.pem())?;
    write(&mut client, "server.key", &made.signing_key.serialize_pem())?;
    client.batch_execute("ALTER SYSTEM SET ssl = on")?;
    server.restart()?;
    file(&made.cert.pem())
}

/// A file with this text that nobody else may read.
fn file(text: &str) -> Result<NamedTempFile> {
    let file = NamedTempFile::new()?;
    std::fs::write(file.path(), text)?;
    Ok(file)
}

/// A password that nobody can know.
fn password() -> String {
    format!("s3:cret{:032x}", rand::random::<u128>())
}

/// A server that also listens on 127.0.0.1.
fn listening() -> Result<Postgres> {
    Postgres::start_with(&[("listen_addresses", "127.0.0.1")])
}

/// A database whose URL is that of a user with this password, by TCP.
fn database_of_keeper(server: &Postgres, password: &str) -> Result<Database> {
    let mut database = Database::create_in(server)?;
    database.client.batch_execute(&format!(
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '{password}'"
    ))?;
    let name = database.url.rsplit('/').next().context("no database")?;
    database.url = format!("postgres://keeper@127.0.0.1:{}/{name}", server.port());
    Ok(database)
}

#[test]
fn postgres_is_reached_by_tls() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 1)?;
    let (mut server, password) = (listening()?, password());
    let certificate = with_tls(&mut server)?;
    let mut database = database_of_keeper(&server, &password)?;
    let passwords = file(&format!("*:*:*:*:{}\n", password.replace(':', "\\:")))?;
    let run = |arguments: &str, more: &[(&str, &Path)]| {
        Freshet::start_in(&[&[("PGPASSFILE", passwords.path())], more].concat(), arguments)
    };

    let mut freshet = run(&run_arguments(&kafka.brokers(), &topic, &database), &[])?;
    freshet.until("it is at work", TIMEOUT, || Ok(database.partitions()? == 1))?;
    let query = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'freshet %'";
    let encrypted: Option<bool> = database.client.query_one(query, &[])?.get(0);
    assert_eq!(encrypted, Some(true));
    freshet.terminate()?.success()?;

    database.url += "?sslmode=require";
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    run(&arguments, &[])?.wait(TIMEOUT)?.refuses_with(1, &["certificate"])?;
    run(&arguments, &[("SSL_CERT_FILE", certificate.path())])?.wait(TIMEOUT)?.success()?;

    database.url =
        database.url.replace("=require", &format!("=verify-full&sslrootcert={}", certificate.path().display()));
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    run(&arguments, &[])?.wait(TIMEOUT)?.success()
}

#[test]
fn a_password_comes_from_a_file() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 1)?;
    let (server, password) = (listening()?, password());
    let database = database_of_keeper(&server, &password)?;
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    let run = |variable, file: &Path| Freshet::start_in(&[(variable, file)], &arguments)?.wait(TIMEOUT);

    let passwords = file(&format!("127.0.0.1:{}:*:keeper:{}\n", server.port(), password.replace(':', "\\:")))?;
    run("PGPASSFILE", passwords.path())?.success()?;
    let wrong = file("*:*:*:keeper:wr0ng\n")?;
    must_not_tell(run("PGPASSFILE", wrong.path())?, &["keeper", "--database-url"], "wr0ng")?;
    std::fs::set_permissions(passwords.path(), Permissions::from_mode(0o644))?;
    run("PGPASSFILE", passwords.path())?.refuses_with(1, &["password"])?;

    let secret =
        file(&format!("{}\n", database.url.replace("keeper@", &format!("keeper:{}@", password.replace(':', "%3A")))))?;
    let arguments = format!("run --brokers {} --topic {topic} --until-end", kafka.brokers());
    let run = |variable, file: &Path| Freshet::start_in(&[(variable, file)], &arguments)?.wait(TIMEOUT);
    run("FRESHET_DATABASE_URL_FILE", secret.path())?.success()?;
    let errors = run("FRESHET_DATABASE_URL_FILE", Path::new("/no/such/file"))?.exits_with(2)?;
    ensure!(errors.contains("FRESHET_DATABASE_URL_FILE"), "no word of the file:\n{errors}");
    Ok(())
}

/// It must refuse with one sentence that has these words, and never say the secret.
fn must_not_tell(finished: Finished, words: &[&str], secret: &str) -> Result<()> {
    ensure!(!finished.errors.contains(secret), "a secret is shown:\n{}", finished.errors);
    finished.refuses_with(1, words)
}

#[test]
fn kafka_is_reached_by_tls_and_password() -> Result<()> {
    let Some(_) = require_kafka() else { return Ok(()) };
    let home = std::env::var_os("FRESHET_KAFKA_HOME").context("no Kafka")?;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let authority = file(&certificate)?;
    let (user, password) = ("keeper".to_owned(), "s3cret".to_owned());
    let kafka = Kafka::start_guarded(Path::new(&home), Guard { certificate, key, user, password })?;
    let topic = new_topic(&kafka, 1)?;
    let event = r#"{"collection":"view_product_detail","local_time":"2020-06-04 08:15:27"}"#;
    write_records(&kafka.brokers(), &topic, &vec![Record::new(0, event); 10])?;
    let guarded = kafka.guarded_brokers().context("it listens for nobody")?;
    let run = |mechanism: &str, password: &str, more: &str| -> Result<(Finished, Database)> {
        let database = Database::create()?;
        let login = format!("sasl.mechanism={mechanism}\nsasl.username=keeper\nsasl.password={password}\n{more}");
        let properties = file(&format!("security.protocol=SASL_SSL\n{login}\n"))?;
        let arguments = format!("{} --until-end", run_arguments(&guarded, &topic, &database));
        let run = Freshet::start_in(&[("FRESHET_X_FILE", properties.path())], &arguments)?;
        Ok((run.wait(TIMEOUT)?, database))
    };
    let trusted = format!("ssl.ca.location={}", authority.path().display());
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let (finished, mut database) = run(mechanism, "s3cret", &trusted)?;
        finished.success()?;
        ensure!(database.consumed()? == 10, "not all was read by {mechanism}");
    }
    must_not_tell(run("PLAIN", "wr0ng", &trusted)?.0, &["authentication"], "wr0ng")?;
    must_not_tell(run("PLAIN", "s3cret", "")?.0, &["certificate"], "s3cret")
}
