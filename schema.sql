-- Everything Freshet keeps in Postgres: the only DDL, as `freshet schema` prints it. It is applied at a start where something
-- of it is missing, and may be applied by hand any number of times.
--
-- Texts are compared by their bytes (COLLATE "C"), as the rankings are.
-- The counted tables leave room in their pages (fillfactor), and no index holds a count: so the update of a count stays
-- within its page and touches no index (a HOT update).

-- What the tables were built with, and by whom they are written -------------------------------------------------------

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
    commit_number bigint NOT NULL DEFAULT 0,
    process text,
    database_id text,
    PRIMARY KEY (singleton)
);
COMMENT ON TABLE freshet_owner IS 'The one process that may write these tables';
COMMENT ON COLUMN freshet_owner.singleton IS 'There is one row';
COMMENT ON COLUMN freshet_owner.generation IS 'The fencing token, raised whenever the owner changes or opens another session; a commit with an earlier one fails';
COMMENT ON COLUMN freshet_owner.instance IS 'Host and process of the owner; null after a clean stop';
COMMENT ON COLUMN freshet_owner.backend_pid IS 'The process id of the owner''s session in Postgres';
COMMENT ON COLUMN freshet_owner.backend_start IS 'When that session began';
COMMENT ON COLUMN freshet_owner.renewed_at IS 'When the owner took over the tables';
COMMENT ON COLUMN freshet_owner.commit_number IS 'Raised by each commit, which compares it with what the owner knows: they differ if Postgres lost commits';
COMMENT ON COLUMN freshet_owner.process IS 'Tells a process on the same machine whether the owner has ended: boot, pid namespace, process id and start time';
COMMENT ON COLUMN freshet_owner.database_id IS 'The database that the owner writes; differs in a copy of the tables';

CREATE TABLE IF NOT EXISTS freshet_heartbeat (
    singleton boolean NOT NULL DEFAULT true CHECK (singleton),
    number bigint NOT NULL DEFAULT 0,
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (singleton)
);
-- Added since, and by a start to tables that were made before.
ALTER TABLE freshet_heartbeat
    ADD COLUMN IF NOT EXISTS asked_by text,
    ADD COLUMN IF NOT EXISTS asked_at timestamptz;
COMMENT ON TABLE freshet_heartbeat IS 'The owner''s sign of life, every two seconds, by a session of its own';
COMMENT ON COLUMN freshet_heartbeat.singleton IS 'There is one row';
COMMENT ON COLUMN freshet_heartbeat.number IS 'Raised by each beat: if it does not change for ten seconds, another process may take over';
COMMENT ON COLUMN freshet_heartbeat.beat_at IS 'When the last beat came';
COMMENT ON COLUMN freshet_heartbeat.asked_by IS 'The freshet forget that asks the owner for the tables, or has them';
COMMENT ON COLUMN freshet_heartbeat.asked_at IS 'When it last did: after ten seconds it is passed over';

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
    last_leader_epoch integer,
    PRIMARY KEY (topic, kafka_partition)
);
-- Added since, and by a start to tables that were made before.
ALTER TABLE progress
    ADD COLUMN IF NOT EXISTS expired bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS bot bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS forgotten bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS newest_day date,
    ADD COLUMN IF NOT EXISTS window_offset bigint,
    ADD COLUMN IF NOT EXISTS window_newest bigint,
    ADD COLUMN IF NOT EXISTS window_day date;
COMMENT ON TABLE progress IS 'How much of each partition all these tables include';
COMMENT ON COLUMN progress.topic IS 'The Kafka topic';
COMMENT ON COLUMN progress.kafka_partition IS 'The partition';
COMMENT ON COLUMN progress.first_offset IS 'The offset at which reading began';
COMMENT ON COLUMN progress.next_offset IS 'The offset after the last record that these tables include, and after any offsets without a record that follow it at the end';
COMMENT ON COLUMN progress.consumed IS 'Records read: counted + ignored + duplicate + rejected + expired + bot + forgotten';
COMMENT ON COLUMN progress.counted IS 'Records that the reports count';
COMMENT ON COLUMN progress.ignored IS 'Records of kinds that no report counts';
COMMENT ON COLUMN progress.duplicate IS 'Copies of records that count, with --dedup';
COMMENT ON COLUMN progress.rejected IS 'Records that could not be counted, by hour and reason in rejected_hourly';
COMMENT ON COLUMN progress.expired IS 'Records of days that had left the tables, with --retain';
COMMENT ON COLUMN progress.bot IS 'Records of crawlers, with --skip-bots';
COMMENT ON COLUMN progress.forgotten IS 'Records that freshet forget took out';
COMMENT ON COLUMN progress.newest_day IS 'The newest day of a record that the reports count; null without --retain';
COMMENT ON COLUMN progress.window_offset IS 'From which offset a start reads ids again, to know copies; null without --dedup';
COMMENT ON COLUMN progress.window_newest IS 'The greatest event time before it, in seconds since 1970';
COMMENT ON COLUMN progress.window_day IS 'The newest day before it; null without --retain';
COMMENT ON COLUMN progress.last_offset IS 'The offset of the last record read; null before the first';
COMMENT ON COLUMN progress.last_timestamp IS 'Its Kafka timestamp in milliseconds, -1 if it has none';
COMMENT ON COLUMN progress.last_hash IS 'The XXH3 hash of its value: a start fails if another record is at that offset';
COMMENT ON COLUMN progress.last_leader_epoch IS 'The leader epoch of that record, to detect a truncated log; null if the broker gives none';

CREATE TABLE IF NOT EXISTS gaps (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_offset bigint NOT NULL,
    to_offset bigint NOT NULL,
    reason text COLLATE "C" NOT NULL,
    PRIMARY KEY (topic, kafka_partition, noted_at)
);
COMMENT ON TABLE gaps IS 'Records that were gone from Kafka before they were read: see --on-lost-offsets';
COMMENT ON COLUMN gaps.topic IS 'The Kafka topic';
COMMENT ON COLUMN gaps.kafka_partition IS 'The partition';
COMMENT ON COLUMN gaps.noted_at IS 'When the gap was found';
COMMENT ON COLUMN gaps.from_offset IS 'The offset to be read next';
COMMENT ON COLUMN gaps.to_offset IS 'The offset that was read next instead; not above from_offset if the topic was recreated or truncated';
COMMENT ON COLUMN gaps.reason IS 'retention, truncated or another topic';

CREATE TABLE IF NOT EXISTS forgotten (
    id_hash bytea NOT NULL,
    forgotten_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id_hash)
);
COMMENT ON TABLE forgotten IS 'The ids of events that freshet forget took out of the tables, and that stay out';
COMMENT ON COLUMN forgotten.id_hash IS 'The SipHash-1-3 (128 bits) of the id, by the key that freshet_settings has as forget-key';
COMMENT ON COLUMN forgotten.forgotten_at IS 'When';

CREATE TABLE IF NOT EXISTS rejected_records (
    topic text COLLATE "C" NOT NULL,
    kafka_partition integer NOT NULL,
    kafka_offset bigint NOT NULL,
    reason text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    payload bytea,
    PRIMARY KEY (topic, kafka_partition, kafka_offset)
);
COMMENT ON TABLE rejected_records IS 'Records that could not be counted, as long as --retain-rejected and --rejected-max-rows keep them';
COMMENT ON COLUMN rejected_records.topic IS 'The Kafka topic; with "(until ...)" if its offsets were reused since, see gaps';
COMMENT ON COLUMN rejected_records.kafka_partition IS 'The partition';
COMMENT ON COLUMN rejected_records.kafka_offset IS 'The offset in the partition';
COMMENT ON COLUMN rejected_records.reason IS 'Why the record could not be counted';
COMMENT ON COLUMN rejected_records.rejected_at IS 'When that was found';
COMMENT ON COLUMN rejected_records.payload IS 'The value of the record, with --keep-rejected-payload; it may hold personal data';

CREATE TABLE IF NOT EXISTS rejected_hourly (
    hour timestamptz NOT NULL,
    reason text COLLATE "C" NOT NULL,
    records bigint NOT NULL,
    only_counted bigint NOT NULL,
    PRIMARY KEY (hour, reason)
) WITH (fillfactor = 80);
COMMENT ON TABLE rejected_hourly IS 'How many records were rejected, all of them: also those without a row in rejected_records';
COMMENT ON COLUMN rejected_hourly.hour IS 'The hour of the records'' Kafka timestamps; 1970-01-01 00:00 UTC if unknown: none, or rejected by a version without this table';
COMMENT ON COLUMN rejected_hourly.reason IS 'Why the records could not be counted';
COMMENT ON COLUMN rejected_hourly.records IS 'How many there are';
COMMENT ON COLUMN rejected_hourly.only_counted IS 'How many have no row because rejected_records was full; under 1970-01-01 00:00 UTC also how many rows of the reason were removed';

-- Counts --------------------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS store_views_daily (
    day date NOT NULL,
    country text COLLATE "C" NOT NULL,
    store_id text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, country, store_id)
) WITH (fillfactor = 80);
-- For the report, which is asked for one member over all days.
CREATE INDEX IF NOT EXISTS store_views_by_country ON store_views_daily (country, store_id);
COMMENT ON TABLE store_views_daily IS 'Views by day, country and store';
COMMENT ON COLUMN store_views_daily.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN store_views_daily.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
COMMENT ON COLUMN store_views_daily.store_id IS 'The store';
COMMENT ON COLUMN store_views_daily.views IS 'How many views';

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

CREATE TABLE IF NOT EXISTS country_views_daily (
    day date NOT NULL,
    country text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, country)
) WITH (fillfactor = 80);
COMMENT ON TABLE country_views_daily IS 'Views by day and country';
COMMENT ON COLUMN country_views_daily.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN country_views_daily.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
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
COMMENT ON COLUMN referrer_views_daily.referrer_url_digest IS 'The first 16 bytes of the SHA-256 of referrer_url, which is too long for an index';
COMMENT ON COLUMN referrer_views_daily.views IS 'How many views';

CREATE TABLE IF NOT EXISTS country_views (
    country text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (country)
) WITH (fillfactor = 80);
COMMENT ON TABLE country_views IS 'Views by country over all days: the sums of country_views_daily';
COMMENT ON COLUMN country_views.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
COMMENT ON COLUMN country_views.views IS 'How many views';

CREATE TABLE IF NOT EXISTS product_views_daily (
    day date NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    views bigint NOT NULL CHECK (views > 0),
    PRIMARY KEY (day, product_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE product_views_daily IS 'Views by day and product';
COMMENT ON COLUMN product_views_daily.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN product_views_daily.product_id IS 'The product';
COMMENT ON COLUMN product_views_daily.views IS 'How many views';

-- Rankings: by views descending, then by the bytes of what is ranked --------------------------------------------------

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
COMMENT ON COLUMN top_countries.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
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

-- Dimensions: what the keys of the counts are -------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS dim_date (
    day date NOT NULL,
    year smallint NOT NULL GENERATED ALWAYS AS (extract(year FROM day)::smallint) STORED,
    quarter smallint NOT NULL GENERATED ALWAYS AS (extract(quarter FROM day)::smallint) STORED,
    month smallint NOT NULL GENERATED ALWAYS AS (extract(month FROM day)::smallint) STORED,
    iso_year smallint NOT NULL GENERATED ALWAYS AS (extract(isoyear FROM day)::smallint) STORED,
    iso_week smallint NOT NULL GENERATED ALWAYS AS (extract(week FROM day)::smallint) STORED,
    weekday smallint NOT NULL GENERATED ALWAYS AS (extract(isodow FROM day)::smallint) STORED CHECK (weekday BETWEEN 1 AND 7),
    is_weekend boolean NOT NULL GENERATED ALWAYS AS (extract(isodow FROM day) > 5) STORED,
    PRIMARY KEY (day)
);
COMMENT ON TABLE dim_date IS 'The days that have a counted record';
COMMENT ON COLUMN dim_date.day IS 'The day, by the clock that the tables were built with';
COMMENT ON COLUMN dim_date.year IS 'Its year';
COMMENT ON COLUMN dim_date.quarter IS 'Its quarter, 1 to 4';
COMMENT ON COLUMN dim_date.month IS 'Its month, 1 to 12';
COMMENT ON COLUMN dim_date.iso_year IS 'The year that its ISO week belongs to; around New Year it may differ from year';
COMMENT ON COLUMN dim_date.iso_week IS 'Its ISO week, 1 to 53';
COMMENT ON COLUMN dim_date.weekday IS 'Its day of the week, from 1 for Monday to 7 for Sunday';
COMMENT ON COLUMN dim_date.is_weekend IS 'Whether it is a Saturday or a Sunday';

CREATE TABLE IF NOT EXISTS dim_store (
    store_id text COLLATE "C" NOT NULL,
    country text COLLATE "C" NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    PRIMARY KEY (store_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE dim_store IS 'The stores that have a counted record';
COMMENT ON COLUMN dim_store.store_id IS 'The store';
COMMENT ON COLUMN dim_store.country IS 'Its home: the country with the most of its views over all days; ties go to the first code';
COMMENT ON COLUMN dim_store.first_day IS 'The first day with a view of it';
COMMENT ON COLUMN dim_store.last_day IS 'The last day with a view of it';

CREATE TABLE IF NOT EXISTS store_names (
    store_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    PRIMARY KEY (store_id)
);
COMMENT ON TABLE store_names IS 'The names of stores, which no record says: those of the file of --stores, or whatever was put here';
COMMENT ON COLUMN store_names.store_id IS 'The store';
COMMENT ON COLUMN store_names.name IS 'Its name';

CREATE TABLE IF NOT EXISTS dim_product (
    product_id text COLLATE "C" NOT NULL,
    name text COLLATE "C",
    url text COLLATE "C",
    url_day date,
    first_day date NOT NULL,
    last_day date NOT NULL,
    PRIMARY KEY (product_id)
) WITH (fillfactor = 80);
COMMENT ON TABLE dim_product IS 'The products that have a counted record';
COMMENT ON COLUMN dim_product.product_id IS 'The product';
COMMENT ON COLUMN dim_product.name IS 'Its name, from the last part of url; null if that gives none';
COMMENT ON COLUMN dim_product.url IS 'The address of its page, without query and fragment: on the shop''s hosts the shortest that gives the most viewed name, else the most viewed that gives any; null if no page gives a name';
COMMENT ON COLUMN dim_product.url_day IS 'The first day with a view that gives that name; null without url';
COMMENT ON COLUMN dim_product.first_day IS 'The first day with a view of it';
COMMENT ON COLUMN dim_product.last_day IS 'The last day with a view of it';

CREATE TABLE IF NOT EXISTS product_names (
    product_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    views smallint NOT NULL CHECK (views BETWEEN 1 AND 20),
    url text COLLATE "C" NOT NULL,
    first_day date NOT NULL,
    PRIMARY KEY (product_id, name)
) WITH (fillfactor = 80);
COMMENT ON TABLE product_names IS 'The names that pages on the shop''s hosts give each product: what dim_product is chosen from';
COMMENT ON COLUMN product_names.product_id IS 'The product';
COMMENT ON COLUMN product_names.name IS 'The name';
COMMENT ON COLUMN product_names.views IS 'How many views give it that name, at most 20';
COMMENT ON COLUMN product_names.url IS 'The shortest address that does, without query and fragment; ties go to the first by its bytes';
COMMENT ON COLUMN product_names.first_day IS 'The first day with such a view';

CREATE TABLE IF NOT EXISTS page_hosts (
    host text COLLATE "C" NOT NULL,
    views smallint NOT NULL CHECK (views BETWEEN 1 AND 10),
    waiting text COLLATE "C",
    PRIMARY KEY (host)
) WITH (fillfactor = 80);
COMMENT ON TABLE page_hosts IS 'The hosts of product pages that give a name: a host with 10 views is the shop''s';
COMMENT ON COLUMN page_hosts.host IS 'The host, as referrer_host gives it';
COMMENT ON COLUMN page_hosts.views IS 'How many views of such pages it has, at most 10';
COMMENT ON COLUMN page_hosts.waiting IS 'The views of a host that is not the shop''s: for each page a line of product, address, views and first day (days since 1970-01-01), separated by tabs; null for the shop''s hosts';

CREATE TABLE IF NOT EXISTS dim_browser_os (
    browser text COLLATE "C" NOT NULL,
    os text COLLATE "C" NOT NULL,
    category text COLLATE "C" NOT NULL
        CHECK (category IN ('pc', 'smartphone', 'mobilephone', 'appliance', 'crawler', 'misc', 'unknown')),
    PRIMARY KEY (browser, os)
);
COMMENT ON TABLE dim_browser_os IS 'The browsers and operating systems that have a counted record';
COMMENT ON COLUMN dim_browser_os.browser IS 'The browser, as woothee names it, or Unknown';
COMMENT ON COLUMN dim_browser_os.os IS 'The operating system, as woothee names it, or Unknown';
COMMENT ON COLUMN dim_browser_os.category IS 'pc, smartphone, mobilephone, appliance, crawler, misc or unknown, as woothee sorts these names';

CREATE TABLE IF NOT EXISTS dim_referrer (
    host text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('search', 'social', 'own site', 'other')),
    PRIMARY KEY (host)
) WITH (fillfactor = 80);
COMMENT ON TABLE dim_referrer IS 'The hosts of the referrers of counted records';
COMMENT ON COLUMN dim_referrer.host IS 'The host, as referrer_host gives it';
COMMENT ON COLUMN dim_referrer.kind IS 'search or social, if in Freshet''s lists; own site, if a visitor came from it to a page of the same host; else other';

-- As the program reads it, so that a referrer finds its row of dim_referrer. In C only the letters of ASCII change case.
-- Whatever the search_path of its caller.
CREATE OR REPLACE FUNCTION referrer_host(url text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    authority text := substring(url FROM '^[^:]*://([^/?#\\]*)');
    host text := regexp_replace(regexp_replace(authority, '^.*@', ''), ':[0-9]*$', '');
BEGIN
    RETURN CASE WHEN octet_length(host) BETWEEN 1 AND 253 THEN lower(host COLLATE "C") END;
END
$$;
COMMENT ON FUNCTION referrer_host(text) IS 'The host of a referrer''s URL, as dim_referrer has it; null if it has none';

CREATE TABLE IF NOT EXISTS dim_country (
    country text COLLATE "C" NOT NULL,
    country_name text COLLATE "C" NOT NULL,
    region text COLLATE "C" NOT NULL
        CHECK (region IN ('Africa', 'Americas', 'Antarctica', 'Asia', 'Europe', 'Oceania', 'Unknown')),
    PRIMARY KEY (country)
);
COMMENT ON TABLE dim_country IS 'All countries, with or without views';
COMMENT ON COLUMN dim_country.country IS 'ISO 3166-1 alpha-2 code, EU or ZZ';
COMMENT ON COLUMN dim_country.country_name IS 'Its English name';
COMMENT ON COLUMN dim_country.region IS 'Its region by the United Nations'' M49; Antarctica for AQ, Unknown for ZZ';

-- Sets right what is missing or was changed, and removes what does not belong here. Writes nothing where all is well.
WITH listed AS (
    SELECT code COLLATE "C" AS country, name COLLATE "C" AS country_name, area COLLATE "C" AS region FROM (VALUES
        ('AD', 'Andorra', 'Europe'),
        ('AE', 'United Arab Emirates', 'Asia'),
        ('AF', 'Afghanistan', 'Asia'),
        ('AG', 'Antigua and Barbuda', 'Americas'),
        ('AI', 'Anguilla', 'Americas'),
        ('AL', 'Albania', 'Europe'),
        ('AM', 'Armenia', 'Asia'),
        ('AO', 'Angola', 'Africa'),
        ('AQ', 'Antarctica', 'Antarctica'),
        ('AR', 'Argentina', 'Americas'),
        ('AS', 'American Samoa', 'Oceania'),
        ('AT', 'Austria', 'Europe'),
        ('AU', 'Australia', 'Oceania'),
        ('AW', 'Aruba', 'Americas'),
        ('AX', 'Åland Islands', 'Europe'),
        ('AZ', 'Azerbaijan', 'Asia'),
        ('BA', 'Bosnia and Herzegovina', 'Europe'),
        ('BB', 'Barbados', 'Americas'),
        ('BD', 'Bangladesh', 'Asia'),
        ('BE', 'Belgium', 'Europe'),
        ('BF', 'Burkina Faso', 'Africa'),
        ('BG', 'Bulgaria', 'Europe'),
        ('BH', 'Bahrain', 'Asia'),
        ('BI', 'Burundi', 'Africa'),
        ('BJ', 'Benin', 'Africa'),
        ('BL', 'Saint Barthélemy', 'Americas'),
        ('BM', 'Bermuda', 'Americas'),
        ('BN', 'Brunei', 'Asia'),
        ('BO', 'Bolivia', 'Americas'),
        ('BQ', 'Bonaire, Sint Eustatius and Saba', 'Americas'),
        ('BR', 'Brazil', 'Americas'),
        ('BS', 'Bahamas', 'Americas'),
        ('BT', 'Bhutan', 'Asia'),
        ('BV', 'Bouvet Island', 'Americas'),
        ('BW', 'Botswana', 'Africa'),
        ('BY', 'Belarus', 'Europe'),
        ('BZ', 'Belize', 'Americas'),
        ('CA', 'Canada', 'Americas'),
        ('CC', 'Cocos (Keeling) Islands', 'Oceania'),
        ('CD', 'Congo (Kinshasa)', 'Africa'),
        ('CF', 'Central African Republic', 'Africa'),
        ('CG', 'Congo (Brazzaville)', 'Africa'),
        ('CH', 'Switzerland', 'Europe'),
        ('CI', 'Côte d''Ivoire', 'Africa'),
        ('CK', 'Cook Islands', 'Oceania'),
        ('CL', 'Chile', 'Americas'),
        ('CM', 'Cameroon', 'Africa'),
        ('CN', 'China', 'Asia'),
        ('CO', 'Colombia', 'Americas'),
        ('CR', 'Costa Rica', 'Americas'),
        ('CU', 'Cuba', 'Americas'),
        ('CV', 'Cabo Verde', 'Africa'),
        ('CW', 'Curaçao', 'Americas'),
        ('CX', 'Christmas Island', 'Oceania'),
        ('CY', 'Cyprus', 'Asia'),
        ('CZ', 'Czechia', 'Europe'),
        ('DE', 'Germany', 'Europe'),
        ('DJ', 'Djibouti', 'Africa'),
        ('DK', 'Denmark', 'Europe'),
        ('DM', 'Dominica', 'Americas'),
        ('DO', 'Dominican Republic', 'Americas'),
        ('DZ', 'Algeria', 'Africa'),
        ('EC', 'Ecuador', 'Americas'),
        ('EE', 'Estonia', 'Europe'),
        ('EG', 'Egypt', 'Africa'),
        ('EH', 'Western Sahara', 'Africa'),
        ('ER', 'Eritrea', 'Africa'),
        ('ES', 'Spain', 'Europe'),
        ('ET', 'Ethiopia', 'Africa'),
        ('EU', 'European Union', 'Europe'),
        ('FI', 'Finland', 'Europe'),
        ('FJ', 'Fiji', 'Oceania'),
        ('FK', 'Falkland Islands (Malvinas)', 'Americas'),
        ('FM', 'Micronesia', 'Oceania'),
        ('FO', 'Faroe Islands', 'Europe'),
        ('FR', 'France', 'Europe'),
        ('GA', 'Gabon', 'Africa'),
        ('GB', 'United Kingdom', 'Europe'),
        ('GD', 'Grenada', 'Americas'),
        ('GE', 'Georgia', 'Asia'),
        ('GF', 'French Guiana', 'Americas'),
        ('GG', 'Guernsey', 'Europe'),
        ('GH', 'Ghana', 'Africa'),
        ('GI', 'Gibraltar', 'Europe'),
        ('GL', 'Greenland', 'Americas'),
        ('GM', 'Gambia', 'Africa'),
        ('GN', 'Guinea', 'Africa'),
        ('GP', 'Guadeloupe', 'Americas'),
        ('GQ', 'Equatorial Guinea', 'Africa'),
        ('GR', 'Greece', 'Europe'),
        ('GS', 'South Georgia and the South Sandwich Islands', 'Americas'),
        ('GT', 'Guatemala', 'Americas'),
        ('GU', 'Guam', 'Oceania'),
        ('GW', 'Guinea-Bissau', 'Africa'),
        ('GY', 'Guyana', 'Americas'),
        ('HK', 'Hong Kong', 'Asia'),
        ('HM', 'Heard Island and McDonald Islands', 'Oceania'),
        ('HN', 'Honduras', 'Americas'),
        ('HR', 'Croatia', 'Europe'),
        ('HT', 'Haiti', 'Americas'),
        ('HU', 'Hungary', 'Europe'),
        ('ID', 'Indonesia', 'Asia'),
        ('IE', 'Ireland', 'Europe'),
        ('IL', 'Israel', 'Asia'),
        ('IM', 'Isle of Man', 'Europe'),
        ('IN', 'India', 'Asia'),
        ('IO', 'British Indian Ocean Territory', 'Africa'),
        ('IQ', 'Iraq', 'Asia'),
        ('IR', 'Iran', 'Asia'),
        ('IS', 'Iceland', 'Europe'),
        ('IT', 'Italy', 'Europe'),
        ('JE', 'Jersey', 'Europe'),
        ('JM', 'Jamaica', 'Americas'),
        ('JO', 'Jordan', 'Asia'),
        ('JP', 'Japan', 'Asia'),
        ('KE', 'Kenya', 'Africa'),
        ('KG', 'Kyrgyzstan', 'Asia'),
        ('KH', 'Cambodia', 'Asia'),
        ('KI', 'Kiribati', 'Oceania'),
        ('KM', 'Comoros', 'Africa'),
        ('KN', 'Saint Kitts and Nevis', 'Americas'),
        ('KP', 'North Korea', 'Asia'),
        ('KR', 'South Korea', 'Asia'),
        ('KW', 'Kuwait', 'Asia'),
        ('KY', 'Cayman Islands', 'Americas'),
        ('KZ', 'Kazakhstan', 'Asia'),
        ('LA', 'Laos', 'Asia'),
        ('LB', 'Lebanon', 'Asia'),
        ('LC', 'Saint Lucia', 'Americas'),
        ('LI', 'Liechtenstein', 'Europe'),
        ('LK', 'Sri Lanka', 'Asia'),
        ('LR', 'Liberia', 'Africa'),
        ('LS', 'Lesotho', 'Africa'),
        ('LT', 'Lithuania', 'Europe'),
        ('LU', 'Luxembourg', 'Europe'),
        ('LV', 'Latvia', 'Europe'),
        ('LY', 'Libya', 'Africa'),
        ('MA', 'Morocco', 'Africa'),
        ('MC', 'Monaco', 'Europe'),
        ('MD', 'Moldova', 'Europe'),
        ('ME', 'Montenegro', 'Europe'),
        ('MF', 'Saint Martin (French part)', 'Americas'),
        ('MG', 'Madagascar', 'Africa'),
        ('MH', 'Marshall Islands', 'Oceania'),
        ('MK', 'North Macedonia', 'Europe'),
        ('ML', 'Mali', 'Africa'),
        ('MM', 'Myanmar', 'Asia'),
        ('MN', 'Mongolia', 'Asia'),
        ('MO', 'Macao', 'Asia'),
        ('MP', 'Northern Mariana Islands', 'Oceania'),
        ('MQ', 'Martinique', 'Americas'),
        ('MR', 'Mauritania', 'Africa'),
        ('MS', 'Montserrat', 'Americas'),
        ('MT', 'Malta', 'Europe'),
        ('MU', 'Mauritius', 'Africa'),
        ('MV', 'Maldives', 'Asia'),
        ('MW', 'Malawi', 'Africa'),
        ('MX', 'Mexico', 'Americas'),
        ('MY', 'Malaysia', 'Asia'),
        ('MZ', 'Mozambique', 'Africa'),
        ('NA', 'Namibia', 'Africa'),
        ('NC', 'New Caledonia', 'Oceania'),
        ('NE', 'Niger', 'Africa'),
        ('NF', 'Norfolk Island', 'Oceania'),
        ('NG', 'Nigeria', 'Africa'),
        ('NI', 'Nicaragua', 'Americas'),
        ('NL', 'Netherlands', 'Europe'),
        ('NO', 'Norway', 'Europe'),
        ('NP', 'Nepal', 'Asia'),
        ('NR', 'Nauru', 'Oceania'),
        ('NU', 'Niue', 'Oceania'),
        ('NZ', 'New Zealand', 'Oceania'),
        ('OM', 'Oman', 'Asia'),
        ('PA', 'Panama', 'Americas'),
        ('PE', 'Peru', 'Americas'),
        ('PF', 'French Polynesia', 'Oceania'),
        ('PG', 'Papua New Guinea', 'Oceania'),
        ('PH', 'Philippines', 'Asia'),
        ('PK', 'Pakistan', 'Asia'),
        ('PL', 'Poland', 'Europe'),
        ('PM', 'Saint Pierre and Miquelon', 'Americas'),
        ('PN', 'Pitcairn', 'Oceania'),
        ('PR', 'Puerto Rico', 'Americas'),
        ('PS', 'Palestine', 'Asia'),
        ('PT', 'Portugal', 'Europe'),
        ('PW', 'Palau', 'Oceania'),
        ('PY', 'Paraguay', 'Americas'),
        ('QA', 'Qatar', 'Asia'),
        ('RE', 'Réunion', 'Africa'),
        ('RO', 'Romania', 'Europe'),
        ('RS', 'Serbia', 'Europe'),
        ('RU', 'Russia', 'Europe'),
        ('RW', 'Rwanda', 'Africa'),
        ('SA', 'Saudi Arabia', 'Asia'),
        ('SB', 'Solomon Islands', 'Oceania'),
        ('SC', 'Seychelles', 'Africa'),
        ('SD', 'Sudan', 'Africa'),
        ('SE', 'Sweden', 'Europe'),
        ('SG', 'Singapore', 'Asia'),
        ('SH', 'Saint Helena, Ascension and Tristan da Cunha', 'Africa'),
        ('SI', 'Slovenia', 'Europe'),
        ('SJ', 'Svalbard and Jan Mayen', 'Europe'),
        ('SK', 'Slovakia', 'Europe'),
        ('SL', 'Sierra Leone', 'Africa'),
        ('SM', 'San Marino', 'Europe'),
        ('SN', 'Senegal', 'Africa'),
        ('SO', 'Somalia', 'Africa'),
        ('SR', 'Suriname', 'Americas'),
        ('SS', 'South Sudan', 'Africa'),
        ('ST', 'Sao Tome and Principe', 'Africa'),
        ('SV', 'El Salvador', 'Americas'),
        ('SX', 'Sint Maarten (Dutch part)', 'Americas'),
        ('SY', 'Syria', 'Asia'),
        ('SZ', 'Eswatini', 'Africa'),
        ('TC', 'Turks and Caicos Islands', 'Americas'),
        ('TD', 'Chad', 'Africa'),
        ('TF', 'French Southern Territories', 'Africa'),
        ('TG', 'Togo', 'Africa'),
        ('TH', 'Thailand', 'Asia'),
        ('TJ', 'Tajikistan', 'Asia'),
        ('TK', 'Tokelau', 'Oceania'),
        ('TL', 'Timor-Leste', 'Asia'),
        ('TM', 'Turkmenistan', 'Asia'),
        ('TN', 'Tunisia', 'Africa'),
        ('TO', 'Tonga', 'Oceania'),
        ('TR', 'Türkiye', 'Asia'),
        ('TT', 'Trinidad and Tobago', 'Americas'),
        ('TV', 'Tuvalu', 'Oceania'),
        ('TW', 'Taiwan', 'Asia'),
        ('TZ', 'Tanzania', 'Africa'),
        ('UA', 'Ukraine', 'Europe'),
        ('UG', 'Uganda', 'Africa'),
        ('UM', 'United States Minor Outlying Islands', 'Oceania'),
        ('US', 'United States', 'Americas'),
        ('UY', 'Uruguay', 'Americas'),
        ('UZ', 'Uzbekistan', 'Asia'),
        ('VA', 'Vatican City', 'Europe'),
        ('VC', 'Saint Vincent and the Grenadines', 'Americas'),
        ('VE', 'Venezuela', 'Americas'),
        ('VG', 'British Virgin Islands', 'Americas'),
        ('VI', 'U.S. Virgin Islands', 'Americas'),
        ('VN', 'Vietnam', 'Asia'),
        ('VU', 'Vanuatu', 'Oceania'),
        ('WF', 'Wallis and Futuna', 'Oceania'),
        ('WS', 'Samoa', 'Oceania'),
        ('YE', 'Yemen', 'Asia'),
        ('YT', 'Mayotte', 'Africa'),
        ('ZA', 'South Africa', 'Africa'),
        ('ZM', 'Zambia', 'Africa'),
        ('ZW', 'Zimbabwe', 'Africa'),
        ('ZZ', 'Unknown', 'Unknown')
    ) AS countries (code, name, area)
), removed AS (
    DELETE FROM dim_country WHERE NOT EXISTS (SELECT FROM listed WHERE listed.country = dim_country.country)
)
INSERT INTO dim_country (country, country_name, region)
SELECT * FROM listed WHERE NOT EXISTS (
    SELECT FROM dim_country WHERE dim_country.country = listed.country
        AND dim_country.country_name = listed.country_name AND dim_country.region = listed.region
)
ON CONFLICT (country) DO UPDATE SET country_name = excluded.country_name, region = excluded.region;

-- The reports ---------------------------------------------------------------------------------------------------------

CREATE OR REPLACE VIEW report_day AS
SELECT coalesce(
    (SELECT max(day) FROM dim_date WHERE day <= today),
    (SELECT min(day) FROM dim_date WHERE day > today)
) AS day
FROM (
    SELECT (now() AT TIME ZONE coalesce((SELECT value FROM freshet_settings WHERE name = 'time-zone'), 'UTC'))::date AS today
) AS clock;
COMMENT ON VIEW report_day IS 'The day of the daily reports: today if it has any view, else the latest day before it that has, else the earliest after it';
COMMENT ON COLUMN report_day.day IS 'The day; null while there is no view at all';

CREATE OR REPLACE VIEW report_top_products AS
SELECT counted.day,
    counted.rank,
    counted.product_id,
    counted.views
FROM top_products AS counted
    JOIN report_day ON report_day.day = counted.day
ORDER BY counted.rank;
COMMENT ON VIEW report_top_products IS 'The ten products with the most views of each day (here those of the current or latest day)';
COMMENT ON COLUMN report_top_products.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN report_top_products.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_products.product_id IS 'The product';
COMMENT ON COLUMN report_top_products.views IS 'How many views';

CREATE OR REPLACE VIEW report_top_countries AS
SELECT counted.rank::smallint AS rank,
    counted.country,
    coalesce(country_dim.country_name, counted.country) AS country_name,
    counted.views
FROM (
    SELECT row_number() OVER (ORDER BY views DESC, country) AS rank, * FROM country_views
) AS counted
    LEFT JOIN dim_country AS country_dim ON country_dim.country = counted.country
WHERE counted.rank <= 10
ORDER BY counted.rank;
COMMENT ON VIEW report_top_countries IS 'Views by country over all days: the sums of country_views_daily (here the 10 with the most)';
COMMENT ON COLUMN report_top_countries.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_countries.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
COMMENT ON COLUMN report_top_countries.country_name IS 'The name of that country';
COMMENT ON COLUMN report_top_countries.views IS 'How many views';

CREATE OR REPLACE VIEW report_top_countries_daily AS
SELECT counted.day,
    counted.rank,
    counted.country,
    coalesce(country_dim.country_name, counted.country) AS country_name,
    counted.views
FROM top_countries AS counted
    JOIN report_day ON report_day.day = counted.day
    LEFT JOIN dim_country AS country_dim ON country_dim.country = counted.country
ORDER BY counted.rank;
COMMENT ON VIEW report_top_countries_daily IS 'The ten countries with the most views of each day (here those of the current or latest day)';
COMMENT ON COLUMN report_top_countries_daily.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN report_top_countries_daily.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_countries_daily.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
COMMENT ON COLUMN report_top_countries_daily.country_name IS 'The name of that country';
COMMENT ON COLUMN report_top_countries_daily.views IS 'How many views';

CREATE OR REPLACE VIEW report_top_referrers AS
SELECT counted.day,
    counted.rank,
    counted.referrer_url,
    counted.views
FROM top_referrers AS counted
    JOIN report_day ON report_day.day = counted.day
ORDER BY counted.rank;
COMMENT ON VIEW report_top_referrers IS 'The five referrers with the most views of each day (here those of the current or latest day)';
COMMENT ON COLUMN report_top_referrers.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN report_top_referrers.rank IS 'The place, from 1';
COMMENT ON COLUMN report_top_referrers.referrer_url IS 'Where the visitors came from';
COMMENT ON COLUMN report_top_referrers.views IS 'How many views';

CREATE OR REPLACE VIEW report_store_views AS
SELECT counted.country,
    coalesce(country_dim.country_name, counted.country) AS country_name,
    counted.store_id,
    sum(counted.views)::bigint AS views
FROM store_views_daily AS counted
    LEFT JOIN dim_country AS country_dim ON country_dim.country = counted.country
GROUP BY counted.country, coalesce(country_dim.country_name, counted.country), counted.store_id
ORDER BY counted.country, sum(counted.views) DESC, counted.store_id;
COMMENT ON VIEW report_store_views IS 'Views by day, country and store (here the sums over all days)';
COMMENT ON COLUMN report_store_views.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
COMMENT ON COLUMN report_store_views.country_name IS 'The name of that country';
COMMENT ON COLUMN report_store_views.store_id IS 'The store';
COMMENT ON COLUMN report_store_views.views IS 'How many views';

CREATE OR REPLACE VIEW report_product_hours AS
SELECT counted.product_id,
    counted.day,
    counted.hour,
    counted.views
FROM product_views_hourly AS counted;
COMMENT ON VIEW report_product_hours IS 'Views by product and hour';
COMMENT ON COLUMN report_product_hours.product_id IS 'The product';
COMMENT ON COLUMN report_product_hours.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN report_product_hours.hour IS 'The hour of the events, 0 to 23';
COMMENT ON COLUMN report_product_hours.views IS 'How many views';

CREATE OR REPLACE VIEW report_browser_os_hours AS
SELECT counted.day,
    counted.hour,
    counted.browser,
    counted.os,
    counted.views
FROM browser_os_views_hourly AS counted;
COMMENT ON VIEW report_browser_os_hours IS 'Views by hour, browser and operating system';
COMMENT ON COLUMN report_browser_os_hours.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN report_browser_os_hours.hour IS 'The hour of the events, 0 to 23';
COMMENT ON COLUMN report_browser_os_hours.browser IS 'The browser, as woothee names it, or Unknown';
COMMENT ON COLUMN report_browser_os_hours.os IS 'The operating system, as woothee names it, or Unknown';
COMMENT ON COLUMN report_browser_os_hours.views IS 'How many views';

-- Facts: the counts, each row once, with what the dimensions say of it ------------------------------------------------

CREATE OR REPLACE VIEW fact_store_views AS
SELECT counted.day,
    counted.store_id,
    counted.country,
    coalesce(country_dim.country_name, counted.country) AS country_name,
    coalesce(country_dim.region, 'Unknown') AS region,
    dim_store.country AS store_country,
    store_names.name AS store_name,
    dim_date.year,
    dim_date.month,
    dim_date.iso_year,
    dim_date.iso_week,
    dim_date.weekday,
    dim_date.is_weekend,
    counted.views
FROM store_views_daily AS counted
    LEFT JOIN dim_country AS country_dim ON country_dim.country = counted.country
    LEFT JOIN dim_store ON dim_store.store_id = counted.store_id
    LEFT JOIN store_names ON store_names.store_id = counted.store_id
    LEFT JOIN dim_date ON dim_date.day = counted.day;
COMMENT ON VIEW fact_store_views IS 'Views by day, country and store, joined with their dimensions';
COMMENT ON COLUMN fact_store_views.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN fact_store_views.store_id IS 'The store';
COMMENT ON COLUMN fact_store_views.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
COMMENT ON COLUMN fact_store_views.country_name IS 'The name of that country';
COMMENT ON COLUMN fact_store_views.region IS 'The region of that country';
COMMENT ON COLUMN fact_store_views.store_country IS 'The store''s home, which may be another country';
COMMENT ON COLUMN fact_store_views.store_name IS 'Its name, if store_names has one';
COMMENT ON COLUMN fact_store_views.year IS 'The year of the day';
COMMENT ON COLUMN fact_store_views.month IS 'Its month, 1 to 12';
COMMENT ON COLUMN fact_store_views.iso_year IS 'The year that its ISO week belongs to; around New Year it may differ from year';
COMMENT ON COLUMN fact_store_views.iso_week IS 'Its ISO week, 1 to 53';
COMMENT ON COLUMN fact_store_views.weekday IS 'Its day of the week, from 1 for Monday to 7 for Sunday';
COMMENT ON COLUMN fact_store_views.is_weekend IS 'Whether it is a Saturday or a Sunday';
COMMENT ON COLUMN fact_store_views.views IS 'How many views';

CREATE OR REPLACE VIEW fact_product_views AS
SELECT counted.day,
    counted.hour,
    counted.product_id,
    coalesce(dim_product.name, counted.product_id) AS product_name,
    dim_product.url AS product_url,
    dim_date.year,
    dim_date.month,
    dim_date.iso_year,
    dim_date.iso_week,
    dim_date.weekday,
    dim_date.is_weekend,
    counted.views
FROM product_views_hourly AS counted
    LEFT JOIN dim_product ON dim_product.product_id = counted.product_id
    LEFT JOIN dim_date ON dim_date.day = counted.day;
COMMENT ON VIEW fact_product_views IS 'Views by product and hour, joined with their dimensions';
COMMENT ON COLUMN fact_product_views.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN fact_product_views.hour IS 'The hour of the events, 0 to 23';
COMMENT ON COLUMN fact_product_views.product_id IS 'The product';
COMMENT ON COLUMN fact_product_views.product_name IS 'Its name, or its product_id if it has none';
COMMENT ON COLUMN fact_product_views.product_url IS 'The address of its page; null if it has no usable one';
COMMENT ON COLUMN fact_product_views.year IS 'The year of the day';
COMMENT ON COLUMN fact_product_views.month IS 'Its month, 1 to 12';
COMMENT ON COLUMN fact_product_views.iso_year IS 'The year that its ISO week belongs to; around New Year it may differ from year';
COMMENT ON COLUMN fact_product_views.iso_week IS 'Its ISO week, 1 to 53';
COMMENT ON COLUMN fact_product_views.weekday IS 'Its day of the week, from 1 for Monday to 7 for Sunday';
COMMENT ON COLUMN fact_product_views.is_weekend IS 'Whether it is a Saturday or a Sunday';
COMMENT ON COLUMN fact_product_views.views IS 'How many views';

CREATE OR REPLACE VIEW fact_browser_os_views AS
SELECT counted.day,
    counted.hour,
    counted.browser,
    counted.os,
    dim_browser_os.category,
    dim_date.year,
    dim_date.month,
    dim_date.iso_year,
    dim_date.iso_week,
    dim_date.weekday,
    dim_date.is_weekend,
    counted.views
FROM browser_os_views_hourly AS counted
    LEFT JOIN dim_browser_os ON dim_browser_os.browser = counted.browser AND dim_browser_os.os = counted.os
    LEFT JOIN dim_date ON dim_date.day = counted.day;
COMMENT ON VIEW fact_browser_os_views IS 'Views by hour, browser and operating system, joined with their dimensions';
COMMENT ON COLUMN fact_browser_os_views.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN fact_browser_os_views.hour IS 'The hour of the events, 0 to 23';
COMMENT ON COLUMN fact_browser_os_views.browser IS 'The browser, as woothee names it, or Unknown';
COMMENT ON COLUMN fact_browser_os_views.os IS 'The operating system, as woothee names it, or Unknown';
COMMENT ON COLUMN fact_browser_os_views.category IS 'pc, smartphone, mobilephone, appliance, crawler, misc or unknown';
COMMENT ON COLUMN fact_browser_os_views.year IS 'The year of the day';
COMMENT ON COLUMN fact_browser_os_views.month IS 'Its month, 1 to 12';
COMMENT ON COLUMN fact_browser_os_views.iso_year IS 'The year that its ISO week belongs to; around New Year it may differ from year';
COMMENT ON COLUMN fact_browser_os_views.iso_week IS 'Its ISO week, 1 to 53';
COMMENT ON COLUMN fact_browser_os_views.weekday IS 'Its day of the week, from 1 for Monday to 7 for Sunday';
COMMENT ON COLUMN fact_browser_os_views.is_weekend IS 'Whether it is a Saturday or a Sunday';
COMMENT ON COLUMN fact_browser_os_views.views IS 'How many views';

CREATE OR REPLACE VIEW fact_country_views AS
SELECT counted.day,
    counted.country,
    coalesce(country_dim.country_name, counted.country) AS country_name,
    coalesce(country_dim.region, 'Unknown') AS region,
    dim_date.year,
    dim_date.month,
    dim_date.iso_year,
    dim_date.iso_week,
    dim_date.weekday,
    dim_date.is_weekend,
    counted.views
FROM country_views_daily AS counted
    LEFT JOIN dim_country AS country_dim ON country_dim.country = counted.country
    LEFT JOIN dim_date ON dim_date.day = counted.day;
COMMENT ON VIEW fact_country_views IS 'Views by day and country, joined with their dimensions';
COMMENT ON COLUMN fact_country_views.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN fact_country_views.country IS 'ISO 3166-1 alpha-2 code of the shop''s domain, EU, or ZZ if unknown';
COMMENT ON COLUMN fact_country_views.country_name IS 'The name of that country';
COMMENT ON COLUMN fact_country_views.region IS 'The region of that country';
COMMENT ON COLUMN fact_country_views.year IS 'The year of the day';
COMMENT ON COLUMN fact_country_views.month IS 'Its month, 1 to 12';
COMMENT ON COLUMN fact_country_views.iso_year IS 'The year that its ISO week belongs to; around New Year it may differ from year';
COMMENT ON COLUMN fact_country_views.iso_week IS 'Its ISO week, 1 to 53';
COMMENT ON COLUMN fact_country_views.weekday IS 'Its day of the week, from 1 for Monday to 7 for Sunday';
COMMENT ON COLUMN fact_country_views.is_weekend IS 'Whether it is a Saturday or a Sunday';
COMMENT ON COLUMN fact_country_views.views IS 'How many views';

CREATE OR REPLACE VIEW fact_referrer_views AS
SELECT counted.day,
    counted.referrer_url,
    dim_referrer.host AS referrer_host,
    coalesce(dim_referrer.kind, 'other') AS referrer_kind,
    dim_date.year,
    dim_date.month,
    dim_date.iso_year,
    dim_date.iso_week,
    dim_date.weekday,
    dim_date.is_weekend,
    counted.views
FROM referrer_views_daily AS counted
    LEFT JOIN dim_referrer ON dim_referrer.host = referrer_host(counted.referrer_url)
    LEFT JOIN dim_date ON dim_date.day = counted.day;
COMMENT ON VIEW fact_referrer_views IS 'Views by day and referrer, joined with their dimensions';
COMMENT ON COLUMN fact_referrer_views.day IS 'The day of the events, by the clock that the tables were built with';
COMMENT ON COLUMN fact_referrer_views.referrer_url IS 'Where the visitors came from';
COMMENT ON COLUMN fact_referrer_views.referrer_host IS 'Its host; null if it has none';
COMMENT ON COLUMN fact_referrer_views.referrer_kind IS 'search, social, own site or other';
COMMENT ON COLUMN fact_referrer_views.year IS 'The year of the day';
COMMENT ON COLUMN fact_referrer_views.month IS 'Its month, 1 to 12';
COMMENT ON COLUMN fact_referrer_views.iso_year IS 'The year that its ISO week belongs to; around New Year it may differ from year';
COMMENT ON COLUMN fact_referrer_views.iso_week IS 'Its ISO week, 1 to 53';
COMMENT ON COLUMN fact_referrer_views.weekday IS 'Its day of the week, from 1 for Monday to 7 for Sunday';
COMMENT ON COLUMN fact_referrer_views.is_weekend IS 'Whether it is a Saturday or a Sunday';
COMMENT ON COLUMN fact_referrer_views.views IS 'How many views';
