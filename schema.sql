-- Everything Freshet keeps in Postgres: the only DDL. It is applied at a start where something of it is missing, and may
-- be applied by hand any number of times.
--
-- Texts are compared by their bytes (COLLATE "C"), as the rankings are.
-- The counted tables leave room in their pages (fillfactor), and no index holds a count: so the update of a count stays
-- within its page and touches no index (a HOT update).

-- What the tables were built with, and by whom they are written ------------------------------------------------------

CREATE TABLE IF NOT EXISTS freshet_settings (
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (name)
);
COMMENT ON TABLE freshet_settings IS 'What these tables were built with; a start with other settings is refused';
COMMENT ON COLUMN freshet_settings.name IS 'The name of the setting';
COMMENT ON COLUMN freshet_settings.value IS 'Its value';

CREATE TABLE IF NOT EXISTS freshet_owner (
    singleton boolean NOT NULL DEFAULT true CHECK (singleton),
    generation bigint NOT NULL,
    instance text,
    backend_pid integer NOT NULL,
    backend_start timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    PRIMARY KEY (singleton)
);
COMMENT ON TABLE freshet_owner IS 'The one process that may write these tables';
COMMENT ON COLUMN freshet_owner.singleton IS 'There is one row';
COMMENT ON COLUMN freshet_owner.generation IS 'Raised whenever the tables get another owner; an owner of an earlier generation can commit nothing';
COMMENT ON COLUMN freshet_owner.instance IS 'Host and process of the owner; null after a clean stop';
COMMENT ON COLUMN freshet_owner.backend_pid IS 'The owner''s session in Postgres';
COMMENT ON COLUMN freshet_owner.backend_start IS 'When that session began';
COMMENT ON COLUMN freshet_owner.renewed_at IS 'When the owner last said that it lives';

CREATE TABLE IF NOT EXISTS progress (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    consumed bigint NOT NULL,
    counted bigint NOT NULL,
    ignored bigint NOT NULL,
    duplicate bigint NOT NULL,
    rejected bigint NOT NULL,
    last_offset bigint,
    last_timestamp bigint,
    last_hash bigint,
    PRIMARY KEY (topic, kafka_partition)
);
COMMENT ON TABLE progress IS 'How far each partition is included in these tables, all of them at once';
COMMENT ON COLUMN progress.topic IS 'The Kafka topic';
COMMENT ON COLUMN progress.kafka_partition IS 'The partition';
COMMENT ON COLUMN progress.first_offset IS 'The first offset that was ever to be read';
COMMENT ON COLUMN progress.next_offset IS 'The offset after the last record that these tables include';
COMMENT ON COLUMN progress.consumed IS 'Records read: counted + ignored + duplicate + rejected';
COMMENT ON COLUMN progress.counted IS 'Records that the reports count';
COMMENT ON COLUMN progress.ignored IS 'Records of collections that are not counted';
COMMENT ON COLUMN progress.duplicate IS 'Records seen before';
COMMENT ON COLUMN progress.rejected IS 'Records that could not be counted, each in rejected_records';
COMMENT ON COLUMN progress.last_offset IS 'The offset of the last record read; null before the first';
COMMENT ON COLUMN progress.last_timestamp IS 'Its Kafka timestamp in milliseconds, -1 if it has none';
COMMENT ON COLUMN progress.last_hash IS 'The XXH3 hash of its value: a start stops if another record stands there';

CREATE TABLE IF NOT EXISTS gaps (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    PRIMARY KEY (topic, kafka_partition, noted_at)
);
COMMENT ON TABLE gaps IS 'Records that were gone from Kafka before they were read, so that these tables lack them: see --on-lost-offsets';
COMMENT ON COLUMN gaps.topic IS 'The Kafka topic';
COMMENT ON COLUMN gaps.kafka_partition IS 'The partition';
COMMENT ON COLUMN gaps.noted_at IS 'When the gap was found';
COMMENT ON COLUMN gaps.from_offset IS 'The offset that was to be read next';
COMMENT ON COLUMN gaps.to_offset IS 'The offset that was read next instead; not greater than from_offset if the topic was made anew';

CREATE TABLE IF NOT EXISTS rejected_records (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    reason text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    payload bytea,
    PRIMARY KEY (topic, kafka_partition, kafka_offset)
);
COMMENT ON TABLE rejected_records IS 'Records that could not be counted';
COMMENT ON COLUMN rejected_records.topic IS 'The Kafka topic';
COMMENT ON COLUMN rejected_records.kafka_partition IS 'The partition';
COMMENT ON COLUMN rejected_records.kafka_offset IS 'The offset in the partition';
COMMENT ON COLUMN rejected_records.reason IS 'Why the record could not be counted';
COMMENT ON COLUMN rejected_records.rejected_at IS 'When that was found';
COMMENT ON COLUMN rejected_records.payload IS 'The value of the record, if it was to be kept (it may hold personal data)';

-- Counts --------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS product_views_hourly (
    product_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    hour smallint NOT NULL CHECK (hour BETWEEN 0 AND 23),
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (product_id, day, hour)
) WITH (fillfactor = 80);
COMMENT ON TABLE product_views_hourly IS 'Views by product and hour';
COMMENT ON COLUMN product_views_hourly.product_id IS 'The product';
COMMENT ON COLUMN product_views_hourly.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN product_views_hourly.hour IS 'The hour of the events, 0 to 23';
COMMENT ON COLUMN product_views_hourly.views IS 'How many views';

CREATE TABLE IF NOT EXISTS country_views_daily (
    day date NOT NULL,
    country text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, country)
) WITH (fillfactor = 80);
COMMENT ON TABLE country_views_daily IS 'Views by day and country';
COMMENT ON COLUMN country_views_daily.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN country_views_daily.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ where it is not known';
COMMENT ON COLUMN country_views_daily.views IS 'How many views';

CREATE TABLE IF NOT EXISTS referrer_views_daily (
    day date NOT NULL,
    referrer_url text COLLATE "C" NOT NULL,
    referrer_url_digest bytea NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, referrer_url_digest)
) WITH (fillfactor = 80);
COMMENT ON TABLE referrer_views_daily IS 'Views by day and referrer';
COMMENT ON COLUMN referrer_views_daily.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN referrer_views_daily.referrer_url IS 'Where the visitors came from';
COMMENT ON COLUMN referrer_views_daily.referrer_url_digest IS 'The first 16 bytes of the SHA-256 of referrer_url, which may be longer than a row of an index can be';
COMMENT ON COLUMN referrer_views_daily.views IS 'How many views';

CREATE TABLE IF NOT EXISTS store_views_daily (
    day date NOT NULL,
    country text COLLATE "C" NOT NULL,
    store_id text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, country, store_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE store_views_daily IS 'Views by day, country and store';
COMMENT ON COLUMN store_views_daily.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN store_views_daily.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ where it is not known';
COMMENT ON COLUMN store_views_daily.store_id IS 'The store';
COMMENT ON COLUMN store_views_daily.views IS 'How many views';

CREATE TABLE IF NOT EXISTS browser_os_views_hourly (
    day date NOT NULL,
    hour smallint NOT NULL CHECK (hour BETWEEN 0 AND 23),
    browser text COLLATE "C" NOT NULL,
    os text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, hour, browser, os)
) WITH (fillfactor = 80);
COMMENT ON TABLE browser_os_views_hourly IS 'Views by hour, browser and operating system';
COMMENT ON COLUMN browser_os_views_hourly.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN browser_os_views_hourly.hour IS 'The hour of the events, 0 to 23';
COMMENT ON COLUMN browser_os_views_hourly.browser IS 'The browser, as woothee names it, or Unknown';
COMMENT ON COLUMN browser_os_views_hourly.os IS 'The operating system, as woothee names it, or Unknown';
COMMENT ON COLUMN browser_os_views_hourly.views IS 'How many views';

-- Rankings: by views descending, then by the bytes of what is ranked ---------------------------------------------------

CREATE TABLE IF NOT EXISTS top_products (
    day date NOT NULL,
    rank smallint NOT NULL CHECK (rank BETWEEN 1 AND 10),
    product_id text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, rank)
) WITH (fillfactor = 80);
COMMENT ON TABLE top_products IS 'The ten products with the most views of each day';
COMMENT ON COLUMN top_products.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN top_products.rank IS 'The place, from 1';
COMMENT ON COLUMN top_products.product_id IS 'The product';
COMMENT ON COLUMN top_products.views IS 'How many views';

CREATE TABLE IF NOT EXISTS top_countries (
    day date NOT NULL,
    rank smallint NOT NULL CHECK (rank BETWEEN 1 AND 10),
    country text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, rank)
) WITH (fillfactor = 80);
COMMENT ON TABLE top_countries IS 'The ten countries with the most views of each day';
COMMENT ON COLUMN top_countries.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN top_countries.rank IS 'The place, from 1';
COMMENT ON COLUMN top_countries.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ where it is not known';
COMMENT ON COLUMN top_countries.views IS 'How many views';

CREATE TABLE IF NOT EXISTS top_referrers (
    day date NOT NULL,
    rank smallint NOT NULL CHECK (rank BETWEEN 1 AND 5),
    referrer_url text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, rank)
) WITH (fillfactor = 80);
COMMENT ON TABLE top_referrers IS 'The five referrers with the most views of each day';
COMMENT ON COLUMN top_referrers.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN top_referrers.rank IS 'The place, from 1';
COMMENT ON COLUMN top_referrers.referrer_url IS 'Where the visitors came from';
COMMENT ON COLUMN top_referrers.views IS 'How many views';

-- Names ----------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS country_names (
    country text COLLATE "C" NOT NULL,
    country_name text NOT NULL,
    PRIMARY KEY (country)
);
COMMENT ON TABLE country_names IS 'The names of countries';
COMMENT ON COLUMN country_names.country IS 'ISO 3166-1 alpha-2 code, EU or ZZ';
COMMENT ON COLUMN country_names.country_name IS 'Its English name';

INSERT INTO country_names (country, country_name) VALUES
    ('AD', 'Andorra'),
    ('AE', 'United Arab Emirates'),
    ('AF', 'Afghanistan'),
    ('AG', 'Antigua and Barbuda'),
    ('AI', 'Anguilla'),
    ('AL', 'Albania'),
    ('AM', 'Armenia'),
    ('AO', 'Angola'),
    ('AQ', 'Antarctica'),
    ('AR', 'Argentina'),
    ('AS', 'American Samoa'),
    ('AT', 'Austria'),
    ('AU', 'Australia'),
    ('AW', 'Aruba'),
    ('AX', 'Åland Islands'),
    ('AZ', 'Azerbaijan'),
    ('BA', 'Bosnia and Herzegovina'),
    ('BB', 'Barbados'),
    ('BD', 'Bangladesh'),
    ('BE', 'Belgium'),
    ('BF', 'Burkina Faso'),
    ('BG', 'Bulgaria'),
    ('BH', 'Bahrain'),
    ('BI', 'Burundi'),
    ('BJ', 'Benin'),
    ('BL', 'Saint Barthélemy'),
    ('BM', 'Bermuda'),
    ('BN', 'Brunei'),
    ('BO', 'Bolivia'),
    ('BQ', 'Bonaire, Sint Eustatius and Saba'),
    ('BR', 'Brazil'),
    ('BS', 'Bahamas'),
    ('BT', 'Bhutan'),
    ('BV', 'Bouvet Island'),
    ('BW', 'Botswana'),
    ('BY', 'Belarus'),
    ('BZ', 'Belize'),
    ('CA', 'Canada'),
    ('CC', 'Cocos (Keeling) Islands'),
    ('CD', 'Congo (Kinshasa)'),
    ('CF', 'Central African Republic'),
    ('CG', 'Congo (Brazzaville)'),
    ('CH', 'Switzerland'),
    ('CI', 'Côte d''Ivoire'),
    ('CK', 'Cook Islands'),
    ('CL', 'Chile'),
    ('CM', 'Cameroon'),
    ('CN', 'China'),
    ('CO', 'Colombia'),
    ('CR', 'Costa Rica'),
    ('CU', 'Cuba'),
    ('CV', 'Cabo Verde'),
    ('CW', 'Curaçao'),
    ('CX', 'Christmas Island'),
    ('CY', 'Cyprus'),
    ('CZ', 'Czechia'),
    ('DE', 'Germany'),
    ('DJ', 'Djibouti'),
    ('DK', 'Denmark'),
    ('DM', 'Dominica'),
    ('DO', 'Dominican Republic'),
    ('DZ', 'Algeria'),
    ('EC', 'Ecuador'),
    ('EE', 'Estonia'),
    ('EG', 'Egypt'),
    ('EH', 'Western Sahara'),
    ('ER', 'Eritrea'),
    ('ES', 'Spain'),
    ('ET', 'Ethiopia'),
    ('EU', 'European Union'),
    ('FI', 'Finland'),
    ('FJ', 'Fiji'),
    ('FK', 'Falkland Islands (Malvinas)'),
    ('FM', 'Micronesia'),
    ('FO', 'Faroe Islands'),
    ('FR', 'France'),
    ('GA', 'Gabon'),
    ('GB', 'United Kingdom'),
    ('GD', 'Grenada'),
    ('GE', 'Georgia'),
    ('GF', 'French Guiana'),
    ('GG', 'Guernsey'),
    ('GH', 'Ghana'),
    ('GI', 'Gibraltar'),
    ('GL', 'Greenland'),
    ('GM', 'Gambia'),
    ('GN', 'Guinea'),
    ('GP', 'Guadeloupe'),
    ('GQ', 'Equatorial Guinea'),
    ('GR', 'Greece'),
    ('GS', 'South Georgia and the South Sandwich Islands'),
    ('GT', 'Guatemala'),
    ('GU', 'Guam'),
    ('GW', 'Guinea-Bissau'),
    ('GY', 'Guyana'),
    ('HK', 'Hong Kong'),
    ('HM', 'Heard Island and McDonald Islands'),
    ('HN', 'Honduras'),
    ('HR', 'Croatia'),
    ('HT', 'Haiti'),
    ('HU', 'Hungary'),
    ('ID', 'Indonesia'),
    ('IE', 'Ireland'),
    ('IL', 'Israel'),
    ('IM', 'Isle of Man'),
    ('IN', 'India'),
    ('IO', 'British Indian Ocean Territory'),
    ('IQ', 'Iraq'),
    ('IR', 'Iran'),
    ('IS', 'Iceland'),
    ('IT', 'Italy'),
    ('JE', 'Jersey'),
    ('JM', 'Jamaica'),
    ('JO', 'Jordan'),
    ('JP', 'Japan'),
    ('KE', 'Kenya'),
    ('KG', 'Kyrgyzstan'),
    ('KH', 'Cambodia'),
    ('KI', 'Kiribati'),
    ('KM', 'Comoros'),
    ('KN', 'Saint Kitts and Nevis'),
    ('KP', 'North Korea'),
    ('KR', 'South Korea'),
    ('KW', 'Kuwait'),
    ('KY', 'Cayman Islands'),
    ('KZ', 'Kazakhstan'),
    ('LA', 'Laos'),
    ('LB', 'Lebanon'),
    ('LC', 'Saint Lucia'),
    ('LI', 'Liechtenstein'),
    ('LK', 'Sri Lanka'),
    ('LR', 'Liberia'),
    ('LS', 'Lesotho'),
    ('LT', 'Lithuania'),
    ('LU', 'Luxembourg'),
    ('LV', 'Latvia'),
    ('LY', 'Libya'),
    ('MA', 'Morocco'),
    ('MC', 'Monaco'),
    ('MD', 'Moldova'),
    ('ME', 'Montenegro'),
    ('MF', 'Saint Martin (French part)'),
    ('MG', 'Madagascar'),
    ('MH', 'Marshall Islands'),
    ('MK', 'North Macedonia'),
    ('ML', 'Mali'),
    ('MM', 'Myanmar'),
    ('MN', 'Mongolia'),
    ('MO', 'Macao'),
    ('MP', 'Northern Mariana Islands'),
    ('MQ', 'Martinique'),
    ('MR', 'Mauritania'),
    ('MS', 'Montserrat'),
    ('MT', 'Malta'),
    ('MU', 'Mauritius'),
    ('MV', 'Maldives'),
    ('MW', 'Malawi'),
    ('MX', 'Mexico'),
    ('MY', 'Malaysia'),
    ('MZ', 'Mozambique'),
    ('NA', 'Namibia'),
    ('NC', 'New Caledonia'),
    ('NE', 'Niger'),
    ('NF', 'Norfolk Island'),
    ('NG', 'Nigeria'),
    ('NI', 'Nicaragua'),
    ('NL', 'Netherlands'),
    ('NO', 'Norway'),
    ('NP', 'Nepal'),
    ('NR', 'Nauru'),
    ('NU', 'Niue'),
    ('NZ', 'New Zealand'),
    ('OM', 'Oman'),
    ('PA', 'Panama'),
    ('PE', 'Peru'),
    ('PF', 'French Polynesia'),
    ('PG', 'Papua New Guinea'),
    ('PH', 'Philippines'),
    ('PK', 'Pakistan'),
    ('PL', 'Poland'),
    ('PM', 'Saint Pierre and Miquelon'),
    ('PN', 'Pitcairn'),
    ('PR', 'Puerto Rico'),
    ('PS', 'Palestine'),
    ('PT', 'Portugal'),
    ('PW', 'Palau'),
    ('PY', 'Paraguay'),
    ('QA', 'Qatar'),
    ('RE', 'Réunion'),
    ('RO', 'Romania'),
    ('RS', 'Serbia'),
    ('RU', 'Russia'),
    ('RW', 'Rwanda'),
    ('SA', 'Saudi Arabia'),
    ('SB', 'Solomon Islands'),
    ('SC', 'Seychelles'),
    ('SD', 'Sudan'),
    ('SE', 'Sweden'),
    ('SG', 'Singapore'),
    ('SH', 'Saint Helena, Ascension and Tristan da Cunha'),
    ('SI', 'Slovenia'),
    ('SJ', 'Svalbard and Jan Mayen'),
    ('SK', 'Slovakia'),
    ('SL', 'Sierra Leone'),
    ('SM', 'San Marino'),
    ('SN', 'Senegal'),
    ('SO', 'Somalia'),
    ('SR', 'Suriname'),
    ('SS', 'South Sudan'),
    ('ST', 'Sao Tome and Principe'),
    ('SV', 'El Salvador'),
    ('SX', 'Sint Maarten (Dutch part)'),
    ('SY', 'Syria'),
    ('SZ', 'Eswatini'),
    ('TC', 'Turks and Caicos Islands'),
    ('TD', 'Chad'),
    ('TF', 'French Southern Territories'),
    ('TG', 'Togo'),
    ('TH', 'Thailand'),
    ('TJ', 'Tajikistan'),
    ('TK', 'Tokelau'),
    ('TL', 'Timor-Leste'),
    ('TM', 'Turkmenistan'),
    ('TN', 'Tunisia'),
    ('TO', 'Tonga'),
    ('TR', 'Türkiye'),
    ('TT', 'Trinidad and Tobago'),
    ('TV', 'Tuvalu'),
    ('TW', 'Taiwan'),
    ('TZ', 'Tanzania'),
    ('UA', 'Ukraine'),
    ('UG', 'Uganda'),
    ('UM', 'United States Minor Outlying Islands'),
    ('US', 'United States'),
    ('UY', 'Uruguay'),
    ('UZ', 'Uzbekistan'),
    ('VA', 'Vatican City'),
    ('VC', 'Saint Vincent and the Grenadines'),
    ('VE', 'Venezuela'),
    ('VG', 'British Virgin Islands'),
    ('VI', 'U.S. Virgin Islands'),
    ('VN', 'Vietnam'),
    ('VU', 'Vanuatu'),
    ('WF', 'Wallis and Futuna'),
    ('WS', 'Samoa'),
    ('YE', 'Yemen'),
    ('YT', 'Mayotte'),
    ('ZA', 'South Africa'),
    ('ZM', 'Zambia'),
    ('ZW', 'Zimbabwe'),
    ('ZZ', 'Unknown')
ON CONFLICT DO NOTHING;

-- The reports ----------------------------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW report_day AS
SELECT coalesce(
    (SELECT max(day) FROM country_views_daily WHERE day <= today),
    (SELECT min(day) FROM country_views_daily WHERE day > today)
) AS day
FROM (
    SELECT (now() AT TIME ZONE coalesce((SELECT value FROM freshet_settings WHERE name = 'time-zone'), 'UTC'))::date AS today
) AS clock;
COMMENT ON VIEW report_day IS 'The day of the daily reports: today if it has any view, else the latest day before it that has, else the earliest after it';
COMMENT ON COLUMN report_day.day IS 'The day; null while there is no view at all';

CREATE OR REPLACE VIEW report_top_products AS
SELECT day, rank, product_id, views FROM top_products JOIN report_day USING (day) ORDER BY rank;
COMMENT ON VIEW report_top_products IS 'Report 1: the ten products with the most views of the current or latest day';
COMMENT ON COLUMN report_top_products.day IS 'The day';
COMMENT ON COLUMN report_top_products.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_products.product_id IS 'The product';
COMMENT ON COLUMN report_top_products.views IS 'How many views';

CREATE OR REPLACE VIEW report_top_countries AS
SELECT rank::smallint, country, coalesce(country_name, country) AS country_name, views
FROM (
    SELECT row_number() OVER (ORDER BY sum(views) DESC, country) AS rank, country, sum(views)::bigint AS views
    FROM country_views_daily
    GROUP BY country
) AS ranked
LEFT JOIN country_names USING (country)
WHERE rank <= 10
ORDER BY rank;
COMMENT ON VIEW report_top_countries IS 'Report 2: the ten countries with the most views over all days';
COMMENT ON COLUMN report_top_countries.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_countries.country IS 'ISO 3166-1 alpha-2 code, EU or ZZ';
COMMENT ON COLUMN report_top_countries.country_name IS 'The name of the country';
COMMENT ON COLUMN report_top_countries.views IS 'How many views';

CREATE OR REPLACE VIEW report_top_countries_daily AS
SELECT day, rank, country, coalesce(country_name, country) AS country_name, views
FROM top_countries JOIN report_day USING (day) LEFT JOIN country_names USING (country)
ORDER BY rank;
COMMENT ON VIEW report_top_countries_daily IS 'Report 2, for the current or latest day';
COMMENT ON COLUMN report_top_countries_daily.day IS 'The day';
COMMENT ON COLUMN report_top_countries_daily.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_countries_daily.country IS 'ISO 3166-1 alpha-2 code, EU or ZZ';
COMMENT ON COLUMN report_top_countries_daily.country_name IS 'The name of the country';
COMMENT ON COLUMN report_top_countries_daily.views IS 'How many views';

CREATE OR REPLACE VIEW report_top_referrers AS
SELECT day, rank, referrer_url, views FROM top_referrers JOIN report_day USING (day) ORDER BY rank;
COMMENT ON VIEW report_top_referrers IS 'Report 3: the five referrers with the most views of the current or latest day';
COMMENT ON COLUMN report_top_referrers.day IS 'The day';
COMMENT ON COLUMN report_top_referrers.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_referrers.referrer_url IS 'Where the visitors came from';
COMMENT ON COLUMN report_top_referrers.views IS 'How many views';

CREATE OR REPLACE VIEW report_store_views AS
SELECT country, coalesce(country_name, country) AS country_name, store_id, sum(views)::bigint AS views
FROM store_views_daily LEFT JOIN country_names USING (country)
GROUP BY country, country_name, store_id
ORDER BY country, sum(views) DESC, store_id;
COMMENT ON VIEW report_store_views IS 'Report 4: views by store for each country, over all days';
COMMENT ON COLUMN report_store_views.country IS 'ISO 3166-1 alpha-2 code, EU or ZZ';
COMMENT ON COLUMN report_store_views.country_name IS 'The name of the country';
COMMENT ON COLUMN report_store_views.store_id IS 'The store';
COMMENT ON COLUMN report_store_views.views IS 'How many views';

CREATE OR REPLACE VIEW report_product_hours AS
SELECT product_id, day, hour, views FROM product_views_hourly;
COMMENT ON VIEW report_product_hours IS 'Report 5: hourly views of each product';
COMMENT ON COLUMN report_product_hours.product_id IS 'The product';
COMMENT ON COLUMN report_product_hours.day IS 'The day';
COMMENT ON COLUMN report_product_hours.hour IS 'The hour, 0 to 23';
COMMENT ON COLUMN report_product_hours.views IS 'How many views';

CREATE OR REPLACE VIEW report_browser_os_hours AS
SELECT day, hour, browser, os, views FROM browser_os_views_hourly;
COMMENT ON VIEW report_browser_os_hours IS 'Report 6: hourly views by browser and operating system';
COMMENT ON COLUMN report_browser_os_hours.day IS 'The day';
COMMENT ON COLUMN report_browser_os_hours.hour IS 'The hour, 0 to 23';
COMMENT ON COLUMN report_browser_os_hours.browser IS 'The browser, or Unknown';
COMMENT ON COLUMN report_browser_os_hours.os IS 'The operating system, or Unknown';
COMMENT ON COLUMN report_browser_os_hours.views IS 'How many views';
