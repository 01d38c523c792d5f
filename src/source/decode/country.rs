//! The country of a shop, from the domain of its URL.

use dataflows::Country;

use super::Countries;

/// The officially assigned codes of ISO 3166-1 alpha-2 (249, as of 2024), and the two that are used beside them.
const CODES: &str = "\
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ \
    BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR \
    CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR \
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU \
    ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ \
    LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ \
    MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF \
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI \
    SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR \
    TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW \
    EU ZZ";

/// The code of what is no country.
pub(super) const UNKNOWN: &str = "ZZ";

/// The country of a domain: by `countries`, or else by its last label, where that is a country's.
pub(super) fn of_domain(domain: Option<&str>, countries: Option<&Countries>) -> &'static str {
    let Some(domain) = domain else { return UNKNOWN };
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let listed = countries.filter(|_| has_labels(domain)).and_then(|countries| countries.get(domain));
    listed.map_or_else(
        || of_last_label(domain.as_bytes()),
        |country| code(country.as_str().as_bytes()).unwrap_or(UNKNOWN),
    )
}

/// The country of a code, in small letters or capitals; `ZZ` is one too.
pub(super) fn known(text: &str) -> Option<Country> {
    Country::new(code(text.to_ascii_uppercase().as_bytes())?)
}

/// Whether it has two labels or more, none of them empty.
fn has_labels(domain: &str) -> bool {
    domain.contains('.') && domain.split('.').all(|label| !label.is_empty())
}

fn of_last_label(domain: &[u8]) -> &'static str {
    let [front @ .., b'.', first, second] = domain else { return UNKNOWN };
    if front.split(|b| *b == b'.').any(<[u8]>::is_empty) {
        return UNKNOWN;
    }
    of_letters([*first, *second])
}

/// The country of a code, in small letters or capitals.
pub(super) fn of_code(text: &str) -> &'static str {
    text.as_bytes().try_into().map_or(UNKNOWN, of_letters)
}

fn of_letters([first, second]: [u8; 2]) -> &'static str {
    let letters = match [first.to_ascii_uppercase(), second.to_ascii_uppercase()] {
        [b'U', b'K'] => *b"GB",
        letters => letters,
    };
    code(&letters).unwrap_or(UNKNOWN)
}

/// The code of these two capital letters, if it is one.
fn code(letters: &[u8]) -> Option<&'static str> {
    match *letters {
        [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => CODES.get(PLACES[index(a, b)] as usize..)?.get(..2),
        _ => None,
    }
}

const fn index(a: u8, b: u8) -> usize {
    (a - b'A') as usize * 26 + (b - b'A') as usize
}

/// Where in [`CODES`] each pair of letters stands: it is asked once for each record.
static PLACES: [u16; 26 * 26] = {
    let (codes, mut table, mut at) = (CODES.as_bytes(), [u16::MAX; 26 * 26], 0);
    while at < codes.len() {
        table[index(codes[at], codes[at + 1])] = at as u16;
        at += 3;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_all_there() {
        let codes: std::collections::BTreeSet<_> = CODES.split(' ').collect();
        assert_eq!(codes.len(), 249 + 2);
        assert!(codes.iter().all(|text| code(text.as_bytes()) == Some(text)));
        assert!(["UK", "AA", "uk", "", "D", "DEU"].into_iter().all(|text| code(text.as_bytes()).is_none()));
    }
}
