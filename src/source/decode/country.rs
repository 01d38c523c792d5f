//! The country of a shop, from the domain of its URL.

use dataflows::Country;
use url::Url;

use super::{Countries, Scalar};

/// The officially assigned codes of ISO 3166-1 alpha-2 (249, as of 2024).
const ISO_CODES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
    BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR \
    CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU \
    ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ \
    LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ \
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF \
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI \
    SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR \
    TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// The country of the member `current_url`: that of its domain by `countries`, or else by its last label, where that is
/// a country's.
pub(super) fn of(url: &Scalar<'_>, countries: Option<&Countries>) -> Country {
    let Scalar::Text(url) = url else { return Country::UNKNOWN };
    match plain_domain(url) {
        Some(domain) => of_domain(domain, countries),
        // The url crate takes 0.3 µs, ten times what the slice takes, and decides wherever there is doubt.
        None => match Url::parse(url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => {
                url.domain().map_or(Country::UNKNOWN, |domain| of_domain(domain, countries))
            }
            _ => Country::UNKNOWN,
        },
    }
}

/// The country of a code, in small letters or capitals; `ZZ` is one too.
pub(super) fn known(code: &str) -> Option<Country> {
    let code = code.to_ascii_uppercase();
    let country = Country::new(&code)?;
    (country == Country::UNKNOWN || is_known(code.as_bytes().try_into().ok()?)).then_some(country)
}

/// The domain of a URL so plain that it can be cut out: `http(s)://`, then lower-case letters, digits, hyphens and
/// dots up to the path or the end. No user, port, escape, IP address or internationalized name (`xn--…`), for which there
/// are rules in the URL standard.
fn plain_domain(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let (mut end, mut last_label, mut before) = (0, 0, b'.');
    for byte in rest.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' if before != b'-' => {}
            b'.' => last_label = end + 1,
            b'/' | b'?' | b'#' => break,
            _ => return None,
        }
        before = byte;
        end += 1;
    }
    rest.as_bytes()[last_label..end].first()?.is_ascii_lowercase().then_some(&rest[..end])
}

fn of_domain(domain: &str, countries: Option<&Countries>) -> Country {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let told = countries.filter(|_| has_labels(domain)).and_then(|countries| countries.of(domain));
    told.unwrap_or_else(|| of_last_label(domain.as_bytes()))
}

/// Whether it has two labels or more, none of them empty.
fn has_labels(domain: &str) -> bool {
    domain.contains('.') && domain.split('.').all(|label| !label.is_empty())
}

fn of_last_label(domain: &[u8]) -> Country {
    let [front @ .., b'.', first, second] = domain else { return Country::UNKNOWN };
    if front.split(|b| *b == b'.').any(<[u8]>::is_empty) {
        return Country::UNKNOWN;
    }
    let code = match [first.to_ascii_uppercase(), second.to_ascii_uppercase()] {
        [b'U', b'K'] => *b"GB",
        code => code,
    };
    Country::of(code).filter(|_| is_known(code)).unwrap_or(Country::UNKNOWN)
}

fn is_known(code: [u8; 2]) -> bool {
    code == *b"EU" || is_iso(code)
}

fn is_iso(code: [u8; 2]) -> bool {
    match code {
        [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => IS_ISO[index(a, b)],
        _ => false,
    }
}

const fn index(a: u8, b: u8) -> usize {
    (a - b'A') as usize * 26 + (b - b'A') as usize
}

/// [`ISO_CODES`] as a table of all pairs of letters: it is asked once for each record.
static IS_ISO: [bool; 26 * 26] = {
    let (codes, mut table, mut at) = (ISO_CODES.as_bytes(), [false; 26 * 26], 0);
    while at < codes.len() {
        table[index(codes[at], codes[at + 1])] = true;
        at += 3;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_url_crate(url: &str, countries: Option<&Countries>) -> Country {
        let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        url.and_then(|url| url.domain().map(|domain| of_domain(domain, countries))).unwrap_or(Country::UNKNOWN)
    }

    proptest! {
        #[test]
        fn the_slice_agrees_with_the_url_crate(
            url in "(https?|HTTP|ftp)://?([a-z0-9.-]{0,12}|[A-Za-z0-9.:@%\\\\ü\\[\\]_ -]{0,12})(\\.(de|uk|eu|com|0x1|12|xn--p1ai))?\\.?([/?#:].{0,6})?"
        ) {
            let countries = ".com,US\n.a.de,FR\n.xn--p1ai,RU".parse().expect("good lines");
            for countries in [None, Some(&countries)] {
                let country = of(&Scalar::Text(url.as_str().into()), countries);
                prop_assert_eq!(country, by_url_crate(&url, countries), "{}", url);
            }
        }
    }

    #[test]
    fn the_codes_are_all_there() {
        let codes: std::collections::BTreeSet<_> = ISO_CODES.split(' ').collect();
        assert_eq!(codes.len(), 249);
        let is_known = |code: &&str| code.as_bytes().try_into().is_ok_and(is_iso);
        assert!(codes.iter().all(is_known));
        assert!(![*b"UK", *b"EU", *b"ZZ", *b"uk"].into_iter().any(is_iso));
    }
}
