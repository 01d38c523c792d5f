//! The 86 shops: store ids, the hosts they answer at, and how much of the traffic is theirs.

/// One shop of the site.
pub(super) struct Shop {
    /// The `store_id` in its events.
    pub id: u32,
    /// The host of its pages. Shops of several languages share one.
    pub host: &'static str,
    /// Its share of all visitors, in ten-thousandths.
    pub share: u64,
    /// Its clocks' distance from UTC in June.
    pub utc_hours: i64,
}

impl Shop {
    /// The part after `glamira.`, which is also the domain of the visitor's search engine: `co.uk`, `de`.
    pub fn suffix(&self) -> &'static str {
        self.host.strip_prefix("www.glamira.").unwrap_or("de")
    }
}

const fn shop(id: u32, host: &'static str, share: u64, utc_hours: i64) -> Shop {
    Shop { id, host, share, utc_hours }
}

/// All shops. The first ten and their shares are those of the real topic; the others share the rest by a Zipf-like slope.
pub(super) const SHOPS: [Shop; 86] = [
    shop(6, "www.glamira.de", 1250, 2),
    shop(7, "www.glamira.co.uk", 810, 1),
    shop(12, "www.glamira.fr", 610, 2),
    shop(41, "www.glamira.com", 570, -4),
    shop(14, "www.glamira.it", 450, 2),
    shop(8, "www.glamira.es", 410, 2),
    shop(19, "www.glamira.se", 370, 2),
    shop(29, "www.glamira.com.au", 340, 10),
    shop(51, "www.glamira.ro", 330, 3),
    shop(11, "www.glamira.nl", 300, 2),
    shop(82, "www.glamira.ca", 279, -4),
    shop(57, "www.glamira.com.tr", 242, 3),
    shop(66, "www.glamira.sk", 212, 2),
    shop(47, "www.glamira.bg", 188, 3),
    shop(45, "www.glamira.hu", 169, 2),
    shop(98, "www.glamira.com.mx", 154, -5),
    shop(42, "www.glamira.ch", 141, 2),
    shop(69, "www.glamira.at", 130, 2),
    shop(27, "www.glamira.be", 121, 2),
    shop(103, "www.glamira.pl", 113, 2),
    shop(107, "www.glamira.dk", 106, 2),
    shop(24, "www.glamira.no", 100, 2),
    shop(15, "www.glamira.fi", 94, 3),
    shop(77, "www.glamira.ie", 89, 1),
    shop(91, "www.glamira.pt", 85, 1),
    shop(90, "www.glamira.gr", 81, 3),
    shop(105, "www.glamira.cz", 77, 2),
    shop(38, "www.glamira.ch", 74, 2),
    shop(65, "www.glamira.ca", 71, -4),
    shop(55, "www.glamira.be", 68, 2),
    shop(87, "www.glamira.co.nz", 65, 12),
    shop(97, "www.glamira.sg", 63, 8),
    shop(72, "www.glamira.lt", 60, 3),
    shop(1, "www.glamira.hr", 58, 2),
    shop(46, "www.glamira.si", 56, 2),
    shop(21, "www.glamira.lv", 55, 3),
    shop(88, "www.glamira.ee", 53, 3),
    shop(31, "www.glamira.lu", 51, 2),
    shop(48, "www.glamira.co.za", 50, 2),
    shop(108, "www.glamira.com.br", 48, -3),
    shop(104, "www.glamira.jp", 47, 9),
    shop(49, "www.glamira.hk", 46, 8),
    shop(43, "www.glamira.cl", 45, -4),
    shop(95, "www.glamira.com", 43, 3),
    shop(100, "www.glamira.africa", 42, 2),
    shop(9, "www.glamira.ae", 41, 4),
    shop(40, "www.glamira.ru", 40, 3),
    shop(20, "www.glamira.ua", 39, 3),
    shop(59, "www.glamira.com.co", 38, -5),
    shop(62, "www.glamira.pe", 38, -5),
    shop(61, "www.glamira.com.ar", 37, -3),
    shop(81, "www.glamira.us", 36, -4),
    shop(33, "www.glamira.il", 35, 3),
    shop(70, "www.glamira.kr", 35, 9),
    shop(13, "www.glamira.tw", 34, 8),
    shop(63, "www.glamira.th", 33, 7),
    shop(36, "www.glamira.my", 33, 8),
    shop(4, "www.glamira.ph", 32, 8),
    shop(3, "www.glamira.id", 31, 7),
    shop(44, "www.glamira.vn", 31, 7),
    shop(30, "www.glamira.eu", 30, 2),
    shop(22, "www.glamira.li", 30, 2),
    shop(35, "www.glamira.mt", 29, 2),
    shop(17, "www.glamira.cy", 29, 3),
    shop(26, "www.glamira.is", 28, 0),
    shop(58, "www.glamira.rs", 28, 2),
    shop(56, "www.glamira.ba", 27, 2),
    shop(67, "www.glamira.mk", 27, 2),
    shop(28, "www.glamira.al", 26, 2),
    shop(25, "www.glamira.md", 26, 3),
    shop(102, "www.glamira.ge", 26, 4),
    shop(5, "www.glamira.kz", 25, 6),
    shop(75, "www.glamira.az", 25, 4),
    shop(23, "www.glamira.sa", 25, 3),
    shop(99, "www.glamira.qa", 24, 3),
    shop(106, "www.glamira.kw", 24, 3),
    shop(60, "www.glamira.om", 24, 4),
    shop(78, "www.glamira.bh", 23, 3),
    shop(64, "www.glamira.com.eg", 23, 2),
    shop(37, "www.glamira.ma", 23, 1),
    shop(54, "www.glamira.tn", 22, 1),
    shop(79, "www.glamira.ng", 22, 1),
    shop(109, "www.glamira.ke", 22, 3),
    shop(74, "www.glamira.com.ec", 21, -5),
    shop(18, "www.glamira.cr", 21, -6),
    shop(39, "www.ring-paare.de", 21, 2),
];
