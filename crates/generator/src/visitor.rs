//! Visitors: who looks at the pages, with which browser, and which page they are on.

use std::fmt::Write;

use rand::RngExt;

use super::Dice;
use super::collections::{Collection, Page};
use super::pages::{Product, Products, push_address, push_entry};
use super::shares::{Shares, mostly_first, one_of};
use super::shops::{SHOPS, Shop};
use super::user_agents::{BOT, UserAgents};

/// The variants in which producers write the same thing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habits {
    /// `time_stamp` in milliseconds.
    pub milliseconds: bool,
    /// `email` instead of `email_address`.
    pub short_email: bool,
    /// The hour without a leading zero.
    pub short_hour: bool,
}

/// One visitor of one shop.
pub(super) struct Visitor {
    pub shop: &'static Shop,
    pub user_agent: String,
    pub ip: String,
    pub device_id: String,
    /// "" unless logged in.
    pub user_id: String,
    /// "" unless logged in.
    pub email: String,
    pub resolution: &'static str,
    pub habits: Habits,
    /// The page that is open, and the one before it.
    pub current_url: String,
    pub referrer_url: String,
    /// The product of the page, or the one looked at last.
    pub product: Product,
    page: Option<Page>,
    host: &'static str,
}

/// The population that visitors are drawn from.
pub(super) struct Crowd {
    shops: Shares,
    user_agents: UserAgents,
    products: Products,
}

const RESOLUTIONS: [&str; 12] = [
    "375x667",
    "1920x1080",
    "414x896",
    "360x640",
    "1366x768",
    "375x812",
    "360x760",
    "1536x864",
    "412x846",
    "768x1024",
    "1440x900",
    "320x568",
];

impl Crowd {
    pub fn new() -> Self {
        let shops = Shares::new(SHOPS.iter().map(|shop| shop.share));
        Self { shops, user_agents: UserAgents::new(), products: Products::new() }
    }

    /// Somebody new, who has not opened a page yet.
    pub fn arrival(&self, dice: &mut Dice) -> Visitor {
        let shop = &SHOPS[self.shops.pick(dice)];
        let staging = shop.host == "www.glamira.de" && dice.random_ratio(1, 300);
        let user_agent = self.user_agents.pick(dice);
        let mut referrer_url = String::new();
        if user_agent == BOT {
            referrer_url.push_str("https://www.facebook.com/");
        } else {
            push_entry(&mut referrer_url, shop, dice);
        }
        let (user_id, email) = if dice.random_ratio(1, 6) { account(dice) } else { Default::default() };
        Visitor {
            shop,
            user_agent,
            ip: private_address(dice),
            device_id: uuid(dice),
            user_id,
            email,
            resolution: mostly_first(&RESOLUTIONS, dice),
            habits: Habits {
                milliseconds: dice.random_ratio(1, 50),
                short_email: dice.random_ratio(1, 25),
                short_hour: dice.random_ratio(1, 20),
            },
            current_url: String::new(),
            referrer_url,
            product: self.products.pick(dice),
            page: None,
            host: if staging { "stage.glamira.de" } else { shop.host },
        }
    }

    /// Brings `visitor` to a page that can send an event of `collection`: stays on the page if it can, else opens another.
    pub fn browse(&self, visitor: &mut Visitor, collection: &Collection, dice: &mut Dice) {
        if visitor.page == Some(collection.page) && !collection.opens {
            return;
        }
        if visitor.page.is_some() && visitor.user_agent != BOT {
            std::mem::swap(&mut visitor.referrer_url, &mut visitor.current_url);
        }
        if collection.page == Page::Product {
            visitor.product = self.products.pick(dice);
        }
        visitor.page = Some(collection.page);
        visitor.current_url.clear();
        if dice.random_ratio(1, 200_000) {
            // Somebody saved the page and opened it from the disk.
            visitor.current_url.push_str("file:///C:/Users/guest/Downloads/GLAMIRA%20Ring.html");
        } else {
            push_address(&mut visitor.current_url, visitor.host, collection.page, visitor.product, dice);
        }
    }
}

/// A customer's number and e-mail address, in the domains that are reserved for examples.
fn account(dice: &mut Dice) -> (String, String) {
    let number = dice.random_range(100_000..900_000);
    let name = one_of(&["anna", "jonas", "marie", "luca", "sofia", "emil", "clara", "mateo", "ines", "oskar"], dice);
    let domain = mostly_first(&["example.com", "example.org", "example.net"], dice);
    (number.to_string(), format!("{name}.{number}@{domain}"))
}

/// An address from 10.0.0.0/8, which belongs to nobody.
fn private_address(dice: &mut Dice) -> String {
    let [_, a, b, c] = dice.random::<u32>().to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

/// A random UUID in its usual form.
pub(super) fn uuid(dice: &mut Dice) -> String {
    let mut out = String::with_capacity(36);
    push_uuid(&mut out, dice);
    out
}

/// Appends a random UUID.
pub(super) fn push_uuid(out: &mut String, dice: &mut Dice) {
    let (high, low) = (dice.random::<u64>(), dice.random::<u64>());
    let (time, mid, version) = (high >> 32, high >> 16 & 0xffff, high & 0x0fff);
    let (variant, node) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    // Writing to a String cannot fail.
    let _ = write!(out, "{time:08x}-{mid:04x}-4{version:03x}-{variant:04x}-{node:012x}");
}
