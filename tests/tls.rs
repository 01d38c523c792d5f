//! TLS to Postgres: used where the server has it, and with `sslmode=require` only with a server that can show who it is.

mod support;

use ::freshet::embedded::Postgres;
use anyhow::Result;
use postgres::Client;
use tempfile::NamedTempFile;

use support::freshet::{Freshet, PATIENCE};
use support::{Database, new_topic, require_kafka, run_arguments};

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
    let certificate = NamedTempFile::new()?;
    std::fs::write(certificate.path(), made.cert.pem())?;
    Ok(certificate)
}

#[test]
fn postgres_is_reached_by_tls() -> Result<()> {
    let Some(kafka) = require_kafka() else { return Ok(()) };
    let topic = new_topic(kafka, 1)?;
    let mut server = Postgres::start()?;
    let certificate = with_tls(&mut server)?;
    let mut database = Database::create_in(&server)?;

    let mut freshet = Freshet::start(&run_arguments(&kafka.brokers(), &topic, &database))?;
    freshet.until("it is at work", PATIENCE, || Ok(database.partitions()? == 1))?;
    let query =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'freshet'";
    let encrypted: Option<bool> = database.client.query_one(query, &[])?.get(0);
    assert_eq!(encrypted, Some(true));
    freshet.terminate()?.success()?;

    database.url += "?sslmode=require";
    let arguments = format!("{} --until-end", run_arguments(&kafka.brokers(), &topic, &database));
    Freshet::run(&arguments)?.refuses_with(1, &["certificate"])?;
    let authorities = [("SSL_CERT_FILE", certificate.path())];
    Freshet::start_in(&authorities, &arguments)?.wait(PATIENCE)?.success()
}
