//! User agents: a short list of very common ones, then a long tail that is composed from templates.

use rand::{RngExt, SeedableRng};

use super::Dice;
use super::shares::{Shares, mostly_first, one_of};

/// Facebook's crawler, the second most frequent user agent of the real topic.
pub(super) const BOT: &str = "facebookexternalhit/1.1";

/// User agents that are composed for the tail. Some are equal, which leaves about as many distinct ones as the real topic has:
/// 207,500.
const TAIL_COUNT: u64 = 260_000;

/// The common ones, with their shares in ten-thousandths; the rest is the tail's.
const HEAD: [(&str, u64); 12] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0.4103.97 Safari/537.36",
        640,
    ),
    (BOT, 480),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 13_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1 Mobile/15E148 Safari/604.1",
        370,
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0.4044.138 Safari/537.36",
        350,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 13_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1 Mobile/15E148 Safari/604.1",
        330,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:77.0) Gecko/20100101 Firefox/77.0", 210),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:76.0) Gecko/20100101 Firefox/76.0", 180),
    (
        "Mozilla/5.0 (iPad; CPU OS 12_4_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1",
        130,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15",
        120,
    ),
    (
        "Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0.4103.97 Safari/537.36",
        90,
    ),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 60),
    ("Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko", 60),
];

/// Picks user agents as a site sees them.
pub(super) struct UserAgents {
    head: Shares,
    tail: Shares,
}

impl UserAgents {
    pub fn new() -> Self {
        let common = HEAD.iter().map(|&(_, share)| share);
        let rest = 10_000 - common.clone().sum::<u64>();
        Self { head: Shares::new(common.chain([rest])), tail: Shares::zipf(TAIL_COUNT, 100) }
    }

    /// One user agent.
    pub fn pick(&self, dice: &mut Dice) -> String {
        match HEAD.get(self.head.pick(dice)) {
            Some((common, _)) => (*common).to_owned(),
            None => composed(self.tail.pick(dice) as u64),
        }
    }
}

/// The tail's user agent of this rank. It depends on nothing else, so every seed meets the same population.
fn composed(rank: u64) -> String {
    let dice = &mut Dice::seed_from_u64(rank);
    match dice.random_range(0..100) {
        0..20 => chrome_on_desktop(dice),
        20..46 => chrome_on_android(dice),
        46..60 => facebook_on_android(dice),
        60..75 => facebook_on_iphone(dice),
        75..80 => instagram(dice),
        80..86 => safari(dice),
        86..92 => samsung(dice),
        92..96 => firefox(dice),
        _ => rare(dice),
    }
}

const CHROME: [(u32, u32); 14] = [
    (83, 4103),
    (81, 4044),
    (80, 3987),
    (79, 3945),
    (84, 4147),
    (78, 3904),
    (77, 3865),
    (76, 3809),
    (75, 3770),
    (74, 3729),
    (73, 3683),
    (72, 3626),
    (71, 3578),
    (70, 3538),
];
const WINDOWS: [&str; 6] = [
    "Windows NT 10.0; Win64; x64",
    "Windows NT 6.1; Win64; x64",
    "Windows NT 10.0; WOW64",
    "Windows NT 6.3; Win64; x64",
    "Windows NT 6.1",
    "Windows NT 6.1; WOW64",
];
const MAC: [&str; 8] = ["10_15_5", "10_15_4", "10_14_6", "10_13_6", "10_12_6", "10_11_6", "10_15_3", "10_10_5"];
const IOS: [&str; 12] = [
    "13_5", "13_4_1", "13_5_1", "13_3_1", "12_4_7", "13_3", "13_2_3", "12_4_1", "13_1_3", "12_1_4", "11_4_1", "10_3_3",
];
const ANDROID: [&str; 9] = ["10", "9", "8.0.0", "8.1.0", "7.0", "6.0.1", "7.1.1", "5.1.1", "5.0.2"];
const PHONES: [&str; 20] = [
    "ANE-LX1",
    "VOG-L29",
    "ELE-L29",
    "MAR-LX1A",
    "POT-LX1",
    "CLT-L29",
    "FIG-LX1",
    "LYA-L29",
    "MI 9",
    "Mi 9T Pro",
    "Redmi Note 8 Pro",
    "Redmi Note 7",
    "Pixel 3a",
    "ONEPLUS A6003",
    "GM1913",
    "moto g(7) power",
    "Nokia 7.1",
    "H8324",
    "LM-G710",
    "CPH1941",
];
const LANGUAGES: [&str; 12] =
    ["de_DE", "en_GB", "fr_FR", "it_IT", "es_ES", "sv_SE", "ro_RO", "nl_NL", "en_US", "hu_HU", "sk_SK", "tr_TR"];

fn chrome_version(dice: &mut Dice) -> String {
    let (major, build) = mostly_first(&CHROME, dice);
    format!("{major}.0.{build}.{}", dice.random_range(40..160))
}

/// A handset: a Samsung of some series, or one of the other makers'.
fn phone(dice: &mut Dice) -> String {
    if dice.random_ratio(11, 20) { samsung_phone(dice) } else { one_of(&PHONES, dice).to_owned() }
}

fn samsung_phone(dice: &mut Dice) -> String {
    let series = mostly_first(&["A", "G", "J", "N", "T", "M"], dice);
    let model = dice.random_range(10..99) * 10 + mostly_first(&[0, 5], dice);
    format!("SM-{series}{model}{}", mostly_first(&["F", "FN", "G", "FD", "W", "U"], dice))
}

fn android_build(dice: &mut Dice) -> String {
    let line = mostly_first(&["QP1A.190711.020", "PPR1.180610.011", "R16NW", "HUAWEIANE-L21", "QKQ1.190910.002"], dice);
    if dice.random_ratio(1, 4) { format!("{line}.{:03}", dice.random_range(1..200)) } else { line.to_owned() }
}

fn chrome_on_desktop(dice: &mut Dice) -> String {
    let system = match dice.random_range(0..20) {
        0..13 => mostly_first(&WINDOWS, dice).to_owned(),
        13..19 => format!("Macintosh; Intel Mac OS X {}", mostly_first(&MAC, dice)),
        _ => one_of(&["X11; Linux x86_64", "X11; CrOS x86_64 12871.102.0"], dice).to_owned(),
    };
    let chrome = chrome_version(dice);
    let brand = match dice.random_range(0..10) {
        0..5 => String::new(),
        5..8 => format!(
            " Edg/{}.0.{}.{}",
            mostly_first(&[83, 81, 80], dice),
            dice.random_range(361..522),
            dice.random_range(20..70)
        ),
        _ => format!(
            " OPR/{}.0.{}.{}",
            dice.random_range(60..69),
            dice.random_range(3255..3650),
            dice.random_range(40..190)
        ),
    };
    format!("Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chrome} Safari/537.36{brand}")
}

fn chrome_on_android(dice: &mut Dice) -> String {
    let (android, phone, chrome) = (mostly_first(&ANDROID, dice), phone(dice), chrome_version(dice));
    format!(
        "Mozilla/5.0 (Linux; Android {android}; {phone}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chrome} Mobile Safari/537.36"
    )
}

fn web_view(dice: &mut Dice) -> String {
    let (android, phone, build) = (mostly_first(&ANDROID, dice), phone(dice), android_build(dice));
    let chrome = chrome_version(dice);
    format!(
        "Mozilla/5.0 (Linux; Android {android}; {phone} Build/{build}; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/{chrome} Mobile Safari/537.36"
    )
}

fn facebook_on_android(dice: &mut Dice) -> String {
    let view = web_view(dice);
    let (release, patch) = (dice.random_range(255..276), dice.random_range(20..130));
    format!("{view} [FB_IAB/FB4A;FBAV/{release}.0.0.{}.{patch};]", dice.random_range(30..60))
}

fn iphone(dice: &mut Dice) -> String {
    let ios = mostly_first(&IOS, dice);
    format!(
        "Mozilla/5.0 (iPhone; CPU iPhone OS {ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
    )
}

fn facebook_on_iphone(dice: &mut Dice) -> String {
    let base = iphone(dice);
    let (model, minor, language) = (dice.random_range(8..13), dice.random_range(1..9), mostly_first(&LANGUAGES, dice));
    let system = mostly_first(&["13.5", "13.4.1", "13.3.1", "12.4.7", "13.5.1"], dice);
    let (release, build) = (dice.random_range(255..276), dice.random_range(210_000_000..226_000_000));
    format!(
        "{base} [FBAN/FBIOS;FBDV/iPhone{model},{minor};FBMD/iPhone;FBSN/iOS;FBSV/{system};FBSS/3;FBID/phone;FBLC/{language};FBOP/5;FBAV/{release}.0;FBBV/{build}]"
    )
}

fn instagram(dice: &mut Dice) -> String {
    let (base, language) = (iphone(dice), mostly_first(&LANGUAGES, dice));
    let (release, model, number) =
        (dice.random_range(120..146), dice.random_range(8..13), dice.random_range(190_000_000..222_000_000));
    format!(
        "{base} Instagram {release}.0.0.21.122 (iPhone{model},3; iOS 13_5; {language}; scale=2.00; 828x1792; {number})"
    )
}

fn safari(dice: &mut Dice) -> String {
    let version = format!("{}.{}", dice.random_range(10..14), dice.random_range(0..2));
    if dice.random_ratio(1, 3) {
        let (mac, patch) = (mostly_first(&MAC, dice), dice.random_range(0..5));
        return format!(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X {mac}) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version}.{patch} Safari/605.1.15"
        );
    }
    let ios = mostly_first(&IOS, dice);
    let build = format!(
        "1{}{}{}",
        dice.random_range(4..8),
        one_of(&["A", "B", "C", "E", "F", "G"], dice),
        dice.random_range(50..400)
    );
    format!(
        "Mozilla/5.0 (iPhone; CPU iPhone OS {ios} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version} Mobile/{build} Safari/604.1"
    )
}

fn samsung(dice: &mut Dice) -> String {
    let (android, phone) = (mostly_first(&ANDROID, dice), samsung_phone(dice));
    let (browser, chrome) =
        mostly_first(&[("11.2", 75), ("11.1", 75), ("10.2", 71), ("9.4", 67), ("8.2", 63), ("7.4", 59)], dice);
    let patch = dice.random_range(60..150);
    format!(
        "Mozilla/5.0 (Linux; Android {android}; SAMSUNG {phone}) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/{browser} Chrome/{chrome}.0.3770.{patch} Mobile Safari/537.36"
    )
}

fn firefox(dice: &mut Dice) -> String {
    let version = dice.random_range(45..79);
    match dice.random_range(0..10) {
        0..5 => {
            format!("Mozilla/5.0 ({}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0", mostly_first(&WINDOWS, dice))
        }
        5..7 => {
            let mac = dice.random_range(9..16);
            format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.{mac}; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
            )
        }
        7 => format!("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
        8 => format!(
            "{} FxiOS/{}.{} Safari/605.1.15",
            iphone(dice),
            dice.random_range(20..27),
            dice.random_range(10_000..19_000)
        ),
        _ => {
            let android = mostly_first(&ANDROID, dice);
            format!("Mozilla/5.0 (Android {android}; Mobile; rv:68.{version}) Gecko/68.{version} Firefox/68.{version}")
        }
    }
}

/// Apps, crawlers and scripts.
fn rare(dice: &mut Dice) -> String {
    match dice.random_range(0..10) {
        0..4 => {
            let search_app =
                format!("GSA/{}.0.{}", dice.random_range(90..114), dice.random_range(300_000_000..319_000_000));
            format!("{} {search_app} Safari/604.1", iphone(dice))
        }
        4..6 => format!("{} CriOS/{} Safari/604.1", iphone(dice), chrome_version(dice)),
        6..8 => format!("{} [Pinterest/Android]", web_view(dice)),
        8 => format!("Mozilla/5.0 (compatible; AhrefsBot/6.{}; +http://ahrefs.com/robot/)", dice.random_range(0..20)),
        _ => one_of(
            &[
                "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
                "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
                "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)",
                "AdsBot-Google (+http://www.google.com/adsbot.html)",
                "python-requests/2.23.0",
                "curl/7.68.0",
                "okhttp/3.12.1",
            ],
            dice,
        )
        .to_owned(),
    }
}

/// How many different user agents there can be.
#[cfg(test)]
pub(super) fn population() -> usize {
    let tail: std::collections::HashSet<String> = (0..TAIL_COUNT).map(composed).collect();
    tail.len() + HEAD.len()
}
