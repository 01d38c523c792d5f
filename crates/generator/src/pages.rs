//! The addresses of the shop's pages, and of the places that visitors come from.

use std::fmt::Write;

use rand::RngExt;

use super::Dice;
use super::collections::Page;
use super::shares::{Shares, mostly_first, one_of};
use super::shops::Shop;

/// How many products the real topic has.
const PRODUCTS: u64 = 19_417;

/// The first product id: ids are numbers as text, not ordered by popularity.
const FIRST_ID: u64 = 84_001;

/// A prime that does not divide [`PRODUCTS`], so that every rank gets its own id.
const STRIDE: u64 = 7_919;

/// A product, by its rank of popularity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product(u64);

impl Product {
    /// Its `product_id`.
    pub fn id(self) -> u64 {
        FIRST_ID + self.0 * STRIDE % PRODUCTS
    }
}

/// Picks products, some far more often than others.
pub(super) struct Products(Shares);

impl Products {
    pub fn new() -> Self {
        Self(Shares::zipf(PRODUCTS, 20))
    }

    pub fn pick(&self, dice: &mut Dice) -> Product {
        Product(self.0.pick(dice) as u64)
    }
}

const KINDS: [&str; 8] =
    ["ring", "verlobungsring", "pendant", "earring", "bracelet", "wedding-ring", "necklace", "mens-ring"];
const NAMES: [&str; 24] = [
    "viktor",
    "bridget",
    "tamara",
    "cassidy",
    "almira",
    "dorothy",
    "fantine",
    "grace",
    "ersilia",
    "hilda",
    "joanna",
    "karsen",
    "layana",
    "marlena",
    "noelle",
    "ophelia",
    "paula",
    "quintessa",
    "roslyn",
    "sabella",
    "titina",
    "ursula",
    "violette",
    "zanessa",
];
const ALLOYS: [&str; 8] =
    ["white-585", "yellow-375", "red-585", "white-375", "yellow-585", "silber-925", "white_red-585", "platin-950"];
const STONES: [&str; 7] = [
    "diamond-Brillant",
    "diamond-zirconia",
    "sapphire",
    "emerald",
    "blackdiamond",
    "swarovsky-crystal",
    "diamond-sapphire",
];
const LISTS: [&str; 12] = [
    "engagement-rings",
    "verlobungsringe",
    "wedding-rings",
    "trauringe",
    "necklaces",
    "mens-necklaces",
    "earrings",
    "bracelets",
    "solitaire-rings",
    "memoire-rings",
    "signet-rings",
    "jewelry-sets",
];
const STATICS: [&str; 6] =
    ["about-us", "contact", "ring-size-guide", "diamond-guide", "customer-service/shipping", "privacy-policy"];
const LANDINGS: [&str; 5] = ["sale", "new-collection", "mothers-day-gifts", "rings-under-500", "custom-name-jewelry"];

/// Appends the address of a page of `kind` on `host`.
pub(super) fn push_address(out: &mut String, host: &str, kind: Page, product: Product, dice: &mut Dice) {
    let list = mostly_first(&LISTS, dice);
    // Writing to a String cannot fail.
    let _ = match kind {
        Page::Product => write!(out, "https://{host}/{}", product_path(product)),
        Page::Listing => write!(out, "https://{host}/{list}/{}/", one_of(&NAMES, dice)),
        Page::Landing => write!(out, "https://{host}/{}/", mostly_first(&LANDINGS, dice)),
        Page::Static => write!(out, "https://{host}/{}/", mostly_first(&STATICS, dice)),
        Page::Home => write!(out, "https://{host}/"),
        Page::Cart => write!(out, "https://{host}/checkout/cart/"),
        Page::Account => write!(out, "https://{host}/customer/account/"),
        Page::Checkout => write!(out, "https://{host}/checkout/onepage/"),
        Page::Success => write!(out, "https://{host}/checkout/onepage/success/"),
        Page::Search => write!(out, "https://{host}/catalogsearch/result/?q={}+{list}", one_of(&NAMES, dice)),
        Page::Recommendations => write!(out, "https://{host}/recommendations/?product={}", product.id()),
    };
    match kind {
        Page::Product => push_choices(out, dice),
        Page::Listing => push_filters(out, dice),
        _ => {}
    }
    if matches!(kind, Page::Product | Page::Listing | Page::Landing | Page::Home) {
        push_campaign(out, dice);
    }
}

fn product_path(product: Product) -> String {
    let rank = product.0 as usize;
    let kind = KINDS[rank % KINDS.len()];
    let name = NAMES[rank / KINDS.len() % NAMES.len()];
    format!("glamira-{kind}-{name}-sku{}.html", product.id())
}

/// Appends the alloy and stone that the visitor chose, if any.
fn push_choices(out: &mut String, dice: &mut Dice) {
    if dice.random_ratio(1, 4) {
        return;
    }
    let _ = write!(out, "?alloy={}", mostly_first(&ALLOYS, dice));
    if dice.random_ratio(2, 3) {
        let _ = write!(out, "&diamond={}", mostly_first(&STONES, dice));
    }
    if dice.random_ratio(1, 3) {
        let _ = write!(out, "&stone2={}&womenSize={}", mostly_first(&STONES, dice), dice.random_range(44..70));
    }
    if dice.random_ratio(1, 5) {
        out.push_str("&itm_source=recommendation&itm_medium=sorting");
    }
}

/// Appends the filters of a list and the number of its page, if any.
fn push_filters(out: &mut String, dice: &mut Dice) {
    if dice.random_ratio(1, 3) {
        return;
    }
    let from = dice.random_range(1..40) * 25;
    let _ = write!(out, "?alloy={}&price={from}-{}", mostly_first(&ALLOYS, dice), from + 250);
    if dice.random_ratio(1, 2) {
        let _ = write!(out, "&p={}", dice.random_range(2..30));
    }
}

/// Appends the click id of an advertisement, different for each click: the reason for so many distinct addresses.
fn push_campaign(out: &mut String, dice: &mut Dice) {
    let separator = if out.contains('?') { '&' } else { '?' };
    match dice.random_range(0..20) {
        0..2 => {
            let _ = write!(out, "{separator}gclid=EAIaIQobChMI");
            push_token(out, 46, dice);
        }
        2 => {
            let _ = write!(out, "{separator}utm_source=facebook&utm_medium=cpc&fbclid=IwAR");
            push_token(out, 57, dice);
        }
        _ => {}
    }
}

/// Where a visitor first comes from: "" for nowhere, else a search engine, an advertisement, a social network.
pub(super) fn push_entry(out: &mut String, shop: &Shop, dice: &mut Dice) {
    let suffix = shop.suffix();
    // Writing to a String cannot fail.
    let _ = match dice.random_range(0..100) {
        0..46 => Ok(()),
        46..64 => {
            write!(out, "https://www.google.{}/", if suffix == "eu" || suffix == "africa" { "com" } else { suffix })
        }
        64..68 => write!(out, "https://{}.facebook.com/", mostly_first(&["m", "l", "lm", "www"], dice)),
        68..71 => {
            write!(out, "https://www.pinterest.{}/", if suffix == "co.uk" || suffix == "de" { suffix } else { "com" })
        }
        71..73 => write!(out, "https://www.bing.com/"),
        73 => write!(out, "android-app://com.google.android.googlequicksearchbox/"),
        74 => write!(out, "https://duckduckgo.com/"),
        75 => write!(out, "https://www.ecosia.org/"),
        76 => write!(out, "http://instagram.com/"),
        77..83 => {
            out.push_str("https://www.googleadservices.com/pagead/aclk?sa=L&ai=DChcSEwi");
            push_token(out, 30, dice);
            write!(out, "&ohost=www.google.{suffix}&cid=CAESQOD2")
        }
        83..88 => {
            out.push_str("https://l.facebook.com/l.php?u=https%3A%2F%2F");
            let _ = write!(out, "{}%2F&h=AT", shop.host);
            push_token(out, 40, dice);
            Ok(())
        }
        88..95 => search(out, suffix, dice),
        _ => {
            let site = one_of(
                &["mail.yahoo.com/d/folders/1/messages", "deref-gmx.net/mail/client/dereferrer", "l.instagram.com"],
                dice,
            );
            let _ = write!(out, "https://{site}/?e=AT");
            push_token(out, 24, dice);
            Ok(())
        }
    };
}

/// A search engine that reveals what was searched for.
fn search(out: &mut String, suffix: &str, dice: &mut Dice) -> std::fmt::Result {
    let (engine, key) = one_of(
        &[("www.bing.com/search", "q"), ("suche.t-online.de/fast-cgi/tsc", "q"), ("yandex.ru/search/", "text")],
        dice,
    );
    let (alloy, list, name) = (mostly_first(&ALLOYS, dice), mostly_first(&LISTS, dice), one_of(&NAMES, dice));
    write!(out, "https://{engine}?{key}={list}+{name}+{alloy}&lr={}&cc={suffix}", dice.random_range(0..500))
}

const TOKEN: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Appends `length` characters that no other address has.
pub(super) fn push_token(out: &mut String, length: usize, dice: &mut Dice) {
    let mut bits = 0;
    for index in 0..length {
        if index % 10 == 0 {
            bits = dice.random::<u64>();
        }
        out.push(char::from(TOKEN[(bits & 63) as usize]));
        bits >>= 6;
    }
}
