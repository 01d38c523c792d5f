//! The names that `--user-agents extended` gives, and how often others give them too.

use std::collections::BTreeSet;
use std::env;
use std::fs;

use anyhow::{Context, Result, ensure};
use dataflows::category;
use freshet::source::decode::{Collections, Decoder, Outcome, Rules, UserAgents};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value, json};
use woothee::dataset::DATASET;

use crate::support::defaults::{decoded, rules, text_of};

/// Decodes records of which only the user agent is of interest.
struct Namer(Decoder);

impl Namer {
    fn new(user_agents: UserAgents) -> Namer {
        Namer(Decoder::new(Rules { views: Collections::All, user_agents, ..rules() }))
    }

    /// Browser and operating system.
    fn names(&mut self, agent: &str) -> (String, String) {
        let record = json!({"collection": "a", "local_time": "2020-06-04 8:15:27", "user_agent": agent}).to_string();
        decoded(&mut self.0, Some(record.as_bytes()), None, |outcome| match outcome {
            Outcome::Counted(event) => ["browser", "os"].map(|field| text_of(event, field).expect("a name")).into(),
            other => panic!("{agent} is not counted, but {other:?}"),
        })
    }
}

/// What begins most user agents, by the letter that stands for it below.
const BEGINNINGS: [(char, &str); 6] = [
    ('I', "Mozilla/5.0 (iPhone; CPU iPhone OS 13_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"),
    ('P', "Mozilla/5.0 (iPad; CPU OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"),
    ('M', "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"),
    ('W', "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"),
    ('A', "Mozilla/5.0 (Linux; Android 10; SM-G973F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/115.0.0.0"),
    ('V', "Mozilla/5.0 (Linux; Android 9; ELE-L29; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/81.0"),
];

/// `@` and a letter stand for a beginning.
fn whole(agent: &str) -> String {
    let letter = agent.strip_prefix('@').and_then(|rest| rest.chars().next());
    match BEGINNINGS.iter().find(|(name, _)| Some(*name) == letter) {
        Some((_, beginning)) => format!("{beginning}{}", &agent[2..]),
        None => agent.to_owned(),
    }
}

/// User agent, browser, operating system.
type Cases = &'static [(&'static str, &'static str, &'static str)];

/// What woothee calls by other names, or by none.
const CORRECTED: Cases = &[
    ("@I Mobile/15E148 [FBAN/FBIOS;FBDV/iPhone11,8;FBMD/iPhone;FBSN/iOS;FBSV/13.3.1]", "Facebook", "iPhone"),
    ("@V Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/270.1.0.66.127;]", "Facebook", "Android"),
    ("@I Mobile/15E148 [FBAN/MessengerForiOS;FBAV/270.0]", "Messenger", "iPhone"),
    ("@V Mobile Safari/537.36 [FB_IAB/Orca-Android;FBAV/268.0;]", "Messenger", "Android"),
    ("@I Mobile/15E148 Instagram 142.0.0.22.109 (iPhone12,5; iOS 13_3; en_US)", "Instagram", "iPhone"),
    ("@V Mobile Safari/537.36 Instagram 142.0.0.34.110 Android (29/10; 420dpi)", "Instagram", "Android"),
    ("@I Mobile/15E148 [Pinterest/iOS]", "Pinterest", "iPhone"),
    ("@I Mobile/15E148 musical_ly_17.4.0 JsSdk/2.0 NetType/WIFI", "TikTok", "iPhone"),
    ("@V Mobile Safari/537.36 trill_2021606030 BytedanceWebview/d8a21c6", "TikTok", "Android"),
    ("@I Mobile/15E148 Safari Line/10.8.0", "LINE", "iPhone"),
    ("@I Mobile/15E148 MicroMessenger/7.0.12(0x17000c30) NetType/WIFI", "WeChat", "iPhone"),
    ("@I Mobile/15E148 Snapchat/10.85.5.75 (like Safari/608.2.11, panda)", "Snapchat", "iPhone"),
    ("@V Mobile Safari/537.36 GSA/12.29.25.23.arm64", "Google Search App", "Android"),
    ("@I Version/16.5 Mobile/15E148 Safari/604.1 OPT/4.2.1", "Opera", "iPhone"),
    ("@I Version/13.0.1 Brave/1.13 Mobile/15E148 Safari/605.1.15", "Brave", "iPhone"),
    ("@P Version/13.1 Safari/605.1.15 DuckDuckGo/7", "DuckDuckGo", "iPad"),
    ("@W YaBrowser/20.4.3 Yowser/2.5 Safari/537.36", "Yandex Browser", "Windows 10"),
    ("@W Whale/2.7 Safari/537.36", "Whale", "Windows 10"),
    ("@A HuaweiBrowser/10.1.2.320 Mobile Safari/537.36", "Huawei Browser", "Android"),
    ("@A UCBrowser/13.1.2.1293 Mobile Safari/537.36", "UC Browser", "Android"),
    ("@A Mobile Safari/537.36 XiaoMi/MiuiBrowser/11.9.3-g", "MIUI Browser", "Android"),
    ("@M CriOS/102 Version/11.1.1 Safari/605.1.15", "Chrome", "iPad"),
    (
        "Mozilla/5.0 (iPhone; CPU IPhone OS 8_1_3 Like Mac OS X) AppleWebKit/600.1.4 (KHTML, Like Gecko) CriOS/43.0 Safari/600.1.4",
        "Chrome",
        "iPhone",
    ),
    (
        "Mozilla/5.0 (Linux; U; Android 4.0.3; de-de; GT-I9100) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
        "Android Browser",
        "Android",
    ),
    (
        "Mozilla/5.0 (Linux; U; en-us; KFTT Build/IML74K) AppleWebKit/535.19 (KHTML, like Gecko) Silk/2.0 Safari/535.19",
        "Amazon Silk",
        "Android",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edge/44.1",
        "Xbox Series",
        "Xbox Series",
    ),
    (
        "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0 Safari/537.36",
        "Chrome",
        "webOS",
    ),
    ("Mozilla/5.0 (Mobile; LYF/F300B; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5", "Firefox", "KaiOS"),
    ("facebookexternalhit/1.1", "facebookexternalhit", "Unknown"),
    ("Googlebot/2.1 (+http://www.google.com/bot.html)", "Googlebot", "Unknown"),
    ("@M Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)", "Applebot", "Unknown"),
    ("@A Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)", "Bytespider", "Unknown"),
    ("@A Mobile Safari/537.36 (compatible; NewBot/1.0; +https://new.example)", "misc crawler", "Unknown"),
    (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/80.0 Safari/537.36",
        "HeadlessChrome",
        "Unknown",
    ),
    ("WhatsApp/2.20.60 i", "WhatsApp preview", "Unknown"),
    ("python-requests/2.23.0", "HTTP Library", "Unknown"),
];

/// What woothee is right about, though parts of it look like something else.
const KEPT: Cases = &[
    ("@W Safari/537.36", "Chrome", "Windows 10"),
    ("@W Safari/537.36 Edg/120.0.2210.91", "Edge", "Windows 10"),
    ("@W Safari/537.36 OPR/106.0.0.0", "Opera", "Windows 10"),
    ("@W Safari/537.36 Vivaldi/6.5", "Vivaldi", "Windows 10"),
    ("@A Mobile Safari/537.36", "Chrome", "Android"),
    ("@A Safari/537.36 EdgA/119.0.2151.92", "Edge", "Android"),
    ("@V Mobile Safari/537.36", "Webview", "Android"),
    ("@I Mobile/15E148", "Webview", "iPhone"),
    ("@I CriOS/83.0.4103.88 Mobile/15E148 Safari/604.1", "Chrome", "iPhone"),
    ("@I FxiOS/26.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iPhone"),
    ("@I GSA/112.0.316532910 Mobile/15E148 Safari/604.1", "Google Search App", "iPhone"),
    ("@I Version/17.0 EdgiOS/119.0 Mobile/15E148 Safari/605.1.15", "Edge", "iPhone"),
    ("@P Version/17.2 Mobile/15E148 Safari/604.1", "Safari", "iPad"),
    ("@M Version/17.2 Safari/605.1.15", "Safari", "Mac OSX"),
    (
        "Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 Chrome/115.0 Mobile Safari/537.36",
        "SamsungBrowser",
        "Android",
    ),
    (
        "Mozilla/5.0 (Linux; Android 8.1.0; CUBOT_P20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/83.0 Mobile Safari/537.36",
        "Chrome",
        "Android",
    ),
    (
        "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Microsoft; Lumia 950) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/52.0 Mobile Safari/537.36 Edge/15.15254",
        "Edge",
        "Windows Phone OS",
    ),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot", "Unknown"),
    ("curl/7.68.0", "HTTP Library", "Unknown"),
    ("?", "Unknown", "Unknown"),
    ("", "Unknown", "Unknown"),
];

#[test]
fn the_rules_name_what_woothee_does_not() {
    let (mut woothee, mut extended) = (Namer::new(UserAgents::Woothee), Namer::new(UserAgents::Extended));
    for (cases, is_corrected) in [(CORRECTED, true), (KEPT, false)] {
        for (agent, browser, os) in cases {
            let (agent, expected) = (whole(agent), ((*browser).to_owned(), (*os).to_owned()));
            assert_eq!(extended.names(&agent), expected, "{agent}");
            assert_eq!(woothee.names(&agent) != expected, is_corrected, "by woothee alone: {agent}");
        }
    }
}

/// Names of uap-core beside Freshet's, where one thing has two, or one of both parts what the other does not. The first
/// stands for all.
const SAME_BROWSERS: &[&[&str]] = &[
    &["Chrome", "Chrome Mobile", "Chrome Mobile iOS", "Chromium"],
    &["Webview", "Chrome Mobile WebView", "Mobile Safari UI/WKWebView"],
    &["Safari", "Mobile Safari"],
    &["Edge", "Edge Mobile"],
    &["Firefox", "Firefox Mobile", "Firefox iOS", "Firefox Focus"],
    &["Internet Explorer", "IE", "IE Mobile"],
    &["Opera", "Opera Mobile", "Opera Mini", "Opera Touch", "Opera GX", "Opera Tablet"],
    &["SamsungBrowser", "Samsung Internet"],
    &["Android Browser", "Android"],
    &["Google Search App", "Google"],
    &["Messenger", "Facebook Messenger"],
    &["WeChat", "WeChat Browser"],
    &["Ecosia", "Ecosia Android", "Ecosia iOS"],
    &["DuckDuckGo", "DuckDuckGo Mobile"],
    &["MIUI Browser", "MiuiBrowser"],
    &["Vivo Browser", "VivoBrowser"],
    &["QQ Browser", "QQ Browser Mini", "QQ Browser Mobile"],
    &["Googlebot", "Googlebot-News", "Googlebot-Video", "Googlebot-Image"],
    &["Googlebot Mobile", "Googlebot-Mobile"],
    &["facebookexternalhit", "facebook", "FacebookBot"],
    &["Twitterbot", "twitter"],
    &["Slackbot", "Slackbot-LinkExpanding"],
    &["PetalBot", "AspiegelBot"],
    &["ahref AhrefsBot", "AhrefsBot"],
    &["bingbot", "BingBot"],
];

/// Likewise of operating systems; uap-core keeps versions elsewhere.
const SAME_SYSTEMS: &[&[&str]] = &[
    &["iOS", "iPhone", "iPad", "iPod"],
    &["Mac OS X", "Mac OSX"],
    &["Mac OS", "Mac OS Classic"],
    &["Chrome OS", "ChromeOS"],
    &["Windows Phone", "Windows Phone OS"],
    &["Windows Mobile", "Windows CE"],
    &["Symbian OS", "SymbianOS"],
    &["BlackBerry OS", "BlackBerry", "BlackBerry 10"],
    &["BSD", "FreeBSD", "OpenBSD", "NetBSD"],
    &[
        "Linux",
        "Ubuntu",
        "Debian",
        "Fedora",
        "Red Hat",
        "CentOS",
        "Gentoo",
        "Mandriva",
        "SUSE",
        "Slackware",
        "Arch Linux",
    ],
    &["Windows", "Windows 10", "Windows 8.1", "Windows 8", "Windows 7", "Windows Vista", "Windows XP", "Windows 2000"],
    &["Windows", "Windows Me", "Windows 98", "Windows 95", "Windows NT 4.0", "Windows UNKNOWN Ver"],
];

fn plain(name: &str, same: &[&[&str]]) -> String {
    let names = same.iter().find(|names| names.contains(&name));
    names.and_then(|names| names.first()).unwrap_or(&name).to_lowercase()
}

/// User agents and families of a file of uap-core's tests.
fn families(path: &str) -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(path).context(path.to_owned())?;
    let document = Yaml::load_from_str(&text)?.into_iter().next().context("a document")?;
    let cases = document.as_mapping_get("test_cases").and_then(|cases| cases.as_sequence()).context("test_cases")?;
    let case = |case: &Yaml<'_>| {
        let text = |member| Some(case.as_mapping_get(member)?.as_str()?.to_owned());
        // Where a browser told more than its user agent, that is not judged here.
        let is_whole = case.as_mapping_get("js_ua").is_none();
        Some((text("user_agent_string")?, text("family")?)).filter(|_| is_whole)
    };
    Ok(cases.iter().filter_map(case).collect())
}

/// How many cases there are, how many of a family that is ever named here, and with how many of those each agrees.
fn agreement(cases: &[(String, String)], same: &[&[&str]], of: fn((String, String)) -> String) -> [usize; 4] {
    let told = [UserAgents::Woothee, UserAgents::Extended].map(|user_agents| {
        let mut namer = Namer::new(user_agents);
        cases.iter().map(|(agent, _)| plain(&of(namer.names(agent)), same)).collect::<Vec<_>>()
    });
    let known: BTreeSet<_> = told.iter().flatten().filter(|name| *name != "unknown").collect();
    let families: Vec<_> = cases.iter().map(|(_, family)| plain(family, same)).collect();
    let named = families.iter().filter(|family| known.contains(family)).count();
    let agree = |told: &[String]| families.iter().zip(told).filter(|(family, told)| family == told).count();
    [cases.len(), named, agree(&told[0]), agree(&told[1])]
}

#[test]
fn categories_are_woothees() {
    for told in DATASET.values() {
        let (browser, os) = if told.browser_type == "os" { ("", told.name) } else { (told.name, "") };
        let expected = if told.category.is_empty() { "unknown" } else { told.category };
        assert_eq!(category(browser, os), expected, "{} {}", told.browser_type, told.name);
    }
    // What the rules name beyond that has one too.
    for (agent, browser, os) in CORRECTED {
        assert_ne!(category(browser, os), "unknown", "{browser} on {os}: {agent}");
    }
}

#[test]
#[ignore = "reads a clone of https://github.com/ua-parser/uap-core, named by UAP_CORE"]
fn agreement_with_uap_core() -> Result<()> {
    let clone = env::var("UAP_CORE").context("UAP_CORE names a clone of https://github.com/ua-parser/uap-core")?;
    let browsers = families(&format!("{clone}/tests/test_ua.yaml"))?;
    let mut systems = families(&format!("{clone}/tests/test_os.yaml"))?;
    systems.extend(families(&format!("{clone}/test_resources/additional_os_tests.yaml"))?);
    let browsers = agreement(&browsers, SAME_BROWSERS, |(browser, _)| browser);
    let systems = agreement(&systems, SAME_SYSTEMS, |(_, os)| os);
    for (what, [cases, named, woothee, extended]) in [("browsers", browsers), ("systems", systems)] {
        println!(
            "{what}: {cases} cases, {named} of a family that is named here; woothee {woothee}, extended {extended}"
        );
        ensure!(woothee < extended && extended <= named, "the rules do not make it better");
    }
    Ok(())
}

/// What people look at a shop with.
const PEOPLES: &[&str] = &[
    "Chrome",
    "Safari",
    "Firefox",
    "Internet Explorer",
    "Edge",
    "Opera",
    "Webview",
    "SamsungBrowser",
    "Vivaldi",
    "Yandex Browser",
    "Google Search App",
    "Sleipnir",
    "Android Browser",
];

#[test]
#[ignore = "reads crawler-user-agents.json of the npm package crawler-user-agents, named by CRAWLERS"]
fn crawlers_that_pass_for_people() -> Result<()> {
    let path = env::var("CRAWLERS").context("CRAWLERS names crawler-user-agents.json of that npm package")?;
    let crawlers: Vec<Value> = serde_json::from_str(&fs::read_to_string(path)?)?;
    let agents = crawlers.iter().flat_map(|crawler| crawler["instances"].as_array().into_iter().flatten());
    let agents: Vec<_> = agents.filter_map(Value::as_str).collect();
    let passing = [UserAgents::Woothee, UserAgents::Extended].map(|user_agents| {
        let mut namer = Namer::new(user_agents);
        agents.iter().filter(|agent| PEOPLES.contains(&namer.names(agent).0.as_str())).count()
    });
    println!("{} crawlers; with a browser's name: woothee {}, extended {}", agents.len(), passing[0], passing[1]);
    ensure!(passing[1] < passing[0], "the rules do not make it better");
    Ok(())
}

#[test]
fn crawlers_are_left_out_of_what_would_count() {
    let crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    let visitor = "Mozilla/5.0 (X11; Linux x86_64; rv:77.0) Gecko/20100101 Firefox/77.0";
    let fate = |skip_bots, agent, members: Value| {
        let mut record =
            json!({"collection": "view_product_detail", "local_time": "2020-06-04 8:15:27", "user_agent": agent});
        members.as_object().into_iter().flatten().for_each(|(name, value)| record[name] = value.clone());
        let mut decoder = Decoder::new(Rules { skip_bots, ..rules() });
        decoded(&mut decoder, Some(record.to_string().as_bytes()), None, |outcome| match outcome {
            Outcome::Counted(_) => "counted",
            Outcome::Ignored(_) => "ignored",
            Outcome::Bot => "bot",
            Outcome::Forgotten(_) => "forgotten",
            Outcome::Rejected(_) => "rejected",
        })
    };
    assert_eq!(fate(true, crawler, json!({})), "bot");
    assert_eq!(fate(true, crawler, json!({"collection": "other"})), "ignored");
    assert_eq!(fate(true, crawler, json!({"product_id": []})), "rejected");
    assert_eq!((fate(true, visitor, json!({})), fate(false, crawler, json!({}))), ("counted", "counted"));
}
