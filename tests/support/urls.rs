//! What stands in URLs, and what of it may name a visitor, as the contract says. Independent like the oracle, and the fuzz
//! target has it too.

/// How much of a referrer is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Referrers {
    #[default]
    Full,
    NoQuery,
    Host,
}

impl Referrers {
    /// What of a referrer is kept, if anything.
    pub fn kept(self, url: &str) -> Option<String> {
        match self {
            Referrers::Full => Some(url.to_owned()),
            Referrers::NoQuery => Some(without_query(url)).filter(|url| !url.is_empty()),
            Referrers::Host => {
                let scheme = url[..url.find(':')?].to_ascii_lowercase();
                let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
                let right = scheme.chars().all(allowed) && scheme.chars().next()?.is_ascii_lowercase();
                host(url).filter(|_| right).map(|host| scheme + "://" + &host)
            }
        }
    }
}

/// A URL before its first `?` or `#`.
pub fn without_query(url: &str) -> String {
    url.chars().take_while(|c| !['?', '#'].contains(c)).collect()
}

/// The host of a URL.
pub fn host(url: &str) -> Option<String> {
    let colon = url.find(':')?;
    let behind = url[colon..].strip_prefix("://")?;
    let end = behind.find(|c| r"/?#\".contains(c)).unwrap_or(behind.len());
    let mut host = &behind[..end];
    if let Some(at) = host.rfind('@') {
        host = &host[at + 1..];
    }
    let without_port = host.trim_end_matches(|c: char| c.is_ascii_digit()).strip_suffix(':');
    let host: String = without_port.unwrap_or(host).chars().map(|c| c.to_ascii_lowercase()).collect();
    (!host.is_empty() && host.len() <= 253).then_some(host)
}

/// `%` and two hexadecimal digits stand for a byte; all else for itself.
pub fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    while let Some((first, behind)) = rest.split_first() {
        let pair = behind.first().zip(behind.get(1)).and_then(|(high, low)| digit(*high).zip(digit(*low)));
        match pair.filter(|_| *first == b'%') {
            Some((high, low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    bytes
}

/// What is left once there is nothing more to decode; nothing if that is so only after more than four times.
fn decoded(text: &str) -> Option<String> {
    let mut stages = vec![text.as_bytes().to_vec()];
    for stage in 0..5 {
        stages.push(percent_decoded(&stages[stage]));
    }
    // With bytes for characters, so that what is no UTF-8 is no matter.
    let same = (0..5).find(|stage| stages[*stage] == stages[stage + 1])?;
    Some(stages[same].iter().map(|byte| char::from(*byte)).collect::<String>())
}

/// `@`, U+FF20 and U+FE6B, with bytes for characters.
const AT_SIGNS: [&str; 3] = ["@", "\u{ef}\u{bc}\u{a0}", "\u{ef}\u{b9}\u{ab}"];

/// Whether a page's address may name its visitor.
pub fn names_visitor(page: &str) -> bool {
    let Some(text) = decoded(page) else { return true };
    AT_SIGNS.iter().any(|sign| text.contains(sign)) || text.to_ascii_lowercase().contains(";jsessionid=")
}

/// The text with `(e-mail)` for each word in it that is an address.
pub fn masked(text: &str) -> String {
    let mut masked = String::new();
    for word in text.split_inclusive(is_separator) {
        let bare = word.strip_suffix(is_separator).unwrap_or(word);
        masked.push_str(if is_email(bare) { "(e-mail)" } else { bare });
        masked.push_str(&word[bare.len()..]);
    }
    masked
}

fn is_separator(c: char) -> bool {
    "/?#&=;,\\ ".contains(c) || c.is_ascii_control()
}

fn is_email(word: &str) -> bool {
    let Some(text) = decoded(word) else { return true };
    let word = |c: Option<char>| c.is_some_and(|c| !is_separator(c));
    let is_address = |(at, sign): (usize, &str)| {
        word(text[..at].chars().next_back()) && word(text[at + sign.len()..].chars().next())
    };
    AT_SIGNS.iter().flat_map(|sign| text.match_indices(sign)).any(is_address)
}
