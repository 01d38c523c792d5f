//! A small topic whose reports are known, and the page over it.

use anyhow::{Context, Result, ensure};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use super::freshet::{Freshet, TIMEOUT};
use super::topic::{Record, write};
use super::{Database, postgres, run_arguments};
use freshet_embedded::Postgres;

/// A careless page would run this, and a careless table lose its columns.
pub const HOSTILE_REFERRER: &str = "https://a.example/?q=<script>document.title='owned'</script>&x=\"'";
pub const HOSTILE_PRODUCT: &str = "9,\"1\"<img src=x onerror=document.title='owned'>";
pub const HOSTILE_NAME: &str = "glamira pendant <img src=x onerror=document.title='owned'>";
/// One without a shop's `www.`, longer than a panel is wide.
pub const LONG_REFERRER: &str =
    "https://www.search.example/a/very/long/way/that/nobody/reads/to/its/end?session=0123456789abcdef&page=1";

/// A view of the hour of a day in June 2020.
pub fn view(day: u32, hour: u32, product: &str, store: &str, domain: &str, referrer: &str) -> Record {
    let event = serde_json::json!({
        "collection": "view_product_detail", "local_time": format!("2020-06-0{day} {hour}:15:27"), "product_id": product,
        "store_id": store, "current_url": format!("https://www.example.{domain}/"), "referrer_url": referrer,
        "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0.4103.61 Safari/537.36",
    });
    Record::new(0, event.to_string())
}

/// Ten views on two days.
fn records() -> Vec<Record> {
    [
        vec![view(4, 8, "85", "6", "de", LONG_REFERRER); 4],
        vec![view(4, 23, "85", "6", "de", HOSTILE_REFERRER); 2],
        vec![view(4, 9, HOSTILE_PRODUCT, "12", "fr", ""); 3],
        vec![view(3, 8, "7", "39", "de", ""); 1],
    ]
    .concat()
}

/// A broker with the topic, its tables, and `freshet run` with a page.
pub struct Shop {
    pub freshet: Freshet,
    pub database: Database,
    /// The page's address, without a slash at its end.
    pub url: String,
    cluster: MockCluster<'static, DefaultProducerContext>,
}

const TOPIC: &str = "views";

impl Shop {
    /// Open, and everything that was in the topic is in the tables.
    pub fn open() -> Result<Shop> {
        Shop::open_with(&records(), postgres())
    }

    /// The same with other records, in a server that the test may do harm to.
    pub fn open_with(records: &[Record], server: &Postgres) -> Result<Shop> {
        Shop::build(records, server, "127.0.0.1:0")
    }

    /// With its page at another address, behind which further flags may stand.
    pub fn open_at(address: &str) -> Result<Shop> {
        Shop::build(&records(), postgres(), address)
    }

    fn build(records: &[Record], server: &Postgres, address: &str) -> Result<Shop> {
        let cluster = MockCluster::new(1)?;
        cluster.create_topic(TOPIC, 1, 1)?;
        write(&cluster.bootstrap_servers(), TOPIC, records)?;
        let database = Database::create_in(server)?;
        let (freshet, url) = start(&cluster.bootstrap_servers(), &database, address)?;
        let mut shop = Shop { freshet, database, url, cluster };
        let Shop { freshet, database, .. } = &mut shop;
        freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == records.len() as i64))?;
        Ok(shop)
    }

    /// Sends further records, of which the first gets the offset that is returned.
    pub fn send(&mut self, records: &[Record]) -> Result<i64> {
        let offset = self.database.consumed()?;
        write(&self.cluster.bootstrap_servers(), TOPIC, records)?;
        Ok(offset)
    }

    /// Fills it with so many events of a June day, as a real shop's.
    pub fn fill(&mut self, events: u32) -> Result<()> {
        let to = format!("--brokers {} --topic {TOPIC} --days 1", self.cluster.bootstrap_servers());
        let before = self.database.consumed()?;
        Freshet::run(&format!("generate {to} --events {events} --rate 4000 --hostile 0.003"))?.success()?;
        let Shop { freshet, database, .. } = self;
        freshet.until("all is counted", TIMEOUT, || Ok(database.consumed()? == before + i64::from(events)))
    }

    /// Its broker does not answer any more, or does again.
    pub fn cut_kafka(&self, is_away: bool) -> Result<()> {
        let broker = if is_away { self.cluster.broker_down(1) } else { self.cluster.broker_up(1) };
        Ok(broker?)
    }

    /// The page goes away, and comes back where it was.
    pub fn close(&mut self) -> Result<()> {
        self.freshet.signal(rustix::process::Signal::KILL)?;
        self.freshet.until("its end", TIMEOUT, || Ok(false)).err().context("it lives")?;
        Ok(())
    }

    pub fn reopen(&mut self) -> Result<()> {
        let address = self.url.trim_start_matches("http://").to_owned();
        (self.freshet, self.url) = start(&self.cluster.bootstrap_servers(), &self.database, &address)?;
        Ok(())
    }
}

fn start(brokers: &str, database: &Database, address: &str) -> Result<(Freshet, String)> {
    let arguments = run_arguments(brokers, TOPIC, database);
    let mut freshet = Freshet::start(&format!("{arguments} --http {address}"))?;
    freshet.until_told("page: http://", TIMEOUT)?;
    let log = freshet.errors()?;
    let url = log.split("page: ").nth(1).and_then(|rest| rest.split_whitespace().next()).context("an address")?;
    ensure!(url.ends_with('/'), "{url}");
    let url = url.trim_end_matches('/').to_owned();
    Ok((freshet, url))
}
