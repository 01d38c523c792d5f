//! Which host is which country's shop, from a file of the user's.

use std::fmt;
use std::fs;
use std::iter;
use std::str::FromStr;

use dataflows::Country;
use hashbrown::HashMap;
use url::Host;

use super::country::known;

/// Hosts and domains with their countries. Parsed from lines like `www.example.com, US` for one host and
/// `.example.com, DE` for a domain and everything below it; `#` begins a comment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Countries {
    /// As the `url` crate spells them: in lower case, in ASCII.
    hosts: HashMap<Box<str>, Country>,
    /// Likewise, without their first dot.
    domains: HashMap<Box<str>, Country>,
}

impl Countries {
    /// Those of a file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file, in which line, and what to do.
    pub fn read(path: &str) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("the file cannot be read: {error}"))?;
        // Spreadsheets put a byte order mark at the beginning.
        text.trim_start_matches('\u{feff}').parse()
    }

    /// The country of this host, by the longest line that names it.
    pub(super) fn get(&self, host: &str) -> Option<Country> {
        let mut domains = iter::successors(Some(host), |domain| Some(domain.split_once('.')?.1));
        self.hosts.get(host).or_else(|| domains.find_map(|domain| self.domains.get(domain))).copied()
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let (name, code) = line.split_once(',').ok_or("expected a host and a country, like www.example.com, DE")?;
        let (name, code) = (name.trim(), code.trim());
        let country = known(code).ok_or_else(|| {
            format!("'{code}' is no country; give its code in ISO 3166-1 alpha-2, like DE or GB, or EU, or ZZ for none")
        })?;
        let (of, host) = match name.strip_prefix('.') {
            Some(domain) => (&mut self.domains, plain(domain)),
            None => (&mut self.hosts, plain(name).filter(|host| host.contains('.'))),
        };
        let host = host.ok_or_else(|| {
            format!("'{name}' is no host; give one like www.example.com, or .example.com for all that is below")
        })?;
        match of.insert(host, country) {
            Some(other) if other != country => {
                Err(format!("'{name}' is {} already, by a line above; leave one of both", other.as_str()))
            }
            _ => Ok(()),
        }
    }
}

/// A domain as the `url` crate gives it for the URLs of records.
fn plain(name: &str) -> Option<Box<str>> {
    let Ok(Host::Domain(domain)) = Host::parse(name) else { return None };
    let domain = domain.strip_suffix('.').unwrap_or(&domain);
    let is_plain = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    domain.split('.').all(is_plain).then(|| domain.into())
}

impl FromStr for Countries {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut countries = Countries::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                countries.add(line).map_err(|what| format!("line {}: {what}", index + 1))?;
            }
        }
        if countries == Countries::default() {
            return Err("it names no host; give a line for each, like www.example.com, DE".into());
        }
        Ok(countries)
    }
}

/// As it is parsed, in one spelling for one meaning: sorted, a line each.
impl fmt::Display for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domains = self.domains.iter().map(|(name, country)| format!(".{name},{}", country.as_str()));
        let hosts = self.hosts.iter().map(|(name, country)| format!("{name},{}", country.as_str()));
        let mut lines: Vec<_> = domains.chain(hosts).collect();
        lines.sort_unstable();
        f.write_str(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Countries {
        text.parse().expect("good lines")
    }

    #[test]
    fn one_meaning_has_one_spelling() {
        let countries =
            parsed("# shops\r\n\r\nWWW.Münster.com , de # home\n.com,US\n.com, us\nwww.a.com.,eu\n.a.com,ZZ\n");
        let spelling = ".a.com,ZZ\n.com,US\nwww.a.com,EU\nwww.xn--mnster-3ya.com,DE";
        assert_eq!(countries.to_string(), spelling);
        assert_eq!(parsed(spelling), countries);
    }

    #[test]
    fn the_longest_line_holds() {
        let countries = parsed(".com,US\n.a.com,FR\na.com,IT\nb.a.com,ES\n");
        let cases = [
            ("x.com", Some("US")),
            ("a.com", Some("IT")),
            ("b.a.com", Some("ES")),
            ("c.b.a.com", Some("FR")),
            ("xa.com", Some("US")),
            ("a.com.de", None),
            ("com.de", None),
        ];
        for (host, expected) in cases {
            assert_eq!(countries.get(host).as_ref().map(Country::as_str), expected, "{host}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        let cases = [
            ("a.com", "line 1: expected a host and a country"),
            ("\n# a\na.com;DE", "line 3: expected a host and a country"),
            ("host,country", "line 1: 'country' is no country"),
            ("a.com,UK", "line 1: 'UK' is no country; give its code in ISO 3166-1 alpha-2, like DE or GB"),
            ("a.com,DE,FR", "line 1: 'DE,FR' is no country"),
            ("a.com,", "line 1: '' is no country"),
            (",DE", "line 1: '' is no host"),
            (".,DE", "line 1: '.' is no host"),
            ("localhost,DE", "line 1: 'localhost' is no host"),
            ("https://a.com/,DE", "line 1: 'https://a.com/' is no host"),
            ("*.a.com,DE", "line 1: '*.a.com' is no host"),
            ("a..com,DE", "line 1: 'a..com' is no host"),
            ("127.0.0.1,DE", "line 1: '127.0.0.1' is no host"),
            ("a.com,DE\nA.com,FR", "line 2: 'A.com' is DE already"),
            (" # nothing\n", "it names no host"),
        ];
        for (text, words) in cases {
            let error = text.parse::<Countries>().expect_err(text);
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }
}
